/**
 * Whole steps of a case, momentum and regularizers included, on any backend, against dense normal equations in float64. It runs in Node and in a
 * page, and says what it saw in place of asserting.
 */
import * as tf from '@tensorflow/tfjs';
import {ggn, type StepReport} from '../../src/index';
import {type Case, disposeBatch, residualRows, rowWeights, variablesOf} from '../cases';
import {denseJacobian, referenceStep} from '../reference/dense_jacobian';
import {withFrozenStatistics} from './frozen_statistics';
import {relativeError} from './relative_error';

const DAMPING = 0.1;
const MOMENTUM = 0.9;
const STEPS = 2;

/** J is float32 and the damped system has a condition number of at most a few hundred at damping 0.1. */
const TOLERANCE = 2e-4;

export interface CaseResult {
  name: string;
  /** 'flat': no row depends on any weight, and no step was taken. 'wrong': `message` says what is. */
  outcome: 'exact' | 'flat' | 'refused' | 'wrong';
  /** What is wrong, or the error of a refusal; else empty. */
  message: string;
  /** Largest relative error of the steps. */
  error: number;
  /** How the rows were linearized; null where no step was taken. */
  jacobian: StepReport['jacobian'] | null;
}

/** What the optimizer must say where it has to refuse the case on this backend. */
export function refusalOf(c: Case, backend: string): RegExp | undefined {
  return c.refused ?? (c.refusedOn as Record<string, RegExp> | undefined)?.[backend];
}

/** Whether the case is to run on this backend: tfjs-node and WebGL train what the cpu backend trains. */
export function runsOn(c: Case, backend: string): boolean {
  return (c.backends as string[]).includes(backend === 'wasm' ? 'wasm' : 'cpu');
}

/**
 * Takes two steps on `backend` and compares them with the reference, made on the cpu backend.
 *
 * @param use makes a backend the current one.
 */
export async function runCase(c: Case, backend: string, use: (backend: string) => Promise<unknown>): Promise<CaseResult> {
  await use('cpu');
  const model = c.model();
  const batch = c.batch();
  const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: MOMENTUM});
  model.compile({optimizer, loss: c.loss});
  const result: CaseResult = {name: c.name, outcome: 'exact', message: '', error: 0, jacobian: null};
  const problems: string[] = [];
  try {
    const refusal = refusalOf(c, backend);
    if (refusal === undefined) {
      await compareSteps();
    } else {
      await expectRefusal(refusal);
    }
  } catch (error) {
    problems.push(String(error));
  }
  optimizer.dispose();
  model.dispose();
  disposeBatch(batch);
  return problems.length === 0 ? result : {...result, outcome: 'wrong', message: problems.join('; ')};

  async function compareSteps(): Promise<void> {
    const variables = variablesOf(model);
    const ridge = ridgeOf(model, variables);
    const weights = rowWeights(model, batch);
    let previous: Float64Array | null = null;
    let tensors = 0;
    for (let i = 0; i < STEPS; i++) {
      await use('cpu');
      const exact = (): tf.Tensor => residualRows(model, batch);
      const {jacobian, rows, n, m} = denseJacobian(c.frozen ? withFrozenStatistics(exact) : exact, variables);
      const before = flat(variables);
      await use(backend);
      if (jacobian.every(x => x === 0)) {  // dead units
        await model.trainOnBatch(batch.x, batch.y);
        check(optimizer.lastStep!.status === 'flat', `status ${optimizer.lastStep!.status}`);
        check(equal(flat(variables), before), 'a flat step moved the weights');
        result.outcome = 'flat';
        return;
      }
      await use('cpu');
      const extraGradient = extraOf(model, variables);
      if (c.frozen) {
        // What the exact gradient has beyond Jᵀq.
        const full = denseJacobian(exact, variables).jacobian;
        full.forEach((x, i) => extraGradient[i % m] += (x - jacobian[i]) * 2 * weights[Math.floor(i / m)] * rows[Math.floor(i / m)]);
      }
      const expected = referenceStep({jacobian, n, m, residual: rows, weights, damping: DAMPING, momentum: MOMENTUM, previous,
        ridge, extraGradient});
      await use(backend);
      await model.trainOnBatch(batch.x, batch.y);
      const step = flat(variables).map((w, j) => w - before[j]);
      const {status, lambda, gradientNorm, jacobian: way} = optimizer.lastStep!;
      const error = relativeError(step, expected.step);
      check(status === 'ok', `status ${status}`);
      check((way === 'frozenStatistics') === (c.frozen === true), `linearized as '${way}'`);
      check(Math.abs(lambda / expected.lambda - 1) < 1e-4, `lambda ${lambda} in place of ${expected.lambda}`);
      check(Math.abs(gradientNorm / expected.gradientNorm - 1) < 1e-3, `gradient norm ${gradientNorm} in place of ${expected.gradientNorm}`);
      check(error < TOLERANCE, `step ${i} is off by ${error}`);
      check(i === 0 || tf.memory().numTensors === tensors, `step ${i} left ${tf.memory().numTensors - tensors} tensors`);
      tensors = tf.memory().numTensors;
      result.error = Math.max(result.error, error);
      result.jacobian = way;
      previous = expected.step;
    }
  }

  async function expectRefusal(refusal: RegExp): Promise<void> {
    const variables = variablesOf(model);
    const before = flat(variables);
    await use(backend);
    const held = tf.memory().numTensors;
    const message = await model.trainOnBatch(batch.x, batch.y).then(() => '', error => (error as Error).message);
    check(message !== '', 'it was not refused');
    check(message === '' || refusal.test(message), `refused with: ${message}`);
    check(tf.memory().numTensors === held, `the refusal left ${tf.memory().numTensors - held} tensors`);
    check(equal(flat(variables), before), 'the refusal moved the weights');
    check(optimizer.lastStep === null, 'the refusal left a report');
    result.outcome = 'refused';
    result.message = message;
  }

  function check(condition: boolean, problem: string): void {
    if (!condition) {
      problems.push(problem);
    }
  }
}

