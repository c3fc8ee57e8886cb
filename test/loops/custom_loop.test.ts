/**
 * `optimizer.minimize(() => loss)` as the tfjs tutorials write it, and loops that no layer model would give: every step against the
 * reference.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import {denseJacobian, referenceStep} from '../reference/dense_jacobian';
import {follow, Follower, type Loop} from '../support/follow';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat, noise, variable} from '../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

// ------------------------------------------------------------------------------------------------------------------- the tutorials of tfjs

/** https://github.com/tensorflow/tfjs-examples/tree/master/polynomial-regression-core, as it stands there. */
function polynomial() {
  const [a, b, c, d] = [1, 2, 3, 4].map(seed => tf.variable(tf.scalar(Math.sin(seed))));
  const xs = tf.linspace(-1, 1, 20);
  const ys = xs.pow(3).mul(-0.8).sub(xs.square().mul(0.2)).add(xs.mul(0.9)).add(0.5).add(noise([20], 9).mul(0.05));
  const predict = (x: tf.Tensor): tf.Tensor => tf.tidy(() => a.mul(x.pow(tf.scalar(3, 'int32'))).add(b.mul(x.square())).add(c.mul(x)).add(d));
  const loss = (prediction: tf.Tensor, labels: tf.Tensor): tf.Scalar => prediction.sub(labels).square().mean();
  return {variables: [a, b, c, d], xs, ys, predict, loss};
}

test.serial('polynomial regression with four scalars, without varList', t => {
  const {variables, xs, ys, predict, loss} = polynomial();
  const optimizer = follow(t, {variables, loss: () => loss(predict(xs), ys), rows: () => predict(xs).sub(ys)}, 3);
  for (let i = 0; i < 20; i++) {
    optimizer.minimize(() => loss(predict(xs), ys));
  }
  t.true(optimizer.lastStep!.loss < 0.004, 'down to the noise');
});

test.serial('polynomial regression with a varList: the others stay', t => {
  const {variables: [a, b, c, d], xs, ys, predict, loss} = polynomial();
  const [b0, d0] = flat([b, d]);
  follow(t, {variables: [a, c], varList: [c, a], loss: () => loss(predict(xs), ys), rows: () => predict(xs).sub(ys)});
  t.deepEqual([...flat([b, d])], [b0, d0]);
});

test.serial('returnCost: the loss before the step, or null', t => {
  const {xs, ys, predict, loss} = polynomial();
  const optimizer = ggn();
  const expected = tf.tidy(() => loss(predict(xs), ys).dataSync()[0]);
  const cost = optimizer.minimize(() => loss(predict(xs), ys), true)!;
  t.is(cost.dataSync()[0], expected);
  t.is(cost.rank, 0);
  cost.dispose();
  t.is(optimizer.minimize(() => loss(predict(xs), ys)), null);
  t.is(optimizer.minimize(() => loss(predict(xs), ys), false), null);
});

test.serial('a frozen variable in varList or out of it stays', t => {
  const {variables: [a, b, c, d], xs, ys, predict, loss} = polynomial();
  b.trainable = false;
  const [b0] = b.dataSync();
  follow(t, {variables: [a, c, d], loss: () => loss(predict(xs), ys), rows: () => predict(xs).sub(ys)});
  follow(t, {variables: [a, c], varList: [a, b, c], loss: () => loss(predict(xs), ys), rows: () => predict(xs).sub(ys)});
  t.is(b.dataSync()[0], b0);
});

test.serial('a layers model in a loop: predict() and apply(), tf.losses', t => {
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 4, inputShape: [3], activation: 'tanh', kernelInitializer: tf.initializers.randomNormal({seed: 1, stddev: 0.5})}),
    tf.layers.dense({units: 2, kernelInitializer: tf.initializers.randomNormal({seed: 2, stddev: 0.5})})]});
  const [x, y] = [noise([6, 3], 3), noise([6, 2], 4)];
  const variables = variablesOf(model);
  const rows = (): tf.Tensor => tf.sub(model.predict(x) as tf.Tensor, y);
  follow(t, {variables, loss: () => tf.losses.meanSquaredError(y, model.predict(x) as tf.Tensor), rows});
  follow(t, {variables, varList: model.getWeights() as tf.Variable[], loss: () => tf.losses.meanSquaredError(y, model.apply(x, {training: true}) as tf.Tensor), rows});
});

