import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import type {Linearization} from '../jacobian/whole/linearization';
import type {OutputDerivatives} from '../loss/functions/loss_derivatives';
import type {DampedProblem, Solution} from '../solve/damped_step';
import type {Scaling} from '../solve/scaling';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import type {RelativeCurvature} from '../solve/relative_evidence';
import type {SystemName} from '../solve/system';
import type {Scales} from './largest_scales';
import type {Ridge} from './ridge';

/** The parts of a local model of the loss. */
export interface LocalModelParts {
  readonly variables: readonly Variable[];
  /** w by variable, in the coordinates of the linearization. */
  readonly weights: ReadonlyArray<Tensor | null>;
  /** Number of trained parameters that the rows depend on. */
  readonly parameters: number;
  /** The L2 regularizers. */
  readonly ridge: Ridge;
  readonly linearization: Linearization;
  readonly derivatives: OutputDerivatives;
  /** L, the loss. */
  readonly value: number;
  /** e by variable: the gradient of the terms of the loss that are not rows. */
  readonly extra: ReadonlyArray<Tensor | null>;
  /** d_prev by variable: the last step. */
  readonly previous: ReadonlyArray<Tensor | null>;
  readonly solver: SystemName;
  /** The scaling of the damping in the normal equations; the other systems have Levenberg's. */
  readonly scaling: Scaling;
  /** The diagonals of JᵀHJ in earlier steps; null if none are kept. */
  readonly earlierScales: Scales | null;
}

/** The facts of a step that the rehearsal of its system takes. */
export interface RehearsedFor {
  readonly variables: readonly Variable[];
  /** n of all pieces of J. */
  readonly rows: number;
  /** Part of ρ of each variable. */
  readonly partOf: readonly number[];
  /**
   * Whether the curvature of the loss is known to couple the outputs of an example. If not, it
   * counts as diagonal, which takes the least.
   */
  readonly couples: boolean;
}

/** Variances that rounding makes, summed over the rows. */
export interface RoundingOfRows {
  /** The variance of z. */
  readonly ofResiduals: number;
  /** The variance of the products of z with an entry of J of size 1. */
  readonly ofJacobian: number;
}

/**
 * A linear system that gives the step of a local model. The forms that it makes are kept for all
 * attempts of the step. Only the constructor runs in the scope of the step, so that it makes the
 * tensors that are kept. The other methods run in the scope of an attempt: they keep arrays, and
 * their tensors are gone in the next attempt.
 */
export interface StepSystem {
  /** The system at momentum μ, for any λ. */
  problem(momentum: number): DampedProblem<Solution>;
  /** J d_prev (n); null if there is no last step. */
  previousChange(): Float64Array | null;
  /**
   * Σ_i bound_i |J_i|²: the largest trace of the curvature, from a bound of the curvature in each
   * row.
   */
  traceOfBounds(bounds: Float64Array): number;
  /**
   * The diagonal of JᵀHJ, or those of earlier steps if they are larger; null in systems that do not
   * form JᵀHJ.
   */
  scales(): Scales | null;
  /**
   * The curvature of the rows relative to that of the regularizers, Λ = diag(2ρ): SᵀJΛ⁻¹JᵀS of the
   * rows or Λ^-½ JᵀHJ Λ^-½ of the parameters, which have the same eigenvalues but for zeros. null
   * in systems that form neither. Every ρ must be above 0.
   */
  relativeCurvature(): RelativeCurvature | null;
  /** The system of the same rows with other regularizers; made in the scope of the step. */
  regularized(parts: LocalModelParts): StepSystem;
  /** |g|. */
  gradientNorm(): number;
  /** d by variable. */
  form(solution: Solution): Tensor[];
  /** qᵀJd and dᵀJᵀHJd. */
  alongRows(solution: Solution): {readonly slope: number; readonly curvature: number};
  /**
   * Whether J d, computed from the step itself, agrees with the solution; null if the system cannot
   * lose this agreement to rounding.
   */
  readonly verify: ((solution: Solution, d: readonly Tensor[]) => boolean) | null;
  /**
   * The decrease of the loss that the model promises without damping, ½ gᵀ(JᵀHJ + 2ρ)⁻¹g, or with
   * as little damping as float32 allows; NaN if it is not known. The function computes it on
   * demand. It holds on to the problem and to vectors.
   */
  undampedDecrease(damped: DampedProblem<Solution>, rounding: RoundingOfRows): () => UndampedDecrease;
}

/**
 * The message of a last step that is not finite. If only a product with J is not finite, J is not
 * finite.
 */
export const BAD_PREVIOUS = 'the last step in the state of the optimizer is not finite. Load another checkpoint, or ' +
    'compile the model with a new ggn()';

export const BAD_EXTRA = 'the gradient of a regularizer is not finite. Check its strength, and that it has a ' +
    'derivative at these weights (a norm has none at 0)';

/** @throws an error with this message if a vector holds NaN or an infinity. */
export function checkFinite(vectors: ReadonlyArray<ArrayLike<number> | null>, message: string): void {
  if (vectors.some(vector => vector !== null && !Array.prototype.every.call(vector, Number.isFinite))) {
    throw ggnError(`${message}. No step was taken.`);
  }
}
