/** Compares the runs of ggn on one task and batch with those of Adam. Plain numbers, no tfjs. */
import type {PartName} from './data';
import type {Run} from './runs';
import type {Batch, Group} from './tasks';

export type Quantity = Exclude<PartName, 'test'>;

/** Cost of a run up to one of its points: epochs, or seconds. */
export type Measure = (run: Run, point: number) => number;

export const inEpochs: Measure = (run, point) => run.epoch[point];

/** The point of the lowest validation loss among runs of one split; starts are no candidates. */
export interface Pick {
  readonly run: Run;
  readonly point: number;
}

/** A geometric mean over the splits, and the standard error of its logarithm (0 for one split). */
export interface Ratio {
  readonly mean: number;
  readonly error: number;
}

/** Costs to a loss: geometric means over the splits. */
export interface Reach {
  readonly adam: number;
  readonly ggn: number;
  /** ggn's cost over Adam's. */
  readonly ratio: number;
  /**
   * Splits that ggn did not finish: they count with their whole runs, so `ratio` is a lower bound.
   */
  readonly missed: number;
}

export interface Losses {
  readonly adam: number;
  readonly pick: number;
  readonly last: number;
}

export interface Pair {
  readonly task: string;
  readonly group: Group;
  readonly batch: Batch;
  readonly splits: number;
  /**
   * Test loss at ggn's pick over that of tuned Adam, of Adam at the usual rate, and of a linear
   * fit.
   */
  readonly tuned: Ratio;
  readonly usual: Ratio;
  readonly floor: Ratio;
  /** Test loss where ggn ends over tuned Adam's at its pick. */
  readonly last: number;
  /** Losses at ggn's pick and where ggn ends, and at tuned Adam's pick: geometric means. */
  readonly losses: Readonly<Record<'validation' | 'test', Losses>>;
  readonly training: Reach;
  readonly validation: Reach;
  /** Epochs to the pick. */
  readonly toPick: {readonly adam: number; readonly ggn: number; readonly ratio: number};
  /** Runs of ggn that are above the linear fit at the pick, and at their end. */
  readonly aboveFloor: {readonly pick: number; readonly last: number};
  /** Runs that end above twice their own lowest training loss. */
  readonly aboveTwice: {readonly ggn: number; readonly adam: number};
  readonly diverged: readonly string[];
}

/** A validation loss counts as reached within 2 %. */
export const TOLERANCE: Readonly<Record<Quantity, number>> = {training: 1, validation: 1.02};

/**
 * The loss of a run that ended early is this many times that of its start, its cost this many times
 * Adam's.
 */
const ENDED_EARLY = 10;

/** Epochs. A run that ended before its first evaluation has its pick there. */
const FIRST_LOOK = 0.25;

const logMean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + Math.log(value), 0) / values.length;

export const geometricMean = (values: readonly number[]): number => Math.exp(logMean(values));

/** Of ratios, one a split. */
export function ratioOf(values: readonly number[]): Ratio {
  const mean = logMean(values);
  const squares = values.reduce((sum, value) => sum + (Math.log(value) - mean) ** 2, 0);
  const degrees = values.length - 1;
  return {mean: Math.exp(mean), error: degrees === 0 ? 0 : Math.sqrt(squares / degrees / values.length)};
}

export function pickOf(runs: readonly Run[]): Pick {
  const picks = runs.map(run => {
    const later = run.validation.slice(1);
    return {run, point: later.length === 0 ? 0 : 1 + later.indexOf(Math.min(...later))};
  });
  return picks.reduce((best, pick) => pick.run.validation[pick.point] < best.run.validation[best.point] ? pick : best);
}

/** Where a run ends. */
function lastOf(run: Run, part: PartName): number {
  return run.diverged === null ? run[part].at(-1)! : Math.max(ENDED_EARLY * run[part][0], run[part].at(-1)!);
}

export const endsAboveTwice = (run: Run): boolean => lastOf(run, 'training') > 2 * Math.min(...run.training);

/** The first point at or below a loss; -1 for none. */
export function firstAtMost(run: Run, quantity: Quantity, loss: number): number {
  return run[quantity].findIndex(value => value <= loss);
}

