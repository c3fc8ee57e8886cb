/** Terms of different sizes: their batches as one Jacobian, against the dense reference. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn, leastSquares} from '../../../src/index';
import type {BatchJacobian} from '../../../src/jacobian/sweep/batch_jacobian';
import {checkStack} from '../../../src/jacobian/check/stack_check';
import {StackedJacobian} from '../../../src/jacobian/whole/stacked_jacobian';
import {MatrixUse} from '../../../src/jacobian/uses/matmul';
import {denseGram, denseJacobian} from '../../reference/dense_jacobian';
import {checkOperator} from '../../support/check_operator';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {flat, noise, variable} from '../../support/tensors';

/** Float32 sums of a few dozen terms. */
const TOLERANCE = 1e-5;

/** Checks the operator of the loss of several terms, whose entries are the rows: in this order, where no two terms have one size. */
function check(t: ExecutionContext, terms: () => tf.Tensor[], variables: tf.Variable[], batches: Array<[examples: number, components: number]>,
    rows = (): tf.Tensor[] => terms()): void {
  let seen: Array<[number, number]> = [];
  new Probe(({checked: {plans, jacobian}}) => {
    seen = plans.map(plan => [plan.analysis.examples, plan.components]);
    t.is(jacobian as unknown instanceof StackedJacobian, batches.length > 1);
  }).minimize(() => leastSquares(terms()));
  t.deepEqual(seen, batches);
  const {numTensors} = tf.memory();
  checkOperator(t, () => tf.concat(rows().map(term => term.reshape([-1]))), variables, TOLERANCE, {loss: () => leastSquares(terms())});
  t.is(tf.memory().numTensors, numTensors);
}

type Matrix = tf.Tensor2D;

interface Network {
  variables: tf.Variable[];
  u: (x: tf.Tensor) => tf.Tensor;
}

function network(inputs: number, outputs: number): Network {
  const variables = [variable([inputs, 5], 1), variable([5], 2), variable([5, outputs], 3), variable([outputs], 4)];
  const [w, b, v, c] = variables;
  return {variables, u: x => tf.matMul(tf.tanh(tf.matMul(x as Matrix, w as unknown as Matrix).add(b)) as Matrix, v as unknown as Matrix).add(c)};
}

