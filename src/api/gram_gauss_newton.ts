import {Optimizer, tidy} from '@tensorflow/tfjs-core';
import type {NamedTensorMap, Scalar, serialization, Variable} from '@tensorflow/tfjs-core';
import {batchSign} from '../step/batch_sign';
import {onFitEnd} from '../tfjs/fit_end_hook';
import {notingOutputs} from '../trace/model_outputs';
import {lent} from '../tfjs/save_hook';
import type {NamedTensor} from '../tfjs/save_hook';
import {capture, discard} from '../trace/capture';
import type {Trace} from '../trace/trace';
import {trainStepOf} from '../tfjs/train_step_hook';
import type {TrainStep} from '../tfjs/train_step_hook';
import {Clock} from '../tfjs/clock';
import {Detour} from '../step/detour';
import {ggnError, isNonFinite, markNonFinite} from '../errors';
import {CLASS_NAME, hookOwnLayers} from './hook_layers';
import {Thrift, withMemoryLimit} from '../tfjs/memory';
import {PlanCache} from '../jacobian/plan/plan_cache';
import {explainNonFinite} from '../loss/non_finite';
import {OptimizerState} from './optimizer_state';
import {checkCustom, checkMemoryLimit, checkOptions, checkPolicy, checkScaling, checkSetting, checkSolver,
  checkWeightDecay} from './options';
import type {CheckedOptions, GgnOptions, SettingName} from './options';
import type {Settings} from '../policy/policy';
import {initialState, StepPolicy, withoutDetour} from '../policy/step_policy';
import type {Given, PolicyState} from '../policy/step_policy';
import {readPolicyState} from '../policy/saved_state';
import {checkPrecision, checkReads} from '../tfjs/precision';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';
import {Patience} from './convergence';
import type {Convergence} from './convergence';
import {LastStep} from './last_step';
import {ScaleMemory} from '../systems/scale_memory';
import {solveStep} from '../step/step';
import type {StepReport} from '../step/step_report';
import {assignAll, checkDisposed, trainedVariables} from '../step/trained_variables';

/** What a step reports that goes back to where a detour began. */
const GONE_BACK = {status: 'rejected', stepNorm: 0} as const;

/**
 * Gram-Gauss-Newton, a second-order optimizer for least squares, classification and other losses that are functions of the outputs of a network.
 *
 * With the residual rows r of a batch (n = examples times outputs), their Jacobian J = dr/dw (n x m), and the loss
 * L = Σ w_i r_i² as tfjs reports it (a mean: no ½), S = diag(sqrt(2w)), z = S r and relative damping
 * λ = τ · trace(SᵀJJᵀS) / min(n, m), one step is
 *
 *     d = μ d_prev - JᵀS (SᵀJJᵀS + λI)⁻¹ (z + μ SᵀJ d_prev)          w ← w + learningRate · d
 *
 * the exact minimiser of ½|SᵀJd + z|² + (λ/2)|d - μ d_prev|². L2 regularizers ρ|w|² enter with their exact
 * curvature, other functions of a single variable with their exact gradient. The system that is solved has the size of the batch, and J is never stored
 * for dense layers; with fewer parameters than rows it has the size of the parameters, and the step is the same.
 *
 * Any other loss L(f) of outputs f, with q = dL/df and H = d²L/df² = S Sᵀ, has the step -(JᵀHJ + λI)⁻¹Jᵀq: the logits of cross-entropies are such
 * outputs, and those of losses of the user's own, see {@link StepReport.curvature} for what H is.
 *
 * Learning rate, τ and μ are set from step to step by a policy, see {@link GgnOptions.policy}.
 *
 * Sources: Cai et al., arXiv 1905.11675 (the step); Goldshlager, Abrahamsen, Lin, 2024 (the momentum, SPRING); Madsen, Nielsen, Tingleff, 2004
 * (Levenberg-Marquardt).
 *
 * Use {@link ggn} to make one.
 * @public
 */
export class GramGaussNewton extends Optimizer {
  /** Name in saved models. */
  static get className(): string {
    return CLASS_NAME;
  }

  /** By class name: tfjs's own test takes every optimizer for an instance of every optimizer class. */
  static override [Symbol.hasInstance](instance: unknown): boolean {
    const {getClassName} = (instance ?? {}) as Partial<GramGaussNewton>;
    return typeof getClassName === 'function' && getClassName.call(instance as GramGaussNewton) === GramGaussNewton.className;
  }

