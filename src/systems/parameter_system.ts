import {tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Clock} from '../tfjs/clock';
import {factorizeHere} from '../jacobian/whole/factorize';
import {formNormalParts} from './normal_parts';
import type {NormalParts} from './normal_parts';
import type {DampedProblem, Solution} from '../solve/damped_step';
import {normalProblem} from '../solve/normal_equations';
import type {NormalProblem, NormalStep} from '../solve/normal_equations';
import {BAD_EXTRA, BAD_PREVIOUS, checkFinite} from './step_system';
import type {LocalModelParts, RoundingOfRows, StepSystem} from './step_system';
import {LEAST_CURVATURE} from '../solve/damping';
import {promised, resolvedDecrease} from '../solve/resolved_decrease';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import {dot, norm} from '../arrays/vectors';
import {flatten, split, spread} from './variable_vector';

/** How far a float32 is from the wanted number, in the mean square, as a share of it: ulp/√12, where an ulp is 2⁻²⁴ to 2⁻²³ of it. */
const PARAMETER_ROUNDING = 2 ** -25;

/** Share of the largest diagonal that a parameter has had, below which it may have lost its effect: the column has fallen to 2⁻¹² of its length. */
const LOST = 2 ** -24;

/**
 * Whether a parameter w has no effect on the residuals, or has lost what it had: a change by all of itself changes them by less than their rounding. That is a plateau, and no
 * minimum.
 */
const isLost = (w: number, diagonal: number, largest: number, ofResiduals: number): boolean => diagonal === 0 || (diagonal < LOST * largest && w * w * diagonal <= ofResiduals);

/** What systems in the space of the parameters share: (JᵀHJ + D) d = λμ Σ d_prev - g, m x m. */
export abstract class ParameterSystem implements StepSystem {
  readonly verify = null;
  protected readonly rows: number;
  /** m over all variables. */
  protected readonly width: number;
  /** e and d_prev (m); null where they are zero. */
  protected readonly extra: Float64Array | null;
  protected readonly previous: Float64Array | null;

  constructor(protected readonly parts: LocalModelParts, protected readonly clock: Clock) {
    const {variables, linearization} = parts;
    this.rows = linearization.jacobian.rows;
    this.width = variables.reduce((m, variable) => m + variable.size, 0);
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
  abstract traceOfBounds(bounds: Float64Array): number;
  abstract undampedDecrease(damped: DampedProblem<Solution>, rounding: RoundingOfRows): () => UndampedDecrease;

  /** Jᵀq (m). */
  protected abstract gradientOfRows(): Float64Array;

  scale(): Float64Array | null {
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

  /** g (m). */
  protected gradient(): Float64Array {
    const {extra} = this;
    return extra === null ? this.gradientOfRows() : this.gradientOfRows().map((x, j) => x + extra[j]);
  }
}

/** The normal equations, summed over chunks of rows in one pass. */
export class NormalSystem extends ParameterSystem {
  private formed: NormalParts | null = null;

  problem(momentum: number): DampedProblem<NormalStep> {
    const {matrix, isFloat32} = this.normalParts();
    return normalProblem({m: this.width, matrix, gradient: this.gradient(), rho: this.rhoOfAll(), previous: momentum === 0 ? null : this.previous, momentum,
      scaling: this.parts.scaling, leastDiagonal: this.scale(), isFloat32, ...(isFloat32 ? {factorize: factorizeHere()} : {})});
  }

  override scale(): Float64Array {
    const {matrix, most} = this.normalParts();
    const {leastScale} = this.parts;
    return most.map((x, j) => Math.max(matrix[j * this.width + j], LEAST_CURVATURE * x, leastScale === null ? 0 : leastScale[j]));
  }

  previousChange(): Float64Array | null {
    return this.normalParts().previousChange;
  }

  /** Of the bounds of the loss, which are summed on the way. */
  traceOfBounds(): number {
    return this.normalParts().most.reduce((sum, x) => sum + x, 0);
  }

  undampedDecrease(damped: DampedProblem<Solution>, rounding: RoundingOfRows): () => UndampedDecrease {
    const {width: m, extra, parts: {variables, leastScale, loss: {weighted}}} = this;
    const n = Math.max(1, weighted);
    const {matrix, isFloat32} = this.normalParts();
    const [gradient, rho] = [this.gradient(), this.rhoOfAll()];
    if (!isFloat32) {
      const values = flatten(variables, variables);
      const ofParameters = values.map(w => PARAMETER_ROUNDING * w);
      const lost = values.filter((w, j) => rho[j] === 0 && (extra === null || extra[j] === 0) && isLost(w, matrix[j * m + j], leastScale?.[j] ?? 0, rounding.ofResiduals)).length;
      return () => ({...resolvedDecrease({m, matrix, gradient, rho}, {ofResiduals: rounding.ofResiduals / n, ofJacobian: rounding.ofJacobian / n, ofParameters}), lost});
    }
    return () => {
      // A factorization may be a tensor, of a scope that a call from outside a step lacks.
      const solved: Array<ReturnType<NormalProblem['undamped']>> = [];
      tidy(() => void solved.push((damped as NormalProblem).undamped()));
      const [solution] = solved;
      return promised(!solution.ok ? NaN : solution.step.reduce((decrease, d, j) => decrease - gradient[j] * d - rho[j] * d * d, -solution.curvature / 2));
    };
  }

  protected gradientOfRows(): Float64Array {
    return this.normalParts().gradient;
  }

  private normalParts(): NormalParts {
    const {linearization, loss: {q, root, most}} = this.parts;
    return this.formed ??= this.clock.time('gram', () =>
      formNormalParts(linearization.forEachRows, this.width, {root, q, bounds: most ?? null}, this.previous));
  }

  /** ρ by parameter. */
  private rhoOfAll(): Float64Array {
    return spread(this.parts.rhos, this.parts.variables);
  }
}
