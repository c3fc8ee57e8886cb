import {tensor, type Tensor} from '@tensorflow/tfjs-core';
import {pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import type {Dependence} from '../../trace/dependence';
import {replayAll} from '../../trace/replay';
import type {Trace} from '../../trace/trace';
import type {FunctionTerm} from '../functions/output_term';
import {regionBetween} from '../functions/region';
import {nodeOf} from './nodes';
import {CutFinder} from './output_cut';

export type Terms = FunctionTerm['terms'];

/**
 * The values that terms of a loss are made of, to be moved along the descent of these terms. They
 * are moved in G lanes, apart from each other: one for each example, or one for all.
 */
export class MovableOutputs {
  /** The number of examples B of the loss. */
  readonly examples: number;
  /** The number of lanes G: B, or 1. */
  readonly lanes: number;
  /** The number of components C: entries of the movable values in each lane. */
  readonly components: number;
  /** Whether the movable values are the outputs of the loss. */
  readonly isOutputs: boolean;
  /** dL/df of the terms, in the order (lane, component) (G·C). */
  readonly slopes: Float64Array;
  /** The largest weight of a term in each lane (G). */
  readonly weights: Float64Array;
  /** The terms of each lane at the values of the trace (G). */
  readonly before: Float64Array;

  /**
   * @param known the outputs of the loss.
   * @returns null if a term has no values to move.
   */
  static of(trace: Trace, dependence: Dependence, terms: Terms, known: readonly number[]): MovableOutputs | null {
    const finder = new CutFinder(trace, dependence, null);
    const cut = terms.map(([value]) => finder.outputsOf(value));
    const outputs = [...new Set(cut.flatMap(found => found ?? []))].sort((a, b) => a - b);
    const isFree = cut.every(found => found !== null) && !outputs.some(value => dependence.variableOf.has(value));
    return isFree ? new MovableOutputs(trace, dependence, terms, outputs, known) : null;
  }

  /**
   * @param outputs the values to move.
   * @param known the outputs of the loss.
   */
  private constructor(private readonly trace: Trace, dependence: Dependence, private readonly terms: Terms,
      private readonly outputs: readonly number[], known: readonly number[]) {
    const examples = this.examples = trace.values[known[0]].shape[0] ?? 1;
    this.isOutputs = known.join() === outputs.join();
    // If the leading axis of some output or term is not that of the examples, all move together.
    const isApart = [...outputs, ...terms.map(([value]) => value)]
        .every(value => trace.values[value].shape[0] === examples);
    this.lanes = isApart ? examples : 1;
    this.components = outputs.reduce((sum, value) => sum + trace.values[value].size, 0) / this.lanes;
    this.slopes = this.slopesOf(dependence);
    this.weights = new Float64Array(this.lanes);
    terms.forEach(([, weight]) => weight.dataSync().forEach((w, i, {length}) => {
      const lane = Math.floor(i * this.lanes / length);
      this.weights[lane] = Math.max(this.weights[lane], Math.abs(w));
    }));
    this.before = this.sumsAt(terms.map(([value]) => trace.values[value]));
  }

  /**
   * Values of the trace at moved outputs.
   *
   * @param far the distance of each lane (G).
   */
  move(way: Float64Array, far: Float64Array, wanted: readonly number[]): Tensor[] {
    const substitutes = new Map<number, Tensor>();
    let from = 0;
    for (const value of this.outputs) {
      const f = this.trace.values[value];
      const width = f.size / this.lanes;
      const start = from;
      const [least, most] = rangeOf(this.trace, value);
      substitutes.set(value, tensor(Float32Array.from(f.dataSync(), (x, i) => {
        const lane = Math.floor(i / width);
        return Math.min(most, Math.max(least, x + far[lane] * way[lane * this.components + start + i % width]));
      }), f.shape));
      from += width;
    }
    return replayAll(this.trace, substitutes, wanted);
  }

  /** Σ <weight, value> over the terms, for each lane (G). */
  sumsAt(values: readonly Tensor[]): Float64Array {
    const sums = new Float64Array(this.lanes);
    this.terms.forEach(([, weight], k) => {
      const w = weight.dataSync();
      values[k].dataSync().forEach((x, i) => {
        if (w[i] !== 0) {
          sums[Math.floor(i * this.lanes / w.length)] += w[i] * x;
        }
      });
    });
    return sums;
  }

  private slopesOf({dependent}: Dependence): Float64Array {
    const {trace, terms, outputs, lanes, components} = this;
    const {nodes, isInside} = regionBetween(trace, dependent, outputs, terms.map(([value]) => value));
    const cotangents = sweepBack(trace.values, nodes, new Map(terms), isInside, pullByRules);
    const slopes = new Float64Array(lanes * components);
    let from = 0;
    for (const value of outputs) {
      const width = trace.values[value].size / lanes;
      cotangents.get(value)?.dataSync().forEach((x, i) => {
        slopes[Math.floor(i / width) * components + from + i % width] = x;
      });
      from += width;
    }
    return slopes;
  }
}

/**
 * Ranges of the activations that tfjs fuses with a layer. Only the outputs behind such an
 * activation are values of the trace.
 */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  relu: [0, Infinity], relu6: [0, 6], elu: [-1, Infinity], sigmoid: [0, 1], tanh: [-1, 1],
};

const rangeOf = (trace: Trace, value: number): readonly [number, number] =>
  RANGES[String(nodeOf(trace, value)?.attrs['activation'])] ?? [-Infinity, Infinity];
