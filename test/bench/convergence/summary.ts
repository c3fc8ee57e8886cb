/** The measures of the whole benchmark, from its pairs of task and batch. */
import {geometricMean} from './comparison';
import type {Pair, Quantity} from './comparison';

/** A pair by epochs, and by seconds where times are kept. */
export interface Compared {
  readonly pair: Pair;
  /** Null without times. */
  readonly seconds: Pair | null;
}

export interface Row {
  readonly measure: string;
  readonly value: string;
  readonly goal: string;
  readonly note: string;
}

/**
 * A ratio of losses counts as this at least: tasks free of noise would decide the mean. So would
 * runs that diverge.
 */
const [LEAST, MOST] = [0.5, 10];

/** A test loss is worse than Adam's if it is above this by more than its standard error. */
const WORSE = 1.02;

/** Adam's epochs to a validation loss from which on the pair counts. */
const LONG = 10;

/** As many digits as say something. */
export function short(value: number): string {
  return value >= 1e5 || value < 1e-3 ? value.toExponential(1) : value >= 100 ? value.toFixed(0) :
      value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
}

const fine = (value: number): string => value >= 0.1 && value < 100 ? value.toFixed(3) : short(value);

const limited = (values: readonly number[]): number =>
  geometricMean(values.map(value => Math.min(MOST, Math.max(LEAST, value))));

export const isWorse = ({tuned: {mean, error}}: Pair): boolean => Math.log(mean) - error > Math.log(WORSE);

const title = ({task, batch}: Pair): string => `${task} ${batch}`;

/** Raw tables are compared with the linear fit: Adam depends on their units. */
export function rowsOfSummary(all: readonly Compared[]): Row[] {
  const normalised = all.filter(({pair}) => pair.group !== 'raw');
  const raw = all.filter(({pair}) => pair.group === 'raw').map(({pair}) => pair);
  return [...normalised.length > 0 ? againstAdam(normalised) : [], ...raw.length > 0 ? [rawRow(raw)] : [],
    ...ends(all)];
}

function againstAdam(all: readonly Compared[]): Row[] {
  const pairs = all.map(({pair}) => pair);
  const worse = pairs.filter(isWorse);
  const row = (measure: string, value: string, goal: string, note: string): Row => ({measure, value, goal, note});
  const mean = (measure: string, values: readonly number[], goal: string): Row =>
    row(measure, fine(limited(values)), goal,
        `a pair ${LEAST} to ${MOST}; without these limits ${fine(geometricMean(values))}`);
  return [
    mean('test loss at the pick / tuned Adam\'s', pairs.map(pair => pair.tuned.mean), '0.93'),
    row(`pairs above ${WORSE} by more than their standard error`, `${worse.length} of ${pairs.length}`, '0',
        worse.map(title).join(', ')),
    mean('test loss at the pick / that of Adam at 1e-3', pairs.map(pair => pair.usual.mean), '-'),
    row('epochs to the pick / tuned Adam\'s', fine(geometricMean(pairs.map(({toPick}) => toPick.ratio))), '0.25', ''),
    ...reachRows(all, 'validation', '0.17',
        `tuned Adam's validation loss, within 2 %, where Adam takes ${LONG} epochs and more`),
    ...reachRows(all, 'training', '0.12', 'Adam\'s best training loss'),
    ...([['mini-batch', '1.1'], ['full batch', '1.0']] as const).flatMap(([name, goal]) => {
      const some = pairs.filter(({batch}) => (batch === 'full') === (name === 'full batch'));
      const measure = `last test loss / tuned Adam's: ${name}`;
      return some.length === 0 ? [] : [mean(measure, some.map(({last}) => last), goal)];
    }),
    row('runs above a linear fit', aboveFloor(pairs), '-',
        pairs.filter(({floor}) => floor.mean > 1).map(title).join(', ')),
  ];
}

function reachRows(all: readonly Compared[], quantity: Quantity, goal: string, target: string): Row[] {
  const isLong = ({pair}: Compared): boolean => quantity === 'training' || pair.validation.adam >= LONG;
  const counted = all.filter(isLong);
  const timed = counted.flatMap(({seconds}) => seconds ?? []);
  return ([['time', timed, goal], ['epochs', counted.map(({pair}) => pair), '-']] as const)
      .filter(([, pairs]) => pairs.length > 0)
      .map(([measure, pairs, aim]) => {
        const missed = pairs.filter(pair => pair[quantity].missed > 0).length;
        const mean = geometricMean(pairs.map(pair => pair[quantity].ratio));
        return {measure: `${measure} to ${target}`, value: `${missed > 0 ? '>' : ''}${fine(mean)}`, goal: aim,
          note: `${pairs.length} pairs, ${missed} with splits that did not get there`};
      });
}

function rawRow(pairs: readonly Pair[]): Row {
  const [floor, tuned] = [pairs.map(pair => pair.floor.mean), pairs.map(pair => pair.tuned.mean)].map(geometricMean);
  return {measure: 'raw tables: test loss at the pick / that of a linear fit', value: fine(floor), goal: '1.0',
    note: `runs above the fit: ${aboveFloor(pairs)}; over tuned Adam's ${fine(tuned)}`};
}

const aboveFloor = (pairs: readonly Pair[]): string => `${sum(pairs, pair => pair.aboveFloor.pick)} at the pick, ` +
  `${sum(pairs, pair => pair.aboveFloor.last)} at the end, of ${sum(pairs, ({splits}) => splits)}`;

function ends(all: readonly Compared[]): Row[] {
  const pairs = all.map(({pair}) => pair);
  const above = pairs.filter(({aboveTwice}) => aboveTwice.ggn > 0);
  const diverged = pairs.filter(pair => pair.diverged.length > 0);
  return [
    {measure: 'runs that end above twice their own best training loss',
      value: `${sum(pairs, pair => pair.aboveTwice.ggn)} of ${sum(pairs, ({splits}) => splits)}`, goal: '0',
      note: above.map(pair => `${title(pair)} (${pair.aboveTwice.ggn})`).join(', ')},
    {measure: 'runs that end early', value: String(sum(pairs, pair => pair.diverged.length)), goal: '0',
      note: diverged.map(pair => `${title(pair)}, ${pair.diverged.join(', ')}`).join('; ')},
  ];
}

const sum = (pairs: readonly Pair[], value: (pair: Pair) => number): number =>
  pairs.reduce((total, pair) => total + value(pair), 0);
