import {tidy} from '@tensorflow/tfjs-core';
import {rowTensor} from './row_block';
import type {Trace} from '../../trace/trace';
import {ggnError, markNonFinite} from '../../errors';
import {pseudoRandom} from '../../arrays/pseudo_random';
import {blockCurvature, diagonalCurvature} from './curvature';
import {hessianBlocks, isClose, isOfBlocks, isSeparate} from './hessian_structure';
import type {FunctionTerm} from './output_term';
import type {LossDerivatives} from './loss_derivatives';
import {TwiceDifferentiated, type HessianProduct} from './twice_differentiated';

/**
 * The largest change that a step is to ask for, of a logit or of an output along which the loss
 * falls without end. `sigmoidCrossEntropy` has the same bound.
 */
const LONGEST_CHANGE = 4;

/**
 * The most outputs of one example that a loss may couple: H has a block of k x k, from k products.
 */
const MAX_BLOCK = 256;

/**
 * Relative difference of two values of one second derivative. Above it both are the rounding of
 * terms that cancel.
 */
const ROUNDED = 2 ** -6;

/**
 * Gradient and curvature of any function of outputs f, by `TwiceDifferentiated`.
 *
 * If the loss works entry by entry, one product of H with ones gives all of H. Else C products give
 * a block for each example. A product with a pseudo-random u then tells whether H is made of these
 * entries or blocks. If the two products differ, either H couples more entries, or its terms cancel
 * and both products are rounding, as for sqrt(r²), whose H is 0. `isSeparate` tells the two apart,
 * and entries of rounding count as 0.
 *
 * @param examples B; each output has B entries along its leading axis.
 * @param endless 1 for the outputs (B·C), or the examples (B), whose loss falls without end, see
 * `fallsWithoutEnd`. The curvature of such an example is at least a quarter of its steepest slope.
 * @param rejects as in `CurvatureBounds`.
 * @throws for a loss that couples examples, or more than 256 outputs of one, and for derivatives
 * that are not finite.
 */
export function outputFunction(trace: Trace, dependent: readonly boolean[], fn: FunctionTerm, examples: number,
    endless: Uint8Array | null = null, rejects = true): LossDerivatives {
  let derivatives: LossDerivatives;
  tidy(() => {
    const twice = new TwiceDifferentiated(trace, dependent, fn, examples);
    derivatives = twice.differentiate((q, product) => {
      const residual = residualsOf(trace, fn, twice);
      const finite = finiteCheck(q, residual);
      finite(q, 'derivative');
      const bounds = {rejects, reach: fn.areLogits ? LONGEST_CHANGE : Infinity,
        least: endless === null ? null : leastCurvature(q, endless, examples)};
      const h = readHessian(u => finite(product(u), 'second derivative'), examples, twice.components);
      return {q, ...'diagonal' in h ? diagonalCurvature(h.diagonal, q, residual, bounds) :
        blockCurvature(h.blocks, twice.components, q, residual, bounds)};
    });
  });
  return endless === null ? derivatives! : {...derivatives!, curvature: 'unbounded'};
}

/** H: its diagonal (B·C), or one block for each example (B, C, C). */
type Hessian = {readonly diagonal: Float64Array} | {readonly blocks: Float64Array};

function readHessian(product: HessianProduct, examples: number, components: number): Hessian {
  const probe = pseudoRandom(examples * components);
  const expected = product(probe);
  const ones = product(new Float32Array(probe.length).fill(1));
  const entryByEntry = ones.map((h, i) => h * probe[i]);
  if (isClose(expected, entryByEntry, entryByEntry, components)) {
    return {diagonal: ones};
  }
  const isBlock = components > 1 && components <= MAX_BLOCK;
  const blocks = isBlock ? hessianBlocks(product, examples, components) : null;
  if (blocks === null || !isOfBlocks(blocks, components, expected, probe)) {
    if (!isSeparate(product, expected, probe, i => Math.floor(i / components), examples)) {
      throw ggnError('the loss couples the examples of the batch: its second derivative in the outputs of one ' +
          'example depends on those of others (a product of means does that). Write the loss as a sum or mean ' +
          'over examples, or give its residuals to leastSquares().');
    }
    if (isSeparate(product, expected, probe, i => i % components, components)) {
      return {diagonal: ones.map((h, i) => Math.abs(expected[i] - entryByEntry[i]) >
          ROUNDED * Math.max(Math.abs(expected[i]), Math.abs(entryByEntry[i])) ? 0 : h)};
    }
  }
  if (blocks === null) {
    throw ggnError(`the loss couples the ${components} outputs of an example, but at most ${MAX_BLOCK} are ` +
        'possible. Write it as a sum over fewer outputs, or as residuals for leastSquares().');
  }
  return {blocks};
}

/** The residuals (B·C) up to their sign; null if the outputs are none. */
function residualsOf(trace: Trace, {isResidual, residual, blocks}: FunctionTerm,
    twice: TwiceDifferentiated): Float64Array | null {
  return !isResidual ? null : residual === null ? twice.flat(blocks.map(({value}) => trace.values[value])) :
    twice.flat([rowTensor(trace, residual, value => trace.values[value])]);
}

/**
 * A check that throws for a derivative that is not finite. At a residual of 0 the loss is least,
 * and may have a corner, like sqrt(r²), whose derivative by the chain rule is 0 · ∞: there the
 * check sets the derivative to 0.
 */
function finiteCheck(q: Float64Array, residual: Float64Array | null): (x: Float64Array, name: string) => Float64Array {
  const isCorner = q.map((x, i) => residual?.[i] === 0 && !Number.isFinite(x) ? 1 : 0);
  return (x, name) => {
    isCorner.forEach((is, i) => x[i] = is === 1 ? 0 : x[i]);
    if (!x.every(Number.isFinite)) {
      throw markNonFinite(ggnError(`the ${name} of the loss in the outputs of the network is not finite. Check the ` +
          'loss at these outputs (log and sqrt have no derivative at 0), and that targets which a mask leaves out ' +
          'are numbers, too.'));
    }
    return x;
  };
}

/** The least curvature of each example (B): a quarter of its steepest endless slope, or 0. */
function leastCurvature(q: Float64Array, endless: Uint8Array, examples: number): Float64Array {
  const components = q.length / examples;
  const isEndless = (b: number, c: number): boolean =>
    endless[endless.length === q.length ? b * components + c : b] === 1;
  return Float64Array.from({length: examples}, (_, b) => q.subarray(b * components, (b + 1) * components)
      .reduce((most, x, c) => isEndless(b, c) ? Math.max(most, Math.abs(x)) : most, 0) / LONGEST_CHANGE);
}