interface Regularized {
  kernelRegularizer?: {l2?: tf.Scalar | number};
  biasRegularizer?: {l2?: tf.Scalar | number};
  kernel?: {val: tf.Variable};
  bias?: {val: tf.Variable};
  inboundNodes: unknown[];
}

/** ρ of every parameter: tfjs adds a layer's regularizer once for each time it is applied. */
function ridgeOf(model: tf.LayersModel, variables: tf.Variable[]): Float64Array {
  return Float64Array.from(variables.flatMap(variable => {
    let rho = 0;
    for (const layer of model.layers as unknown as Regularized[]) {
      for (const [weight, regularizer] of [[layer.kernel, layer.kernelRegularizer], [layer.bias, layer.biasRegularizer]] as const) {
        if (weight?.val === variable && regularizer?.l2 != null) {
          rho += layer.inboundNodes.length * (typeof regularizer.l2 === 'number' ? regularizer.l2 : regularizer.l2.dataSync()[0]);
        }
      }
    }
    return new Array<number>(variable.size).fill(rho);
  }));
}

/** Gradient of the regularizers. */
function extraOf(model: tf.LayersModel, variables: tf.Variable[]): Float64Array {
  const gradient = tf.tidy(() => {
    if (model.calculateLosses().length === 0) {
      return tf.zeros([variables.reduce((m, v) => m + v.size, 0)]);
    }
    const {grads} = tf.variableGrads(() => model.calculateLosses().reduce((a, b) => tf.add(a, b)), variables);
    return tf.concat(variables.map(v => tf.reshape(grads[v.name] ?? tf.zerosLike(v), [v.size])));
  });
  const values = Float64Array.from(gradient.dataSync());
  gradient.dispose();
  return values;
}

const flat = (variables: tf.Variable[]): Float64Array => Float64Array.from(variables.flatMap(v => [...v.dataSync()]));
const equal = (a: Float64Array, b: Float64Array): boolean => a.every((x, i) => x === b[i]);