for (const backend of ['cpu', 'wasm']) {
  const each = (name: string, run: (t: ExecutionContext) => void): void => test.serial(`${backend}: ${name}`, async t => {
    await tf.setBackend(backend);
    run(t);
  });

  each('two batches of one network, one output', t => {
    const {variables, u} = network(3, 1);
    const [x, edge] = [noise([7, 3], 5), noise([2, 3], 6)];
    check(t, () => [u(x).sub(1), u(edge).sub(2)], variables, [[7, 1], [2, 1]]);
    tf.dispose([...variables, x, edge]);
  });

  each('two batches, several outputs', t => {
    const {variables, u} = network(3, 2);
    const [x, edge] = [noise([7, 3], 5), noise([4, 3], 6)];
    check(t, () => [u(x).sub(1), u(edge).sub(2)], variables, [[7, 2], [4, 2]]);
    check(t, () => [u(x).sum(1).sub(1), u(edge).sub(2)], variables, [[7, 1], [4, 2]]);
    tf.dispose([...variables, x, edge]);
  });

  each('three batches: many points, two, and one', t => {
    const {variables, u} = network(2, 1);
    const [x, edge, corner] = [noise([9, 2], 5), noise([2, 2], 6), noise([1, 2], 7)];
    check(t, () => [u(x).sub(1), u(edge).sub(2), u(corner).square()], variables, [[9, 1], [2, 1], [1, 1]]);
    tf.dispose([...variables, x, edge, corner]);
  });

  each('one point of one coordinate, and a scalar made of it', t => {
    const {variables, u} = network(1, 1);
    const [x, start] = [noise([6, 1], 5), tf.tensor2d([[0.5]])];
    check(t, () => [u(x).sub(1), u(start).sub(2)], variables, [[6, 1], [1, 1]]);
    check(t, () => [u(x).sub(1), u(start).asScalar().sub(2), u(start).square().sum()], variables, [[6, 1], [1, 2]]);
    check(t, () => [u(start).sub(2), u(x).sub(1)], variables, [[1, 1], [6, 1]]);
    tf.dispose([...variables, x, start]);
  });

  each('derivatives beside values: a matrix in both directions', t => {
    const {variables: [w, b, v, c], u} = network(1, 1);
    const [x, edge] = [noise([6, 1], 5), noise([2, 1], 6)];
    // The network's derivative by its formula, as denseJacobian cannot differentiate tf.grad.
    const slope = (p: tf.Tensor): tf.Tensor =>
      tf.matMul(tf.sub(1, tf.tanh(tf.matMul(p as Matrix, w as unknown as Matrix).add(b)).square()).mul(v.reshape([1, 5])) as Matrix, w as unknown as Matrix, false, true);
    check(t, () => [slope(x).add(u(x)), u(edge).sub(2)], [w, b, v, c], [[6, 1], [2, 1]]);
    check(t, () => [slope(x).add(u(x)), slope(edge)], [w, b, v, c], [[6, 1], [2, 1]]);
    tf.dispose([w, b, v, c, x, edge]);
  });

  each('variables that only some terms use', t => {
    const [w, v, s] = [variable([3, 4], 1), variable([3, 2], 2), variable([4], 3)];
    const [x, z] = [noise([6, 3], 5), noise([3, 3], 6)];
    const on = (p: tf.Tensor, matrix: tf.Variable): tf.Tensor => tf.matMul(p as Matrix, matrix as unknown as Matrix);
    check(t, () => [on(x, w).tanh(), on(z, v).sin()], [w, v], [[6, 4], [3, 2]]);
    check(t, () => [on(x, w).tanh().mul(s), on(z, v).sin(), on(z, w).square()], [w, s, v], [[6, 4], [3, 6]],
        () => [on(x, w).tanh().mul(s), tf.concat([on(z, v).sin(), on(z, w).square()], 1)]);
    check(t, () => [on(x, w).tanh().mul(s), on(z, v).sin(), on(z, w).sum(1)], [w, s, v], [[6, 4], [3, 3]],
        () => [on(x, w).tanh().mul(s), tf.concat([on(z, v).sin(), on(z, w).sum(1, true)], 1)]);
    tf.dispose([w, v, s, x, z]);
  });

  each('weights sliced, transposed, masked and shared', t => {
    const [w, v] = [variable([4, 4], 1), variable([4, 4], 2)];
    const [x, z, mask] = [noise([6, 4], 5), noise([3, 4], 6), noise([4, 4], 7)];
    const on = (p: tf.Tensor, matrix: tf.Tensor): tf.Tensor => tf.matMul(p as Matrix, matrix as Matrix);
    check(t, () => [on(x, w).tanh(), on(z, w.transpose())], [w], [[6, 4], [3, 4]]);
    check(t, () => [on(x, w.slice([0, 0], [4, 2])).tanh(), on(z, w.slice([0, 2], [4, 2]))], [w], [[6, 2], [3, 2]]);
    check(t, () => [on(x, w.slice([0, 0], [4, 2])).tanh(), on(z, w.slice([0, 1], [4, 2]))], [w], [[6, 2], [3, 2]]);
    check(t, () => [on(x, w.mul(mask)).tanh(), on(z, w)], [w], [[6, 4], [3, 4]]);
    check(t, () => [on(on(x, w).tanh(), w), on(z, w)], [w], [[6, 4], [3, 4]]);
    check(t, () => [on(x, w.mul(v)).tanh(), on(z, w).add(on(z, v))], [w, v], [[6, 4], [3, 4]]);
    check(t, () => [on(x, w).tanh(), on(z, w.reshape([2, 8]).reshape([4, 4]))], [w], [[6, 4], [3, 4]]);
    tf.dispose([w, v, x, z, mask]);
  });

  each('shared positions: sequences of different lengths', t => {
    const [w, v] = [variable([3, 4], 1), variable([4, 1], 2)];
    const on = (p: tf.Tensor, matrix: tf.Tensor): tf.Tensor => tf.matMul(p.reshape([-1, p.shape[p.rank - 1]!]) as Matrix, matrix as Matrix).reshape([...p.shape.slice(0, -1), -1]);
    const [x, z] = [noise([5, 4, 3], 5), noise([3, 2, 3], 6)];
    const u = (p: tf.Tensor): tf.Tensor => on(on(p, w).tanh(), v).sum([1, 2]);
    check(t, () => [u(x), u(z)], [w, v], [[5, 1], [3, 1]]);
    tf.dispose([w, v, x, z]);
  });

  each('a term whose examples meet goes row by row, the others by the batch', t => {
    const {variables, u} = network(2, 1);
    const [x, z] = [noise([6, 2], 5), noise([3, 2], 6)];
    check(t, () => [u(x), u(z).sub(u(z).mean())], variables, [[6, 1], [1, 3]]);
    const optimizer = ggn();
    optimizer.minimize(() => leastSquares([u(x), u(z).sub(u(z).mean())]));
    t.is(optimizer.lastStep!.jacobian, 'rowByRow');
    optimizer.minimize(() => leastSquares([u(x), u(z)]));
    t.is(optimizer.lastStep!.jacobian, 'batch');
    optimizer.dispose();
    tf.dispose([...variables, x, z]);
  });
}

