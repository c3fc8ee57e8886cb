import {upstream, type Dependence} from '../../trace/dependence';
import {RESHAPES} from '../../trace/kernel_sets';
import {nodeOf, reachedFrom} from './nodes';
import type {Trace, TraceNode} from '../../trace/trace';

/**
 * The last values of a custom loop behind which no variable enters a term of the loss: the outputs
 * of the last kernels that join a variable with data, such as the logits behind a bias.
 *
 * The examples are found by the leading size of the term, else by that of the values that it was
 * made of, since a term may have been flattened, transposed or gathered.
 *
 * @returns value indices, ascending; null if the term has no such values.
 */
export function lastOutputs(trace: Trace, dependence: Dependence, term: number): number[] | null {
  for (const examples of leadingSizes(trace, dependence, term)) {
    const found = lastOutputsOf(trace, dependence, term, examples);
    if (found !== null) {
      return found;
    }
  }
  return null;
}

/**
 * Leading sizes of a term and of the values that it was made of, back to the variables: candidates
 * for the number of examples. The last candidate is 1, since one example may have no axis.
 */
function leadingSizes(trace: Trace, {dependent}: Dependence, term: number): number[] {
  const sizes = new Set<number>();
  for (let value: number | undefined = term; value !== undefined;) {
    const {shape, size} = trace.values[value];
    if (size > 1 && shape[0] > 1) {
      sizes.add(shape[0]);
    }
    value = nodeOf(trace, value)?.inputs.map(([, input]) => input).find(input => dependent[input]);
  }
  return [...sizes, 1];
}

function lastOutputsOf(trace: Trace, dependence: Dependence, term: number, examples: number): number[] | null {
  const {dependent} = dependence;
  const needed = upstream(trace, [term]);
  const mixed = mixedValues(trace, dependence, needed, examples);
  const isJoin = (node: TraceNode): boolean => node.outputs.some(output => mixed[output]) &&
      node.inputs.some(([, value]) => dependent[value] && !mixed[value]);
  const nodes = trace.nodes.filter(node => node.outputs.some(output => needed.has(output) && dependent[output]));
  // Values behind which a variable still enters: the inputs of a joining kernel, and all before
  // them.
  const early = new Set<number>();
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    if (isJoin(node) || node.outputs.some(output => early.has(output))) {
      node.inputs.forEach(([, value]) => early.add(value));
    }
  }
  // The first values that are not among them, on every path back from the term.
  const first = nodes
      .filter(node => isJoin(node) || node.inputs.some(([, value]) => early.has(value) && mixed[value]))
      .flatMap(node => node.outputs).filter(value => !early.has(value) && mixed[value]);
  const outputs = first.length === 0 ? null : reachedFrom(trace, dependence, [term], first);
  return outputs === null ? null :
    [...new Set(outputs.map(output => withExamplesInFront(trace, output, nodes, examples)))].sort((a, b) => a - b);
}

/** By value index: whether variables and examples have met in a value. */
function mixedValues(trace: Trace, {dependent}: Dependence, needed: ReadonlySet<number>, examples: number): boolean[] {
  const isData = trace.values.map((value, i) =>
    needed.has(i) && trace.producer[i] === -1 && !dependent[i] && value.size > 0 &&
        (examples > 1 ? value.shape[0] === examples : value.size > 1));
  const mixed = trace.values.map(() => false);
  for (const node of trace.nodes) {
    if (!node.outputs.some(output => needed.has(output))) {
      continue;
    }
    const hasData = node.inputs.some(([, value]) => isData[value]);
    const isMixed = node.inputs.some(([, value]) => mixed[value]) ||
        (hasData && node.inputs.some(([, value]) => dependent[value]));
    for (const output of node.outputs) {
      const {shape} = trace.values[output];
      isData[output] = !dependent[output] && (hasData || (examples > 1 && shape[0] === examples));
      mixed[output] = dependent[output] && isMixed;
    }
  }
  return mixed;
}

/**
 * The value behind the reshapes that alone follow an output, if the examples lie along the leading
 * axis there; else the output. A dense layer of tfjs computes [1, B, C].
 */
function withExamplesInFront(trace: Trace, output: number, nodes: readonly TraceNode[], examples: number): number {
  if (trace.values[output].shape[0] === examples) {
    return output;
  }
  const users = nodes.filter(node => node.inputs.some(([, value]) => value === output));
  if (users.length !== 1 || !RESHAPES.has(users[0].kernel)) {
    return output;
  }
  const found = withExamplesInFront(trace, users[0].outputs[0], nodes, examples);
  return trace.values[found].shape[0] === examples ? found : output;
}