  /** See {@link GgnOptions.memoryLimit}; may be changed between steps. */
  memoryLimit: number;
  /** See {@link GgnOptions.solver}; may be changed between steps. */
  solver: 'auto' | SystemName;
  /** See {@link GgnOptions.scaling}; may be changed between steps. */
  scaling: 'auto' | Scaling;
  /** See {@link GgnOptions.weightDecay}; may be changed between steps. */
  weightDecay: number;

  private given: Record<SettingName, number | 'auto'>;
  private wanted: Pick<CheckedOptions, 'policy' | 'policyFunction'>;
  private readonly levenbergMarquardt: CheckedOptions['levenbergMarquardt'];
  private policyState: PolicyState;
  private readonly last = new LastStep();
  private readonly state = new OptimizerState();
  private readonly scales = new ScaleMemory();
  private readonly patience = new Patience();
  private readonly detour = new Detour();
  private readonly plans = new PlanCache();
  private readonly thrift = new Thrift();
  private warned = false;
  private warnedUnbounded = false;

  constructor(options: GgnOptions = {}) {
    super();
    hookOwnLayers();
    const {given, policy, policyFunction, levenbergMarquardt, memoryLimit, solver, scaling, weightDecay} = checkOptions(options);
    this.given = {...given};
    this.wanted = {policy, policyFunction};
    this.levenbergMarquardt = levenbergMarquardt;
    this.policyState = initialState(levenbergMarquardt);
    this.memoryLimit = memoryLimit;
    this.solver = solver;
    this.scaling = scaling;
    this.weightDecay = weightDecay;
    onFitEnd(this, () => this.last.releaseLarge());
  }

  /**
   * Learning rate of the next step, see {@link GgnOptions.learningRate}: the number given, else what the policy says so far. May be set
   * between steps, by a callback say; `'auto'` gives it back to the policy.
   *
   * @throws Error when it is set to what is no number of its range.
   */
  get learningRate(): number {
    return this.coming.learningRate;
  }

  set learningRate(value: number | 'auto') {
    this.given.learningRate = checkSetting('learningRate', value);
  }

  /** Relative damping τ of the next step, see {@link GgnOptions.damping}; read and set like the learning rate. */
  get damping(): number {
    return this.coming.damping;
  }

  set damping(value: number | 'auto') {
    this.given.damping = checkSetting('damping', value);
  }

  /** Momentum μ of the next step, see {@link GgnOptions.momentum}; read and set like the learning rate. */
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

  /** The settings of the next step, so far as they are known before its data are. */
  private get coming(): Settings {
    return StepPolicy.after(this.wanted.policy, this.given, this.levenbergMarquardt, this.policyState).settings;
  }

  /** What the last step did; null before the first. */
  get lastStep(): StepReport | null {
    return this.last.report;
  }

  /**
   * trace(C(C + λI)⁻¹) = Σ σ²/(σ² + λ) with C = SᵀJJᵀS and λ of the last step: how many directions in the space of the weights its data determine
   * at that damping, between 0 and min(rows, parameters). Computed when it is called, min(rows, parameters)³ operations in float64.
   *
   * @returns null before the first step, and after one by conjugate gradients, which have no matrix. Until the next step begins the optimizer holds on to the matrix that
   * it takes; one of more than 4 MiB (724 rows or parameters) until `fit` ends, so that it is null after it: ask in a callback then.
   */
  effectiveDimension(): number | null {
    return this.last.effectiveDimension();
  }

  /**
   * What is left to gain where the last step began: the decrease of the loss that its quadratic model promises for a step without damping, as a share of the loss,
   *
   *     ½ gᵀ(JᵀHJ + 2ρ)⁻¹g / |L|        in [0, 1] for squares
   *
   * For squares it is cos² of the angle between the residuals and the plane that the model can move them in, the square of the relative offset of Bates & Watts (1981).
   * It depends on no unit, no damping and no step length, so it tells a minimum from a place where training only has become slow:
   *
   * A loop ends by {@link GramGaussNewton.convergence}, which takes this and knows what to do where it is NaN, or where rounding keeps it from 0.
   *
   * 0 where it is below what the rounding of float32 residuals amounts to (under policies that judge their steps). With no more rows than parameters it is near 1 until
   * everything is fitted. On mini-batches it says nothing of the other data. Computed when it is called, at the cost of another factorization.
   *
   * @returns NaN, which is neither above nor below any bound, before the first step, where the system cannot be solved, after a step by conjugate gradients,
   * and in the Gram system with regularizers, or where it promises less than a hundredth of all residuals with the least damping that float32 allows.
   * Until the next step begins, and until `dispose()`, the optimizer holds on to the matrix that it takes; where `fit` ends with one of more than 4 MiB, the number alone is
   * kept.
   */
  remainingDecrease(): number {
    return this.last.remaining().known;
  }

