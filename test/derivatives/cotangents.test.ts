/** Vector-Jacobian products of single kernels: our rules against tfjs's, tfjs's against its own tape, fused kernels against their parts. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {capture} from '../../src/trace/capture';
import type {Trace, TraceNode} from '../../src/trace/trace';
import {cotangents, tfjsCotangents} from '../../src/derivatives/cotangents';
import {beforeActivation, withoutActivation} from '../../src/derivatives/fused';
import {matricesIn, sumTo} from '../../src/tfjs/fast_ops';
import {relativeError} from '../support/relative_error';
import {noise} from '../support/tensors';

/** Traces an op and hands over its node of this kernel. */
function withNode<T>(kernel: string, op: (...inputs: any[]) => tf.Tensor | tf.Tensor[], inputs: tf.Tensor[], see: (trace: Trace, node: TraceNode) => T): T {
  return tf.tidy(() => {
    const {trace} = capture(() => {
      op(...inputs);
      return tf.scalar(0);
    });
    try {
      const node = trace.nodes.find(one => one.kernel === kernel);
      if (node === undefined) {
        throw new Error(`${kernel} did not run, but ${trace.nodes.map(one => one.kernel).join()}`);
      }
      return see(trace, node) as never;
    } finally {
      trace.dispose();
    }
  });
}

const same = (t: ExecutionContext, actual: tf.Tensor, expected: tf.Tensor, message: string): void => {
  t.deepEqual(actual.shape, expected.shape, message);
  t.true(relativeError(actual.dataSync(), expected.dataSync()) < 2e-6, message);
};

type Row = [string, (...inputs: any[]) => tf.Tensor, number[][]];

/** Kernels with a rule of our own, with and without broadcasting. */
const RULES: Row[] = [
  ...([['Add', tf.add], ['Sub', tf.sub], ['Multiply', tf.mul]] as const).flatMap(([kernel, op]): Row[] =>
    [[[4, 3], [4, 3]], [[4, 3], [3]], [[3], [4, 3]], [[4, 1], [4, 3]], [[2, 4, 3], [4, 1]], [[], [4, 3]], [[4, 1], [1, 3]]].map(shapes => [kernel, op, shapes])),
  ['Relu', x => tf.relu(x), [[4, 3]]], ['Tanh', x => tf.tanh(x), [[4, 3]]], ['Tanh', x => tf.tanh(x), [[]]],
  ['Sigmoid', x => tf.sigmoid(tf.mul(x, 4)), [[4, 3]]], ['Sigmoid', x => tf.sigmoid(x), [[]]],
  ['ClipByValue', x => tf.clipByValue(x, -0.5, 1), [[4, 3]]], ['ClipByValue', x => tf.clipByValue(x, -0.5, 1), [[]]],
  ['Reshape', x => tf.reshape(x, [2, 6]), [[4, 3]]], ['Reshape', x => tf.reshape(x, []), [[1, 1]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b), [[4, 3], [3, 2]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b), [[2, 3], [3, 7]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b), [[1, 4, 3], [1, 3, 2]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b), [[5, 4, 3], [5, 3, 2]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b, false, true), [[4, 3], [2, 3]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b, true), [[3, 4], [3, 2]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b, true, true), [[3, 4], [2, 3]]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b, true, true), [[5, 3, 4], [5, 2, 3]]],
  ['FusedBatchNorm', (x, mean, variance, offset, scale) => tf.batchNorm(x, mean, tf.add(tf.square(variance), 0.1), offset, scale, 0.01), [[2, 3, 3, 4], [4], [4], [4], [4]]],
  ['FusedBatchNorm', (x, mean, variance, offset, scale) => tf.batchNorm(x, mean, tf.add(tf.square(variance), 0.1), offset, scale, 0.01), Array<number[]>(5).fill([2, 3, 2, 4])],
];

