/** The concrete-strength data: read, split and standardised. */
import * as tf from '@tensorflow/tfjs';
import {readFileSync} from 'node:fs';

export interface Part {
  /** Standardised inputs, examples x 8. */
  x: tf.Tensor2D;
  /** Standardised target, examples x 1. */
  y: tf.Tensor2D;
}

export interface Data {
  training: Part;
  validation: Part;
  /** Standard deviation of the target in the training rows, in MPa: turns a standardised error back into one of strength. */
  strengthDeviation: number;
}

/** Reads the rows, holds a seeded random tenth out for validation, and standardises with the training rows' statistics. */
export function loadData(): Data {
  const rows = readCsv(new URL('data/concrete.csv', import.meta.url));
  tf.util.shuffle(rows);
  const held = Math.round(rows.length / 10);
  const [validation, training] = [rows.slice(0, held), rows.slice(held)];
  const statistics = training[0].map((_, column) => meanAndDeviation(training.map(row => row[column])));
  const standardised = (part: number[][]): Part => {
    const table = part.map(row => row.map((value, column) => (value - statistics[column].mean) / statistics[column].deviation));
    return {x: tf.tensor2d(table.map(row => row.slice(0, -1))), y: tf.tensor2d(table.map(row => row.slice(-1)))};
  };
  return {training: standardised(training), validation: standardised(validation), strengthDeviation: statistics.at(-1)!.deviation};
}

/** The numbers below the header; the last column is the target. */
function readCsv(file: URL): number[][] {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  const columns = header.split(',').length;
  return lines.map((line, l) => {
    const row = line.split(',').map(Number);
    if (row.length !== columns || !row.every(Number.isFinite)) {
      throw new Error(`${file.pathname}, line ${l + 2}: expected ${columns} numbers, received '${line}'.`);
    }
    return row;
  });
}

function meanAndDeviation(values: number[]): {mean: number; deviation: number} {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return {mean, deviation: Math.sqrt(variance)};
}
