/** One training run: a loop over `optimizer.minimize`, with all points in every step. */
import * as tf from '@tensorflow/tfjs';
import {GramGaussNewton} from 'tfjs-ggn';
import type {Contestant, Point, Run} from '../shared/run';
import {network, value} from './network';
import {END, exact, times} from './problem';
import type {Times} from './problem';

export interface OscillatorContestant extends Contestant {
  loss: (model: tf.LayersModel, times: Times) => tf.Scalar;
  /** Steps of its run. */
  steps: number;
  /** Steps between two points of the run. */
  every: number;
  /** Called before every step with the share of the run that is over. */
  schedule?: (optimizer: tf.Optimizer, share: number) => void;
}

export interface OscillatorPoint extends Point {
  step: number;
  /** max |u - exact solution| at the times of `GRID`. */
  deviation: number;
  /** u at the times of `GRID`. */
  u: Float32Array;
}

/** Where a solution is compared with the exact one: not the points of training. */
export const GRID = Array.from({length: 301}, (_, i) => END * i / 300);
const EXACT = GRID.map(exact);

/**
 * Trains a fresh network with one optimizer, from the same weights in every run.
 *
 * The clock runs during the steps: it includes all that an optimizer does, also what ggn does only once (its self-check), but not the
 * measurement in between.
 */
export function train(contestant: OscillatorContestant, seed: number, show: (point: OscillatorPoint) => void): Run<OscillatorPoint> {
  const model = network(seed);
  const optimizer = contestant.make();
  const points = times();
  const grid = tf.tensor2d(GRID, [GRID.length, 1]);
  const run: Run<OscillatorPoint> = {contestant, points: []};
  const measure = (step: number, seconds: number): void => {
    const u = tf.tidy(() => value(model, grid).clone());
    const loss = tf.tidy(() => contestant.loss(model, points).clone());
    const point = {step, seconds, loss: loss.dataSync()[0], u: u.dataSync() as Float32Array, deviation: 0};
    tf.dispose([u, loss]);
    point.deviation = Math.max(...point.u.map((x, i) => Math.abs(x - EXACT[i])));
    run.points.push(point);
    show(point);
  };
  measure(0, 0);
  let seconds = 0;
  for (let step = 1; step <= contestant.steps; step++) {
    const started = performance.now();
    contestant.schedule?.(optimizer, (step - 1) / contestant.steps);
    optimizer.minimize(() => contestant.loss(model, points));
    seconds += (performance.now() - started) / 1000;
    const isEnd = step === contestant.steps || isOver(optimizer);
    if (step % contestant.every === 0 || isEnd) {
      measure(step, seconds);
    }
    if (isEnd) {
      break;
    }
  }
  model.dispose();
  optimizer.dispose();
  tf.dispose([points.inside, points.start, grid]);
  return run;
}

/** ggn tells when no step lowers the loss any more: what is left is rounding. */
const isOver = (optimizer: tf.Optimizer): boolean =>
  optimizer instanceof GramGaussNewton && optimizer.lastStep?.status === 'rejected';