  /**
   * Whether a training on the same data in every step (a curve, a calibration, equations) is at its end, and why:
   *
   *     do {
   *       optimizer.minimize(loss);
   *     } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 1000);
   *
   * `'converged'` where {@link GramGaussNewton.remainingDecrease} is at most 1e-8, and so is what the model promises where it may be rounding; or at most 1e-4 after 20 judged steps that did
   * not lower the loss by more than four units of float32. `'stuck'` after 20 such steps where more is left, or where it is not known (conjugate gradients). It is `'stuck'` as well, and not
   * `'converged'`, where rounding of the Jacobian may hide more than 1e-4 of the loss, since columns depend on each other (redundant parameters, also at a minimum, or some that have run
   * away), and where a parameter has no effect, or has lost what it had: changed by all of itself, it changes the residuals by less than their rounding. Both are known where normal equations are
   * summed in float64. Steps that are not judged (mini-batches) count for nothing. Before the first step `'improving'`.
   */
  convergence(): Convergence {
    return this.patience.judge(this.last.remaining());
  }

  /**
   * Takes one Gram-Gauss-Newton step on the loss that f() returns. `model.fit` calls this for every batch.
   *
   * f() runs exactly once. After an error the trained weights, the optimizer's state, every variable that f()
   * wrote and the number of tensors are what they were before.
   *
   * @param f - returns the loss, a scalar: a mean or sum of squares of float32 rows, or another function of the outputs of a network that does not couple
   * examples; regularizers added.
   * @param returnCost - whether to return the loss (at the weights before the step).
   * @param varList - variables to train; by default all trainable variables that f() uses.
   * @throws Error for a loss that couples examples or has trained variables behind the outputs, a model that couples the examples of a batch or has a layer
   * that tfjs cannot differentiate, for numbers that are not finite, on a WebGL backend of float16 textures, and on a
   * backend that reads wrong numbers from its device.
   */
  override minimize(f: () => Scalar, returnCost = false, varList?: Variable[]): Scalar | null {
    const given: Given = {
      learningRate: checkSetting('learningRate', this.given.learningRate),
      damping: checkSetting('damping', this.given.damping),
      momentum: checkSetting('momentum', this.given.momentum),
    };
    checkMemoryLimit(this.memoryLimit);
    checkScaling(this.scaling, checkSolver(this.solver));
    checkWeightDecay(this.weightDecay);
    if (this.wanted.policy === 'custom' && this.wanted.policyFunction === null) {
      throw ggnError("this optimizer was saved with a function as its policy, and functions are not saved. Give it again, as in " +
          "optimizer.policy = report => ({damping: ...}), or choose another policy, as in optimizer.policy = 'auto'.");
    }
    if (typeof f !== 'function') {
      throw ggnError(`minimize() takes the function that computes the loss, as in minimize(() => loss); received ${typeof f}.`);
    }
    const trained = trainedVariables(varList);
    checkPrecision();
    checkReads();
    const cost = tidy(() => this.takeStep(f, trained, given));
    if (returnCost) {
      return cost;
    }
    cost.dispose();
    return null;
  }

