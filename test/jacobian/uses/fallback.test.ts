/**
 * The exact fallback: rows by vector-Jacobian products of one node, from an example's own slice or
 * with the others masked; and dense rows in blocks.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {capture} from '../../../src/trace/capture';
import {FallbackUse} from '../../../src/jacobian/uses/fallback';
import {blockFloats, withMemoryLimit} from '../../../src/tfjs/memory';
import {denseGram} from '../../../src/jacobian/uses/row_blocks';
import type {ParameterUse} from '../../../src/jacobian/uses/use';
import {OuterProducts} from '../../../src/jacobian/uses/outer_products';
import {outerProduct} from '../../../src/arrays/outer_product';
import {Probe} from '../../support/probe';
import {checkOperator} from '../../support/check_operator';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

const blockedGram = (examples: number, components: number, size: number, rows: (from: number, to: number) => tf.Tensor): tf.Tensor =>
  denseGram({examples, components, size, rows});

const MAX_BLOCK = blockFloats();

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 4;

function check(t: ExecutionContext, rows: () => tf.Tensor, variables: tf.Variable[], kinds: string[]): void {
  const plan = checkOperator(t, rows, variables, 1e-5);
  t.is(plan.analysis.examples, B);
  t.deepEqual(plan.sites.map(site => site.kind).sort(), [...kinds].sort());
}

type Use = [string, number[][], (x: any, p: any) => tf.Tensor];

/** Kernel, shapes of x behind the batch and of p, the op. */
const kernels: Use[] = [
  ['Conv2D', [[3, 3, 2], [2, 2, 2, 2]], (x, p) => tf.conv2d(x, p, 1, 'same')],
  ['Conv2D', [[5, 4, 1], [3, 2, 1, 2]], (x, p) => tf.conv2d(x, p, 2, 'valid').tanh()],
  ['FusedConv2D', [[3, 3, 2], [2, 2, 2, 2]],
    (x, p) => tf.fused.conv2d({x, filter: p, strides: 1, pad: 'same', activation: 'relu'})],
  ['DepthwiseConv2dNative', [[3, 3, 2], [2, 2, 2, 1]], (x, p) => tf.depthwiseConv2d(x, p, 1, 'valid')],
  ['Conv2DBackpropInput', [[2, 2, 2], [2, 2, 1, 2]], (x, p) => tf.conv2dTranspose(x, p, [B, 4, 4, 1], 2, 'same')],
  ['Conv3D', [[2, 3, 2, 1], [2, 2, 2, 1, 2]], (x, p) => tf.conv3d(x, p, 1, 'valid')],
  ['Dilation2D', [[3, 3, 2], [2, 2, 2]], (x, p) => tf.dilation2d(x, p, 1, 'valid')],
  ['Maximum', [[3], [B, 3]], (x, p) => tf.maximum(x, p)],
  ['Prelu', [[3], [B, 3]], (x, p) => tf.prelu(x, p)],
  ['SquaredDifference', [[3], [B, 3]], (x, p) => tf.squaredDifference(x, p).add(1).sqrt()],
  ['Concat', [[3], [B, 2]], (x, p) => tf.concat([x, p], 1)],
  ['BatchMatMul', [[2, 3], [B, 3, 2]], (x, p) => tf.matMul(x, p)],
];

for (const [i, [kernel, [data, shape], op]] of kernels.entries()) {
  test.serial(`${kernel} ${i}: alone, inside a network, and twice`, t => {
    const p = tf.variable(noise(shape, 1));
    const x = noise([B, ...data], 2);
    let runs: string[] = [];
    capture(() => op(x, p).sum()).trace.nodes.forEach(node => runs.push(node.kernel));
    runs = [...new Set(runs)];
    t.true(runs.includes(kernel), runs.join());
    const kind = /Conv/.test(kernel) ? 'convolution' : 'fallback';
    check(t, () => op(x, p).reshape([B, -1]).add(0.3), [p], [kind]);
    const w = tf.variable(noise([tf.tidy(() => op(x, p).size) / B, 1], 3)) as tf.Variable<tf.Rank.R2>;
    check(t, () => op(x, p).tanh().reshape([B, -1]).matMul(w), [p, w], [kind, 'matrix']);
    check(t, () => op(x, p).add(op(x.mul(0.5), p).sin()).reshape([B, -1]).matMul(w), [p, w], [kind, kind, 'matrix']);
    tf.dispose([p, x, w]);
  });
}

