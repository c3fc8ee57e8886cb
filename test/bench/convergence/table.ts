/** What a terminal and RESULTS.md show of the comparisons. */
import {table} from '../../../docs/examples/shared/table';
import {firstAtMost, geometricMean, TOLERANCE} from './comparison';
import type {Comparison, Cost, Quantity, Reach} from './comparison';
import type {Run} from './runs';

/** One task and batch. */
export interface Compared {
  readonly title: string;
  readonly epochs: Comparison;
  /** Null without times. */
  readonly seconds: Comparison | null;
  readonly runs: readonly Run[];
}

/** What issue 5 asks of the geometric mean over all tasks and batches. */
const GOALS: Readonly<Record<Quantity, number>> = {training: 1 / 10, validation: 1 / 6};

/** As many digits as say something. */
export function short(value: number): string {
  return value === Infinity ? '∞' : Number.isNaN(value) ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) :
      value >= 0.001 ? value.toPrecision(2) : value.toExponential(1);
}

/** A lower bound is marked. */
export const shownCost = ({value, missed}: Cost): string => `${missed > 0 ? '>' : ''}${short(value)}`;

const shownRatio = ({ratio, ggn}: Reach): string => `${ggn.missed > 0 ? '>' : ''}${short(ratio)}`;

/** One comparison in a line. */
export function line({epochs, seconds}: Compared): string {
  const part = (quantity: Quantity): string => {
    const reach = epochs[quantity];
    const {final, lowest} = epochs.losses[quantity].ggn;
    return `${quantity} ${short(reach.target)} (${reach.best}): ${shownCost(reach.adam)} -> ${shownCost(reach.ggn)} epochs, ratio ${shownRatio(reach)}` +
      `${seconds === null ? '' : `, of time ${shownRatio(seconds[quantity])}`}, ggn lowest ${short(lowest)} final ${short(final)}`;
  };
  return `${epochs.task.padEnd(9)}${String(epochs.batch).padStart(4)}  ${part('training')} | ${part('validation')}` +
    (epochs.diverged.length > 0 ? ` | DIVERGED: ${epochs.diverged.join('; ')}` : '');
}

interface Verdict {
  mean: string;
  worst: string;
  slower: number;
  missed: number;
}

function verdict(comparisons: readonly Comparison[], quantity: Quantity): Verdict {
  const reaches = comparisons.map(comparison => comparison[quantity]);
  const missed = reaches.filter(({ggn}) => ggn.missed > 0).length;
  const worst = reaches.reduce((a, b) => b.ratio > a.ratio ? b : a);
  const {task, batch} = comparisons[reaches.indexOf(worst)];
  return {
    mean: `${missed > 0 ? '>' : ''}${short(geometricMean(reaches.map(({ratio}) => ratio)))}`,
    worst: `${shownRatio(worst)} (${task}, ${batch})`,
    slower: reaches.filter(({ratio}) => ratio > 1).length,
    missed,
  };
}

/** The goals of the benchmark against what was measured. */
export function summary(all: readonly Compared[]): string {
  const seconds = all.flatMap(compared => compared.seconds ?? []);
  const measures: [string, Comparison[]][] = [['time', seconds], ['epochs', all.map(({epochs}) => epochs)]];
  const rows = measures.filter(([, comparisons]) => comparisons.length > 0).flatMap(([measure, comparisons]) => (['training', 'validation'] as const).map(quantity => {
    const {mean, worst, slower, missed} = verdict(comparisons, quantity);
    return [`${measure} to Adam's best ${quantity} loss${quantity === 'validation' ? ', within 2 %' : ''}`, mean, measure === 'time' ? short(GOALS[quantity]) : '-', worst,
      `${slower} of ${comparisons.length}`, `${missed} of ${comparisons.length}`];
  }));
  const diverged = all.flatMap(({epochs}) => epochs.diverged);
  return `${table(['ggn / best Adam', 'geometric mean', 'goal', 'worst', 'slower than Adam', 'not reached'], rows)}\n\n` +
    `Runs of ggn that diverged: ${diverged.length === 0 ? 'none' : diverged.join('; ')}.`;
}

