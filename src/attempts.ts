import {CUSTOM_GRAD} from './capture/custom_grad';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {ggnError} from './errors';
import type {Dependence, Freeze} from './jacobian/analysis';
import type {BatchAxisLost} from './jacobian/batch_axis';
import {makePlan, RESIDUAL} from './jacobian/plan';
import type {Plan, RowBlock} from './jacobian/plan';

/** Rows up to which a batch goes row by row, with a reverse sweep for each. */
const MAX_ROW_BY_ROW = 1024;

/** A way to linearize rows. */
export interface Attempt {
  readonly batch: number;
  /** What must have been wrong with an attempt before: anything, a statistic of the batch, or that the examples were lost, not a failed self-check. */
  readonly after: 'any' | 'reduces' | 'lost';
  plan(): Plan;
}

/**
 * The ways to linearize blocks of rows with `examples` entries along their leading axes, the best first. The last
 * may be with B = 1, which goes row by row.
 */
export function attemptsFor(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], examples: number,
    step: TrainStep | null): Attempt[] {
  const shapeOf = (value: number): number[] => trace.values[value].shape;
  const isLeading = (value: number): boolean => shapeOf(value)[0] === examples;
  const isRead = (value: number): boolean => trace.producer[value] === -1;
  const attempt = (batch: number, isBatched: (value: number) => boolean, after: Attempt['after'] = 'any', freeze: Freeze = 'none'): Attempt =>
    ({batch, after, plan: () => makePlan(trace, dependence, blocks, batch, isBatched, freeze)});
  const attempts: Attempt[] = [];
  const mayGoRowByRow = blocks.reduce((n, block) => n + trace.values[block.value].size, 0) <= MAX_ROW_BY_ROW;
  if (step !== null && blocks.every(block => isLeading(block.value))) {
    const data = dataOf(step);
    // A constant of the model may happen to have as many rows as the batch: then only the data themselves count.
    const ways = [(value: number) => isRead(value) && isLeading(value) && !trace.variables.has(value),
      (value: number) => isRead(value) && data.has(trace.values[value].dataId)];
    attempts.push(...ways.map(way => attempt(examples, way)), ...ways.map(way => attempt(examples, way, 'reduces', 'all')));
  } else if (step === null && examples > 1) {
    // f() may read the examples, or take them from a larger tensor or make them itself: x.slice(...), tf.linspace(...).
    const ways = [(value: number) => isRead(value) && isLeading(value), isLeading];
    // Small enough to go row by row, statistics in the residuals themselves need not be held constant.
    attempts.push(...ways.map(way => attempt(examples, way)), ...ways.map(way => attempt(examples, way, 'reduces', mayGoRowByRow ? 'within' : 'all')));
  }
  if (mayGoRowByRow) {
    // What a gradient of the user's own does with the examples only the self-check can tell.
    const isCertain = step !== null && attempts.length > 0 && !trace.nodes.some(({kernel}) => kernel === CUSTOM_GRAD);
    attempts.push(attempt(1, value => isRead(value) && shapeOf(value).length > 0, isCertain ? 'lost' : 'any'));
  }
  return attempts;
}

/** The data of the inputs and targets of a batch: handles share them. */
export const dataOf = (step: TrainStep): Set<object> => new Set([...step.inputs, ...step.targets].map(t => t.dataId));

/** Why no attempt was possible, said to the user. */
export function explainLostAxis(error: BatchAxisLost, rows: number): Error {
  const where = error.kernel === RESIDUAL ? 'in the residuals of the loss' : `behind the kernel '${error.kernel}'`;
  return ggnError(`the examples of the batch cannot be told apart ${where}, and a step of ${rows} rows is too large to go row by ` +
      `row (at most ${MAX_ROW_BY_ROW}). Use a smaller batch.`);
}
