/** The kernel trace: what is recorded, what f() sees of it (nothing), and what is left behind (nothing). */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {openEngine} from '../../src/tfjs/internals';
import {capture, discard} from '../../src/trace/capture';
import type {Trace} from '../../src/trace/trace';
import {ggn} from '../../src/index';

test.before(async () => {
  await tf.setBackend('cpu');
});

const SHADOWED = ['runKernel', 'runKernelFunc', 'disposeTensor'] as const;

const ownShadows = (): string[] => SHADOWED.filter(name => Object.prototype.hasOwnProperty.call(tf.engine(), name));

/** Captures f, looks at the trace, releases everything. */
function look<T>(f: () => tf.Tensor, see: (trace: Trace, cost: tf.Scalar) => T): T {
  const {cost, trace} = capture(f as () => tf.Scalar);
  try {
    return see(trace, cost);
  } finally {
    trace.dispose();
    cost.dispose();
  }
}

const kernels = (trace: Trace): string[] => trace.nodes.map(node => node.kernel);

/** Inputs of node i by name. */
const inputsOf = (trace: Trace, i: number): Record<string, number> => Object.fromEntries(trace.nodes[i].inputs);

// ------------------------------------------------------------------------------------------------------------------------ f() exactly once

test.serial('f() runs once per step in fit, fitDataset, trainOnBatch and a custom loop', async t => {
  let losses = 0;
  const loss = (yTrue: tf.Tensor, yPred: tf.Tensor): tf.Tensor => {
    losses++;
    return tf.metrics.meanSquaredError(yTrue, yPred);
  };
  const model = tf.sequential({layers: [tf.layers.dense({units: 3, inputShape: [2], activation: 'tanh'}), tf.layers.dense({units: 1})]});
  model.compile({optimizer: ggn(), loss});
  const x = tf.randomNormal([12, 2], 0, 1, 'float32', 1);
  const y = tf.randomNormal([12, 1], 0, 1, 'float32', 2);
  await model.fit(x, y, {epochs: 2, batchSize: 4, verbose: 0});
  t.is(losses, 6);
  await model.trainOnBatch(x, y);
  t.is(losses, 7);
  const data = tf.data.zip({xs: tf.data.array([[1, 2], [3, 4], [0, 1]]), ys: tf.data.array([[1], [2], [0]])}).batch(2);
  await model.fitDataset(data, {epochs: 1, verbose: 0});
  t.is(losses, 9);

  const w = tf.variable(tf.tensor1d([1, 2]), true);
  let calls = 0;
  const optimizer = ggn();
  for (let i = 0; i < 3; i++) {
    optimizer.minimize(() => {
      calls++;
      return tf.sub(tf.mul(w, [1, 2]), [3, 3]).square().mean();
    });
  }
  t.is(calls, 3);
  t.is(optimizer.iterations, 3);
});

test.serial('a loop of steps holds the number of tensors and bytes', t => {
  const w = tf.variable(tf.randomNormal([3, 4], 0, 0.5, 'float32', 3));
  const v = tf.variable(tf.randomNormal([4, 1], 0, 0.5, 'float32', 4));
  const x = tf.randomNormal([8, 3], 0, 1, 'float32', 5);
  const y = tf.randomNormal([8, 1], 0, 1, 'float32', 6);
  const optimizer = ggn();
  const step = (): void => {
    optimizer.minimize(() => tf.losses.meanSquaredError(y, tf.matMul(tf.tanh(tf.matMul(x, w as tf.Tensor2D)), v as tf.Tensor2D)));
  };
  step();
  const inUse = (): number[] => [tf.memory().numTensors, tf.memory().numDataBuffers, tf.memory().numBytes];
  const before = inUse();
  for (let i = 0; i < 40; i++) {
    step();
  }
  t.deepEqual(inUse(), before);
  optimizer.dispose();
  tf.dispose([w, v, x, y]);
});

// ----------------------------------------------------------------------------------------------------------------------- engine and scopes

