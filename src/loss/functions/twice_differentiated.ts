import {concat, reshape, slice, tensor, tidy, zeros, type Rank, type Tensor} from '@tensorflow/tfjs-core';
import {addTo} from '../../tfjs/accumulate';
import {record} from '../../trace/capture';
import type {Trace} from '../../trace/trace';
import {passesDerivative} from '../../trace/dependence';
import {pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import type {FunctionTerm} from './output_term';
import {regionBetween, type Region} from './region';

/** A product u -> H u (B·C). */
export type HessianProduct = (u: Float32Array) => Float64Array;

/**
 * A function of outputs that the kernels of the trace differentiate twice. One reverse sweep from
 * its terms to the outputs gives q. The derivative of that sweep, which runs kernels like any other
 * code, gives products with H.
 *
 * All vectors are in the order (example, component): B examples with C components each.
 */
export class TwiceDifferentiated {
  /** C, the entries of all outputs for one example. */
  readonly components: number;
  private readonly outputs: readonly number[];
  private readonly region: Region;

  /** @param examples B; each output has B entries along its leading axis. */
  constructor(private readonly trace: Trace, dependent: readonly boolean[], private readonly fn: FunctionTerm,
      private readonly examples: number) {
    this.outputs = fn.blocks.map(block => block.value);
    this.region = regionBetween(trace, dependent, this.outputs, fn.terms.map(([value]) => value));
    this.components = this.outputs.reduce((sum, value) => sum + trace.values[value].size / examples, 0);
  }

  /** Calls `use` with q (B·C) and with the product, which is valid until `use` returns. */
  differentiate<T>(use: (q: Float64Array, product: HessianProduct) => T): T {
    const {trace} = this;
    const {result: {origins, gradient}, trace: second} = record(recorder => {
      // The recorder must know the values between outputs and loss before the sweep uses them, so
      // that they are the inputs of the recorded sweep.
      const origins = new Map<number, number>();
      trace.values.forEach((value, v) => this.region.isInside(v) && origins.set(recorder.indexOf(value), v));
      const cotangents = this.sweep(new Map(this.fn.terms));
      const gradient = this.outputs.map(value => cotangents.get(value) ?? null)
          .map(t => t === null ? null : {t, index: recorder.indexOf(t)});
      return {origins, gradient};
    });
    try {
      const indices = gradient.map(entry => entry?.index ?? null);
      return use(this.flat(gradient.map(entry => entry?.t ?? null)),
        u => tidyNumbers(() => this.product(second, origins, indices, u)));
    } finally {
      second.dispose();
    }
  }

  /** Tensors of the shapes of the outputs as one vector (B·C); null stands for zeros. */
  flat(tensors: ReadonlyArray<Tensor | null>): Float64Array {
    const parts = tensors.map((t, k) => {
      const width = this.trace.values[this.outputs[k]].size / this.examples;
      return t === null ? zeros<Rank.R2>([this.examples, width]) : reshape<Rank.R2>(t, [this.examples, width]);
    });
    return Float64Array.from((parts.length === 1 ? parts[0] : concat(parts, 1)).dataSync());
  }

  private sweep(seeds: ReadonlyMap<number, Tensor>): Map<number, Tensor> {
    return sweepBack(this.trace.values, this.region.nodes, seeds, this.region.isInside, pullByRules);
  }

  /**
   * H u: goes back through the sweep that made q to the values that it used, and from these to the
   * outputs.
   *
   * @param second the trace of that sweep.
   * @param origins the values that the sweep used: index in `second` -> index in the trace.
   * @param q indices in `second` of the gradients of the outputs; null for a gradient of zero.
   */
  private product(second: Trace, origins: ReadonlyMap<number, number>, q: ReadonlyArray<number | null>,
      u: Float32Array): Float64Array {
    const dependent = second.values.map((_, i) => origins.has(i));
    for (const node of second.nodes) {
      if (node.inputs.some(([, value]) => dependent[value])) {
        node.outputs.forEach(output => dependent[output] ||= passesDerivative(second, node, output));
      }
    }
    const seeds = new Map<number, Tensor>();
    this.split(u).forEach((part, k) => {
      const index = q[k];
      if (index !== null && dependent[index]) {
        addTo(seeds, index, part);
      }
    });
    const found = sweepBack(second.values, second.nodes, seeds, value => dependent[value], pullByRules);
    const again = new Map<number, Tensor>();
    origins.forEach((value, index) => found.has(index) && again.set(value, found.get(index)!));
    const cotangents = this.sweep(again);
    return this.flat(this.outputs.map(value => cotangents.get(value) ?? null));
  }

  /** A vector (B·C) as tensors of the shapes of the outputs. */
  private split(u: Float32Array): Tensor[] {
    const all = tensor(u, [this.examples, this.components]);
    let from = 0;
    return this.outputs.map(value => {
      const {size, shape} = this.trace.values[value];
      const width = size / this.examples;
      from += width;
      return reshape(slice(all, [0, from - width], [this.examples, width]), shape);
    });
  }
}

/** `tidy` for a function that returns numbers. */
function tidyNumbers(run: () => Float64Array): Float64Array {
  let result: Float64Array;
  tidy(() => {
    result = run();
  });
  return result!;
}
