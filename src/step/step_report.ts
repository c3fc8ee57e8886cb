import type {Curvature} from '../loss/functions/loss_derivatives';
import type {PolicyName} from '../policy/policies';
import type {SolveStatus} from '../solve/damped_step';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';

/**
 * What one step did; see {@link GramGaussNewton.lastStep}.
 * @public
 */
export interface StepReport {
  /** Number of this step, counted from 1. */
  readonly iteration: number;
  /** The loss that f() returned, at the weights before the step; regularizers included. */
  readonly loss: number;
  /** Rows n of the batch Jacobian: examples times outputs. */
  readonly rows: number;
  /** Trained parameters m that the rows depend on. */
  readonly parameters: number;
  /** The policy that set this step: `'auto'` is `'levenbergMarquardt'` on full batches and on those that determine the
   * parameters by themselves, and `'agreement'` on other mini-batches. */
  readonly policy: PolicyName;
  /** Learning rate of this step. */
  readonly learningRate: number;
  /** Momentum μ of this step. */
  readonly momentum: number;
  /** Relative damping τ that was used: what was asked for, or more where `status` is `'raised'`. */
  readonly damping: number;
  /** The system that the step was solved from, see {@link GgnOptions.solver}. */
  readonly solver: SystemName;
  /** The metric of the damping, see {@link GgnOptions.scaling}. */
  readonly scaling: Scaling;
  /** Damping λ = τ · trace(SᵀGS) / min(n, m), in units of the loss; λ = τ with Marquardt's scaling. */
  readonly lambda: number;
  /** Euclidean norm of the gradient of the whole loss. */
  readonly gradientNorm: number;
  /** Euclidean norm of the change of the weights, learning rate included, without weight decay; 0 for a step not taken. */
  readonly stepNorm: number;
  /**
   * -(gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s) for the step s = learning rate · d, λ not included: what the quadratic model says the loss decreases by. null where
   * no step was solved.
   */
  readonly predictedDecrease: number | null;
  /**
   * L(w) - L(w + s) of this batch, from the residuals in float64; of the last attempt where no step was taken. null where the policy does not judge
   * its steps (`'fixed'`, `'agreement'` but for detours and a first step that may be one of many on the same data): it takes a forward pass.
   */
  readonly actualDecrease: number | null;
  /** Gain ratio: actual over predicted decrease, 1 where the model is exact; null as above. */
  readonly gainRatio: number | null;
  /** How often the step was solved: more than once where it was rejected. */
  readonly attempts: number;
  /**
   * -⟨z, SᵀJ d_prev⟩ / (|z| |SᵀJ d_prev|) in [-1, 1]: whether the last step, by the rows of this batch, should have been longer (above 0) or
   * shorter (below 0). With q for z and J d_prev for SᵀJ d_prev where the loss is no sum of squares. null on the first step, and where the policy does not
   * ask.
   */
  readonly agreement: number | null;
  /**
   * - `'ok'`: the step was taken as asked.
   * - `'raised'`: taken, with more damping than asked, since float32 does not resolve less.
   * - `'rejected'`: not taken; every attempt raised the loss, by more than its rounding where it promised less than that, or led to where the loss or its derivatives are not finite. Or
   *   a detour of `'auto'` led no lower, and the weights are those of its beginning again.
   * - `'flat'`: not taken; no residual depends on the weights at this point (dead units, or every row has weight 0).
   * - `'noCurvature'`: not taken; the gradient is not zero, but the loss has no curvature in any row (it is linear or concave in the outputs), so
   *   that no step follows from it.
   * - `'breakdown'`: not taken; the system could not be factored with any damping tried.
   * - `'precision'`: not taken; the step could not be computed accurately in float32, or conjugate gradients did not converge. Use more damping.
   */
  readonly status: SolveStatus | 'rejected';
  /**
   * How the Jacobian was taken:
   *
   * - `'batch'`: exact, with one reverse sweep per output.
   * - `'forward'`: exact, with a forward sweep for each parameter, all of them at once, where these are fewer than reverse sweeps would be: a few
   *   parameters behind many small kernels (a differential equation solved in f(), a recurrence, a filter), or examples that cannot be told apart.
   * - `'rowByRow'`: exact, with one reverse sweep for every row of a term whose examples cannot be told apart. Slow.
   * - `'frozenStatistics'`: with the statistics of the batch (means, variances, ... over the examples, as batch normalisation takes
   *   them) held constant, since through them every output depends on every example; then changed by the least that makes the
   *   gradient exact, what flows through the statistics included.
   */
  readonly jacobian: 'batch' | 'forward' | 'rowByRow' | 'frozenStatistics';
  /**
   * The curvature H of the loss in the rows:
   *
   * - `'exact'`: its second derivative. Squares of any residuals, cross-entropies, and other functions of outputs that are convex there.
   * - `'projected'`: its second derivative, where that is negative by its size (a single output at least by the mean size), which bounds the step; the loss is not convex in the outputs at this point.
   * - `'majorized'`: for some residuals r, |l'(r)| / max(|r|, δ) with δ = 0.1 · mean |r|, since the second derivative vanishes (absolute error,
   *   hinges, the tails of Huber's loss): iteratively reweighted least squares. The others have the exact or projected one. Also for monotone functions f of
   *   sums of squares, such as the root mean square: f'(Σ w r²) · 2w, without the term of f''.
   * - `'unbounded'`: the loss has no lower bound: a cross-entropy has negative weights, as in policy gradients, or targets outside [0, 1], or the loss falls without end along its steepest
   *   descent in the outputs of an example. For those examples at least a quarter of the steepest slope, which bounds what a step changes their outputs by; the others have one of the above. A
   *   warning says so once.
   *
   * The gradient is exact in each case.
   */
  readonly curvature: Curvature;
  /** Milliseconds spent in each part of the step. */
  readonly milliseconds: {
    readonly capture: number;
    readonly linearize: number;
    readonly gram: number;
    readonly solve: number;
    /** Forward passes that judge the attempts. */
    readonly trial: number;
    readonly update: number;
  };
}
