/** Steps with code of our own and by the kernels of tfjs alone are the same to the rounding of float32. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import {mayRunKernels} from '../../src/kernels/allowed';
import {cases, disposeBatch} from '../cases/cases';
import {useBackend} from '../support/backends';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat} from '../support/tensors';

type Kernels = 'auto' | 'tfjs';

/** One step's change of the variables, its loss, and the tensors that the second step left behind. */
interface Stepped {
  change: Float64Array | number[];
  loss: number;
  left: number;
}

const NAMES = ['dense elu, one output', 'dense sigmoid as the output, 3 outputs', 'deep tanh, 3 hidden layers', 'more rows than parameters',
  'dense relu with 3 axes, then flattened', 'dense, L1L2 regularizers', 'conv1d elu, strides 2, valid', 'conv1d dilated by 3, relu, same',
  'conv2d elu, strides 2, same', 'conv2d sigmoid, strides 2 and 1, same', 'conv2d tanh, channels first', 'conv2d dilated, relu, same',
  'conv2d transposed after conv2d', 'depthwise conv2d relu, same, strides 2', 'pooling: max and average', 'gru',
  'embedding, flattened', 'simpleRNN with its states as outputs', 'layer normalisation on an image, epsilon 0.1', 'PReLU after conv2d, image axes shared',
  'batch normalisation after conv2d', 'merge: dot of two sequences', 'custom: batched product with a tiled weight'];

const damped = (kernels: Kernels) => ggn({learningRate: 1, damping: 1, momentum: 0, kernels});

/** Two steps of a case. */
async function stepsOf(name: string, kernels: Kernels): Promise<Stepped> {
  const found = cases.find(c => c.name === name)!;
  const model = found.model();
  const batch = found.batch();
  const optimizer = damped(kernels);
  model.compile({optimizer, loss: found.loss});
  const before = flat(variablesOf(model));
  const loss = await model.trainOnBatch(batch.x, batch.y) as number | number[];
  const change = flat(variablesOf(model)).map((w, i) => w - before[i]);
  const {numTensors} = tf.memory();
  await model.trainOnBatch(batch.x, batch.y);
  const left = tf.memory().numTensors - numTensors;
  optimizer.dispose();
  model.dispose();
  disposeBatch(batch);
  return {change, loss: Array.isArray(loss) ? loss[0] : loss, left};
}

const normal = (shape: number[], seed: number, deviation = 1): tf.Tensor => tf.randomNormal(shape, 0, deviation, 'float32', seed);

/** Losses of loops, by name: from variables [24, 32], [32], [32, 2] and a batch. */
const LOSSES: Record<string, (v: readonly tf.Tensor[], x: tf.Tensor, y: tf.Tensor) => tf.Tensor> = {
  'matrix products': ([a, b, c], x, y) => tf.sub(tf.matMul(tf.tanh(tf.add(tf.matMul(x as never, a as never), b)) as never, c as never), y),
  'transposed factors and a scale': ([a, b, c], x, y) => tf.sub(
      tf.transpose(tf.matMul(c as never, tf.mul(tf.sigmoid(tf.sub(tf.matMul(x as never, a as never), b)), 2) as never, true, true)), y),
  'a gradient of f() by tf.grad': ([a, b, c], x, y) => tf.add(tf.sub(tf.matMul(tf.tanh(tf.matMul(x as never, a as never)) as never, c as never), y),
      tf.sum(tf.grad(u => tf.sum(tf.square(tf.tanh(tf.add(tf.matMul(u as never, a as never), b)))))(x), 1, true)),
  'a gradient of the user': ([a, b, c], x, y) => {
    const twice = tf.customGrad(u => ({value: tf.mul(u as tf.Tensor, 2), gradFunc: (dy: tf.Tensor) => tf.mul(dy, 2)}));
    return tf.sub(tf.matMul(twice(tf.relu(tf.add(tf.matMul(x as never, a as never), b))) as never, c as never), y);
  },
};

