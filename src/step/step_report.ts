import type {Plan} from '../jacobian/plan/plan';
import type {Curvature} from '../loss/functions/loss_derivatives';
import type {Rows} from '../loss/rows';
import type {Evidence} from '../policy/evidence';
import type {PolicyName} from '../policy/policies';
import type {SolveStatus} from '../solve/damped_step';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';

/**
 * The report of one step, see {@link GramGaussNewton.lastStep}. Its letters are those of {@link
 * GramGaussNewton}: n rows (examples times outputs), m parameters, J the Jacobian (n x m), G = JJᵀ,
 * H = SSᵀ the curvature of the loss in the rows, d the solved step, and s = learningRate · d the
 * step of the weights w.
 * @public
 */
export interface StepReport {
  /** Number of this step, counted from 1. */
  readonly iteration: number;
  /**
   * The loss L that f() returned, regularizers included, at the weights before the step. If the
   * variables hold an average, these are the training point, see {@link GgnOptions.averaging}.
   */
  readonly loss: number;
  /** Rows n of the batch Jacobian: examples times outputs. */
  readonly rows: number;
  /** Trained parameters m that the rows depend on. */
  readonly parameters: number;
  /**
   * The policy that set this step: for the option `'auto'`, `'evidenceDamping'` or
   * `'levenbergMarquardt'` on full batches, `'levenbergMarquardt'` on batches that determine the
   * parameters by themselves, and `'agreement'` on other mini-batches.
   */
  readonly policy: PolicyName;
  /** Learning rate of this step. */
  readonly learningRate: number;
  /** Momentum μ of this step. */
  readonly momentum: number;
  /** Relative damping τ of the solve: the asked τ, or more if `status` is `'raised'`. */
  readonly damping: number;
  /** The system that the step was solved from, see {@link GgnOptions.solver}. */
  readonly solver: SystemName;
  /**
   * The metric of the damping, see {@link GgnOptions.scaling}. `'levenberg'` stands also for the
   * units of layers that `scaling: 'auto'` takes for raw data.
   */
  readonly scaling: Scaling;
  /**
   * Damping λ = τ · trace(SᵀGS) / min(n, m), in units of the loss; λ = τ with Marquardt's scaling.
   */
  readonly lambda: number;
  /** Euclidean norm |g| of the gradient of the whole loss. */
  readonly gradientNorm: number;
  /**
   * Euclidean norm |s| of the change of the weights, learning rate included, without weight decay;
   * 0 for a step that was not taken.
   */
  readonly stepNorm: number;
  /**
   * p = -(gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s): the decrease of the loss that the quadratic model promises, λ
   * not included. null if no step was solved.
   */
  readonly predictedDecrease: number | null;
  /**
   * a = L(w) - L(w + s) of this batch, from the residuals in float64. If no step was taken, it is
   * that of the last attempt. null if the policy does not judge its steps, since it takes a forward
   * pass: under `'fixed'`, and under `'agreement'` but for detours and a first step that may be one
   * of many on the same data.
   */
  readonly actualDecrease: number | null;
  /** Gain ratio a/p: 1 if the model is exact; null as above, and for s = 0. */
  readonly gainRatio: number | null;
  /** Number of solves of the step: more than 1 after a rejected attempt. */
  readonly attempts: number;
  /**
   * -⟨z, SᵀJ d_prev⟩ / (|z| |SᵀJ d_prev|) in [-1, 1]: by the rows of this batch, the last step
   * should have been longer (above 0) or shorter (below 0). If the loss is no sum of squares, q
   * stands for z, and J d_prev for SᵀJ d_prev. null on the first step, and if the policy does not
   * use it.
   */
  readonly agreement: number | null;
  /**
   * In the inequalities, λ_τ is the λ of the asked τ, and λ_0 is λ_τ or the least λ that float32
   * resolves, if that is larger. δ is the difference of two losses that float32 does not resolve:
   * by the rounding of the residuals, and at least 2⁻²² of the loss of the rows.
   *
   * - `'ok'`: the step was taken, with λ = λ_τ. Under `'levenbergMarquardt'` and
   *   `'evidenceDamping'` p > δ and a > 0, or 0 ≤ p ≤ δ and a ≥ -δ.
   * - `'raised'`: the same with λ > λ_τ, λ_0 ≤ λ ≤ 10⁷ λ_0, since float32 does not resolve less.
   * - `'rejected'`: not taken. In the last attempt p > δ and a ≤ 0, or 0 ≤ p ≤ δ and a < -δ, or p <
   *   0. Or the step was beyond the bound of {@link GgnOptions.scaling} with |a/p - 1| > 0.001. Or
   *   w + s, the loss or its derivatives at w + s are not finite. Or the Jacobian at the weights
   *   is of no use: the weights are those before. Or a guarded step, see {@link
   *   GgnOptions.policy}, found no damping at which the loss follows the model. Or a detour of
   *   `'auto'` led no lower, or its training on mini-batches diverged: the weights are earlier
   *   ones again. Or the evidence is past its maximum: the weights are those of the maximum.
   * - `'flat'`: not taken. trace(SᵀGS) = 0, ρ = 0 and g = 0: no residual depends on the weights at
   *   this point (dead units, or every row has weight 0).
   * - `'noCurvature'`: not taken. trace(SᵀGS) = 0, ρ = 0 and |g| > 0: the loss has no curvature in
   *   any row (it is linear or concave in the outputs), so that no step follows from it.
   * - `'breakdown'`: not taken. The system could not be factored with any of λ_0, 10 λ_0, ..., 10⁷
   *   λ_0.
   * - `'precision'`: not taken. With each of these λ, J d in float32 was off its prediction by more
   *   than 2 % of it, or conjugate gradients did not converge. Use more damping.
   */
  readonly status: SolveStatus | 'rejected';
  /**
   * The way that the Jacobian was taken:
   *
   * - `'batch'`: exact, with one reverse sweep for each output.
   * - `'forward'`: exact, with one forward sweep for each parameter, all of them at once, if these
   *   are fewer than the reverse sweeps: a few parameters behind many small kernels (a differential
   *   equation solved in f(), a recurrence, a filter), or examples that cannot be told apart.
   * - `'products'`: exact, without rows. Conjugate gradients take one forward sweep for each
   *   product J d and one reverse sweep for each product Jᵀu, if an example has more than 1024
   *   outputs, or if the examples cannot be told apart.
   * - `'rowByRow'`: exact, with one reverse sweep for each row of a term whose examples cannot be
   *   told apart. Slow.
   * - `'frozenStatistics'`: the statistics of the batch (means, variances, ... over the examples,
   *   as batch normalisation takes them) are held constant, since through them every output depends
   *   on every example. Then the Jacobian is changed by the least that makes the gradient exact,
   *   with the part that flows through the statistics.
   */
  readonly jacobian: 'batch' | 'forward' | 'products' | 'rowByRow' | 'frozenStatistics';
  /**
   * The curvature H of the loss in the rows. The gradient is exact in each case.
   *
   * - `'exact'`: the second derivative of the loss. For squares of any residuals, cross-entropies,
   *   and other functions of outputs that are convex at this point.
   * - `'projected'`: the second derivative, and its size if it is negative (for a single output at
   *   least the mean size), which bounds the step. The loss is not convex in the outputs at this
   *   point.
   * - `'majorized'`: |l'(r)| / max(|r|, δ) with δ = 0.1 · mean |r| for some residuals r, since
   *   their second derivative vanishes (absolute error, hinges, the tails of Huber's loss):
   *   iteratively reweighted least squares. If the policy rejects no steps, as on mini-batches,
   *   also for residuals with l''(r) < ½ l'(r)/r (the tails of log-cosh, Charbonnier's and Cauchy's
   *   loss), whose step by l'' would go beyond -r. The others have the exact or projected one. Also
   *   for monotone functions f of sums of squares, such as the root mean square: f'(Σ w r²) · 2w,
   *   without the term of f''.
   * - `'unbounded'`: the loss has no lower bound. A cross-entropy has negative weights, as in
   *   policy gradients, or targets outside [0, 1], or the loss falls without end along its steepest
   *   descent in the outputs of an example. Those examples have at least a quarter of the steepest
   *   slope as curvature, which bounds the change of their outputs by a step; the others have one
   *   of the above. A warning says so once.
   */
  readonly curvature: Curvature;
  /**
   * Prior, noise and evidence of the regularization `'bayesian'`; null without it. With it, the
   * gradient and the decreases p and a are those of the loss with the penalty of the prior.
   */
  readonly evidence: Evidence | null;
  /** Milliseconds of each part of the step. */
  readonly milliseconds: {
    /** f(), recorded. */
    readonly capture: number;
    /** Rows and their Jacobian. */
    readonly linearize: number;
    /** Gram matrix or normal equations, and the derivatives of the loss. */
    readonly gram: number;
    /** Factorization and solve. */
    readonly solve: number;
    /** Forward passes that judge the attempts. */
    readonly trial: number;
    /** The step and the new weights. */
    readonly update: number;
  };
}

/** The way that the Jacobian was taken, see `StepReport.jacobian`. */
export function wayOf({groups}: Rows, plans: readonly Plan[]): StepReport['jacobian'] {
  if (plans.some(plan => plan.analysis.frozen.size > 0)) {
    return 'frozenStatistics';
  }
  if (plans.some(plan => plan.products !== undefined)) {
    return 'products';
  }
  if (groups.some(({examples}, g) => plans[g].forward === undefined && plans[g].analysis.examples < examples)) {
    return 'rowByRow';
  }
  return plans.some(plan => plan.forward !== undefined) ? 'forward' : 'batch';
}
