import {add, concat, reshape, slice, tensor, tidy, zeros} from '@tensorflow/tfjs-core';
import type {Rank, Tensor} from '@tensorflow/tfjs-core';
import {rowTensor} from './row_block';
import {record} from '../../trace/capture';
import type {Trace, TraceNode} from '../../trace/trace';
import {ggnError, markNonFinite} from '../../errors';
import {downstream, passesDerivative, upstream} from '../../trace/dependence';
import {pseudoRandom} from '../../arrays/pseudo_random';
import {pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import {blockCurvature, diagonalCurvature} from './curvature';
import type {FunctionLoss} from './output_loss';
import type {LossDerivatives} from './loss_derivatives';

/** Change of logits, and of outputs whose loss falls without end, that a step is to ask for at most: as in `sigmoidCrossEntropy`. */
const LONGEST_CHANGE = 4;

/** Outputs of one example that a loss may couple: H is a block of so many rows and columns, from as many products. */
const MAX_BLOCK = 256;

/** Difference of a Hessian-vector product from what blocks say, relative to the largest terms of the same example, that float32 explains. */
const COUPLED = 1e-3;

/** The same, relative to the largest terms of the batch: for examples in which they cancel, or that have no curvature. */
const NOTHING = 2 ** -19;

/** Difference of two readings of one second derivative, relative to the larger, above which it is what rounding left over of terms that cancel. */
const ROUNDED = 2 ** -6;

/**
 * Gradient and curvature of any function of outputs f, from the kernels of the trace: q by one reverse sweep from the terms to f, and products H u by
 * differentiating that sweep, which runs kernels like any other code.
 *
 * One product with ones gives the whole H of a loss that works entry by entry; else one for each component, with that component of all examples at once,
 * gives a block per example. A product with a pseudo-random u then tells whether H is what these products say. Where it does not, H is coupled, or its terms cancel
 * and both products are rounding, as those of sqrt(r²) are, whose H is 0: `separate` tells, and what is rounding counts as 0.
 *
 * @param examples B; every output has as many along its leading axis.
 * @param endless what falls without end, see `fallsWithoutEnd`: a quarter of its steepest slope is the curvature of its example at least.
 * @throws for a loss that couples examples, or more than 256 outputs of one, and for derivatives that are not finite.
 */
export function outputFunction(trace: Trace, dependent: readonly boolean[], loss: FunctionLoss, examples: number, endless: Uint8Array | null = null): LossDerivatives {
  let result: LossDerivatives;
  tidy(() => {
    result = new Differentiated(trace, dependent, loss, examples, endless).read();
  });
  return endless === null ? result! : {...result!, curvature: 'unbounded'};
}

class Differentiated {
  private readonly outputs: readonly number[];
  private readonly region: readonly TraceNode[];
  private readonly isInside: (value: number) => boolean;
  /** P, entries of all outputs for one example. */
  private readonly components: number;

  constructor(private readonly trace: Trace, dependent: readonly boolean[], private readonly loss: FunctionLoss, private readonly examples: number,
      private readonly endless: Uint8Array | null) {
    this.outputs = loss.blocks.map(block => block.value);
    const behind = downstream(trace, this.outputs);
    const needed = upstream(trace, loss.terms.map(([value]) => value), new Set(this.outputs));
    const own = new Set(this.outputs);
    this.isInside = value => behind.has(value) && dependent[value] && needed.has(value);
    this.region = trace.nodes.filter(node => node.outputs.some(output => this.isInside(output) && !own.has(output)));
    this.components = this.outputs.reduce((sum, value) => sum + trace.values[value].size / examples, 0);
  }

  read(): LossDerivatives {
    const {trace, examples, components} = this;
    const {result: gradient, trace: second} = record(recorder => {
      // Known before the sweep runs, so that it joins them: the values between outputs and loss, of which q is made.
      const origins = new Map<number, number>();
      trace.values.forEach((value, v) => this.isInside(v) && origins.set(recorder.indexOf(value), v));
      const cotangents = this.sweep(new Map(this.seeds()));
      return {origins, q: this.outputs.map(value => cotangents.get(value) ?? null).map(t => t === null ? null : {t, index: recorder.indexOf(t)})};
    });
    try {
      const q = this.flat(gradient.q.map(entry => entry?.t ?? null));
      const product = (u: Float32Array): Float64Array =>
        tidyNumbers(() => this.product(second, gradient.origins, gradient.q.map(entry => entry?.index ?? null), u));
      const residual = this.residuals();
      const reach = this.loss.areLogits ? LONGEST_CHANGE : Infinity;
      // At a residual of 0 the loss is least, and may have a corner there, like sqrt(r²), whose derivative by the chain rule is 0 · ∞.
      const isCorner = q.map((x, i) => residual?.[i] === 0 && !Number.isFinite(x) ? 1 : 0);
      const finite = (x: Float64Array, what: string): Float64Array => {
        isCorner.forEach((is, i) => x[i] = is === 1 ? 0 : x[i]);
        if (!x.every(Number.isFinite)) {
          throw markNonFinite(ggnError(`the ${what} of the loss in the outputs of the network is not finite. Check the loss at these outputs ` +
              '(log and sqrt have no derivative at 0), and that targets which a mask leaves out are numbers, too.'));
        }
        return x;
      };
      const times = (u: Float32Array): Float64Array => finite(product(u), 'second derivative');
      finite(q, 'derivative');
      const least = this.leastCurvature(q);
      const probe = pseudoRandom(examples * components);
      const expected = times(probe);
      const ones = times(new Float32Array(probe.length).fill(1));
      const entryByEntry = ones.map((h, i) => h * probe[i]);
      const entries = (h: Float64Array): LossDerivatives => ({q, ...diagonalCurvature(h, q, residual, reach, least)});
      const isRounding = (i: number): boolean => Math.abs(expected[i] - entryByEntry[i]) > ROUNDED * Math.max(Math.abs(expected[i]), Math.abs(entryByEntry[i]));
      if (isClose(expected, entryByEntry, entryByEntry, components)) {
        return entries(ones);
      }
      const isBlock = components > 1 && components <= MAX_BLOCK;
      const blocks = isBlock ? this.blocks(times) : null;
      if (blocks === null || !isClose(expected, multiply(blocks, components, probe), multiply(blocks.map(Math.abs), components, probe.map(Math.abs)), components)) {
        if (!isSeparate(times, expected, probe, i => Math.floor(i / components), examples)) {
          throw ggnError('the loss couples the examples of the batch: its second derivative in the outputs of one example depends on those of ' +
              'others (a product of means does that). Write the loss as a sum or mean over examples, or give its residuals to leastSquares().');
        }
        if (isSeparate(times, expected, probe, i => i % components, components)) {
          return entries(ones.map((h, i) => isRounding(i) ? 0 : h));
        }
      }
      if (blocks === null) {
        throw ggnError(`the loss couples the ${components} outputs of an example, at most ${MAX_BLOCK} are possible. Write it as a sum over fewer ` +
            'outputs, or as residuals for leastSquares().');
      }
      return {q, ...blockCurvature(blocks, components, q, residual, reach, least)};
    } finally {
      second.dispose();
    }
  }

  /** By example, for what falls without end; null where nothing does. */
  private leastCurvature(q: Float64Array): Float64Array | null {
    const {endless, examples} = this;
    const each = q.length / examples;
    return endless === null ? null : Float64Array.from({length: examples}, (_, b) => q.subarray(b * each, (b + 1) * each).reduce((most, x, c) =>
      endless[endless.length === q.length ? b * each + c : b] === 1 ? Math.max(most, Math.abs(x)) : most, 0) / LONGEST_CHANGE);
  }

  /** The residuals in the order of the outputs, but for their sign; null where the outputs are none. */
  private residuals(): Float64Array | null {
    const {trace, loss: {isResidual, residual}} = this;
    return !isResidual ? null : residual === null ? this.flat(this.outputs.map(value => trace.values[value])) :
      this.flat([rowTensor(trace, residual, value => trace.values[value])]);
  }

  private seeds(): Array<[number, Tensor]> {
    return this.loss.terms.map(([value, weight]) => [value, weight]);
  }

  private sweep(seeds: ReadonlyMap<number, Tensor>): Map<number, Tensor> {
    return sweepBack(this.trace.values, this.region, seeds, this.isInside, pullByRules);
  }

  /** H u: back through the sweep that made q, to the values it was made of, and from these to the outputs. */
  private product(second: Trace, origins: ReadonlyMap<number, number>, q: ReadonlyArray<number | null>, u: Float32Array): Float64Array {
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
        seeds.set(index, seeds.has(index) ? add(seeds.get(index)!, part) : part);
      }
    });
    const found = sweepBack(second.values, second.nodes, seeds, value => dependent[value], pullByRules);
    const again = new Map<number, Tensor>();
    origins.forEach((value, index) => found.has(index) && again.set(value, found.get(index)!));
    const cotangents = this.sweep(again);
    return this.flat(this.outputs.map(value => cotangents.get(value) ?? null));
  }

  /** One product for each component: the column of every example's block. Symmetric but for rounding; [B, P, P]. */
  private blocks(product: (u: Float32Array) => Float64Array): Float64Array {
    const {examples, components: p} = this;
    const blocks = new Float64Array(examples * p * p);
    for (let c = 0; c < p; c++) {
      const column = product(Float32Array.from({length: examples * p}, (_, i) => i % p === c ? 1 : 0));
      for (let i = 0; i < column.length; i++) {
        blocks[i * p + c] = column[i];
      }
    }
    for (let first = 0; first < blocks.length; first += p * p) {
      for (let r = 0; r < p; r++) {
        for (let c = 0; c < r; c++) {
          const [a, b] = [first + r * p + c, first + c * p + r];
          blocks[a] = blocks[b] = (blocks[a] + blocks[b]) / 2;
        }
      }
    }
    return blocks;
  }

  /** Tensors of the shapes of the outputs as one vector, ordered (example, component). */
  private flat(tensors: ReadonlyArray<Tensor | null>): Float64Array {
    const parts = tensors.map((t, k) => {
      const width = this.trace.values[this.outputs[k]].size / this.examples;
      return t === null ? zeros<Rank.R2>([this.examples, width]) : reshape<Rank.R2>(t, [this.examples, width]);
    });
    return Float64Array.from((parts.length === 1 ? parts[0] : concat(parts, 1)).dataSync());
  }

  /** A vector, ordered (example, component), as tensors of the shapes of the outputs. */
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

