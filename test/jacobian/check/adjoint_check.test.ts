/** Gradients that are ours in both sweeps of the self-check, against their kernels. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {adjointCheck} from '../../../src/jacobian/check/adjoint_check';
import {grad} from '../../../src/index';
import {hasOwnGradient} from '../../../src/derivatives/cotangents';
import {unfused} from '../../../src/derivatives/fused';
import {Probe} from '../../support/probe';
import {noise} from '../../support/tensors';

interface Row {
  op: (x: any, w: any) => tf.Tensor;
  x: number[];
  w: number[];
  kernel: string;
  /** Inputs with a gradient of ours, by backend. */
  own: Record<'cpu' | 'wasm', string>;
}

const ROWS: Record<string, Row> = {
  'a convolution': {op: (x, w) => tf.conv2d(x, w, 1, 'same'), x: [3, 6, 6, 2], w: [3, 3, 2, 4], kernel: 'Conv2D', own: {cpu: 'x,filter', wasm: 'x,filter'}},
  'with strides': {op: (x, w) => tf.conv2d(x, w, 2, 'valid'), x: [3, 7, 6, 2], w: [3, 2, 2, 4], kernel: 'Conv2D', own: {cpu: 'x,filter', wasm: 'x,filter'}},
  'with dilations': {op: (x, w) => tf.conv2d(x, w, 1, 'same', 'NHWC', 2), x: [3, 7, 6, 2], w: [3, 2, 2, 4], kernel: 'Conv2D', own: {cpu: 'x,filter', wasm: 'x,filter'}},
  'transposed': {op: (x, w) => tf.conv2dTranspose(x, w, [3, 8, 8, 4], 2, 'same'), x: [3, 4, 4, 2], w: [3, 3, 4, 2], kernel: 'Conv2DBackpropInput', own: {cpu: 'dy,filter', wasm: 'dy,filter'}},
  'depthwise': {op: (x, w) => tf.depthwiseConv2d(x, w, 1, 'same'), x: [3, 6, 6, 2], w: [3, 3, 2, 2], kernel: 'DepthwiseConv2dNative', own: {cpu: 'x,filter', wasm: 'x,filter'}},
  'in three dimensions': {op: (x, w) => tf.conv3d(x, w, [2, 1, 1], 'same'), x: [3, 4, 4, 4, 2], w: [2, 2, 2, 2, 3], kernel: 'Conv3D', own: {cpu: 'x,filter', wasm: 'x,filter'}},
  'fused with bias and activation': {op: (x, w) => tf.fused.conv2d({x, filter: w, strides: 1, pad: 'same', bias: tf.tensor1d([1, 2, 3, 4]), activation: 'relu'}), x: [3, 6, 6, 2], w: [3, 3, 2, 4],
    kernel: 'FusedConv2D', own: {cpu: 'x,filter', wasm: 'x,filter'}},
  'a product': {op: (x, w) => tf.matMul(x, w), x: [5, 3], w: [3, 2], kernel: 'BatchMatMul', own: {cpu: '', wasm: 'a,b'}},
  'a product with a column': {op: (x, w) => tf.matMul(x, w), x: [5, 3], w: [3, 1], kernel: 'BatchMatMul', own: {cpu: '', wasm: 'a,b'}},
  'a product with a transposed matrix, left to tfjs': {op: (x, w) => tf.matMul(x, w, false, true), x: [5, 3], w: [2, 3], kernel: 'BatchMatMul', own: {cpu: '', wasm: ''}},
  'a gather': {op: (x, w) => tf.gather(w, tf.tensor1d([0, 2, 2, 1, 0], 'int32')).mul(x), x: [5, 3], w: [4, 3], kernel: 'GatherV2', own: {cpu: 'x', wasm: 'x'}},
  'a maximum': {op: (x, w) => tf.maxPool(tf.mul(x, w) as tf.Tensor4D, 2, 2, 'same'), x: [3, 5, 5, 2], w: [2], kernel: 'MaxPool', own: {cpu: '', wasm: 'x'}},
  'nearest neighbours': {op: (x, w) => tf.image.resizeNearestNeighbor(tf.mul(x, w) as tf.Tensor4D, [6, 8]), x: [3, 3, 4, 2], w: [2], kernel: 'ResizeNearestNeighbor', own: {cpu: 'images', wasm: ''}},
  'the derivative of an elu': {op: (x, w) => grad(v => tf.elu(v).square())(tf.mul(x, w)), x: [3, 4], w: [4], kernel: 'EluGrad', own: {cpu: 'dy,y', wasm: 'dy,y'}},
  'the derivative of a mean': {op: (x, w) => grad(v => tf.avgPool(v as tf.Tensor4D, 3, 2, 'same').square())(tf.mul(x, w)), x: [3, 5, 5, 2], w: [2], kernel: 'AvgPoolGrad',
    own: {cpu: 'dy,input', wasm: 'dy,input'}},
  'the derivative of a local response': {op: (x, w) => grad(v => tf.localResponseNormalization(v as tf.Tensor4D, 1, 1.3, 0.7, 0.6).square())(tf.mul(x, w)), x: [3, 2, 2, 5], w: [5],
    kernel: 'LRNGrad', own: {cpu: 'x,y,dy', wasm: 'x,y,dy'}},
  'a tanh': {op: (x, w) => tf.tanh(tf.mul(x, w)), x: [3, 4], w: [4], kernel: 'Tanh', own: {cpu: '', wasm: ''}},
};