test.serial('the engine is as before: after a capture, after a throw, and with another shadow in place', t => {
  const w = tf.variable(tf.scalar(2));
  t.deepEqual(ownShadows(), []);
  look(() => {
    t.deepEqual(ownShadows(), [...SHADOWED]);
    return w.square().asScalar();
  }, () => t.deepEqual(ownShadows(), []));
  const {numTensors} = tf.memory();
  t.throws(() => capture(() => {
    w.square();
    throw new Error('mine');
  }), {message: 'mine'});
  t.deepEqual(ownShadows(), []);
  t.is(tf.memory().numTensors, numTensors);

  const open = openEngine();
  const original = open.runKernel;
  const seen: string[] = [];
  const theirs: typeof open.runKernel = (kernel, inputs, attrs) => {
    seen.push(kernel);
    return original.call(open, kernel, inputs, attrs);
  };
  open.runKernel = theirs;
  try {
    look(() => tf.square(w).asScalar(), trace => t.deepEqual(kernels(trace), ['Square', 'Reshape']));
    t.is(open.runKernel, theirs);
    t.true(seen.includes('Square'));
    t.throws(() => capture(() => {
      throw new Error('again');
    }), {message: 'again'});
    t.is(open.runKernel, theirs);
  } finally {
    delete (open as unknown as Record<string, unknown>)['runKernel'];
  }
  t.deepEqual(ownShadows(), []);
  w.dispose();
});

test.serial('what f() keeps, disposes of and leaves to its scope lives and dies as without the capture', t => {
  const w = tf.variable(tf.tensor1d([1, 2, 3]));
  const before = tf.memory().numTensors;
  let kept!: tf.Tensor;
  let left!: tf.Tensor;
  const {cost, trace} = capture(() => {
    const doubled = w.mul(2);
    const squared = doubled.square();
    doubled.dispose();
    kept = tf.keep(squared.add(1));
    left = squared;
    t.true(doubled.isDisposed);
    return squared.sum().asScalar();
  });
  t.true(left.isDisposed);
  t.false(kept.isDisposed);
  t.deepEqual([...kept.dataSync()], [5, 17, 37]);
  // The handles of what is disposed still read.
  const node = trace.nodes.findIndex(n => n.kernel === 'Square');
  t.deepEqual([...trace.values[inputsOf(trace, node)['x']].dataSync()], [2, 4, 6]);
  t.is(cost.dataSync()[0], 56);
  trace.dispose();
  t.is(trace.values.length, 0);
  t.is(tf.memory().numTensors, before + 2);
  kept.dispose();
  cost.dispose();
  t.is(tf.memory().numTensors, before);
  trace.dispose();
  t.is(tf.memory().numTensors, before, 'twice does no harm');
  w.dispose();
});

test.serial('a scope of the caller does not release the handles', t => {
  const w = tf.variable(tf.scalar(3));
  const before = tf.memory().numTensors;
  let trace!: Trace;
  tf.tidy(() => {
    ({trace} = capture(() => w.square().asScalar()));
  });
  t.is(trace.values[trace.result].dataSync()[0], 9);
  trace.dispose();
  t.is(tf.memory().numTensors, before);
  w.dispose();
});

// ------------------------------------------------------------------------------------------------------------------------ nodes and leaves

test.serial('nodes, leaves and variables of a small trace', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const x = tf.tensor1d([3, 4]);
  look(() => w.mul(x).add(1).sum().asScalar(), trace => {
    t.deepEqual(kernels(trace).slice(0, 3), ['Multiply', 'Add', 'Sum']);
    const product = inputsOf(trace, 0);
    const sum = inputsOf(trace, 1);
    t.is(trace.variables.get(product['a']), w);
    t.is(trace.variables.size, 1);
    t.is(trace.values[product['b']].dataId, x.dataId, 'a handle is a reference to the same data');
    t.deepEqual([product['a'], product['b'], sum['b']].map(v => trace.producer[v]), [-1, -1, -1]);
    t.is(sum['a'], trace.nodes[0].outputs[0]);
    t.is(trace.producer[sum['a']], 0);
    t.is(trace.values[trace.result].dataSync()[0], 13);
    t.is(trace.nodes[trace.producer[trace.result]].outputs[0], trace.result);
  });
  tf.dispose([w, x]);
});

test.serial('kernels that take an array, and kernels with several outputs', t => {
  const w = tf.variable(tf.tensor2d([[1, 2, 3, 4]]));
  look(() => {
    const [a, b] = tf.split(w, 2, 1);
    return tf.concat([b, a, b], 1).sum().asScalar();
  }, trace => {
    const [split, concat] = ['SplitV', 'Concat'].map(kernel => trace.nodes.find(node => node.kernel === kernel)!);
    t.is(split.outputs.length, 2);
    t.true(concat.arrayInputs);
    t.deepEqual(concat.inputs, [['0', split.outputs[1]], ['1', split.outputs[0]], ['2', split.outputs[1]]]);
  });
  w.dispose();
});

