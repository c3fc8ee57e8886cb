import {mul, sum, tensor, type Tensor} from '@tensorflow/tfjs-core';
import {dot} from '../../arrays/vectors';
import {ggnError, markNonFinite} from '../../errors';
import type {Units} from '../../jacobian/whole/units';
import {dampedStep, type DampedProblem, type DampedStepResult, type Solution} from '../../solve/damped_step';
import {LEAST_CURVATURE, relativeDamping} from '../../solve/damping';
import type {RelativeCurvature} from '../../solve/relative_evidence';
import {SIGNIFICANT, type UndampedDecrease} from '../../solve/resolved_decrease';
import {SYSTEM_FACTS} from '../../solve/system';
import type {Scales} from '../../systems/largest_scales';
import type {LocalModelParts, StepSystem} from '../../systems/step_system';
import type {Ridge} from '../../systems/ridge';
import {SYSTEMS} from '../../systems/systems';
import {sumOfSquares} from '../../systems/variable_vector';
import {plus} from '../../tfjs/accumulate';
import type {Clock} from '../../tfjs/clock';

/**
 * Relative rounding error of an entry of J, by the kernels and their gradients: a few of float32.
 */
const JACOBIAN_ROUNDING = 2 * 2 ** -24;

/** A solved step d, by variable. */
export interface ModelStep {
  readonly d: readonly Tensor[];
  /** qᵀJd: the slope of the loss along d by the rows. */
  readonly slope: number;
  /** dᵀJᵀHJd: the curvature of the loss along d by the rows. */
  readonly curvature: number;
  /** |d|. It is finite, unless a trial decides on the step. */
  readonly norm: number;
}

/** The decrease of the loss that the quadratic model promises, and the size of its terms. */
export interface PredictedDecrease {
  readonly decrease: number;
  readonly size: number;
}

/** The checks of a solved step, see `LocalModel.solve`. */
interface SolveChecks {
  readonly isVerified: boolean;
  readonly mayOverflow: boolean;
}

/**
 * The quadratic model of the loss at the weights,
 *
 *     L(w + s) ≈ L(w) + gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s,        g = Jᵀq + e,   H = S Sᵀ
 *
 * and its damped minimisers, by one of the systems of `systems/`.
 *
 * The tensors of its parts, and those that its constructor makes, belong to the scope of the step.
 * The tensors of `solve` belong to the scope of its caller, which is that of an attempt.
 */
export class LocalModel {
  readonly rows: number;
  private problem: {readonly momentum: number; readonly damped: DampedProblem<Solution>} | null = null;
  private most: number | null = null;

  /**
   * @param units the coordinates of `parts.linearization`; null for the weights themselves. All
   *   other parts are by the weights themselves.
   */
  constructor(private readonly parts: LocalModelParts, private readonly clock: Clock,
      private readonly units: Units | null = null,
      private readonly system: StepSystem = new SYSTEMS[parts.solver].System(partsIn(units, parts), clock)) {
    this.rows = parts.linearization.jacobian.rows;
  }

  /** Whether the system forms squares of the Jacobian in float32. */
  get isFloat32(): boolean {
    return SYSTEM_FACTS[this.parts.solver].isFloat32;
  }

  /** The share of the rows in the loss: ½|z|² for squares, else |L|. */
  get lossOfRows(): number {
    const {derivatives: {z}, value} = this.parts;
    return z === null ? Math.abs(value) : dot(z, z) / 2;
  }

  /**
   * a = -⟨z, SᵀJ d_prev⟩ / (|z| |SᵀJ d_prev|), see `Observation.agreement`; null without a last
   * step, and if one of the two vectors is zero. Without z, a = -⟨q, J d_prev⟩ / (|q| |J d_prev|),
   * which is the same if S is a multiple of the identity.
   */
  agreement(): number | null {
    const change = this.system.previousChange();
    if (change === null) {
      return null;
    }
    const {z, q, root} = this.parts.derivatives;
    const [pull, moved] = z === null ? [q, change] : [z, root.applyTranspose(change)];
    const scale = Math.sqrt(dot(pull, pull)) * Math.sqrt(dot(moved, moved));
    // Rounding may take |a| past 1. The state of the policy, which is saved, allows at most 1.
    return scale > 0 && scale < Infinity ? Math.min(1, Math.max(-1, -dot(pull, moved) / scale)) : null;
  }

