import {CUSTOM_GRAD} from '../../trace/custom_grad';
import {derivativePaths} from '../../trace/derivative_paths';
import type {Trace} from '../../trace/trace';
import type {Freeze} from '../../trace/analysis';
import {BatchAxisLost, unlessLost} from '../../trace/batch_axis';
import {dataOf, type FitBatch} from '../../tfjs/fit_batch_hook';
import {ggnError} from '../../errors';
import {rootsOf} from '../../loss/functions/row_block';
import type {RowGroup, Rows} from '../../loss/rows';
import {FEW_PARAMETERS, MANY_OUTPUTS, SYSTEM_FACTS, type SystemName} from '../../solve/system';
import {makeForwardPlan, makeProductPlan} from './forward_plan';
import {makePlan} from './make_plan';
import {RESIDUAL, type Plan, type Site} from './plan';
import {isForwardBetter} from './sweep_direction';

/** Parameters up to which a batch goes by forward sweeps, with a direction for each. */
const MAX_FORWARD = 1024;

/** Rows up to which a batch goes row by row, with a reverse sweep for each. */
const MAX_ROW_BY_ROW = 1024;

/**
 * A reading of the batch axis: a way to linearize some rows, with its own place of the examples.
 */
export interface Reading {
  /** Examples B that the reading counts. */
  readonly examples: number;
  /**
   * The failure of an earlier reading that this reading needs: any, a statistic of the batch, or
   * lost examples, but no failed self-check.
   */
  readonly after: 'any' | 'reduces' | 'lost';
  plan(): Plan;
}

/** Forward sweeps, which also work for examples that reverse sweeps can tell apart. */
interface ForwardReading extends Reading {
  /** Whether the forward sweeps take less work than the reverse sweeps. */
  isBetter(): boolean;
}

/** The readings of some rows. */
interface Readings {
  /** The best reading comes first. */
  readonly readings: readonly Reading[];
  /**
   * Forward sweeps come before the other readings if they are better; null if they are impossible.
   */
  readonly forward: ForwardReading | null;
}

/** Whether the value with this index has an entry for each example. */
type IsBatched = (value: number) => boolean;

/**
 * The readings of a group of rows, the best first. The group's examples lie along the leading axes
 * of its blocks. The last reading may have B = 1: forward sweeps if the parameters are fewer than
 * the rows, else row by row.
 */
export function readingsOf(trace: Trace, {dependence, blocks: all}: Pick<Rows, 'dependence' | 'blocks'>,
    group: Pick<RowGroup, 'blocks' | 'examples'>, fitBatch: FitBatch | null, system: SystemName): Readings {
  const {examples} = group;
  const blocks = group.blocks.map(b => all[b]);
  const shapeOf = (value: number): number[] => trace.values[value].shape;
  const isLeading: IsBatched = value => shapeOf(value)[0] === examples;
  const isRead: IsBatched = value => trace.producer[value] === -1;
  const whole: IsBatched = value => isRead(value) && shapeOf(value).length > 0;
  const reading = (counted: number, isBatched: IsBatched, after: Reading['after'] = 'any', freeze: Freeze = 'none'):
      Reading => ({examples: counted, after, plan: () => {
    const plan = makePlan(trace, dependence, blocks, counted, isBatched, freeze);
    // If the rows are a function of the variables alone, without an axis of examples, they go one
    // by one, too.
    const isFunction = ({kind, parameter: p}: Site): boolean =>
      (kind === 'row' || kind === 'fallback') && p.kind === 'function' && p.reach === null;
    if (rows > MAX_ROW_BY_ROW && counted > 1 && plan.sites.some(isFunction)) {
      throw new BatchAxisLost(RESIDUAL, 'unknown');
    }
    return plan;
  }});
  const forward = (): Plan => makeForwardPlan(trace, dependence, blocks);
  const rows = blocks.reduce((n, block) => n + trace.values[block.value].size, 0);
  const {parameters} = derivativePaths(trace, dependence, rootsOf(trace, blocks));
  const areFew = rows <= MAX_ROW_BY_ROW;
  // The rows of one example always take a reverse sweep each.
  const mayGoRowByRow = areFew || examples === 1;
  const mayGoForward = parameters <= Math.min(rows, MAX_FORWARD);

  const readings: Reading[] = [];
  let ways: IsBatched[] = [whole];
  if (fitBatch !== null && blocks.every(block => isLeading(block.value))) {
    const data = dataOf(fitBatch);
    // If a constant of the model happens to have as many rows as the batch, only the data
    // themselves count.
    ways = [value => isRead(value) && isLeading(value) && !trace.variables.has(value),
      value => isRead(value) && data.has(trace.values[value].dataId)];
    readings.push(...ways.map(way => reading(examples, way)),
        ...ways.map(way => reading(examples, way, 'reduces', 'all')));
  } else if (fitBatch === null && examples > 1) {
    // f() may read the examples, take them from a larger tensor (x.slice(...)) or make them
    // (tf.linspace(...)).
    ways = [value => isRead(value) && isLeading(value), isLeading];
    // If the rows may go one by one, or by parameters, statistics in the residuals need not be held
    // constant.
    const freeze = areFew || mayGoForward ? 'within' : 'all';
    readings.push(...ways.map(way => reading(examples, way)),
        ...ways.map(way => reading(examples, way, 'reduces', freeze)));
  }
  // Only the self-check can tell whether a gradient of the user's own couples the examples.
  const isCertain = fitBatch !== null && readings.length > 0 && !trace.nodes.some(({kernel}) => kernel === CUSTOM_GRAD);
  const after = isCertain ? 'lost' : 'any';
  // Conjugate gradients take products in place of columns, from the same kernels.
  const isMatrixFree = SYSTEM_FACTS[system].matrix === null;
  const products = !isMatrixFree ? null : planOrLost(() => makeProductPlan(trace, dependence, blocks, examples,
      examples === 1 ? null : planOrLost(() => makePlan(trace, dependence, blocks, examples, ways[0]))));
  const columns = products !== null ? () => products : mayGoForward && !isMatrixFree ? forward : null;
  if (columns !== null && (examples > 1 || !areFew)) {
    readings.push({examples: 1, after, plan: columns});
  }
  if (mayGoRowByRow) {
    readings.push(reading(1, whole, after));
  }
  if (fitBatch === null && mayGoForward && !areFew) {
    readings.push(...ways.map(way => reading(examples, way, 'reduces', 'all')));
  }
  const isBetter = (): boolean =>
    ways.some(way => isForwardBetter(trace, dependence, blocks, way === whole ? 1 : examples, way));
  if (products !== null && rows / examples > MANY_OUTPUTS) {
    readings.unshift({examples, after: 'any', plan: () => products});
  }
  return {readings, forward: columns !== null && mayGoForward && parameters <= FEW_PARAMETERS ?
    {examples: 1, after: 'any', plan: columns, isBetter} : null};
}

/** A plan; null if the examples are lost on the way to the rows. */
const planOrLost = (make: () => Plan): Plan | null => unlessLost<Plan | null>(make, () => null);

/** The error of a step for which no reading was possible. */
export function explainLostAxis(error: BatchAxisLost, rows: number): Error {
  const where = error.kernel === RESIDUAL ? 'in the residuals of the loss' : `behind the kernel '${error.kernel}'`;
  return ggnError(`the examples of the batch cannot be told apart ${where}, and a step of ${rows} rows is too ` +
      `large to go row by row (at most ${MAX_ROW_BY_ROW}). Use a smaller batch, solver 'auto', or at most ` +
      `${MAX_FORWARD} parameters, which are taken one by one then.`);
}
