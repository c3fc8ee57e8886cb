/**
 * The damped Gram-Gauss-Newton step, in the n x n space of the batch, in float64.
 *
 *     minimise  ½|SᵀJd + z|² + eᵀd + Σ_v ρ_v|d_v|² + (λ/2)|d - μ d_prev|²            over d in R^m
 *
 *     D_v = λ + 2ρ_v,   c_v = (λμ d_prev,v - e_v) / D_v,   G_D = Σ_v J_v J_vᵀ / D_v,   M = SᵀG_D S + I
 *
 *     d_v = c_v - J_vᵀ S M⁻¹(z + SᵀJc) / D_v                                           where q = S z with a tame z
 *     d_v = c_v - J_vᵀ v / D_v,   q̃ = q + S SᵀJc,   v = q̃ - S M⁻¹SᵀG_D q̃              otherwise: no division by S
 *
 * Everything here has the scaling of the loss that q, S and e were taken from. Vectors of R^m never appear: the caller forms
 * d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients.
 *
 * Source: Cai et al., arXiv 1905.11675 (the step), Goldshlager, Abrahamsen & Lin 2024 (the momentum), push-through identity for the rest.
 */
import {diagonalRoot} from './curvature_root';
import type {CurvatureRoot} from './curvature_root';
import type {DampedProblem, Solution, SolveFailure} from './damped_step';
import {float32Floor, TRUSTED_RATIO} from './damping';
import {effectiveDimension} from './effective_dimension';
import {doublePrecision} from './mixed_precision';
import type {Factorize} from './mixed_precision';
import {addProduct, mirrored, traceOf} from '../arrays/symmetric';
import {addInto, firstNonFinite} from '../arrays/vectors';

/** All variables with the same coefficient ρ of an L2 regularizer ρ|w|². */
export interface GramGroup {
  readonly rho: number;
  /** Σ J_v J_vᵀ, n x n, symmetric: its lower triangle counts, what stands above the diagonal may differ by rounding. */
  readonly gram: Float64Array;
  /** Σ J_v d_prev,v (n); null where d_prev is zero. */
  readonly previous: Float64Array | null;
  /** Σ J_v e_v (n); null where e is zero. */
  readonly extra: Float64Array | null;
}

/** What the step is solved from: everything of it but λ. */
export interface DampedGramSystem {
  readonly n: number;
  readonly groups: readonly GramGroup[];
  readonly root: CurvatureRoot;
  /** dL/df as z with q = S z, or as q itself where S has no tame inverse (n). */
  readonly residual: {readonly z: Float64Array} | {readonly q: Float64Array};
  /** μ. */
  readonly momentum: number;
  /** How M is factored; by default in float64. */
  readonly factorize?: Factorize;
}

/** d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients, for every variable of one group. */
export interface GroupStep {
  readonly previousScale: number;
  readonly extraScale: number;
  readonly coefficients: Float64Array;
}

/** A step made of finite numbers only. */
export interface DampedGramStep extends Solution {
  /** One for each group of the system, in its order. */
  readonly groups: readonly GroupStep[];
  /** J d, the predicted change of the rows (n). */
  readonly change: Float64Array;
}

export type DampedGramSolution = DampedGramStep | SolveFailure;

/** SᵀG_gS of every group, n x n each, not to be written into: the part of the work that does not depend on λ. */
export function groupCurvatures(system: DampedGramSystem): Float64Array[] {
  return system.groups.map(({gram}) => {
    if (system.root.uniform === 1) {
      return gram;
    }
    const part = new Float64Array(system.n * system.n);
    system.root.addCongruence(mirrored(gram.slice(), system.n), 1, part);
    return part;
  });
}

/** C = Σ_g SᵀG_gS, n x n, not weighted by ρ; a single part is returned as it is, so do not write into C. */
export function curvature(system: DampedGramSystem, parts: readonly Float64Array[] = groupCurvatures(system)): Float64Array {
  return parts.length === 1 ? parts[0] : weightedSum(parts, parts.map(() => 1), system.n * system.n);
}

