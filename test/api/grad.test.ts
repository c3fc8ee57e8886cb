/** grad(f): nested derivatives against finite differences of the same networks in float64. (Their steps: test/loops/derivatives_inside.) */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {grad} from '../../src/index';
import {type Activation, dense} from '../cases/case';
import {normals} from '../cases/data';
import {ACTIVATIONS} from '../support/activations';
import {differences, dx, dy, type Field} from '../support/plane';
import {relativeError} from '../support/relative_error';
import {noise} from '../support/tensors';

test.beforeEach(async () => {
  await tf.setBackend('cpu');
});

// -------------------------------------------------------------------------------------------- every activation, to the third order

/** 2-3-3-1, weights normal of scale 0.8, by tfjs-layers and in float64. */
function network(activation: Activation): {u: Field; at: (x: number, y: number) => number; dispose(): void} {
  const model = tf.sequential({layers: [dense(3, activation, {inputShape: [2]}), dense(3, activation), dense(1)]});
  const weights = model.getWeights().map(({shape, size}, i) => Array.from(normals(`grad ${i}`, size, 0.8), x => [x, shape] as const));
  tf.tidy(() => model.setWeights(weights.map(entries => tf.tensor(entries.map(([x]) => x), [...entries[0][1]]))));
  const layer = (x: readonly number[], i: number): number[] => {
    const [kernel, bias] = [weights[2 * i], weights[2 * i + 1]];
    return bias.map(([b], o) => x.reduce((sum, value, k) => sum + value * kernel[k * bias.length + o][0], b));
  };
  const f = ACTIVATIONS[activation];
  return {u: p => model.apply(p) as tf.Tensor, at: (x, y) => layer(f(layer(f(layer([x, y], 0)), 1)), 2)[0], dispose: () => model.dispose()};
}

const DERIVATIVES: Record<string, (u: Field) => Field> = {
  x: dx, y: dy, xx: u => dx(dx(u)), xy: u => dy(dx(u)), yy: u => dy(dy(u)),
  xxx: u => dx(dx(dx(u))), xxy: u => dy(dx(dx(u))), yxy: u => dy(dx(dy(u))), yyy: u => dy(dy(dy(u)))
};

for (const backend of ['cpu', 'wasm']) {
  for (const activation of Object.keys(ACTIVATIONS) as Activation[]) {
    test.serial(`${backend}: ${activation}, to third order mixed derivatives`, async t => {
      await tf.setBackend(backend);
      const {u, at, dispose} = network(activation);
      const points = [...normals('points', 24, 1)];
      const p = tf.tensor2d(points, [12, 2]);
      const {numTensors} = tf.memory();
      for (const [order, derive] of Object.entries(DERIVATIVES)) {
        const mine = tf.tidy(() => derive(u)(p).dataSync());
        const expected = (h: number): number[] =>
          Array.from({length: 12}, (_, b) => differences(order, h)(at)(points[2 * b], points[2 * b + 1]));
        const [coarse, fine] = [expected(2e-2), expected(1e-2)];
        const size = Math.max(...fine.map(Math.abs), 1e-3);
        // A difference shows a kink between its points; the network has no derivative there.
        const smooth = fine.map((value, b) => Math.abs(value - coarse[b]) < 3e-4 * size);
        t.true(smooth.filter(Boolean).length >= 8, `${order}: ${smooth.filter(Boolean).length} smooth points`);
        fine.forEach((value, b) => t.true(!smooth[b] || Math.abs(mine[b] - value) < 1e-3 * size, `u_${order} at point ${b}: ${mine[b]} in place of ${value}`));
      }
      t.is(tf.memory().numTensors, numTensors);
      tf.dispose(p);
      dispose();
    });
  }
}

test.serial('powers: down to the constant, and zero from there', t => {
  const x = tf.tensor1d([-1.5, 0.5, 2]);
  const {numTensors} = tf.memory();
  tf.tidy(() => {
    let f: Field = p => p.mul(p).mul(p);
    for (const expected of [(v: number) => 3 * v * v, (v: number) => 6 * v, () => 6, () => 0, () => 0]) {
      f = grad(f);
      t.deepEqual([...f(x).dataSync()], [...x.dataSync()].map(expected));
    }
  });
  t.is(tf.memory().numTensors, numTensors);
  tf.dispose(x);
});