test.serial('batches of different sizes, one example and two thousand among them', t => {
  const w = variable([2, 3], 1);
  const v = variable([3, 1], 2);
  const predict = (x: tf.Tensor): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)), v);
  const follower = new Follower(t);
  for (const size of [8, 8, 3, 1, 8]) {
    const [x, y] = [noise([size, 2], size), noise([size, 1], size + 1)];
    follower.step({variables: [w, v], loss: () => predict(x).sub(y).square().mean(), rows: () => predict(x).sub(y)});
  }
  const [x, y] = [noise([2000, 2], 5), noise([2000, 1], 6)];
  const optimizer = ggn();
  optimizer.minimize(() => predict(x).sub(y).square().mean());
  t.is(optimizer.lastStep!.rows, 2000);
});

// ---------------------------------------------------------------------------------------------------------------- plain variables, no data

test.serial('Rosenbrock: scalar residuals in separate terms', t => {
  const [a, b] = [-1.2, 1].map(value => tf.variable(tf.scalar(value)));
  const loop: Loop = {variables: [a, b], weights: [1, 100],
    loss: () => tf.sub(1, a).square().add(b.sub(a.square()).square().mul(100)) as tf.Scalar,
    rows: () => tf.stack([tf.sub(1, a), b.sub(a.square())])};
  // Two scalar rows: one example with two components.
  const follower = new Follower(t);
  for (let i = 0; i < 3; i++) {
    follower.step(loop);
  }
  const optimizer = ggn({learningRate: 1, damping: 1e-4, momentum: 0});
  for (let i = 0; i < 30; i++) {
    optimizer.minimize(loop.loss);
  }
  t.true(Math.abs(a.dataSync()[0] - 1) < 1e-3 && Math.abs(b.dataSync()[0] - 1) < 1e-3);
});

test.serial('Rosenbrock: residuals stacked into one tensor', t => {
  const [a, b] = [-1.2, 1].map(value => tf.variable(tf.scalar(value)));
  const residual = (): tf.Tensor => tf.stack([tf.sub(1, a), b.sub(a.square()).mul(10)]);
  follow(t, {variables: [a, b], weights: [1, 1], loss: () => residual().square().sum() as tf.Scalar, rows: residual, jacobian: 'forward'});
});

test.serial('one scalar residual', t => {
  const a = tf.variable(tf.scalar(2));
  follow(t, {variables: [a], loss: () => a.square().sub(3).square() as tf.Scalar, rows: () => a.square().sub(3)});
});

test.serial('rows that are variables themselves, and views of them', t => {
  const w = variable([3, 2], 1);
  follow(t, {variables: [w], loss: () => w.square().mean() as tf.Scalar, rows: () => w.mul(1), jacobian: 'forward'});
  const target = noise([3, 2], 2);
  follow(t, {variables: [w], loss: () => w.sub(target).square().mean() as tf.Scalar, rows: () => w.sub(target)});
  follow(t, {variables: [w], loss: () => tf.squaredDifference(w, target).mean(), rows: () => w.sub(target)});
  follow(t, {variables: [w], weights: [1, 1, 1, 1, ...new Array<number>(6).fill(0.5)],
    loss: () => w.slice([1, 0], [2, 2]).square().sum().add(w.transpose().square().sum().mul(0.5)) as tf.Scalar,
    rows: () => tf.concat([w.slice([1, 0], [2, 2]).reshape([-1]), w.transpose().reshape([-1])], 0), jacobian: 'forward'});
});

// ------------------------------------------------------------------------------------------------------------------- several terms