  private takeStep(f: () => Scalar, trained: Set<Variable> | null, given: Given): Scalar {
    const context: TrainStep | null = trainStepOf(this);
    const clock = new Clock();
    this.last.release();
    const {cost, trace} = clock.time('capture', () => capture(context === null ? f : notingOutputs(context.model, f), context?.targets));
    const isTrained = (variable: Variable): boolean => variable.trainable && (trained === null || trained.has(variable));
    let loss = NaN;
    try {
      checkDisposed(trace, isTrained);
      loss = cost.dataSync()[0];
      if (!Number.isFinite(loss)) {
        throw markNonFinite(explainNonFinite(`the loss is ${loss}`, trace, context, isTrained));
      }
      const way = this.detour.from(loss);
      const state = way === null ? {...this.policyState, detour: 0} : this.policyState;
      const {policy, variables, taken, scale, report, effectiveDimension, undampedDecrease} = withMemoryLimit(this.memoryLimit, () => solveStep(trace, context, {
        policyFor: size => StepPolicy.of(this.wanted.policy, given, this.levenbergMarquardt, state, size, () => batchSign(trace, context, isTrained)),
        mayDetour: this.detour.mayBegin(loss),
        solver: this.solver, scaling: this.scaling, weightDecay: this.weightDecay, isTrained,
        scaleOf: list => this.scales.of(list), previous: list => this.state.previous(list),
      }, this.plans, clock), this.thrift);
      const back = way !== null && policy.isOnFullBatch && (taken === null || this.detour.isGivenUp) ? way : null;
      const done: StepReport = Object.freeze({iteration: this.iterations + 1, loss, ...report, ...(back === null ? {} : GONE_BACK), milliseconds: clock.milliseconds});
      const next = this.policyAfter(policy, done);
      if (policy.beginsDetour) {
        this.detour.begin(variables, loss);
      }
      if (back !== null) {
        assignAll(back.variables, back.weights, trace);
      } else if (taken !== null) {
        clock.time('update', () => {
          assignAll(variables, taken.moved, trace);
          this.state.accept(variables, taken.d);
        });
      } else if (report.status !== 'rejected') {  // which is how Levenberg-Marquardt ends
        this.warnNotTaken(report.status);
      }
      if (report.curvature === 'unbounded') {
        this.warnUnbounded();
      }
      Object.freeze(clock.milliseconds);
      this.incrementIterations();
      this.policyState = back === null ? next : withoutDetour(next, this.levenbergMarquardt);
      if (scale !== null) {
        this.scales.keep(variables, scale);
      }
      this.last.note(done, effectiveDimension, undampedDecrease);
      this.patience.note(done);
      if (!policy.isOnFullBatch) {
        this.detour.end();
      } else if (back !== null) {
        this.detour.fails();
      } else if (way !== null) {
        this.detour.goesOn();
      } else if (!policy.beginsDetour) {
        this.detour.letGo();
      }
    } catch (error) {
      let isBack = false;
      try {
        isBack = isNonFinite(error) && this.comesBack(trace, context, isTrained, loss);
      } finally {
        if (!isBack) {
          discard(trace, context?.targets ?? []);
        }
      }
      if (!isBack) {
        throw error;
      }
    }
    trace.dispose();
    return cost;
  }

  /** Where a detour has led to numbers that are not finite, on the data that it began with: its beginning. */
  private comesBack(trace: Trace, context: TrainStep | null, isTrained: (variable: Variable) => boolean, loss: number): boolean {
    const way = this.detour.from(NaN);
    const {fingerprint} = this.policyState.history;
    const {report} = this.last;
    if (way === null || report === null || fingerprint === null || batchSign(trace, context, isTrained).fingerprint !== fingerprint) {
      return false;
    }
    assignAll(way.variables, way.weights, trace);
    trace.restoreVariables();
    this.incrementIterations();
    this.policyState = withoutDetour(this.policyState, this.levenbergMarquardt);
    this.last.report = Object.freeze({...report, ...GONE_BACK, iteration: this.iterations, loss, predictedDecrease: null, actualDecrease: null, gainRatio: null});
    this.patience.note(this.last.report);
    this.detour.fails();
    return true;
  }

  /** The state of the policy after a step; a function of the user's is asked now, and may throw. */
  private policyAfter(policy: StepPolicy, report: StepReport): PolicyState {
    const {policyFunction} = this.wanted;
    const {next} = policy;
    return policy.name === 'custom' && policyFunction !== null ? {...next, custom: checkCustom(policyFunction(report), next.custom)} : next;
  }

  private warnUnbounded(): void {
    if (!this.warnedUnbounded) {
      this.warnedUnbounded = true;
      console.warn("tfjs-ggn: the loss has no lower bound (curvature 'unbounded', see optimizer.lastStep): a cross-entropy has negative weights or targets outside [0, 1], or a term falls " +
          'without end in the outputs. Its steps are bounded; the loss falls as long as the same batch is repeated. Check weights, targets and signs, or take few steps on each batch, ' +
          'as policy gradients do.');
    }
  }

