/** The damped oscillator u'' + 0.4 u' + 4 u = 0 on [0, 5] with u(0) = 1, u'(0) = 0, as a least-squares loss of any approximation of u. */
import * as tf from '@tensorflow/tfjs';
import {leastSquares} from 'tfjs-ggn';

const FRICTION = 0.4;
const STIFFNESS = 4;
export const END = 5;
const INSIDE = 200;

/** Weight of the two conditions at the start, against the mean over the points inside. */
const START_WEIGHT = 10;

/** Points [n, 1] in (0, 5], and the start [1, 1]. */
export interface Times {
  inside: tf.Tensor;
  start: tf.Tensor;
}

export const times = (): Times => ({inside: tf.linspace(END / INSIDE, END, INSIDE).reshape([INSIDE, 1]), start: tf.zeros([1, 1])});

/** An approximation and its derivatives at points: u, u', u'', each [n, 1]. */
export interface Motion {
  u: tf.Tensor;
  du: tf.Tensor;
  d2u: tf.Tensor;
}

/** ½ mean (u'' + 0.4 u' + 4u)² over the points inside + 5 (u(0) - 1)² + 5 u'(0)². */
export function loss({u, du, d2u}: Motion, start: Pick<Motion, 'u' | 'du'>): tf.Scalar {
  const equation = d2u.add(du.mul(FRICTION)).add(u.mul(STIFFNESS));
  return leastSquares([equation, start.u.sub(1), start.du], {weights: [1 / INSIDE, START_WEIGHT, START_WEIGHT]});
}

/** The exact solution. */
export function exact(t: number): number {
  const decay = FRICTION / 2;
  const frequency = Math.sqrt(STIFFNESS - decay ** 2);
  return Math.exp(-decay * t) * (Math.cos(frequency * t) + decay / frequency * Math.sin(frequency * t));
}
