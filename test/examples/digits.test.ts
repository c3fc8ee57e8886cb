/** The parts of the digits example that a wrong comparison could come from: the kernel given to Adam, and the turned images. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {rotate, SIZE} from '../../docs/examples/digits/data';
import {withFilterGradient} from '../../docs/examples/digits/filter_gradient';
import {noise} from '../support/tensors';

test.serial('the gradient of a convolution in its filter on WebAssembly is that of the cpu backend', async t => {
  for (const pad of ['same', 'valid'] as const) {
    for (const strides of [1, 2]) {
      const gradient = async (): Promise<Float32Array> => tf.tidy(() => {
        const x = noise([3, 7, 8, 2], 1) as tf.Tensor4D;
        const f = (filter: tf.Tensor): tf.Tensor => tf.conv2d(x, filter as tf.Tensor4D, strides, pad);
        const filter = noise([3, 3, 2, 4], 2);
        return tf.grad(f)(filter, noise(f(filter).shape, 3)).dataSync() as Float32Array;
      });
      await tf.setBackend('cpu');
      const wanted = await gradient();
      await tf.setBackend('wasm');
      const found = await withFilterGradient(gradient);
      found.forEach((value, i) => t.true(Math.abs(value - wanted[i]) <= 1e-5 * Math.max(...wanted), `${pad}, stride ${strides}, entry ${i}`));
    }
  }
  t.throws(() => tf.tidy(() => tf.grad(filter => tf.conv2d(noise([1, 4, 4, 1], 1) as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same'))(noise([3, 3, 1, 1], 2))),
    {message: /Conv2DBackpropFilter/}, 'the kernel is there only for the time of the run');
});

test('a quarter turn moves the pixels of the image, counterclockwise', t => {
  const image = Array.from({length: 64}, (_, i) => Math.abs(Math.sin(i)));
  const [upright, turned] = [rotate(image, 0), rotate(image, 90)];
  for (let i = 0; i < SIZE; i++) {
    for (let j = 0; j < SIZE; j++) {
      t.true(Math.abs(turned[i * SIZE + j] - upright[j * SIZE + SIZE - 1 - i]) < 1e-6, `pixel ${i}, ${j}`);
    }
  }
});
