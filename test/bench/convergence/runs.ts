/**
 * Finished runs, kept in files of one task each, a run a line: the baselines, computed once, and
 * the runs of `ggn()`.
 */
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import type {PartName} from './data';
import type {Batch} from './tasks';
import {evaluationSteps} from './train';
import type {Curve} from './train';

export interface RunKey {
  readonly batch: Batch;
  readonly optimizer: string;
  readonly split: number;
}

/** A curve as a list for each quantity. */
export interface Run extends RunKey, Readonly<Record<PartName, readonly number[]>> {
  readonly diverged: string | null;
  readonly epoch: readonly number[];
  /** Of ggn only: solves beyond the first of a step, so far. */
  readonly retries?: readonly number[];
}

/** A run in a file: its epochs follow from the grid of evaluations. */
interface Line extends Omit<Run, 'epoch'> {
  readonly perEpoch: number;
  readonly epochs: number;
}

export type Collection = 'baselines' | 'ggn';

const round = (value: number, digits: number): number => Number(value.toPrecision(digits));

/**
 * As it is kept: three digits of the training loss, four of the others. Test losses are 0, but at
 * the end and at points that may be picked, at which the validation loss is lower than before.
 */
export function lineOf(key: RunKey, perEpoch: number, epochs: number, {points, diverged}: Curve): Line {
  const {batch, optimizer, split} = key;
  const validations = points.map(({validation}) => round(validation, 4));
  const isLooked = (i: number): boolean =>
    i === points.length - 1 || i > 0 && validations.slice(1, i).every(before => before > validations[i]);
  return {
    batch, optimizer, split, perEpoch, epochs, diverged,
    training: points.map(({training}) => round(training, 3)),
    validation: validations,
    test: points.map(({test}, i) => isLooked(i) ? round(test, 4) : 0),
    ...(optimizer === 'ggn' ? {retries: points.map(({retries}) => retries)} : {}),
  };
}

export function runOf({perEpoch, epochs, ...run}: Line): Run {
  const epoch = [0, ...evaluationSteps(perEpoch, epochs)].slice(0, run.training.length).map(step => step / perEpoch);
  return {...run, epoch};
}

const pathOf = (collection: Collection, task: string): string =>
  fileURLToPath(new URL(`${collection}/${task}.jsonl`, import.meta.url));

export const sameKey = (a: RunKey, b: RunKey): boolean =>
  a.batch === b.batch && a.optimizer === b.optimizer && a.split === b.split;

export function readLines(collection: Collection, task: string): Line[] {
  const path = pathOf(collection, task);
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(line => JSON.parse(line) as Line) : [];
}

/** Writes one run in the place of an earlier one of the same key. */
export function saveLine(collection: Collection, task: string, line: Line): void {
  const order = ({batch, optimizer, split}: RunKey): string =>
    `${batch === 'full' ? 'full' : String(batch).padStart(5, '0')} ${optimizer} ${split}`;
  const lines = [...readLines(collection, task).filter(other => !sameKey(other, line)), line];
  lines.sort((a, b) => order(a) < order(b) ? -1 : 1);
  mkdirSync(fileURLToPath(new URL(collection, import.meta.url)), {recursive: true});
  writeFileSync(pathOf(collection, task), `${lines.map(other => JSON.stringify(other)).join('\n')}\n`);
}
