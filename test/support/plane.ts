/** Functions of the plane: their derivatives by grad() for batches of points, and by central differences in float64. */
import type * as tf from '@tensorflow/tfjs';
import {grad} from '../../src/index';

/** Of points [B, 2]. */
export type Field = (p: tf.Tensor) => tf.Tensor;
export type Plane = (x: number, y: number) => number;

const along = (axis: number) => (f: Field): Field => p => grad(f)(p).slice([0, axis], [-1, 1]);
export const [dx, dy] = [along(0), along(1)];

/** Central differences of the fourth order, one variable of `order` after the other. */
export const differences = (order: string, h: number) => (f: Plane): Plane => [...order].reduce<Plane>((g, axis) => {
  const moved = (x: number, y: number, step: number): number => axis === 'x' ? g(x + step, y) : g(x, y + step);
  return (x, y) => (8 * (moved(x, y, h) - moved(x, y, -h)) - (moved(x, y, 2 * h) - moved(x, y, -2 * h))) / (12 * h);
}, f);
