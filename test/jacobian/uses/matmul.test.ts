/**
 * Matrix uses: flags, operands, ranks, shared positions by both routes, several components, against
 * dense rows.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {withMemoryLimit} from '../../../src/tfjs/memory';
import {MatrixUse} from '../../../src/jacobian/uses/matmul';
import {stackUses} from '../../../src/jacobian/uses/join_uses';
import {PlainPositions} from '../../../src/jacobian/uses/positions';
import {RowsUse} from '../../../src/jacobian/uses/rows';
import {SharedUse} from '../../../src/jacobian/uses/shared';
import {SummedUse} from '../../../src/jacobian/uses/summed';
import type {ParameterUse} from '../../../src/jacobian/uses/use';
import {OuterProducts} from '../../../src/jacobian/uses/outer_products';
import {denseGram, denseJacobian} from '../../reference/dense_jacobian';
import {Probe} from '../../support/probe';
import {checkOperator} from '../../support/check_operator';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

/** Compares the operator of these rows with the reference; B leads. */
function check(t: ExecutionContext, rows: () => tf.Tensor, variables: tf.Variable[], kinds: string[],
    tolerance = 2e-5): void {
  const plan = checkOperator(t, rows, variables, tolerance);
  t.true(plan.analysis.examples > 1, 'by the batch');
  t.deepEqual(plan.sites.map(site => site.kind).sort(), [...kinds].sort());
}

type Product = (x: any, w: any) => tf.Tensor;

/** The shape of x behind the batch, the shape of w, the rows [B, ...]. */
const products: Record<string, [number[], number[], Product]> = {
  'x W': [[3], [3, 2], (x, w) => tf.matMul(x, w)],
  'x Wᵀ by flag': [[3], [2, 3], (x, w) => tf.matMul(x, w, false, true)],
  'x Wᵀ by transpose': [[3], [2, 3], (x, w) => tf.matMul(x, w.transpose())],
  '(xᵀ)ᵀ W by flag': [[3], [3, 2], (x, w) => tf.matMul(x.transpose(), w, true)],
  '(xᵀ)ᵀ Wᵀ by flags': [[3], [2, 3], (x, w) => tf.matMul(x.transpose(), w, true, true)],
  'W on the left, xᵀ by flag': [[3], [2, 3], (x, w) => tf.matMul(w, x, false, true).transpose()],
  'W on the left, xᵀ by transpose': [[3], [2, 3], (x, w) => tf.matMul(w, x.transpose()).transpose()],
  'Wᵀ on the left, flags on both': [[3], [3, 2], (x, w) => tf.matMul(w, x, true, true).transpose()],
  'Wᵀ on the left by flag, xᵀ by transpose': [[3], [3, 2], (x, w) => tf.matMul(w, x.transpose(), true).transpose()],
  'rank 3 of one matrix': [[3], [1, 3, 2], (x, w) => tf.matMul(x.reshape([1, -1, 3]), w).reshape([-1, 2])],
  'rank 3 of one matrix, flag': [[3], [1, 2, 3],
    (x, w) => tf.matMul(x.reshape([1, -1, 3]), w, false, true).reshape([-1, 2])],
  'rank 3 of one matrix on the left': [[3], [1, 2, 3],
    (x, w) => tf.matMul(w, x.reshape([1, -1, 3]), false, true).reshape([2, -1]).transpose()],
  'fused, sigmoid': [[3], [3, 2], (x, w) => tf.fused.matMul({a: x, b: w, activation: 'sigmoid'})],
  'fused, transposed, elu': [[3], [2, 3], (x, w) => tf.fused.matMul({a: x, b: w, transposeB: true, activation: 'elu'})],
  'fused, both transposed, relu': [[3], [2, 3],
    (x, w) => tf.fused.matMul({a: x.transpose(), b: w, transposeA: true, transposeB: true, activation: 'relu'})],
  'three positions': [[3, 4], [4, 2], (x, w) => tf.matMul(x.reshape([-1, 4]), w).reshape([-1, 3, 2])],
  'three positions, summed': [[3, 4], [4, 2],
    (x, w) => tf.tanh(tf.matMul(x.reshape([-1, 4]), w)).reshape([-1, 3, 2]).sum([1, 2])],
  'three positions, transposed flag, summed': [[3, 4], [2, 4],
    (x, w) => tf.tanh(tf.matMul(x.reshape([-1, 4]), w, false, true)).reshape([-1, 3, 2]).sum([1, 2])],
  'time-major positions': [[3, 4], [4, 2],
    (x, w) => tf.tanh(tf.matMul(x.transpose([1, 0, 2]).reshape([-1, 4]), w)).reshape([3, -1, 2]).transpose([1, 0, 2])
    .sum(1)],
  'time-major positions on the right': [[3, 4], [2, 4], (x, w) =>
    tf.tanh(tf.matMul(w, x.transpose([1, 0, 2]).reshape([-1, 4]), false, true)).reshape([2, 3, -1]).transpose([2, 1, 0])
        .sum(1)],
  'several uses in a row': [[3], [3, 3],
    (x, w) => tf.tanh(tf.matMul(tf.tanh(tf.matMul(tf.tanh(tf.matMul(x, w)), w)), w))],
  'uses with one position and with three': [[3, 3], [3, 3], (x, w) =>
    tf.tanh(tf.matMul(x.reshape([-1, 3]), w)).reshape([-1, 3, 3]).sum(1).matMul(w)],
  'one output': [[3], [3, 1], (x, w) => tf.matMul(x, w)],
  'one output, transposed': [[3], [1, 3], (x, w) => tf.matMul(x, w, false, true)],
  'one input': [[1], [1, 3], (x, w) => tf.matMul(x, w)],
  'one by one': [[1], [1, 1], (x, w) => tf.matMul(x, w)],
  'one output at three positions': [[3, 4], [4, 1],
    (x, w) => tf.tanh(tf.matMul(x.reshape([-1, 4]), w)).reshape([-1, 3]).sum(1)],
  'one output at three positions, kept': [[3, 4], [4, 1],
    (x, w) => tf.tanh(tf.matMul(x.reshape([-1, 4]), w)).reshape([-1, 3])],
};