test.serial('two terms with different numbers of points go by their own batches', t => {
  const w = variable([1, 4], 1);
  const v = variable([4, 1], 2);
  const u = (x: tf.Tensor): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)), v);
  const [inside, edge] = [tf.linspace(0, 1, 7).reshape([7, 1]), tf.tensor2d([[0], [1]])];
  const [f, g] = [noise([7, 1], 3), noise([2, 1], 4)];
  follow(t, {variables: [w, v], weights: [...new Array<number>(7).fill(1 / 7), 5, 5],
    loss: () => u(inside).sub(f).square().mean().add(u(edge).sub(g).square().sum().mul(5)) as tf.Scalar,
    rows: () => tf.concat([u(inside).sub(f), u(edge).sub(g)], 0)});
});

test.serial('two terms with the same number of points go by the batch', t => {
  const w = variable([1, 4], 1);
  const v = variable([4, 1], 2);
  const u = (x: tf.Tensor): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)), v);
  const [a, b] = [noise([5, 1], 5), noise([5, 1], 6)];
  const [f, g] = [noise([5, 1], 3), noise([5, 1], 4)];
  follow(t, {variables: [w, v], weights: [...new Array<number>(5).fill(0.2), ...new Array<number>(5).fill(0.4)],
    loss: () => u(a).sub(f).square().mean().add(u(b).sub(g).square().mean().mul(2)) as tf.Scalar,
    rows: () => tf.concat([u(a).sub(f), u(b).sub(g)], 0)});
});

test.serial('a physics-informed loss: the derivative of a tanh network by tf.grad, against its formula', t => {
  const [w, b, v] = [variable([1, 4], 1), variable([4], 3), variable([4, 1], 2)];
  const x = tf.linspace(-1, 1, 6).reshape([6, 1]) as tf.Tensor2D;
  const u = (p: tf.Tensor): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(p as tf.Tensor2D, w as tf.Tensor2D).add(b)), v);
  // u' = (1 - tanh²) w · v
  const slope = (): tf.Tensor => {
    const h = tf.tanh(tf.matMul(x, w as tf.Tensor2D).add(b));
    return tf.matMul(tf.sub(1, h.square()).mul(w) as tf.Tensor2D, v);
  };
  const residual = (derivative: tf.Tensor): tf.Tensor => derivative.add(u(x)).sub(x);
  follow(t, {variables: [w, b, v], loss: () => residual(tf.grad(u)(x)).square().mean() as tf.Scalar, rows: () => residual(slope())});
});

// --------------------------------------------------------------------------------------------------------------- where the batch axis goes

const moved: Record<string, (x: tf.Tensor2D, w: tf.Tensor2D, v: tf.Tensor2D) => tf.Tensor> = {
  // x is [B, 3], w [3, 4], v [4, 2]; all give [B, 2].
  'features first by transpose': (x, w, v) => tf.matMul(v.transpose() as tf.Tensor2D, tf.tanh(tf.matMul(w.transpose() as tf.Tensor2D, x.transpose() as tf.Tensor2D))).transpose(),
  'features first by flags': (x, w, v) => tf.matMul(v, tf.tanh(tf.matMul(w, x, true, true)), true, false).transpose(),
  'one more axis in front': (x, w, v) => tf.matMul(tf.tanh(tf.matMul(x, w)).expandDims(0).squeeze([0]) as tf.Tensor2D, v),
  'split along the features': (x, w, v) => {
    const [left, right] = tf.split(tf.tanh(tf.matMul(x, w)), 2, 1);
    return tf.matMul(tf.concat([right, left], 1), tf.concat([v.slice([2, 0]), v.slice([0, 0], [2, 2])], 0));
  },
  'examples unstacked and stacked': (x, w, v) => tf.stack(tf.unstack(tf.tanh(tf.matMul(x, w)), 1), 1).reshape([-1, 4]).matMul(v),
  'time-major and back': (x, w, v) => tf.matMul(tf.tanh(tf.matMul(x.reshape([-1, 1, 3]).transpose([1, 0, 2]).reshape([-1, 3]) as tf.Tensor2D, w)), v),
};

