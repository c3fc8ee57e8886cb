/** What the runs of one task and batch say: what ggn needs to the losses that the best Adam reached. Plain numbers, no tfjs. */
import type {Run} from './runs';
import type {Batch} from './tasks';

export type Quantity = 'training' | 'validation';

/** What a run has cost at one of its points: epochs, or seconds. */
export type Measure = (run: Run, point: number) => number;

export const inEpochs: Measure = (run, point) => run.epoch[point];

/** What it takes an optimizer to a loss. */
export interface Cost {
  /** Geometric mean over the seeds. */
  readonly value: number;
  /**
   * Seeds that did not get there: they count with their whole run, so `value` is a lower bound where there are any; infinite where one
   * diverged.
   */
  readonly missed: number;
}

/** To Adam's best loss. */
export interface Reach {
  /** The Adam that reached the lowest loss (geometric mean over the seeds). */
  readonly best: string;
  /** That loss, times the tolerance; geometric mean over the seeds, each of which has its own. */
  readonly target: number;
  readonly adam: Cost;
  readonly sgd: Cost;
  readonly ggn: Cost;
  /** ggn's cost over Adam's, geometric mean over the seeds. */
  readonly ratio: number;
}

/** Losses where the runs of an optimizer end, and its lowest: geometric means over the seeds. */
export interface Losses {
  readonly optimizer: string;
  readonly final: number;
  readonly lowest: number;
}

export interface Comparison {
  readonly task: string;
  readonly batch: Batch;
  readonly training: Reach;
  readonly validation: Reach;
  /** Of the Adam and SGD that are best in each quantity, and of ggn. */
  readonly losses: Readonly<Record<Quantity, {adam: Losses; sgd: Losses; ggn: Losses}>>;
  readonly diverged: readonly string[];
}

/** A validation loss counts as reached within 2 %. */
export const TOLERANCE: Readonly<Record<Quantity, number>> = {training: 1, validation: 1.02};

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** The first point at or below a loss; -1 for none. */
export function firstAtMost(run: Run, quantity: Quantity, loss: number): number {
  return run[quantity].findIndex(value => value <= loss);
}

/**
 * Compares runs of ggn with baselines of the same task, batch and seeds.
 *
 * The target of a seed is the lowest loss, at any time of its run, of the Adam whose rate is best over all seeds. Adam's cost is that of
 * the quickest of its rates to the target, chosen anew for every seed; so is SGD's.
 */
export function compare(task: string, batch: Batch, baselines: readonly Run[], ggn: readonly Run[], cost: Measure = inEpochs): Comparison {
  const runs = [...baselines.filter(run => ggn.some(({seed}) => seed === run.seed)), ...ggn];
  const byOptimizer = new Map([...new Set(runs.map(({optimizer}) => optimizer))].map(name => [name, runs.filter(run => run.optimizer === name)]));
  const reach = (quantity: Quantity): Reach => reachOf(byOptimizer, quantity, cost);
  return {
    task, batch, training: reach('training'), validation: reach('validation'),
    losses: {training: lossesOf(byOptimizer, 'training'), validation: lossesOf(byOptimizer, 'validation')},
    diverged: ggn.filter(({diverged}) => diverged !== null).map(({seed, diverged}) => `${task}, batch ${batch}, seed ${seed}: ${diverged}`),
  };
}

type Runs = ReadonlyMap<string, readonly Run[]>;

const lowest = (run: Run, quantity: Quantity): number => Math.min(...run[quantity]);

const lowestOver = (runs: readonly Run[], quantity: Quantity): number => geometricMean(runs.map(run => lowest(run, quantity)));

/** The name among `adam ...` or `sgd ...` with the lowest loss. */
function bestOf(family: string, runs: Runs, quantity: Quantity): string {
  const names = [...runs.keys()].filter(name => name.startsWith(family));
  if (names.length === 0) {
    throw new Error(`there are no runs of ${family}`);
  }
  const loss = (name: string): number => lowestOver(runs.get(name)!, quantity);
  return names.reduce((best, name) => loss(name) < loss(best) ? name : best);
}

function lossesOf(runs: Runs, quantity: Quantity): {adam: Losses; sgd: Losses; ggn: Losses} {
  const of = (optimizer: string): Losses => ({
    optimizer,
    final: geometricMean(runs.get(optimizer)!.map(run => run.diverged === null ? run[quantity].at(-1)! : Infinity)),
    lowest: lowestOver(runs.get(optimizer)!, quantity),
  });
  return {adam: of(bestOf('adam', runs, quantity)), sgd: of(bestOf('sgd', runs, quantity)), ggn: of('ggn')};
}

function reachOf(runs: Runs, quantity: Quantity, cost: Measure): Reach {
  const best = bestOf('adam', runs, quantity);
  const targets = new Map(runs.get(best)!.map(run => [run.seed, TOLERANCE[quantity] * lowest(run, quantity)]));
  const seeds = [...targets.keys()];
  /** Of the quickest run of a family, one value a seed. */
  const costs = (family: string): {value: number; missed: boolean}[] => seeds.map(seed => {
    const own = [...runs].filter(([name]) => name.startsWith(family)).flatMap(([, list]) => list.filter(run => run.seed === seed));
    const found = own.map(run => ({run, point: firstAtMost(run, quantity, targets.get(seed)!)}));
    const reached = found.filter(({point}) => point >= 0).map(({run, point}) => cost(run, point));
    return reached.length > 0 ? {value: Math.min(...reached), missed: false} :
        {value: Math.min(...own.map(run => run.diverged === null ? cost(run, run.epoch.length - 1) : Infinity)), missed: true};
  });
  const summary = (list: {value: number; missed: boolean}[]): Cost =>
    ({value: geometricMean(list.map(({value}) => value)), missed: list.filter(({missed}) => missed).length});
  const [adam, sgd, ggn] = ['adam', 'sgd', 'ggn'].map(costs);
  return {best, target: geometricMean([...targets.values()]), adam: summary(adam), sgd: summary(sgd), ggn: summary(ggn),
    ratio: geometricMean(seeds.map((_, s) => ggn[s].value / adam[s].value))};
}
