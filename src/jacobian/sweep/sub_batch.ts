import {reshape, slice, type Tensor} from '@tensorflow/tfjs-core';
import {exampleAxis, exampleView} from '../../trace/example_axis';
import {BOUND_TO_BATCH, MATRIX_PRODUCTS, PRODUCTS, UNBROADCAST} from '../../trace/kernel_sets';
import {withOutputShape} from '../../trace/kernel_outputs';
import {valuesOf, type Trace, type TraceNode} from '../../trace/trace';
import {withoutActivation} from '../../derivatives/fused';
import {matricesIn} from '../../tfjs/fast_ops';
import type {Plan, SweepNode} from '../plan/plan';
import {sliceRows} from '../../tfjs/slices';
import {filterSite} from '../plan/site';

/** A trace and its plan as they would be, had f() been given some of the examples only. */
export interface SubBatch {
  readonly trace: Trace;
  readonly plan: Plan;
}

/** The obstacle of a batch whose examples are not told apart. */
export const COUPLED = 'its rows are those of one example, or of examples that the loss or the network couples';

/**
 * Cuts a traced batch, so that the rows of some examples can be linearized by themselves: every
 * value that has an entry for each example is sliced to these examples, and the attributes that
 * name a shape of the batch are changed with it. f() does not run again.
 *
 * The reverse sweeps of a batch hold a cotangent of every activation and output component:
 * gigabytes for 6,000 images of 28 x 28 and ten outputs of a small CNN. The sweeps of a sub-batch
 * hold its share.
 */
export class SubBatches {
  private constructor(private readonly trace: Trace, private readonly plan: Plan,
      private readonly nodes: readonly TraceNode[], private readonly values: ReadonlySet<number>) {}

  /** null if the batch cannot be cut: see `obstacle`. */
  static of(trace: Trace, plan: Plan): SubBatches | null {
    const found = SubBatches.find(trace, plan);
    return typeof found === 'string' ? null : found;
  }

  /** The reason why the batch cannot be cut, in words; null if it can be cut. */
  static obstacle(trace: Trace, plan: Plan): string | null {
    const found = SubBatches.find(trace, plan);
    return typeof found === 'string' ? found : null;
  }

  private static find(trace: Trace, plan: Plan): SubBatches | string {
    const {analysis: {examples, strides, activations}, blocks, starts, sweep} = plan;
    if (examples === 1) {
      return COUPLED;
    }
    if (starts.some(({rows}) => rows.length > 0)) {
      return 'some of its residuals are parameters';
    }
    const differences = blocks.flatMap(({difference}) => difference === null ? [] : [trace.nodes[difference]]);
    const nodes = [...new Set([...activations.map(i => trace.nodes[i]), ...differences])];
    const all = [...nodes, ...sweep.map(({node}) => node)].flatMap(valuesOf).concat(blocks.map(({value}) => value));
    const values = new Set(all.filter(value => strides[value] != null));
    const isUncut = (value: number): boolean => values.has(value) && cutShape(trace, plan, value, 1) === null;
    const uncut = nodes.find(node => !mayBeCut(trace, plan, node)) ?? nodes.find(node => valuesOf(node).some(isUncut));
    if (uncut !== undefined) {
      return `the kernel '${uncut.kernel}' stands against it ` +
          '(tf.customGrad, tf.stridedSlice, and kernels that repeat a parameter for each example do)';
    }
    return [...values].some(isUncut) ? 'its examples have no axis of their own' :
      new SubBatches(trace, plan, nodes, values);
  }

  /** The shape of a value with this many examples, for values that `has`. */
  shapeOf(value: number, examples: number): number[] {
    return cutShape(this.trace, this.plan, value, examples)!;
  }

  /** Whether a value has an entry for each example, and is sliced. */
  has(value: number): boolean {
    return this.values.has(value);
  }

  /** Floats of the sliced values of this many examples. */
  floats(examples: number): number {
    const all = [...this.values].reduce((sum, value) => sum + this.trace.values[value].size, 0);
    return all / this.plan.analysis.examples * examples;
  }