/** The system as a problem for `dampedStep`: SᵀGS is formed once, for any number of λ, and not even once where S = s I. */
export function gramProblem(system: DampedGramSystem): DampedProblem<DampedGramStep> {
  const {uniform = 1} = system.root;
  return uniform === 1 ? problemOf(system) : {...rescaled(problemOf(withUnitRoot(system, uniform)), uniform), rho: largestRho(system)};
}

/** The minimum of ½|sJd + z|² + eᵀd + ρ|d|² + (λ/2)|d - μ d_prev|², and of all that over s²: S = I with z/s, e/s², ρ/s² and λ/s². */
function withUnitRoot(system: DampedGramSystem, s: number): DampedGramSystem {
  const {groups, residual, n} = system;
  return {
    ...system,
    groups: groups.map(group => ({...group, rho: group.rho / s ** 2, extra: group.extra === null ? null : group.extra.map(x => x / s ** 2)})),
    root: diagonalRoot(new Float64Array(n).fill(1)),
    residual: 'z' in residual ? {z: residual.z.map(x => x / s)} : {q: residual.q.map(x => x / s ** 2)},
  };
}

/** A problem over s² as the problem itself. */
function rescaled(problem: DampedProblem<DampedGramStep>, s: number): DampedProblem<DampedGramStep> {
  const square = s ** 2;
  return {
    ...problem,
    trace: square * problem.trace,
    limits: wanted => {
      const {floor, trusted} = problem.limits(wanted / square);
      return {floor: square * floor, trusted: square * trusted};
    },
    solve: lambda => {
      const solution = problem.solve(lambda / square);
      return !solution.ok ? solution :
        {...solution, lambda, groups: solution.groups.map(group => ({...group, extraScale: group.extraScale / square}))};
    },
    effectiveDimension: lambda => problem.effectiveDimension(lambda / square),
  };
}

const largestRho = ({groups}: DampedGramSystem): number => Math.max(0, ...groups.map(({rho}) => rho));

function problemOf(system: DampedGramSystem): DampedProblem<DampedGramStep> {
  const {n} = system;
  const parts = groupCurvatures(system);
  const total = curvature(system, parts);
  const trace = traceOf(total, n);
  return {
    trace,
    scaling: 'levenberg',
    rho: largestRho(system),
    // The trace bounds the norm that the limits are taken from, and is free.
    limits: wanted => Number.isFinite(trace) && wanted >= TRUSTED_RATIO * trace ? {floor: 0, trusted: 0} : float32Floor(total, n),
    firstBadRow: () => Math.max(0, Math.floor(firstNonFinite(total) / n)),
    solve: lambda => solveDampedGram(system, lambda, parts),
    effectiveDimension: lambda => effectiveDimension(total, n, lambda),
  };
}

/**
 * The step of the formula above at damping λ, where λ + 2ρ must be positive for every group.
 *
 * The equations are multiplied by D_min = min D_v: M becomes Σ (D_min/D_g) SᵀG_gS + D_min I with weights in (0, 1], so nothing is
 * divided by a small λ before the factorization and λ from 1e-30 to 1e30 stays in range. The relative error of either form is of
 * order 2⁻⁵³ σ²max/λ, always 2⁻²⁹ of what float32 rows have already cost. The form in q needs one step of iterative refinement for
 * that: without it its error was (σ²max/λ)² · 2⁻⁵³, 2e-8 in place of 3e-12 at λ = 1e-3 in the tests' problems.
 *
 * Never throws and never returns a number that is not finite: see `SolveFailure`.
 *
 * @param parts `groupCurvatures(system)`, for a caller who solves one system with several λ.
 */
