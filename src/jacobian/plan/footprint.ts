import type {Trace} from '../../trace/trace';
import type {Plan, Site} from './plan';

/**
 * What the linearization of a batch takes, in floats, as the shapes say before anything is swept.
 *
 * `least` are cotangents that have to be there at once. `most` adds what they are joined into, and a cotangent of every activation and component, which a sweep of all
 * components at once may hold.
 */
export interface Footprint {
  readonly least: number;
  readonly most: number;
}

/** Of all examples of a plan; in proportion of some. */
export function footprint(trace: Trace, {sites, steps, components}: Plan): Footprint {
  const sizeOf = (value: number): number => trace.values[value].size;
  const held = new Set(sites.filter(isHeld).map(({node}) => node.outputs[0]));
  const cotangents = [...held].reduce((sum, value) => sum + sizeOf(value), 0);
  const swept = steps.reduce((sum, {node}) => sum + node.outputs.reduce((size, value) => size + sizeOf(value), 0), 0);
  return {least: components * cotangents, most: components * (2 * cotangents + swept)};
}

/** Whether a site keeps its cotangents: the others are reduced to rows of the size of a bias or a small filter during the sweep. */
const isHeld = ({kind, convolution}: Site): boolean => kind !== 'vector' && convolution?.depthwise !== true;