for (const backend of ['cpu', 'wasm']) {
  for (const [name, [data, weight, product]] of Object.entries(products)) {
    test.serial(`${backend}: ${name}`, async t => {
      await tf.setBackend(backend);
      const w = tf.variable(noise(weight, 1));
      const x = noise([5, ...data], 2);
      const uses = name.startsWith('several') ? 3 : name.startsWith('uses') ? 2 : 1;
      check(t, () => product(x, w).add(0.1), [w], new Array<string>(uses).fill('matrix'));
      // Behind another layer and before one, so that cotangents are none of ones and zeros, down to
      // one component.
      const [first, last] = [tf.variable(noise([data[data.length - 1], data[data.length - 1]], 3)),
          tf.variable(noise([product(x, w).size / 5, 1], 4))];
      check(t, () => product(tf.tanh(tf.matMul(x.reshape([-1, first.shape[0]]) as tf.Tensor2D, first as tf.Tensor2D))
          .reshape(x.shape), w)
        .reshape([5, -1]).tanh().matMul(last), [first, w, last], new Array<string>(uses + 2).fill('matrix'));
      tf.dispose([w, x, first, last]);
    });
  }
}

test.serial('components that a use has no part in have rows of zeros', async t => {
  await tf.setBackend('cpu');
  const [w, v] = [tf.variable(noise([3, 2], 1)), tf.variable(noise([3, 2], 2))];
  const x = noise([4, 3], 3) as tf.Tensor2D;
  const rows = (): tf.Tensor => tf.concat([tf.matMul(x, w as tf.Tensor2D), tf.matMul(x, v as tf.Tensor2D)], 1);
  check(t, rows, [w, v], ['matrix', 'matrix']);
  // As two blocks: no cotangent at all reaches the other's use.
  const reference = denseJacobian(rows, [w, v]);
  new Probe(({checked: {jacobian, grams}}) => {
    t.true(relativeError(jacobian.dense().dataSync(), reference.jacobian) < 1e-6);
    t.true(relativeError(grams[0], denseGram(reference.jacobian, reference.n, reference.m)) < 1e-5);
  }).minimize(() => tf.matMul(x, w as tf.Tensor2D).square().mean()
      .add(tf.matMul(x, v as tf.Tensor2D).square().mean()) as tf.Scalar);
  tf.dispose([w, v, x]);
});

