import * as tf from '@tensorflow/tfjs';
import {ggn, leastSquares} from '../../../src/index';
import {dataOf, squaresOf} from './models';
import type {CurveModel} from './models';

/** What scipy.json holds: by model, for each seed the least sum of squares, and from how many starts scipy came to it. */
export interface ScipyFits {
  readonly scipy: string;
  readonly fits: Readonly<Record<string, ReadonlyArray<{readonly minimum: number; readonly found: number}>>>;
}

/** Share of the least sum of squares within which a fit has come to it. */
const WITHIN = 1e-3;

const MAX_STEPS = 200;

/** From how many starts a curve comes to its minimum, without an option, and in how many steps all of them end. */
export function countFound(curve: CurveModel, seed: number, minimum: number): {readonly count: number; readonly steps: number} {
  const data = dataOf(curve, seed);
  const [x, y] = [tf.tensor1d([...data.x]), tf.tensor1d([...data.y])];
  let [count, steps] = [0, 0];
  for (const start of data.starts) {
    const p = start.map(value => tf.variable(tf.scalar(value)));
    const optimizer = ggn();
    do {
      optimizer.minimize(() => leastSquares(curve.model(p, x).sub(y)));
    } while (optimizer.remainingDecrease() > 1e-8 && optimizer.iterations < MAX_STEPS);
    count += squaresOf(curve, data, p.map(variable => variable.dataSync()[0])) <= (1 + WITHIN) * minimum ? 1 : 0;
    steps += optimizer.iterations;
    optimizer.dispose();
    tf.dispose(p);
  }
  tf.dispose([x, y]);
  return {count, steps};
}
