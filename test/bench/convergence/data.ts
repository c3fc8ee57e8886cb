/** The rows of a split: training, validation and test part, standardised, in plain numbers. */
import {seededRandom} from '../../../docs/examples/shared/random';
import type {Example} from './examples';
import type {Batch, Task} from './tasks';
import {STEPS} from './tasks';

export const PARTS = ['training', 'validation', 'test'] as const;
export type PartName = typeof PARTS[number];
export type Rows = Readonly<Record<PartName, number>>;

/** Inputs row by row, and a target for each. */
export interface Part {
  readonly x: Float32Array;
  readonly y: readonly number[];
}

export type Data = Readonly<Record<PartName, Part>> & {readonly columns: number};

/** Training rows at most. Larger parts would make steps on the full batch dear. */
const MOST = 640;

/** A fifth each for validation and test, the others for training. */
export function rowsOf(examples: number): Rows {
  const fifth = Math.floor(examples / 5);
  return {training: Math.min(MOST, examples - 2 * fifth), validation: fifth, test: fifth};
}

const known = new Map<string, Rows>();

export function rowsOfTask(task: Task): Rows {
  const rows = known.get(task.name) ?? rowsOf(task.examples(seededRandom(1000)).length);
  known.set(task.name, rows);
  return rows;
}

/** A split is another order of the rows of a table; if the task is generated, another draw. */
export function dataOf(task: Task, split: number): Data {
  const examples = task.examples(seededRandom(1000 + split));
  const rows = rowsOf(examples.length);
  const training = examples.slice(0, rows.training);
  const isRaw = task.group === 'raw';
  // Images and series have one mean and one deviation for all pixels and steps.
  const together = task.shape !== null ? deviation(training.flatMap(({x}) => x)) : null;
  const columns = training[0].x.map((_, c) => isRaw ? AS_IS : together ?? deviation(training.map(({x}) => x[c])));
  const target = isRaw || task.loss.link === 'log' ? AS_IS : deviation(training.map(({y}) => y));
  const part = (list: readonly Example[]): Part => ({
    x: Float32Array.from(list.flatMap(({x}) => x.map((value, c) => (value - columns[c].mean) / columns[c].deviation))),
    y: list.map(({y}) => (y - target.mean) / target.deviation),
  });
  const testFrom = rows.training + rows.validation;
  return {training: part(training), validation: part(examples.slice(rows.training, testFrom)),
    test: part(examples.slice(testFrom, testFrom + rows.test)), columns: columns.length};
}

export interface Deviation {
  readonly mean: number;
  readonly deviation: number;
}

const AS_IS: Deviation = {mean: 0, deviation: 1};

/** A column that is constant keeps its scale. */
export function deviation(values: readonly number[]): Deviation {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return {mean, deviation: Math.sqrt(variance) || 1};
}

export const batchSize = (task: Task, batch: Batch): number => batch === 'full' ? rowsOfTask(task).training : batch;

/** Batches that are as large as all training rows are 'full'. */
export const batchesOf = (task: Task, batches: readonly Batch[]): Batch[] =>
  batches.filter(batch => task.batches.includes(batch) && (batch === 'full' || batch < rowsOfTask(task).training));

export const stepsPerEpoch = (task: Task, batch: Batch): number =>
  Math.ceil(rowsOfTask(task).training / batchSize(task, batch));

/** Epochs of every run of an optimizer. */
export const epochsOf = (task: Task, batch: Batch, optimizer: 'adam' | 'ggn'): number =>
  Math.ceil(task.length * STEPS[batch][optimizer] / stepsPerEpoch(task, batch));
