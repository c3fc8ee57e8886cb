import type {Trace} from '../../trace/trace';
import type {Plan, Site} from './plan';

/** What the linearization of a batch takes, in floats, as the shapes say before anything is swept: of all examples, in proportion of some. */
export interface Footprint {
  /** Of one component: the cotangents that sites keep, or its rows where they are linearized by forward sweeps. */
  readonly kept: number;
  /** Of one component: a cotangent of every activation. A sweep may hold them all. */
  readonly swept: number;
  /** Of all components swept at once, with what cotangents are joined into. */
  readonly most: number;
  /** Changes of all weights. */
  readonly changes: number;
}

/** Vectors of the size of all weights that a step holds at once, at least: measured, with every system and policy (the change, what it is made of, the new weights). */
const CHANGES = 3;

export function footprint(trace: Trace, {sites, steps, components, forward, analysis}: Plan): Footprint {
  const changes = CHANGES * analysis.variables.reduce((sum, {size}) => sum + size, 0);
  if (forward !== undefined) {
    return {kept: forward.directions, swept: 0, most: 2 * components * forward.directions, changes};
  }
  const sizeOf = (value: number): number => trace.values[value].size;
  const held = new Set(sites.filter(isHeld).map(({node}) => node.outputs[0]));
  const kept = [...held].reduce((sum, value) => sum + sizeOf(value), 0);
  const swept = steps.reduce((sum, {node}) => sum + node.outputs.reduce((size, value) => size + sizeOf(value), 0), 0);
  return {kept, swept, most: components * (2 * kept + swept), changes};
}

/** Whether a site keeps its cotangents: the others are reduced to rows of the size of a bias or a small filter during the sweep. */
const isHeld = ({kind, convolution}: Site): boolean => kind !== 'vector' && convolution?.depthwise !== true;
