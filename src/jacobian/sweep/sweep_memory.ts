import {getBackend} from '@tensorflow/tfjs-core';
import {columnsOf, positionsOf} from '../../derivatives/kernels/patches';
import {factsOf} from '../../trace/kernel_facts';
import type {Trace, TraceNode} from '../../trace/trace';
import {isByPairs} from '../uses/pairs';
import type {Plan, Site, SweepNode} from '../plan/plan';
import {normalizationFloats} from './normalization_memory';
import {LARGE} from './sweep';

/**
 * Tensors of the size of δ that the rule of a kernel makes beside its result, at least. Of kernels
 * without an entry this is not known.
 */
const TEMPORARIES: Readonly<Record<string, number>> = {
  Relu: 1, relu: 1, LeakyRelu: 1, leakyrelu: 1, Sigmoid: 2, sigmoid: 2, Tanh: 2,
};

/** The data of a cotangent, which several tensors may share. */
interface Data {
  readonly size: number;
}

/** Floats of the reverse sweep of one component, at the least. */
export interface SweepFloats {
  /** Floats that the sweep and the first products with its sites hold at once. */
  readonly peak: number;
  /** Floats that the sites keep: rows or cotangents. */
  readonly kept: number;
}

/**
 * By plan, then by backend and number of examples. A plan belongs to one signature of the trace,
 * and so to the same shapes in every step.
 */
const counted = new WeakMap<Plan, Map<string, SweepFloats>>();

/**
 * The memory of the reverse sweep of one component: its cotangents, and the temporaries that are
 * known. No sweep of the plan takes less. The shapes give this bound before anything is swept: it
 * is counted node by node, as `sweep` makes tensors and disposes of them, in the first step of the
 * plan.
 *
 * Measured: counted in every step, it took 3 percent of the time of an LSTM of 20 steps on WASM.
 *
 * @param examples number of examples of the sweep.
 * @param large entries from which a cotangent is disposed of before the sweep ends.
 */
export function sweepFloats(trace: Trace, plan: Plan, examples: number, large = LARGE): SweepFloats {
  const ofPlan = counted.get(plan) ?? new Map<string, SweepFloats>();
  const key = `${getBackend()} ${examples} ${large}`;
  const floats = ofPlan.get(key) ?? countSweep(trace, plan, examples, large);
  counted.set(plan, ofPlan.set(key, floats));
  return floats;
}

function countSweep(trace: Trace, plan: Plan, examples: number, large: number): SweepFloats {
  const {analysis: {batch, strides}, blocks, starts, sweep} = plan;
  if (plan.forward !== undefined || starts[0].rows.length > 0) {
    return {peak: 0, kept: 0};
  }
  const [block] = blocks;
  const [{node: start}] = starts;
  const sizeOf = (value: number): number => trace.values[value].size * (strides[value] == null ? 1 : examples / batch);
  const seed: Data = {size: sizeOf(block.value)};
  const known = new Map<number, Data>([[block.value, seed]]);
  const held = new Set<Data>([seed]);
  const kept = new Set<Data>();
  let peak = 0;
  const hold = (...more: readonly Data[]): void => {
    peak = Math.max(peak, floatsOf(new Set([...held, ...kept, ...known.values(), ...more])));
  };
  for (const swept of start === null ? sweep : [start, ...sweep]) {
    const {node, plain} = swept;
    const arriving = node.outputs.flatMap(output => known.get(output) ?? []);
    if (arriving.length === 0) {
      continue;
    }
    node.outputs.forEach(output => known.delete(output));
    const isLarge = arriving.some(({size}) => size >= large);
    let [delta] = arriving;
    const activation = node.attrs['activation'] as string | undefined ?? 'linear';
    if (plain !== node && activation !== 'linear') {
      const before = {size: delta.size};
      hold(delta, before, ...temporaries(activation, delta));
      delta = before;
    }
    for (const index of swept.sites) {
      const site = plan.sites[index];
      const temporary = temporariesOf(trace, plan, site, delta, examples);
      if (site.kind === 'vector') {
        hold(delta, ...temporary);
      } else {
        // The rows may be formed behind the sweep.
        peak = Math.max(peak, floatsOf(new Set([...kept, delta, ...temporary])));
      }
      const rows = examples * trace.values[site.parameter.value].size;
      kept.add(site.kind === 'matrix' || rows >= delta.size ? delta : {size: rows});
    }
    const made = cotangentsOf(swept, delta, sizeOf);
    if (plain.kernel === 'FusedBatchNorm' && ['mean', 'variance'].some(name => swept.names.includes(name))) {
      hold(delta, {size: normalizationFloats(trace, plain, name => swept.names.includes(name), sizeOf)});
    } else {
      hold(delta, ...made, ...temporaries(plain.kernel, delta));
    }
    swept.values.forEach((value, i) => {
      const other = known.get(value);
      known.set(value, other === undefined ? made[i] : {size: other.size});
    });
    if (!isLarge) {
      [...arriving, delta].forEach(data => held.add(data));
    }
  }
  return {peak, kept: floatsOf(kept)};
}

const floatsOf = (data: ReadonlySet<Data>): number => [...data].reduce((sum, {size}) => sum + size, 0);

const temporaries = (name: string, {size}: Data): Data[] =>
  Array.from({length: TEMPORARIES[name] ?? 0}, () => ({size}));

/** The cotangents of the inputs of a node. A rule may pass δ on if the size is the same. */
function cotangentsOf({plain, values}: SweepNode, delta: Data, sizeOf: (value: number) => number): Data[] {
  return values.map(value => {
    const size = sizeOf(value);
    return size === delta.size && !isFresh(plain) ? delta : {size};
  });
}

/** Whether the cotangent of the data of a node has data of its own. */
function isFresh({kernel}: TraceNode): boolean {
  const facts = factsOf(kernel)?.facts ?? [];
  return facts.includes('product') || (facts.includes('slope') && !facts.includes('affine'));
}

/** Tensors that the rows of a site are made of, one example after the other. */
function temporariesOf(trace: Trace, {analysis: {batch}}: Plan, {node, name, kind, convolution: c}: Site,
    delta: Data, examples: number): Data[] {
  if (c !== null && !c.depthwise && getBackend() === 'wasm') {
    const positions = c.images / batch * positionsOf(c);
    const [columns, outer] = [columnsOf(c), c.outChannels];
    // The patches of an example, and the patches again or the cotangents with their product.
    return isByPairs(examples, positions, columns, outer) ?
      [{size: positions * columns}, {size: positions * Math.min(columns, outer)}] :
      [{size: positions * columns}, {size: positions * outer}, {size: columns * outer}];
  }
  if (kind === 'vector' && node.kernel === 'FusedBatchNorm' && name === 'scale') {
    // δ ∘ ((x - μ) ∘ 1/σ) with 1/σ = 1/√(σ² + ε).
    const {size} = trace.values[new Map(node.inputs).get('variance')!];
    const deviation = size * (size % batch === 0 && size >= batch ? examples / batch : 1);
    return [delta, delta, delta, {size: deviation}, {size: deviation}].map(({size}) => ({size}));
  }
  return [];
}