// ------------------------------------------------------------ the class

interface Sizes {
  examples: number;
  components: number;
  positions: number;
  inner: number;
  outer: number;
  transposed: boolean;
}

function makeUse(a: tf.Tensor, delta: tf.Tensor, sizes: Sizes): MatrixUse | SharedUse {
  const {examples, components, positions, outer, transposed} = sizes;
  return positions === 1 ? new MatrixUse(a, delta, sizes).settled() :
    new SharedUse(new PlainPositions(a, examples), delta.reshape([examples, components, positions, outer]), transposed);
}

function make(sizes: Sizes): {use: MatrixUse | SharedUse; rows: Float64Array} {
  const {examples, components, positions, inner, outer, transposed} = sizes;
  const a = noise([examples * positions, inner], 1);
  const delta = noise([examples * components * positions, outer], 2);
  const [av, dv] = [a.dataSync(), delta.dataSync()];
  const size = inner * outer;
  const rows = new Float64Array(examples * components * size);
  for (let b = 0; b < examples; b++) {
    for (let c = 0; c < components; c++) {
      for (let s = 0; s < positions; s++) {
        for (let i = 0; i < inner; i++) {
          for (let o = 0; o < outer; o++) {
            rows[(b * components + c) * size + (transposed ? o * inner + i : i * outer + o)] +=
                av[(b * positions + s) * inner + i] * dv[((b * components + c) * positions + s) * outer + o];
          }
        }
      }
    }
  }
  return {use: makeUse(a, delta, sizes), rows};
}

/** left ∘ right of a Gram term, with the left one counting for all pairs of components. */
const gramOf = (use: ParameterUse, {examples, components}: Sizes): Float32Array => tf.tidy(() => {
  const {left, right} = use.gram(new OuterProducts());
  const n = examples * components;
  return (left === null ? right :
      tf.mul(left.reshape([examples, 1, examples, 1]), right.reshape([examples, components, examples, components]))
      .reshape([n, n])).dataSync() as never;
}) as unknown as Float32Array;

for (const sizes of [
  {examples: 4, components: 1, positions: 1, inner: 3, outer: 2},
  {examples: 4, components: 3, positions: 1, inner: 3, outer: 2},
  {examples: 4, components: 1, positions: 2, inner: 2, outer: 2},
  {examples: 4, components: 1, positions: 3, inner: 20, outer: 10},
  {examples: 4, components: 3, positions: 3, inner: 20, outer: 10},
  {examples: 1, components: 1, positions: 5, inner: 2, outer: 3},
  {examples: 3, components: 1, positions: 2, inner: 4, outer: 1},
  {examples: 3, components: 1, positions: 1, inner: 4, outer: 1},
  {examples: 3, components: 2, positions: 1, inner: 1, outer: 1},
]) {
  for (const transposed of [false, true]) {
    for (const backend of ['cpu', 'wasm']) {
      for (const form of ['as it is', 'settled', 'summed']) {
        test.serial(`${backend}, ${form}: ${JSON.stringify(sizes)}${transposed ? ', stored transposed' : ''}`,
            async t => {
          await tf.setBackend(backend);
          const all = {...sizes, transposed};
          checkUse(t, all, make(all), form);
        });
      }
    }
  }
}

