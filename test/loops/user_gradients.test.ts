/**
 * Gradients of the user's own between the weights and the rows: `tf.customGrad`, and kernels and gradients that a user registers, in `fit`
 * and in loops.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, grad} from '../../src/index';
import {dense, sequential, setWeights} from '../cases/case';
import {real} from '../cases/data';
import {residualRows} from '../cases/rows';
import {denseJacobian, referenceStep} from '../reference/dense_jacobian';
import {follow, Follower} from '../support/follow';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat, noise, variable} from '../support/tensors';

const backends = ['cpu', 'wasm'];

type Op = (x: tf.Tensor) => tf.Tensor;
type Save = tf.GradSaveFunc;

/** y = x³ by one op. */
const cube = tf.customGrad((x, save) => {
  (save as Save)([x as tf.Tensor]);
  return {value: (x as tf.Tensor).pow(3), gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => dy.mul(saved.square()).mul(3)};
}) as Op;

/** The same, with what its gradient needs computed in the forward pass, and the output saved too. */
const cubeBySlope = tf.customGrad((x, save) => {
  const [value, slope] = [(x as tf.Tensor).pow(3), (x as tf.Tensor).square().mul(3)];
  (save as Save)([slope, value]);
  return {value, gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => dy.mul(saved)};
}) as Op;

/** A straight-through estimator: rounds forwards, the identity backwards. */
const quantize = tf.customGrad(x => ({value: (x as tf.Tensor).mul(4).round().div(4), gradFunc: (dy: tf.Tensor) => dy.clone()})) as Op;

/** The gradient of another function, clipped to [-0.5, 0.5]: gradient clipping within the network. */
const clipped = tf.customGrad(x => ({value: (x as tf.Tensor).clone(), gradFunc: (dy: tf.Tensor) => dy.clipByValue(-0.5, 0.5)})) as Op;

/**
 * Reverses gradients, as adversarial networks do. The op may return its input; tfjs's own gradients are wrong then, and right with a clone.
 */
const reversal = (pass: Op): Op => tf.customGrad(x => ({value: pass(x as tf.Tensor), gradFunc: (dy: tf.Tensor) => dy.neg()})) as Op;
const reversed = reversal(x => x);

/** Every entry of the output has an influence on the gradient of the others, across the batch, which the forward pass does not show. */
const centred = tf.customGrad(x => ({value: (x as tf.Tensor).clone(), gradFunc: (dy: tf.Tensor) => dy.sub(dy.mean(0))})) as Op;

/** x s with two inputs. */
const scaled = tf.customGrad((x, s, save) => {
  const [a, b] = [x as tf.Tensor, s as unknown as tf.Tensor];
  (save as unknown as Save)([a, b]);
  return {value: a.mul(b), gradFunc: (dy: tf.Tensor, [p, q]: tf.Tensor[]) => [dy.mul(q), dy.mul(p).sum(0)]};
}) as (x: tf.Tensor, s: tf.Tensor) => tf.Tensor;