test.serial('a clone is an alias of its source', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  look(() => {
    const d = w.clone().sub([3, 3]);
    return d.mul(d.clone().clone()).sum().asScalar();
  }, trace => {
    t.false(kernels(trace).includes('Identity'));
    const product = trace.nodes.find(node => node.kernel === 'Multiply')!;
    t.is(product.inputs[0][1], product.inputs[1][1]);
    t.is(trace.variables.get(inputsOf(trace, 0)['a']), w);
  });
  w.dispose();
});

test.serial('a tf.grad inside f() that saves outputs: the saved clone is the output itself', t => {
  const w = tf.variable(tf.scalar(0.7));
  const x = tf.tensor1d([0.3, -0.5]);
  look(() => tf.grad((point: tf.Tensor) => tf.tanh(tf.mul(point, w)))(x).sum().asScalar(), (trace, cost) => {
    t.false(kernels(trace).includes('Identity'));
    const tanh = trace.nodes.find(node => node.kernel === 'Tanh')!;
    const readers = trace.nodes.filter(node => node.inputs.some(([, value]) => value === tanh.outputs[0]));
    t.true(readers.some(node => node.kernel === 'Square'), 'the derivative 1 - tanh² reads the output of tanh');
    const slope = (p: number): number => 0.7 * (1 - Math.tanh(0.7 * p) ** 2);
    t.true(Math.abs(cost.dataSync()[0] - slope(0.3) - slope(-0.5)) < 1e-6);
  });
  tf.dispose([w, x]);
});

test.serial('a variable that f() assigns is another value afterwards, each at its moment', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const {cost, trace} = capture(() => {
    const first = w.square();
    w.assign(tf.tensor1d([10, 20]));
    const second = w.square();
    const third = w.mul(1);
    return tf.addN([first, second, third]).sum().asScalar();
  });
  const squares = trace.nodes.filter(node => node.kernel === 'Square').map(node => node.inputs[0][1]);
  t.not(squares[0], squares[1]);
  t.deepEqual(squares.map(value => [...trace.values[value].dataSync()]), [[1, 2], [10, 20]]);
  t.deepEqual(squares.map(value => trace.variables.get(value)), [w, w]);
  t.is(trace.nodes.find(node => node.kernel === 'Multiply')!.inputs[0][1], squares[1], 'read again without a change: the same value');
  t.is(trace.variables.size, 2);
  t.deepEqual([...w.dataSync()], [10, 20], 'the capture leaves what f() wrote');
  const before = tf.memory().numTensors;
  trace.restoreVariables();
  t.deepEqual([...w.dataSync()], [1, 2]);
  t.is(tf.memory().numTensors, before);
  trace.dispose();
  cost.dispose();
  w.dispose();
});

test.serial('a variable that f() assigns several times goes back to its first value', t => {
  const w = tf.variable(tf.scalar(1));
  const counter = tf.variable(tf.scalar(5), false);
  const before = tf.memory().numTensors;
  t.throws(() => capture(() => {
    counter.assign(tf.scalar(6));
    counter.assign(tf.scalar(7));
    w.assign(tf.scalar(-1));
    throw new Error('late');
  }), {message: 'late'});
  t.deepEqual([counter.dataSync()[0], w.dataSync()[0]], [5, 1]);
  t.is(tf.memory().numTensors, before);
  tf.dispose([w, counter]);
});

test.serial('discard() drops the metrics that fit keeps of the targets, and nothing else', t => {
  for (const inFit of [true, false]) {
    const w = tf.variable(tf.tensor1d([1, 3]));
    const target = tf.tensor1d([2, 5]);
    let metric!: tf.Tensor;
    let ofLayer!: tf.Tensor;
    let mine!: tf.Tensor;
    const {cost, trace} = capture(() => {
      ofLayer = tf.keep(w.abs().mean());
      metric = tf.keep(w.sub(target).abs().mean());
      mine = tf.keep(w.square());
      return w.square().mean().asScalar();
    }, inFit ? [target] : []);
    discard(trace, inFit ? [target] : []);
    t.is(metric.isDisposed, inFit);
    t.false(ofLayer.isDisposed);
    t.false(mine.isDisposed);
    tf.dispose([metric, ofLayer, mine, cost, w, target]);
  }
});

