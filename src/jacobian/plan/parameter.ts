import {range, reshape, tidy} from '@tensorflow/tfjs-core';
import type {Trace, TraceNode} from '../../trace/trace';
import type {Analysis} from '../../trace/analysis';
import {factsOf} from '../../trace/kernel_facts';
import {RESHAPES, SELECTIONS} from '../../trace/kernel_sets';
import {forward} from './parameter_products';
import type {Parameter} from './plan';
import {findReach} from './reach';

/** Entries of a variable up to which float32 counts them one by one. */
const MAX_COUNTED = 2 ** 24;

/** The parameter with this value index, and the way to it from the variables. */
export function findParameter(trace: Trace, analysis: Analysis, value: number): Parameter {
  const wanted = new Set([value]);
  const path: TraceNode[] = [];
  for (let i = analysis.parameters.length - 1; i >= 0; i--) {
    const node = trace.nodes[analysis.parameters[i]];
    if (node.outputs.some(output => wanted.has(output))) {
      node.inputs.forEach(([, input]) => analysis.dependent[input] && wanted.add(input));
      path.unshift(node);
    }
  }
  const leaves = [...wanted].filter(v => analysis.variableOf.has(v));
  const variables = [...new Set(leaves.map(v => analysis.variableOf.get(v)!))];
  const base = {value, variables, leaves, path};
  const size = trace.values[leaves[0]].size;
  if (leaves.length === 1 && path.every(isReshape)) {
    return {...base, kind: 'direct', entries: null, reach: null};
  }
  if (leaves.length === 1 && size < MAX_COUNTED && path.every(node => SELECTIONS.has(node.kernel) &&
      node.inputs.every(([, input]) => analysis.dependent[input]))) {
    const entries = tidy(() => {
      const counted = reshape(range(0, size, 1, 'float32'), trace.values[leaves[0]].shape);
      const selected = forward(trace.values, {...base, kind: 'selection', entries: null, reach: null}, counted);
      return selected.dataSync() as Float32Array;
    });
    return {...base, kind: 'selection', entries, reach: null};
  }
  const reach = new Map<number, Int32Array>();
  for (const leaf of leaves) {
    const found = trace.values[leaf].size < MAX_COUNTED ? findReach(trace.values, path, leaf, value) : null;
    if (found !== null && leaves.length === variables.length) {
      reach.set(analysis.variableOf.get(leaf)!, found);
    }
  }
  return {...base, kind: 'function', entries: null, reach: reach.size === leaves.length ? reach : null};
}

function isReshape(node: TraceNode): boolean {
  const axesBy = factsOf(node.kernel)?.axesBy;
  return RESHAPES.has(node.kernel) ||
      (axesBy !== undefined && (node.attrs[axesBy] as number[]).every((axis, i) => axis === i));
}

/**
 * The tensor from which a parameter was tiled along axes of size 1, and the shape in which that
 * tensor broadcasts in the place of the parameter; the parameter itself if it was not tiled so.
 */
export function beforeTiling(trace: Trace, value: number): {value: number; shape: readonly number[]} {
  const {shape} = trace.values[value];
  const node = trace.nodes[trace.producer[value]] as TraceNode | undefined;
  const copiesBy = node === undefined ? undefined : factsOf(node.kernel)?.copiesBy;
  if (node === undefined || !(copiesBy !== undefined || isReshape(node))) {
    return {value, shape};
  }
  const input = node.inputs[0][1];
  const inputShape = trace.values[input].shape;
  if (copiesBy !== undefined) {
    const copies = node.attrs[copiesBy] as number[];
    return inputShape.every((d, i) => d === 1 || copies[i] === 1) ? beforeTiling(trace, input) : {value, shape};
  }
  // Only a reshape that inserts or removes axes of size 1 is followed.
  const axes = inputShape.map((_, i) => i).filter(i => inputShape[i] !== 1);
  if (axes.map(i => inputShape[i]).join() !== shape.filter(d => d !== 1).join()) {
    return {value, shape};
  }
  const before = beforeTiling(trace, input);
  return before.value === input ? {value, shape} :
    {value: before.value, shape: shape.map(d => d === 1 ? 1 : before.shape[axes.shift()!])};
}
