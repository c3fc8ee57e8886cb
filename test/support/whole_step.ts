/**
 * Whole steps of a case, momentum and regularizers included, on any backend, against dense normal equations in float64. It runs in Node and
 * in a page, and returns its findings in place of asserting.
 */
import * as tf from '@tensorflow/tfjs';
import {ggn} from '../../src/index';
import {type Backend, type Case, disposeBatch} from '../cases/cases';
import {referenceWholeStep} from '../reference/whole_step';
import {variablesOf} from './models';
import {Probe} from './probe';
import {relativeError} from './relative_error';
import {flat} from './tensors';

const DAMPING = 0.1;
const MOMENTUM = 0.9;

/** J is float32 and the damped system has a condition number of at most a few hundred at damping 0.1. */
const TOLERANCE = 2e-4;

export interface CaseResult {
  name: string;
  /**
   * 'exact': the steps are those of the reference (for a model that depends on none of its weights: none was taken). 'refused': no step was
   * taken, nothing was changed, and `message` is the error. 'wrong': `message` says what is.
   */
  outcome: 'exact' | 'refused' | 'wrong';
  message: string;
  /** Largest relative error of the steps. */
  error: number;
  /** How the steps were taken: see `Case.kind`. Null where none was. */
  kind: Case['kind'] | null;
}

/** The error, if the optimizer must refuse the case on this backend. */
export function refusalOf(c: Case, backend: string): RegExp | undefined {
  return c.refused ?? c.refusedOn?.[backend as Backend];
}

/** Whether the case is to run on this backend. */
export function runsOn(c: Case, backend: string): boolean {
  return c.backends.includes(backend as Backend);
}

/**
 * Takes steps on `backend`, with momentum from the second on, and compares them with the reference, made on the cpu backend.
 *
 * @param use makes a backend the current one.
 */
export async function runCase(c: Case, backend: string, use: (backend: string) => Promise<unknown>, steps = 2): Promise<CaseResult> {
  await use('cpu');
  const model = c.model();
  const batch = c.batch();
  const variables = variablesOf(model);
  const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: MOMENTUM});
  model.compile({optimizer, loss: c.loss});
  const result: CaseResult = {name: c.name, outcome: 'exact', message: '', error: 0, kind: null};
  const problems: string[] = [];
  try {
    await compareSteps();
  } catch (error) {
    problems.push(`${String(error)}`);
  }
  optimizer.dispose();
  model.dispose();
  disposeBatch(batch);
  const refusal = refusalOf(c, backend);
  if (result.outcome === 'refused' && refusal !== undefined && !refusal.test(result.message)) {
    problems.push(`refused with: ${result.message}`);
  }
  return problems.length === 0 ? result : {...result, outcome: 'wrong', message: problems.join('; ')};

  async function compareSteps(): Promise<void> {
    let previous: Float64Array | null = null;
    let tensors = 0;
    let frozen = false;
    for (let i = 0; i < steps; i++) {
      await use('cpu');
      const expected = referenceWholeStep(model, batch, variables, {damping: DAMPING, momentum: MOMENTUM, previous});
      const before = flat(variables);
      await use(backend);
      const held = tf.memory().numTensors;
      try {
        await model.trainOnBatch(batch.x, batch.y);
      } catch (error) {
        check(tf.memory().numTensors === held, `the refusal left ${tf.memory().numTensors - held} tensors`);
        check(equal(flat(variables), before), 'the refusal moved the weights');
        check(optimizer.lastStep === null, 'the refusal left a report');
        check(/^tfjs-ggn: /.test((error as Error).message), String(error));
        result.outcome = 'refused';
        result.message = (error as Error).message;
        result.kind = null;
        return;
      }
      const {status, lambda, gradientNorm, jacobian} = optimizer.lastStep!;
      frozen = jacobian === 'frozenStatistics';
      const step = flat(variables).map((w, j) => w - before[j]);
      if (expected.flat) {  // dead units
        check(status === 'flat', `status ${status}`);
        check(step.every(x => x === 0), 'a flat step moved the weights');
        break;
      }
      const error = relativeError(step, expected.step);
      check(status === 'ok', `status ${status}`);
      check((jacobian === 'frozenStatistics') === expected.frozen, `linearized as '${jacobian}'`);
      check(Math.abs(lambda / expected.lambda - 1) < 1e-4, `lambda ${lambda} in place of ${expected.lambda}`);
      check(Math.abs(gradientNorm ** 2 - expected.gradientNorm ** 2) < 2e-3 * expected.gradientNorm ** 2 + expected.rounding, `gradient norm ${gradientNorm} in place of ${expected.gradientNorm}`);
      check(error < TOLERANCE, `step ${i} is off by ${error}`);
      check(i === 0 || tf.memory().numTensors === tensors, `step ${i} left ${tf.memory().numTensors - tensors} tensors`);
      tensors = tf.memory().numTensors;
      result.error = Math.max(result.error, error);
      previous = expected.step;
    }
    result.kind = frozen ? 'frozen' : await wayOf(c);
  }

  function check(condition: boolean, problem: string): void {
    if (!condition) {
      problems.push(problem);
    }
  }
}

/** Whether a fresh model of the case is linearized by rules alone; on the current backend. */
async function wayOf(c: Case): Promise<'fast' | 'fallback'> {
  const model = c.model();
  const batch = c.batch();
  let way: 'fast' | 'fallback' = 'fast';
  try {
    model.compile({loss: c.loss, optimizer: new Probe(({checked: {plans}}) => {
      if (plans.some(plan => plan.sites.some(site => site.kind === 'fallback') || (plan.analysis.examples === 1 && c.batchSize > 1))) {
        way = 'fallback';
      }
    })});
    await model.trainOnBatch(batch.x, batch.y);
  } finally {
    model.dispose();
    disposeBatch(batch);
  }
  return way;
}

const equal = (a: Float64Array, b: Float64Array): boolean => a.every((x, i) => x === b[i]);
