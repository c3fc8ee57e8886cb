import {tensor, tidy, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import type {Clock} from '../tfjs/clock';
import {factorizeHere} from '../jacobian/whole/factorize';
import {add, addScaled} from '../tfjs/fast_ops';
import {gramProblem} from '../solve/gram_problem';
import type {DampedGramStep, GramPart} from '../solve/damped_gram';
import {dampedStep, type DampedProblem, type Solution} from '../solve/damped_step';
import {addProduct, mirrored, traceOf} from '../arrays/symmetric';
import {promised, SIGNIFICANT, type UndampedDecrease} from '../solve/resolved_decrease';
import type {RelativeCurvature} from '../solve/relative_evidence';
import {BAD_EXTRA, BAD_PREVIOUS, checkFinite, type LocalModelParts, type RoundingOfRows,
  type StepSystem} from './step_system';
import {dot} from '../arrays/vectors';
import {sumOfSquares} from './variable_vector';

/**
 * |J d - predicted| / |predicted| above which a step with little damping counts as lost to float32.
 */
const PRECISION = 0.02;

/**
 * Share of all residuals below which a promised decrease is not trusted: rounding may hide the
 * rest.
 */
const PROMISED = 0.01;

/** Share of trace(G)|q|² below which |g|² from a float32 Gram matrix is nothing but rounding. */
const CANCELLATION = 1e-5;

/** The system in the space of the rows: SᵀJJᵀS + λI, n x n, by parts of ρ. */
export class GramSystem implements StepSystem {
  private readonly rows: number;
  private previous: Array<Float64Array | null> | null = null;
  private extra: Array<Float64Array | null> | null = null;

  constructor(private readonly parts: LocalModelParts, private readonly clock: Clock) {
    this.rows = parts.linearization.jacobian.rows;
  }

  problem(momentum: number): DampedProblem<DampedGramStep> {
    const {linearization, derivatives: {root, z, q}, ridge} = this.parts;
    const previous = momentum === 0 ? null : this.previousByPart();
    const extra = this.extraByPart();
    const grams = linearization.grams();
    const parts = ridge.distinct.map((rho, p): GramPart =>
      ({rho, gram: grams[p], previous: previous?.[p] ?? null, extra: extra[p]}));
    const residual = z === null ? {q} : {z};
    return gramProblem({n: this.rows, parts, root, residual, momentum, factorize: factorizeHere()});
  }

  scales(): null {
    return null;
  }

  previousChange(): Float64Array | null {
    return this.previousByPart().reduce<Float64Array | null>((total, part) =>
      total === null ? part : part === null ? total : total.map((x, i) => x + part[i]), null);
  }

  traceOfBounds(bounds: Float64Array): number {
    let trace = 0;
    this.parts.linearization.grams().forEach(gram =>
      bounds.forEach((bound, i) => trace += bound * gram[i * (this.rows + 1)]));
    return trace;
  }

  regularized(parts: LocalModelParts): GramSystem {
    return new GramSystem(parts, this.clock);
  }

  relativeCurvature(): RelativeCurvature {
    const {linearization, ridge: {distinct}, derivatives: {root}} = this.parts;
    const size = this.rows;
    const matrix = new Float64Array(size * size);
    linearization.grams().forEach((gram, p) =>
      root.addCongruence(root.isDiagonal ? gram : mirrored(gram.slice(), size), 1 / (2 * distinct[p]), matrix));
    return {matrix, size, isFloat32: true};
  }

  /**
   * |g|, by |g|² = qᵀGq + 2 qᵀJe + |e|², without a product of the size of the weights if rounding
   * allows it.
   */
  gradientNorm(): number {
    const {derivatives: {q}, extra, linearization} = this.parts;
    const ofRows = new Float64Array(q.length);  // J(Jᵀq + 2e)
    linearization.grams().forEach(gram => addProduct(1, gram, q, ofRows));
    for (const product of this.extraByPart()) {
      product?.forEach((x, i) => ofRows[i] += 2 * x);
    }
    const present = extra.filter(t => t !== null);
    const squared = dot(q, ofRows) + (present.length === 0 ? 0 : sumOfSquares(present));
    const scale = linearization.grams().reduce((bound, gram) => bound + traceOf(gram, this.rows), 0) * dot(q, q);
    return squared > CANCELLATION * scale ? Math.sqrt(squared) : Math.sqrt(sumOfSquares(this.gradient()));
  }

  form(solution: Solution): Tensor[] {
    return this.pull(solution as DampedGramStep);
  }

  alongRows(solution: Solution): {slope: number; curvature: number} {
    const {change} = solution as DampedGramStep;
    const {q, root} = this.parts.derivatives;
    const curved = root.applyTranspose(change);
    return {slope: dot(q, change), curvature: dot(curved, curved)};
  }

  readonly verify = (solution: Solution, d: readonly Tensor[]): boolean =>
    agrees(this.parts.linearization.jacobian.apply(d).dataSync(), (solution as DampedGramStep).change);

  /**
   * The step takes the least damping that a Gram matrix in float32 allows. The decrease is NaN also
   * with regularizers, and if the promise is less than a hundredth of all residuals, |z|²/2: the
   * other residuals may lie in directions below the damping, and it is not known whether J moves
   * them. If J is 0, as at saturated units, then it is not known either, unless all is fitted.
   */
  undampedDecrease(damped: DampedProblem<Solution>, {ofResiduals}: RoundingOfRows): () => UndampedDecrease {
    const {parameters, derivatives: {q, root, z, weighted: rows}, extra, ridge: {rhos}} = this.parts;
    if (extra.some(t => t !== null) || rhos.some(rho => rho !== 0)) {
      return () => promised(NaN);
    }
    return () => {
      // A factorization may be a tensor, and a call from outside a step has no scope for it.
      const solved: Array<ReturnType<typeof dampedStep<Solution>>> = [];
      tidy(() => void solved.push(dampedStep(damped, {damping: 0, rows, parameters})));
      const [{solution, status}] = solved;
      if (solution === null) {
        const isFitted = z !== null && dot(z, z) <= SIGNIFICANT * ofResiduals;
        return promised(status === 'flat' && isFitted ? 0 : NaN);
      }
      const {change} = solution as DampedGramStep;
      const curved = root.applyTranspose(change);
      const decrease = -dot(q, change) - dot(curved, curved) / 2;
      const most = z === null ? decrease : dot(z, z) / 2;
      return promised(decrease < PROMISED * most && 2 * most > ofResiduals ? NaN : decrease);
    };
  }

  /** g by variable. */
  private gradient(): Tensor[] {
    const {linearization: {jacobian}, derivatives: {q}, extra, variables} = this.parts;
    return jacobian.applyTranspose(tensor(Float32Array.from(q), [this.rows])).map((part, v) => {
      const e = extra[v];
      return part === null ? e ?? zerosLike(variables[v]) : e === null ? part : add(part, e);
    });
  }

  /** J_p d_prev by part p of ρ. */
  private previousByPart(): Array<Float64Array | null> {
    return this.previous ??= this.applyByPart(this.parts.previous, BAD_PREVIOUS);
  }

  /** J_p e by part p of ρ. */
  private extraByPart(): Array<Float64Array | null> {
    return this.extra ??= this.applyByPart(this.parts.extra, BAD_EXTRA);
  }

  /** J_p x for each part p of ρ; null if x is zero on the whole part. */
  private applyByPart(x: ReadonlyArray<Tensor | null>, message: string): Array<Float64Array | null> {
    const {jacobian} = this.parts.linearization;
    const {distinct, partOf} = this.parts.ridge;
    const products = this.clock.time('gram', () => distinct.map((_, p) => {
      const part = x.map((t, v) => partOf[v] === p ? t : null);
      return part.every(t => t === null) ? null : Float64Array.from(jacobian.apply(part).dataSync());
    }));
    if (!products.every(product => product === null || product.every(Number.isFinite))) {
      checkFinite(x.map(t => t === null ? null : t.dataSync()), message);
      throw this.parts.linearization.notFinite();
    }
    return products;
  }

  /** d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients. */
  private pull(solution: DampedGramStep): Tensor[] {
    const {linearization: {jacobian}, variables, previous, extra, ridge: {partOf}} = this.parts;
    const pulled: Array<Tensor | null> = partOf.map(() => null);
    solution.parts.forEach((step, p) => {
      const u = tensor(Float32Array.from(step.coefficients, x => -x), [this.rows]);
      jacobian.applyTranspose(u, v => partOf[v] === p).forEach((own, v) => pulled[v] = own ?? pulled[v]);
    });
    const hasExtra = extra.some(t => t !== null);
    const adds = solution.parts.map(({previousScale, extraScale}) => ({
      previous: previousScale === 0 ? null : addScaled(previousScale),
      extra: hasExtra ? addScaled(extraScale) : null,
    }));
    return variables.map((variable, v) => {
      const more = adds[partOf[v]];
      let d = pulled[v];
      for (const [t, addTo] of [[previous[v], more.previous], [extra[v], more.extra]] as const) {
        if (t !== null && addTo !== null) {
          d = addTo(d, t);
        }
      }
      return d ?? zerosLike(variable);
    });
  }
}

/** Whether |change - predicted| is at most {@link PRECISION} of |predicted|. */
function agrees(change: ArrayLike<number>, predicted: Float64Array): boolean {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < predicted.length; i++) {
    difference += (change[i] - predicted[i]) ** 2;
    size += predicted[i] ** 2;
  }
  return difference <= PRECISION ** 2 * size;
}
