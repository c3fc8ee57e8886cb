import {CUSTOM_GRAD} from '../../trace/custom_grad';
import type {Trace} from '../../trace/trace';
import {dataOf} from '../../tfjs/train_step_hook';
import type {TrainStep} from '../../tfjs/train_step_hook';
import {ggnError} from '../../errors';
import {analyse} from '../../trace/dependence';
import type {Dependence, Freeze} from '../../trace/dependence';
import {BatchAxisLost} from '../../trace/batch_axis';
import {countDirections, forwardWork, makeForwardPlan, reverseWork} from './forward_plan';
import {makePlan} from './make_plan';
import {RESIDUAL} from './plan';
import type {Plan} from './plan';
import type {RowBlock} from '../../loss/functions/row_block';
import type {RowGroup, Rows} from '../../loss/rows';

/** Parameters up to which a batch goes by forward sweeps, with a direction for each. */
const MAX_FORWARD = 1024;

/** The same where reverse sweeps that know the examples are possible, too. */
const FEW_PARAMETERS = 128;

/** Rows up to which a batch goes row by row, with a reverse sweep for each. */
const MAX_ROW_BY_ROW = 1024;

/** A reading of the batch axis: a way to linearize some rows, with its own place of the examples. */
export interface Reading {
  /** Examples B that the reading counts. */
  readonly batch: number;
  /** The failure of an earlier reading that this reading needs: any, a statistic of the batch, or lost examples, not a failed self-check. */
  readonly after: 'any' | 'reduces' | 'lost';
  plan(): Plan;
}

/** Forward sweeps, which also work for examples that reverse sweeps can tell apart. */
export interface ForwardReading extends Reading {
  /** Whether the forward sweeps take less work than the reverse sweeps. */
  isBetter(): boolean;
}

/** The readings of some rows. */
export interface Readings {
  /** The best reading comes first. */
  readonly readings: readonly Reading[];
  /** Forward sweeps come before the other readings if they are better; null if they are impossible. */
  readonly forward: ForwardReading | null;
}

/**
 * The readings of a group of rows, the best first. The group's examples lie along the leading axes of its blocks. The last
 * reading may have B = 1: forward sweeps if the parameters are fewer than the rows, else row by row.
 */
export function readingsOf(trace: Trace, {dependence, blocks: all}: Pick<Rows, 'dependence' | 'blocks'>,
    group: Pick<RowGroup, 'blocks' | 'examples'>, step: TrainStep | null): Readings {
  const {examples} = group;
  const blocks = group.blocks.map(b => all[b]);
  const shapeOf = (value: number): number[] => trace.values[value].shape;
  const isLeading = (value: number): boolean => shapeOf(value)[0] === examples;
  const isRead = (value: number): boolean => trace.producer[value] === -1;
  const reading = (batch: number, isBatched: (value: number) => boolean, after: Reading['after'] = 'any', freeze: Freeze = 'none'): Reading =>
    ({batch, after, plan: () => makePlan(trace, dependence, blocks, batch, isBatched, freeze)});
  const readings: Reading[] = [];
  const rows = blocks.reduce((n, block) => n + trace.values[block.value].size, 0);
  const directions = countDirections(trace, dependence, blocks);
  const mayGoRowByRow = rows <= MAX_ROW_BY_ROW;
  const mayGoForward = directions <= Math.min(rows, MAX_FORWARD);
  const forward = (): Plan => makeForwardPlan(trace, dependence, blocks);
  let ways: Array<(value: number) => boolean> = [];
  if (step !== null && blocks.every(block => isLeading(block.value))) {
    const data = dataOf(step);
    // A constant of the model may happen to have as many rows as the batch: then only the data themselves count.
    ways = [value => isRead(value) && isLeading(value) && !trace.variables.has(value), value => isRead(value) && data.has(trace.values[value].dataId)];
    readings.push(...ways.map(way => reading(examples, way)), ...ways.map(way => reading(examples, way, 'reduces', 'all')));
  } else if (step === null && examples > 1) {
    // f() may read the examples, or take them from a larger tensor or make them itself: x.slice(...), tf.linspace(...).
    ways = [value => isRead(value) && isLeading(value), isLeading];
    // Small enough to go row by row, or parameter by parameter, statistics in the residuals themselves need not be held constant.
    readings.push(...ways.map(way => reading(examples, way)), ...ways.map(way => reading(examples, way, 'reduces', mayGoRowByRow || mayGoForward ? 'within' : 'all')));
  }
  const whole = (value: number): boolean => isRead(value) && shapeOf(value).length > 0;
  if (readings.length === 0) {
    ways = [whole];
  }
  // What a gradient of the user's own does with the examples only the self-check can tell.
  const isCertain = step !== null && readings.length > 0 && !trace.nodes.some(({kernel}) => kernel === CUSTOM_GRAD);
  const after = isCertain ? 'lost' : 'any';
  if (mayGoForward && (examples > 1 || !mayGoRowByRow)) {
    readings.push({batch: 1, after, plan: forward});
  }
  if (mayGoRowByRow) {
    readings.push(reading(1, whole, after));
  }
  if (step === null && mayGoForward && !mayGoRowByRow) {
    readings.push(...ways.map(way => reading(examples, way, 'reduces', 'all')));
  }
  const isBetter = (): boolean => ways.some(way => isForwardBetter(trace, dependence, blocks, way === whole ? 1 : examples, way));
  return {readings, forward: mayGoForward && directions <= FEW_PARAMETERS ? {batch: 1, after: 'any', plan: forward, isBetter} : null};
}

/** Kernels of a long way: from here on less time is less, and what reverse sweeps would take of parameters alone is not found out. */
const LONG = 64;

/** How many times as long reverse sweeps must take of a short way, where they hold less in memory and little is to be gained. */
const MARGIN = 4;

/** Work of reverse sweeps of a short way, some 256 small kernels, up to which there is nothing to gain. */
const LITTLE = 2 ** 18;

/** Whether forward sweeps take less than the reverse sweeps of a batch, as far as both are possible. */
function isForwardBetter(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], examples: number, isBatched: (value: number) => boolean): boolean {
  try {
    const {forward} = makeForwardPlan(trace, dependence, blocks);
    const {activations, parameters, strides} = analyse(trace, dependence, blocks.map(({value}) => value), examples, isBatched);
    const isMadeOfParameters = parameters.length > Math.max(LONG, 2 * forward!.directions * activations.length);
    if (isMadeOfParameters && blocks.every(({value}) => strides[value] !== null)) {
      return true;
    }
    const isShort = forward!.nodes.length < LONG;
    const reverse = reverseWork(trace, makePlan(trace, dependence, blocks, examples, isBatched));
    return reverse > (isShort ? MARGIN : 1) * forwardWork(trace, forward!) && !(isShort && reverse <= LITTLE);
  } catch (error) {
    if (!(error instanceof BatchAxisLost)) {
      throw error;
    }
    return false;
  }
}

/** Why no reading was possible, said to the user. */
export function explainLostAxis(error: BatchAxisLost, rows: number): Error {
  const where = error.kernel === RESIDUAL ? 'in the residuals of the loss' : `behind the kernel '${error.kernel}'`;
  return ggnError(`the examples of the batch cannot be told apart ${where}, and a step of ${rows} rows is too large to go row by ` +
      `row (at most ${MAX_ROW_BY_ROW}). Use a smaller batch, or at most ${MAX_FORWARD} parameters, which are taken one by one then.`);
}
