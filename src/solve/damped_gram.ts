/**
 * The damped Gram-Gauss-Newton step in the space of the rows, in float64: n rows, m parameters,
 * variables v.
 *
 *     minimise  ½|SᵀJd + z|² + eᵀd + Σ_v ρ_v|d_v|² + (λ/2)|d - μ d_prev|²       over d in R^m
 *
 *     D_v = λ + 2ρ_v,      c_v = (λμ d_prev,v - e_v) / D_v
 *     G_D = Σ_v J_v J_vᵀ / D_v,      M = SᵀG_D S + I      (n x n)
 *
 * If dL/df = q = S z with a z that is not large,
 *
 *     d_v = c_v - J_vᵀ S M⁻¹(z + SᵀJc) / D_v
 *
 * Otherwise, without a division by S,
 *
 *     d_v = c_v - J_vᵀ v / D_v,      q̃ = q + S SᵀJc,      v = q̃ - S M⁻¹SᵀG_D q̃
 *
 * All numbers have the scale of the loss that q, S and e belong to. No vector of R^m is formed
 * here: the caller forms d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients.
 *
 * Source: Cai et al., arXiv 1905.11675 (the step); Goldshlager, Abrahamsen & Lin 2024 (the
 * momentum); the push-through identity for the rest.
 */
import {addProduct, mirrored} from '../arrays/symmetric';
import {addInto, firstNonFinite} from '../arrays/vectors';
import type {CurvatureRoot} from './curvature_root';
import type {Solution, SolveFailure} from './damped_step';
import {doublePrecision, type Factorize} from './mixed_precision';

/**
 * A part of ρ: all variables v with the same coefficient ρ of an L2 regularizer ρ|w|². Sums go over
 * these variables.
 */
export interface GramPart {
  readonly rho: number;
  /**
   * Σ J_v J_vᵀ, n x n, row-major. The lower triangle counts; the upper one may differ from it by
   * rounding.
   */
  readonly gram: Float64Array;
  /** Σ J_v d_prev,v (n); null if d_prev is zero. */
  readonly previous: Float64Array | null;
  /** Σ J_v e_v (n); null if e is zero. */
  readonly extra: Float64Array | null;
}

/** The system of a step without its λ. */
export interface DampedGramSystem {
  /** Rows. */
  readonly n: number;
  readonly parts: readonly GramPart[];
  /** S, n x n. */
  readonly root: CurvatureRoot;
  /** dL/df (n), given as z with q = S z, or as q itself if such a z may be large. */
  readonly residual: {readonly z: Float64Array} | {readonly q: Float64Array};
  /** μ. */
  readonly momentum: number;
  /** The factorization of M; by default in float64. */
  readonly factorize?: Factorize;
}

/**
 * d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients for every variable v of a
 * part.
 */
interface PartStep {
  readonly previousScale: number;
  readonly extraScale: number;
  /** (n). */
  readonly coefficients: Float64Array;
}

/** A step made of finite numbers only. */
export interface DampedGramStep extends Solution {
  /** One for each part of the system, in the same order. */
  readonly parts: readonly PartStep[];
  /** J d, the predicted change of the rows (n). */
  readonly change: Float64Array;
}

type DampedGramSolution = DampedGramStep | SolveFailure;

/** SᵀG_pS (n x n, not to be written into) of every part p: the work that does not depend on λ. */
export function partCurvatures(system: DampedGramSystem): Float64Array[] {
  return system.parts.map(({gram}) => {
    if (system.root.uniform === 1) {
      return gram;
    }
    const part = new Float64Array(system.n * system.n);
    system.root.addCongruence(mirrored(gram.slice(), system.n), 1, part);
    return part;
  });
}

/** C = Σ_p SᵀG_pS, n x n, not weighted by ρ, not to be written into: a single part is C itself. */
export function curvature(system: DampedGramSystem, curvatures: readonly Float64Array[] = partCurvatures(system)):
    Float64Array {
  return curvatures.length === 1 ? curvatures[0] :
    weightedSum(curvatures, curvatures.map(() => 1), system.n * system.n);
}

/**
 * The step of the formula at the head of this file, at damping λ. λ + 2ρ must be positive for every
 * part; otherwise the result is `singular`.
 *
 * The equations are multiplied by D_min = min D_v. M becomes Σ (D_min/D_p) SᵀG_pS + D_min I with
 * weights in (0, 1]. So nothing is divided by a small λ before the factorization, and λ from 1e-30
 * to 1e30 stays in range.
 *
 * The relative error of both forms is of order 2⁻⁵³ σ²max/λ, which is 2⁻²⁹ of the error that
 * float32 rows make. The form in q needs one step of iterative refinement for that: without it the
 * error is (σ²max/λ)² · 2⁻⁵³.
 *
 * The function never throws and never returns a number that is not finite: see `SolveFailure`.
 *
 * Measured: in the problems of the tests at λ = 1e-3, the form in q has an error of 3e-12, and of
 * 2e-8 without the refinement.
 *
 * @param curvatures `partCurvatures(system)`, for a caller that solves one system with several λ.
 */
