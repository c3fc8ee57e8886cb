import {ones, slice, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import type {BatchJacobian} from '../sweep/batch_jacobian';
import {floats, relativeDifference} from './compare';
import {pseudoRandom} from '../../arrays/pseudo_random';
import type {Fault} from './fault';
import {matMul, mul, shaped, sumRows, transposeMultiply} from '../../tfjs/fast_ops';
import type {Plan} from '../plan/plan';
import {TOLERANCE} from './self_check';
import {blocksOf} from '../uses/row_blocks';
import {sharesDelta, type ParameterUse} from '../uses/use';
import {OuterProducts} from '../uses/outer_products';

/** The right products with some rows, taken from the dense rows, block by block. */
interface RowProducts {
  /** Jᵀu. */
  pull(u: Tensor): Float32Array;
  /** J d. */
  apply(d: Tensor): Float32Array;
}

/**
 * Tests the products with the rows of each parameter and of each variable against the rows
 * themselves: first the products of the uses alone, then of the joined uses, then of whole
 * variables.
 *
 * @param u [n].
 */
export function findFaultOfUses(plan: Plan, jacobian: BatchJacobian, u: Tensor): Fault | null {
  const {components, sites, bySite, analysis} = plan;
  const {uses} = jacobian;
  const entries = shaped(u, [analysis.examples, components]);
  for (const [i, use] of uses.entries()) {
    const difference = relativeDifference(rowsOf([use]).pull(u), floats(use.applyTranspose(entries), use.size));
    if (!(difference <= TOLERANCE)) {
      const {node, name, parameter: {variables: [variable]}} = sites[i];
      return {kind: 'use', nodes: [node], input: name, variable, product: 'rows', difference};
    }
  }
  for (const [variable, {bundles, sites: own}] of bySite.entries()) {
    for (const [k, [use]] of jacobian.joined[variable].entries()) {
      const bundle = bundles?.[k] ?? [own[k]];
      const expected = rowsOf(bundle.map(i => uses[i]));
      const d = tensor(pseudoRandom(use.size, 4), [use.size]);
      const gram = bundles === null ? null : () => timesGram(use, u);
      const wrong = compare(expected, u, d, () => pullOf(use, u), () => applyOf(use, d), gram);
      if (wrong !== null) {
        const nodes = bundle.map(i => sites[i].node);
        return bundle.length > 1 ? {kind: 'joined', nodes, input: null, variable, ...wrong} :
          {kind: 'use', nodes, input: sites[bundle[0]].name, variable, ...wrong};
      }
    }
  }
  for (const [variable, {sites: own}] of bySite.entries()) {
    if (own.length === 0) {
      continue;
    }
    const {size, shape} = analysis.variables[variable];
    const expected = productsOf(jacobian.blocks(variable), components, size,
        (from, to) => jacobian.rowsOf(variable, from, to));
    const d = tensor(pseudoRandom(size, 4), shape);
    const only = (t: Tensor): Array<Tensor | null> => bySite.map((_, v) => v === variable ? t : null);
    const gram = (): Tensor => jacobian.gram(bySite.map((_, v) => v === variable ? 0 : 1))[0];
    const wrong = compare(expected, u, d, () => floats(jacobian.applyTranspose(u)[variable], size),
        () => floats(jacobian.apply(only(d)), u.size), () => floats(matMul(gram(), shaped(u, [u.size, 1])), u.size));
    if (wrong !== null) {
      return {kind: 'joined', nodes: own.map(i => sites[i].node), input: null, variable, ...wrong};
    }
  }
  return null;
}

/** The first product that differs from the product with the rows. */
function compare(rows: RowProducts, u: Tensor, d: Tensor, pull: () => ArrayLike<number>, apply: () => ArrayLike<number>,
    gram: (() => ArrayLike<number>) | null): Pick<Fault, 'product' | 'difference'> | null {
  const pulled = rows.pull(u);
  const tests: Array<[Fault['product'], () => ArrayLike<number>, () => ArrayLike<number>]> = [
    ['Jᵀu', () => pulled, pull],
    ['J d', () => rows.apply(d), apply],
    ['G u', () => rows.apply(tensor(pulled)), gram ?? (() => rows.apply(tensor(pulled)))],
  ];
  for (const [product, expected, actual] of tests) {
    const find = (): unknown => relativeDifference(expected(), actual());
    const difference = tidy(find as () => Tensor) as unknown as number;
    if (!(difference <= TOLERANCE)) {
      return {product, difference};
    }
  }
  return null;
}

/** The right products with the sum of the rows of some uses, which are of the same entries. */
function rowsOf(uses: readonly ParameterUse[]): RowProducts {
  const [{examples, components, size}] = uses;
  const blocks = blocksOf(examples, size * components);
  const parts = uses.map(use => productsOf(blocks, components, size, (from, to) => use.rows(from, to)));
  const total = (f: (part: RowProducts) => Float32Array): Float32Array =>
    parts.map(f).reduce((a, b) => a.map((x, i) => x + b[i]));
  return {pull: u => total(part => part.pull(u)), apply: d => total(part => part.apply(d))};
}

function productsOf(blocks: ReturnType<typeof blocksOf>, components: number, size: number,
    rows: (from: number, to: number) => Tensor): RowProducts {
  return {
    pull: u => {
      const sum = new Float32Array(size);
      for (const [from, to] of blocks) {
        const [first, count] = [from * components, (to - from) * components];
        const part = tidy(() =>
          transposeMultiply(slice(shaped(u, [u.size, 1]), [first, 0], [count, 1]), rows(from, to)));
        floats(part, size).forEach((x, i) => sum[i] = sum[i] + x);
      }
      return sum;
    },
    apply: d => {
      const parts = blocks.map(([from, to]) => floats(tidy(() => matMul(rows(from, to), shaped(d, [size, 1]))), 0));
      return Float32Array.from(parts.flatMap(part => [...part]));
    },
  };
}

/**
 * Jᵀu and J d of a use as `BatchJacobian` takes them: if a kernel and its bias share a product, by
 * that product.
 */
function pullOf(use: ParameterUse, u: Tensor): Float32Array {
  const entries = shaped(u, [use.examples, use.components]);
  const pulled = sharesDelta(use) ? use.pullWeighted(mul(use.delta, entries), () => ones([1, u.size])) :
    use.applyTranspose(entries);
  return floats(pulled, use.size);
}

function applyOf(use: ParameterUse, d: Tensor): Float32Array {
  const change = sharesDelta(use) ? sumRows(mul(use.delta, use.preactivation(d))) : use.apply(d);
  return floats(change, change.size);
}

/** (left ∘ right) u in float64; a left factor [B, B] counts for all pairs of components. */
function timesGram(use: ParameterUse, u: Tensor): Float64Array {
  const {left, right} = use.gram(new OuterProducts());
  const {examples, components} = use;
  const n = examples * components;
  const [weights, entries, vector] = [left?.dataSync() ?? null, right.dataSync(), u.dataSync()];
  return Float64Array.from({length: n}, (_, i) => {
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const weight = weights === null ? 1 :
        weights[Math.floor(i / components) * examples + Math.floor(j / components)];
      sum += weight * entries[i * n + j] * vector[j];
    }
    return sum;
  });
}