  /**
   * The damped minimiser d, with more damping than asked if less does not work. The step is null if
   * no damping works.
   *
   * @param isVerified whether J d is compared with its prediction. Near a minimum, J d is a small
   * rest of large terms. An error of at most 2 % of it would take so much damping that training
   * stops long before the loss stops falling. So a step that is judged by its loss is not compared.
   * @param mayOverflow whether a step that overflows float32 is left to a trial, which refuses it
   * and takes more damping, without an exception.
   */
  solve(damping: number, momentum: number, {isVerified, mayOverflow}: SolveChecks):
      DampedStepResult<Solution> & {readonly step: ModelStep | null} {
    const {parameters, derivatives: {weighted}} = this.parts;
    const {verify} = this.system;
    const known = new Map<Solution, Tensor[]>();  // its tensors belong to the scope of the attempt
    const form = (solution: Solution): Tensor[] => {
      if (!known.has(solution)) {
        known.set(solution, this.clock.time('update', () => this.system.form(solution)));
      }
      return known.get(solution)!;
    };
    const verifying = verify === null || !isVerified ? {} :
      {verify: (solution: Solution) => verify(solution, form(solution))};
    const result = this.clock.time('solve', () => dampedStep(this.problemOf(momentum),
        {damping, rows: weighted, parameters, leastTrace: LEAST_CURVATURE * this.mostTrace(), ...verifying}));
    if (result.solution === null) {
      const status = result.status === 'flat' && this.system.gradientNorm() > 0 ? 'noCurvature' : result.status;
      return {...result, status, step: null};
    }
    const formed = form(result.solution);
    const d = this.units === null ? formed : this.clock.time('update', () => this.units!.stepOf(formed) as Tensor[]);
    const norm = this.clock.time('update', () => Math.sqrt(sumOfSquares(d)));
    if (!Number.isFinite(norm) && !mayOverflow) {
      throw markNonFinite(ggnError(`the step is not finite (norm ${norm}): float32 overflowed. The weights are ` +
          'unchanged; scale the data, or use more damping.'));
    }
    return {...result, step: {d, norm, ...this.system.alongRows(result.solution)}};
  }

  /**
   * -(gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s) for s = scale · d: the decrease of the loss that the model promises.
   * It is without λ, which is no part of the loss. Its size is |gᵀs| + ½ sᵀ(JᵀHJ + 2ρ)s.
   */
  predictedDecrease({d, slope, curvature}: ModelStep, scale: number): PredictedDecrease {
    const {extra, ridge: {rhos}} = this.parts;
    d.forEach((t, v) => {
      const e = extra[v];
      slope += e === null ? 0 : sum(mul(e, t)).dataSync()[0];
      curvature += rhos[v] === 0 ? 0 : 2 * rhos[v] * sumOfSquares([t]);
    });
    return {
      decrease: -scale * (slope + scale * curvature / 2),
      size: scale * (Math.abs(slope) + scale * curvature / 2),
    };
  }

  /** See `StepSystem.relativeCurvature`. */
  relativeCurvature(): RelativeCurvature | null {
    return this.system.relativeCurvature();
  }

  /**
   * The model with other regularizers. Both models share all that is formed of the rows.
   * Regularizers have a metric of their own, so that there are no units.
   */
  regularized(ridge: Ridge, extra: ReadonlyArray<Tensor | null>): LocalModel {
    const parts = {...this.parts, ridge, extra};
    return new LocalModel(parts, this.clock, null, this.system.regularized(parts));
  }