for (const [name, predict] of Object.entries(moved)) {
  test.serial(`the batch axis moves: ${name}`, t => {
    const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
    const [x, y] = [noise([5, 3], 3) as tf.Tensor2D, noise([5, 2], 4)];
    const residual = (): tf.Tensor => tf.sub(predict(x, w as tf.Tensor2D, v as tf.Tensor2D), y);
    const simple = (): tf.Tensor => tf.sub(tf.matMul(tf.tanh(tf.matMul(x, w as tf.Tensor2D)), v as tf.Tensor2D), y);
    t.true(relativeError(tf.tidy(() => residual().dataSync()), tf.tidy(() => simple().dataSync())) < 1e-6);
    follow(t, {variables: [w, v], loss: () => residual().square().mean() as tf.Scalar, rows: simple});
    tf.dispose([w, v, x, y]);
  });
}

const inside: Record<string, (all: tf.Tensor2D) => tf.Tensor2D> = {
  'sliced from all the data': all => all.slice([4, 0], [5, 3]),
  'gathered from all the data': all => all.gather(tf.tensor1d([7, 1, 4, 4, 0], 'int32')),
  'split and normalised': all => tf.split(all, 2)[1].sub(all.mean(0)).div(2) as tf.Tensor2D,
  'made of a range': () => tf.linspace(-1, 2, 15).reshape([5, 3]),
  'made of a mesh': () => tf.stack([tf.linspace(0, 1, 5), tf.linspace(1, 3, 5).square(), tf.ones([5])], 1) as tf.Tensor2D,
};

for (const [name, take] of Object.entries(inside)) {
  test.serial(`a batch that f() makes: ${name}`, t => {
    const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
    const [all, y] = [noise([10, 3], 3) as tf.Tensor2D, noise([10, 2], 4)];
    const residual = (): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(take(all), w as tf.Tensor2D)), v as tf.Tensor2D).sub(y.slice([2, 0], [5, 2]));
    const edge = (): tf.Tensor => tf.matMul(all.slice([0, 0], [2, 3]), w as tf.Tensor2D).sum(1);
    follow(t, {variables: [w, v], loss: () => residual().square().mean().add(edge().square().mean()),
      rows: () => tf.concat([residual().reshape([-1]), edge()]), weights: [...new Array<number>(10).fill(0.1), 0.5, 0.5]});
    tf.dispose([w, v, all, y]);
  });
}

test.serial('a batch sliced in f(), too large to go row by row', t => {
  const w = variable([3, 8], 1);
  const all = noise([5000, 3], 2) as tf.Tensor2D;
  const optimizer = ggn();
  for (let from = 0; from < 300; from += 150) {
    optimizer.minimize(() => tf.matMul(all.slice([from, 0], [150, 3]), w as tf.Tensor2D).tanh().sub(all.slice([from, 0], [150, 1])).square().mean());
  }
  t.is(optimizer.lastStep!.jacobian, 'batch');
  t.is(optimizer.lastStep!.rows, 1200);
  tf.dispose([w, all]);
});

const rowByRow: Record<string, (x: tf.Tensor2D, w: tf.Tensor2D, v: tf.Tensor2D, y: tf.Tensor2D) => tf.Tensor> = {
  // The leading axis of the rows holds outputs, or mixes examples.
  'less their mean': (x, w, v, y) => {
    const p = tf.matMul(tf.tanh(tf.matMul(x, w)), v);
    return p.sub(p.mean(0)).sub(y);
  },
  'differences of neighbours': (x, w, v, y) => {
    const p = tf.matMul(tf.tanh(tf.matMul(x, w)), v).sub(y);
    return p.slice([1, 0], [4, 2]).sub(p.slice([0, 0], [4, 2]));
  },
  'reversed': (x, w, v, y) => tf.matMul(tf.tanh(tf.matMul(x, w)), v).reverse(0).sub(y),
  'gathered': (x, w, v, y) => tf.matMul(tf.tanh(tf.matMul(x, w)), v).gather(tf.tensor1d([4, 1, 1, 0, 3], 'int32')).sub(y),
  'all pairs': (x, w, v) => {
    const p = tf.matMul(tf.tanh(tf.matMul(x, w)), v);
    return tf.matMul(p, p, false, true);
  },
  'a matrix of examples on the left': (x, w, v, y) => tf.matMul(tf.matMul(x, x, false, true), tf.matMul(tf.tanh(tf.matMul(x, w)), v)).sub(y),
};