test.serial('an example\'s own slice gives what the masked batch gives', t => {
  const cut = ['Conv2D', 'FusedConv2D', 'DepthwiseConv2dNative', 'Conv2DBackpropInput', 'Conv3D', 'Dilation2D'];
  for (const [kernel, [data, shape], op] of kernels.filter(([name]) => cut.includes(name))) {
    const p = tf.variable(noise(shape, 1));
    const x = noise([B, ...data], 2);
    tf.tidy(() => {
      const {trace} = capture(() => op(x, p).sum());
      const node = trace.nodes.find(one => one.kernel === kernel)!;
      const [output] = node.outputs;
      const name = node.inputs.find(([, v]) => trace.variables.get(v) === p)![0];
      const strides = trace.values.map((value, v) => trace.variables.has(v) || value.shape[0] !== B ? null :
          value.size / B);
      const deltas = [noise(trace.values[output].shape, 5), noise(trace.values[output].shape, 6)];
      // A fused activation is behind the use.
      const plain = {...node, attrs: {...node.attrs, activation: 'linear'}};
      const use = (one: typeof node): FallbackUse =>
          new FallbackUse(trace.values, one, name, strides, B, deltas.map(delta => [delta]));
      const sliced = use(plain);
      const n = 2 * B;
      const rows = sliced.rows(0, B);
      t.deepEqual(rows.shape, [n, p.size]);
      // One example at a time, by a mask on the cotangent of the whole batch.
      const masked = tf.stack(Array.from({length: n}, (_, r) => {
        const mask = tf.oneHot(tf.tensor1d([Math.floor(r / 2)], 'int32'), B).toFloat()
            .reshape([B, ...trace.values[output].shape.slice(1).map(() => 1)]);
        const whole = new FallbackUse(trace.values, plain, name, strides, B, [[deltas[r % 2].mul(mask)]]);
        return whole.applyTranspose(tf.ones([B, 1])).reshape([-1]);
      }));
      t.true(relativeError(rows.dataSync(), masked.dataSync()) < 1e-5, kernel);
      t.true(relativeError(sliced.rows(1, 3).dataSync(), masked.slice([2, 0], [4, p.size]).dataSync()) < 1e-5,
          'some of the examples');
      const {left, right} = (sliced as ParameterUse).gram(new OuterProducts());
      t.is(left, null);
      t.true(relativeError(right.dataSync(),
          tf.matMul(masked as tf.Tensor2D, masked as tf.Tensor2D, false, true).dataSync()) < 1e-5);
      // Without an influence there are zeros.
      const none = new FallbackUse(trace.values, plain, name, strides, B, [[null]]);
      t.true(none.rows(0, B).dataSync().every(value => value === 0));
      t.true(none.applyTranspose(tf.ones([B, 1])).dataSync().every(value => value === 0));
      trace.dispose();
    });
    tf.dispose([p, x]);
  }
});

test.serial('examples that are not in front are masked where they lie', t => {
  const p = tf.variable(noise([2, B, 3], 1));
  const x = noise([B, 2, 3], 2);
  // Time-major [2, B, 3], a maximum with an entry for each example and feature.
  check(t, () => tf.maximum(x.transpose([1, 0, 2]), p).tanh().sum([0, 2]), [p], ['fallback']);
  tf.dispose([p, x]);
});

// ------------------------------------------------------------ blocks