// -------------------------------------------------------------------------------------------- the interface of tf.grad

const f: Field = p => tf.matMul(p.sin() as tf.Tensor2D, tf.tensor2d([[1, -2], [0.5, 3], [2, 1]])).tanh();

test.serial('as tf.grad: with dy and without, of a tensor and of numbers', t => {
  tf.tidy(() => {
    const x = noise([4, 3], 1);
    const dy = noise([4, 2], 2);
    for (const [mine, expected] of [[grad(f)(x), tf.grad(f)(x)], [grad(f)(x, dy), tf.grad(f)(x, dy)]]) {
      t.deepEqual(mine.shape, x.shape);
      t.true(relativeError(mine.dataSync(), expected.dataSync()) < 1e-6);
    }
    t.deepEqual([...grad(p => p.square())([1, 2]).dataSync()], [2, 4]);
    t.deepEqual([...grad(p => p.square())(3).dataSync()], [6]);
  });
});

test.serial('x counts wherever f reads it; other tensors are constants', t => {
  tf.tidy(() => {
    const [x, c] = [tf.scalar(3), tf.scalar(5)];
    t.is(grad(p => p.mul(x))(x).dataSync()[0], 6);
    t.is(grad(p => p.mul(c))(x).dataSync()[0], 5);
    t.is(grad(p => grad(q => p.mul(p).mul(q))(c))(x).dataSync()[0], 6);
    const w = tf.variable(tf.scalar(2));
    t.is(grad(p => p.mul(w).square())(x).dataSync()[0], 24);
    t.is(grad(() => w.square())(w).dataSync()[0], 4);
    w.dispose();
  });
});

test.serial('a result that is dy, or x, or a tensor of f() belongs to the caller all the same', t => {
  const [x, dy] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
  const {numTensors} = tf.memory();
  const same = grad(p => p.clone())(x, dy);
  t.not(same, dy);
  same.dispose();
  const square = grad(p => p.square().mul(0.5))(x);
  t.deepEqual([...square.dataSync()], [1, 2]);
  square.dispose();
  t.deepEqual([...x.dataSync(), ...dy.dataSync()], [1, 2, 3, 4]);
  t.is(tf.memory().numTensors, numTensors);
  let kept: tf.Tensor | undefined;
  grad(p => kept = tf.keep(p.square()))(x).dispose();
  t.deepEqual([...kept!.dataSync()], [1, 4]);
  tf.dispose([x, dy, kept!]);
});

test.serial('nested gradients of tfjs itself throw or are wrong, which is why this is here', t => {
  tf.tidy(() => {
    const x = tf.scalar(0.7);
    t.throws(() => tf.grad(tf.grad(p => p.tanh()))(x), {message: /Cannot compute gradient/}, 'tfjs has mended this');
    const y = Math.tanh(0.7);
    t.true(Math.abs(grad(grad(p => p.tanh()))(x).dataSync()[0] - -2 * y * (1 - y * y)) < 1e-6);
  });
});

test.serial('a gradient of tfjs around one of ours', t => {
  tf.tidy(() => {
    const x = tf.tensor1d([0.3, -0.8]);
    const mine = grad(grad(p => p.tanh()))(x).dataSync();
    t.true(relativeError(tf.grad(p => grad(q => q.tanh())(p))(x).dataSync(), mine) < 1e-6);
  });
  // A first-order optimizer on the loss of a differential equation u' + u = 0.
  const w = tf.variable(tf.tensor2d([[0.5, -0.7]]));
  const v = tf.variable(tf.tensor2d([[0.8], [0.4]]));
  const x = noise([6, 1], 1);
  const u: Field = p => tf.matMul(tf.tanh(tf.matMul(p as tf.Tensor2D, w as tf.Tensor2D)), v as tf.Tensor2D);
  const loss = (): tf.Scalar => grad(u)(x).add(u(x)).square().mean();
  const slope = (): tf.Tensor => tf.matMul(tf.sub(1, tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D).tanh().square()).mul(w) as tf.Tensor2D, v as tf.Tensor2D);
  const {grads} = tf.variableGrads(loss, [w, v]);
  const {grads: expected} = tf.variableGrads(() => slope().add(u(x)).square().mean(), [w, v]);
  for (const {name} of [w, v]) {
    t.true(relativeError(grads[name].dataSync(), expected[name].dataSync()) < 1e-5, name);
  }
  tf.dispose([w, v, x, grads, expected]);
});

