import type {LevenbergMarquardtOptions} from '../policy/levenberg_marquardt';
import type {PolicyName} from '../policy/policies';
import type {Settings} from '../policy/policy';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';
import type {StepReport} from '../step/step_report';

/**
 * A policy of your own: a function of the report of a step that returns settings for the next step.
 * A setting that is left out stays as it was. The first step has the defaults of the policy
 * `'fixed'`.
 *
 * Every step is judged for the function ({@link StepReport.gainRatio}). Every step is also taken,
 * but for a step to a point at which the loss, as f() computes it in float32, or its derivatives
 * would not be finite: such a step has the status `'rejected'`.
 * @public
 */
export type PolicyFunction = (report: StepReport) => Partial<Settings> | void;

/**
 * Options of {@link ggn}. In their formulas a batch has n rows (examples times outputs), m trained
 * parameters and G = JJᵀ; {@link GramGaussNewton} explains the other letters.
 * @public
 */
export interface GgnOptions {
  /**
   * Share of the solved step that is taken: w ← w + learningRate · d. It lies above 0, and is at
   * most 1, the full Gauss-Newton step. Default `'auto'`: the policy sets it.
   *
   * Measured: 0.1 is robust to noise in the targets; without noise, 0.3 is two to three times
   * faster.
   */
  learningRate?: number | 'auto';
  /**
   * Relative Levenberg damping τ ≥ 0. The damping λ = τ · trace(SᵀGS) / min(n, m) is taken anew
   * from every batch, so that τ does not depend on the scale of the data, on the loss or on the
   * width of the network. More damping means shorter, safer steps. Default `'auto'`: the policy
   * sets it.
   */
  damping?: number | 'auto';
  /**
   * SPRING momentum μ, at least 0 and below 1: the step is damped towards μ times the last step.
   * Default `'auto'`: the policy sets it. Source: Goldshlager, Abrahamsen, Lin, 2024.
   */
  momentum?: number | 'auto';
  /**
   * The policy sets those of `learningRate`, `damping` and `momentum` that are `'auto'`, from step
   * to step. Default `'auto'`.
   *
   * - `'auto'`: `'fixed'` if all three are given, else `'levenbergMarquardt'` if training goes on
   *   with the same data in every step (in `fit` one batch an epoch, elsewhere the same examples in
   *   any order, without dropout or noise), and on batches of at least three examples for each
   *   parameter, with shorter steps below 16 examples for each, else `'agreement'`. In the place of
   *   `'levenbergMarquardt'` it is `'evidenceDamping'` on the same data in every step for squares
   *   and likelihoods without regularizers, solved from the Gram system, with at most 1280 rows and
   *   fewer than three rows for each parameter, if two variables have rank 2 or more, and damping
   *   and momentum are `'auto'`.
   * - `'agreement'`: a learning rate that grows, up to 1, while new batches agree with the last
   *   steps, and falls while they do not. For squares, let s be the share of the loss that is left,
   *   k the steps so far and B the examples of a batch. The learning rate is 0.3 in the first step,
   *   then from 1 on, and at least clip(B/256, 0.1, 0.5) · clip(0.05/s, 0.1, 1). The damping is
   *   max(0.03, 0.95^k, min(1, s)). The momentum is k/(k + 5), up to 0.9, for B below 128 up to
   *   0.96. Likelihoods of outputs that are no errors have a damping of 30 and s = ∞. For squares
   *   and likelihoods the damping grows up to 100 times, and kernels decay (see `weightDecay`),
   *   while new batches contradict the last steps: the steps then fit noise. For other losses the
   *   learning rate is at first 0.3 and at least 0.1, the damping falls from 1 to 0.03, or to 0.3
   *   for cross-entropies, and the momentum is 0.9 to 0.96. The variables hold an average of the
   *   weights, see `averaging`. If the training diverges, the optimizer goes back to its last good
   *   weights, with more damping. A step of a likelihood, and one of the first 20 steps on squares,
   *   is solved again with more damping if the loss of its batch lies far above the quadratic
   *   model.
   * - `'hypergradient'`: `'agreement'` of version 0.1.0. The learning rate follows the agreement
   *   from 0.3 on, within 0.1 and 1, and the damping falls from 1 to 0.03, whatever the loss and
   *   the noise. There is no average, no decay and no way back. With `scaling: 'levenberg'` the
   *   steps are those of 0.1.0.
   * - `'evidenceDamping'`: `'levenbergMarquardt'` with a second damping, up to τ = 100, that the
   *   evidence of a linear model of the rows adds in each step. It fits the signal, and stops by
   *   itself if noise is left. On steps without an evidence (other losses, regularizers, other
   *   systems) it is `'levenbergMarquardt'`. Source: MacKay 1992.
   * - `'levenbergMarquardt'`: learning rate 1, no momentum, damping by Nielsen's rule from the gain
   *   ratio. A step that does not decrease the loss is rejected and solved again.
   * - `'fixed'`: learning rate 0.1, damping 0.1, momentum 0.9.
   * - a function of the report of the last step. It is saved as `'custom'` and must be given again
   *   after loading.
   */
  policy?: 'auto' | Exclude<PolicyName, 'custom'> | PolicyFunction;
  /** Options of `'levenbergMarquardt'`, and of its part in `'evidenceDamping'`. */
  levenbergMarquardt?: LevenbergMarquardtOptions;
  /**
   * The system that a step is solved from, one of {@link SystemName}. On normalised data each
   * system gives the same step, to rounding; on others `'cg'` damps in other units, see `scaling`.
   * The normal equations resolve less damping. {@link StepReport.solver} tells the system of a
   * step.
   *
   * Default `'auto'`: the fastest for the numbers of rows and parameters, and the normal equations
   * for most fits of scalars and vectors; see {@link SystemName}.
   */
  solver?: 'auto' | SystemName;
  /**
   * The metric Σ of the damping term (λ/2) dᵀΣd.
   *
   * - `'levenberg'`: Σ = I, λ = τ · trace(SᵀGS) / min(n, m).
   * - `'marquardt'`: Σ = diag(JᵀHJ), λ = τ. The step does not depend on the unit of a parameter. It
   *   needs the normal equations.
   *
   * Default `'auto'`: `'marquardt'` in the normal equations under the policy
   * `'levenbergMarquardt'`, if all trained variables are scalars or vectors, since each of such
   * parameters often has a meaning and a unit of its own. Other variables take `'levenberg'`, since
   * the weights of a layer share their unit: Σ = I if inputs, activations, outputs and residuals
   * are of order one. For a dense layer of which one is not, Σ measures the weights of each input
   * by the deviation of the input, its mean as a part of the bias, and the last layer by the size
   * of the residuals. A step on raw data is then nearly that on normalised data. The trace in λ is
   * taken in these units, too. They are left out for layers with an L2 regularizer, for conjugate
   * gradients and for a Gram matrix in parts. Source: the factors of inputs in K-FAC (Martens &
   * Grosse 2015), restricted to means and deviations.
   *
   * Under that policy, Marquardt's Σ is the largest diagonal that each parameter has had; it fades
   * while τ is at its least value. A step is rejected there if it changes a parameter by more than
   * twice its value, |d_j| > 2|w_j|, and that change alone moves the residuals by more than a tenth
   * of them, Σ_jj d_j² > 0.01 |z|², with the diagonal that has not faded. But such a step is taken
   * if the loss falls by as much as the model promises, to 0.1 %.
   */
  scaling?: 'auto' | Scaling;
  /**
   * Decoupled weight decay κ in [0, 1]: each step also subtracts learningRate · κ · w from the
   * variables of rank 2 and more (kernels and embeddings, not biases and scales). The decay is
   * beside the loss and its Jacobian, as in AdamW. Source: Loshchilov & Hutter 2019.
   *
   * With the default `'auto'`, κ is up to 0.01 on mini-batches of squares and likelihoods, while
   * new batches contradict the last steps, as they do if the steps fit noise. On the full batch and
   * for other losses it is 0. The policy `'agreement'` has the formula.
   */
  weightDecay?: number | 'auto';
  /**
   * `'bayesian'`: an L2 penalty on all weights, whose strength training finds by itself together
   * with the noise of the targets, without validation data (`trainbr` of MATLAB). Default `'none'`.
   * A step minimises
   *
   *     ½|z|² + ½ Σ_g λ_g|w_g|²,      λ_g = α α⁰_g s̄²/β      g: a layer with its bias
   *
   * in place of the loss ½|z|² = Σ w_i r_i², with s̄² the mean of 2w_i, and α⁰_g the number of
   * weights of the layer over their sum of squares before the first step. α and β = 1/noise² are
   * MacKay's, with one iteration of his fixed point before each step:
   *
   *     M = Σ_g G_g/λ_g + I,   t = trace(M⁻¹),   γ = n - t          G_g = SᵀJ_gJ_gᵀS
   *     α ← (γ + 4) / (Σ α⁰_g|w_g|² + 4),      β ← t s̄²/|z|²
   *
   * When the evidence of a step, {@link Evidence.logEvidence}, has had no new maximum for ten
   * steps, the optimizer goes back to the weights of the maximum and stays there; {@link stopWhen}
   * and {@link GramGaussNewton.convergence} tell it. {@link StepReport.evidence} has the numbers.
   *
   * It takes all data in every step, the policy `'auto'` or `'levenbergMarquardt'`, and a loss that
   * is a sum or mean of squares, without regularizers of its own; an error names the part that does
   * not fit. Each step takes two more factorizations of the system, in float64. Other data in `fit`
   * begin anew; in a loop they are refused, as dropout is. Source: MacKay 1992; Foresee & Hagan
   * 1997.
   */
  regularization?: Regularization;
  /**
   * Whether the variables hold an average of the weights under the policy `'agreement'`. The
   * optimizer trains at the point y of its own. Between steps the variables hold the average x:
   * after k earlier steps x ← (1 - c) x + c y with c = 9/(k + 9). So validation, callbacks, saved
   * models and `predict` see the average. The loss that `fit` prints and `minimize` returns is the
   * loss at y, as {@link StepReport.loss} is. If somebody else writes a trained variable, then the
   * average and the training begin anew at that value. A model whose loss writes variables (the
   * moving averages of batch normalisation) has no average. Default true. Source: Shamir & Zhang
   * 2013.
   */
  averaging?: boolean;
  /**
   * Bytes of tensors that a step may hold at once, beside the tensors that f() itself holds
   * (weights, activations, the state). Dense rows of the Jacobian that do not fit are formed in
   * blocks, which takes longer. A step that cannot be taken within the limit is refused with an
   * error. The limit is at least 2²⁰ (1 MiB). Default 2³⁰ (1 GiB).
   */
  memoryLimit?: number;
  /**
   * Whether a step runs code of this package in the place of kernels of TensorFlow.js. Default
   * `'auto'`: products, convolutions, derivatives and factorizations run in a WebAssembly module
   * with SIMD, on the backend `'wasm'` in its memory and on `'cpu'` in a memory of their own, and
   * entrywise functions on `'cpu'` in plain loops. On `'cpu'` this also holds for the kernels that
   * f() calls while a step runs, and on `'wasm'` for its tanh. All results are right to the
   * rounding of float32. `predict`, `evaluate` and validation always run kernels of TensorFlow.js.
   *
   * `'tfjs'`: a step runs the kernels of TensorFlow.js alone, which takes longer. This tells
   * whether a fault lies in a kernel, and gives the loss that TensorFlow.js computes, to the last
   * bit.
   */
  kernels?: 'auto' | 'tfjs';
}

/**
 * The regularization of {@link GgnOptions.regularization}.
 * @public
 */
export type Regularization = 'none' | 'bayesian';

/** Name of a setting of a step: of a number that a policy sets. */
export type SettingName = keyof Settings;