for (const [name, rows] of Object.entries(rowByRow)) {
  test.serial(`the examples meet: ${name}`, t => {
    const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
    const [x, y] = [noise([5, 3], 3), noise([5, 2], 4)];
    const residual = (): tf.Tensor => rows(x as tf.Tensor2D, w as tf.Tensor2D, v as tf.Tensor2D, y as tf.Tensor2D);
    // 25 pairs, 20 parameters; 10 or 8 rows otherwise.
    const way = name === 'all pairs' ? 'forward' : 'rowByRow';
    follow(t, {variables: [w, v], jacobian: way, loss: () => residual().square().mean() as tf.Scalar, rows: residual});
    tf.dispose([w, v, x, y]);
  });
}

test.serial('data features first, rows examples first: all that goes before the subtraction is one parameter made of w and v', t => {
  const [w, v] = [variable([4, 3], 1), variable([2, 4], 2)];
  const [x, y] = [noise([3, 5], 3), noise([5, 2], 4)];
  const residual = (): tf.Tensor => tf.matMul(v as tf.Tensor2D, tf.tanh(tf.matMul(w as tf.Tensor2D, x as tf.Tensor2D))).transpose().sub(y);
  follow(t, {variables: [w, v], loss: () => residual().square().mean() as tf.Scalar, rows: residual});
});

test.serial('data and rows features first, by transposes in f(): each output counts as an example', t => {
  const [w, v] = [variable([3, 4], 1), variable([4, 2], 2)];
  const [x, y] = [noise([5, 3], 3), noise([5, 2], 4)];
  const residual = (): tf.Tensor => tf.matMul(v as tf.Tensor2D, tf.tanh(tf.matMul(w as tf.Tensor2D, x.transpose() as tf.Tensor2D, true)), true).sub(y.transpose());
  follow(t, {variables: [w, v], loss: () => residual().square().mean() as tf.Scalar, rows: residual});
  tf.dispose([w, v, x, y]);
});

test.serial('as many examples as features and outputs: the axis is not taken for the batch by its size', t => {
  const [w, v] = [variable([4, 4], 1), variable([4, 4], 2)];
  const [x, y] = [noise([4, 4], 3), noise([4, 4], 4)];
  const featuresFirst = (): tf.Tensor => tf.matMul(v as tf.Tensor2D, tf.tanh(tf.matMul(w as tf.Tensor2D, x as tf.Tensor2D))).sub(y);
  const follower = new Follower(t);
  follower.step({variables: [w, v], jacobian: 'rowByRow', loss: () => featuresFirst().square().mean() as tf.Scalar, rows: featuresFirst});
  // Reshaped so that examples and features mix.
  const mixed = (): tf.Tensor => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D).transpose().reshape([4, 4]).sub(y);
  new Follower(t).step({variables: [w], jacobian: 'forward', loss: () => mixed().square().mean() as tf.Scalar, rows: mixed});
});

// ------------------------------------------------------------------------------------------------------------------- from step to step

