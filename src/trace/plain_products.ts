import {savedBy, sourcesOf} from './custom_grad';
import {MATRIX_PRODUCTS, RESHAPES} from './kernel_sets';
import type {NamedValue, Trace, TraceNode} from './trace';

/**
 * Some nodes of a trace, in which products of matrices take the place of products with an axis of
 * size 1 in front. tfjs's fused product of matrices u and w, to which dense layers lead, is
 *
 *     z = reshape(a b + bias),  a = reshape(u),  b = reshape(w)    and becomes    z = u w + bias
 *
 * So a sweep makes no reshapes. On tfjs-node a reshape is an op, and its output has data of its
 * own, by which the cotangents of a kernel and its bias are two tensors.
 *
 * @param nodes in any order, which stays. A reshape that is missing, since its output is given,
 * stays missing.
 * @param kept value indices that are needed, or given, beside the kernels of the trace.
 */
export function plainProducts(trace: Trace, nodes: readonly TraceNode[], kept: ReadonlySet<number>): TraceNode[] {
  const readers = readersOf(trace);
  const present = new Set(nodes);
  const plain = new Map<TraceNode, TraceNode>();
  const behind = new Set<TraceNode>();
  for (const node of nodes) {
    const inputs = MATRIX_PRODUCTS.has(node.kernel) ? plainInputs(trace, node, kept) : null;
    const [y] = node.outputs;
    const [reshape, ...others]: ReadonlyArray<TraceNode | undefined> = readers.get(y) ?? [];
    if (inputs !== null && others.length === 0 && !kept.has(y) && RESHAPES.has(reshape?.kernel ?? '') &&
        present.has(reshape) && isPadded(trace, y, reshape.outputs[0])) {
      plain.set(node, {...node, inputs, outputs: reshape.outputs});
      behind.add(reshape);
    }
  }
  const isRead = ([value]: readonly number[]): boolean =>
    kept.has(value) || (readers.get(value) ?? []).some(reader => !plain.has(reader));
  return nodes.filter(node => !behind.has(node) && (!RESHAPES.has(node.kernel) || isRead(node.outputs)))
      .map(node => plain.get(node) ?? node);
}

/** The inputs of a product, as matrices before their reshapes; null if one is no such matrix. */
function plainInputs(trace: Trace, {inputs}: TraceNode, kept: ReadonlySet<number>): NamedValue[] | null {
  const plain = inputs.flatMap(([name, value]): NamedValue[] => {
    if (name === 'bias') {
      return trace.values[value].rank < 2 ? [[name, value]] : [];
    }
    const source = trace.nodes[trace.producer[value]] as TraceNode | undefined;
    const isReshape = source !== undefined && !kept.has(value) && RESHAPES.has(source.kernel);
    return isReshape && isPadded(trace, value, source.inputs[0][1]) ? [[name, source.inputs[0][1]]] : [];
  });
  return plain.length === inputs.length ? plain : null;
}

/** Whether a value has the shape of a matrix, with an axis of size 1 in front. */
function isPadded({values}: Trace, padded: number, matrix: number): boolean {
  const {shape} = values[matrix];
  return shape.length === 2 && [1, ...shape].join() === values[padded].shape.join();
}

/** The nodes that read a value, by value index. */
function readersOf(trace: Trace): ReadonlyMap<number, readonly TraceNode[]> {
  const readers = new Map<number, TraceNode[]>();
  for (const node of trace.nodes) {
    for (const value of new Set([...node.inputs.map(([, input]) => input), ...sourcesOf(node), ...savedBy(node)])) {
      readers.set(value, [...readers.get(value) ?? [], node]);
    }
  }
  return readers;
}