for (const backend of ['cpu', 'wasm'] as const) {
  for (const [name, {op, x: xShape, w: wShape, kernel, own}] of Object.entries(ROWS)) {
    test.serial(`${backend}: ${name}`, async t => {
      await tf.setBackend(backend);
      // Both operands depend on a variable.
      const [scale, w] = [tf.variable(noise(xShape.slice(-1), 1)), tf.variable(noise(wShape, 2))];
      const x = noise(xShape, 3);
      let looked = false;
      new Probe(({trace, checked: {plan}}) => {
        looked = true;
        const node = trace.nodes.find(one => one.kernel === kernel)!;
        t.is(node.inputs.map(([input]) => input).filter(input => hasOwnGradient(trace.values, node, input)).join(), own[backend]);
        t.deepEqual(unfused(node).outputs, node.outputs);
        const {numTensors} = tf.memory();
        t.is(adjointCheck(trace, plan), null);
        t.is(tf.memory().numTensors, numTensors);
      }).minimize(() => op(tf.mul(x, scale), w).square().mean());
      t.true(looked);
      tf.dispose([scale, w, x]);
    });
  }
}

test.serial('a kernel that is not what its gradient says: by how much', async t => {
  await tf.setBackend('cpu');
  const config = tf.getKernel('Conv2D', 'cpu');
  const [scale, w] = [tf.variable(noise([2], 1)), tf.variable(noise([3, 3, 2, 4], 2))];
  const x = noise([3, 4, 4, 2], 3);  // fewer rows than parameters
  for (const factor of [1.02, 1.2, NaN]) {
    new Probe(({trace, checked: {plan}}) => {
      tf.unregisterKernel('Conv2D', 'cpu');
      tf.registerKernel({...config, kernelFunc: params =>
        config.kernelFunc({...params, inputs: {...params.inputs, filter: tf.mul(params.inputs['filter'] as tf.Tensor, factor)}})});
      try {
        const fault = adjointCheck(trace, plan)!;
        t.is(fault.kind, 'own');
        t.is(fault.nodes[0].kernel, 'Conv2D');
        t.true(Number.isNaN(factor) ? Number.isNaN(fault.difference) : fault.difference > 1e-3 && fault.difference < 2);
      } finally {
        tf.unregisterKernel('Conv2D', 'cpu');
        tf.registerKernel(config);
      }
    }).minimize(() => tf.conv2d(tf.mul(x, scale) as tf.Tensor4D, w as tf.Tensor4D, 1, 'valid').square().mean());
  }
  tf.dispose([scale, w, x]);
});