/** Some kernels that are tfjs's alone. */
const TFJS: Row[] = [
  ['RealDiv', (a, b) => tf.div(a, b.add(5)), [[4, 3], [3]]], ['Elu', x => tf.elu(x), [[4, 3]]],
  ['Softmax', x => tf.softmax(x), [[4, 3]]], ['Sum', x => tf.sum(x, 1), [[4, 3]]], ['Mean', x => tf.mean(x, [0, 2]), [[2, 4, 3]]], ['Max', x => tf.max(x, 1), [[4, 3]]],
  ['Transpose', x => tf.transpose(x, [2, 0, 1]), [[2, 3, 4]]], ['Slice', x => tf.slice(x, [1, 0], [2, 2]), [[4, 3]]], ['Concat', (a, b) => tf.concat([a, b], 1), [[2, 3], [2, 4]]],
  ['Pack', (a, b) => tf.stack([a, b], 1), [[2, 3], [2, 3]]], ['PadV2', x => tf.pad(x, [[1, 0], [2, 1]]), [[2, 3]]], ['Tile', x => tf.tile(x, [2, 3]), [[2, 3]]],
  ['Pow', x => tf.pow(x.abs(), 1.5), [[4, 3]]], ['Prelu', (x, a) => tf.prelu(x, a), [[4, 3], [3]]], ['Square', x => tf.square(x), [[4]]],
  ['Conv2D', (x, w) => tf.conv2d(x, w, 2, 'same'), [[2, 5, 5, 2], [3, 3, 2, 3]]], ['AvgPool', x => tf.avgPool(x, 2, 2, 'valid'), [[2, 5, 5, 2]]],
  ['Cumsum', x => tf.cumsum(x, 1), [[2, 4]]], ['Maximum', (a, b) => tf.maximum(a, b), [[4, 3], [4, 3]]],
];

/** wasm has no gradient kernel for the filter of a convolution; our own MaxPool rule has its own test. */
const missing = (backend: string, kernel: string, name: string): boolean => backend === 'wasm' && kernel === 'Conv2D' && name === 'filter';

