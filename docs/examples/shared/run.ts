/** What the examples compare: optimizers, and where each of them is after some epochs or steps. */
import type * as tf from '@tensorflow/tfjs';

/** One optimizer of a comparison. */
export interface Contestant {
  name: string;
  /** In the plot. */
  colour: string;
  make: () => tf.Optimizer;
}

/** A point of a run; examples add what they measure. */
export interface Point {
  /** Spent in training alone. */
  seconds: number;
  loss: number;
}

/** The first point of a run is the start. */
export interface Run<P extends Point = Point> {
  contestant: Contestant;
  points: P[];
}

/** The first point of a run where a figure is at or below a target. */
export function reached<P extends Point>({points}: Run<P>, figure: (point: P) => number, target: number): P | undefined {
  return points.find(point => figure(point) <= target);
}

export const last = <P extends Point>({points}: Run<P>): P => points[points.length - 1];