test.serial('Gram matrices by groups of variables', async t => {
  await tf.setBackend('cpu');
  const {variables, u} = network(2, 1);
  const [x, z] = [noise([5, 2], 5), noise([3, 2], 6)];
  const terms = (): tf.Tensor[] => [u(x), u(z)];
  const {jacobian: dense, n, m} = denseJacobian(() => tf.concat(terms()), variables);
  new Probe(({checked: {jacobian}}) => {
    const partOf = [0, 1, 0, 2];
    const grams = jacobian.gram(partOf);
    t.is(grams.length, 3);
    let offset = 0;
    const columnPart = variables.flatMap((v, i) => new Array<number>(v.size).fill(partOf[i]).map(g => (offset++, g)));
    t.is(offset, m);
    grams.forEach((gram, g) => {
      const part = dense.map((x, i) => columnPart[i % m] === g ? x : 0);
      t.true(relativeError(gram.dataSync(), denseGram(part, n, m)) < TOLERANCE, `group ${g}`);
    });
    const wanted = jacobian.applyTranspose(tf.ones([n]), v => v !== 1);
    t.deepEqual(wanted.map(part => part === null), [false, true, false, false]);
    t.deepEqual([...jacobian.apply([null, null, null, null]).dataSync()], new Array<number>(n).fill(0));
  }).minimize(() => leastSquares(terms()));
  tf.dispose([...variables, x, z]);
});

test.serial('rows that take several blocks', async t => {
  await tf.setBackend('cpu');
  const w = variable([3, 4], 1);
  const [x, z, mask] = [noise([6, 3], 5), noise([5, 3], 6), noise([3, 4], 7)];
  new Probe(({checked: {jacobian, grams: [gram]}}) => {
    const [first, second] = (jacobian as unknown as StackedJacobian).pieces.map(piece => piece.linearize().jacobian as BatchJacobian);
    first.blocks = () => [[0, 4], [4, 5], [5, 6]];
    second.blocks = () => [[0, 2], [2, 5]];
    t.true(relativeError(jacobian.gram([0])[0].dataSync(), gram) < 1e-6);
  }).minimize(() => leastSquares([x, z].map(p => tf.matMul(p as Matrix, w.mul(mask) as Matrix).tanh())));
  tf.dispose([w, x, z, mask]);
});

test.serial('checkStack sees a wrong block between the batches', async t => {
  await tf.setBackend('cpu');
  const {variables, u} = network(2, 1);
  const [x, z] = [noise([20, 2], 5), noise([2, 2], 6)];
  new Probe(({checked: {jacobian, grams: [gram]}}) => {
    const stack = jacobian as unknown as StackedJacobian;
    const n = jacobian.rows;
    const between = (i: number): boolean => (Math.floor(i / n) < 20) !== (i % n < 20);
    t.is(checkStack(stack, gram), null);
    t.is(checkStack(stack, gram.map((g, i) => between(i) ? g * (1 + 1e-6) : g)), null);
    for (const factor of [0, 1.02, -1, NaN]) {
      t.regex(checkStack(stack, gram.map((g, i) => between(i) ? factor * g : g))!, /^G u differs from J\(Jᵀu\).*between terms of different sizes/, `factor ${factor}`);
    }
  }).minimize(() => leastSquares([u(x), u(z)]));
  tf.dispose([...variables, x, z]);
});

test.serial('a wrong rule between the batches: an error in every step, and nothing has changed', async t => {
  await tf.setBackend('cpu');
  const {variables, u} = network(2, 1);
  const [x, z] = [noise([20, 2], 5), noise([2, 2], 6)];
  const optimizer = ggn();
  const before = flat(variables);
  const {numTensors} = tf.memory();
  const right = MatrixUse.prototype.cross;
  MatrixUse.prototype.cross = function(other) {
    const product = right.call(this, other);
    return product === null ? null : tf.mul(product, 1.1);
  };
  try {
    for (let i = 0; i < 2; i++) {
      t.throws(() => optimizer.minimize(() => leastSquares([u(x), u(z)])),
          {message: /the self-check of the Jacobian failed: G u differs .* between terms of different sizes, in the variable '.*', which the kernels '.*MatMul' use.*No step was taken/});
    }
  } finally {
    MatrixUse.prototype.cross = right;
  }
  t.deepEqual(flat(variables), before);
  t.is(tf.memory().numTensors, numTensors);
  optimizer.minimize(() => leastSquares([u(x), u(z)]));
  t.is(optimizer.lastStep!.status, 'ok');
  optimizer.dispose();
  t.is(tf.memory().numTensors, numTensors);
  tf.dispose([...variables, x, z]);
});
