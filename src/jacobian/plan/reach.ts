import {add, tensor, tidy, zeros, type Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../../tfjs/internals';
import {factsOf} from '../../trace/kernel_facts';
import {ENTRYWISE, SELECTIONS} from '../../trace/kernel_sets';
import type {TraceNode} from '../../trace/trace';
import type {Values} from '../../derivatives/cotangents';

/**
 * By entry of a variable v, the entry of the parameter p that it goes into. If each goes into one
 * at most, p is, entry by entry, a function of single entries of its variables (a mask, a square,
 * variables joined, added or multiplied), and dp/dv has one number for each entry of v.
 *
 * @param leaf value index of the variable.
 * @param path the nodes between the variables and p, in order.
 * @returns by entry of the variable, -1 for none; null if an entry goes into several, or if a
 * kernel mixes the entries.
 */
export function findReach(values: Values, path: readonly TraceNode[], leaf: number, p: number): Int32Array | null {
  let reach: Int32Array | null = null;
  tidy(() => {
    const {size, shape} = values[leaf];
    /**
     * By value index, the marks of its elements: 1 + the entry of the variable that it is made of,
     * 0 for none.
     */
    const known = new Map([[leaf, tensor(Float32Array.from({length: size}, (_, i) => i + 1), shape)]]);
    for (const node of path) {
      if (node.inputs.some(([, value]) => known.has(value))) {
        const isSelection = SELECTIONS.has(node.kernel) || fillingOf(node) !== undefined;
        const marks = isSelection ? select(values, node, known) :
          ENTRYWISE.has(node.kernel) ? merge(values, node, known) : null;
        if (marks === null) {
          return;
        }
        node.outputs.forEach((output, k) => known.set(output, marks[k]));
      }
    }
    const found = new Int32Array(size).fill(-1);
    const marks = known.get(p)!.dataSync();
    for (let i = 0; i < marks.length; i++) {
      const entry = marks[i] - 1;
      if (entry >= 0 && found[entry] >= 0) {
        return;
      }
      if (entry >= 0) {
        found[entry] = i;
      }
    }
    reach = found;
  });
  return reach;
}

/** The attribute with the number of entries that are made of no input, if the kernel has one. */
const fillingOf = ({kernel}: TraceNode): string | undefined => factsOf(kernel)?.filledWith;

/** The marks of the outputs of a kernel that selects entries. The kernel itself moves the marks. */
function select(values: Values, node: TraceNode, known: ReadonlyMap<number, Tensor>): Tensor[] {
  const inputs = node.inputs.map(([name, v]) => [name, known.get(v) ?? zeros(values[v].shape)] as const);
  const filling = fillingOf(node);
  const attrs = filling === undefined ? node.attrs : {...node.attrs, [filling]: 0};
  const result = runKernel(node.kernel, node.arrayInputs ? inputs.map(([, t]) => t) : Object.fromEntries(inputs),
      attrs);
  return Array.isArray(result) ? result : [result];
}

/** The marks of the output of an elementwise kernel; null if an element is made of two entries. */
function merge(values: Values, node: TraceNode, known: ReadonlyMap<number, Tensor>): Tensor[] | null {
  const {shape, size} = values[node.outputs[0]];
  const merged = new Float32Array(size);
  for (const [, value] of node.inputs) {
    const marks = known.get(value);
    const full = marks === undefined ? [] : add(marks, zeros(shape)).dataSync();
    for (let i = 0; i < full.length; i++) {
      if (full[i] !== 0 && merged[i] !== 0 && full[i] !== merged[i]) {
        return null;
      }
      merged[i] = Math.max(merged[i], full[i]);
    }
  }
  return [tensor(merged, shape)];
}