for (const backend of ['cpu', 'wasm']) {
  for (const [kernel, op, shapes] of [...RULES, ...TFJS]) {
    test.serial(`${backend}: ${kernel} ${shapes.map(shape => `[${shape.join()}]`).join(' ')}`, async t => {
      await tf.setBackend(backend);
      const inputs = shapes.map((shape, i) => noise(shape, i + 1));
      withNode(kernel, op, inputs, (trace, node) => {
        // The tape differentiates the kernel alone: from its recorded inputs.
        const values = node.inputs.map(([, v]) => trace.values[v]);
        const dy = noise(trace.values[node.outputs[0]].shape, 9);
        const wanted = node.inputs.map(([name]) => name).filter(name => !(kernel === 'Pow' && name === 'b') && !missing(backend, kernel, name));
        const thunks = tfjsCotangents(trace.values, node, [dy]);
        const mine = cotangents(trace.values, node, [dy], wanted);
        t.is(mine.length, wanted.length);
        const run = (...at: tf.Tensor[]): tf.Tensor => tf.engine().runKernel(kernel,
            (node.arrayInputs ? at : Object.fromEntries(node.inputs.map(([name], i) => [name, at[i]]))) as never, node.attrs as never);
        wanted.forEach((name, i) => {
          const position = node.inputs.findIndex(([n]) => n === name);
          const byTape = tf.grad(x => run(...values.map((value, k) => k === position ? x : value)))(values[position], dy);
          same(t, thunks[name](), byTape, `tfjs: ${name}`);
          same(t, mine[i], byTape, `ours: ${name}`);
          same(t, cotangents(trace.values, node, [dy], [name])[0], byTape, `ours alone: ${name}`);
        });
      });
      tf.dispose(inputs);
    });
  }

  test.serial(`${backend}: a normalisation without scale, which tfjs's tape refuses, as with a scale of ones`, async t => {
    await tf.setBackend(backend);
    const inputs = [noise([2, 3, 3, 4], 1), noise([4], 2), noise([4], 3).square().add(0.1)];
    const normalise = (scale?: tf.Tensor) => (x: any, mean: any, variance: any): tf.Tensor => tf.batchNorm(x, mean, variance, undefined, scale as tf.Tensor1D);
    const [without, ones] = [undefined, tf.ones([4])].map(scale => withNode('FusedBatchNorm', normalise(scale), inputs, (trace, node) =>
      cotangents(trace.values, node, [noise([2, 3, 3, 4], 9)], ['x', 'mean', 'variance']).map(part => part.clone()) as unknown as tf.Tensor) as unknown as tf.Tensor[]);
    without.forEach((part, i) => same(t, part, ones[i], String(i)));
  });

  test.serial(`${backend}: clipping passes the cotangent at its bounds and what lies between`, async t => {
    await tf.setBackend(backend);
    const x = tf.tensor1d([-Infinity, -1, -0.5, 0, 0.25, 1, 1 + 2 ** -23, 7, Infinity, -0]);
    withNode('ClipByValue', v => tf.clipByValue(v, -0.5, 1), [x], (trace, node) => {
      const dy = noise([10], 2);
      const cotangent = cotangents(trace.values, node, [dy], ['x'])[0];
      t.deepEqual([...cotangent.dataSync()], [...dy.dataSync()].map((d, i) => [2, 3, 4, 5, 9].includes(i) ? d : 0));
      t.deepEqual([...cotangent.dataSync()], [...tfjsCotangents(trace.values, node, [dy])['x']().dataSync()]);
    });
  });

  test.serial(`${backend}: several outputs, some without a cotangent`, async t => {
    await tf.setBackend(backend);
    withNode('SplitV', x => tf.split(x, [1, 3], 1), [noise([2, 4], 1)], (trace, node) => {
      const [first] = [noise([2, 1], 2)];
      same(t, tfjsCotangents(trace.values, node, [first, null])['x'](), tf.concat([first, tf.zeros([2, 3])], 1), 'SplitV');
      same(t, cotangents(trace.values, node, [first, null], ['x'])[0], tf.concat([first, tf.zeros([2, 3])], 1), 'SplitV');
    });
    withNode('Unpack', x => tf.unstack(x, 1), [noise([2, 3], 1)], (trace, node) => {
      const last = noise([2], 2);
      same(t, cotangents(trace.values, node, [null, null, last], ['value'])[0], tf.stack([tf.zeros([2]), tf.zeros([2]), last], 1), 'Unpack');
    });
  });

  for (const activation of ['linear', 'relu', 'relu6', 'sigmoid', 'elu', 'leakyrelu'] as const) {
    test.serial(`${backend}: fused products with bias and ${activation}`, async t => {
      await tf.setBackend(backend);
      const plain: Record<typeof activation, (x: tf.Tensor) => tf.Tensor> = {linear: x => x, relu: tf.relu, relu6: tf.relu6, sigmoid: tf.sigmoid, elu: tf.elu,
        leakyrelu: x => tf.leakyRelu(x, 0.3)};
      const activate = plain[activation];
      const check = (kernel: string, op: (...inputs: any[]) => tf.Tensor, parts: (...inputs: any[]) => tf.Tensor, shapes: number[][], names: string[]): void => {
        const inputs = shapes.map((shape, i) => noise(shape, i + 1).mul(kernel === '_FusedMatMul' ? 3 : 1));
        withNode(kernel, op, inputs, (trace, node) => {
          const dy = noise(trace.values[node.outputs[0]].shape, 9);
          const shape = parts(...inputs).shape;
          const thunks = tfjsCotangents(trace.values, node, [dy]);
          const before = beforeActivation(trace.values, node, dy);
          const bare = withoutActivation(node);
          t.is(beforeActivation(trace.values, bare, dy), dy);
          names.forEach((name, i) => {
            if (backend === 'wasm' && (name === 'filter')) {
              return;   // no kernel for it on wasm
            }
            const expected = tf.grad(x => parts(...inputs.map((input, k) => k === i ? x : input)))(inputs[i], dy.reshape(shape));
            same(t, thunks[name]().reshape(expected.shape), expected, `${kernel} ${name}`);
            same(t, cotangents(trace.values, bare, [before], [name])[0].reshape(expected.shape), expected, `${kernel} ${name}, behind us`);
          });
        });
      };
      check('_FusedMatMul', (a, b, bias) => tf.fused.matMul({a, b, bias, activation, leakyreluAlpha: 0.3}), (a, b, bias) => activate(tf.matMul(a, b).add(bias)),
          [[4, 3], [3, 2], [2]], ['a', 'b', 'bias']);
      check('_FusedMatMul', (a, b) => tf.fused.matMul({a, b, transposeB: true, activation, leakyreluAlpha: 0.3}), (a, b) => activate(tf.matMul(a, b, false, true)),
          [[4, 3], [2, 3]], ['a', 'b']);
      check('FusedConv2D', (x, filter, bias) => tf.fused.conv2d({x, filter, bias, strides: 1, pad: 'same', activation, leakyreluAlpha: 0.3}),
          (x, w, bias) => activate(tf.conv2d(x, w, 1, 'same').add(bias)), [[2, 4, 4, 2], [2, 2, 2, 3], [3]], ['x', 'filter', 'bias']);
      if (backend === 'cpu') {
        check('FusedDepthwiseConv2D', (x, filter, bias) => tf.fused.depthwiseConv2d({x, filter, bias, strides: 1, pad: 'same', activation, leakyreluAlpha: 0.3}),
            (x, w, bias) => activate(tf.depthwiseConv2d(x, w, 1, 'same').add(bias)), [[2, 4, 4, 2], [2, 2, 2, 1], [2]], ['x', 'filter', 'bias']);
      }
    });
  }
}