for (const backend of backends) {
  for (const [name, op] of Object.entries({cube, 'cube by slope': cubeBySlope, quantize, reversed})) {
    test.serial(`${backend}: customGrad between layers of a loop: ${name}`, async t => {
      await tf.setBackend(backend);
      const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
      const [x, y] = [noise([6, 3], 3) as tf.Tensor2D, noise([6, 2], 4)];
      const rows = (f: Op): tf.Tensor => tf.matMul(f(tf.matMul(x, w as tf.Tensor2D)) as tf.Tensor2D, v as tf.Tensor2D).sub(y);
      // tfjs's own gradient honours customGrad as well.
      follow(t, {variables: [w, v], loss: () => rows(op).square().mean(), rows: () => rows(op === reversed ? reversal(p => p.clone()) : op)});
      tf.dispose([w, v, x, y]);
    });
  }

  test.serial(`${backend}: customGrad of weights: quantized ones, and a scale of two inputs`, async t => {
    await tf.setBackend(backend);
    const [w, s] = [variable([3, 4], 1), variable([4], 2)];
    const [x, y] = [noise([6, 3], 3) as tf.Tensor2D, noise([6, 4], 4)];
    const rows = (): tf.Tensor => scaled(tf.tanh(tf.matMul(x, quantize(w) as tf.Tensor2D)), s).sub(y);
    follow(t, {variables: [w, s], loss: () => rows().square().mean(), rows});
    tf.dispose([w, s, x, y]);
  });

  test.serial(`${backend}: a custom layer with customGrad in fit, odd last batch included`, async t => {
    await tf.setBackend(backend);
    const model = sequential(dense(4, 'tanh', {inputShape: [3]}), new Cube({}), dense(2));
    setWeights(model, 'cube');
    const [x, y] = [real(3)('cube x', 9), real(2)('cube y', 9)];
    const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const variables = variablesOf(model);
    let expected = flat(variables);
    await model.fit(x, y, {batchSize: 4, epochs: 1, shuffle: false, callbacks: {
      onBatchBegin: (batch: number) => {
        const size = batch < 2 ? 4 : 1;
        const part = {x: x.slice([4 * batch], [size]), y: y.slice([4 * batch], [size])};
        const {jacobian, rows, n, m} = denseJacobian(() => residualRows(model, part), variables);
        const {step} = referenceStep({jacobian, n, m, residual: rows, weights: new Float64Array(n).fill(1 / n), damping: 0.1, momentum: 0,
          previous: null, ridge: null, extraGradient: null});
        expected = flat(variables).map((w, i) => w + step[i]);
        tf.dispose(part);
      },
      onBatchEnd: (batch: number) => {
        t.true(relativeError(flat(variables), expected) < 1e-5, `batch ${batch}`);
        t.is(optimizer.lastStep!.jacobian, 'batch');
      }}});
    t.is(optimizer.lastStep!.iteration, 3);
    model.dispose();
    tf.dispose([x, y]);
  });
}

class Centred extends tf.layers.Layer {
  static className = 'TestCentred';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => centred(Array.isArray(inputs) ? inputs[0] : inputs));
  }
}

class Cube extends tf.layers.Layer {
  static className = 'TestCube';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => cube(Array.isArray(inputs) ? inputs[0] : inputs));
  }
}

test.serial('a gradient that is not linear in dy has no Jacobian: the self-check says so', async t => {
  await tf.setBackend('cpu');
  const w = variable([3, 2], 1, 3);
  const [x, y] = [noise([6, 3], 3) as tf.Tensor2D, noise([6, 2], 4)];
  const before = flat([w]);
  const {numTensors} = tf.memory();
  for (const predict of [() => clipped(tf.matMul(x, w as tf.Tensor2D)), () => tf.matMul(x, clipped(w) as tf.Tensor2D)]) {
    const optimizer = ggn();
    t.throws(() => optimizer.minimize(() => predict().sub(y).square().mean()),
        {message: /^tfjs-ggn: the self-check of the Jacobian failed.*tf\.customGrad op with output \[\d,2\].* is not linear in dy .*first-order optimizer\.$/});
    t.deepEqual(flat([w]), before);
    t.is(tf.memory().numTensors, numTensors);
  }
  tf.dispose([w, x, y]);
});

