import type {Variable} from '@tensorflow/tfjs-core';
import type {Trace, TraceNode} from '../capture/trace';
import {BatchAxisLost, propagateBatch} from './batch_axis';
import type {BatchStride} from './batch_axis';

/** Which values of a trace depend on the variables being trained, through float32 values all the way. */
export interface Dependence {
  /** By value index. */
  readonly dependent: readonly boolean[];
  /** The variables being trained that f() read, each once, in the order of their first use. */
  readonly variables: readonly Variable[];
  /** Value index -> index in `variables`. A variable that f() wrote in between has several. */
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
  for (const node of trace.nodes) {
    if (node.inputs.some(([, value]) => dependent[value])) {
      for (const output of node.outputs) {
        dependent[output] = passesDerivative(trace, node, output);
      }
    }
  }
  return {dependent, variables, variableOf};
}

/** Kernels whose derivative is zero wherever there is one. */
const CONSTANT = new Set(['ZerosLike', 'OnesLike', 'Step', 'Sign', 'Floor', 'Ceil', 'Round']);

/** Whether an output of a node varies with its inputs. Integers and truth values are piecewise constant: no derivative passes. */
export const passesDerivative = (trace: Trace, node: TraceNode, output: number): boolean =>
  trace.values[output].dtype === 'float32' && !CONSTANT.has(node.kernel);

/** The part of a trace between the variables and the rows, with the place of the examples in every value. */
export interface Analysis extends Dependence {
  readonly batch: number;
  /** By value index; null for what all examples share: weights and what is made of them alone. */
  readonly strides: readonly BatchStride[];
  /** Indices of the nodes on a path from a variable to a row whose outputs belong to examples, in order. */
  readonly activations: readonly number[];
  /** Indices of the nodes on such a path whose outputs all examples share (views of weights), in order. */
  readonly parameters: readonly number[];
}

/**
 * @param roots value indices of the rows.
 * @param batch number of examples B. With B = 1 the whole batch counts as one example.
 * @param isBatched whether a value that f() only read holds one entry per example.
 * @throws BatchAxisLost when the examples cannot be followed from the inputs to the rows.
 */
export function analyse(trace: Trace, dependence: Dependence, roots: readonly number[], batch: number,
    isBatched: (value: number) => boolean): Analysis {
  const needed = upstream(trace, roots);
  const {dependent} = dependence;
  const strides: BatchStride[] = trace.values.map((value, i) =>
    trace.producer[i] === -1 && needed.has(i) && !dependent[i] && isBatched(i) ? value.size / batch : null);
  const activations: number[] = [];
  const parameters: number[] = [];
  trace.nodes.forEach((node, i) => {
    if (!node.outputs.some(output => needed.has(output))) {
      return;
    }
    const isDependent = node.outputs.some(output => dependent[output]);
    const found = stridesOf(trace, node, strides, batch, isDependent);
    node.outputs.forEach((output, k) => strides[output] = found[k]!);
    if (isDependent) {
      (found[0] === null ? parameters : activations).push(i);
    }
  });
  return {...dependence, batch, strides, activations, parameters};
}

/** The values that some values are computed from, themselves included. */
export function upstream(trace: Trace, values: readonly number[]): Set<number> {
  const found = new Set(values);
  for (let i = trace.nodes.length - 1; i >= 0; i--) {
    const node = trace.nodes[i];
    if (node.outputs.some(output => found.has(output))) {
      node.inputs.forEach(([, value]) => found.add(value));
    }
  }
  return found;
}

function stridesOf(trace: Trace, node: TraceNode, strides: readonly BatchStride[], batch: number,
    isDependent: boolean): BatchStride[] {
  const shape = (value: number): number[] => trace.values[value].shape;
  const inputs = new Map(node.inputs.map(([name, value]) => [name, {shape: shape(value), stride: strides[value]!}]));
  try {
    return propagateBatch(node, inputs, node.outputs.map(shape), batch);
  } catch (error) {
    if (isDependent || !(error instanceof BatchAxisLost)) {
      throw error;
    }
    // Data that do not depend on the weights may mix the examples (statistics of the inputs): to the Jacobian they
    // are constants. Where only the rule is missing, the leading axis is the best guess; the self-check tells.
    return node.outputs.map(output =>
      error.reason === 'unknown' && shape(output)[0] === batch ? trace.values[output].size / batch : null);
  }
}