function checkUse(t: ExecutionContext, all: Sizes, {use: first, rows}: {use: MatrixUse | SharedUse; rows: Float64Array},
    form: string): void {
  const {examples, components, inner, outer} = all;
  const [n, size] = [examples * components, inner * outer];
  const use: ParameterUse = form === 'settled' ? first.settled() : form === 'summed' ? new SummedUse([first]) : first;
  t.is(use.size, size);
  t.is(use.examples, examples);
  t.is(use.components, components);
  t.true(relativeError(use.rows(0, examples).dataSync(), rows) < 1e-5, 'rows');
  t.deepEqual(use.rows(0, examples).shape, [n, size]);
  t.true(relativeError(use.rows(examples - 1, examples).dataSync(), rows.subarray((n - components) * size)) < 1e-5,
      'the last example');
  const p = noise([size], 5);
  const pv = [...p.dataSync()];
  t.true(relativeError(use.apply(p).dataSync(),
      Float64Array.from({length: n}, (_, r) => pv.reduce((sum, x, j) => sum + x * rows[r * size + j], 0))) < 1e-5,
      'apply');
  const u = noise([examples, components], 6);
  const uv = [...u.dataSync()];
  t.true(relativeError(use.applyTranspose(u).dataSync(),
      Float64Array.from({length: size}, (_, j) => uv.reduce((sum, x, r) => sum + x * rows[r * size + j], 0))) < 1e-5,
      'applyTranspose');
  t.true(relativeError(gramOf(use, all), denseGram(rows, n, size)) < 1e-5, 'gram');
}

test.serial('the Gram matrix of shared positions: by pairs for large matrices, by dense rows for small ones',
    async t => {
  await tf.setBackend('cpu');
  const base = {examples: 4, components: 1, transposed: false};
  const small = make({...base, positions: 3, inner: 2, outer: 2}).use;
  const large = make({...base, positions: 3, inner: 20, outer: 20}).use;
  t.true(small.settled() instanceof RowsUse);
  t.is(large.settled(), large);
});

test.serial('rows that may not be kept are formed in blocks of columns, one by one where even these are too large',
    async t => {
  for (const [backend, ...layouts] of [['cpu', [1, false]], ['wasm', [1, false], [2, true]]] as const) {
    await tf.setBackend(backend);
    for (const [components, transposed] of layouts) {
      const sizes = {examples: 60, components, positions: 70, inner: 50, outer: 51, transposed};
      const {use, rows} = make(sizes);
      const n = 60 * components;
      const expected = denseGram(rows, n, 50 * 51);
      // Blocks of 16,384 floats: 5 or 2 columns of 50 · n; then one below a column, so one example
      // at a time. The second limit is what the Gram matrix and the pieces it is joined from need.
      for (const limit of [2 ** 20, n * 2 ** 11]) {
        withMemoryLimit(limit, () => {
          t.is(use.settled(), use);
          t.true(relativeError(gramOf(use, sizes), expected) < 1e-5);
        });
      }
      // Kept, and the Gram matrix taken of blocks of columns.
      withMemoryLimit(2 ** 22, () => {
        const kept = use.settled();
        t.true(kept instanceof RowsUse);
        t.true(relativeError(gramOf(kept, sizes), expected) < 1e-5);
      });
    }
  }
});

test.serial('stacked uses: positions side by side, cross terms and all', async t => {
  await tf.setBackend('cpu');
  for (const components of [1, 2]) {
    for (const [inner, outer] of [[2, 3], [20, 10]]) {
      const base = {examples: 3, components, inner, outer, transposed: false};
      const n = 3 * components;
      const all = [1, 2, 1].map((positions, i) => {
        const sizes = {...base, positions};
        const [a, delta] = [noise([3 * positions, inner], 10 + i), noise([n * positions, outer], 20 + i)];
        return makeUse(a, delta, sizes);
      });
      const sum = all.map(use => use.rows(0, 3)).reduce((x, y) => tf.add(x, y));
      const stacked = stackUses(all)!;
      t.true(relativeError(stacked.rows(0, 3).dataSync(), sum.dataSync()) < 1e-5);
      t.true(relativeError(gramOf(stacked, {...base, positions: 4}),
          tf.matMul(sum as tf.Tensor2D, sum as tf.Tensor2D, false, true).dataSync()) < 1e-5);
      const u = noise([3, components], 5);
      t.true(relativeError(stacked.applyTranspose(u).dataSync(),
          all.map(use => use.applyTranspose(u).reshape([-1])).reduce((x, y) => tf.add(x, y)).dataSync()) < 1e-5);
      const p = noise([inner * outer], 6);
      t.true(relativeError(stacked.apply(p).dataSync(),
          all.map(use => use.apply(p)).reduce((x, y) => tf.add(x, y)).dataSync()) < 1e-5);
    }
  }
});
