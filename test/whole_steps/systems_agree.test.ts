/**
 * The Gram system, the normal equations and conjugate gradients take the same step, momentum and regularizers included; in parts and whole.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../src/index';
import type {SystemName} from '../../src/solve/system';
import {SYSTEMS} from '../../src/systems/systems';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat, noise, variable} from '../support/tensors';

const SOLVERS = Object.keys(SYSTEMS) as SystemName[];
const FIXED: GgnOptions = {learningRate: 0.5, damping: 0.1, momentum: 0.7};

/** Three steps at damping 0.1: float32 rows and a float32 Gram matrix, 2⁻²⁴ times what conjugate gradients leave over. */
const TOLERANCE = 1e-4;

interface Problem {
  name: string;
  /** Fresh weights, the same on each call. */
  make: () => {variables: tf.Variable[]; step: (optimizer: ReturnType<typeof ggn>) => void | Promise<unknown>; dispose?: () => void};
  rows: number;
  options?: GgnOptions;
}

const initialized = (more: object, seed: number): object => ({kernelInitializer: tf.initializers.glorotUniform({seed}), biasInitializer: tf.initializers.randomNormal({stddev: 0.2, seed}), ...more});
const dense = (units: number, seed: number, more: object = {}): tf.layers.Layer => tf.layers.dense(initialized({units, ...more}, seed) as never);
const conv = (filters: number, seed: number, more: object = {}): tf.layers.Layer => tf.layers.conv2d(initialized({filters, kernelSize: 3, ...more}, seed) as never);

function fit(name: string, layers: () => tf.layers.Layer[], x: () => tf.Tensor, y: () => tf.Tensor, rows: number, loss = 'meanSquaredError'): Problem {
  return {name, rows, make: () => {
    const model = tf.sequential({layers: layers()});
    const [input, target] = [x(), y()];
    let compiled = false;
    return {variables: variablesOf(model), dispose: () => {
      model.dispose();
      tf.dispose([input, target]);
    }, step: optimizer => {
      if (!compiled) {
        model.compile({optimizer, loss});
        compiled = true;
      }
      return model.trainOnBatch(input, target);
    }};
  }};
}

