/** Patches by one op of TensorFlow against the loops that write them. */
import * as tf from '@tensorflow/tfjs';
import {convolutionOf, type Convolution} from '../../src/derivatives/kernels/convolution_geometry';
import {nativePatches} from '../../src/derivatives/kernels/native_patches';
import {columnsOf, patchTensor, positionsOf, writePatchesTransposed} from '../../src/derivatives/kernels/patches';
import {capture} from '../../src/trace/capture';
import {useBackend} from '../support/backends';
import {testOn} from '../support/test_on';

const native = testOn('tensorflow');

/** Images, filter, strides, padding, dilations. */
const GEOMETRIES: Array<[[number, number, number, number], [number, number], number, 'same' | 'valid', number]> = [
  [[3, 7, 9, 2], [3, 3], 1, 'same', 1],
  [[3, 7, 9, 2], [3, 2], 2, 'same', 1],
  [[2, 8, 8, 3], [2, 4], 3, 'valid', 1],
  [[2, 9, 11, 1], [3, 3], 1, 'same', 2],
  [[2, 9, 11, 2], [2, 3], 1, 'valid', 3],
  [[1, 1, 6, 4], [1, 3], 1, 'same', 1],
  [[4, 5, 5, 2], [1, 1], 2, 'valid', 1],
  // The windows end before the image does.
  [[2, 9, 9, 1], [1, 2], 4, 'valid', 1],
];

native('patches of images', async t => {
  await useBackend('tensorflow');
  for (const [shape, [height, width], strides, padding, dilations] of GEOMETRIES) {
    tf.tidy(() => {
      const x = tf.randomNormal(shape, 0, 1, 'float32', 1) as tf.Tensor4D;
      const filter = tf.randomNormal([height, width, shape[3], 2], 0, 1, 'float32', 2) as tf.Tensor4D;
      const {cost, trace} = capture(() =>
        tf.sum(tf.conv2d(x, filter, strides, padding, 'NHWC', dilations)) as tf.Scalar);
      const node = trace.nodes.find(({kernel}) => kernel === 'Conv2D')!;
      const c = convolutionOf(trace.values, node) as Convolution;
      const rows = c.images * positionsOf(c);
      const expected = new Float32Array(rows * columnsOf(c));
      writePatchesTransposed(c, x.dataSync() as Float32Array, 0, c.images, expected);
      const {numTensors} = tf.memory();
      const found = patchTensor(c, x);
      t.is(tf.memory().numTensors, numTensors + 1);
      t.deepEqual(found.shape, [rows, columnsOf(c)]);
      t.deepEqual([...tf.transpose(found).dataSync()], [...expected], `${shape.join()} ${height} ${strides}`);
      if (padding === 'valid') {
        t.is(nativePatches(c, x) !== null, strides > 1);
      }
      t.is(nativePatches({...c, before: [0, -1, 0]}, x), null, 'a cut image');
      trace.dispose();
      cost.dispose();
    });
  }
});