  private warnNotTaken(status: StepReport['status']): void {
    if (!this.warned) {
      this.warned = true;
      console.warn(`tfjs-ggn: a step was not taken (status '${status}', see optimizer.lastStep). The weights are unchanged. ` +
          'Further steps that are not taken are only reported there.');
    }
  }

  /**
   * Not possible: a Gram-Gauss-Newton step needs the Jacobian of the batch, which gradients do not hold.
   *
   * @throws Error always; call {@link GramGaussNewton.minimize}.
   */
  override applyGradients(gradients: NamedTensorMap | NamedTensor[]): void {
    const names = Array.isArray(gradients) ? gradients.map(({name}) => name) : Object.keys(gradients ?? {});
    throw ggnError(`applyGradients() received gradients only (of ${names.join(', ') || 'nothing'}), and a Gram-Gauss-Newton step ` +
        'needs the Jacobian of the batch. Call optimizer.minimize(() => loss) instead; to work with gradients, use a first-order optimizer such as tf.train.sgd.');
  }

  /** The options and the state of the policy, as saved in a model. */
  override getConfig(): serialization.ConfigDict {
    const config = {...this.given, policy: this.wanted.policy, levenbergMarquardt: {...this.levenbergMarquardt}, memoryLimit: this.memoryLimit,
      solver: this.solver, scaling: this.scaling, weightDecay: this.weightDecay, policyState: JSON.parse(JSON.stringify(this.policyState)) as object};
    return config as unknown as serialization.ConfigDict;
  }

  /** Makes the optimizer from a saved config; other keys are ignored, as tfjs adds some. */
  static override fromConfig<T extends serialization.Serializable>(cls: serialization.SerializableConstructor<T>,
      config: serialization.ConfigDict): T {
    const {learningRate, damping, momentum, policy, levenbergMarquardt, memoryLimit, solver, scaling, weightDecay, policyState} = config;
    const optimizer = new cls({learningRate, damping, momentum, policy, levenbergMarquardt, memoryLimit, solver, scaling, weightDecay});
    if (optimizer instanceof GramGaussNewton && policyState !== undefined) {
      optimizer.policyState = {...readPolicyState(policyState, optimizer.policyState, optimizer.levenbergMarquardt), detour: 0};
    }
    return optimizer;
  }

  /**
   * Copies of the state: the iteration count, and d_prev of every variable of the last step, named
   * `ggn/1/previousStep/i`. Later steps do not change them. Asked again before the next step, it gives the same ones.
   * Whoever asked may dispose of them; `dispose()` does at last. Those that `model.save` asks for are gone when it ends.
   */
  override async getWeights(): Promise<NamedTensor[]> {
    return lent(this, () => this.state.freshCopy(this.iterations)) ?? this.state.copy(this.iterations);
  }

  /**
   * Loads what `getWeights` gave; the tensors are copied. They are matched to the variables of the next step by
   * position and shape. All of them are checked before any is taken: after an error the optimizer has the state that it had.
   *
   * @throws Error with the name of the entry for state of another optimizer or of another version of the format, for
   * entries that are missing, doubled, in another order or of another type, for numbers that are not finite, and for a
   * count that is not a whole number from 0 to 2³¹ - 1.
   */
  override async setWeights(weightValues: NamedTensor[]): Promise<void> {
    this.iterations_ = await this.state.load(weightValues);
  }

  /**
   * Frees the state, all copies of it that `getWeights` gave, and the matrix of the last step. The optimizer can be used
   * again and starts without momentum.
   */
  override dispose(): void {
    this.state.dispose();
    this.scales.clear();
    this.last.release();
    this.detour.end();
  }
}

/**
 * Makes a Gram-Gauss-Newton optimizer, to be used like the optimizers of `tf.train`.
 *
 * @param options - see {@link GgnOptions}; without any, the policy `'auto'` sets learning rate, damping and momentum by itself.
 * @throws Error for an option that is unknown or out of range.
 * @example
 * ```ts
 * model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
 * await model.fit(x, y, {batchSize: 128, epochs: 20});
 * ```
 * @public
 */
export function ggn(options: GgnOptions = {}): GramGaussNewton {
  return new GramGaussNewton(options);
}