const PROBLEMS: Problem[] = [
  fit('dense, two outputs', () => [dense(5, 1, {inputShape: [3], activation: 'tanh'}), dense(2, 2)], () => noise([30, 3], 1), () => noise([30, 2], 2), 60),
  fit('dense, L2 and L1 regularizers', () => [dense(5, 1, {inputShape: [3], activation: 'tanh', kernelRegularizer: tf.regularizers.l2({l2: 0.01})}),
    dense(1, 2, {kernelRegularizer: tf.regularizers.l1({l1: 0.01})})], () => noise([30, 3], 1), () => noise([30, 1], 2), 30),
  fit('more rows than a chunk', () => [dense(6, 1, {inputShape: [3], activation: 'tanh'}), dense(3, 2, {kernelRegularizer: tf.regularizers.l2({l2: 0.01})})],
      () => noise([360, 3], 1), () => noise([360, 3], 2), 1080),
  fit('a convolution, in parts', () => [conv(3, 1, {inputShape: [6, 6, 2], activation: 'relu'}), tf.layers.maxPooling2d({poolSize: 2}), tf.layers.flatten(), dense(4, 2)],
      () => noise([260, 6, 6, 2], 1), () => noise([260, 4], 2), 1040),
  fit('batch normalisation', () => [dense(5, 1, {inputShape: [3]}), tf.layers.batchNormalization(), tf.layers.activation({activation: 'tanh'}),
    dense(2, 3, {kernelRegularizer: tf.regularizers.l2({l2: 0.01})})], () => noise([30, 3], 1), () => noise([30, 2], 2), 60),
  fit('a classifier with batch normalisation', () => [dense(5, 1, {inputShape: [3]}), tf.layers.batchNormalization(), tf.layers.activation({activation: 'tanh'}), dense(3, 3, {activation: 'softmax'})],
      () => noise([30, 3], 1), () => tf.tidy(() => tf.oneHot(tf.argMax(noise([30, 3], 2), 1), 3)), 90, 'categoricalCrossentropy'),
  fit('a frozen layer', () => [dense(5, 1, {inputShape: [3], activation: 'tanh', trainable: false}), dense(4, 2, {activation: 'tanh'}), dense(2, 3)],
      () => noise([30, 3], 1), () => noise([30, 2], 2), 60),
  fit('more parameters than rows', () => [dense(20, 1, {inputShape: [3], activation: 'tanh'}), dense(1, 2)], () => noise([10, 3], 1), () => noise([10, 1], 2), 10),
  {name: 'a slice of the whole batch, in parts', rows: 1100, make: () => {
    const variables = tf.tidy(() => [variable([2, 3], 1), variable([2, 1], 3)] as never) as tf.Variable[];
    const x = noise([1100, 2], 4);
    const f = (): tf.Tensor => tf.matMul(tf.slice(tf.tanh(tf.matMul(x as tf.Tensor2D, variables[0] as tf.Tensor2D)), [0, 1], [1100, 2]), variables[1] as tf.Tensor2D);
    return {variables, dispose: () => tf.dispose([...variables, x]), step: optimizer => void optimizer.minimize(() => leastSquares(f().sub(0.3)))};
  }},
  {name: 'varList, terms of two sizes', rows: 1140, make: () => {
    const variables = tf.tidy(() => [variable([2, 3], 1), variable([3], 2), variable([3, 1], 3)] as never) as tf.Variable[];
    const [x, fewer] = [noise([1100, 2], 4), noise([40, 2], 5)];
    const f = (t: tf.Tensor): tf.Tensor => tf.matMul(tf.tanh(tf.add(tf.matMul(t as tf.Tensor2D, variables[0] as tf.Tensor2D), variables[1])), variables[2] as tf.Tensor2D);
    return {variables, dispose: () => tf.dispose([...variables, x, fewer]),
      step: optimizer => void optimizer.minimize(() => leastSquares([f(x).sub(0.3), f(fewer).sub(1)]), false, [variables[0], variables[2]])};
  }},
];

/** The weights after three steps from the same start, less the start. */
async function change(t: ExecutionContext, {make, rows, options}: Problem, solver: typeof SOLVERS[number]): Promise<Float64Array> {
  const {numTensors} = tf.memory();
  const {variables, step, dispose} = make();
  const before = flat(variables);
  const optimizer = ggn({...FIXED, ...options, solver});
  for (let i = 0; i < 3; i++) {
    await step(optimizer);
    t.like(optimizer.lastStep, {solver, scaling: 'levenberg', status: 'ok', rows});
  }
  const moved = flat(variables).map((w, i) => w - before[i]);
  optimizer.dispose();
  dispose?.();
  t.is(tf.memory().numTensors, numTensors, 'nothing leaks');
  return moved;
}

for (const backend of ['cpu', 'wasm']) {
  for (const problem of PROBLEMS) {
    test.serial(`${backend}: ${problem.name}`, async t => {
      await tf.setBackend(backend);
      const gram = await change(t, problem, 'gram');
      for (const solver of SOLVERS.filter(name => name !== 'gram')) {
        const other = await change(t, problem, solver);
        t.true(relativeError(other, gram) < TOLERANCE, `${solver}: ${relativeError(other, gram)}`);
      }
    });
  }
}

test.serial('the report is the same, whatever the system', async t => {
  await tf.setBackend('cpu');
  const reports = [];
  for (const solver of SOLVERS) {
    const {step, dispose} = PROBLEMS[2].make();
    const optimizer = ggn({policy: 'levenbergMarquardt', scaling: 'levenberg', solver});
    await step(optimizer);
    reports.push(optimizer.lastStep!);
    optimizer.dispose();
    dispose?.();
  }
  const [gram, ...others] = reports;
  for (const other of others) {
    for (const name of ['lambda', 'gradientNorm', 'stepNorm', 'predictedDecrease', 'actualDecrease', 'gainRatio'] as const) {
      t.true(Math.abs(other[name]! / gram[name]! - 1) < 1e-3, `${other.solver} ${name}: ${other[name]} ${gram[name]}`);
    }
  }
});