export interface Sides {
  readonly task: string;
  readonly group: Group;
  readonly batch: Batch;
  /** Of every rate, for every split of the runs of ggn. */
  readonly adam: readonly Run[];
  readonly ggn: readonly Run[];
  /** The rate of those who tune nothing. */
  readonly usual: string;
  /** The test loss of a linear fit of a split. */
  floor(split: number): number;
}

/** Compares by epochs, or by what `cost` says. */
export function compare({task, group, batch, adam, ggn, usual, floor}: Sides, cost: Measure = inEpochs): Pair {
  const splits = ggn.map(run => {
    const own = adam.filter(({split}) => split === run.split);
    const start = own[0].validation[0];
    if (!(Math.abs(run.validation[0] / start - 1) < 1e-2)) {
      throw new Error(`${task}, split ${run.split}: ggn starts at ${run.validation[0]}, the kept Adam at ${start}: ` +
        `its task has changed. Delete baselines/${task}.jsonl.`);
    }
    return {run, own, pick: pickOf([run]), tuned: pickOf(own), floor: floor(run.split),
      usual: pickOf(own.filter(({optimizer}) => optimizer === usual))};
  });
  type Split = typeof splits[number];
  const at = ({run, point}: Pick, part: 'validation' | 'test'): number => run[part][point];
  const each = (value: (split: Split) => number): number[] => splits.map(value);
  const losses = (part: 'validation' | 'test'): Losses => ({
    adam: geometricMean(each(({tuned}) => at(tuned, part))), pick: geometricMean(each(({pick}) => at(pick, part))),
    last: geometricMean(each(({run}) => lastOf(run, part))),
  });
  const epochs = ({run, point}: Pick): number => Math.max(FIRST_LOOK, run.epoch[point]);
  const adamToPick = geometricMean(each(({tuned}) => epochs(tuned)));
  const ggnToPick = geometricMean(each(({pick}) => epochs(pick)));
  return {
    task, group, batch, splits: splits.length,
    tuned: ratioOf(each(({pick, tuned}) => at(pick, 'test') / at(tuned, 'test'))),
    usual: ratioOf(each(split => at(split.pick, 'test') / at(split.usual, 'test'))),
    floor: ratioOf(each(split => at(split.pick, 'test') / split.floor)),
    last: geometricMean(each(({run, tuned}) => lastOf(run, 'test') / at(tuned, 'test'))),
    losses: {validation: losses('validation'), test: losses('test')},
    training: reach(splits, 'training', cost), validation: reach(splits, 'validation', cost),
    toPick: {adam: adamToPick, ggn: ggnToPick, ratio: ggnToPick / adamToPick},
    aboveFloor: {pick: splits.filter(split => at(split.pick, 'test') > split.floor).length,
      last: splits.filter(split => lastOf(split.run, 'test') > split.floor).length},
    aboveTwice: {ggn: ggn.filter(endsAboveTwice).length, adam: adam.filter(endsAboveTwice).length},
    diverged: ggn.filter(({diverged}) => diverged !== null).map(({split, diverged}) => `split ${split}: ${diverged}`),
  };
}

/**
 * To the lowest loss of any rate, times the tolerance, anew for each split; Adam's cost is that of
 * its quickest rate.
 */
function reach(splits: readonly {run: Run; own: readonly Run[]}[], quantity: Quantity, cost: Measure): Reach {
  const found = splits.map(({run, own}) => {
    const target = TOLERANCE[quantity] * Math.min(...own.flatMap(other => other[quantity]));
    const costs = (runs: readonly Run[]): number[] => runs.flatMap(other => {
      const point = firstAtMost(other, quantity, target);
      return point < 0 ? [] : [cost(other, Math.max(1, point))];
    });
    const quickest = Math.min(...costs(own));
    const reached = costs([run]).at(0);
    const whole = run.diverged === null ? cost(run, run.epoch.length - 1) : ENDED_EARLY * quickest;
    return {adam: quickest, ggn: reached ?? whole, missed: reached === undefined};
  });
  const [adam, ggn] = [geometricMean(found.map(split => split.adam)), geometricMean(found.map(split => split.ggn))];
  return {adam, ggn, ratio: ggn / adam, missed: found.filter(({missed}) => missed).length};
}
