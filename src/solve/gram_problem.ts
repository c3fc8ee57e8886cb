import {traceOf} from '../arrays/symmetric';
import {addInto, firstNonFinite} from '../arrays/vectors';
import {diagonalRoot} from './curvature_root';
import {curvature, partCurvatures, solveDampedGram, type DampedGramStep, type DampedGramSystem} from './damped_gram';
import type {DampedProblem} from './damped_step';
import {float32Floor, TRUSTED_RATIO} from './damping';
import {effectiveDimension} from './effective_dimension';
import {evidenceIteration} from './evidence_iteration';

/**
 * The system as a problem for `dampedStep`. SᵀGS is formed once for all λ; if S = s I, it is not
 * formed at all.
 */
export function gramProblem(system: DampedGramSystem): DampedProblem<DampedGramStep> {
  const {uniform = 1} = system.root;
  if (uniform === 1) {
    return problemOf(system);
  }
  return {...rescaled(problemOf(withUnitRoot(system, uniform)), uniform), rho: largestRho(system)};
}

/**
 * The system for S = s I, divided by s². The objective over s² has the same minimum, and is that of
 * S = I with z/s, e/s², ρ/s² and λ/s².
 */
function withUnitRoot(system: DampedGramSystem, s: number): DampedGramSystem {
  const {parts, residual, n} = system;
  return {
    ...system,
    parts: parts.map(part =>
      ({...part, rho: part.rho / s ** 2, extra: part.extra === null ? null : part.extra.map(x => x / s ** 2)})),
    root: diagonalRoot(new Float64Array(n).fill(1)),
    residual: 'z' in residual ? {z: residual.z.map(x => x / s)} : {q: residual.q.map(x => x / s ** 2)},
  };
}

/** The problem whose objective is s² times that of `problem`. */
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
      if (!solution.ok) {
        return solution;
      }
      const parts = solution.parts.map(step => ({...step, extraScale: step.extraScale / square}));
      return {...solution, lambda, parts};
    },
    effectiveDimension: lambda => problem.effectiveDimension(lambda / square),
    dampingByEvidence: (lambda, moved) => {
      const found = problem.dampingByEvidence!(lambda / square, moved);
      return found === null ? null : square * found;
    },
  };
}

const largestRho = ({parts}: DampedGramSystem): number => Math.max(0, ...parts.map(({rho}) => rho));

/**
 * The damping of the evidence for residuals z - SᵀJc, which are those at w - c by the linear model;
 * null if the loss has more than rows, or no z with q = S z. Near the weights a likelihood is
 * ½|z + SᵀJd|² but for a constant, as squares are.
 */
function dampingByEvidence({residual, parts, root, n}: DampedGramSystem, total: Float64Array, lambda: number,
    moved: Float64Array | null): number | null {
  if (parts.some(({rho, extra}) => rho !== 0 || extra !== null)) {
    return null;
  }
  const z = 'z' in residual ? residual.z.slice() : root.preimage(residual.q);
  return z === null ? null :
    evidenceIteration(total, n, lambda, moved === null ? z : addInto(z, -1, root.applyTranspose(moved)));
}

function problemOf(system: DampedGramSystem): DampedProblem<DampedGramStep> {
  const {n} = system;
  const curvatures = partCurvatures(system);
  const total = curvature(system, curvatures);
  const trace = traceOf(total, n);
  return {
    trace,
    scaling: 'levenberg',
    rho: largestRho(system),
    // The trace bounds the norm that the limits are a share of, and costs nothing.
    limits: wanted => Number.isFinite(trace) && wanted >= TRUSTED_RATIO * trace ? {floor: 0, trusted: 0} :
      float32Floor(total, n),
    firstBadRow: () => Math.max(0, Math.floor(firstNonFinite(total) / n)),
    solve: lambda => solveDampedGram(system, lambda, curvatures),
    effectiveDimension: lambda => effectiveDimension(total, n, lambda),
    dampingByEvidence: (lambda, moved) => dampingByEvidence(system, total, lambda, moved),
  };
}
