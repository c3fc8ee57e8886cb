import {symmetricEigen} from '../../arrays/symmetric_eigen';
import {dot} from '../../arrays/vectors';
import type {Curvature, LossDerivatives} from './loss_derivatives';

type Rooted = Pick<LossDerivatives, 'root' | 'curvature'>;

/** Share of the largest curvature. Negative curvature below it counts as rounding of float32. */
const NEGLIGIBLE = 1e-5;

/**
 * Share of the majorizing curvature. A second derivative below it counts as vanished: that of
 * log-cosh does so from |r| = 5 on.
 */
const VANISHED = 2 ** -10;

/**
 * Share of the majorizing curvature. A step by a second derivative below it changes r to beyond -r.
 */
const OVERSHOOTS = 0.5;

/** δ of the majorizing curvature, as a share of the mean |r| of the batch. */
export const LEAST_RESIDUAL = 0.1;

/** Bounds of the curvature from below. */
export interface CurvatureBounds {
  /**
   * Whether the policy rejects a step that raises the loss. If not, the majorizing curvature takes
   * the place of each second derivative whose step overshoots. Default true.
   */
  readonly rejects?: boolean;
  /**
   * The largest change of an output that a step is to ask for, if the curvature is negative for
   * some output. The curvature is then at least |q| / reach: a term that is linear at last, as log
   * p of an unlikely class is, has no curvature of its own that bounds the step. Default infinity.
   */
  readonly reach?: number;
  /** The least curvature of all outputs of each example (B). Default null: no bound. */
  readonly least?: Float64Array | null;
}

/**
 * The root of a diagonal curvature h, in the order (example, component).
 *
 * If an entry is negative, |h| takes its place, or the mean of |h| if that is larger. The mean also
 * replaces entries of 0 beside negative ones. Without curvature such an entry would not bound the
 * step. If no entry is positive, there is no scale to trust, and they become 0.
 *
 * If the outputs are residuals r and h vanishes or is negative (absolute error, hinges, the tails
 * of Huber's loss), the majorizing curvature takes its place,
 *
 *     h = |l'(r)| / max(|r|, δ)        δ = 0.1 · mean |r|
 *
 * This is the curvature of the parabola that touches l at r and has its minimum at 0: one step of
 * iteratively reweighted least squares. δ leaves residuals that are almost 0 free to move.
 *
 * A second derivative counts as vanished below 2⁻¹⁰ of the majorizing curvature. In the tails of
 * |r|^1.05, Charbonnier's or Cauchy's loss it is larger, and yet far too small: its step -l'/l''
 * changes r by many times |r|. If no trial rejects such a step, the majorizing curvature takes the
 * place of all second derivatives with
 *
 *     l''(r) < ½ l'(r)/r
 *
 * With l'' ≥ ½ l'(r)/r for all residuals, H is at least half of the majorizing curvature M. The
 * change c = -H⁻¹q has then qᵀc + ½ cᵀMc ≤ qᵀc + cᵀHc = 0, so that a full step of a linear network
 * does not raise a loss below its parabolas. This holds for residuals that l draws to 0. If a
 * minimum elsewhere draws r away from 0, against most of the others, no such parabola touches l at
 * r, and l'' stays.
 *
 * Source: Holland & Welsch 1977. If l'(r)/r decreases, the parabola lies above l (de Leeuw & Lange
 * 2009). The factor ½ has no publication.
 *
 * Measured: a network of 41 parameters, 400 examples, targets of size 10, batches of 16 to 64, two
 * seeds, loss after 20 epochs. √(1 + r²) - 1: 1.0 to 1.1, with Adam 1.5 to 2.3, by l'' 2.0 to 29.
 * r²/(1 + |r|): 1.1 to 1.6, Adam 1.5 to 2.4, l'' 24 to 59. |r|^1.05: 1.7 to 1.8, Adam 2.3 to 3.3,
 * l'' 6 to 1e5. The majorizing curvature for all l'' < l'(r)/r ends at the same losses.
 *
 * @param h diagonal of H (B·C).
 * @param q derivatives of the loss in the outputs (B·C).
 * @param residual r (B·C); null if the outputs are no residuals.
 */
export function diagonalCurvature(h: Float64Array, q: Float64Array, residual: Float64Array | null,
    {rejects = true, reach = Infinity, least = null}: CurvatureBounds = {}): Rooted {
  const most = sizeOf(h);
  let curvature: Curvature = 'exact';
  const isConvex = residual !== null || !h.some(x => x < -NEGLIGIBLE * most) || !h.some(x => x > NEGLIGIBLE * most);
  const typical = isConvex ? 0 : meanSize(h, q);
  const delta = residual === null ? 0 : LEAST_RESIDUAL * meanSize(residual, q);
  const share = residual === null ? [] : sharesOf(q.map((x, i) => x * residual[i]), rejects);
  const isBounded = reach < Infinity && h.some(x => x < -NEGLIGIBLE * most);
  const diagonal = h.map((x, i) => {
    const ofExample = least?.[Math.floor(i * least.length / h.length)] ?? 0;
    const bound = Math.max(isBounded ? Math.abs(q[i]) / reach : 0, ofExample);
    if (residual !== null && q[i] !== 0) {
      const size = Math.max(Math.abs(residual[i]), delta);
      const majorizing = size === 0 ? 0 : Math.abs(q[i]) / size;
      if (x < share[i] * majorizing) {
        curvature = 'majorized';
        return Math.sqrt(Math.max(majorizing, bound));
      }
    }
    if (x < -NEGLIGIBLE * most) {
      curvature = curvature === 'exact' ? 'projected' : curvature;
    }
    if (!isConvex && q[i] !== 0 && x <= NEGLIGIBLE * most) {
      return Math.sqrt(Math.max(-x, typical, bound));
    }
    return Math.sqrt(Math.max(0, x, bound));
  });
  return {root: {diagonal}, curvature};
}