  /**
   * The relative damping of the evidence after one step of its iteration from another, around
   * weights that lie d_prev back; null if there is none. See `evidenceIteration`.
   */
  dampingByEvidence(damping: number): number | null {
    const {parameters, derivatives: {weighted}} = this.parts;
    const {dampingByEvidence, trace} = this.problemOf(0);
    const unit = relativeDamping(1, trace, weighted, parameters);
    const lambda = dampingByEvidence?.(damping * unit, this.system.previousChange()) ?? NaN;
    return unit > 0 && lambda >= 0 ? lambda / unit : null;
  }

  /** See `StepSystem.scales`. */
  scales(): Scales | null {
    return this.system.scales();
  }

  /** |g|. */
  gradientNorm(): number {
    const {units, parts: {extra, derivatives: {q}, linearization: {jacobian}}} = this;
    if (units === null) {
      return this.system.gradientNorm();
    }
    return this.clock.time('solve', () => {
      const ofRows = units.gradientOf(jacobian.applyTranspose(tensor(Float32Array.from(q), [q.length])));
      const gradient = extra.map((e, v) => e === null ? ofRows[v] : plus(ofRows[v], e)).filter(t => t !== null);
      return gradient.length === 0 ? 0 : Math.sqrt(sumOfSquares(gradient));
    });
  }

  /**
   * The trace that the curvature of the loss can reach over the trace that it has, at least 1; null
   * for losses that keep their curvature.
   *
   * @param momentum μ of the coming step, as far as it is known, since its system is formed once.
   */
  headroom(momentum: number): number | null {
    const most = this.mostTrace();
    if (most === 0) {
      return null;
    }
    const {trace} = this.problemOf(momentum);
    return !(trace >= 0) ? null : Math.max(1, most / Math.max(trace, LEAST_CURVATURE * most));
  }

  /**
   * The trace that the curvature of the loss could reach; 0 for losses that keep their curvature.
   * If all examples are saturated on the wrong side, then cross-entropies pull with full force and
   * have no curvature left. So λ = τ · trace would go to zero, and the step to infinity. Therefore
   * a share of this trace, LEAST_CURVATURE, is the least that counts.
   */
  private mostTrace(): number {
    const {most} = this.parts.derivatives;
    return this.most ??= most === undefined || most === null ? 0 : this.system.traceOfBounds(most);
  }

  /**
   * trace(C(C + λI)⁻¹), C = SᵀJJᵀS, on demand. The function holds the system of the last solve, and
   * nothing else of the model.
   */
  effectiveDimension(lambda: number): () => number {
    const {damped} = this.problem!;
    return () => damped.trace === 0 ? 0 : damped.effectiveDimension(lambda);
  }

  /**
   * The decrease that a step without damping promises, see `StepSystem.undampedDecrease`. It is 0
   * if it is at most the loss of the residuals' rounding, at two standard deviations.
   *
   * @param ofResiduals the loss of the rounding errors of the residuals.
   */
  undampedDecrease(ofResiduals: number): () => UndampedDecrease {
    const ofJacobian = 2 * JACOBIAN_ROUNDING ** 2 * this.lossOfRows;
    const decrease = this.system.undampedDecrease(this.problem!.damped, {ofResiduals: 2 * ofResiduals, ofJacobian});
    return () => {
      const promised = decrease();
      const {known, hidden} = promised;
      return known <= SIGNIFICANT * ofResiduals ? {...promised, known: 0, hidden: hidden + known} : promised;
    };
  }

  /** The system at momentum μ. Attempts with the same μ share it. */
  private problemOf(momentum: number): DampedProblem<Solution> {
    if (this.problem?.momentum !== momentum) {
      this.problem = {momentum, damped: this.system.problem(momentum)};
    }
    return this.problem.damped;
  }
}

/** The parts in the coordinates of their linearization. */
const partsIn = (units: Units | null, parts: LocalModelParts): LocalModelParts => units === null ? parts : {
  ...parts, weights: units.coordinatesOf(parts.weights), extra: units.pulled(parts.extra),
  previous: units.coordinatesOf(parts.previous)};
