import type {Variable} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD} from './custom_grad';
import {factsOf} from './kernel_facts';
import {AFFINE, CONSTANT} from './kernel_sets';
import type {Trace, TraceNode} from './trace';

/**
 * The values of a trace that depend on the variables being trained, through float32 values all the
 * way.
 */
export interface Dependence {
  /** Whether the value depends on them so, by value index. */
  readonly dependent: readonly boolean[];
  /**
   * Whether the value varies with these variables at all, by value index. Comparisons and integers
   * vary, and no derivative passes them.
   */
  readonly varying: readonly boolean[];
  /** The variables being trained that f() read, each once, in the order of their first use. */
  readonly variables: readonly Variable[];
  /**
   * Value index -> index in `variables`. A variable that f() wrote in between has several values.
   */
  readonly variableOf: ReadonlyMap<number, number>;
}

export function findDependence(trace: Trace, isTrained: (variable: Variable) => boolean): Dependence {
  const dependent: boolean[] = trace.values.map(() => false);
  const variables: Variable[] = [];
  const variableOf = new Map<number, number>();
  for (const [value, variable] of trace.variables) {
    if (isTrained(variable)) {
      let index = variables.indexOf(variable);
      if (index < 0) {
        index = variables.push(variable) - 1;
      }
      variableOf.set(value, index);
      dependent[value] = true;
    }
  }
  const varying = [...dependent];
  for (const node of trace.nodes) {
    if (node.inputs.some(([, value]) => varying[value])) {
      node.outputs.forEach(output => varying[output] = true);
    }
    if (node.inputs.some(([, value]) => dependent[value])) {
      for (const output of node.outputs) {
        dependent[output] = passesDerivative(trace, node, output);
      }
    }
  }
  return {dependent, varying, variables, variableOf};
}

/**
 * Whether a derivative passes from the inputs of a node to an output. Integers and truth values are
 * piecewise constant.
 */
export const passesDerivative = (trace: Trace, node: TraceNode, output: number): boolean =>
  trace.values[output].dtype === 'float32' && !CONSTANT.has(node.kernel);

/** The values that are computed from some values, themselves included. */
export function downstream(trace: Trace, values: Iterable<number>): Set<number> {
  const found = new Set(values);
  for (const node of trace.nodes) {
    if (node.inputs.some(([, value]) => found.has(value))) {
      node.outputs.forEach(output => found.add(output));
    }
  }
  return found;
}

/**
 * The values that some values are computed from, themselves included; not those that `stops` are
 * computed from.
 *
 * @param alsoFrom values that the outputs of a node are computed from beside its inputs.
 */
export function upstream(trace: Trace, values: readonly number[], stops: ReadonlySet<number> = new Set(),
    alsoFrom: (node: TraceNode) => readonly number[] = () => []): Set<number> {
  const found = new Set(values);
  for (let i = trace.nodes.length - 1; i >= 0; i--) {
    const node = trace.nodes[i];
    if (node.outputs.some(output => found.has(output) && !stops.has(output))) {
      node.inputs.forEach(([, value]) => found.add(value));
      alsoFrom(node).forEach(value => found.add(value));
    }
  }
  return found;
}

/**
 * The same with the forward passes of the tf.customGrad ops, which a replay runs, and which lead
 * the examples to the outputs of the ops.
 */
export const upstreamOfReplay = (trace: Trace, values: readonly number[]): Set<number> =>
  upstream(trace, values, new Set(), ({kernel, attrs}) => kernel === CUSTOM_GRAD ? [attrs['inner'] as number] : []);

/**
 * Whether a node is an affine function of those of its inputs that depend on the variables. It is
 * not if the outputs of the model choose its entries by a comparison, although no derivative passes
 * through the comparison: as in r · sign(r) and in where(r > 0, q r, (q - 1) r).
 */
export function isLinear(node: TraceNode, {varying}: Pick<Dependence, 'varying'>): boolean {
  const {chosenBy, factors} = factsOf(node.kernel) ?? {};
  const moving = node.inputs.filter(([, value]) => varying[value]).map(([name]) => name);
  return AFFINE.has(node.kernel) || (chosenBy !== undefined && !moving.includes(chosenBy)) ||
      (factors !== undefined && moving.length === 1 && factors.includes(moving[0]));
}