test.serial('a gradient that mixes the examples: row by row, and exact, in a loop and in fit', async t => {
  await tf.setBackend('cpu');
  const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
  const [x, y] = [noise([6, 3], 3) as tf.Tensor2D, noise([6, 2], 4)];
  const rows = (): tf.Tensor => tf.matMul(centred(tf.matMul(x, w as tf.Tensor2D)) as tf.Tensor2D, v as tf.Tensor2D).sub(y);
  follow(t, {variables: [w, v], loss: () => rows().square().mean(), rows, jacobian: 'rowByRow'});
  const model = sequential(dense(4, 'tanh', {inputShape: [3]}), new Centred({}), dense(2));
  setWeights(model, 'centred');
  const variables = variablesOf(model);
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const {jacobian, rows: residual, n, m} = denseJacobian(() => residualRows(model, {x, y}), variables);
  const {step} = referenceStep({jacobian, n, m, residual, weights: new Float64Array(n).fill(1 / n), damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
  const before = flat(variables);
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.jacobian, 'rowByRow');
  t.true(relativeError(flat(variables).map((value, i) => value - before[i]), step) < 2e-4);
  model.dispose();
  tf.dispose([w, v, x, y]);
});

test.serial('customGrad with what is made anew in every step: the gradient is that of the step', async t => {
  await tf.setBackend('cpu');
  const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
  const [x, y] = [noise([6, 3], 3) as tf.Tensor2D, noise([6, 2], 4)];
  const follower = new Follower(t);
  for (const factor of [1, -2, 0.5]) {
    // Another closure each time, with another number in it: the trace has the same signature.
    const op = tf.customGrad(p => ({value: (p as tf.Tensor).clone(), gradFunc: (dy: tf.Tensor) => dy.mul(factor)})) as Op;
    const rows = (): tf.Tensor => tf.matMul(op(tf.matMul(x, w as tf.Tensor2D)) as tf.Tensor2D, v as tf.Tensor2D).sub(y);
    follower.step({variables: [w, v], loss: () => rows().square().mean(), rows});
  }
  tf.dispose([w, v, x, y]);
});

test.serial('customGrad inside a derivative inside the loss', async t => {
  await tf.setBackend('cpu');
  const [w, v] = [variable([1, 4], 1), variable([4, 1], 2)];
  const x = noise([6, 1], 3);
  const u: Op = p => tf.matMul(cube(tf.matMul(p as tf.Tensor2D, w as tf.Tensor2D)) as tf.Tensor2D, v as tf.Tensor2D);
  // u = Σ v (w x)³, u' = 3 Σ v w (w x)²
  const slope = (): tf.Tensor => tf.matMul(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D).square().mul(w).mul(3) as tf.Tensor2D, v as tf.Tensor2D);
  const plain = (): tf.Tensor => tf.matMul(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D).pow(3) as tf.Tensor2D, v as tf.Tensor2D);
  follow(t, {variables: [w, v], loss: () => grad(u)(x).add(u(x)).sub(1).square().mean(), rows: () => slope().add(plain()).sub(1)});
  tf.dispose([w, v, x]);
});

/** A kernel of the user's, y = sin(frequency · x) example by example, with its gradient. */
function registerWave(name: string, backend: string): () => void {
  const run = (x: tf.Tensor, f: (v: number) => number): tf.TensorInfo => tf.tensor(Float32Array.from(x.dataSync(), f), x.shape);
  tf.registerKernel({kernelName: name, backendName: backend, kernelFunc: ({inputs, attrs}) =>
    run(inputs['x'] as tf.Tensor, v => Math.sin((attrs!['frequency'] as number) * v))});
  tf.registerGradient({kernelName: name, inputsToSave: ['x'], gradFunc: (dy, [x], attrs) => ({x: () => {
    const frequency = attrs['frequency'] as number;
    return tf.mul(dy as tf.Tensor, x.mul(frequency).cos().mul(frequency));
  }})});
  return () => {
    tf.unregisterKernel(name, backend);
    tf.unregisterGradient(name);
  };
}

for (const backend of backends) {
  test.serial(`${backend}: a kernel and a gradient that a user registered`, async t => {
    await tf.setBackend(backend);
    const unregister = registerWave('TestWave', backend);
    try {
      const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
      const [x, y] = [noise([6, 3], 3) as tf.Tensor2D, noise([6, 2], 4)];
      const wave = (p: tf.Tensor): tf.Tensor => tf.engine().runKernel('TestWave', {x: p}, {frequency: 2}) as unknown as tf.Tensor;
      const rows = (): tf.Tensor => tf.matMul(wave(tf.matMul(x, w as tf.Tensor2D)) as tf.Tensor2D, v as tf.Tensor2D).sub(y);
      // Nobody knows its effect on the examples: the step goes row by row.
      follow(t, {variables: [w, v], loss: () => rows().square().mean(), rows, jacobian: 'rowByRow'});
      tf.dispose([w, v, x, y]);
    } finally {
      unregister();
    }
  });
}
