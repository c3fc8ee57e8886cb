/** What a terminal and RESULTS.md show of the comparisons. */
import {table} from '../../../docs/examples/shared/table';
import type {Losses, Quantity, Ratio, Reach} from './comparison';
import {SPLITS} from './settings';
import {isWorse, rowsOfSummary, short} from './summary';
import type {Compared} from './summary';

const withError = ({mean, error}: Ratio): string => `${mean.toFixed(3)} ± ${(mean * error).toFixed(3)}`;

const bound = ({missed}: Reach): string => missed > 0 ? '>' : '';

const shownRatio = (reach: Reach): string => `${bound(reach)}${short(reach.ratio)}`;

/** One pair in a line. */
export function line({pair, seconds}: Compared): string {
  const {task, batch, losses: {validation, test}, toPick, aboveTwice, aboveFloor, splits} = pair;
  const reach = (quantity: Quantity): string =>
    `${shownRatio(pair[quantity])}${seconds === null ? '' : ` (time ${shownRatio(seconds[quantity])})`}`;
  const shown = ({adam, pick, last}: Losses): string => `${short(adam)} -> ${short(pick)}, last ${short(last)}`;
  return `${task.padEnd(18)}${String(batch).padStart(4)}  test ${withError(pair.tuned)}${isWorse(pair) ? ' !' : '  '}` +
    ` usual ${short(pair.usual.mean)} floor ${short(pair.floor.mean)} last ${short(pair.last)} | ` +
    `epochs ${short(toPick.adam)} -> ${short(toPick.ggn)} validation ${reach('validation')} ` +
    `training ${reach('training')} | validation ${shown(validation)}; test ${shown(test)}` +
    `${aboveTwice.ggn > 0 ? ` | ${aboveTwice.ggn} of ${splits} END ABOVE TWICE` : ''}` +
    `${aboveFloor.pick > 0 ? ` | ${aboveFloor.pick} of ${splits} above the linear fit` : ''}` +
    `${pair.diverged.length > 0 ? ` | ENDED EARLY: ${pair.diverged.join('; ')}` : ''}`;
}

/** The measures of the benchmark against their goals. */
export function summary(all: readonly Compared[]): string {
  const cells = rowsOfSummary(all).map(({measure, value, goal, note}) => [measure, value, goal, note]);
  return table(['ggn', 'value', 'goal', 'note'], cells);
}

export interface Page {
  readonly chosen: readonly Compared[];
  readonly judged: readonly Compared[];
  /** Tasks that are chosen on and have no runs, with their batches if it is some of them. */
  readonly missing: readonly string[];
  readonly machine: string | null;
  readonly figures: readonly string[];
}

/** The page RESULTS.md. */
export function results({chosen, judged, missing, machine, figures}: Page): string {
  const splits = Math.max(0, ...[...chosen, ...judged].map(({pair}) => pair.splits));
  return [
    '# Convergence: ggn() untouched against a tuned Adam',
    'Written by `npx tsx test/bench/convergence/main.ts`; [README.md](README.md) says what is measured and how. ' +
      `${chosen.length + judged.length} pairs of task and batch, up to ${splits} splits of ${SPLITS.length}.`,
    ...missing.length === 0 ? [] : [`**This is a part of the benchmark.** Not run yet: ${missing.join(', ')}.`],
    ...judged.length > 0 ? [] : ['The tasks that judge are not looked at yet.'],
    machine === null ? 'No times yet (`--only times`).' :
      `Times: ${machine}; WebAssembly backend, \`rotated\` on tfjs-node.`,
    '`>`: a lower bound, since some runs ended before they got there (they count with all they had).',
    ...section('Tasks on which the defaults are chosen', chosen),
    ...section('Tasks that judge, not chosen on', judged),
    ...figures.map(figure => `![losses over epochs](${figure})`),
  ].join('\n\n') + '\n';
}

function section(heading: string, all: readonly Compared[]): string[] {
  return all.length === 0 ? [] : [`## ${heading}`, summary(all), '### Losses',
    'Geometric means over the splits: test loss at ggn\'s pick over that of tuned Adam with its standard error ' +
      '(**bold**: above 1.02 by more than that), over that of Adam at 1e-3, and over that of a linear fit; ' +
      'then validation and test losses at the picks and where ggn ends.', lossTable(all),
    '### Epochs and seconds',
    'To the pick, to tuned Adam\'s validation loss within 2 %, and to Adam\'s best training loss.', reachTable(all)];
}

function lossTable(all: readonly Compared[]): string {
  const header = ['task', 'batch', 'test / tuned Adam', '/ Adam 1e-3', '/ linear', 'validation: Adam', 'ggn', 'last',
    'test: Adam', 'ggn', 'last', 'above twice'];
  return table(header, all.map(({pair}) => {
    const shown = ({adam, pick, last}: Losses): string[] => [adam, pick, last].map(short);
    const mark = isWorse(pair) ? '**' : '';
    return [pair.task, String(pair.batch), `${mark}${withError(pair.tuned)}${mark}`, short(pair.usual.mean),
      short(pair.floor.mean), ...shown(pair.losses.validation), ...shown(pair.losses.test),
      pair.aboveTwice.ggn === 0 ? '-' : `${pair.aboveTwice.ggn} of ${pair.splits}`];
  }));
}

function reachTable(all: readonly Compared[]): string {
  const header = ['task', 'batch', 'pick: Adam', 'ggn', 'validation: Adam', 'ggn', 'ratio', 'of time',
    'training: Adam', 'ggn', 'ratio', 'of time'];
  return table(header, all.map(({pair, seconds}) => {
    const reach = (quantity: Quantity): string[] => [short(pair[quantity].adam),
      `${bound(pair[quantity])}${short(pair[quantity].ggn)}`, shownRatio(pair[quantity]),
      seconds === null ? '-' : shownRatio(seconds[quantity])];
    return [pair.task, String(pair.batch), short(pair.toPick.adam), short(pair.toPick.ggn), ...reach('validation'),
      ...reach('training')];
  }));
}
