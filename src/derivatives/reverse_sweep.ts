import {tidy, type Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../trace/trace';
import {cotangentOf, cotangents, tfjsCotangents, type Values} from './cotangents';
import {beforeActivation, withoutActivation} from './fused';
import {addTo} from '../tfjs/accumulate';

/** Cotangents of the wanted inputs of a node, from those of its outputs. */
type NodePull = (values: Values, node: TraceNode, dys: ReadonlyArray<Tensor | null>,
    wanted: readonly string[]) => Tensor[];

/**
 * An ordinary reverse sweep, by default with tfjs's own gradients. It returns cotangents of values,
 * by value index.
 */
export function sweepBack(values: Values, nodes: readonly TraceNode[], seeds: ReadonlyMap<number, Tensor>,
    passes: (value: number) => boolean, pull: NodePull = pullByTfjs): Map<number, Tensor> {
  const found = new Map(seeds);
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    const dys = node.outputs.map(output => found.get(output) ?? null);
    const wanted = node.inputs.filter(([, value]) => passes(value));
    if (wanted.length === 0 || dys.every(dy => dy === null)) {
      continue;
    }
    const spent = dys.filter(dy => dy !== null);
    tidy(() => pull(values, node, dys, wanted.map(([name]) => name))).forEach((more, k) => {
      const [, value] = wanted[k];
      const known = found.get(value);
      addTo(found, value, more);
      if (known !== undefined) {
        spent.push(known, more);
      }
    });
    // Cotangents that the sweep has passed are not held until its end: they would be the largest
    // part of a step's memory.
    node.outputs.forEach(output => found.delete(output));
    const needed = new Set([...seeds.values(), ...found.values()]);
    spent.forEach(t => needed.has(t) || t.dispose());
  }
  return found;
}

export const pullByTfjs: NodePull = (values, node, dys, wanted) => {
  const thunks = tfjsCotangents(values, node, dys);
  return wanted.map(input => cotangentOf(thunks, node, input));
};

/** With the rules for slow gradients. The self-check must not use it. */
export const pullByRules: NodePull = (values, node, dys, wanted) => {
  const plain = withoutActivation(node);
  return cotangents(values, plain, plain === node ? dys : [beforeActivation(values, node, dys[0]!)], wanted);
};

/** Sums the cotangents of all values of each variable, by variable index. */
export function collect(cotangents: ReadonlyMap<number, Tensor>, leaves: Iterable<number>,
    variableOf: ReadonlyMap<number, number>): Map<number, Tensor> {
  const gradients = new Map<number, Tensor>();
  for (const leaf of leaves) {
    const part = cotangents.get(leaf);
    if (part !== undefined) {
      addTo(gradients, variableOf.get(leaf)!, part);
    }
  }
  return gradients;
}
