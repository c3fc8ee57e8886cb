/** Eleven curve models, in tfjs and in float64, with data from random noise and starts within a factor of three of the truth. */
import type * as tf from '@tensorflow/tfjs';
import {seededRandom} from '../../../docs/examples/shared/random';

export interface CurveModel {
  readonly name: string;
  /** ŷ [n] from the parameters, scalars, and x [n]. */
  readonly model: (p: readonly tf.Tensor[], x: tf.Tensor) => tf.Tensor;
  /** The same of one x, in float64. */
  readonly exact: (p: readonly number[], x: number) => number;
  readonly truth: readonly number[];
  readonly x: readonly number[];
  /** Standard deviation of the noise. */
  readonly noise: number;
}

/** What is fitted, in numbers that float32 holds. */
export interface CurveData {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly starts: ReadonlyArray<readonly number[]>;
}

export const STARTS = 12;

/** The most that a start differs from the truth by, as a factor. */
const FACTOR = 3;

const {exp, sin} = Math;
const linear = (from: number, to: number, n: number): number[] => Array.from({length: n}, (_, i) => Math.fround(from + (to - from) * i / (n - 1)));
const doses = (n: number): number[] => Array.from({length: n}, (_, i) => Math.fround(0.1 * 10 ** (4 * i / (n - 1))));

export const CURVES: readonly CurveModel[] = [
  {
    name: 'saturation', truth: [823.5, 5.3, 8.2], x: linear(0, 4, 50), noise: 0.2,
    model: ([a, b, c], x) => a.sub(b.mul(c.mul(x).neg().exp())),
    exact: ([a, b, c], x) => a - b * exp(-c * x),
  },
  {
    name: 'logistic', truth: [50, 1.2, 5], x: linear(0, 10, 40), noise: 0.5,
    model: ([height, rate, middle], x) => height.div(rate.mul(x.sub(middle)).neg().exp().add(1)),
    exact: ([height, rate, middle], x) => height / (1 + exp(-rate * (x - middle))),
  },
  {
    name: '4PL', truth: [2, 1.5, 10, 100], x: doses(24), noise: 1,
    model: ([a, b, c, d], x) => d.add(a.sub(d).div(x.div(c).pow(b).add(1))),
    exact: ([a, b, c, d], x) => d + (a - d) / (1 + (x / c) ** b),
  },
  {
    name: '5PL', truth: [2, 1.5, 10, 100, 0.6], x: doses(30), noise: 0.5,
    model: ([a, b, c, d, g], x) => d.add(a.sub(d).div(x.div(c).pow(b).add(1).pow(g))),
    exact: ([a, b, c, d, g], x) => d + (a - d) / (1 + (x / c) ** b) ** g,
  },
  {
    name: 'Gaussian', truth: [10, 5, 1.2], x: linear(0, 10, 50), noise: 0.2,
    model: ([height, middle, width], x) => height.mul(x.sub(middle).div(width).square().mul(-0.5).exp()),
    exact: ([height, middle, width], x) => height * exp(-0.5 * ((x - middle) / width) ** 2),
  },
  {
    name: 'Lorentzian', truth: [20, 6, 0.8], x: linear(0, 12, 60), noise: 0.3,
    model: ([height, middle, width], x) => height.mul(width.square()).div(x.sub(middle).square().add(width.square())),
    exact: ([height, middle, width], x) => height * width ** 2 / ((x - middle) ** 2 + width ** 2),
  },
  {
    name: 'double exponential', truth: [5, 2, 3, 0.3], x: linear(0, 8, 60), noise: 0.02,
    model: ([a, b, c, d], x) => a.mul(b.mul(x).neg().exp()).add(c.mul(d.mul(x).neg().exp())),
    exact: ([a, b, c, d], x) => a * exp(-b * x) + c * exp(-d * x),
  },
  {
    name: 'damped sine', truth: [4, 0.2, 2, 0.7], x: linear(0, 12, 80), noise: 0.1,
    model: ([height, decay, rate, phase], x) => height.mul(decay.mul(x).neg().exp()).mul(rate.mul(x).add(phase).sin()),
    exact: ([height, decay, rate, phase], x) => height * exp(-decay * x) * sin(rate * x + phase),
  },
  {
    name: 'power law', truth: [3, 1.7], x: linear(0.5, 20, 30), noise: 2,
    model: ([a, b], x) => a.mul(x.pow(b)),
    exact: ([a, b], x) => a * x ** b,
  },
  {
    name: 'Michaelis-Menten', truth: [12, 3], x: linear(0.2, 20, 25), noise: 0.2,
    model: ([most, half], x) => most.mul(x).div(half.add(x)),
    exact: ([most, half], x) => most * x / (half + x),
  },
  {
    name: 'Birch-Murnaghan', truth: [-10.8, 40, 0.5, 4.5], x: linear(34, 47, 20), noise: 0.001,
    model: ([energy, volume, modulus, slope], x) => {
      const u = volume.div(x).pow(2 / 3), e = u.sub(1);
      return energy.add(volume.mul(modulus).mul(9 / 16).mul(e.pow(3).mul(slope).add(e.square().mul(u.mul(-4).add(6)))));
    },
    exact: ([energy, volume, modulus, slope], x) => {
      const u = (volume / x) ** (2 / 3), e = u - 1;
      return energy + 9 * volume * modulus / 16 * (e ** 3 * slope + e ** 2 * (6 - 4 * u));
    },
  },
];

/** Data and starts of a model; others for every seed. */
export function dataOf(curve: CurveModel, seed: number): CurveData {
  const random = seededRandom(1000 * seed + CURVES.indexOf(curve));
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const y = curve.x.map(x => Math.fround(curve.exact(curve.truth, x) + curve.noise * normal()));
  return {x: curve.x, y, starts: Array.from({length: STARTS}, () => curve.truth.map(value => Math.fround(value * FACTOR ** (2 * random() - 1))))};
}

/** Σ (ŷ - y)² in float64. */
export const squaresOf = ({exact}: CurveModel, {x, y}: CurveData, p: readonly number[]): number => x.reduce((sum, value, i) => sum + (exact(p, value) - y[i]) ** 2, 0);
