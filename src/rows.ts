import {sub} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {attemptsFor, dataOf} from './attempts';
import type {Attempt} from './attempts';
import {NotSquares, readLossHead} from './capture/loss_head';
import type {LossHead} from './capture/loss_head';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {ggnError} from './errors';
import {findDependence} from './jacobian/analysis';
import type {Dependence} from './jacobian/analysis';
import type {Plan, RowBlock} from './jacobian/plan';

export const NO_ROWS = 'this step has no rows: the batch holds no examples. Leave empty batches out.';

/** The rows of a step, in groups with their own number of examples. */
export interface Rows {
  readonly dependence: Dependence;
  readonly head: LossHead;
  /** Number of rows n. */
  readonly count: number;
  /** One in `fit`; in a custom loop one for each number of examples that terms of the loss have. */
  readonly groups: readonly RowGroup[];
}

/** Terms of the loss with as many examples each. The rows of a step are ordered (group, example, component). */
export interface RowGroup {
  /** Their indices in `head.squares`. */
  readonly squares: readonly number[];
  /** Number of their rows. */
  readonly count: number;
  /** Examples B: in a custom loop the size of the leading axis, 1 for scalars. */
  readonly examples: number;
  /** The ways to linearize them, the best first. */
  readonly attempts: readonly Attempt[];
}

/**
 * Finds the rows of a traced loss.
 *
 * @throws when the loss does not depend on a trained variable, is not a sum of squares, or
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
  const count = countRows(trace, blocks);
  if (count === 0) {
    throw ggnError(NO_ROWS);
  }
  const groups = groupRows(trace, head, step).map(({squares, examples}) => {
    const own = squares.map(i => blocks[i]);
    return {squares, examples, count: countRows(trace, own), attempts: attemptsFor(trace, dependence, own, examples, step)};
  });
  return {dependence, head, count, groups};
}

const countRows = (trace: Trace, blocks: readonly RowBlock[]): number =>
  blocks.reduce((n, block) => n + trace.values[block.value].size, 0);

/** In `fit` all rows belong to one batch; in a custom loop terms of one leading size do. */
function groupRows(trace: Trace, head: LossHead, step: TrainStep | null): Array<Pick<RowGroup, 'squares' | 'examples'>> {
  if (step !== null) {
    return [{squares: [...head.squares.keys()], examples: step.inputs[0].shape[0]}];
  }
  const bySize = new Map<number, number[]>();
  head.squares.forEach(({block}, i) => {
    const {shape, size} = trace.values[block.value];
    const examples = shape[0] ?? 1;
    if (size > 0) {
      bySize.set(examples, [...bySize.get(examples) ?? [], i]);
    }
  });
  return [...bySize].map(([examples, squares]) => ({squares, examples}));
}

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

/** Residual rows r and their weights w, in the order (group, example, component). */
export function readResiduals(trace: Trace, {head, groups}: Rows, plans: readonly Plan[]): {residual: Float64Array; weight: Float64Array} {
  const n = plans.reduce((count, plan) => count + plan.analysis.batch * plan.components, 0);
  const residual = new Float64Array(n);
  const weight = new Float64Array(n);
  let first = 0;
  groups.forEach(({squares}, g) => {
    const {analysis, components, perExample} = plans[g];
    let from = first;
    squares.forEach((index, b) => {
      const square = head.squares[index];
      const values = rowTensor(trace, square.block, value => trace.values[value]).dataSync();
      const weights = typeof square.weight === 'number' ? null : square.weight.dataSync();
      for (let i = 0; i < values.length; i++) {
        const row = from + Math.floor(i / perExample[b]) * components + i % perExample[b];
        weight[row] = weights === null ? square.weight as number : weights[i];
        // What a mask leaves out may be anything, also not a number.
        residual[row] = weight[row] === 0 ? 0 : values[i];
      }
      from += perExample[b];
    });
    first += analysis.batch * components;
  });
  return {residual, weight};
}

/** The residuals of a block, of values as they are or as they would be at other weights. */
export function rowTensor(trace: Trace, block: RowBlock, valueOf: (value: number) => Tensor): Tensor {
  if (block.difference === null) {
    return valueOf(block.value);
  }
  const inputs = new Map(trace.nodes[block.difference].inputs);
  return sub(valueOf(inputs.get('a')!), valueOf(inputs.get('b')!));
}