// -------------------------------------------------------------------------------------------- gradients of the user's own

test.serial('tf.customGrad is one node, and its gradient may be differentiated again', t => {
  tf.tidy(() => {
    const x = tf.tensor1d([0.5, -2]);
    const cube = tf.customGrad((p, save) => {
      (save as tf.GradSaveFunc)([p as tf.Tensor]);
      return {value: (p as tf.Tensor).pow(3), gradFunc: (dy: tf.Tensor, [q]: tf.Tensor[]) => dy.mul(q.square()).mul(3)};
    });
    t.true(relativeError(grad(cube)(x).dataSync(), [0.75, 12]) < 1e-6);
    t.true(relativeError(grad(grad(cube))(x).dataSync(), [3, -12]) < 1e-6);
    t.true(relativeError(grad(grad(grad(cube)))(x).dataSync(), [6, 6]) < 1e-6);
    // A straight-through estimator: the gradient is not that of the value.
    const round = tf.customGrad(p => ({value: (p as tf.Tensor).round(), gradFunc: (dy: tf.Tensor) => dy.clone()}));
    t.deepEqual([...grad(p => round(p).square())(x).dataSync()], [0, -4]);
  });
});

// -------------------------------------------------------------------------------------------- what is refused

function refuses(t: ExecutionContext, act: () => unknown, message: RegExp): void {
  const {numTensors} = tf.memory();
  t.throws(() => tf.tidy(() => {
    act();
  }), {message});
  t.is(tf.memory().numTensors, numTensors);
  t.false(Object.hasOwn(tf.engine(), 'runKernel'), 'the engine is as before');
  t.is(tf.engine().state.gradientDepth, 0);
}

test.serial('what has no derivative is refused, and nothing is left behind', t => {
  const x = tf.tensor1d([1, 2]);
  refuses(t, () => grad(3 as never), /^tfjs-ggn: grad\(\) takes a function of one tensor.*received number/);
  refuses(t, () => grad(p => p)(tf.tensor1d([1, 2], 'int32')), /needs an x of float32, received int32.*tf\.cast/);
  refuses(t, () => grad(p => p.dataSync()[0] as never)(x), /must return a float32 tensor, it returned 1/);
  refuses(t, () => grad(p => p.greater(0))(x), /must return a float32 tensor, it returned a tensor of dtype bool/);
  refuses(t, () => grad((async (p: tf.Tensor) => await Promise.resolve(p)) as never)(x), /it returned a promise/);
  refuses(t, () => grad(() => tf.ones([2]))(x), /does not depend on x.*dataSync\(\)/);
  refuses(t, () => grad(p => tf.tensor1d(p.dataSync() as Float32Array))(x), /does not depend on x/);
  refuses(t, () => grad(p => p.square())(x, tf.ones([3])), /dy in grad\(f\)\(x, dy\) must be a float32 tensor of the shape of f\(x\), \[2\]; received float32 of shape \[3\]/);
  refuses(t, () => grad(p => p.square())(x, tf.ones([2], 'int32')), /received int32 of shape \[2\]/);
  refuses(t, () => grad(p => tf.topk(p, 2).values)(x), /'TopK'/);
  refuses(t, () => grad(grad(() => {
    throw new Error('mine');
  }))(x), /^mine$/);
  tf.dispose(x);
});