export function solveDampedGram(system: DampedGramSystem, lambda: number,
    curvatures: readonly Float64Array[] = partCurvatures(system)): DampedGramSolution {
  const {n, parts, root, residual, momentum, factorize = doublePrecision} = system;
  const diagonals = parts.map(({rho}) => lambda + 2 * rho);
  const shift = Math.min(...diagonals);
  if (shift <= 0) {
    return {ok: false, cause: 'singular', pivot: 0};
  }
  if (!(shift < Infinity && Number.isFinite(momentum))) {
    return {ok: false, cause: 'nonfinite', pivot: 0};
  }
  if (1 / shift === Infinity) {
    return {ok: false, cause: 'overflow', pivot: 0};
  }
  const weights = diagonals.map(diagonal => shift / diagonal);
  const previousScales = diagonals.map(diagonal => momentum * (lambda / diagonal));
  const extraScales = diagonals.map(diagonal => -1 / diagonal);

  const free = new Float64Array(n);  // J c
  parts.forEach(({previous, extra}, p) => {
    if (previous !== null) {
      addInto(free, previousScales[p], previous);
    }
    if (extra !== null) {
      addInto(free, extraScales[p], extra);
    }
  });
  const rootedFree = root.applyTranspose(free);
  const target = 'z' in residual ? addInto(residual.z.slice(), 1, rootedFree) :  // z + SᵀJc
    addInto(residual.q.slice(), 1, root.apply(rootedFree));  // q̃
  const badRow = firstNonFinite(target);
  if (badRow >= 0) {
    return {ok: false, cause: hasNumbers(system, curvatures) ? 'overflow' : 'nonfinite', pivot: badRow};
  }

  const weighted = curvatures.length === 1 && weights[0] === 1 ? curvatures[0] :
    weightedSum(curvatures, weights, n * n);
  const factor = factorize(weighted, n, shift);
  let pivot = factor.ok ? -1 : factor.pivot;
  /** M⁻¹u. After a breakdown the result has no meaning. */
  const solve = (u: Float64Array): Float64Array => {
    const solved = factor.ok ? factor.solve(u) : factor;
    if ('ok' in solved) {
      pivot = solved.pivot;
      return u;
    }
    return solved;
  };

  let common: Float64Array;  // coefficients of a part with D = D_min
  if ('z' in residual) {
    common = root.apply(solve(target));
  } else {
    const gramTimes = (u: Float64Array) => {  // D_min G_D u
      const product = new Float64Array(n);
      parts.forEach(({gram}, p) => addProduct(weights[p], gram, u, product));
      return product;
    };
    // (I + H G_D)⁻¹ u = u - S M⁻¹SᵀG_D u
    const respond = (u: Float64Array) =>
      addInto(u.slice(), -1, root.apply(solve(root.applyTranspose(gramTimes(u)))));
    const v = respond(target);
    // For small λ, v is a small difference of large vectors. So the residual of q̃ = v + S SᵀG_D v
    // is solved for once more.
    const left = addInto(target.slice(), -1, v);
    const defect = addInto(left, -1 / shift, root.apply(root.applyTranspose(gramTimes(v))));
    common = addInto(v, 1, respond(defect)).map(value => value / shift);
  }
  if (pivot >= 0) {
    return {ok: false, cause: hasNumbers(system, curvatures) ? 'singular' : 'nonfinite', pivot};
  }

  const change = free;  // J c, less J_v J_vᵀ coefficients of each part below
  const steps = parts.map(({gram}, p): PartStep => {
    const coefficients = common.map(value => weights[p] * value);
    addProduct(-1, gram, coefficients, change);
    return {previousScale: previousScales[p], extraScale: extraScales[p], coefficients};
  });
  const overflow = firstNonFinite(change);  // covers the coefficients, too: 0 · Infinity is NaN
  return overflow < 0 ? {ok: true, lambda, parts: steps, change} :
    {ok: false, cause: hasNumbers(system, curvatures) ? 'overflow' : 'nonfinite', pivot: overflow};
}

/** Whether all numbers of the system are finite. */
function hasNumbers({n, root, residual, parts}: DampedGramSystem, curvatures: readonly Float64Array[]): boolean {
  const vectors = parts.flatMap(({previous, extra}) => [previous, extra]).filter(vector => vector !== null);
  const rootSums = root.apply(new Float64Array(n).fill(1));
  const all = ['z' in residual ? residual.z : residual.q, rootSums, ...vectors, ...curvatures];
  return all.every(vector => vector.every(Number.isFinite));
}

/** Σ_p weights[p] · matrices[p] of arrays of `length`. */
function weightedSum(matrices: readonly Float64Array[], weights: readonly number[], length: number): Float64Array {
  const sum = new Float64Array(length);
  matrices.forEach((matrix, p) => addInto(sum, weights[p], matrix));
  return sum;
}
