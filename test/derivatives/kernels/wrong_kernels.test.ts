/** Kernels whose own results are wrong: models with such a kernel are refused on the backend in question, and on no other. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../../src/index';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

const L = tf.layers;

test.beforeEach(async () => {
  await tf.setBackend('wasm');
});

/** Layers of [8, 9, 2] (or [9, 2]), whose last window with padding 'same' ends before the image does. */
const ending: Record<string, [() => tf.layers.Layer, RegExp]> = {
  'conv2d': [() => L.conv2d({filters: 2, kernelSize: 3, strides: 4, padding: 'same', inputShape: [8, 9, 2]}),
    /'FusedConv2D' with padding 'same', a filter of 3 x 3 and strides of 4 x 4 on images of 8 x 9,/],
  'conv2d, along one axis, relu': [() => L.conv2d({filters: 2, kernelSize: [3, 2], strides: [1, 5], padding: 'same', activation: 'relu', inputShape: [8, 9, 2]}),
    /a filter of 3 x 2 and strides of 1 x 5/],
  'conv2d, channels first': [() => L.conv2d({filters: 2, kernelSize: 2, strides: 4, padding: 'same', dataFormat: 'channelsFirst', inputShape: [2, 8, 8]}),
    /a filter of 2 x 2 and strides of 4 x 4/],
  'conv1d': [() => L.conv1d({filters: 2, kernelSize: 2, strides: 5, padding: 'same', inputShape: [9, 2]}),
    /a filter of 1 x 2 and strides of 1 x 5 on images of 1 x 9,/],
  'depthwiseConv2d': [() => L.depthwiseConv2d({kernelSize: 3, strides: 4, padding: 'same', inputShape: [8, 8, 2]}), /'(Fused)?Depthwise/],
  'separableConv2d': [() => L.separableConv2d({filters: 2, kernelSize: 2, strides: 4, padding: 'same', inputShape: [8, 8, 2]}), /'DepthwiseConv2dNative'/],
};

function network(layer: tf.layers.Layer): {model: tf.LayersModel; optimizer: ReturnType<typeof ggn>; x: tf.Tensor; y: tf.Tensor} {
  const optimizer = ggn();
  const model = tf.sequential({layers: [layer, L.flatten(), L.dense({units: 1})]});
  model.compile({optimizer, loss: 'meanSquaredError'});
  return {model, optimizer, x: noise([4, ...model.inputs[0].shape.slice(1) as number[]], 1), y: noise([4, 1], 2)};
}

for (const [name, [layer, words]] of Object.entries(ending)) {
  test.serial(`defect: ${name} with padding 'same' whose windows end before the image is wrong on WASM, and is refused there`, async t => {
    const {model, x, y} = network(layer());
    const outputs = (): Float32Array => tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync().slice() as never);
    const onWasm = outputs();
    const error = await t.throwsAsync(async () => model.trainOnBatch(x, y), {message: /^tfjs-ggn: tfjs-backend-wasm \(4\.22\.0\) computes wrong values of the convolution/});
    t.regex(error.message, words);
    t.regex(error.message, /padding: 'valid'.* strides of at most the size of the filter.* another backend/);
    t.deepEqual(outputs(), onWasm);
    if (!name.endsWith('first')) {
      await tf.setBackend('cpu');
      t.true(relativeError(onWasm, outputs()) > 0.1, 'tfjs has mended this: drop our refusal');
      await model.trainOnBatch(x, y);
    }
    model.dispose();
  });
}

/** Layers beside them whose values are right. */
const right: Record<string, () => tf.layers.Layer> = {
  'padding valid': () => L.conv2d({filters: 2, kernelSize: 3, strides: 4, inputShape: [8, 9, 2]}),
  'a filter of one pixel': () => L.conv2d({filters: 2, kernelSize: 1, strides: 3, padding: 'same', inputShape: [8, 9, 2]}),
  'strides of the size of the filter': () => L.conv2d({filters: 2, kernelSize: 3, strides: 3, padding: 'same', inputShape: [8, 9, 2]}),
  'windows that end with the image': () => L.conv2d({filters: 2, kernelSize: [3, 1], strides: 4, padding: 'same', inputShape: [7, 9, 2]}),
  'windows that need padding': () => L.separableConv2d({filters: 2, kernelSize: 2, strides: 3, padding: 'same', inputShape: [7, 10, 2]}),
  'pooling': () => L.maxPooling2d({poolSize: 2, strides: 4, padding: 'same', inputShape: [8, 9, 2]}),
};

for (const [name, layer] of Object.entries(right)) {
  test.serial(`${name}: the values of WASM are those of cpu, and the model trains`, async t => {
    const {model, optimizer, x, y} = network(layer());
    const outputs = (): Float32Array => tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync().slice() as never);
    const onWasm = outputs();
    await tf.setBackend('cpu');
    t.true(relativeError(onWasm, outputs()) < 1e-5);
    await tf.setBackend('wasm');
    await model.trainOnBatch(x, y);
    t.is(optimizer.lastStep!.status, 'ok');
    model.dispose();
  });
}
