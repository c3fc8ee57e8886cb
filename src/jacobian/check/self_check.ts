import {ones, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import type {BatchRows} from '../sweep/batch_jacobian';
import {seedsByValue} from '../sweep/row_seeds';
import {distance, dot, norm} from '../../arrays/vectors';
import {floats, NOISE} from './compare';
import {pseudoRandom} from '../../arrays/pseudo_random';
import {matMul, shaped} from '../../tfjs/fast_ops';
import {mayBeWhole} from '../../tfjs/memory';
import {collect, sweepBack} from '../../derivatives/reverse_sweep';
import type {Plan} from '../plan/plan';

/**
 * Largest relative difference that the self-check lets pass, in the Euclidean norm: two hundred
 * times the largest difference of right rules, which is rounding, and a tenth of the smallest
 * fault.
 *
 * Measured: right rules are two float32 evaluations of the same sums in different order. Over all
 * networks of `test/cases`, cpu and WASM, the median is 5e-8 and the largest 4e-6; with 128
 * examples, 64-1024-1024-1 gives 2e-6, sixteen layers of 64 give 2e-6, the CNN on 28 x 28 images
 * 5e-6, an LSTM over 20 and over 100 steps 2e-6. Faults that were put in on purpose: one Gram
 * matrix 2 % off 1.3e-2, a derivative 10 % off 9e-2, forgotten cross terms 1e-2 to 2e-1, mixed
 * examples and left-out variables 0.5 to 1. The adjoint identities: at most 3e-6 if right, 7e-2 to
 * 3 if wrong.
 */
export const TOLERANCE = 1e-3;

/** Floats that the Gram matrices of single variables may take together: 256 MiB. */
const MAX_MATRICES = 2 ** 26;

/**
 * Tests the batch Jacobian of a trace against itself and against tfjs, with a fixed pseudo-random u
 * in Rⁿ:
 *
 * 1. Jᵀu from the uses equals one ordinary reverse sweep with tfjs's own gradients, seeded with u,
 *    variable by variable;
 * 2. G u equals J(Jᵀu), over all variables and, if the matrices fit, variable by variable. Without
 *    the Gram matrix, uᵀJ(Jᵀu) equals |Jᵀu|², and of products by sweeps |J d|² equals dᵀJᵀ(J d).
 *
 * The gradients that are ours in both sweeps are tested by `adjointCheck`, on the first step.
 *
 * The check runs once for each trace.
 *
 * @param gram the Gram matrix G = J Jᵀ over all variables, n x n; null to do without.
 * @param seen gets the indices of the variables that were large enough in Jᵀu to tell.
 * @returns the difference in words; null if there is none.
 *
 * Measured: it costs 1 to 2 steps, so less than 1 % of 200 steps; in steps of batch 128, CPU time,
 * 16-64-64-1 1.1 on WASM and 0.8 on cpu, 64-1024-1024-1 1.7 to 2.1, the CNN on 28 x 28 images 1.7,
 * an LSTM over 20 steps 1.6 on WASM and 0.6 on cpu.
 */
export function selfCheck(trace: Trace, plan: Plan, jacobian: BatchRows, gram: Float64Array | null,
    seen = new Set<number>()): string | null {
  let problem: string | null = null;
  tidy(() => {
    problem = findProblem(trace, plan, jacobian, gram, seen);
  });
  return problem;
}

/**
 * Takes the products of the self-check, without a verdict on them.
 *
 * @param takesGram whether the self-check gets the Gram matrix.
 */
export function rehearseSelfCheck(trace: Trace, plan: Plan, jacobian: BatchRows, takesGram: boolean): void {
  const {components, analysis: {examples, variables}} = plan;
  tidy(() => {
    const u = ones([examples * components]);
    const mine = jacobian.applyTranspose(u);
    ordinaryGradients(trace, plan, u);
    jacobian.apply(mine);
    if (plan.products !== undefined) {
      tidy(() => void jacobian.applyTranspose(jacobian.apply(ofSet(mine, 0))));
    }
    if (takesGram && mayCheckByVariable(jacobian, variables.length)) {
      jacobian.gram(variables.map((_, v) => v));
    }
  });
}

/** Whether the Gram matrices of single variables fit into the memory. */
function mayCheckByVariable({rows}: BatchRows, variables: number): boolean {
  const entries = rows ** 2 * variables;
  return entries <= MAX_MATRICES && mayBeWhole(entries);
}

function findProblem(trace: Trace, plan: Plan, jacobian: BatchRows, gram: Float64Array | null, seen: Set<number>):
    string | null {
  const n = jacobian.rows;
  const u = pseudoRandom(n);
  const uTensor = tensor(u, [n]);
  const mine = jacobian.applyTranspose(uTensor);
  const ordinary = ordinaryGradients(trace, plan, uTensor);
  const pairs = plan.analysis.variables.map((variable, v) => {
    const a = floats(mine[v] ?? null, variable.size);
    const b = floats(ordinary.get(v) ?? null, variable.size);
    return {variable, difference: distance(a, b), size: Math.max(norm(a), norm(b))};
  });
  const total = Math.hypot(...pairs.map(pair => pair.size));
  if (total < NOISE) {
    return null;
  }
  for (const [v, {variable, difference, size}] of pairs.entries()) {
    // Tiny parts of the gradient carry the rounding of the large parts.
    const rounding = 1e-2 * TOLERANCE * total;
    if (size > 2 * rounding) {
      seen.add(v);
    }
    if (!(difference <= TOLERANCE * size + rounding)) {
      return `Jᵀu from the uses of the variable '${variable.name}' differs from an ordinary reverse sweep by ` +
          `${(difference / size).toExponential(1)} of its norm`;
    }
  }
  const direct = jacobian.apply(mine).dataSync();
  if (gram === null) {
    const [square, product] = [total ** 2, dot(Float64Array.from(direct), Float64Array.from(u))];
    return !(Math.abs(square - product) <= TOLERANCE * norm(direct) * norm(u)) ?
      `uᵀJ(Jᵀu) differs from |Jᵀu|² by ${Math.abs(product / square - 1).toExponential(1)} of it` :
      plan.products === undefined ? null : findProblemOfProducts(plan, jacobian, mine);
  }
  const product = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      product[i] = product[i] + gram[i * n + j] * u[j];
    }
  }
  const difference = distance(direct, product);
  if (!(difference <= TOLERANCE * Math.max(norm(direct), norm(product)))) {
    return `G u differs from J(Jᵀu) by ${(difference / norm(direct)).toExponential(1)} of its norm`;
  }
  return mayCheckByVariable(jacobian, pairs.length) ?
    findProblemByVariable(plan, jacobian, uTensor, mine, norm(direct)) : null;
}