/** tidy for what is no tensor. */
function tidyNumbers(run: () => Float64Array): Float64Array {
  let result: Float64Array;
  tidy(() => {
    result = run();
  });
  return result!;
}

function multiply(blocks: Float64Array, k: number, u: ArrayLike<number>): Float64Array {
  return Float64Array.from({length: u.length}, (_, i) => {
    const first = i - i % k;
    let sum = 0;
    for (let c = 0; c < k; c++) {
      sum += blocks[i * k + c] * u[first + c];
    }
    return sum;
  });
}

/**
 * Whether H couples no two groups of entries: its product with some groups of a vector, the others 0, is 0 in the others. Rounding cannot make it anything else, as
 * every kernel takes zeros to zeros there. Up to 16 groups all pairs are told apart, of more each with a probability of 15/16.
 */
function isSeparate(times: (u: Float32Array) => Float64Array, expected: Float64Array, probe: Float32Array, groupOf: (i: number) => number, groups: number): boolean {
  const masks = Math.min(4, Math.ceil(Math.log2(groups)));
  const signs = pseudoRandom(4 * groups);
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  for (let mask = 0; mask < masks; mask++) {
    const isIn = (i: number): boolean => groups <= 16 ? (groupOf(i) >> mask & 1) === 1 : signs[4 * groupOf(i) + mask] > 0;
    const found = times(probe.map((x, i) => isIn(i) ? x : 0));
    const most = found.reduce((size, x) => Math.max(size, Math.abs(x)), largest);
    if (found.some((x, i) => !isIn(i) && Math.abs(x) > NOTHING * most)) {
      return false;
    }
  }
  return true;
}

/**
 * Whether a product a is what blocks say, b, up to rounding, example by example: one with a large curvature must not hide what the others do.
 *
 * @param terms the size of what b sums up.
 */
function isClose(a: Float64Array, b: Float64Array, terms: Float64Array, components: number): boolean {
  const sizes = new Float64Array(a.length / components);
  a.forEach((x, i) => {
    const example = Math.floor(i / components);
    sizes[example] = Math.max(sizes[example], Math.abs(x), Math.abs(terms[i]));
  });
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  return a.every((x, i) => Math.abs(x - b[i]) <= Math.max(COUPLED * sizes[Math.floor(i / components)], NOTHING * largest));
}
