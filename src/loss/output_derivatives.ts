import type {Trace} from '../trace/trace';
import {countDistinct} from './distinct_rows';
import {ggnError} from '../errors';
import {outputFunction} from './functions/output_function';
import type {Curvature, LossDerivatives, OutputDerivatives} from './functions/loss_derivatives';
import {closedFormOf, type OutputTerm} from './functions/output_term';
import {squaredError} from './functions/squared_error';
import {fallsWithoutEnd} from './read/lower_bound';
import type {Dependence} from '../trace/dependence';
import {placeRows, readResiduals, type Rows} from './rows';
import {segmentedRoot, type RootBlock} from '../solve/segmented_root';

/** q, S and z of all n rows of a step, and the kind of curvature that S is. */
export type StepDerivatives = OutputDerivatives & {readonly curvature: Curvature};

/** The claims about the curvature, from the weakest to the strongest. */
const CLAIMS: readonly Curvature[] = ['unbounded', 'majorized', 'projected', 'exact'];

/**
 * The derivatives of the loss in the n rows: of squares by their residuals, of other functions of
 * outputs by their closed form or by `outputFunction`.
 *
 * @param examplesByGroup B, the number of examples, of each group of rows.
 * @param rejects whether the policy rejects steps that raise the loss, see `diagonalCurvature`.
 * @throws for squares with a negative weight, for targets of a cross-entropy that are not finite,
 * and in the cases in which `outputFunction` throws.
 */
export function readDerivatives(trace: Trace, rows: Rows, examplesByGroup: readonly number[],
    rejects: boolean): StepDerivatives {
  const {head, dependence} = rows;
  const {residual, weight} = readResiduals(trace, rows, examplesByGroup);
  if (weight.some(w => w < 0)) {
    throw ggnError(head.functions.length === 0 ?
      'the loss has squares with a negative weight: it is not a sum of squares. Check class weights and signs.' :
      'the loss is a function f(Σ w r²) of a sum of squares, and it falls as that sum grows: f is not monotone with ' +
        'f\' ≥ 0. Check its sign, or use another optimizer.');
  }
  const {rowOf} = placeRows(trace, rows, examplesByGroup);
  const ofSquares = {...squaredError(residual, weight),
    weighted: countDistinct(trace, rows, (block, i) => weight[rowOf(block, i)] > 0)};
  let curvature: Curvature = head.functions.length === 0 ? 'exact' : 'majorized';
  if (head.outputTerms.length === 0) {
    return {...ofSquares, curvature};
  }
  const {q} = ofSquares;
  const diagonal = weight.map(w => Math.sqrt(2 * w));
  const most = new Float64Array(q.length);
  const blocks: RootBlock[] = [];
  let block = head.squares.length;
  for (const term of head.outputTerms) {
    const examples = examplesOf(trace, term);
    const places = placesOf(trace, term, examples, (k, i) => rowOf(block + k, i));
    const derivatives = derivativesOf(trace, dependence, term, examples, rejects);
    if (!derivatives.q.every(Number.isFinite)) {
      const isEntropy = term.kind !== 'function' && closedFormOf(term).areLogits;
      throw ggnError(`the gradient of a ${isEntropy ? 'cross-entropy in its logits' : 'loss in its outputs'} is not ` +
          'finite: its targets or weights are not. ' +
          'Give those that a mask leaves out a value, too, as in tf.where(mask, targets, 0).');
    }
    places.forEach((row, i) => {
      q[row] = derivatives.q[i];
      most[row] = derivatives.most?.[i] ?? 0;
    });
    const {root} = derivatives;
    if ('diagonal' in root) {
      places.forEach((row, i) => diagonal[row] = root.diagonal[i]);
    } else {
      rootBlocks(root.blocks, root.k, places).forEach(entry => blocks.push(entry));
    }
    curvature = CLAIMS[Math.min(CLAIMS.indexOf(curvature), CLAIMS.indexOf(derivatives.curvature))];
    block += term.blocks.length;
  }
  blocks.sort((a, b) => a.first - b.first);
  const isWeighted = weightedRows(q, diagonal, blocks);
  const weighted = countDistinct(trace, rows, (b, i) => isWeighted[rowOf(b, i)] !== 0);
  return {q, root: segmentedRoot(diagonal, blocks), z: null, weighted, most, curvature};
}

/**
 * L - L̃ of one term of the loss in float64, from its outputs f at the weights and f̃ at other
 * weights; null for a term without a closed form.
 */
export function decreaseInClosedForm(term: OutputTerm, before: ArrayLike<number>,
    after: () => ArrayLike<number>): number | null {
  return term.kind === 'function' ? null : closedFormOf(term).decrease(term, before, after());
}

/** The number of examples B of a term: the size of the leading axes of its outputs. */
function examplesOf(trace: Trace, {blocks}: OutputTerm): number {
  const [examples, ...others] = blocks.map(({value}) => trace.values[value].shape[0] ?? 1);
  if (others.some(other => other !== examples)) {
    throw ggnError('a term of the loss joins outputs with different numbers of examples along their leading axes. ' +
        'Write it as a sum of terms of one number each, or give its residuals to leastSquares().');
  }
  return examples;
}

/** The derivatives of a term in its outputs, in the order (example, component). */
function derivativesOf(trace: Trace, dependence: Dependence, term: OutputTerm, examples: number,
    rejects: boolean): LossDerivatives {
  const outputs = term.blocks.map(({value}) => value);
  if (term.kind !== 'function') {
    return closedFormOf(term).derivatives(term, trace.values[outputs[0]].dataSync());
  }
  const endless = fallsWithoutEnd(trace, dependence, [...term.terms, ...term.beside], outputs);
  return outputFunction(trace, dependence.dependent, term, examples, endless, rejects);
}

/**
 * The row of each entry of the outputs of a term, in the order (example, component) (B·C).
 *
 * @param rowOf the row of entry i of the k-th output.
 */
function placesOf(trace: Trace, {blocks}: OutputTerm, examples: number,
    rowOf: (k: number, i: number) => number): number[] {
  const widths = blocks.map(({value}) => trace.values[value].size / examples);
  const places: number[] = [];
  for (let b = 0; b < examples; b++) {
    widths.forEach((width, k) => {
      for (let i = 0; i < width; i++) {
        places.push(rowOf(k, b * width + i));
      }
    });
  }
  return places;
}

/** The k x k blocks of S at the rows of their entries. The rows of a block must be neighbours. */
function rootBlocks(entries: Float64Array, k: number, places: readonly number[]): RootBlock[] {
  const blocks: RootBlock[] = [];
  for (let i = 0; i < places.length; i += k) {
    if (places[i + k - 1] !== places[i] + k - 1) {
      throw ggnError('a term of the loss couples several outputs whose examples cannot be told apart. Join them to ' +
          'one tensor with the examples along its leading axis, or give the residuals of the loss to leastSquares().');
    }
    blocks.push({first: places[i], k, entries: entries.subarray(i * k, (i + k) * k)});
  }
  return blocks;
}

/** 1 for rows with a gradient or a curvature (n). Rows of weight 0 have neither. */
function weightedRows(q: Float64Array, diagonal: Float64Array, blocks: readonly RootBlock[]): Uint8Array {
  const isWeighted = Uint8Array.from(q, (x, i) => x !== 0 || diagonal[i] !== 0 ? 1 : 0);
  for (const {first, k, entries} of blocks) {
    for (let r = 0; r < k; r++) {
      isWeighted[first + r] ||= entries.subarray(r * k, (r + 1) * k).some(x => x !== 0) ? 1 : 0;
    }
  }
  return isWeighted;
}
