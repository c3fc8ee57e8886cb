import {tidy, type Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../trace/trace';
import {cotangents, type Values} from '../../derivatives/cotangents';
import {beforeActivation} from '../../derivatives/fused';
import {addTo} from '../../tfjs/accumulate';
import type {SweepNode} from '../plan/plan';

/** The cotangents of a node's outputs. */
export type Deltas = ReadonlyArray<Tensor | null>;

/** Vector-Jacobian products of the nodes of a sweep. */
export interface SweepRules {
  /** Tensors that the sweep must not dispose of. */
  readonly values: Values;
  /** δ in front of the fused activation of a node. */
  beforeActivation(node: TraceNode, delta: Tensor): Tensor;
  cotangents(node: TraceNode, deltas: Deltas, names: readonly string[]): Tensor[];
}

/** Entries from which a cotangent is disposed of before the sweep ends. */
export const LARGE = 2 ** 14;

export const plainRules = (values: Values): SweepRules => ({
  values,
  beforeActivation: (node, delta) => beforeActivation(values, node, delta),
  cotangents: (node, deltas, names) => cotangents(values, node, deltas, names),
});

/**
 * Sweeps back through the nodes, and shows the cotangents that arrive at the sites.
 *
 * @param seeds cotangents of the rows, by value index.
 * @param found is called at each site; whether the site keeps the cotangents.
 * @param large entries from which a cotangent is disposed of before the sweep ends.
 */
export function sweep(nodes: readonly SweepNode[], seeds: ReadonlyMap<number, Tensor>, rules: SweepRules,
    found: (site: number, deltas: Deltas) => boolean, large = LARGE): void {
  const known = new Map(seeds);
  const held = new Set<Tensor | null>(seeds.values());
  for (const {node, plain, names, values, sites} of nodes) {
    const arriving: Deltas = node.outputs.map(output => known.get(output) ?? null);
    if (arriving.every(delta => delta === null)) {
      continue;
    }
    const isLarge = arriving.some(delta => delta !== null && delta.size >= large);
    const scope = isLarge ? tidy : (f: () => Tensor[]): Tensor[] => f();
    node.outputs.forEach(output => known.delete(output));
    // Cotangents that no site keeps are dropped early. All together would take several times the
    // memory of the forward pass.
    const drop = (delta: Tensor | null): void => {
      const isRead = (t: Tensor): boolean => held.has(t) || [...known.values()].includes(t) || rules.values.includes(t);
      if (isLarge && delta !== null && !isRead(delta)) {
        delta.dispose();
      }
    };
    let deltas: Deltas = arriving;
    if (plain !== node) {
      deltas = scope(() => [rules.beforeActivation(node, arriving[0]!)]);
      arriving.filter(delta => delta !== deltas[0]).forEach(drop);
    }
    for (const site of sites) {
      if (found(site, deltas)) {
        deltas.forEach(delta => held.add(delta));
      }
    }
    if (names.length > 0) {
      scope(() => rules.cotangents(plain, deltas, names)).forEach((cotangent, i) => addTo(known, values[i], cotangent));
    }
    deltas.forEach(drop);
  }
}
