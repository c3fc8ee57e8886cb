import {mul, reshape, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD} from '../../trace/custom_grad';
import {inputOf, type Trace, type TraceNode} from '../../trace/trace';
import {adjointCheck} from './adjoint_check';
import type {BatchStride} from '../../trace/example_axis';
import {BatchJacobian, type BatchRows} from '../sweep/batch_jacobian';
import {floats, relativeDifference} from './compare';
import {pseudoRandom} from '../../arrays/pseudo_random';
import {cotangents, tfjsCotangents, type Values} from '../../derivatives/cotangents';
import {beforeActivation} from '../../derivatives/fused';
import type {Fault} from './fault';
import {addTo} from '../../tfjs/accumulate';
import {shaped, sumTo} from '../../tfjs/fast_ops';
import {backward} from '../plan/parameter_products';
import {collect, sweepBack} from '../../derivatives/reverse_sweep';
import {RESIDUAL, type Plan, type SweepNode} from '../plan/plan';
import {seedsOf} from '../sweep/row_seeds';
import {TOLERANCE} from './self_check';
import {findFaultOfUses} from './use_faults';
import type {Deltas} from '../sweep/sweep';

/**
 * Finds the fault that made the self-check fail: the first part that is wrong on the way from the
 * loss to the variables. Each part is tested alone, with the cotangents that arrive at it in a
 * sweep with tfjs's gradients, seeded with a pseudo-random u:
 *
 * 0. each gradient function of a tf.customGrad: it must be linear in dy;
 * 1. each kernel's cotangent rule against tfjs's gradient, and gradients of ours against the
 *    kernel;
 * 2. each kernel's examples: with w_b a weight for example b, vjp(w ∘ δ) = w ∘ vjp(δ), or the
 *    kernel couples them;
 * 3. the use of each parameter against the vector-Jacobian product of its kernel, then the products
 *    of the use against its rows;
 * 4. the uses of each variable together: this part finds forgotten cross terms.
 *
 * Parts 3 and 4 are left out if the components are taken one after the other.
 *
 * The search runs only after a failure, so that its cost does not matter. It leaves no tensor
 * behind and never throws.
 *
 * @returns null if each part is right by itself.
 */
export function findFault(trace: Trace, plan: Plan, jacobian: BatchRows): Fault | null {
  let fault: Fault | null = null;
  try {
    tidy(() => {
      const u = tensor(pseudoRandom(jacobian.rows), [jacobian.rows]);
      const {found, arriving} = followCotangents(trace, plan, u);
      fault = findNonlinear(trace, plan) ?? found ?? adjointCheck(trace, plan) ?? (jacobian instanceof BatchJacobian ?
        findWrongPull(trace, plan, jacobian, u, arriving) ?? findFaultOfUses(plan, jacobian, u) : null);
    });
  } catch {
    // The self-check has found the difference without this search.
  }
  return fault;
}

/**
 * Part 0: vjp(-1000 δ) = -1000 vjp(δ), for a pseudo-random δ, in the network and in the kernels
 * that make its weights.
 */
function findNonlinear({values, nodes}: Trace, {sweep, analysis}: Plan): Fault | null {
  const all = [...sweep.map(({node}) => node), ...analysis.parameters.map(i => nodes[i])];
  const custom = all.filter(({kernel}) => kernel === CUSTOM_GRAD);
  for (const node of custom) {
    const {shape, size} = values[node.outputs[0]];
    const delta = tensor(pseudoRandom(size, 5), shape);
    const names = node.inputs.filter(([, value]) => analysis.dependent[value]).map(([name]) => name);
    const [once, scaled] = [delta, mul(delta, -1000)].map(d => pull(values, node, [d], names));
    const difference = Math.max(...names.map((_, i) => gap(mul(once[i], -1000), scaled[i])));
    if (!(difference <= TOLERANCE)) {
      return {kind: 'nonlinear', nodes: [node], input: null, variable: null, product: null, difference};
    }
  }
  return null;
}

/**
 * Parts 1 and 2, node by node.
 *
 * @returns the first fault, and the cotangents that arrive at the sites before it, by index of the
 * site.
 */