// ------------------------------------------------------------------------------------------------------------------------ signature

test.serial('equal steps have equal signatures, other numbers included', t => {
  const w = tf.variable(tf.randomNormal([3, 2]));
  const signature = (): string => look(() => tf.matMul(tf.randomNormal([4, 3]), w as tf.Tensor2D).square().mean().asScalar(), trace => trace.signature);
  const first = signature();
  t.is(signature(), first);
  w.assign(tf.zeros([3, 2]));
  t.is(signature(), first);
  w.dispose();
});

test.serial('another shape, attribute, kernel, wiring, variable, dtype or result is another signature', t => {
  const w = tf.variable(tf.tensor2d([[1, 2], [3, 4]]));
  const v = tf.variable(tf.tensor2d([[1, 2], [3, 4]]));
  const x = tf.tensor2d([[1, 1], [0, 2], [1, 3]]);
  const f = (a: tf.Tensor, b: tf.Tensor): tf.Scalar => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D).square().mean().asScalar();
  const ways: Record<string, () => tf.Scalar> = {
    'as is': () => f(x, w),
    'fewer examples': () => f(x.slice(0, 2), w),
    'another variable': () => f(x, v),
    'both variables': () => f(x, w.add(v)),
    'twice the same': () => f(x, w.add(w)),
    'a flag': () => tf.matMul(x, w as tf.Tensor2D, false, true).square().mean().asScalar(),
    'another reduction': () => tf.matMul(x, w as tf.Tensor2D).square().sum().asScalar(),
    'another kernel': () => tf.matMul(x, w as tf.Tensor2D).abs().mean().asScalar(),
    'integers': () => f(x.toInt().toFloat(), w),
    'not a variable': () => tf.add(f(x, x.slice(0, 2)), w.square().sum()).asScalar(),
  };
  const signatures = Object.values(ways).map(way => look(way, trace => trace.signature));
  t.is(new Set(signatures).size, signatures.length);

  // The same kernels on the same values, another one of them returned.
  const pair = (which: number): (() => tf.Scalar) => () => [w.square().mean().asScalar(), v.square().mean().asScalar()][which];
  t.not(look(pair(0), trace => trace.signature), look(pair(1), trace => trace.signature));
  tf.dispose([w, v, x]);
});

// ------------------------------------------------------------------------------------------------------------------------ refusals

test.serial('a minimize inside f() is refused, and the next step is taken', t => {
  const w = tf.variable(tf.scalar(1));
  const away = (from: number): tf.Scalar => tf.square(tf.sub(w, from) as tf.Scalar);
  const outer = ggn();
  const inner = ggn();
  const before = tf.memory().numTensors;
  for (const optimizer of [outer, inner]) {
    t.throws(() => outer.minimize(() => {
      optimizer.minimize(() => away(2));
      return away(3);
    }), {message: /minimize\(\) was called inside the function that minimize\(\) or grad\(\) is running/});
    t.is(w.dataSync()[0], 1);
    t.deepEqual(ownShadows(), []);
  }
  t.is(tf.memory().numTensors, before);
  t.is(outer.lastStep, null);
  outer.minimize(() => away(3));
  t.not(w.dataSync()[0], 1);
  outer.dispose();
  w.dispose();
});

test.serial("a tf.customGrad of the user's is one node behind the kernels of its forward pass", t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const op = tf.customGrad((x, save) => {
    const y = tf.exp(tf.square(x as tf.Tensor));
    (save as (tensors: tf.Tensor[]) => void)([x as tf.Tensor, y.clone(), tf.scalar(3)]);
    return {value: y, gradFunc: (dy, saved) => tf.mul(dy as tf.Tensor, tf.mul(saved[2], saved[0]))};
  });
  const way = (): tf.Tensor => tf.tidy('my layer', () => op(w.mul(2))).sum().asScalar();
  const signature = look(way, trace => {
    t.deepEqual(kernels(trace).slice(0, 5), ['Multiply', 'Square', 'Exp', 'CustomGrad', 'Sum']);
    const {inputs, outputs, attrs} = trace.nodes[3];
    const [product, inner] = [trace.nodes[0].outputs[0], trace.nodes[2].outputs[0]];
    t.deepEqual(inputs, [['0', product]]);
    t.not(outputs[0], inner);
    t.deepEqual(trace.nodes[4].inputs, [['x', outputs[0]]]);
    const saved = attrs['saved'] as number[];
    t.deepEqual([attrs['inner'], saved[0], saved[1]], [inner, product, outputs[0]], 'the saved clone of the output is the output');
    t.deepEqual([...trace.values[saved[2]].dataSync()], [3]);
    t.deepEqual([...trace.values[outputs[0]].dataSync()], [...trace.values[inner].dataSync()]);
    return trace.signature;
  });
  t.is(look(way, trace => trace.signature), signature, 'the signature knows no functions');
  w.dispose();
});

