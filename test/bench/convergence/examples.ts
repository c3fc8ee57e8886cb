/**
 * The examples of the tasks, as plain numbers: real rows from files, and problems drawn from a
 * formula.
 */
import {readFileSync} from 'node:fs';
import {gunzipSync} from 'node:zlib';

/** Uniform in [0, 1). */
export type Random = () => number;

/** Standard normal, by Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A copy in random order, by Fisher and Yates. */
export function shuffled<T>(list: readonly T[], random: Random): T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

/** Inputs and target of one example. */
export interface Example {
  readonly x: readonly number[];
  readonly y: number;
}

/**
 * The numbers of a CSV file, plain or gzipped, its last column the target. A first line that is no
 * numbers is a header.
 */
export function readExamples(path: string): Example[] {
  const file = readFileSync(new URL(path, import.meta.url));
  const lines = (path.endsWith('.gz') ? gunzipSync(file) : file).toString('utf8').trim().split(/\r?\n/);
  const rows = lines.map(line => line.split(',').map(Number));
  const examples = rows.slice(rows[0].every(Number.isFinite) ? 0 : 1);
  const bad = examples.findIndex(row => row.length !== rows[0].length || !row.every(Number.isFinite));
  if (bad >= 0) {
    throw new Error(`${path}: example ${bad} is not ${rows[0].length} numbers.`);
  }
  return examples.map(row => ({x: row.slice(0, -1), y: row.at(-1)!}));
}

const draw = (count: number, example: (i: number) => Example): Example[] =>
  Array.from({length: count}, (_, i) => example(i));

/** sin(x)/x on [-10, 10], without noise. */
export function sinc(count: number, random: Random): Example[] {
  return draw(count, () => {
    const x = 20 * random() - 10;
    return {x: [x], y: x === 0 ? 1 : Math.sin(x) / x};
  });
}

/** Two spirals of one and a half turns; the target is ±1 by the arm. */
export function spirals(count: number, random: Random): Example[] {
  return draw(count, i => {
    const arm = i % 2 === 0 ? 1 : -1;
    const t = Math.sqrt(random());            // uniform along the arm, nearly
    const angle = 3 * Math.PI * t;
    const at = (f: (x: number) => number): number => arm * t * f(angle) + 0.02 * normal(random);
    return {x: [at(Math.cos), at(Math.sin)], y: arm};
  });
}

/**
 * Friedman, 1991: five inputs that count and one that does not, and noise of standard deviation 1
 * (a fifth of the target's).
 */
export function friedman(count: number, random: Random): Example[] {
  return draw(count, () => {
    const x = Array.from({length: 6}, random);
    const smooth = 10 * Math.sin(Math.PI * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4];
    return {x, y: smooth + normal(random)};
  });
}

/**
 * Digits turned by up to ±45 degrees about their centre, with bilinear interpolation; the target is
 * the angle.
 */
export function rotated(digits: readonly Example[], random: Random): Example[] {
  const size = 8;
  const centre = (size - 1) / 2;
  return digits.map(({x: pixels}) => {
    const angle = (random() - 0.5) * Math.PI / 2;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const pixel = (row: number, column: number): number =>
      row >= 0 && row < size && column >= 0 && column < size ? pixels[row * size + column] : 0;
    const x = Array.from({length: size * size}, (_, i) => {
      const [v, u] = [Math.floor(i / size) - centre, i % size - centre];
      const [row, column] = [centre + cos * v - sin * u, centre + sin * v + cos * u];
      const [r, c] = [Math.floor(row), Math.floor(column)];
      const [below, right] = [row - r, column - c];
      return (1 - below) * ((1 - right) * pixel(r, c) + right * pixel(r, c + 1)) +
          below * ((1 - right) * pixel(r + 1, c) + right * pixel(r + 1, c + 1));
    });
    return {x, y: angle};
  });
}

/**
 * Mackey-Glass series (delay 17): `steps` values, three time units apart, and the value two such
 * steps after the last, with observation noise.
 */
export function mackeyGlass(count: number, steps: number, random: Random): Example[] {
  const [stride, ahead, delay, burnIn] = [3, 6, 17, 300];
  const series = Array.from({length: delay + 1}, () => 1.2 + 0.1 * (random() - 0.5));
  const length = burnIn + count + stride * steps + ahead;
  while (series.length < length) {
    const [now, before] = [series.at(-1)!, series[series.length - 1 - delay]];
    series.push(now + 0.2 * before / (1 + before ** 10) - 0.1 * now);
  }
  const observed = series.map(value => value + 0.01 * normal(random));
  return draw(count, i => {
    const start = burnIn + i;
    const last = start + stride * (steps - 1);
    return {x: Array.from({length: steps}, (_, s) => observed[start + stride * s]), y: observed[last + ahead]};
  });
}
