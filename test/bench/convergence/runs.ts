/** Finished runs, kept in files of one task each, one run a line: the baselines, computed once, and the runs of `ggn()`. */
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import type {Batch} from './tasks';
import type {Curve} from './train';

export interface RunKey {
  readonly batch: Batch;
  readonly optimizer: string;
  readonly seed: number;
}

/** A curve as it is saved: a list for each quantity, five digits. */
export interface Run extends RunKey {
  readonly diverged: string | null;
  readonly epoch: readonly number[];
  readonly training: readonly number[];
  readonly validation: readonly number[];
  /** Of ggn only, at the same points: what its own clock says, and solves beyond the first of a step. */
  readonly reported?: readonly number[];
  readonly retries?: readonly number[];
}

export type Collection = 'baselines' | 'ggn';

const round = (value: number): number => Number(value.toPrecision(5));

export function runOf(key: RunKey, {points, diverged}: Curve): Run {
  const hasClock = points.some(({reported}) => reported > 0);
  return {
    ...key, diverged,
    epoch: points.map(({epoch}) => round(epoch)),
    training: points.map(({training}) => round(training)),
    validation: points.map(({validation}) => round(validation)),
    ...(hasClock ? {reported: points.map(({reported}) => Math.round(reported)), retries: points.map(({retries}) => retries)} : {}),
  };
}

export const sameKey = (a: RunKey, b: RunKey): boolean => a.batch === b.batch && a.optimizer === b.optimizer && a.seed === b.seed;

const pathOf = (collection: Collection, task: string): string => fileURLToPath(new URL(`${collection}/${task}.json`, import.meta.url));

export function readRuns(collection: Collection, task: string): Run[] {
  const path = pathOf(collection, task);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) as Run[] : [];
}

/** Writes one run in the place of an earlier one of the same key. */
export function saveRun(collection: Collection, task: string, run: Run): void {
  const path = pathOf(collection, task);
  const order = ({batch, optimizer, seed}: RunKey): string => `${batch === 'full' ? 'full' : String(batch).padStart(5, '0')} ${optimizer} ${seed}`;
  const runs = [...readRuns(collection, task).filter(other => !sameKey(other, run)), run].sort((a, b) => order(a) < order(b) ? -1 : 1);
  mkdirSync(fileURLToPath(new URL(collection, import.meta.url)), {recursive: true});
  writeFileSync(path, `[\n${runs.map(line => JSON.stringify(line)).join(',\n')}\n]\n`);
}