test.serial('a tf.customGrad that returns its input has an output of its own', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const reverse = tf.customGrad(x => ({value: x as tf.Tensor, gradFunc: dy => tf.neg(dy as tf.Tensor)}));
  look(() => tf.add(reverse(w).square(), w).sum().asScalar(), (trace, cost) => {
    const custom = trace.nodes.find(node => node.kernel === 'CustomGrad')!;
    t.not(custom.outputs[0], custom.inputs[0][1]);
    t.deepEqual(trace.nodes.find(node => node.kernel === 'Square')!.inputs, [['x', custom.outputs[0]]]);
    t.deepEqual(trace.nodes.find(node => node.kernel === 'Add')!.inputs[1], ['b', custom.inputs[0][1]]);
    t.is(cost.dataSync()[0], 8);
  });
  w.dispose();
});

test.serial("tfjs's own customGrad ops are recorded by the kernels inside them", t => {
  const w = tf.variable(tf.randomNormal([3, 2], 0, 1, 'float32', 1));
  const filter = tf.variable(tf.randomNormal([1, 1, 2, 2], 0, 1, 'float32', 1));
  const bias = tf.variable(tf.tensor1d([0.1, 0.2]));
  const x = tf.randomNormal([4, 3], 0, 1, 'float32', 2) as tf.Tensor2D;
  const image = tf.randomNormal([1, 2, 2, 2], 0, 1, 'float32', 3) as tf.Tensor4D;
  const labels = tf.oneHot([0, 1, 1, 0], 2);
  const ways: Array<readonly [string, () => tf.Tensor]> = [
    ['Exp', () => tf.logSoftmax(tf.matMul(x, w as tf.Tensor2D))],
    ['_FusedMatMul', () => tf.fused.matMul({a: x, b: w as tf.Tensor2D, bias, activation: 'relu'})],
    ['FusedConv2D', () => tf.fused.conv2d({x: image, filter: filter as tf.Tensor4D, strides: 1, pad: 'same', bias, activation: 'relu'})],
    ['Softplus', () => tf.logSigmoid(tf.matMul(x, w as tf.Tensor2D))],
    ['Exp', () => tf.losses.softmaxCrossEntropy(labels, tf.matMul(x, w as tf.Tensor2D))],
  ];
  for (const [kernel, way] of ways) {
    const expected = way().sum().dataSync()[0];
    look(() => way().sum().asScalar(), (trace, cost) => {
      t.true(kernels(trace).includes(kernel), `${kernel}: ${kernels(trace).join()}`);
      t.true([...trace.variables.values()].some(v => v === w || v === filter));
      t.is(cost.dataSync()[0], expected);
    });
  }
});

test.serial('f() must return a scalar tensor', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const before = tf.memory().numTensors;
  const bad: Array<readonly [() => unknown, RegExp]> = [
    [() => w.square(), /must return the loss as a scalar tensor of float32, it returned a tensor of shape \[2\]/],
    [() => w.square().sum().toInt(), /it returned a tensor of shape \[\] and dtype int32/],
    [() => undefined, /it returned undefined/],
    [() => 3, /it returned 3/],
    [() => null, /it returned null/],
  ];
  for (const [f, message] of bad) {
    t.throws(() => capture(f as () => tf.Scalar), {message});
  }
  t.is(tf.memory().numTensors, before);
  // tf.tidy itself complains of a promise, on the console only.
  const {error} = console;
  console.error = () => undefined;
  try {
    t.throws(() => capture((async () => tf.scalar(1)) as unknown as () => tf.Scalar), {message: /it returned a promise/});
  } finally {
    console.error = error;
  }
  w.dispose();
});