export function solveDampedGram(
    system: DampedGramSystem, lambda: number, parts: readonly Float64Array[] = groupCurvatures(system)): DampedGramSolution {
  const {n, groups, root, residual, momentum, factorize = doublePrecision} = system;
  const diagonals = groups.map(({rho}) => lambda + 2 * rho);
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
  groups.forEach(({previous, extra}, g) => {
    if (previous !== null) {
      addInto(free, previousScales[g], previous);
    }
    if (extra !== null) {
      addInto(free, extraScales[g], extra);
    }
  });
  const rootedFree = root.applyTranspose(free);
  const target = 'z' in residual ? addInto(residual.z.slice(), 1, rootedFree) :             // z + SᵀJc
                                   addInto(residual.q.slice(), 1, root.apply(rootedFree));  // q̃
  const badRow = firstNonFinite(target);
  if (badRow >= 0) {
    return {ok: false, cause: hasNumbers(system, parts) ? 'overflow' : 'nonfinite', pivot: badRow};
  }

  const weighted = parts.length === 1 && weights[0] === 1 ? parts[0] : weightedSum(parts, weights, n * n);
  const factor = factorize(weighted, n, shift);
  let pivot = factor.ok ? -1 : factor.pivot;
  /** M⁻¹u; what comes out after a breakdown has no meaning. */
  const solve = (u: Float64Array): Float64Array => {
    const solved = factor.ok ? factor.solve(u) : factor;
    if ('ok' in solved) {
      pivot = solved.pivot;
      return u;
    }
    return solved;
  };

  let common: Float64Array;  // coefficients of a group whose D is D_min
  if ('z' in residual) {
    common = root.apply(solve(target));
  } else {
    const gramTimes = (u: Float64Array) => {  // D_min G_D u
      const product = new Float64Array(n);
      groups.forEach(({gram}, g) => addProduct(weights[g], gram, u, product));
      return product;
    };
    // (I + H G_D)⁻¹ u = u - S M⁻¹SᵀG_D u
    const respond = (u: Float64Array) => addInto(u.slice(), -1, root.apply(solve(root.applyTranspose(gramTimes(u)))));
    const v = respond(target);
    // For small λ, v is a small difference of large vectors: what q̃ = v + S SᵀG_D v leaves over is solved for once more.
    const defect = addInto(addInto(target.slice(), -1, v), -1 / shift, root.apply(root.applyTranspose(gramTimes(v))));
    common = addInto(v, 1, respond(defect)).map(value => value / shift);
  }
  if (pivot >= 0) {
    return {ok: false, cause: hasNumbers(system, parts) ? 'singular' : 'nonfinite', pivot};
  }

  const change = free;  // J c, from which J_v J_vᵀ coefficients are taken below
  const steps = groups.map(({gram}, g): GroupStep => {
    const coefficients = common.map(value => weights[g] * value);
    addProduct(-1, gram, coefficients, change);
    return {previousScale: previousScales[g], extraScale: extraScales[g], coefficients};
  });
  const overflow = firstNonFinite(change);  // tells of the coefficients too: 0 · Infinity is NaN
  return overflow < 0 ? {ok: true, lambda, groups: steps, change} : {ok: false, cause: hasNumbers(system, parts) ? 'overflow' : 'nonfinite', pivot: overflow};
}

/** Whether all that a step is solved from is finite. */
function hasNumbers({n, root, residual, groups}: DampedGramSystem, parts: readonly Float64Array[]): boolean {
  const vectors = groups.flatMap(({previous, extra}) => [previous, extra]).filter(vector => vector !== null);
  const all = ['z' in residual ? residual.z : residual.q, root.apply(new Float64Array(n).fill(1)), ...vectors, ...parts];
  return all.every(vector => vector.every(Number.isFinite));
}

/** Σ_g weights[g] · parts[g], arrays of `length`. */
function weightedSum(parts: readonly Float64Array[], weights: readonly number[], length: number): Float64Array {
  const sum = new Float64Array(length);
  parts.forEach((part, g) => addInto(sum, weights[g], part));
  return sum;
}
