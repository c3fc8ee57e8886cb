import type {Tensor} from '@tensorflow/tfjs-core';
import type {Clock} from '../tfjs/clock';
import type {DampedProblem, Solution} from '../solve/damped_step';
import type {NormalStep} from '../solve/normal_equations';
import {BAD_EXTRA, BAD_PREVIOUS, checkFinite, type LocalModelParts, type RoundingOfRows,
  type StepSystem} from './step_system';
import type {Scales} from './largest_scales';
import type {RelativeCurvature} from '../solve/relative_evidence';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import {dot, norm, totalSize} from '../arrays/vectors';
import {flatten, split} from './variable_vector';

/**
 * The common parts of systems in the space of the parameters, m x m:
 *
 *     (JᵀHJ + D) d = λμ Σ d_prev - g
 */
export abstract class ParameterSystem implements StepSystem {
  readonly verify = null;
  /** n. */
  protected readonly rows: number;
  /** m over all variables. */
  protected readonly width: number;
  /** e (m); null if it is zero. */
  protected readonly extra: Float64Array | null;
  /** d_prev (m); null if it is zero. */
  protected readonly previous: Float64Array | null;

  constructor(protected readonly parts: LocalModelParts, protected readonly clock: Clock) {
    const {variables, linearization} = parts;
    this.rows = linearization.jacobian.rows;
    this.width = totalSize(variables);
    const vector = (x: ReadonlyArray<Tensor | null>, message: string): Float64Array | null => {
      const flat = x.every(t => t === null) ? null : flatten(x, variables);
      checkFinite([flat], message);
      return flat;
    };
    this.previous = vector(parts.previous, BAD_PREVIOUS);
    this.extra = vector(parts.extra, BAD_EXTRA);
  }

  abstract problem(momentum: number): DampedProblem<NormalStep>;
  abstract previousChange(): Float64Array | null;
  abstract regularized(parts: LocalModelParts): StepSystem;
  abstract traceOfBounds(bounds: Float64Array): number;
  abstract undampedDecrease(damped: DampedProblem<Solution>, rounding: RoundingOfRows): () => UndampedDecrease;

  /** Jᵀq (m). */
  protected abstract gradientOfRows(): Float64Array;

  scales(): Scales | null {
    return null;
  }

  relativeCurvature(): RelativeCurvature | null {
    return null;
  }

  gradientNorm(): number {
    return norm(this.gradient());
  }

  form(solution: Solution): Tensor[] {
    return split((solution as NormalStep).step, this.parts.variables);
  }

  alongRows(solution: Solution): {slope: number; curvature: number} {
    const {step, curvature} = solution as NormalStep;
    return {slope: dot(this.gradientOfRows(), step), curvature};
  }

  /** g = Jᵀq + e (m). */
  protected gradient(): Float64Array {
    const {extra} = this;
    return extra === null ? this.gradientOfRows() : this.gradientOfRows().map((x, j) => x + extra[j]);
  }
}
