import {Optimizer, tidy, type NamedTensorMap, type Scalar, type serialization,
  type Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {withKernels} from '../kernels/allowed';
import type {Settings} from '../policy/policy';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';
import type {StepReport} from '../step/step_report';
import {trainedVariables} from '../step/trained_variables';
import {onFitEnd} from '../tfjs/fit_end_hook';
import {checkPrecision, checkReads} from '../tfjs/precision';
import {lent, type NamedTensor} from '../tfjs/save_hook';
import {fitBatchOf} from '../tfjs/fit_batch_hook';
import type {Convergence} from './convergence';
import {CLASS_NAME, hookOwnLayers} from './hook_layers';
import type {GgnOptions, Regularization, SettingName} from './options';
import {checkAgain, checkOptions, checkPolicy, checkSetting, OPTIONS, type CheckedOptions} from './check_options';
import {Training} from './training';

/**
 * Gram-Gauss-Newton: a second-order optimizer for least squares, classification and other losses
 * that are functions of the outputs of a network. Use {@link ggn} to make one.
 *
 * A batch of B examples with C outputs has n = B·C residual rows r, and their Jacobian J = dr/dw by
 * the m parameters, n x m. Its loss is L = Σ w_i r_i², as tfjs reports it: a mean, without ½. With
 * S = diag(sqrt(2w)), z = S r and the damping λ = τ · trace(SᵀJJᵀS) / min(n, m), one step is
 *
 *     d = μ d_prev - JᵀS (SᵀJJᵀS + λI)⁻¹ (z + μ SᵀJ d_prev)          w ← w + learningRate · d
 *
 * This d is the exact minimiser of ½|SᵀJd + z|² + (λ/2)|d - μ d_prev|². L2 regularizers ρ|w|² enter
 * with their exact curvature, and other functions of a single variable with their exact gradient.
 * The solved system is n x n, and J is never stored for dense layers. If m < n, then the system is
 * m x m, and the step is the same.
 *
 * Another loss L(f) of outputs f has q = dL/df and H = d²L/df² = S Sᵀ, and its step is
 * -(JᵀHJ + λI)⁻¹Jᵀq. Such outputs are the logits of cross-entropies, and the outputs in losses of
 * the user. {@link StepReport.curvature} says which H is taken.
 *
 * A policy sets the learning rate, τ and μ from step to step, see {@link GgnOptions.policy}.
 *
 * Sources: Cai et al., arXiv 1905.11675 (the step); Goldshlager, Abrahamsen, Lin, 2024 (the
 * momentum, SPRING); Madsen, Nielsen, Tingleff, 2004 (Levenberg-Marquardt).
 * @public
 */
export class GramGaussNewton extends Optimizer {
  /** Name in saved models. */
  static get className(): string {
    return CLASS_NAME;
  }

  /**
   * Tests the class name, since the test of tfjs takes every optimizer for an instance of every
   * optimizer class.
   */
  static override [Symbol.hasInstance](instance: unknown): boolean {
    const {getClassName} = (instance ?? {}) as Partial<GramGaussNewton>;
    return typeof getClassName === 'function' &&
        getClassName.call(instance as GramGaussNewton) === GramGaussNewton.className;
  }

  /** See {@link GgnOptions.memoryLimit}; may be changed between steps. */
  memoryLimit: number;
  /** See {@link GgnOptions.solver}; may be changed between steps. */
  solver: 'auto' | SystemName;
  /** See {@link GgnOptions.scaling}; may be changed between steps. */
  scaling: 'auto' | Scaling;
  /** See {@link GgnOptions.weightDecay}; may be changed between steps. */
  weightDecay: number | 'auto';
  /** See {@link GgnOptions.regularization}; may be changed between steps. */
  regularization: Regularization;
  /** See {@link GgnOptions.averaging}; may be changed between steps. */
  averaging: boolean;
  /** See {@link GgnOptions.kernels}; may be changed between steps. */
  kernels: 'auto' | 'tfjs';

  private given: Record<SettingName, number | 'auto'>;
  private wanted: Pick<CheckedOptions, 'policy' | 'policyFunction'>;
  private readonly levenbergMarquardt: CheckedOptions['levenbergMarquardt'];
  private readonly training: Training;

  constructor(options: GgnOptions = {}) {
    super();
    hookOwnLayers();
    const checked = checkOptions(options);
    this.given = {...checked.given};
    this.wanted = {policy: checked.policy, policyFunction: checked.policyFunction};
    this.levenbergMarquardt = checked.levenbergMarquardt;
    ({memoryLimit: this.memoryLimit, solver: this.solver, scaling: this.scaling, weightDecay: this.weightDecay,
      regularization: this.regularization, averaging: this.averaging, kernels: this.kernels} = checked);
    this.training = new Training(checked.levenbergMarquardt);
    onFitEnd(this, () => this.training.last.releaseLarge());
  }

  /**
   * Learning rate of the next step, see {@link GgnOptions.learningRate}: the given number, else the
   * number that the policy has so far. It may be set between steps, for instance by a callback;
   * `'auto'` gives it back to the policy.
   *
   * @throws Error for a number out of its range.
   */
  get learningRate(): number {
    return this.coming.learningRate;
  }

  set learningRate(value: number | 'auto') {
    this.given.learningRate = checkSetting('learningRate', value);
  }

  /**
   * Relative damping τ of the next step, see {@link GgnOptions.damping}; read and set like the
   * learning rate.
   */
  get damping(): number {
    return this.coming.damping;
  }

  set damping(value: number | 'auto') {
    this.given.damping = checkSetting('damping', value);
  }

  /** Momentum μ of the next step, see {@link GgnOptions.momentum}; read and set likewise. */
  get momentum(): number {
    return this.coming.momentum;
  }

  set momentum(value: number | 'auto') {
    this.given.momentum = checkSetting('momentum', value);
  }

  /** See {@link GgnOptions.policy}; a function reads as `'custom'`. May be set between steps. */
  get policy(): 'auto' | StepReport['policy'] {
    return this.wanted.policy;
  }

  set policy(value: Exclude<GgnOptions['policy'], undefined> | 'custom') {
    this.wanted = checkPolicy(value);
  }

  private get own(): Omit<CheckedOptions, 'given' | 'policy' | 'policyFunction'> {
    const {levenbergMarquardt, memoryLimit, solver, scaling, weightDecay, regularization, averaging, kernels} = this;
    return {levenbergMarquardt, memoryLimit, solver, scaling, weightDecay, regularization, averaging, kernels};
  }

  private get coming(): Settings {
    return this.training.policies.settings(this.wanted.policy, this.given);
  }

  /** The report of the last step; null before the first step. */
  get lastStep(): StepReport | null {
    return this.training.last.report;
  }

  /**
   * trace(C(C + λI)⁻¹) = Σ σ²/(σ² + λ), with C = SᵀJJᵀS and λ of the last step: the number of
   * directions in the space of the weights that the data of the step determine at that damping,
   * between 0 and min(rows, parameters). Each call takes min(rows, parameters)³ operations in
   * float64.
   *
   * The optimizer holds the matrix for it until the next step begins. A matrix of more than 4 MiB
   * (724 rows or parameters) is held until `fit` ends; call this from a callback then.
   *
   * @returns null before the first step, after a step by conjugate gradients, which have no matrix,
   * and without a held matrix.
   */
  effectiveDimension(): number | null {
    return this.training.last.effectiveDimension();
  }

  /**
   * The share of the loss that is left to gain from the point at which the last step began, see
   * {@link Convergence.remaining} for its formula and for the cases of NaN. To end a loop, call
   * {@link GramGaussNewton.convergence}, which reads this number, and also handles NaN and a number
   * that rounding keeps above 0. Each call takes one more factorization.
   *
   * The optimizer holds the matrix for it until the next step begins, or until `dispose()`. If
   * `fit` ends with a matrix of more than 4 MiB, then the optimizer keeps only the number.
   */
  remainingDecrease(): number {
    return this.training.last.remaining().known;
  }

  /**
   * Whether a training on the same data in every step (a curve, a calibration, equations) is at its
   * end, and why:
   *
   *     do {
   *       optimizer.minimize(loss);
   *     } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 1000);
   *
   * {@link Convergence.status} says when each status is reached.
   */
  convergence(): Convergence {
    return this.training.patience.judge(this.training.last.remaining());
  }

  /**
   * Takes one Gram-Gauss-Newton step on the loss that f() returns. `model.fit` calls this for every
   * batch.
   *
   * f() runs exactly once. After an error the trained weights, the optimizer's state, every
   * variable that f() wrote and the number of tensors are as before.
   *
   * @param f - returns the loss, a scalar: a mean or sum of squares of float32 rows, or another
   * function of the outputs of a network that does not couple examples; regularizers added.
   * @param returnCost - whether to return the loss, at the point before the step.
   * @param varList - variables to train; by default all trainable variables that f() uses.
   * @throws Error for a loss that couples examples or has trained variables behind the outputs, for
   * a model that couples the examples of a batch or has a layer that tfjs cannot differentiate, for
   * numbers that are not finite, on a WebGL backend of float16 textures, and on a backend that
   * reads wrong numbers from its device.
   */
  override minimize(f: () => Scalar, returnCost = false, varList?: Variable[]): Scalar | null {
    const options = checkAgain({...this.wanted, given: this.given, ...this.own});
    if (typeof f !== 'function') {
      throw ggnError('minimize() takes the function that computes the loss, as in minimize(() => loss); ' +
          `received ${typeof f}.`);
    }
    const trained = trainedVariables(varList);
    checkPrecision();
    checkReads();
    const isTrained = (variable: Variable): boolean =>
      variable.trainable && (trained === null || trained.has(variable));
    const [fitBatch, iteration] = [fitBatchOf(this), this.iterations + 1];
    const request = {f, fitBatch, varList: varList ?? null, isTrained, options, iteration};
    const cost = withKernels(options.kernels === 'auto', () => tidy(() => this.training.takeStep(request)));
    this.incrementIterations();
    if (!returnCost) {
      cost.dispose();
    }
    return returnCost ? cost : null;
  }

  /**
   * This is not possible: a Gram-Gauss-Newton step needs the Jacobian of the batch, which gradients
   * do not hold.
   *
   * @throws Error always; call {@link GramGaussNewton.minimize}.
   */
  override applyGradients(gradients: NamedTensorMap | NamedTensor[]): void {
    const names = Array.isArray(gradients) ? gradients.map(({name}) => name) : Object.keys(gradients ?? {});
    throw ggnError(`applyGradients() received gradients only (of ${names.join(', ') || 'nothing'}), and a ` +
        'Gram-Gauss-Newton step needs the Jacobian of the batch. Call optimizer.minimize(() => loss) instead; to ' +
        'work with gradients, use a first-order optimizer such as tf.train.sgd.');
  }

  /** The options and the state of the policy, as saved in a model. */
  override getConfig(): serialization.ConfigDict {
    const config = {...this.given, policy: this.wanted.policy, ...this.own,
      levenbergMarquardt: {...this.levenbergMarquardt}, policyState: this.training.policies.saved()};
    return config as unknown as serialization.ConfigDict;
  }

  /** Makes the optimizer from a saved config. Other keys are ignored, as tfjs adds some. */
  static override fromConfig<T extends serialization.Serializable>(
      cls: serialization.SerializableConstructor<T>, config: serialization.ConfigDict): T {
    const {policyState} = config;
    const optimizer = new cls(Object.fromEntries(OPTIONS.map(name => [name, config[name]])));
    if (optimizer instanceof GramGaussNewton && policyState !== undefined) {
      optimizer.training.policies.load(policyState);
    }
    return optimizer;
  }

  /**
   * Copies of the state: the iteration count, then for every variable of the last step d_prev,
   * named `ggn/1/previousStep/i`. With regularization `'bayesian'` the weights at the maximum of
   * the evidence follow, `ggn/1/bestWeights/i`. If the variables hold an average, then
   * `ggn/1/average` follows, the number of its steps and fingerprints, and the training point y of
   * every variable, `ggn/1/trainingPoint/i`; see {@link GgnOptions.averaging}. Later steps do not
   * change the copies. A second call before the next step returns the same copies. The caller may
   * dispose of them; at the latest, `dispose()` does. Copies that were made for `model.save` are
   * gone when the save ends.
   */
  override async getWeights(): Promise<NamedTensor[]> {
    const {state} = this.training;
    return lent(this, () => state.freshCopy(this.iterations)) ?? state.copy(this.iterations);
  }

  /**
   * Loads the tensors that `getWeights` gave, and copies them. The next step matches them to its
   * variables by position and shape. All entries are checked before any is taken: after an error
   * the optimizer has the state that it had.
   *
   * @throws Error, with the name of the entry, for a state of another optimizer or of another
   * version of the format, for entries that are missing, doubled, in another order or of another
   * type, for numbers that are not finite, and for a count that is not a whole number from 0 to
   * 2³¹ - 1.
   */
  override async setWeights(weightValues: NamedTensor[]): Promise<void> {
    this.iterations_ = await this.training.state.load(weightValues);
  }

  /**
   * Frees the state, all copies of it that `getWeights` gave, and the matrix of the last step. The
   * optimizer can be used again: it starts without momentum, and average and evidence begin anew.
   */
  override dispose(): void {
    this.training.dispose();
  }
}
