/**
 * One step of each loss of the table, on any backend, against the reference with the true output Hessian. It runs in Node and in a page,
 * and says what it saw in place of asserting.
 */
import * as tf from '@tensorflow/tfjs';
import {ggn} from '../../src/index';
import type {GgnOptions, GramGaussNewton} from '../../src/index';
import {denseJacobian} from '../reference/dense_jacobian';
import {gaussNewtonStep, outputDerivatives} from '../reference/generalized_gauss_newton';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {byName, byOp} from './loss_table';
import type {LossCase} from './loss_table';
import {flat} from '../support/tensors';

/** Examples. */
export const B = 6;
export const DAMPING = 0.1;
/** One example does not count, and one three times. */
const WEIGHTS = [1, 0.5, 0, 3, 1, 2];

/** Largest relative difference of a step: float32 rows and, for functions of outputs, second derivatives in float32. */
export const TOLERANCE = 3e-4;

/** A dense network 3 - 4 - outputs, once as a model and once by its variables. */
export function network({activation, outputs}: Pick<LossCase, 'activation' | 'outputs'>, examples = B) {
  const model = tf.sequential({layers: [
    tf.layers.dense({inputShape: [3], units: 4, activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({seed: 1})}),
    tf.layers.dense({units: outputs, activation, kernelInitializer: tf.initializers.glorotNormal({seed: 2}), biasInitializer: tf.initializers.randomNormal({seed: 3, stddev: 0.3})}),
  ]});
  const variables = variablesOf(model);
  const x = tf.randomNormal([examples, 3], 0, 1, 'float32', 4) as tf.Tensor2D;
  const [w, b, v, c] = variables as tf.Tensor[] as [tf.Tensor2D, tf.Tensor1D, tf.Tensor2D, tf.Tensor1D];
  const logits = (): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x, w).add(b)), v).add(c);
  const apply = {linear: (f: tf.Tensor) => f, softmax: tf.softmax, sigmoid: tf.sigmoid, softplus: tf.softplus}[activation] as (f: tf.Tensor) => tf.Tensor;
  return {model, variables, x, logits, predict: () => apply(logits())};
}

export type Network = ReturnType<typeof network>;

/**
 * |l'|/max(|r|, δ), δ a tenth of the mean |r| of the rows with a gradient, for the rows whose l'' is below a share of it: 2⁻¹⁰ if a trial
 * judges the step, else 1/2 of it for the rows that the loss draws to 0, as it does most of them.
 */
export function majorized(q: Float64Array, h: Float64Array, f: ArrayLike<number>, isTried = false): {h: Float64Array; isMajorized: boolean} {
  const n = q.length;
  const pulled = [...q.keys()].filter(i => Math.abs(q[i]) > 1e-9);
  const delta = 0.1 * pulled.reduce((sum, i) => sum + Math.abs(f[i]), 0) / pulled.length;
  const pull = pulled.reduce((sum, i) => sum + q[i] * f[i], 0);
  const result = new Float64Array(n * n);
  let isMajorized = false;
  for (let i = 0; i < n; i++) {
    const majorizing = Math.abs(q[i]) > 1e-9 ? Math.abs(q[i]) / Math.max(Math.abs(f[i]), delta) : 0;
    const isSmall = h[i * n + i] < majorizing * (isTried || q[i] * f[i] * pull <= 0 ? 1 / 1024 : 1 / 2);
    result[i * n + i] = isSmall ? majorizing : h[i * n + i];
    isMajorized ||= isSmall;
  }
  return {h: result, isMajorized};
}

/** H with its negative part left out: only for blocks of a case that says so. */
function projected(h: Float64Array, n: number, k: number): Float64Array {
  const result = new Float64Array(n * n);
  for (let first = 0; first < n; first += k) {
    // By power iterations, each eigenvector in turn, of the block shifted to be positive.
    const shift = Math.hypot(...Array.from({length: k * k}, (_, i) => h[(first + Math.floor(i / k)) * n + first + i % k]));
    let block = Array.from({length: k}, (_, i) => Array.from({length: k}, (_, j) => h[(first + i) * n + first + j] + (i === j ? shift : 0)));
    for (let e = 0; e < k && shift > 0; e++) {
      let v = Array.from({length: k}, (_, i) => 1 + 0.37 * i + 0.11 * e * i * i);
      for (let step = 0; step < 5000; step++) {
        const w = block.map(row => row.reduce((sum, x, j) => sum + x * v[j], 0));
        v = w.map(x => x / Math.hypot(...w));
      }
      const value = v.reduce((sum, x, i) => sum + x * block[i].reduce((s, y, j) => s + y * v[j], 0), 0);
      block = block.map((row, i) => row.map((x, j) => x - value * v[i] * v[j]));
      v.forEach((x, i) => v.forEach((y, j) => {
        result[(first + i) * n + first + j] += Math.abs(value - shift) * x * y;
      }));
    }
  }
  return result;
}

/** A way to take a step of a loss. */
export interface LossStep {
  readonly name: string;
  readonly one: LossCase;
  readonly how: 'fit' | 'loop' | 'weighted';
  readonly options: GgnOptions;
  /** B by default. */
  readonly examples?: number;
}

/** Whether a case is an op with its own reduction, by the number of weights that are not 0; else a weighted mean. */
const isOp = (one: LossCase): boolean => byOp.includes(one);

const HOW = {fit: ' in fit', loop: ' in a loop', weighted: ' in a loop, weighted'};