/** The page RESULTS.md. */
export function results(all: readonly Compared[], machine: string | null): string {
  const seeds = new Set(all.flatMap(({runs}) => runs.map(({seed}) => seed))).size;
  const diverged = all.flatMap(({epochs: {task, batch}, runs}) => runs.filter(run => run.diverged !== null && run.optimizer !== 'ggn')
      .map(run => `${task} ${batch} ${run.optimizer} seed ${run.seed} (${run.diverged})`));
  return [
    '# Convergence: ggn() untouched against the best Adam',
    'Written by `npx tsx test/bench/convergence/main.ts`; [README.md](README.md) says what is measured and how. ' +
      `${all.length} pairs of task and batch, ${seeds} seeds.`,
    machine === null ? 'No times yet (`--only times`).' : `Times: ${machine}; WebAssembly backend, \`rotated\` on tfjs-node.`,
    '`>`: a lower bound, since some runs ended before they got there (they count with all they had).',
    summary(all),
    '## To Adam\'s best training loss',
    '![training loss over epochs](training-epochs.png)',
    ...machine === null ? [] : ['![training loss over time](training-seconds.png)'],
    reachTable(all, 'training'),
    '## To within 2 % of Adam\'s best validation loss',
    '![validation loss over epochs](validation-epochs.png)',
    reachTable(all, 'validation'),
    '## Validation losses',
    'Geometric means over the seeds: where the runs end, and their lowest (what early stopping would give). The rate of Adam and of SGD is the one with the lowest.',
    lossTable(all),
    `Runs of Adam and SGD that diverged: ${diverged.length === 0 ? 'none' : diverged.join('; ')}.`,
  ].join('\n\n') + '\n';
}

function reachTable(all: readonly Compared[], quantity: Quantity): string {
  const timed = all.every(({seconds}) => seconds !== null);
  const header = ['task', 'batch', 'best', 'loss', 'epochs: adam', 'sgd', 'ggn', 'ratio',
    ...timed ? ['seconds: adam', 'sgd', 'ggn', 'own clock', 'ratio'] : []];
  const rows = all.map(({epochs, seconds, runs}) => {
    const reach = epochs[quantity];
    const cells = (of: Reach): string[] => [shownCost(of.adam), shownCost(of.sgd), shownCost(of.ggn)];
    return [epochs.task, String(epochs.batch), reach.best, short(reach.target), ...cells(reach), shownRatio(reach),
      ...timed ? [...cells(seconds![quantity]), short(ownClock(runs, quantity, reach.best)), `**${shownRatio(seconds![quantity])}**`] : []];
  });
  return table(header, rows);
}

/**
 * Seconds that ggn's own reports add up to, where the runs reach the target; a cross-check of the seconds from the times. Not a number
 * where one does not.
 */
function ownClock(runs: readonly Run[], quantity: Quantity, best: string): number {
  const ggn = runs.filter(run => run.optimizer === 'ggn');
  return geometricMean(ggn.map(run => {
    const adam = runs.find(other => other.optimizer === best && other.seed === run.seed)!;
    const point = firstAtMost(run, quantity, TOLERANCE[quantity] * Math.min(...adam[quantity]));
    return (run.reported?.[point] ?? NaN) / 1000;
  }));
}

function lossTable(all: readonly Compared[]): string {
  return table(['task', 'batch', 'adam', 'final', 'lowest', 'sgd', 'final', 'lowest', 'ggn: final', 'lowest', 'final / adam\'s lowest'],
      all.map(({epochs: {task, batch, losses: {validation: {adam, sgd, ggn}}}}) => [task, String(batch), adam.optimizer, short(adam.final), short(adam.lowest),
        sgd.optimizer, short(sgd.final), short(sgd.lowest), short(ggn.final), short(ggn.lowest), short(ggn.final / adam.lowest)]));
}
