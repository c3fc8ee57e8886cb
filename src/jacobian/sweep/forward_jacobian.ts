import {concat, slice, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {valuesOf} from '../../trace/trace';
import type {Trace, TraceNode} from '../../trace/trace';
import {BatchJacobian} from './batch_jacobian';
import {shaped, transposed} from '../../tfjs/fast_ops';
import {blockFloats, checkMemory} from '../../tfjs/memory';
import type {Plan} from '../plan/plan';
import {LARGE} from './sweep';
import {ForwardNode} from '../../derivatives/tangents/rule';
import {tangentRule} from '../../derivatives/tangents/rules';
import {RowsUse} from '../uses/rows';

/**
 * Floats of the largest tangent of a sweep. The tensors that it is made of take some times as many.
 */
const LARGEST_TANGENT = 2 ** 22;

/**
 * The Jacobian J [n, m] of the rows by forward sweeps. The columns of J are the derivatives of the
 * rows in the directions of the parameters. All directions go through the recorded kernels
 * together, as a leading axis of every tangent. The result is exact, as that of reverse sweeps.
 *
 * One sweep takes two to three kernels for each kernel between the variables and the rows, for any
 * n and m. If the tangents of all directions would be large, the directions are taken in parts.
 *
 * All tensors belong to the caller's scope.
 *
 * @param floats of the largest tangent.
 */
export function forwardJacobian(trace: Trace, plan: Plan, floats = Math.min(LARGEST_TANGENT, blockFloats() / 4)):
    BatchJacobian {
  const {nodes, first, directions} = plan.forward!;
  const sizes = nodes.flatMap(({outputs}) => outputs.map(output => trace.values[output].size));
  const largest = Math.max(...sizes, plan.components);
  const width = Math.max(1, Math.min(directions, Math.floor(floats / largest)));
  const uses = tidy(() => {
    const parts: Tensor[] = [];
    for (let from = 0; from < directions; from += width) {
      parts.push(tidy(() => tangentsOfRows(trace, plan, from, Math.min(directions, from + width))));
      checkMemory();
    }
    const columns = parts.length === 1 ? parts[0] : concat(parts, 0);
    return plan.sites.map(({parameter: {variables: [v]}}) =>
      transposed(slice(columns, [first.get(v)!, 0], [plan.analysis.variables[v].size, plan.components])));
  });
  checkMemory();
  return new BatchJacobian(trace.values, plan, uses.map(rows => new RowsUse(rows, 1, plan.components)));
}

/** Jᵀ in the directions from..to-1, [to - from, n]; the blocks of rows follow each other. */
function tangentsOfRows(trace: Trace, plan: Plan, from: number, to: number): Tensor {
  const {values} = trace;
  const {nodes} = plan.forward!;
  const count = to - from;
  const tangents = unitTangents(trace, plan, from, to);
  const drop = releaser(plan, trace, tangents);
  nodes.forEach((node, i) => {
    if (node.inputs.some(([, value]) => tangents.has(value))) {
      const at = new ForwardNode(values, node, tangents, count);
      const form = (): Tensor[] => [tangentRule(node)!(at)].flat();
      const isLarge = at.output.size * count >= LARGE;
      (isLarge ? tidy(form) : form()).forEach((tangent, k) => {
        if (plan.analysis.dependent[node.outputs[k]]) {
          tangents.set(node.outputs[k], tangent);
        }
      });
    }
    drop(i);
  });
  const rows = plan.blocks.map(({value, difference}) => {
    if (difference === null) {
      return shaped(tangents.get(value)!, [count, values[value].size]);
    }
    const node = {...trace.nodes[difference], kernel: 'Sub', attrs: {}};
    const tangent = tangentRule(node)!(new ForwardNode(values, node, tangents, count)) as Tensor;
    return shaped(tangent, [count, values[value].size]);
  });
  return rows.length === 1 ? rows[0] : concat(rows, 1);
}

/** The tangents of the variables: each entry of a variable has a direction of its own. */
function unitTangents(trace: Trace, plan: Plan, from: number, to: number): Map<number, Tensor> {
  const {first} = plan.forward!;
  const tangents = new Map<number, Tensor>();
  for (const [value, v] of plan.analysis.variableOf) {
    const start = first.get(v);
    if (start === undefined) {
      continue;
    }
    const {size, shape} = trace.values[value];
    const entries = new Float32Array((to - from) * size);
    for (let k = Math.max(from, start); k < Math.min(to, start + size); k++) {
      entries[(k - from) * size + k - start] = 1;
    }
    tangents.set(value, tensor(entries, [to - from, ...shape]));
  }
  return tangents;
}

/**
 * A function that disposes, after the i-th node, of the large tangents that no later node reads.
 */
function releaser({forward, blocks}: Plan, trace: Trace, tangents: Map<number, Tensor>): (i: number) => void {
  const nodes: readonly TraceNode[] = forward!.nodes;
  const last = new Map<number, number>();
  nodes.forEach((node, i) => valuesOf(node).forEach(value => last.set(value, i)));
  for (const {value, difference} of blocks) {
    const read = difference === null ? [] : trace.nodes[difference].inputs.map(([, input]) => input);
    [value, ...read].forEach(row => last.set(row, nodes.length));
  }
  return i => {
    for (const value of new Set(valuesOf(nodes[i]))) {
      const t = tangents.get(value);
      if (t === undefined || last.get(value) !== i) {
        continue;
      }
      tangents.delete(value);
      // A reshape to the same shape passes its tangent on.
      if (t.size >= LARGE && ![...tangents.values()].includes(t)) {
        t.dispose();
      }
    }
  };
}
