import {tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import {downstream, upstream} from '../../trace/dependence';
import type {Dependence} from '../../trace/dependence';
import {replayAll} from '../../trace/replay';
import type {Trace, TraceNode} from '../../trace/trace';
import type {FunctionLoss} from '../functions/output_loss';
import {CutFinder} from './output_cut';

/**
 * How far outputs are moved, the farthest first: beyond the unit of any output, so that what levels off has done so. A shorter one counts where a loss is no number at the longer, as
 * exp(z) / exp(z) is none, or has overflowed downwards, as -log cosh z has.
 */
const FAR = [1e12, 1e8, 1e4, 1e3, 100, 30];

/** How much of what it fell by a loss without end must have fallen by behind a tenth of the way: all but a seventh. log t has only 1 in 12 behind it. */
const EARLY = 7;

/** Fall for each unit of the way, as a share of the weight of an example, below which it is what rounding leaves of terms that cancel. */
const ROUNDING = 1e-3;

/** Outputs of one example that are moved one by one, too. */
const MAX_COMPONENTS = 16;

/**
 * Where the loss falls without end in its outputs f, in proportion to the way or faster, so that it has no lower bound: along the steepest descent in one output of an example, as it does
 * where a policy has a squared error beside it, or in all of them. What falls like a logarithm (a likelihood whose variance goes to 0) does not count.
 *
 * The loss is replayed from the last values behind which no variable enters, even where the outputs of the model are known: these are free, and outputs behind a sigmoid are not. The whole
 * loss must fall with its terms, so that a square beside them is a bound. A loss of whose terms none is negative at f is not asked.
 *
 * @param outputs f, by value index.
 * @returns 1 for the outputs, ordered (example, component), that fall without end; by example where the values that were moved are others than the outputs. null where none do, or
 * where a term has no such values.
 */
export function fallsWithoutEnd(trace: Trace, dependence: Dependence, terms: Terms, outputs: readonly number[]): Uint8Array | null {
  let found: Uint8Array | null = null;
  tidy(() => {
    const weighted = terms.map(([value, weight]) => ({value, weight: weight.dataSync(), numbers: trace.values[value].dataSync()}));
    if (weighted.some(({weight, numbers}) => numbers.some((x, i) => x * weight[i] < 0))) {
      found = Descent.of(trace, dependence, terms, outputs)?.endless() ?? null;
    }
  });
  return found;
}

type Terms = FunctionLoss['terms'];

class Descent {
  /** Entries of the outputs for one example. */
  private readonly components: number;
  private readonly slopes: Float64Array;
  /** Largest weight of a term, by example. */
  private readonly weights: Float64Array;
  private readonly before: Float64Array;

  static of(trace: Trace, dependence: Dependence, terms: Terms, known: readonly number[]): Descent | null {
    const finder = new CutFinder(trace, dependence, null);
    const cut = terms.map(([value]) => finder.outputsOf(value));
    const outputs = [...new Set(cut.flatMap(found => found ?? []))].sort((a, b) => a - b);
    const isFree = cut.every(found => found !== null) && !outputs.some(value => dependence.variableOf.has(value));
    return isFree ? new Descent(trace, dependence, terms, outputs, known) : null;
  }

  /** Groups of examples that are moved apart from each other. */
  private readonly groups: number;

  /** Examples of the loss. */
  private readonly examples: number;
  /** Whether what is moved are the outputs of the loss. */
  private readonly isOutputs: boolean;

  private constructor(private readonly trace: Trace, dependence: Dependence, private readonly terms: Terms, private readonly outputs: readonly number[],
      known: readonly number[]) {
    const examples = this.examples = trace.values[known[0]].shape[0] ?? 1;
    this.isOutputs = known.join() === outputs.join();
    // Where some outputs or terms have other examples along their leading axis, all are one group.
    const isApart = [...outputs, ...terms.map(([value]) => value)].every(value => trace.values[value].shape[0] === examples);
    this.groups = isApart ? examples : 1;
    this.components = outputs.reduce((sum, value) => sum + trace.values[value].size, 0) / this.groups;
    this.slopes = this.slopesOf(dependence);
    this.weights = new Float64Array(this.groups);
    terms.forEach(([, weight]) => weight.dataSync().forEach((w, i, {length}) => {
      const group = Math.floor(i * this.groups / length);
      this.weights[group] = Math.max(this.weights[group], Math.abs(w));
    }));
    this.before = this.lossesAt(terms.map(([value]) => trace.values[value]));
  }

  /** See `fallsWithoutEnd`. */
  endless(): Uint8Array | null {
    const {groups, components, slopes} = this;
    const found = new Uint8Array(slopes.length);
    const singles = groups > 1 && components <= MAX_COMPONENTS ? Array.from({length: components}, (_, c) => (i: number) => i % components === c) : [];
    for (const isMoved of [...singles, () => true]) {
      const way = this.unit(slopes.map((s, i) => isMoved(i) && found[i] === 0 ? -s : 0));
      const ends = this.ends(way);
      if (ends.some(end => end > 0) && this.falls(way, ends)) {
        found.forEach((_, i) => found[i] ||= way[i] !== 0 && ends[Math.floor(i / components)] > 0 ? 1 : 0);
      }
    }
    if (!found.some(x => x === 1)) {
      return null;
    }
    return groups > 1 && this.isOutputs ? found :
      Uint8Array.from({length: this.examples}, (_, b) => groups === 1 || found.subarray(b * components, (b + 1) * components).some(x => x === 1) ? 1 : 0);
  }

  /** By group, how far it was moved if its terms fall without end; else 0. */
  private ends(way: Float64Array): Float64Array {
    const ends = new Float64Array(this.groups);
    const open = ends.map((_, g) => this.isMoved(way, g) ? 1 : 0);
    for (const far of FAR) {
      if (!open.some(x => x === 1)) {
        break;
      }
      const after = this.lossesAt(this.move(way, open.map(x => x * far), this.terms.map(([value]) => value)));
      const falling = after.map((loss, g) => open[g] === 1 && this.isFar(loss, g, far) ? far : 0);
      if (falling.some(x => x > 0)) {
        const early = this.lossesAt(this.move(way, falling.map(x => x / 10), this.terms.map(([value]) => value)));
        falling.forEach((x, g) => ends[g] = x > 0 && isWithoutEnd(this.before[g] - early[g], this.before[g] - after[g]) ? x : ends[g]);
      }
      open.forEach((x, g) => open[g] = x === 1 && (Number.isNaN(after[g]) || after[g] === -Infinity) ? 1 : 0);
    }
    return ends;
  }

  /** Whether a loss has fallen to below 0 by as much as it was above, and by more than rounding. */
  private isFar(loss: number, group: number, far: number): boolean {
    const fall = this.before[group] - loss;
    return Number.isFinite(fall) && fall > ROUNDING * this.weights[group] * far && -loss >= fall / 2;
  }

  /** Whether the whole loss falls with these terms. */
  private falls(way: Float64Array, ends: Float64Array): boolean {
    const {trace, terms} = this;
    const wanted = [...terms.map(([value]) => value), trace.result];
    const [before] = trace.values[trace.result].dataSync();
    const [late, early] = [1, 10].map(share => {
      const moved = this.move(way, ends.map(end => end / share), wanted);
      const own = this.lossesAt(moved.slice(0, -1)).reduce((sum, loss, g) => sum + (ends[g] > 0 ? this.before[g] - loss : 0), 0);
      return {own, all: before - moved[moved.length - 1].dataSync()[0]};
    });
    return late.all >= late.own / 2 && isWithoutEnd(early.all, late.all);
  }

  private isMoved(way: Float64Array, group: number): boolean {
    return way.subarray(group * this.components, (group + 1) * this.components).some(x => x !== 0);
  }

  /** A vector, ordered (group, component), whose largest entry in each group is made 1. */
  private unit(x: Float64Array): Float64Array {
    const {components} = this;
    for (let first = 0; first < x.length; first += components) {
      const part = x.subarray(first, first + components);
      const most = part.reduce((size, entry) => Math.max(size, Math.abs(entry)), 0);
      part.forEach((entry, i) => part[i] = most > 0 && most < Infinity ? entry / most : 0);
    }
    return x;
  }

  /** Values of the trace with the outputs moved, by group so far. */
  private move(way: Float64Array, far: Float64Array, wanted: readonly number[]): Tensor[] {
    const substitutes = new Map<number, Tensor>();
    let from = 0;
    for (const value of this.outputs) {
      const f = this.trace.values[value];
      const width = f.size / this.groups;
      const start = from;
      const [least, most] = rangeOf(this.trace, value);
      substitutes.set(value, tensor(Float32Array.from(f.dataSync(), (x, i) => {
        const group = Math.floor(i / width);
        return Math.min(most, Math.max(least, x + far[group] * way[group * this.components + start + i % width]));
      }), f.shape));
      from += width;
    }
    return replayAll(this.trace, substitutes, wanted);
  }

  /** Σ <weight, value> by group. */
  private lossesAt(values: readonly Tensor[]): Float64Array {
    const losses = new Float64Array(this.groups);
    this.terms.forEach(([, weight], k) => {
      const w = weight.dataSync();
      values[k].dataSync().forEach((x, i) => {
        if (w[i] !== 0) {
          losses[Math.floor(i * this.groups / w.length)] += w[i] * x;
        }
      });
    });
    return losses;
  }

  /** dL/df of the terms, ordered (group, component). */
  private slopesOf({dependent}: Dependence): Float64Array {
    const {trace, terms, outputs, groups, components} = this;
    const own = new Set(outputs);
    const behind = downstream(trace, outputs);
    const needed = upstream(trace, terms.map(([value]) => value), own);
    const isInside = (value: number): boolean => behind.has(value) && dependent[value] && needed.has(value);
    const region = trace.nodes.filter(node => node.outputs.some(output => isInside(output) && !own.has(output)));
    const seeds = new Map(terms.map(([value, weight]) => [value, weight] as const));
    const cotangents = sweepBack(trace.values, region, seeds, isInside, pullByRules);
    const slopes = new Float64Array(groups * components);
    let from = 0;
    for (const value of outputs) {
      const width = trace.values[value].size / groups;
      cotangents.get(value)?.dataSync().forEach((x, i) => slopes[Math.floor(i / width) * components + from + i % width] = x);
      from += width;
    }
    return slopes;
  }
}

/** Of the activations that tfjs fuses with a layer, so that the outputs behind them are the first values to be seen. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  relu: [0, Infinity], relu6: [0, 6], elu: [-1, Infinity], sigmoid: [0, 1], tanh: [-1, 1],
};

const rangeOf = (trace: Trace, value: number): readonly [number, number] => {
  const node = trace.nodes[trace.producer[value]] as TraceNode | undefined;
  return RANGES[String(node?.attrs['activation'])] ?? [-Infinity, Infinity];
};

/** Whether a loss that fell by `late` had fallen by at most a seventh of it behind a tenth of the way. */
const isWithoutEnd = (early: number, late: number): boolean => late > 0 && late < Infinity && EARLY * early <= late;
