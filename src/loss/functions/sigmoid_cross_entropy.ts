import type {ClosedForm, LossDerivatives} from './loss_derivatives';
import type {RowBlock} from './row_block';

/** Σ a_i softplus(f_i) - y_i f_i: the binary cross-entropy of B·C logits f. */
export interface SigmoidTerm {
  readonly kind: 'sigmoid';
  /** The logits. */
  readonly blocks: readonly [RowBlock];
  /** a, the weight of each logit (B·C). */
  readonly weight: Float64Array;
  /** y, the target of each logit times its weight (B·C). */
  readonly target: Float64Array;
}

/**
 * Share of the largest slope. If a target leaves [0, 1] by less, the cause is rounding of float32.
 */
const ROUNDING = 1e-6;

/**
 * The derivatives of a binary cross-entropy behind a sigmoid in its logits f, entry by entry,
 *
 *     L = a softplus(f) - y f      q = a σ(f) - y      H = a σ(f)(1 - σ(f))
 *
 * with a the weight of an entry and y its target times that weight. They are those of the loss
 * without the clipping of tfjs, see `softmaxCrossEntropy`.
 *
 * If a < 0, L is concave and falls without end, at a slope of |y| or |a - y|. No curvature of L
 * bounds a step there, so H = max(|y|, |a - y|) / 4 is taken, which asks for a change of the logit
 * of at most 4. If the target is outside [0, 1] (y < 0 or y > a), L falls without end on one side,
 * and H is at least |q| / 4.
 */
export function sigmoidCrossEntropy(logits: ArrayLike<number>, weight: Float64Array,
    target: Float64Array): LossDerivatives {
  const q = new Float64Array(weight.length);
  const diagonal = new Float64Array(weight.length);
  const most = new Float64Array(weight.length);
  let isUnbounded = false;
  for (let i = 0; i < weight.length; i++) {
    const a = weight[i];
    if (a === 0 && target[i] === 0) {
      continue;  // The logit behind a mask may be any value, also NaN.
    }
    const small = Math.exp(-Math.abs(logits[i]));
    const sigma = logits[i] >= 0 ? 1 / (1 + small) : small / (1 + small);
    q[i] = a * sigma - target[i];
    const steepest = Math.max(Math.abs(target[i]), Math.abs(a - target[i]));
    if (a < 0) {
      isUnbounded = true;
      most[i] = steepest / 4;
      diagonal[i] = Math.sqrt(most[i]);
    } else {
      const isOutside = Math.min(target[i], a - target[i]) < -ROUNDING * steepest;
      isUnbounded ||= isOutside;
      most[i] = (isOutside ? steepest : a) / 4;
      diagonal[i] = Math.max(Math.sqrt(a * small) / (1 + small), isOutside ? Math.sqrt(Math.abs(q[i]) / 4) : 0);
    }
  }
  return {q, root: {diagonal}, curvature: isUnbounded ? 'unbounded' : 'exact', most};
}

/** L(f) - L(f̃), in float64. */
export function sigmoidDecrease(before: ArrayLike<number>, after: ArrayLike<number>, weight: Float64Array,
    target: Float64Array): number {
  let total = 0;
  for (let i = 0; i < weight.length; i++) {
    if (weight[i] !== 0 || target[i] !== 0) {
      total += weight[i] * (softplus(before[i]) - softplus(after[i])) - target[i] * (before[i] - after[i]);
    }
  }
  return total;
}

/** The sigmoid cross-entropy in the table of closed forms. */
export const sigmoidForm: ClosedForm<SigmoidTerm> = {
  areLogits: true,
  couples: false,
  derivatives: ({weight, target}, f) => sigmoidCrossEntropy(f, weight, target),
  decrease: ({weight, target}, before, after) => sigmoidDecrease(before, after, weight, target),
};

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