test.serial('denseGram puts blocks of rows together, of any size', t => {
  for (const components of [1, 2]) {
    for (const examples of [1, 4, 5, 7]) {
      const all = noise([examples * components, 6], 1) as tf.Tensor2D;
      const expected = tf.matMul(all, all, false, true).dataSync();
      for (const perBlock of [1, 2, 3, 10]) {
        const asked: Array<[number, number]> = [];
        // A size that lets a block hold `perBlock` examples; the rows themselves are small.
        const gram = tf.tidy(() => blockedGram(examples, components, Math.floor(MAX_BLOCK / (perBlock * components)),
            (from, to) => {
          asked.push([from, to]);
          return all.slice([from * components, 0], [(to - from) * components, 6]);
        }));
        t.true(relativeError(gram.dataSync(), expected) < 1e-6);
        t.deepEqual(gram.shape, [examples * components, examples * components]);
        t.true(asked.every(([from, to]) => to > from && to - from <= perBlock && to <= examples));
        t.deepEqual(new Set(asked.flatMap(([from, to]) => Array.from({length: to - from}, (_, i) => from + i))).size,
            examples);
      }
    }
  }
  // Rows larger than a block go one example at a time.
  const rows = noise([3, 2], 1) as tf.Tensor2D;
  t.true(relativeError(blockedGram(3, 1, 2 * MAX_BLOCK, (from, to) => rows.slice([from, 0], [to - from, 2])).dataSync(),
      tf.matMul(rows, rows, false, true).dataSync()) < 1e-6);
});

test.serial('a weight so large that its rows take several blocks', t => {
  const [inner, outer, examples] = [150, 100, 6];
  const limit = 2 ** 21;
  t.true(examples * inner * outer > 2 * limit / 16 / 4);
  const w = tf.variable(noise([inner, outer], 1)) as tf.Variable<tf.Rank.R2>;
  const [x, s] = [noise([examples, inner], 2) as tf.Tensor2D, noise([examples, outer], 3) as tf.Tensor2D];
  let looked = false;
  const probe = new Probe(({checked: {jacobian, grams, plan}}) => {
    looked = true;
    t.deepEqual(plan.sites.map(site => site.parameter.kind), ['function']);
    t.is(plan.bySite[0].bundles, null, 'dense rows');
    // The rows are 2 x sᵀ.
    const expected = tf.mul(tf.matMul(x, x, false, true), tf.matMul(s, s, false, true)).mul(4);
    t.true(relativeError(grams[0], expected.dataSync()) < 1e-5);
    const d = noise([inner, outer], 4) as tf.Tensor2D;
    t.true(relativeError(jacobian.apply([d]).dataSync(), tf.matMul(x, d).mul(s).sum(1).mul(2).dataSync()) < 1e-5);
  });
  withMemoryLimit(limit, () => probe.minimize(() =>
      tf.matMul(x, w.mul(2) as tf.Tensor2D).mul(s).sum(1).square().mean()));
  t.true(looked);
  tf.dispose([w, x, s]);
});

test.serial('sums of half a million terms keep their digits on WASM, which adds them up one by one', async t => {
  await tf.setBackend('wasm');
  const [n, columns] = [3, 500_000];
  const x = tf.randomUniform([n, columns], 0.5, 1.5, 'float32', 1) as tf.Tensor2D;
  const expected = outerProduct(x.dataSync() as Float32Array, n, columns);
  t.true(relativeError(new OuterProducts().of(x).dataSync(), expected) < 2e-5);
  t.true(relativeError(blockedGram(n, 1, columns, (from, to) => x.slice([from, 0], [to - from, columns])).dataSync(),
      expected) < 2e-5);
  x.dispose();
  await tf.setBackend('cpu');
});

test.serial('where the gradient in tfjs forgets to undo broadcasting, the rows are right all the same', t => {
  const p = tf.variable(noise([3], 1));
  const x = noise([B, 3], 2);
  const larger = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => a.add(b).add(a.sub(b).abs()).div(2);
  for (const [op, asIf] of [[tf.maximum, larger],
      [tf.minimum, (a: tf.Tensor, b: tf.Tensor) => larger(a.neg(), b.neg()).neg()],
    [tf.squaredDifference, (a: tf.Tensor, b: tf.Tensor) => a.sub(b).square()]] as const) {
    // tf.grad says: The gradient of input 'b' has shape '4,3', which does not match the shape of
    // the input '3'.
    t.throws(() => tf.grad((q: tf.Tensor) => op(x, q))(p), {message: /which does not match the shape of the input/},
        'tfjs has mended this');
    const rows = (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor) => (): tf.Tensor => f(x, p).tanh();
    checkOperator(t, rows(op), [p], 1e-5, {reference: rows(asIf)});
    const between = (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor) => (): tf.Tensor =>
        f(x.mul(p).sum(1, true), x).tanh();
    checkOperator(t, between(op), [p], 1e-5, {reference: between(asIf)});
  }
  tf.dispose([p, x]);
});
