import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import type {Linearization} from '../jacobian/whole/linearization';
import type {OutputDerivatives} from '../loss/functions/squared_error';
import type {DampedProblem, Solution} from '../solve/damped_step';
import type {Scaling} from '../solve/scaling';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import type {SystemName} from '../solve/system';

/** What a local model is made of. */
export interface LocalModelParts {
  readonly variables: readonly Variable[];
  /** Trained parameters that the rows depend on. */
  readonly parameters: number;
  /** ρ of each variable. */
  readonly rhos: readonly number[];
  readonly linearization: Linearization;
  readonly loss: OutputDerivatives;
  /** L. */
  readonly value: number;
  /** e by variable: the gradient of everything in the loss that is not a row. */
  readonly extra: ReadonlyArray<Tensor | null>;
  /** d_prev by variable. */
  readonly previous: ReadonlyArray<Tensor | null>;
  readonly solver: SystemName;
  /** Of the damping, in the normal equations; the Gram system has Levenberg's. */
  readonly scaling: Scaling;
  /** What Marquardt's Σ does not fall below, by parameter; null where it remembers nothing. */
  readonly leastScale: Float64Array | null;
}

/** Sums over the rows of variances that rounding makes: of z, and of the products of z with an entry of J of size 1. */
export interface RoundingOfRows {
  readonly ofResiduals: number;
  readonly ofJacobian: number;
}

/**
 * One of the linear systems that give the step of a local model. What it forms is kept for all attempts of the step. Tensors that it keeps are made by its constructor, in
 * the scope of the step: a method is called in the scope of an attempt, and its tensors are gone in the next. What methods keep are arrays.
 */
export interface StepSystem {
  /** The system at momentum μ, for any λ. */
  problem(momentum: number): DampedProblem<Solution>;
  /** J d_prev (n); null where there is no last step. */
  previousChange(): Float64Array | null;
  /** Σ_i bound_i |J_i|²: the trace that the curvature can reach, of bounds of the curvature in each row. */
  traceOfBounds(bounds: Float64Array): number;
  /** The diagonal of JᵀHJ, at least what Marquardt's Σ must not fall below (m); null in systems that do not form it. */
  scale(): Float64Array | null;
  /** |g|. */
  gradientNorm(): number;
  /** d by variable. */
  form(solution: Solution): Tensor[];
  /** qᵀJd and dᵀJᵀHJd. */
  alongRows(solution: Solution): {readonly slope: number; readonly curvature: number};
  /** Whether J d, computed from the step itself, agrees with the solution; null where the system does not lose that. */
  readonly verify: ((solution: Solution, d: readonly Tensor[]) => boolean) | null;
  /**
   * What the model says that the loss would decrease by without damping, ½ gᵀ(JᵀHJ + 2ρ)⁻¹g, or with as little as float32 allows; on demand, and NaN where it is not
   * known. Holds on to the problem, and to vectors.
   */
  undampedDecrease(damped: DampedProblem<Solution>, rounding: RoundingOfRows): () => UndampedDecrease;
}

/** Of the vectors themselves; where only a product with J is not finite, J is to blame. */
export const BAD_PREVIOUS = 'the last step in the state of the optimizer is not finite. Load another checkpoint, or compile the model with a new ggn()';

export const BAD_EXTRA = 'the gradient of a regularizer is not finite. Check its strength, and that it has a derivative at ' +
    'these weights (a norm has none at 0)';

/** @throws with a message where a vector holds NaN or an infinity. */
export function checkFinite(vectors: ReadonlyArray<ArrayLike<number> | null>, message: string): void {
  if (vectors.some(vector => vector !== null && !Array.prototype.every.call(vector, Number.isFinite))) {
    throw ggnError(`${message}. No step was taken.`);
  }
}
