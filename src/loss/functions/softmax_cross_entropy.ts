import type {ClosedForm, LossDerivatives} from './loss_derivatives';
import type {RowBlock} from './row_block';

/** Σ y_i (logsumexp(f) - f_i) over the last axis of the logits f. */
export interface SoftmaxTerm {
  readonly kind: 'softmax';
  /** The logits. */
  readonly blocks: readonly [RowBlock];
  /** The number of classes K. */
  readonly classes: number;
  /** y, the target of each logit times its weight, of the size of the logits. */
  readonly target: Float64Array;
}

/** Share of Σ|y|. An s below it, or a target above minus it, is rounding of float32. */
const ROUNDING = 1e-6;

/**
 * The derivatives of a cross-entropy behind a softmax in its logits f. For the K classes of each
 * example, with p = softmax(f) and s = Σ y,
 *
 *     L = s·logsumexp(f) - y·f      q = s p - y      H = s (diag p - p pᵀ)      S = √s diag √p · Q
 *
 * y holds the weights of the loss: means, class and example weights, label smoothing. Its sum need
 * not be 1.
 *
 * H = s (diag √p)(I - √p √pᵀ)(diag √p) has the rank K - 1. Q spans the complement of √p: its first
 * column is 0, and the others are those of the reflection that takes √p to the first axis. So S
 * has K - 1 columns that are not 0, one fewer than √s (diag √p - p √pᵀ), and everything made of the
 * rows of SᵀJ has one in K fewer of them.
 *
 * H = S Sᵀ needs no division by p, so a class of probability 0 is no special case. tfjs clips
 * probabilities at 1e-7, and its gradient vanishes there: at logits [-40, 0] with class 0 it is
 * [0, 0], but p - y is [-1, 1]. The q here is that of the loss without clipping.
 *
 * If s ≤ 0 and the targets are not all 0, L is concave and falls without end. If the target of a
 * class is negative, L falls without end in its logit. No curvature of L bounds a step of such an
 * example, so H = Σ|y| / 4 · I is taken, which asks for a change of each logit of at most 8.
 */
export function softmaxCrossEntropy(logits: ArrayLike<number>, target: Float64Array,
    classes: number): LossDerivatives {
  const q = new Float64Array(target.length);
  const blocks = new Float64Array(target.length * classes);
  const most = new Float64Array(target.length);
  const p = new Float64Array(classes);
  let isUnbounded = false;
  for (let first = 0; first < target.length; first += classes) {
    const s = sumOf(target, first, classes);
    probabilities(logits, first, p);
    for (let k = 0; k < classes; k++) {
      // The logit behind a mask may be any value, also NaN.
      q[first + k] = s === 0 && target[first + k] === 0 ? 0 : s * p[k] - target[first + k];
    }
    const y = target.subarray(first, first + classes);
    const size = sumOf(y.map(Math.abs), 0, classes);
    if (classes > 1 && size > 0 && (s <= ROUNDING * size || y.some(x => x < -ROUNDING * size))) {
      isUnbounded = true;
      most.fill(size / 4, first, first + classes);
      for (let k = 0; k < classes; k++) {
        blocks[(first + k) * classes + k] = Math.sqrt(size / 4);
      }
      continue;
    }
    most.fill(Math.max(0, s) / 4, first, first + classes);
    const scale = Math.sqrt(Math.max(0, s));
    for (let k = 0; scale > 0 && k < classes; k++) {
      const root = Math.sqrt(p[k]);
      const share = k === 0 ? 1 : root / (1 + Math.sqrt(p[0]));
      for (let j = 1; j < classes; j++) {
        blocks[(first + k) * classes + j] = scale * root * ((j === k ? 1 : 0) - share * Math.sqrt(p[j]));
      }
    }
  }
  return {q, root: {blocks, k: classes}, curvature: isUnbounded ? 'unbounded' : 'exact', most};
}

/** L(f) - L(f̃), in float64. */
export function softmaxDecrease(before: ArrayLike<number>, after: ArrayLike<number>, target: Float64Array,
    classes: number): number {
  let total = 0;
  for (let first = 0; first < target.length; first += classes) {
    const s = sumOf(target, first, classes);
    total += s === 0 ? 0 : s * (logSumExp(before, first, classes) - logSumExp(after, first, classes));
    for (let k = first; k < first + classes; k++) {
      total -= target[k] === 0 ? 0 : target[k] * (before[k] - after[k]);
    }
  }
  return total;
}

/** The softmax cross-entropy in the table of closed forms. */
export const softmaxForm: ClosedForm<SoftmaxTerm> = {
  areLogits: true,
  couples: true,
  derivatives: ({target, classes}, f) => softmaxCrossEntropy(f, target, classes),
  decrease: ({target, classes}, before, after) => softmaxDecrease(before, after, target, classes),
};

function sumOf(x: Float64Array, first: number, count: number): number {
  let sum = 0;
  for (let k = first; k < first + count; k++) {
    sum += x[k];
  }
  return sum;
}

function largest(x: ArrayLike<number>, first: number, count: number): number {
  let most = -Infinity;
  for (let k = first; k < first + count; k++) {
    most = Math.max(most, x[k]);
  }
  return most;
}

function probabilities(logits: ArrayLike<number>, first: number, p: Float64Array): void {
  const most = largest(logits, first, p.length);
  let sum = 0;
  for (let k = 0; k < p.length; k++) {
    sum += p[k] = Math.exp(logits[first + k] - most);
  }
  for (let k = 0; k < p.length; k++) {
    p[k] /= sum;
  }
}

function logSumExp(x: ArrayLike<number>, first: number, count: number): number {
  const most = largest(x, first, count);
  let sum = 0;
  for (let k = first; k < first + count; k++) {
    sum += Math.exp(x[k] - most);
  }
  return most + Math.log(sum);
}