function followCotangents(trace: Trace, plan: Plan, u: Tensor):
    {found: Fault | null; arriving: Array<Deltas | undefined>} {
  const {values} = trace;
  const {examples, strides} = plan.analysis;
  const weights = pseudoRandom(examples, 3);
  const weigh = (t: Tensor, stride: BatchStride): Tensor => mul(t, exampleWeights(weights, t, stride ?? t.size));
  const known = new Map<number, Tensor>();
  const arriving: Array<Deltas | undefined> = plan.sites.map(() => undefined);
  const plant = (value: number, cotangent: Tensor): void => addTo(known, value, cotangent);
  const visit = ({node, plain, names, values: inputs, sites}: SweepNode, deltas: Deltas): Fault | null => {
    const bare = plain === node ? deltas : [beforeActivation(values, node, deltas[0]!)];
    sites.forEach(site => arriving[site] = bare);
    if (names.length === 0) {
      return null;
    }
    const ours = cotangents(values, plain, bare, names);
    const theirs = pull(values, plain, bare, names);
    const weighed = examples === 1 ? theirs :
      pull(values, plain, bare.map((d, k) => d === null ? null : weigh(d, strides[node.outputs[k]])), names);
    for (const [i, name] of names.entries()) {
      const difference = gap(ours[i], theirs[i]);
      const coupling = examples === 1 ? 0 : gap(weighed[i], weigh(theirs[i], strides[inputs[i]]));
      if (!(Math.max(difference, coupling) <= TOLERANCE)) {
        const kind = difference <= TOLERANCE ? 'couples' : 'rule';
        return {kind, nodes: [node], input: name, variable: null, product: null,
          difference: kind === 'rule' ? difference : coupling};
      }
      plant(inputs[i], theirs[i]);
    }
    return null;
  };
  const seeds = seedsOf(trace, plan, u);
  for (const [b, {node, rows}] of plan.starts.entries()) {
    const fault = node === null ? null : visit(node, [seeds[b]]);
    if (fault !== null) {
      return {found: fault, arriving};
    }
    rows.forEach(({site, value, negative}) => {
      const part = sumTo(seeds[b], values[value].shape);
      arriving[site] = [negative ? mul(part, -1) : part];
    });
    if (node === null && rows.length === 0) {
      plant(plan.blocks[b].value, seeds[b]);
    }
  }
  for (const swept of plan.sweep) {
    const deltas = swept.node.outputs.map(output => known.get(output) ?? null);
    const fault = deltas.every(d => d === null) ? null : visit(swept, deltas);
    if (fault !== null) {
      return {found: fault, arriving};
    }
  }
  return {found: null, arriving};
}

function pull(values: Values, node: TraceNode, deltas: Deltas, names: readonly string[]): Tensor[] {
  const thunks = tfjsCotangents(values, node, deltas);
  return names.map(name => thunks[name]());
}

/** The weight of the example that each entry belongs to. */
function exampleWeights(weights: Float32Array, like: Tensor, stride: number): Tensor {
  const {size, shape} = like;
  return tensor(Float32Array.from({length: size}, (_, i) => weights[Math.floor(i / stride) % weights.length]), shape);
}

const gap = (a: Tensor, b: Tensor): number => relativeDifference(floats(a, a.size), floats(b, b.size));

/** Part 3, Jᵀu: each use against the vector-Jacobian product of its kernel, by variable. */
function findWrongPull(trace: Trace, plan: Plan, jacobian: BatchJacobian, u: Tensor,
    arriving: ReadonlyArray<Deltas | undefined>): Fault | null {
  const {analysis, components} = plan;
  const entries = reshape(u, [analysis.examples, components]);
  const views = analysis.parameters.map(i => trace.nodes[i]);
  for (const [i, {node, name, parameter}] of plan.sites.entries()) {
    const deltas = arriving[i];
    if (deltas === undefined) {
      continue;
    }
    const input = inputOf(node, name);
    const own = node.kernel === RESIDUAL ? deltas[0]! : pull(trace.values, node, deltas, [name])[0];
    const swept = sweepBack(trace.values, views, new Map([[input, own]]), value => analysis.dependent[value]);
    const theirs = collect(swept, parameter.leaves, analysis.variableOf);
    const pulled = shaped(jacobian.uses[i].applyTranspose(entries), trace.values[parameter.value].shape);
    const mine = backward(trace.values, analysis, parameter, pulled);
    for (const variable of parameter.variables) {
      const {size} = analysis.variables[variable];
      const difference =
          relativeDifference(floats(mine.get(variable) ?? null, size), floats(theirs.get(variable) ?? null, size));
      if (!(difference <= TOLERANCE)) {
        return {kind: 'use', nodes: [node], input: name, variable, product: 'Jᵀu', difference};
      }
    }
  }
  return null;
}
