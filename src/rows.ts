import {sub} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {NotSquares, readLossHead} from './capture/loss_head';
import type {LossHead} from './capture/loss_head';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {ggnError} from './errors';
import {findDependence} from './jacobian/analysis';
import type {Dependence, Freeze} from './jacobian/analysis';
import {type BatchAxisLost} from './jacobian/batch_axis';
import {makePlan, RESIDUAL} from './jacobian/plan';
import type {Plan} from './jacobian/plan';

/** Rows that one step can hold: the n x n Gram matrix in float64 takes 512 MiB at this size. */
const MAX_ROWS = 8192;

/** Rows up to which a step goes row by row, with a reverse sweep for each. */
const MAX_ROW_BY_ROW = 1024;

export const NO_ROWS = 'this step has no rows: the batch holds no examples. Leave empty batches out.';

/** The rows of a step and the ways to linearize them, the best first. */
export interface Rows {
  readonly dependence: Dependence;
  readonly head: LossHead;
  /** Number of rows n. */
  readonly count: number;
  /** Examples B of the batch; 1 where a custom loop has no common leading axis. */
  readonly examples: number;
  /** The last may be with B = 1, which goes row by row. */
  readonly attempts: readonly Attempt[];
}

export interface Attempt {
  readonly batch: number;
  /** What must have been wrong with an attempt before: anything, a statistic of the batch, or that the examples were lost, not a failed self-check. */
  readonly after: 'any' | 'reduces' | 'lost';
  plan(): Plan;
}

/**
 * Finds the rows of a traced loss.
 *
 * @throws when the loss does not depend on a trained variable, is not a sum of squares, has too many rows, or
 * couples the examples of a batch in `fit`.
 */
export function findRows(trace: Trace, isTrained: (variable: Variable) => boolean, step: TrainStep | null): Rows {
  const dependence = findDependence(trace, isTrained);
  if (!dependence.dependent[trace.result]) {
    throw ggnError('the loss does not depend on any variable that is being trained. Check that the function given to ' +
        'minimize() computes the loss with tfjs ops, from trainable variables, and that varList names them.');
  }
  const head = readHead(trace, dependence, step);
  const blocks = head.squares.map(square => square.block);
  const count = blocks.reduce((n, block) => n + trace.values[block.value].size, 0);
  if (count === 0) {
    throw ggnError(NO_ROWS);
  }
  if (count > MAX_ROWS) {
    throw ggnError(`this step has ${count} rows (examples times outputs), at most ${MAX_ROWS} are possible: ` +
        'the Gram matrix of a step has that many rows and columns. Use a smaller batchSize.');
  }
  const leading = commonLeadingSize(trace, blocks.map(block => block.value));
  const examples = step === null ? leading : step.inputs[0].shape[0];
  const isLeading = (value: number): boolean => trace.values[value].rank > 0 && trace.values[value].shape[0] === examples;
  const attempt = (batch: number, isBatched: (value: number) => boolean, after: Attempt['after'] = 'any', freeze: Freeze = 'none'): Attempt =>
    ({batch, after, plan: () => makePlan(trace, dependence, blocks, batch, isBatched, freeze)});
  const attempts: Attempt[] = [];
  const mayGoRowByRow = count <= MAX_ROW_BY_ROW;
  if (step !== null && leading === examples) {
    const data = dataOf(step);
    // A constant of the model may happen to have as many rows as the batch: then only the data themselves count.
    const ways = [(value: number) => isLeading(value) && !trace.variables.has(value), (value: number) => data.has(trace.values[value].dataId)];
    attempts.push(...ways.map(way => attempt(examples, way)), ...ways.map(way => attempt(examples, way, 'reduces', 'all')));
  } else if (step === null && examples > 1) {
    // Small enough to go row by row, statistics in the residuals themselves need not be held constant.
    attempts.push(attempt(examples, isLeading), attempt(examples, isLeading, 'reduces', mayGoRowByRow ? 'within' : 'all'));
  }
  if (mayGoRowByRow) {
    attempts.push(attempt(1, value => trace.values[value].size > 1, step !== null && attempts.length > 0 ? 'lost' : 'any'));
  }
  return {dependence, head, count, examples, attempts};
}

/** The data of the inputs and targets of a batch: handles share them. */
const dataOf = (step: TrainStep): Set<object> => new Set([...step.inputs, ...step.targets].map(t => t.dataId));

function readHead(trace: Trace, dependence: Dependence, step: TrainStep | null): LossHead {
  const data = step === null ? null : dataOf(step);
  const isData = (value: number): boolean => data === null ? trace.values[value].size > 1 : data.has(trace.values[value].dataId);
  try {
    return readLossHead(trace, dependence, isData);
  } catch (error) {
    if (!(error instanceof NotSquares)) {
      throw error;
    }
    const name = typeof step?.model.loss === 'string' ? `the loss '${step.model.loss}'` : 'the loss';
    throw ggnError(`${name} is not a mean or sum of squares: its term '${error.kernel}' is no square, and no regularizer of a single variable. ` +
        `This version trains with 'meanSquaredError' in compile(), with tf.losses.meanSquaredError, and in custom loops with ` +
        `losses such as pred.sub(y).square().mean(); regularizers may be added. Use one of these, or another optimizer.`);
  }
}

/** The size of the leading axis, where all values share it; 1 otherwise. */
function commonLeadingSize(trace: Trace, values: readonly number[]): number {
  const sizes = values.map(value => trace.values[value].shape[0] ?? 1);
  return sizes.every(size => size === sizes[0]) ? sizes[0] : 1;
}

/** Why no attempt was possible, said to the user. */
export function explainLostAxis(error: BatchAxisLost, rows: number): Error {
  const where = error.kernel === RESIDUAL ? 'in the terms of the loss, which differ in size' : `behind the kernel '${error.kernel}'`;
  return ggnError(`the examples of the batch cannot be told apart ${where}, and a step of ${rows} rows is too large to go row by ` +
      `row (at most ${MAX_ROW_BY_ROW}). Use a smaller batch.`);
}

/** Residual rows r, their weights w and the order (example, component) over all blocks. */
export function readResiduals(trace: Trace, head: LossHead, plan: Plan): {residual: Float64Array; weight: Float64Array} {
  const {batch} = plan.analysis;
  const n = batch * plan.components;
  const residual = new Float64Array(n);
  const weight = new Float64Array(n);
  let from = 0;
  head.squares.forEach((square, b) => {
    const values = rowTensor(trace, square.block).dataSync();
    const weights = typeof square.weight === 'number' ? null : square.weight.dataSync();
    const perExample = plan.perExample[b];
    for (let i = 0; i < values.length; i++) {
      const row = Math.floor(i / perExample) * plan.components + from + i % perExample;
      weight[row] = weights === null ? square.weight as number : weights[i];
      // What a mask leaves out may be anything, also not a number.
      residual[row] = weight[row] === 0 ? 0 : values[i];
    }
    from += perExample;
  });
  return {residual, weight};
}

function rowTensor(trace: Trace, block: {value: number; difference: number | null}): Tensor {
  if (block.difference === null) {
    return trace.values[block.value];
  }
  const inputs = new Map(trace.nodes[block.difference].inputs);
  return sub(trace.values[inputs.get('a')!], trace.values[inputs.get('b')!]);
}
