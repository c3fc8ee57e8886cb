/** Cotangents of ours where tfjs's are right but slow: against tfjs's own, at the edges too. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {capture} from '../../src/trace/capture';
import {cotangents, tfjsCotangents} from '../../src/derivatives/cotangents';
import {relativeError} from '../support/relative_error';

type Op = (x: any) => tf.Tensor;

const edges = (): tf.Tensor => tf.tensor([-7, -1, -1e-30, -0, 0, 1e-30, 1, 5.9999995, 6, 6.0000005, 7, 0.5], [2, 2, 3]);

const volume = (): tf.Tensor => tf.randomNormal([2, 3, 2, 2, 3], 0, 1, 'float32', 1);

const RULES: Record<string, [Op, () => tf.Tensor, string]> = {
  'leaky relu': [x => tf.leakyRelu(x, 0.3), edges, 'LeakyRelu'],
  'relu6': [x => tf.relu6(x), edges, 'Relu6'],
  'prelu, a slope for each channel': [x => tf.prelu(x, tf.tensor([0.1, -2, 0])), edges, 'Prelu'],
  'prelu, a slope for each entry': [x => tf.prelu(x, tf.randomNormal([2, 3], 0, 1, 'float32', 2)), edges, 'Prelu'],
  'sum of all': [x => tf.sum(x), edges, 'Sum'],
  'sum of an axis': [x => tf.sum(x, 1), edges, 'Sum'],
  'sum of the last axis, kept': [x => tf.sum(x, -1, true), edges, 'Sum'],
  'sum of two axes apart': [x => tf.sum(x, [0, 2]), edges, 'Sum'],
  'mean of all': [x => tf.mean(x), edges, 'Mean'],
  'mean of two axes of five': [x => tf.mean(x, [1, 3]), volume, 'Mean'],
  'a stack': [x => tf.stack([x, tf.onesLike(x), tf.zerosLike(x)]), edges, 'Pack'],
  'a stack along an axis': [x => tf.stack([tf.onesLike(x), x], 1), volume, 'Pack'],
  'a stack along the last axis': [x => tf.stack([tf.onesLike(x), tf.zerosLike(x), x], -1), edges, 'Pack'],
};

for (const backend of ['cpu', 'wasm']) {
  for (const [name, [op, make, kernel]] of Object.entries(RULES)) {
    test.serial(`${backend}: ${name}`, async t => {
      await tf.setBackend(backend);
      const {numTensors} = tf.memory();
      tf.tidy(() => {
        const x = make();
        const {trace} = capture(() => tf.sum(tf.neg(op(x))));
        const node = trace.nodes.find(one => one.kernel === kernel)!;
        const [input] = node.inputs.find(([, value]) => trace.values[value].dataId === x.dataId)!;
        const dy = tf.randomNormal(trace.values[node.outputs[0]].shape, 0, 1, 'float32', 3);
        const [own] = cotangents(trace.values, node, [dy], [input]);
        const theirs = tfjsCotangents(trace.values, node, [dy])[input]();
        t.deepEqual(own.shape, theirs.shape);
        t.true(relativeError(own.dataSync(), theirs.dataSync()) < 1e-6);
        trace.dispose();
      });
      t.is(tf.memory().numTensors, numTensors);
    });
  }
}
