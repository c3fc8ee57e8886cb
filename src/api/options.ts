import type {LevenbergMarquardtOptions} from '../policy/levenberg_marquardt';
import type {Settings} from '../policy/policy';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';
import type {StepReport} from '../step/step_report';

/**
 * A policy of your own: a function of the report of a step that returns settings for the next one; what it leaves out stays as it was. It starts from
 * the defaults of the policy `'fixed'`. Every step is judged for it (`gainRatio`), and taken unless the loss, as f() computes it in float32, or
 * its derivatives would not be finite: then the status is `'rejected'`.
 * @public
 */
export type PolicyFunction = (report: StepReport) => Partial<Settings> | void;

/**
 * Options of {@link ggn}.
 * @public
 */
export interface GgnOptions {
  /**
   * Share of the solved step that is taken: w ← w + learningRate · d. Above 0, at most 1; 1 is the full
   * Gauss-Newton step. 0.1 is robust to noise in the targets, 0.3 two to three times faster without noise.
   * Default `'auto'`: the policy sets it.
   */
  learningRate?: number | 'auto';
  /**
   * Relative Levenberg damping τ ≥ 0: λ = τ · trace(SᵀGS) / min(n, m), taken anew from every batch, so that τ does
   * not depend on the scale of the data, the loss or the width of the network. More damping means shorter, safer
   * steps. Default `'auto'`: the policy sets it.
   */
  damping?: number | 'auto';
  /**
   * SPRING momentum μ in [0, 1): the step is damped towards μ times the last one (Goldshlager, Abrahamsen, Lin,
   * 2024). Default `'auto'`: the policy sets it.
   */
  momentum?: number | 'auto';
  /**
   * What sets those of the three that are `'auto'`, from step to step. Default `'auto'`.
   *
   * - `'auto'`: `'levenbergMarquardt'` where training goes on with the same data in every step (in `fit` one batch an epoch, elsewhere the same examples in
   *   any order, no dropout or noise), and on batches of three examples and more for each parameter, with shorter steps below 16; `'agreement'` on other mini-batches; `'fixed'` where all three are given.
   * - `'agreement'`: a learning rate between 0.1 and 1 that grows while new batches agree with the last steps and falls where they do not; damping
   *   that falls from 1 to 0.03; momentum 0.9 to 0.96, more for small batches.
   * - `'levenbergMarquardt'`: learning rate 1, no momentum, damping by Nielsen's rule from the gain ratio; a step that does not decrease the loss is
   *   rejected and solved again.
   * - `'fixed'`: learning rate 0.1, damping 0.1, momentum 0.9.
   * - a function of the report of the last step. It is saved as `'custom'` and must be given again after loading.
   */
  policy?: 'auto' | 'agreement' | 'levenbergMarquardt' | 'fixed' | PolicyFunction;
  /** Options of `'levenbergMarquardt'`. */
  levenbergMarquardt?: LevenbergMarquardtOptions;
  /**
   * The system that a step is solved from; `lastStep.solver` says which. With n rows (examples times outputs) and m trained parameters,
   *
   * - `'gram'`: n x n, from the Gram matrix of the rows. At most 8192 rows.
   * - `'normal'`: m x m, from the normal equations, summed over chunks of rows, so that n is not limited. At most 2048 parameters.
   *
   * - `'cg'`: conjugate gradients on products with the Jacobian and its transpose, to a relative residual of 1e-6. For any n and m; where they do not converge in 200
   *   products, the damping is raised. What the products are taken of is held over all of them as far as memoryLimit allows.
   *
   * Each gives the same step, to rounding; the normal equations resolve less damping. Default `'auto'`: the faster of the first two (the normal equations
   * where m < n/2, and where m < n and both are small), `'cg'` with more than 4096 rows and more than 2048 parameters. Where all trained variables are scalars or
   * vectors and the policy is `'levenbergMarquardt'`, `'normal'` whatever n, up to 2048 parameters and 2²⁸ operations n m²/2 + m³/3 (2²⁴ where m > 2n).
   */
  solver?: 'auto' | SystemName;
  /**
   * The metric of the damping term (λ/2) dᵀΣd.
   *
   * - `'levenberg'`: Σ = I, λ = τ · trace(SᵀGS) / min(n, m).
   * - `'marquardt'`: Σ = diag(JᵀHJ), λ = τ: the step does not depend on the units of each parameter. In the normal equations only.
   *
   * Default `'auto'`: Marquardt's in the normal equations under the policy `'levenbergMarquardt'` where all trained variables are scalars or vectors, since
   * such parameters often have a meaning, and a unit, each; Levenberg's elsewhere, since the weights of a layer share theirs. Under that policy Marquardt's Σ is the largest diagonal
   * that each parameter has had, and a step is rejected that changes a parameter by more than twice its value, |d_j| > 2|w_j|, and the residuals by that alone as much as a
   * tenth of them, Σ_jj d_j² > 0.01 |z|², unless the loss falls by as much as the model says, to 0.1 %.
   */
  scaling?: 'auto' | Scaling;
  /**
   * Decoupled weight decay κ in [0, 1]: after each step w ← w - learningRate · κ · w on variables of rank 2 and more (kernels and embeddings, not biases and
   * scales), beside the loss and its Jacobian, as in AdamW (Loshchilov & Hutter 2019). 0.01 was good for noisy data in the bench; without noise
   * it only disturbs. Default 0.
   */
  weightDecay?: number;
  /**
   * Bytes of tensors that a step may hold at once, beside what f() itself holds (weights, activations, the state). Dense rows of the
   * Jacobian that do not fit are formed in blocks, which takes longer; a step that cannot be taken within the limit is refused with
   * an error. At least 2²⁰ (1 MiB). Default 2³⁰ (1 GiB).
   */
  memoryLimit?: number;
}

export type SettingName = keyof Settings;
