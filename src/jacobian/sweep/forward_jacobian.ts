import {concat, slice, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import {BatchJacobian} from './batch_jacobian';
import {transposed} from '../../tfjs/fast_ops';
import {blockFloats, checkMemory} from '../../tfjs/memory';
import type {Plan} from '../plan/plan';
import {pushTangents} from './forward_sweep';
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
  const rows = pushTangents(trace, plan, plan.forward!.nodes, unitTangents(trace, plan, from, to), to - from);
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