/** A step of a loop on 48 examples, whose products are large enough for the kernels. */
function loopStep(name: string, kernels: Kernels): Stepped {
  const variables = [normal([24, 32], 1, 0.2), normal([32], 2), normal([32, 2], 3, 0.2)].map(value => tf.variable(value));
  const [x, y] = [normal([48, 24], 4), normal([48, 2], 5)];
  const optimizer = damped(kernels);
  const step = (): number => {
    const cost = optimizer.minimize(() => tf.mean(tf.square(LOSSES[name](variables, x, y))) as tf.Scalar, true, variables)!;
    const [loss] = cost.dataSync();
    cost.dispose();
    return loss;
  };
  const before = flat(variables);
  const loss = step();
  const change = flat(variables).map((w, i) => w - before[i]);
  const {numTensors} = tf.memory();
  step();
  const left = tf.memory().numTensors - numTensors;
  optimizer.dispose();
  tf.dispose([...variables, x, y]);
  return {change, loss, left};
}

for (const backend of ['cpu', 'wasm'] as const) {
  const compare = (name: string, step: (kernels: Kernels) => Stepped | Promise<Stepped>): void => {
    test.serial(`${backend}: ${name}`, async t => {
      await useBackend(backend);
      const [own, plain] = [await step('auto'), await step('tfjs')];
      t.true(Math.abs(own.loss - plain.loss) <= 1e-6 * Math.abs(plain.loss), `loss ${own.loss}, by tfjs ${plain.loss}`);
      t.true(relativeError(own.change, plain.change) < 2e-5);
      t.deepEqual([own.left, plain.left], [0, 0]);
    });
  };
  NAMES.forEach(name => compare(name, kernels => stepsOf(name, kernels)));
  Object.keys(LOSSES).forEach(name => compare(name, kernels => loopStep(name, kernels)));
}

/** A network whose products run in the module. */
function network(kernels: Kernels): {model: tf.LayersModel; x: tf.Tensor; y: tf.Tensor} {
  const initializer = (seed: number) => ({kernelInitializer: tf.initializers.glorotNormal({seed})});
  const model = tf.sequential({layers: [tf.layers.dense({units: 32, activation: 'tanh', inputShape: [24], ...initializer(1)}),
    tf.layers.dropout({rate: 0.5, seed: 7}), tf.layers.dense({units: 1, ...initializer(2)})]});
  model.compile({optimizer: damped(kernels), loss: 'meanSquaredError'});
  return {model, x: normal([48, 24], 3), y: normal([48, 1], 4)};
}

test.serial('cpu: predict and the loss with kernels tfjs are those of tfjs, to the last bit', async t => {
  await useBackend('cpu');
  for (const kernels of ['auto', 'tfjs'] as const) {
    const {model, x, y} = network(kernels);
    const forward = (): tf.Tensor => tf.tidy(() => {
      const [a, b, c, d] = model.weights.map(w => w.read());
      return tf.add(tf.matMul(tf.tanh(tf.add(tf.matMul(x as never, a as never), b)) as never, c as never), d);
    });
    for (let i = 0; i < 2; i++) {
      t.deepEqual([...(model.predict(x) as tf.Tensor).dataSync()], [...forward().dataSync()]);
      await model.trainOnBatch(x, y);
    }
  }
  const [w, x] = [tf.variable(normal([24, 8], 1)), normal([300, 24], 2)];
  const loss = (): tf.Scalar => tf.mean(tf.square(tf.matMul(x as never, w as never)));
  const wanted = loss().dataSync()[0];
  t.is(ggn({kernels: 'tfjs'}).minimize(loss, true)!.dataSync()[0], wanted);
});

test.serial('cpu: steps with dropout agree', async t => {
  await useBackend('cpu');
  const [own, plain] = await Promise.all((['auto', 'tfjs'] as const).map(async kernels => {
    const {model, x, y} = network(kernels);
    const before = flat(variablesOf(model));
    await model.trainOnBatch(x, y);
    return flat(variablesOf(model)).map((value, i) => value - before[i]);
  }));
  t.true(relativeError(own, plain) < 2e-5);
});

test.serial('an exception in f() leaves the switch, the engine and the tensors as they were', async t => {
  await useBackend('cpu');
  const w = tf.variable(normal([24, 32], 1));
  const x = normal([48, 24], 2);
  const {numTensors} = tf.memory();
  for (const kernels of ['auto', 'tfjs'] as const) {
    const seen: boolean[] = [];
    t.throws(() => damped(kernels).minimize(() => {
      tf.tanh(tf.matMul(x as never, w as never));
      seen.push(mayRunKernels());
      throw new Error('no loss');
    }), {message: 'no loss'});
    t.deepEqual([seen, mayRunKernels()], [[kernels === 'auto'], true]);
    t.false(Object.hasOwn(tf.engine(), 'runKernel'));
    t.is(tf.memory().numTensors, numTensors);
  }
});
