import {totalSize} from '../../arrays/vectors';
import type {Trace} from '../../trace/trace';
import type {Plan, Site} from './plan';

/**
 * The memory of the linearization of a batch, in floats. The shapes give it before anything is
 * swept. It holds for all examples; some of them take their share.
 */
export interface Footprint {
  /**
   * Floats of one component: the cotangents that sites keep, or its rows if forward sweeps
   * linearize them.
   */
  readonly kept: number;
  /** Floats of a cotangent of every activation, for one component. A sweep may hold them all. */
  readonly swept: number;
  /** Floats of all components swept at once, and of the tensors that join their cotangents. */
  readonly most: number;
  /** Floats of the vectors of the size of all weights that a step holds at once. */
  readonly changes: number;
}

/**
 * Vectors of the size of all weights that a step holds at once, at least: the change, the vector
 * that the change is made of, and the new weights.
 *
 * Measured: with every system and policy.
 */
export const CHANGES = 3;

export function footprint(trace: Trace, {sites, sweep, components, forward, analysis}: Plan): Footprint {
  const changes = CHANGES * totalSize(analysis.variables);
  if (forward !== undefined) {
    return {kept: forward.directions, swept: 0, most: 2 * components * forward.directions, changes};
  }
  const sizeOf = (value: number): number => trace.values[value].size;
  const held = new Set(sites.filter(keepsCotangents).map(({node}) => node.outputs[0]));
  const kept = [...held].reduce((sum, value) => sum + sizeOf(value), 0);
  const swept = sweep.reduce((sum, {node}) => sum + node.outputs.reduce((size, value) => size + sizeOf(value), 0), 0);
  return {kept, swept, most: components * (2 * kept + swept), changes};
}

/**
 * Whether a site keeps its cotangents. Those of the other sites are reduced during the sweep to
 * rows of the size of a bias or a small filter.
 */
const keepsCotangents = ({kind, convolution}: Site): boolean => kind !== 'vector' && convolution?.depthwise !== true;
