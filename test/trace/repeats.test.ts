/** What f() computes twice is one value of the trace. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../src/trace/capture';
import type {Trace} from '../../src/trace/trace';
import {upstream} from '../../src/trace/dependence';
import {ggn} from '../../src/index';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** The kernels that the loss is made by. */
function kernels(f: () => tf.Tensor): string[] {
  return withTrace(f, trace => {
    const needed = upstream(trace, [trace.result]);
    return trace.nodes.filter(node => node.outputs.some(output => needed.has(output))).map(({kernel}) => kernel);
  });
}

function withTrace<T>(f: () => tf.Tensor, read: (trace: Trace) => T): T {
  const tensors = tf.memory().numTensors;
  const {cost, trace} = capture(f as () => tf.Scalar);
  const found = read(trace);
  cost.dispose();
  trace.dispose();
  if (tf.memory().numTensors !== tensors) {
    throw new Error('tensors were left behind');
  }
  return found;
}

const w = tf.variable(tf.tensor2d([[1, 2], [3, 4]]));
const x = tf.tensor2d([[0.5, -1], [2, 0.25]]);

test.serial('the same kernels on the same values', t => {
  t.deepEqual(kernels(() => x.matMul(w).tanh().sum().add(x.matMul(w).tanh().mean())), ['BatchMatMul', 'Tanh', 'Sum', 'Mean', 'Add']);
});

test.serial('other attributes make other values', t => {
  t.deepEqual(kernels(() => w.sum(0).mean().add(w.sum(1).mean())), ['Sum', 'Mean', 'Sum', 'Mean', 'Add']);
  t.deepEqual(kernels(() => w.sum(0).mean().add(w.sum(0).mean())), ['Sum', 'Mean', 'Add']);
});

test.serial('equal constants are the same, others are not', t => {
  t.deepEqual(kernels(() => w.mul(3).add(w.mul(3)).sum()), ['Multiply', 'Add', 'Sum']);
  t.deepEqual(kernels(() => w.mul(3).add(w.mul(2)).sum()), ['Multiply', 'Multiply', 'Add', 'Sum']);
});

test.serial('attributes that JSON does not know: infinities, NaN, negative zero', t => {
  for (const [a, b] of [[Infinity, -Infinity], [Infinity, NaN], [0, -0]]) {
    t.deepEqual(kernels(() => w.add(tf.fill([2, 2], a)).sum().add(w.add(tf.fill([2, 2], b)).sum())).filter(kernel => kernel === 'Fill').length, 2, `${a} and ${b}`);
    t.deepEqual(kernels(() => w.add(tf.fill([2, 2], a)).sum().add(w.add(tf.fill([2, 2], a)).sum())).filter(kernel => kernel === 'Fill').length, 1);
  }
});

test.serial('what a kernel is given beside tensors is not known, so it is never the same: images of the page', t => {
  tf.registerKernel({kernelName: 'FromPixels', backendName: 'cpu', kernelFunc: (({inputs}: {inputs: {pixels: tf.PixelData}}) =>
    tf.tensor3d(Int32Array.from(inputs.pixels.data).filter((_, i) => i % 4 < 3), [1, 2, 3], 'int32')) as never});
  try {
    const [a, b] = [3, 11].map((seed): tf.PixelData => ({data: Uint8Array.from({length: 8}, (_, i) => i * seed), width: 2, height: 1}));
    const read = (pixels: tf.PixelData): tf.Tensor => tf.browser.fromPixels(pixels, 3).toFloat().mul(w.sum()).sum();
    t.is(kernels(() => read(a).add(read(b).square())).filter(kernel => kernel === 'FromPixels').length, 2);
  } finally {
    tf.unregisterKernel('FromPixels', 'cpu');
  }
});

test.serial('the order of the inputs counts', t => {
  t.deepEqual(kernels(() => w.sub(x).add(x.sub(w)).sum()), ['Sub', 'Sub', 'Add', 'Sum']);
});

test.serial('all outputs of a kernel', t => {
  t.deepEqual(kernels(() => tf.addN([...tf.split(w, 2, 1), ...tf.split(w, 2, 1)]).sum()), ['SplitV', 'AddN', 'Sum']);
});

test.serial('a variable that f() assigns in between is another value', t => {
  const counter = tf.variable(tf.scalar(1));
  t.deepEqual(kernels(() => {
    const before = w.mul(counter);
    counter.assign(tf.scalar(2));
    return before.add(w.mul(counter)).sum();
  }), ['Multiply', 'Multiply', 'Add', 'Sum']);
  counter.dispose();
});

test.serial('gradients of the user\'s own are not compared', t => {
  const twice = tf.customGrad((v, save) => {
    (save as (tensors: tf.Tensor[]) => void)([v as tf.Tensor]);
    return {value: (v as tf.Tensor).mul(2), gradFunc: (dy: tf.Tensor) => dy.mul(2)};
  });
  t.deepEqual(kernels(() => twice(w).sum().add(twice(w).sum())), ['CustomGrad', 'Sum', 'CustomGrad', 'Sum', 'Add']);
});

test.serial('traces in which other constants are equal have other signatures', t => {
  const signature = (b: number): string => withTrace(() => w.mul(3).add(w.mul(b)).sum(), trace => trace.signature);
  t.is(signature(2), signature(4));
  t.not(signature(2), signature(3));
});

test.serial('dropout draws anew: two evaluations are two sets of rows', t => {
  const model = tf.sequential({layers: [tf.layers.dense({inputShape: [2], units: 4}), tf.layers.dropout({rate: 0.5}), tf.layers.dense({units: 1})]});
  const optimizer = ggn({policy: 'fixed'});
  const rowsOf = (training: boolean): number => {
    optimizer.minimize(() => tf.addN([1, 2].map(() => (model.apply(x, {training}) as tf.Tensor).sub(1).square().mean())) as tf.Scalar);
    return optimizer.lastStep!.rows;
  };
  t.is(rowsOf(false), 2);
  t.is(rowsOf(true), 4);
  model.dispose();
  optimizer.dispose();
});