/** Sets of variables that are tested by themselves. */
const SETS = 16;

/**
 * Part 2 of products by sweeps, whose J d and Jᵀu share no tensor: for a change d of some
 * variables, dᵀJᵀ(J d) equals |J d|². A random u hardly sees an error of J d in many rows.
 */
function findProblemOfProducts(plan: Plan, jacobian: BatchRows, d: ReadonlyArray<Tensor | null>): string | null {
  const {variables} = plan.analysis;
  for (let set = 0; set < Math.min(SETS, variables.length); set++) {
    const part = ofSet(d, set);
    let [square, product] = [0, 0];
    tidy(() => {
      const change = jacobian.apply(part);
      const back = jacobian.applyTranspose(change);
      square = dotOf(change, change);
      product = part.reduce((sum, t, v) => sum + (t === null ? 0 : dotOf(t, back[v])), 0);
    });
    if (!(Math.abs(square - product) <= TOLERANCE * square + NOISE)) {
      const names = variables.filter((_, v) => part[v] !== null).map(({name}) => `'${name}'`).join(', ');
      return `dᵀJᵀ(J d) differs from |J d|² by ${Math.abs(product / square - 1).toExponential(1)} of it, for a ` +
          `change d of ${names}`;
    }
  }
  return null;
}

const ofSet = (d: ReadonlyArray<Tensor | null>, set: number): Array<Tensor | null> =>
  d.map((t, v) => v % SETS === set ? t : null);

const dotOf = (a: Tensor, b: Tensor | null): number =>
  b === null ? 0 : dot(Float64Array.from(a.dataSync()), Float64Array.from(b.dataSync()));

/** Part 2 for each variable by itself, so that a large layer does not hide a small one. */
function findProblemByVariable(plan: Plan, jacobian: BatchRows, u: Tensor, mine: ReadonlyArray<Tensor | null>,
    total: number): string | null {
  const {variables} = plan.analysis;
  const grams = jacobian.gram(variables.map((_, v) => v));
  for (const [v, variable] of variables.entries()) {
    const product = matMul(grams[v], shaped(u, [jacobian.rows, 1])).dataSync();
    const direct = jacobian.apply(mine.map((part, w) => w === v ? part : null)).dataSync();
    const difference = distance(direct, product);
    if (!(difference <= TOLERANCE * Math.max(norm(direct), norm(product)) + 1e-2 * TOLERANCE * total)) {
      const relative = (difference / norm(direct)).toExponential(1);
      return `G u differs from J(Jᵀu) for the variable '${variable.name}' by ${relative} of its norm`;
    }
  }
  return null;
}

/**
 * Jᵀu by one reverse sweep over the whole trace, with tfjs's gradients only, by index of the
 * variable.
 */
function ordinaryGradients(trace: Trace, plan: Plan, u: Tensor): Map<number, Tensor> {
  const {dependent, variableOf} = plan.analysis;
  const cotangents = sweepBack(trace.values, trace.nodes, seedsByValue(trace, plan, u), value => dependent[value]);
  return collect(cotangents, variableOf.keys(), variableOf);
}
