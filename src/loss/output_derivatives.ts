import type {Trace} from '../trace/trace';
import {countDistinct} from './distinct_rows';
import {ggnError} from '../errors';
import {outputFunction} from './functions/output_function';
import type {Curvature, LossDerivatives} from './functions/loss_derivatives';
import type {OutputLoss} from './functions/output_loss';
import {closedFormOf} from './functions/output_loss';
import {squaredError} from './functions/squared_error';
import type {OutputDerivatives} from './functions/squared_error';
import {fallsWithoutEnd} from './read/lower_bound';
import type {Dependence} from '../trace/dependence';
import {placeRows, readResiduals} from './rows';
import type {Rows} from './rows';
import {segmentedRoot} from '../solve/segmented_root';
import type {RootBlock} from '../solve/segmented_root';

/** q, S and z of all rows of a step, and what curvature S is. */
export type StepDerivatives = OutputDerivatives & {readonly curvature: Curvature};

/** From the weakest claim to the strongest. */
const CLAIMS: readonly Curvature[] = ['unbounded', 'majorized', 'projected', 'exact'];

/**
 * The derivatives of the loss in the rows: of squares by their residuals, of other functions of outputs as `losses/` says.
 *
 * @throws for squares with a negative weight, targets of a cross-entropy that are not finite, and what `outputFunction` refuses.
 */
export function readDerivatives(trace: Trace, rows: Rows, batches: readonly number[]): StepDerivatives {
  const {head, dependence} = rows;
  const {residual, weight} = readResiduals(trace, rows, batches);
  if (weight.some(w => w < 0)) {
    throw ggnError(head.functions.length === 0 ? 'the loss has squares with a negative weight: it is not a sum of squares. Check class weights and signs.' :
      'the loss falls where a sum of squares grows that it is a function of: it is not a monotone function f(Σ w r²) with f\' ≥ 0. Check its sign, or use another optimizer.');
  }
  const {rowOf} = placeRows(trace, rows, batches);
  const squares = {...squaredError(residual, weight), weighted: countDistinct(trace, rows, (block, i) => weight[rowOf(block, i)] > 0)};
  let curvature: Curvature = head.functions.length === 0 ? 'exact' : 'majorized';
  if (head.losses.length === 0) {
    return {...squares, curvature};
  }
  const {q} = squares;
  const diagonal = weight.map(w => Math.sqrt(2 * w));
  const most = new Float64Array(q.length);
  const blocks: RootBlock[] = [];
  let block = head.squares.length;
  for (const loss of head.losses) {
    const place = placesOf(trace, loss, block, rowOf);
    block += loss.blocks.length;
    const examples = trace.values[loss.blocks[0].value].shape[0] ?? 1;
    if (loss.blocks.some(({value}) => (trace.values[value].shape[0] ?? 1) !== examples)) {
      throw ggnError('a term of the loss joins outputs with different numbers of examples along their leading axes. Write it as a sum of terms ' +
          'of one number each, or give its residuals to leastSquares().');
    }
    const found = derivativesOf(trace, dependence, loss, examples);
    if (!found.q.every(Number.isFinite)) {
      throw ggnError('the gradient of a cross-entropy in its logits is not finite: its targets or weights are not. Give those that a mask leaves out a value too, as in ' +
          'tf.where(mask, targets, 0).');
    }
    place.forEach((row, i) => {
      q[row] = found.q[i];
      most[row] = found.most?.[i] ?? 0;
    });
    const {root} = found;
    if ('diagonal' in root) {
      place.forEach((row, i) => diagonal[row] = root.diagonal[i]);
    } else {
      const {k} = root;
      for (let i = 0; i < place.length; i += k) {
        if (place[i + k - 1] !== place[i] + k - 1) {
          throw ggnError('a term of the loss couples several outputs whose examples cannot be told apart. Join them to one tensor with the examples ' +
              'along its leading axis, or give the residuals of the loss to leastSquares().');
        }
        blocks.push({first: place[i], k, entries: root.blocks.subarray(i * k, (i + k) * k)});
      }
    }
    curvature = CLAIMS[Math.min(CLAIMS.indexOf(curvature), CLAIMS.indexOf(found.curvature))];
  }
  blocks.sort((a, b) => a.first - b.first);
  const isWeighted = weightedRows(q, diagonal, blocks);
  const weighted = countDistinct(trace, rows, (block, i) => isWeighted[rowOf(block, i)] !== 0);
  return {q, root: segmentedRoot(diagonal, blocks), z: null, weighted, most, curvature};
}

/**
 * L - L̃ of one part of the loss in float64, from its outputs f at the weights and f̃ at other weights; null for a
 * loss without a closed form.
 */
export function decreaseInClosedForm(loss: OutputLoss, before: ArrayLike<number>, after: () => ArrayLike<number>): number | null {
  return loss.kind === 'function' ? null : closedFormOf(loss).decrease(loss, before, after());
}

function derivativesOf(trace: Trace, dependence: Dependence, loss: OutputLoss, examples: number): LossDerivatives {
  if (loss.kind !== 'function') {
    return closedFormOf(loss).derivatives(loss, trace.values[loss.blocks[0].value].dataSync());
  }
  const falling = fallsWithoutEnd(trace, dependence, [...loss.terms, ...loss.beside], loss.blocks.map(({value}) => value));
  return outputFunction(trace, dependence.dependent, loss, examples, falling);
}

/** The row of each entry of the outputs of a loss, these ordered (example, component). */
function placesOf(trace: Trace, {blocks}: OutputLoss, first: number, rowOf: (block: number, i: number) => number): number[] {
  const examples = trace.values[blocks[0].value].shape[0] ?? 1;
  const widths = blocks.map(({value}) => trace.values[value].size / examples);
  const places: number[] = [];
  for (let b = 0; b < examples; b++) {
    widths.forEach((width, k) => {
      for (let i = 0; i < width; i++) {
        places.push(rowOf(first + k, b * width + i));
      }
    });
  }
  return places;
}

/** Rows that the loss pulls at or resists to move: those of weight 0 do neither. */
function weightedRows(q: Float64Array, diagonal: Float64Array, blocks: readonly RootBlock[]): Uint8Array {
  const isWeighted = Uint8Array.from(q, (x, i) => x !== 0 || diagonal[i] !== 0 ? 1 : 0);
  for (const {first, k, entries} of blocks) {
    for (let r = 0; r < k; r++) {
      isWeighted[first + r] ||= entries.subarray(r * k, (r + 1) * k).some(x => x !== 0) ? 1 : 0;
    }
  }
  return isWeighted;
}