/** Every loss in every way. */
export const lossSteps: readonly LossStep[] = [...byName, ...byOp].flatMap(one => {
  const ways: Array<LossStep['how']> = [...one.fit === undefined ? [] : ['fit'] as const, ...one.loop === undefined ? [] : ['loop', 'weighted'] as const];
  return ways.map(how => ({name: one.name + HOW[how], one, how, options: {}}));
});

/** A loss whose second derivative is taken as it is if a trial judges the step, and only near 0 if none does. */
export const lossStepsOfTrials: readonly LossStep[] = lossSteps.filter(({name}) => name === 'logcosh in a loop, weighted').map(step =>
  ({...step, name: `${step.name}, judged by a trial`, options: {policy: 'levenbergMarquardt', scaling: 'levenberg'}}));

/** The losses that differ most in their kernels, with each solver. */
export const lossStepsOfSolvers: readonly LossStep[] = ['categoricalCrossentropy in fit', 'binaryCrossentropy in fit', 'losses.softmaxCrossEntropy in a loop, weighted',
  'losses.huberLoss in a loop, weighted'].flatMap(wanted => (['gram', 'normal', 'cg'] as const).map(solver => {
  const step = lossSteps.find(({name}) => name === wanted)!;
  return {...step, name: `${wanted}, '${solver}'`, options: {solver}};
}));

function reference(one: LossCase, net: Network, y: tf.Tensor, weights: readonly number[], isTried: boolean) {
  const rows = (): tf.Tensor => (one.rows ?? ((_, p) => p))(y, net.predict(), net.logits());
  const {jacobian, rows: f, n, m} = denseJacobian(rows, net.variables);
  const targets = y.arraySync() as number[][];
  const k = n / weights.length;
  const {q, h: exact} = outputDerivatives((b, fb) => weights[b] * one.value(fb, targets[b]), f, k);
  const {h, isMajorized} = one.isResidual === true ? majorized(q, exact, f, isTried) :
    {h: one.curvature === 'projected' ? projected(exact, n, k) : exact, isMajorized: false};
  const weighted = [...q.keys()].filter(i => Math.abs(q[i]) > 1e-9 || Math.abs(h[i * n + i]) > 1e-9).length;
  return {...gaussNewtonStep({jacobian, n, m, q, h, weighted, damping: DAMPING}), n, curvature: isMajorized ? 'majorized' : one.curvature ?? 'exact'};
}

/** The weights of the examples in a mean over them. */
function weightsOf({one, how, examples = B}: LossStep): number[] {
  if (how !== 'weighted') {
    return new Array<number>(examples).fill(1 / examples);
  }
  const weights = WEIGHTS.slice(0, examples);
  const by = isOp(one) ? weights.filter(x => x !== 0).length : weights.reduce((a, b) => a + b, 0);
  return weights.map(w => w / by);
}

async function train({one, how}: LossStep, optimizer: GramGaussNewton, {model, x, predict, logits}: Network, y: tf.Tensor): Promise<void> {
  if (how === 'fit') {
    model.compile({optimizer, loss: one.fit!});
    await model.trainOnBatch(x, y);
    return;
  }
  const w = how === 'weighted' ? tf.tensor2d(WEIGHTS.slice(0, x.shape[0]), [x.shape[0], 1]) : undefined;
  optimizer.minimize(() => one.loop!(y, predict(), logits(), w));
  w?.dispose();
}

/**
 * Takes a step on `backend` and compares it with the reference, made on the cpu backend.
 *
 * @param use makes a backend the current one.
 * @returns the faults; nothing if the step is exact.
 */
export async function runLoss(step: LossStep, backend: string, use: (backend: string) => Promise<unknown>): Promise<string[]> {
  const {one, options, examples = B} = step;
  await use('cpu');
  const net = network(one, examples);
  const known = one.targets(examples);
  const {step: expected, gradient, n, curvature: kind} = reference(one, net, known, weightsOf(step), options.policy === 'levenbergMarquardt');
  known.dispose();
  const before = flat(net.variables);
  const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: 0, policy: 'fixed', ...options});
  await use(backend);
  const y = one.targets(examples);  // anew: a tensor that the cpu backend has cast from integers still holds integers, and comes to others as their bits
  const tensors = tf.memory().numTensors;
  await train(step, optimizer, net, y);
  const left = tf.memory().numTensors - tensors;
  const found = flat(net.variables).map((w, j) => w - before[j]);
  const {status, curvature, rows, gradientNorm, solver} = optimizer.lastStep!;
  const error = relativeError(found, expected);
  const norm = Math.hypot(...gradient);
  const problems = [
    [status === 'ok', `status ${status}`],
    [left === net.variables.length, `${left} tensors left behind, in place of the last step of ${net.variables.length} variables`],
    [rows === n, `${rows} rows in place of ${n}`],
    [curvature === kind, `curvature ${curvature} in place of ${kind}`],
    [options.solver === undefined || options.solver === solver, `solver ${solver}`],
    [Math.abs(gradientNorm / norm - 1) < 1e-4, `gradient norm ${gradientNorm} in place of ${norm}`],
    [error < TOLERANCE, `step off by ${error}`],
  ] as const;
  optimizer.dispose();
  net.model.dispose();
  tf.dispose([y, net.x]);
  return problems.filter(([isRight]) => !isRight).map(([, problem]) => problem);
}