test.serial('control flow that changes from step to step', t => {
  const [w, v, s] = [variable([3, 4], 1), variable([4, 1], 2), variable([4], 3)];
  const [x, y] = [noise([5, 3], 4) as tf.Tensor2D, noise([5, 1], 5)];
  const hidden = (): tf.Tensor => tf.tanh(tf.matMul(x, w as tf.Tensor2D));
  const plain = (): tf.Tensor => tf.matMul(hidden() as tf.Tensor2D, v as tf.Tensor2D).sub(y);
  const scaled = (): tf.Tensor => tf.matMul(hidden().mul(s) as tf.Tensor2D, v as tf.Tensor2D).sub(y);
  const both = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  for (let i = 0; i < 6; i++) {
    const rows = i % 2 === 0 ? plain : scaled;
    const variables = i % 2 === 0 ? [w, v] : [w, s, v];
    const {jacobian, rows: residual, n, m} = denseJacobian(rows, variables);
    const expected = referenceStep({jacobian, n, m, residual, weights: new Float64Array(n).fill(1 / n), damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
    const before = flat(variables);
    both.minimize(() => rows().square().mean() as tf.Scalar);
    t.true(relativeError(flat(variables).map((value, j) => value - before[j]), expected.step) < 2e-4, `step ${i}`);
  }
});

test.serial('one of two losses that f() computes is returned, now this, now that', t => {
  const [w, v] = [variable([3, 2], 1), variable([3, 1], 2)];
  const [x, y] = [noise([5, 3], 4) as tf.Tensor2D, noise([5, 1], 5)];
  const rowsOf = [(): tf.Tensor => tf.matMul(x, w as tf.Tensor2D).sub(y), (): tf.Tensor => tf.matMul(x, v as tf.Tensor2D).sub(y)];
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  for (const which of [0, 1, 1, 0]) {
    const variables = [[w], [v]][which];
    const {jacobian, rows: residual, n, m} = denseJacobian(rowsOf[which], variables);
    const expected = referenceStep({jacobian, n, m, residual, weights: new Float64Array(n).fill(1 / n), damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
    const before = flat(variables);
    const other = flat([[v], [w]][which]);
    optimizer.minimize(() => rowsOf.map(rows => rows().square().mean())[which] as tf.Scalar);
    t.true(relativeError(flat(variables).map((value, j) => value - before[j]), expected.step) < 2e-4, `loss ${which}`);
    t.deepEqual(flat([[v], [w]][which]), other);
  }
});

test.serial('indices into a weight that change from step to step', t => {
  const w = variable([4, 2], 1);
  const [x, y] = [noise([5, 3], 4) as tf.Tensor2D, noise([5, 2], 5)];
  const follower = new Follower(t);
  for (const indices of [[0, 1, 2], [3, 0, 1], [0, 0, 1], [2, 2, 2], [0, 1, 2]]) {
    const residual = (): tf.Tensor => tf.matMul(x, tf.gather(w, tf.tensor1d(indices, 'int32')) as tf.Tensor2D).sub(y);
    follower.step({variables: [w], loss: () => residual().square().mean() as tf.Scalar, rows: residual});
  }
});

test.serial('an op that tfjs cannot differentiate is named, and nothing has changed', t => {
  const w = variable([3, 2], 1);
  const optimizer = ggn();
  const before = flat([w]);
  const {numTensors} = tf.memory();
  t.throws(() => optimizer.minimize(() => tf.topk(tf.ones([4, 3]).matMul(w), 1).values.square().mean() as tf.Scalar),
      {message: /'TopK' lies between the weights and the loss and tfjs has no gradient for it/});
  t.deepEqual(flat([w]), before);
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('a mask on a weight that changes from step to step', t => {
  const w = variable([3, 2], 1);
  const [x, y] = [noise([5, 3], 4) as tf.Tensor2D, noise([5, 2], 5)];
  const follower = new Follower(t);
  for (let i = 0; i < 3; i++) {
    const mask = tf.tensor2d([[1, 0], [0, 1], [1, 1]]).mul(i % 2 + 1);
    const residual = (): tf.Tensor => tf.matMul(x, w.mul(mask) as tf.Tensor2D).sub(y);
    follower.step({variables: [w], loss: () => residual().square().mean() as tf.Scalar, rows: residual});
  }
});

// -------------------------------------------------------------------------------------------------------- squares written in other ways

test.serial('the product of two differences written twice, and a mask by tf.where', t => {
  const w = variable([3, 2], 31) as tf.Variable<tf.Rank.R2>;
  const [x, y] = [noise([6, 3], 32) as tf.Tensor2D, noise([6, 2], 33)];
  const residual = () => tf.matMul(x, w).tanh().sub(y);
  follow(t, {variables: [w], rows: residual,
    loss: () => { const p = tf.matMul(x, w).tanh(); return p.sub(y).mul(p.sub(y)).mean(); }});
  const mask = tf.tensor2d([1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0], [6, 2], 'bool');
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  const {jacobian, rows, n, m} = denseJacobian(residual, [w]);
  const weights = Float64Array.from(mask.dataSync(), kept => kept / 12);
  const {step} = referenceStep({jacobian, n, m, residual: rows, weights, damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
  const before = flat([w]);
  optimizer.minimize(() => tf.where(mask, residual().square(), tf.zeros([6, 2])).mean());
  t.true(relativeError(flat([w]).map((value, i) => value - before[i]), step) < 2e-4);
});

test.serial('squared differences of variables alone', t => {
  const [v, u] = [variable([3], 41), variable([3], 42)];
  follow(t, {variables: [v, u], rows: () => tf.concat([tf.sub(v, 5), tf.sub(u, v)]), jacobian: 'forward',
    loss: () => tf.squaredDifference(v, tf.scalar(5)).sum().add(tf.squaredDifference(u, v).sum()), weights: new Array<number>(6).fill(1)});
});

test.serial('two targets for one prediction', t => {
  const w = variable([3, 1], 51) as tf.Variable<tf.Rank.R2>;
  const [x, y1, y2] = [noise([6, 3], 52) as tf.Tensor2D, noise([6, 1], 53), noise([6, 1], 54)];
  follow(t, {variables: [w], rows: () => { const p = tf.matMul(x, w).sin(); return tf.concat([p.sub(y1), p.sub(y2)], 1); },
    loss: () => { const p = tf.matMul(x, w).sin(); return tf.squaredDifference(p, y1).mean().add(tf.squaredDifference(p, y2).mean()); },
    weights: new Array<number>(12).fill(1 / 6)});
});

test.serial('terms of different sizes need no more than a batch each', t => {
  const w = variable([2, 1], 61) as tf.Variable<tf.Rank.R2>;
  const [many, few] = [noise([1100, 2], 62) as tf.Tensor2D, noise([100, 2], 63) as tf.Tensor2D];
  const optimizer = ggn();
  optimizer.minimize(() => tf.matMul(many, w).sub(1).square().mean().add(tf.matMul(few, w).square().mean()));
  t.is(optimizer.lastStep!.rows, 1200);
  t.is(optimizer.lastStep!.jacobian, 'batch');
  // One of them that mixes its examples is too large to go row by row, whatever the others are; two parameters are few enough to go one by
  // one.
  optimizer.minimize(() => tf.matMul(many, w).reverse(0).sub(many.slice([0, 0], [1100, 1])).square().mean().add(tf.matMul(few, w).square().mean()));
  t.is(optimizer.lastStep!.jacobian, 'forward');
  const wide = variable([1030, 1], 64) as tf.Variable<tf.Rank.R2>;
  t.throws(() => ggn({solver: 'gram'}).minimize(() => tf.matMul(tf.ones([1100, 1030]), wide).reverse(0).sub(many.slice([0, 0], [1100, 1])).square().mean().add(tf.matMul(few, w).square().mean())),
      {message: /cannot be told apart behind the kernel 'Reverse', and a step of 1100 rows is too large to go row by row \(at most 1024\)/});
  tf.dispose([w, wide, many, few]);
});

test.serial('frozen statistics in two terms of different sizes: the exact gradient', t => {
  const model = tf.sequential({layers: [tf.layers.dense({units: 4, inputShape: [3], activation: 'tanh'}), tf.layers.batchNormalization(), tf.layers.dense({units: 1})]});
  const [x, z] = [noise([900, 3], 71), noise([300, 3], 72)];
  const variables = variablesOf(model);
  const out = (p: tf.Tensor): tf.Tensor => model.apply(p, {training: true}) as tf.Tensor;
  const loss = (): tf.Scalar => out(x).sub(1).square().mean().add(out(z).sum(1).square().mean().mul(2)).add(variables[0].square().sum().mul(0.1));
  const {grads} = tf.variableGrads(loss, variables);
  const expected = Math.hypot(...variables.flatMap(v => [...grads[v.name].dataSync()]));
  const optimizer = ggn();
  optimizer.minimize(loss);
  t.is(optimizer.lastStep!.jacobian, 'frozenStatistics');
  t.true(Math.abs(optimizer.lastStep!.gradientNorm / expected - 1) < 1e-4, `${optimizer.lastStep!.gradientNorm} ${expected}`);
  optimizer.dispose();
  model.dispose();
  tf.dispose([x, z, grads]);
});
