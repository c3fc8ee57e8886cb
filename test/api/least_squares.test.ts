/** leastSquares(): its value, its rows and weights in a step, and what it refuses. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares} from '../../src/index';
import {follow} from '../support/follow';
import {repeat} from '../support/numbers';
import {Probe} from '../support/probe';
import {relativeError} from '../support/relative_error';
import {flat, noise, variable} from '../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const value = (f: () => tf.Scalar): number => tf.tidy(() => f().dataSync() as never)[0];

test.serial('basic: ½ Σ w r², no mean', t => {
  const [r, s] = [tf.tensor1d([1, -2, 3]), tf.tensor2d([[1, 2], [3, 4]])];
  const {numTensors} = tf.memory();
  t.is(value(() => leastSquares(r)), 7);  // (1 + 4 + 9) / 2
  t.is(value(() => leastSquares([r])), 7);
  t.is(value(() => leastSquares([r, s])), 22);  // 7 + (1 + 4 + 9 + 16) / 2
  t.is(value(() => leastSquares([r, s, tf.scalar(2)])), 24);
  t.is(value(() => leastSquares(r, {weights: 3})), 21);
  t.is(value(() => leastSquares([r, s], {weights: 3})), 66);
  t.is(value(() => leastSquares([r, s], {weights: [2, 0.5]})), 21.5);
  t.is(value(() => leastSquares(r, {weights: tf.tensor1d([2, 0, 1])})), 5.5);  // (2 + 9) / 2
  t.is(value(() => leastSquares([r, s], {weights: [tf.tensor1d([true, false, true], 'bool'), tf.tensor2d([[1], [2]], [2, 1], 'int32')]})), 32.5);  // 5 + (5 + 2·25) / 2
  t.is(value(() => leastSquares([r, s], {weights: tf.scalar(2)})), 44);
  t.is(value(() => leastSquares(s, {weights: tf.tensor1d([1, 0])})), 5);
  t.is(tf.memory().numTensors, numTensors);
  tf.tidy(() => {
    const loss = leastSquares([r, s]);
    t.deepEqual([loss.rank, loss.dtype], [0, 'float32']);
  });
  t.is(tf.memory().numTensors, numTensors);
  tf.dispose([r, s]);
});

test.serial('a gradient under any optimizer: Σ w r dr', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const optimizer = tf.train.sgd(1);
  optimizer.minimize(() => leastSquares([w.mul(3), w.sub(1)], {weights: [1, tf.tensor1d([1, 10])]}));
  t.deepEqual([...w.dataSync()], [1 - 9, 2 - 18 - 10]);  // 9 w + weight · (w - 1)
  w.dispose();
});

test.serial('rows and weights of a step', t => {
  const w = tf.variable(tf.tensor2d([[1], [2]]));
  const x = tf.tensor2d([[1, 2], [3, 4], [5, 6]]);
  let seen: number[][] = [];
  const probe = new Probe(({residual, weight}) => {
    seen = [[...residual], [...weight]];
  });
  const r = (): tf.Tensor => tf.matMul(x, w as unknown as tf.Tensor2D);
  probe.minimize(() => leastSquares(r()));
  t.deepEqual(seen, [[5, 11, 17], [0.5, 0.5, 0.5]]);
  probe.minimize(() => leastSquares(r(), {weights: tf.tensor2d([[1], [0], [4]])}));
  t.deepEqual(seen, [[5, 0, 17], [0.5, 0, 2]]);
  probe.minimize(() => leastSquares([r(), r().mul(2)], {weights: [1, 3]}));
  t.deepEqual(seen, [[5, 10, 11, 22, 17, 34], [0.5, 1.5, 0.5, 1.5, 0.5, 1.5]]);
  probe.minimize(() => {
    const twice = r();
    return leastSquares([twice, twice], {weights: [1, 3]});
  });
  t.deepEqual(seen, [[5, 11, 17], [2, 2, 2]], 'the same rows twice are rows of both weights');
  tf.dispose([w, x]);
});

test.serial('exact steps: one tensor, a list, weights by number and by tensor', t => {
  const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
  const [x, y] = [noise([5, 3], 3) as tf.Tensor2D, noise([5, 2], 4)];
  const p = (): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x, w as tf.Tensor2D)), v as tf.Tensor2D);
  const r = (): tf.Tensor => p().sub(y);
  follow(t, {variables: [w, v], loss: () => leastSquares(r()), rows: r, weights: repeat(10, 0.5)});
  const weights = tf.abs(noise([5, 2], 5));
  follow(t, {variables: [w, v], loss: () => leastSquares(r(), {weights}), rows: r, weights: [...weights.dataSync()].map(x => x / 2)});
  const s = (): tf.Tensor => p().square().sum(1);
  follow(t, {variables: [w, v], loss: () => leastSquares([r(), s()], {weights: [3, 0.2]}), rows: () => tf.concat([r().reshape([-1]), s()]),
    weights: [...repeat(10, 1.5), ...repeat(5, 0.1)]});
  // A weight of the examples, and one of the outputs, broadcast.
  const important = tf.tensor2d([1, 2, 3, 0, 5], [5, 1]);
  follow(t, {variables: [w, v], loss: () => leastSquares(r(), {weights: important}), rows: r,
    weights: [...important.dataSync()].flatMap(x => [x / 2, x / 2])});
  follow(t, {variables: [w, v], loss: () => leastSquares(r(), {weights: tf.tensor1d([1, 4])}), rows: r,
    weights: Array.from({length: 10}, (_, i) => [0.5, 2][i % 2])});
  tf.dispose([w, v, x, y, weights, important]);
});

test.serial('a residual that is a variable itself: a regularizer beside data, rows alone', t => {
  const w = variable([3, 1], 1);
  const [x, y] = [noise([6, 3], 2) as tf.Tensor2D, noise([6, 1], 3)];
  const r = (): tf.Tensor => tf.matMul(x, w as tf.Tensor2D).sub(y);
  const ridge = (rho: number) => () => ({rho: new Float64Array(3).fill(rho), gradient: Float64Array.from(w.dataSync(), x => 2 * rho * x)});
  follow(t, {variables: [w], loss: () => leastSquares([r(), w]), rows: r, weights: repeat(6, 0.5), ridge: ridge(0.5)});
  follow(t, {variables: [w], loss: () => leastSquares([r(), w], {weights: [1, 3]}), rows: r, weights: repeat(6, 0.5), ridge: ridge(1.5)});
  // Weighted entry by entry, or scaled, they are rows.
  follow(t, {variables: [w], loss: () => leastSquares([r(), w], {weights: [1, tf.tensor2d([1, 2, 3], [3, 1])]}), rows: () => tf.concat([r(), w.mul(1)]),
    weights: [...repeat(6, 0.5), 0.5, 1, 1.5], jacobian: 'forward'});
  follow(t, {variables: [w], loss: () => leastSquares(w), rows: () => w.mul(1), weights: repeat(3, 0.5), jacobian: 'forward'});
  tf.dispose([w, x, y]);
});

test.serial('a prior as regularizer and as rows: the same step at the same λ', t => {
  const [x, y] = [noise([6, 3], 2) as tf.Tensor2D, noise([6, 1], 3)];
  const stepOf = (prior: (w: tf.Tensor) => tf.Tensor, damping: number): {step: Float64Array; lambda: number} => {
    const w = variable([3, 1], 1);
    const before = flat([w]);
    const optimizer = ggn({learningRate: 1, damping, momentum: 0});
    optimizer.minimize(() => leastSquares([tf.matMul(x, w as tf.Tensor2D).sub(y), prior(w)]));
    const step = flat([w]).map((value, i) => value - before[i]);
    w.dispose();
    return {step, lambda: optimizer.lastStep!.lambda};
  };
  const asRegularizer = stepOf(w => w, 0.1);
  const asRows = stepOf(w => w.mul(1), 0.1);
  const again = stepOf(w => w.mul(1), 0.1 * asRegularizer.lambda / asRows.lambda);
  t.true(asRegularizer.lambda < asRows.lambda, 'the prior counts in the scale of the damping as rows only');
  t.true(Math.abs(again.lambda / asRegularizer.lambda - 1) < 1e-6);
  t.true(relativeError(again.step, asRegularizer.step) < 1e-5);
  tf.dispose([x, y]);
});

test.serial('what is no least-squares problem is refused, and nothing is left behind', t => {
  const r = tf.tensor1d([1, 2]);
  const complex = tf.complex(r, r);
  const {numTensors} = tf.memory();
  const refused = (message: RegExp, ...args: unknown[]): void => {
    t.throws(() => (leastSquares as (...args: unknown[]) => unknown)(...args), {message});
  };
  refused(/^tfjs-ggn: leastSquares\(\) received an empty list\. Give at least one tensor/, []);
  refused(/takes a float32 tensor of residuals or a list of them; received undefined\./);
  refused(/received 3\./, 3);
  refused(/received an object\./, {});
  refused(/received a function\./, () => r);
  refused(/received 1 at index 0\./, [1, 2]);
  refused(/received null at index 1\./, [r, null]);
  refused(/received an array at index 1\./, [r, [r]]);
  refused(/received a tensor of complex64\./, complex);
  refused(/the second argument of leastSquares\(\) is an object of options.*received 2\./, r, 2);
  refused(/the second argument.*received an array/, r, [1]);
  refused(/the second argument.*received a tensor of float32/, r, r);
  refused(/the second argument.*received null/, r, null);
  refused(/unknown option 'weight' of leastSquares\(\)\. Known option: weights\./, r, {weight: 2});
  refused(/one weight for each tensor of residuals: received 1 weights for 2 tensors/, [r, r], {weights: [1]});
  refused(/received 2 weights for 1 tensor\./, r, {weights: [1, 2]});
  for (const weight of [NaN, Infinity, -1, -Infinity]) {
    refused(new RegExp(`must be 0 or more, and finite; received ${weight}\\.`), r, {weights: weight});
    refused(new RegExp(`must be 0 or more, and finite; received ${weight} at index 1\\.`), [r, r], {weights: [1, weight]});
  }
  refused(/is a number or a tensor of float32, int32 or bool; received '2'\./, r, {weights: '2'});
  refused(/is a number or a tensor.*received a tensor of complex64 at index 0\./, r, {weights: [complex]});
  refused(/is a number or a tensor.*received a function/, r, {weights: () => 2});
  tf.tidy(() => {
    refused(/takes a float32 tensor.*received a tensor of int32/, r.toInt());
    refused(/received a tensor of bool at index 1/, [r, r.greater(1)]);
    refused(/have shape \[3\], which does not broadcast to that of their residuals, \[2\]\./, r, {weights: tf.ones([3])});
    refused(/have shape \[2,2\] at index 0, which does not broadcast/, r, {weights: [tf.ones([2, 2])]});
    refused(/have shape \[1,2\], which does not broadcast/, r, {weights: tf.ones([1, 2])});
  });
  t.is(tf.memory().numTensors, numTensors);
  tf.dispose([r, complex]);
});

test.serial('weights that only the step can refuse: negative entries', t => {
  const w = variable([2, 1], 1);
  const x = noise([3, 2], 2) as tf.Tensor2D;
  const r = (): tf.Tensor => tf.matMul(x, w as tf.Tensor2D);
  const before = flat([w]);
  const {numTensors} = tf.memory();
  t.throws(() => ggn().minimize(() => leastSquares(r(), {weights: tf.tensor2d([1, -1, 1], [3, 1])})), {message: /squares with a negative weight/});
  t.throws(() => ggn().minimize(() => leastSquares(r(), {weights: tf.tensor2d([1, NaN, 1], [3, 1])})), {message: /the loss is NaN/});
  t.deepEqual(flat([w]), before);
  t.is(tf.memory().numTensors, numTensors);
  tf.dispose([w, x]);
});
