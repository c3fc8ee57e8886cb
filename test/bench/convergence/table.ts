/** What a terminal and RESULTS.md show of the comparisons. */
import {geometricMean} from './comparison';
import type {Comparison, Cost, Quantity, Reach} from './comparison';

/** Few digits, as many as say something. */
export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
}

/** A cost that is a lower bound is marked. */
export const shownCost = ({value, missed}: Cost): string => `${missed > 0 ? '>' : ''}${short(value)}`;

const shownRatio = ({ratio, ggn}: Reach): string => `${ggn.missed > 0 ? '>' : ''}${short(ratio)}`;

/** One comparison in a line: epochs to Adam's best losses. */
export function lines({task, batch, training, validation, losses, diverged}: Comparison): string {
  const part = (quantity: Quantity, reach: Reach): string =>
    `${quantity} ${short(reach.target)} (${reach.best}): ${shownCost(reach.adam)} -> ${shownCost(reach.ggn)} epochs, ratio ${shownRatio(reach)}, ` +
    `ggn lowest ${short(losses[quantity].ggn.lowest)} final ${short(losses[quantity].ggn.final)}`;
  return `${task.padEnd(9)}${String(batch).padStart(4)}  ${part('training', training)} | ${part('validation', validation)}` +
    (diverged.length > 0 ? ` | DIVERGED: ${diverged.join('; ')}` : '');
}

/** The goals of the benchmark against what was measured. */
export function summary(comparisons: readonly Comparison[]): string {
  const of = (quantity: Quantity): string => {
    const reaches = comparisons.map(comparison => comparison[quantity]);
    const missed = reaches.filter(({ggn}) => ggn.missed > 0).length;
    const worst = Math.max(...reaches.map(({ratio}) => ratio));
    return `${quantity}: geometric mean ${missed > 0 ? '>' : ''}${short(geometricMean(reaches.map(({ratio}) => ratio)))}, worst ${short(worst)}, ` +
      `${missed} of ${reaches.length} not reached in all seeds`;
  };
  return `Ratios of epochs over ${comparisons.length} tasks and batches\n  ${of('training')}\n  ${of('validation')}\n` +
    `  diverged: ${comparisons.flatMap(({diverged}) => diverged).length}`;
}
