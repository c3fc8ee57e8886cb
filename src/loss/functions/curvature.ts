import {symmetricEigen} from '../../arrays/symmetric_eigen';
import {dot} from '../../arrays/vectors';
import type {Curvature, LossDerivatives} from './loss_derivatives';

type Rooted = Pick<LossDerivatives, 'root' | 'curvature'>;

/** Negative curvature, as a share of the largest, that counts as rounding of float32. */
const NOISE = 1e-5;

/** A second derivative below this share of the majorizing curvature counts as vanished: the tails of log-cosh from |r| = 5 on. */
const VANISHED = 2 ** -10;

/** δ of the majorizing curvature, as a share of the mean |r| of the batch. */
export const LEAST_RESIDUAL = 0.1;

/**
 * The root of a diagonal curvature h. Where an entry is negative |h| takes its place, or the mean of |h| if that is more, which also stands for what is linear beside it: without curvature such an
 * entry would not bound the step. (Where nothing is curved upwards there is no scale to trust, and it is 0.) For residuals r, where h vanishes (absolute error, hinges, the tails of
 * Huber's loss; negative h counts, too) the majorizing curvature takes its place,
 *
 *     h = |l'(r)| / max(|r|, δ)        δ = 0.1 · mean |r|
 *
 * that of the parabola which touches l at r and has its minimum at 0: one step of iteratively reweighted least squares. δ keeps residuals that are
 * almost 0 from holding on to it.
 *
 * Source: Holland & Welsch 1977; for l with decreasing l'(r)/r the parabola lies above l (de Leeuw & Lange 2009).
 *
 * @param residual null where the outputs are no residuals.
 * @param reach the largest change of an output that a step is to ask for where some entry is negative: |q| / reach is the curvature at least. What is linear at last, as
 * log p of an unlikely class is, has no curvature left that would bound it.
 * @param least by example, what the curvature of all its outputs is at least; null where it may be anything.
 */
export function diagonalCurvature(h: Float64Array, q: Float64Array, residual: Float64Array | null, reach = Infinity, least: Float64Array | null = null): Rooted {
  const most = h.reduce((size, x) => Math.max(size, Math.abs(x)), 0);
  let curvature: Curvature = 'exact';
  const isConvex = residual !== null || !h.some(x => x < -NOISE * most) || !h.some(x => x > NOISE * most);
  const typical = isConvex ? 0 : meanSize(h, q);
  const delta = residual === null ? 0 : LEAST_RESIDUAL * meanSize(residual, q);
  const isBounded = reach < Infinity && h.some(x => x < -NOISE * most);
  const diagonal = h.map((x, i) => {
    const bound = Math.max(isBounded ? Math.abs(q[i]) / reach : 0, least?.[Math.floor(i * least.length / h.length)] ?? 0);
    if (residual !== null && q[i] !== 0) {
      const size = Math.max(Math.abs(residual[i]), delta);
      const majorizing = size === 0 ? 0 : Math.abs(q[i]) / size;
      if (x < VANISHED * majorizing) {
        curvature = 'majorized';
        return Math.sqrt(Math.max(majorizing, bound));
      }
    }
    if (x < -NOISE * most) {
      curvature = curvature === 'exact' ? 'projected' : curvature;
    }
    if (!isConvex && q[i] !== 0 && x <= NOISE * most) {
      return Math.sqrt(Math.max(-x, typical, bound));
    }
    return Math.sqrt(Math.max(0, x, bound));
  });
  return {root: {diagonal}, curvature};
}

/** Mean of |x| over the rows that the loss pulls at. */
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
 * The root V diag(√|λ|) of symmetric k x k blocks V diag(λ) Vᵀ, one after the other: |λ| in the place of a negative eigenvalue (saddle-free Newton, Dauphin et al. 2014), so that the step is
 * bounded along it, too; 0 in its place where no block has a positive one. For residuals r whose loss does
 * not curve along r itself, as their norm |r| does not, the majorizing curvature takes its place there, as in `diagonalCurvature`:
 *
 *     H + (qᵀr / |r|² - rᵀHr / |r|²) r rᵀ / |r|²,      times |r| / max(|r|, δ)        δ = 0.1 · mean |r|
 *
 * which is I / max(|r|, δ) for a norm.
 *
 * @param residual null where the outputs are no residuals.
 * @param reach as in `diagonalCurvature`: where some eigenvalue is negative, |qᵀv| / reach is the curvature along an eigenvector v at least.
 * @param least as there.
 */
export function blockCurvature(blocks: Float64Array, k: number, q: Float64Array, residual: Float64Array | null, reach = Infinity, least: Float64Array | null = null): Rooted {
  const roots = new Float64Array(blocks.length);
  const h = blocks.slice();
  const isMajorized = residual !== null && majorizeAlong(h, k, q, residual);
  let isProjected = false;
  const eigen = Array.from({length: h.length / (k * k)}, (_, b) => symmetricEigen(h.subarray(b * k * k, (b + 1) * k * k), k));
  const mostOf = (values: Float64Array): number => values.reduce((size, x) => Math.max(size, Math.abs(x)), 0);
  const isBounded = reach < Infinity && eigen.some(({values}) => Math.min(...values) < -NOISE * mostOf(values));
  const isCurved = eigen.some(({values}) => Math.max(...values) > NOISE * mostOf(values));
  for (const [b, {values, vectors}] of eigen.entries()) {
    const first = b * k * k;
    const most = mostOf(values);
    for (let c = 0; c < k; c++) {
      const isNegative = values[c] < -NOISE * most;
      isProjected ||= isNegative;
      const pull = isBounded ? q.subarray(b * k, (b + 1) * k).reduce((sum, x, r) => sum + x * vectors[r * k + c], 0) : 0;
      const own = isCurved || isBounded ? Math.max(isNegative ? -values[c] : 0, values[c], Math.abs(pull) / reach) : 0;
      const root = Math.sqrt(Math.max(own, least?.[b] ?? 0));
      for (let r = 0; r < k; r++) {
        roots[first + r * k + c] = root * vectors[r * k + c];
      }
    }
  }
  return {root: {blocks: roots, k}, curvature: isMajorized ? 'majorized' : isProjected ? 'projected' : 'exact'};
}

/** @returns whether there were such blocks. */
function majorizeAlong(h: Float64Array, k: number, q: Float64Array, residual: Float64Array): boolean {
  const examples = Array.from({length: residual.length / k}, (_, b) => residual.subarray(b * k, (b + 1) * k));
  const slopes = examples.map((r, b) => Math.abs(dot(q.subarray(b * k, (b + 1) * k), r)));
  const sizes = examples.map(r => Math.sqrt(dot(r, r)));
  const delta = LEAST_RESIDUAL * meanSize(Float64Array.from(sizes), Float64Array.from(slopes));
  let isMajorized = false;
  examples.forEach((r, b) => {
    const block = h.subarray(b * k * k, (b + 1) * k * k);
    const along = r.reduce((sum, x, i) => sum + x * dot(block.subarray(i * k, (i + 1) * k), r), 0);
    if (!(slopes[b] > 0 && along < VANISHED * slopes[b])) {
      return;
    }
    isMajorized = true;
    const scale = sizes[b] / Math.max(sizes[b], delta);
    block.forEach((x, i) => block[i] = scale * (x + (slopes[b] - along) * r[Math.floor(i / k)] * r[i % k] / sizes[b] ** 4));
  });
  return isMajorized;
}
