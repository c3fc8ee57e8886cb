import {mul, sum} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Clock} from '../tfjs/clock';
import {ggnError, markNonFinite} from '../errors';
import {dampedStep} from '../solve/damped_step';
import type {DampedProblem, DampedStepResult, Solution} from '../solve/damped_step';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import {LEAST_CURVATURE} from '../solve/damping';
import type {LocalModelParts, StepSystem} from '../systems/step_system';
import {dot} from '../arrays/vectors';
import {sumOfSquares} from '../systems/variable_vector';
import {SYSTEMS} from '../systems/systems';

/** Relative rounding error of an entry of J, which kernels and their gradients give: a few of float32. */
const JACOBIAN_ROUNDING = 2 * 2 ** -24;

/** A solved step d, by variable. */
export interface ModelStep {
  readonly d: readonly Tensor[];
  /** qᵀJd: what the rows make of the slope. */
  readonly slope: number;
  /** dᵀJᵀHJd. */
  readonly curvature: number;
  /** |d|; not finite only where a trial decides on the step. */
  readonly norm: number;
}

/**
 * The quadratic model of the loss at the weights,
 *
 *     L(w + s) ≈ L(w) + gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s,        g = Jᵀq + e,   H = S Sᵀ
 *
 * and its damped minimisers, in the space of the rows (`gram`) or in that of the parameters (`normal`).
 *
 * What it is made of, and makes when it is made, belongs to the scope that it is made in, that of the step; the tensors of `solve` belong to its caller's scope, that of an attempt.
 */
export class LocalModel {
  readonly rows: number;
  private readonly system: StepSystem;
  private problem: {readonly momentum: number; readonly damped: DampedProblem<Solution>} | null = null;
  private most: number | null = null;

  constructor(private readonly parts: LocalModelParts, private readonly clock: Clock) {
    this.rows = parts.linearization.jacobian.rows;
    this.system = new SYSTEMS[parts.solver](parts, clock);
  }

  /** Whether squares of the Jacobian are formed in float32. */
  get isFloat32(): boolean {
    return this.parts.solver !== 'normal';
  }

  /** The part of the loss that the rows make: ½|z|² for squares, else all of it. */
  get lossOfRows(): number {
    const {loss: {z}, value} = this.parts;
    return z === null ? Math.abs(value) : dot(z, z) / 2;
  }

  /** Group of each variable: those with the same ρ. */
  static groups(rhos: readonly number[]): number[] {
    const distinct = [...new Set(rhos)];
    return rhos.map(rho => distinct.indexOf(rho));
  }

  /**
   * a = -⟨z, SᵀJ d_prev⟩ / (|z| |SᵀJ d_prev|), see `Policy.observe`; null where there is no last step, or one of the two vectors is zero. Without z,
   * a = -⟨q, J d_prev⟩ / (|q| |J d_prev|), which is the same where S is a multiple of the identity.
   */
  agreement(): number | null {
    const change = this.system.previousChange();
    if (change === null) {
      return null;
    }
    const {z, q, root} = this.parts.loss;
    const [pull, moved] = z === null ? [q, change] : [z, root.applyTranspose(change)];
    const scale = Math.sqrt(dot(pull, pull)) * Math.sqrt(dot(moved, moved));
    // Rounding may go past 1, and the state that it is smoothed into is saved.
    return scale > 0 && scale < Infinity ? Math.min(1, Math.max(-1, -dot(pull, moved) / scale)) : null;
  }

