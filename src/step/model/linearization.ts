import {sum, type Tensor} from '@tensorflow/tfjs-core';
import {isUnread} from '../../errors';
import type {CheckedJacobian} from '../../jacobian/checked_jacobian';
import type {PlanCache} from '../../jacobian/plan/plan_cache';
import {MATRIX_FREE, type SystemName} from '../../solve/system';
import type {Plan} from '../../jacobian/plan/plan';
import {StatisticsLinearization} from '../../jacobian/whole/frozen_statistics';
import type {Linearization} from '../../jacobian/whole/linearization';
import type {Units} from '../../jacobian/whole/units';
import {gradientThroughStatistics} from '../../jacobian/whole/statistics_gradient';
import type {StepDerivatives} from '../../loss/output_derivatives';
import {seedsOfRows, type Rows} from '../../loss/rows';
import type {Ridge} from '../../systems/ridge';
import type {Trace} from '../../trace/trace';

/** B, the number of examples, of each group of rows, as its plan reads them. */
export const examplesByGroup = (plans: readonly Plan[]): number[] => plans.map(({analysis}) => analysis.examples);

/**
 * The checked Jacobian for a system. If no reading of the batch axis gives its rows, it is that of
 * conjugate gradients, whose products by sweeps need no examples. The cache remembers this.
 *
 * @param mayChange whether another system may be taken.
 * @throws the first error if products are not possible either.
 */
export function jacobianBy(chosen: SystemName, mayChange: boolean, signature: string, cache: PlanCache,
    check: (system: SystemName) => CheckedJacobian): {readonly solver: SystemName; readonly checked: CheckedJacobian} {
  const isKnown = mayChange && cache.isUnread(signature);
  try {
    const solver = isKnown ? MATRIX_FREE : chosen;
    return {solver, checked: check(solver)};
  } catch (error) {
    if (!mayChange || isKnown || chosen === MATRIX_FREE || !isUnread(error)) {
      throw error;
    }
    try {
      const checked = check(MATRIX_FREE);
      cache.noteUnread(signature);
      return {solver: MATRIX_FREE, checked};
    } catch (another) {
      throw isUnread(another) ? error : another;
    }
  }
}

/**
 * The linearization that a step is solved with. If the checked linearization holds statistics of
 * the batch constant, then it is changed by the least that makes the gradient Jᵀq exact, see
 * `StatisticsJacobian`.
 *
 * @param units the coordinates of the checked linearization; null for the weights themselves.
 */
export function linearizationOf(trace: Trace, rows: Rows, plans: readonly Plan[], checked: Linearization,
    derivatives: StepDerivatives, {partOf}: Ridge, units: Units | null = null): Linearization {
  const sizes = rows.dependence.variables.map(({size}) => size);
  const plain = throughStatistics(trace, rows, plans, derivatives);
  const f = plain === null || units === null ? plain : units.pulled(plain);
  const u = f === null ? null : directionOf(derivatives);
  if (f === null || u === null) {
    return checked;
  }
  if (f.some(t => t !== null && !Number.isFinite(sum(t).dataSync()[0]))) {
    throw checked.notFinite();
  }
  return new StatisticsLinearization(checked, u, f, partOf, sizes);
}

/**
 * f by variable: the part of the gradient of the rows that flows through frozen statistics; null if
 * no statistic is frozen.
 */
function throughStatistics(trace: Trace, rows: Rows, plans: readonly Plan[], {q}: StepDerivatives):
    Array<Tensor | null> | null {
  if (plans.every(plan => plan.analysis.frozen.size === 0)) {
    return null;
  }
  // For squares alone, the kernels behind the rows give q. Behind a softmax the kernels clip, and q
  // does not; a root has no derivative at 0.
  const isTrace = rows.head.outputTerms.length + rows.head.functions.length === 0;
  const seeds = isTrace ? null : seedsOfRows(trace, rows, examplesByGroup(plans), q);
  return gradientThroughStatistics(trace, rows.dependence, plans, seeds);
}

/** u with uᵀq = 1: S⁻ᵀz / |z|², or q / |q|² without z; null if q or z is 0. */
function directionOf({q, z, root}: StepDerivatives): Float64Array | null {
  const pull = z ?? q;
  const size = pull.reduce((sum, x) => sum + x * x, 0);
  if (size === 0) {
    return null;
  }
  if (z === null) {
    return q.map(x => x / size);
  }
  // z is given for squares alone: S is diagonal, and z is 0 for a row without weight.
  const s = root.applyTranspose(new Float64Array(q.length).fill(1));
  return z.map((x, i) => x === 0 ? 0 : x / (s[i] * size));
}