  /** The examples from..to-1. The sliced tensors belong to the caller's scope. */
  take(from: number, to: number): SubBatch {
    const {analysis} = this.plan;
    const count = to - from;
    const values = [...this.trace.values];
    for (const value of this.values) {
      const stride = analysis.strides[value]!;
      values[value] = cut(this.trace.values[value], stride, analysis.examples, from, to, this.shapeOf(value, count));
    }
    const isCut = new Set(this.nodes.flatMap(({outputs}) => outputs));
    const known = new Map<TraceNode, TraceNode>();
    // A node is recognized by its values: a remembered plan holds the nodes of the trace that it
    // was made from.
    const nodeOf = (node: TraceNode): TraceNode => {
      if (!known.has(node)) {
        const hasExamples = node.outputs.some(value => isCut.has(value));
        known.set(node, hasExamples ? withOutputShape(node, values[node.outputs[0]].shape) : node);
      }
      return known.get(node)!;
    };
    const nodes = this.trace.nodes.map(nodeOf);
    const sweepNodeOf = (swept: SweepNode): SweepNode => {
      const node = nodeOf(swept.node);
      return {...swept, node, plain: withoutActivation(node)};
    };
    // The trace with other values and nodes.
    const trace = Object.create(this.trace, {values: {value: values}, nodes: {value: nodes}}) as Trace;
    const sweep = this.plan.sweep.map(sweepNodeOf);
    const plainOf = new Map<TraceNode, TraceNode>();
    this.plan.sweep.forEach((swept, i) => plainOf.set(swept.plain, sweep[i].plain));
    const sites = this.plan.sites.map(site => {
      const node = plainOf.get(site.node) ?? nodeOf(site.node);
      return {...site, node, convolution: site.convolution === null ? null : filterSite(values, node, site.name)};
    });
    return {trace, plan: {...this.plan, analysis: {...analysis, examples: count}, sweep, sites}};
  }
}

/**
 * Whether a node can be run backwards for some of the examples. Its attributes and its gradient
 * must not depend on their number, and the values that all examples share must not have an entry
 * for each example (data that lost their examples, a parameter that was tiled to the batch).
 */
function mayBeCut(trace: Trace, {analysis: {strides, examples}}: Plan, {kernel, inputs, outputs}: TraceNode): boolean {
  const shared = inputs.filter(([, value]) => strides[value] == null).map(([, value]) => trace.values[value]);
  if (BOUND_TO_BATCH.has(kernel) || (UNBROADCAST.has(kernel) && shared.some(t => t.rank > 0))) {
    return false;
  }
  const {shape} = trace.values[outputs[0]];
  const place = exampleAxis(shape, strides[outputs[0]]!, examples);
  if (place === null) {
    return false;
  }
  // Products take a parameter of any shape if it is one for all examples. In other kernels
  // parameters broadcast.
  if (PRODUCTS.has(kernel)) {
    return !MATRIX_PRODUCTS.has(kernel) || shared.every(t => matricesIn(t) === 1);
  }
  return shared.every(t => {
    const own = place.axis - (shape.length - t.rank);
    return own < 0 || t.shape[own] === 1;
  });
}

/** The shape of a value with `count` examples; null if its examples have no axis of their own. */
function cutShape(trace: Trace, {analysis: {strides, examples}}: Plan, value: number, count: number): number[] | null {
  const {shape} = trace.values[value];
  const place = exampleAxis(shape, strides[value]!, examples);
  return place === null ? null : shape.map((size, i) => i === place.axis ? size / examples * count : size);
}

function cut(t: Tensor, stride: number, examples: number, from: number, to: number, shape: number[]): Tensor {
  const view = exampleView(t.size, stride, examples);
  const [before] = view;
  if (before === 1 && t.shape[0] === examples) {
    return sliceRows(t, from, to);
  }
  return reshape(slice(reshape(t, view), [0, from, 0], [before, to - from, stride]), shape);
}
