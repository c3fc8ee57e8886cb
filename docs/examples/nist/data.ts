/** The files of NIST's Statistical Reference Datasets (StRD) for nonlinear regression. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

export type Difficulty = 'lower' | 'average' | 'higher';

export interface Dataset {
  name: string;
  difficulty: Difficulty;
  /** Two starting points, as lists of parameters. */
  starts: [number[], number[]];
  /** What NIST certifies, to eleven digits. */
  certified: {
    parameters: number[];
    /** Residual sum of squares. */
    residual: number;
  };
  y: number[];
  /** The predictors, one or two columns. */
  x: number[][];
}

const FOLDER = fileURLToPath(new URL('data', import.meta.url));

export const readDataset = (name: string): Dataset => parseDataset(readFileSync(join(FOLDER, `${name}.dat`), 'latin1'));

/**
 * Reads the text of a .dat file: what stands where is said in words, and so it is found by words.
 *
 * @throws Error where a part is missing, or the numbers of parameters or observations are not those that the file states.
 */
export function parseDataset(text: string): Dataset {
  const name = find(text, /Dataset Name:\s+(\w+)/);
  const fail = (what: string): never => {
    throw new Error(`The file of ${name} ${what}.`);
  };
  const lines = text.split(/\r?\n/);
  const parameters = lines.map(line => /^\s*b\d+\s*=(.*)$/.exec(line)).filter(match => match !== null).map(match => numbers(match[1]));
  if (parameters.length !== Number(find(text, /(\d+) Parameters/)) || parameters.some(row => row.length !== 4)) {
    fail('does not give two starts, a value and a deviation of each parameter');
  }
  const column = (i: number): number[] => parameters.map(row => row[i]);
  const first = lines.map(line => line.startsWith('Data:')).lastIndexOf(true) + 1;
  const rows = lines.slice(first).filter(line => line.trim() !== '').map(numbers);
  const predictors = Number(find(text, /(\d+) Predictor/));
  if (rows.length !== Number(find(text, /Number of Observations:\s+(\d+)/)) || rows.some(row => row.length !== 1 + predictors)) {
    fail('does not hold the observations that it announces');
  }
  return {
    name,
    difficulty: find(text, /(Lower|Average|Higher) Level of Difficulty/).toLowerCase() as Difficulty,
    starts: [column(0), column(1)],
    certified: {parameters: column(2), residual: Number(find(text, /Residual Sum of Squares:\s+(\S+)/))},
    y: rows.map(row => row[0]),
    x: Array.from({length: predictors}, (_, i) => rows.map(row => row[1 + i])),
  };
}

function find(text: string, pattern: RegExp): string {
  const match = pattern.exec(text);
  if (match === null) {
    throw new Error(`This is no file of NIST StRD: nothing in it matches ${String(pattern)}.`);
  }
  return match[1];
}

const numbers = (text: string): number[] => text.trim().split(/\s+/).map(Number);