/**
 * The share of the majorizing curvature below which it takes the place of the second derivative.
 *
 * @param slopes qᵀr of each residual. Those with the sign of their sum draw their residual to 0.
 */
function sharesOf(slopes: Float64Array, rejects: boolean): Float64Array {
  const sum = slopes.reduce((a, b) => a + b, 0);
  return slopes.map(slope => !rejects && slope * sum > 0 ? OVERSHOOTS : VANISHED);
}

const sizeOf = (x: Float64Array): number => x.reduce((size, entry) => Math.max(size, Math.abs(entry)), 0);

/** Mean of |x| over the entries whose q is not 0. */
function meanSize(x: Float64Array, q: Float64Array): number {
  let [sum, count] = [0, 0];
  x.forEach((value, i) => {
    if (q[i] !== 0) {
      sum += Math.abs(value);
      count++;
    }
  });
  return count === 0 ? 0 : sum / count;
}

/**
 * The root V diag(√|λ|) of symmetric k x k blocks V diag(λ) Vᵀ, one after the other.
 *
 * |λ| takes the place of a negative eigenvalue (saddle-free Newton, Dauphin et al. 2014), so that
 * the step is bounded along its eigenvector, too. If no block has a positive eigenvalue, 0 takes
 * its place.
 *
 * If the outputs are residuals r whose loss does not curve along r, as their norm |r| does not, the
 * majorizing curvature takes its place there, as in `diagonalCurvature`. If no trial rejects the
 * step, it does so from rᵀHr < ½ qᵀr on:
 *
 *     H + (qᵀr / |r|² - rᵀHr / |r|²) r rᵀ / |r|²,   times |r| / max(|r|, δ),   δ = 0.1 · mean |r|
 *
 * For a norm this is I / max(|r|, δ).
 *
 * @param blocks (B, k, k), row-major.
 * @param q derivatives of the loss in the outputs (B·k).
 * @param residual r (B·k); null if the outputs are no residuals.
 * @param bounds as in `diagonalCurvature`. If some eigenvalue is negative, the curvature along an
 * eigenvector v is at least |qᵀv| / reach.
 */
export function blockCurvature(blocks: Float64Array, k: number, q: Float64Array, residual: Float64Array | null,
    {rejects = true, reach = Infinity, least = null}: CurvatureBounds = {}): Rooted {
  const roots = new Float64Array(blocks.length);
  const h = blocks.slice();
  const isMajorized = residual !== null && majorizeAlong(h, k, q, residual, rejects);
  let isProjected = false;
  const eigen = Array.from({length: h.length / (k * k)},
    (_, b) => symmetricEigen(h.subarray(b * k * k, (b + 1) * k * k), k));
  const isBounded = reach < Infinity && eigen.some(({values}) => Math.min(...values) < -NEGLIGIBLE * sizeOf(values));
  const isCurved = eigen.some(({values}) => Math.max(...values) > NEGLIGIBLE * sizeOf(values));
  for (const [b, {values, vectors}] of eigen.entries()) {
    const first = b * k * k;
    const most = sizeOf(values);
    for (let c = 0; c < k; c++) {
      const isNegative = values[c] < -NEGLIGIBLE * most;
      isProjected ||= isNegative;
      const pull = isBounded ?
        q.subarray(b * k, (b + 1) * k).reduce((sum, x, r) => sum + x * vectors[r * k + c], 0) : 0;
      const own = isCurved || isBounded ?
        Math.max(isNegative ? -values[c] : 0, values[c], Math.abs(pull) / reach) : 0;
      const root = Math.sqrt(Math.max(own, least?.[b] ?? 0));
      for (let r = 0; r < k; r++) {
        roots[first + r * k + c] = root * vectors[r * k + c];
      }
    }
  }
  return {root: {blocks: roots, k}, curvature: isMajorized ? 'majorized' : isProjected ? 'projected' : 'exact'};
}

/**
 * Adds the majorizing curvature along r to the blocks h of a loss that curves too little along r.
 *
 * @returns whether there is such a block.
 */
function majorizeAlong(h: Float64Array, k: number, q: Float64Array, residual: Float64Array,
    rejects: boolean): boolean {
  const examples = Array.from({length: residual.length / k}, (_, b) => residual.subarray(b * k, (b + 1) * k));
  const pulls = Float64Array.from(examples, (r, b) => dot(q.subarray(b * k, (b + 1) * k), r));
  const share = sharesOf(pulls, rejects);
  const slopes = pulls.map(Math.abs);
  const sizes = examples.map(r => Math.sqrt(dot(r, r)));
  const delta = LEAST_RESIDUAL * meanSize(Float64Array.from(sizes), slopes);
  let isMajorized = false;
  examples.forEach((r, b) => {
    const block = h.subarray(b * k * k, (b + 1) * k * k);
    const along = r.reduce((sum, x, i) => sum + x * dot(block.subarray(i * k, (i + 1) * k), r), 0);
    if (!(slopes[b] > 0 && along < share[b] * slopes[b])) {
      return;
    }
    isMajorized = true;
    const scale = sizes[b] / Math.max(sizes[b], delta);
    block.forEach((x, i) =>
      block[i] = scale * (x + (slopes[b] - along) * r[Math.floor(i / k)] * r[i % k] / sizes[b] ** 4));
  });
  return isMajorized;
}