test.serial('a fused activation that nobody knows is named', async t => {
  await tf.setBackend('cpu');
  withNode('_FusedMatMul', (a, b) => tf.fused.matMul({a, b, activation: 'relu'}), [noise([2, 2], 1), noise([2, 2], 2)], (trace, node) => {
    const odd = {...node, attrs: {...node.attrs, activation: 'prelu'}};
    t.throws(() => beforeActivation(trace.values, odd, tf.ones([2, 2])), {message: /no derivative is known for the activation 'prelu' fused into '_FusedMatMul'/});
  });
});

test.serial('a kernel without a gradient is named, and so is one that the backend lacks', async t => {
  await tf.setBackend('cpu');
  withNode('TopK', x => tf.topk(x, 4).values, [noise([4], 1)], (trace, node) => {
    t.throws(() => tfjsCotangents(trace.values, node, [tf.ones([4])]), {message: /tfjs-ggn: the kernel 'TopK' lies between the weights and the loss and tfjs has no gradient/});
  });
  withNode('GatherV2', (x, i) => tf.gather(x, i), [noise([4, 2], 1), tf.tensor1d([1, 2], 'int32')], (trace, node) => {
    t.throws(() => cotangents(trace.values, {...node, inputs: [...node.inputs, ['other', 0]]}, [tf.ones([2, 2])], ['other']),
        {message: /tfjs has no gradient of the kernel 'GatherV2' in its input 'other'/});
  });
  await tf.setBackend('wasm');
  const config = tf.getKernel('AvgPoolGrad', 'wasm');
  tf.unregisterKernel('AvgPoolGrad', 'wasm');
  try {
    withNode('AvgPool', x => tf.avgPool(x, 2, 1, 'same'), [noise([1, 3, 3, 1], 1)], (trace, node) => {
      t.throws(() => tfjsCotangents(trace.values, node, [tf.ones([1, 3, 3, 1])])['x'](),
          {message: /tfjs-ggn: tfjs cannot differentiate the kernel 'AvgPool' of this model on the backend 'wasm': .*AvgPoolGrad.*train on another backend/});
    });
  } finally {
    tf.registerKernel(config);
  }
});

test.serial('tfjs\'s cotangents are lazy: an input that nobody asks for costs nothing', async t => {
  await tf.setBackend('wasm');
  withNode('Conv2D', (x, w) => tf.conv2d(x, w, 1, 'same'), [noise([1, 3, 3, 1], 1), noise([2, 2, 1, 1], 2)], (trace, node) => {
    const thunks = tfjsCotangents(trace.values, node, [tf.ones([1, 3, 3, 1])]);
    t.notThrows(() => thunks['x']());
  });
});

test.serial('sumTo undoes broadcasting', async t => {
  await tf.setBackend('cpu');
  for (const [from, to] of [[[2, 3], [2, 3]], [[2, 3], [3]], [[2, 3], [1, 3]], [[2, 3], [2, 1]], [[2, 3], []], [[4, 2, 3], [2, 1]], [[4, 2, 3], [1, 2, 3]], [[2, 1], [2, 1]], [[1, 3], [3]], [[1, 1], []]]) {
    const x = noise(from, 1);
    const expected = tf.grad((small: tf.Tensor) => tf.add(small, tf.zeros(from)))(tf.zeros(to), x);
    same(t, sumTo(x, to), expected, `${from.join()} -> ${to.join()}`);
  }
});

test.serial('matricesIn counts matrices', t => {
  t.deepEqual([[2, 3], [1, 2, 3], [4, 2, 3], [2, 5, 1, 1]].map(shape => matricesIn(tf.zeros(shape))), [1, 1, 4, 10]);
});
