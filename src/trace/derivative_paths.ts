import {upstream, type Dependence} from './dependence';
import type {Trace} from './trace';

/** The ways on which derivatives pass from the trained variables to some values. */
interface DerivativePaths {
  /** The values on these ways, and the constants that enter there. */
  readonly reached: ReadonlySet<number>;
  /** Index of each variable with such a way -> its last value on the way. */
  readonly leafOf: ReadonlyMap<number, number>;
  /** m: the entries of these variables. */
  readonly parameters: number;
}

/**
 * The ways of the derivatives to some values, by index. No derivative passes comparisons and
 * integers. So a variable that only they read has no way, and does not count as parameters.
 */
export function derivativePaths(trace: Trace, {dependent, variables, variableOf}: Dependence,
    values: readonly number[]): DerivativePaths {
  const constants = new Set(dependent.flatMap((isDependent, value) => isDependent ? [] : [value]));
  const reached = upstream(trace, values, constants);
  const leafOf = new Map([...variableOf].filter(([value]) => reached.has(value)).map(([value, v]) => [v, value]));
  const parameters = variables.reduce((sum, {size}, v) => sum + (leafOf.has(v) ? size : 0), 0);
  return {reached, leafOf, parameters};
}