  /**
   * The damped minimiser d, with more damping than asked where less does not work; d is null where none does.
   *
   * @param isTried whether a trial decides on the step. Then it is not compared with its prediction: near a minimum, J d is a small rest of large
   * terms, and to be right to 2 % of it takes so much damping that training stops, long before the loss stops falling. And a step that overflows float32 is for the
   * trial to refuse, which costs more damping and no exception.
   */
  solve(damping: number, momentum: number, isTried: boolean): DampedStepResult<Solution> & {readonly step: ModelStep | null} {
    const {parameters, loss} = this.parts;
    const {verify} = this.system;
    const formed = new Map<Solution, Tensor[]>();  // of this attempt: its tensors go with it
    const form = (solution: Solution): Tensor[] => {
      if (!formed.has(solution)) {
        formed.set(solution, this.clock.time('update', () => this.system.form(solution)));
      }
      return formed.get(solution)!;
    };
    const result = this.clock.time('solve', () => dampedStep(this.problemOf(momentum),
        {damping, rows: loss.weighted, parameters, leastTrace: LEAST_CURVATURE * this.mostTrace(), ...(verify === null || isTried ? {} : {verify: solution => verify(solution, form(solution))})}));
    if (result.solution === null) {
      const status = result.status === 'flat' && this.system.gradientNorm() > 0 ? 'noCurvature' : result.status;
      return {...result, status, step: null};
    }
    const d = form(result.solution);
    const norm = this.clock.time('update', () => Math.sqrt(sumOfSquares(d)));
    if (!Number.isFinite(norm) && !isTried) {
      throw markNonFinite(ggnError(`the step is not finite (norm ${norm}): float32 overflowed. The weights are unchanged; scale the data, or use ` +
          'more damping.'));
    }
    return {...result, step: {d, norm, ...this.system.alongRows(result.solution)}};
  }

  /** -(gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s) for s = scale · d: what the model says the loss decreases by. Without λ, which is no part of the loss. */
  predictedDecrease({d, slope, curvature}: ModelStep, scale: number): number {
    const {extra, rhos} = this.parts;
    d.forEach((t, v) => {
      const e = extra[v];
      slope += e === null ? 0 : sum(mul(e, t)).dataSync()[0];
      curvature += rhos[v] === 0 ? 0 : 2 * rhos[v] * sumOfSquares([t]);
    });
    return -scale * (slope + scale * curvature / 2);
  }

  /** See `StepSystem.scale`. */
  scale(): Float64Array | null {
    return this.system.scale();
  }

  /** |g|. */
  gradientNorm(): number {
    return this.system.gradientNorm();
  }

  /**
   * The trace that the curvature of the loss can reach over what it has, at least 1; null for losses that keep theirs.
   *
   * @param momentum of the coming step, as far as it is known: its system is formed once.
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
   * The trace that the curvature of the loss could reach. Where all examples are saturated on the wrong side, cross-entropies pull with full
   * force and have no curvature left: λ = τ · trace would go to zero with it, and the step to infinity. So a share of this counts as the trace at least.
   */
  private mostTrace(): number {
    const {most} = this.parts.loss;
    return this.most ??= most === undefined || most === null ? 0 : this.system.traceOfBounds(most);
  }

  /** trace(C(C + λI)⁻¹), C = SᵀJJᵀS; on demand. Holds on to the system of the last solve, and to nothing else of the model. */
  effectiveDimension(lambda: number): () => number {
    const {damped} = this.problem!;
    return () => damped.trace === 0 ? 0 : damped.effectiveDimension(lambda);
  }

  /**
   * What is left to gain, see `StepSystem.undampedDecrease`; 0 where the rounding of the residuals amounts to more.
   *
   * @param ofResiduals the loss of the rounding errors of the residuals.
   */
  undampedDecrease(ofResiduals: number): () => UndampedDecrease {
    const decrease = this.system.undampedDecrease(this.problem!.damped, {ofResiduals: 2 * ofResiduals, ofJacobian: 2 * JACOBIAN_ROUNDING ** 2 * this.lossOfRows});
    return () => {
      const promised = decrease();
      const {known, hidden} = promised;
      return known <= ofResiduals ? {...promised, known: 0, hidden: hidden + known} : promised;
    };
  }

  private problemOf(momentum: number): DampedProblem<Solution> {
    if (this.problem?.momentum !== momentum) {
      this.problem = {momentum, damped: this.system.problem(momentum)};
    }
    return this.problem.damped;
  }
}
