/** NaN and infinities never reach a weight, and no policy that judges its steps goes to where the loss of f() is not finite. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn, leastSquares, type GgnOptions, type GramGaussNewton} from '../../src/index';
import {replace} from '../support/replace';
import {numbersOf} from '../support/tensors';

const MAX = 3.4028234663852886e38;

const POLICIES: Record<string, GgnOptions> = {
  auto: {},
  levenbergMarquardt: {policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 1e-6}},
  agreement: {policy: 'agreement', learningRate: 1, damping: 0.1, momentum: 0},
  fixed: {policy: 'fixed', learningRate: 1, damping: 0.1, momentum: 0},
  custom: {policy: () => undefined, learningRate: 1, damping: 1e-6, momentum: 0},
};

/** Steps until an error or `steps`: the weights stay finite, an error leaves them, and nothing is left behind. */
async function steps(t: ExecutionContext, optimizer: GramGaussNewton, variables: readonly tf.Variable[], loss: () => tf.Scalar, count = 6): Promise<string | null> {
  let tensors = -1;
  for (let i = 0; i < count; i++) {
    const before = numbersOf(variables);
    const state = async (): Promise<string> => JSON.stringify([optimizer.iterations, optimizer.getConfig(), (await optimizer.getWeights()).map(({tensor}) => [...tensor.dataSync()])]);
    const saved = await state();
    try {
      optimizer.minimize(loss);
    } catch (error) {
      t.deepEqual(numbersOf(variables), before);
      t.is(await state(), saved);
      return (error as Error).message;
    }
    if (optimizer.lastStep!.status === 'rejected') {
      t.is(optimizer.lastStep!.stepNorm, 0);
    }
    t.true(numbersOf(variables).every(Number.isFinite), `step ${i + 1}: ${numbersOf(variables).join()}`);
    if (i > 1) {
      t.true(tf.memory().numTensors <= tensors, `step ${i + 1}: ${tf.memory().numTensors}, before ${tensors}`);
    }
    await optimizer.getWeights();
    tensors = tf.memory().numTensors;
  }
  return null;
}

for (const backend of ['cpu', 'wasm']) {
  for (const [name, options] of Object.entries(POLICIES)) {
    test.serial(`${backend}, ${name}: w + d above the largest number of float32`, async t => {
      await tf.setBackend(backend);
      // relu hides an infinite weight from the loss: relu(-Infinity) is 0. The way to the target leads over the largest number.
      for (const shape of [[1], [1, 1]]) {
        const w = tf.variable(tf.fill(shape, 0.97 * MAX));
        const optimizer = ggn(options);
        const message = await steps(t, optimizer, [w], () => leastSquares(w.mul(3e-19).sub(1.14e20).reshape([1])));
        if (name !== 'auto') {
          // The policy 'fixed' alone judges no step: it has no other damping to try.
          t.is(message === null, name !== 'fixed', String(message));
        }
        t.regex(message ?? 'to values that are not finite', /to values that are not finite|the step is not finite/);
        t.deepEqual(numbersOf([w]).every(x => x >= Math.fround(0.97 * MAX)), true);
        optimizer.dispose();
        w.dispose();
      }
    });

    test.serial(`${backend}, ${name}: a weight that is no number, where the loss does not see it`, async t => {
      await tf.setBackend(backend);
      // An entry that no example looks up.
      const table = tf.variable(tf.tensor2d([[1, 2], [NaN, 4], [5, 6]]));
      const optimizer = ggn(options);
      const loss = (): tf.Scalar => tf.gather(table, tf.tensor1d([0, 2, 2], 'int32')).sub([[1, 1], [3, 3], [4, 4]]).square().mean() as tf.Scalar;
      const {numTensors} = tf.memory();
      t.throws(() => optimizer.minimize(loss), {message: /not finite/});
      t.is(tf.memory().numTensors, numTensors);
      t.deepEqual(numbersOf([table]), [1, 2, NaN, 4, 5, 6]);
      table.assign(tf.tensor2d([[1, 2], [3, 4], [5, 6]]));
      optimizer.minimize(loss);
      t.is(optimizer.lastStep!.status === 'rejected', false);
      optimizer.dispose();
      table.dispose();
    });
  }

  test.serial(`${backend}: the sum with weight decay is what is looked at`, async t => {
    await tf.setBackend(backend);
    // Decay lowers the weight by more than the step raises it; the step alone would be too large.
    const w = tf.variable(tf.fill([1, 1], -0.97 * MAX));
    const optimizer = ggn({...POLICIES['fixed'], weightDecay: 0.3});
    const loss = (): tf.Scalar => leastSquares(w.mul(3e-19).sub(-1.14e20).reshape([1]));
    const message = await steps(t, optimizer, [w], loss, 1);
    t.regex(message ?? 'finite', /finite/);
    t.true(numbersOf([w]).every(Number.isFinite));
    optimizer.dispose();
    w.dispose();
  });

  for (const name of ['levenbergMarquardt', 'custom', 'auto']) {
    test.serial(`${backend}, ${name}: the loss in float32 overflows where its sum in float64 does not`, async t => {
      await tf.setBackend(backend);
      const x = tf.linspace(0.1, 5, 40);
      const y = tf.tidy(() => x.mul(-0.7).exp().mul(2));
      const losses: Record<string, (a: tf.Variable, b: tf.Variable) => tf.Scalar> = {
        exponential: (a, b) => a.mul(b.mul(x).exp()).sub(y).square().mean() as tf.Scalar,
        'sum of squares': (a, b) => a.mul(b.mul(x).exp()).sub(y).square().sum() as tf.Scalar,
        'two terms': (a, b) => leastSquares([a.mul(b.mul(x).exp()).sub(y), a.mul(0.1)]),
        poisson: (a, b) => tf.sub(a.mul(x).add(b).exp(), y.mul(a.mul(x).add(b))).mean() as tf.Scalar,
      };
      for (const [kind, loss] of Object.entries(losses)) {
        for (const start of [[0.627, -2.442], [-3, 4], [20, 1], [1e-3, 8], [2, -9]]) {
          const [a, b] = start.map(value => tf.variable(tf.scalar(value)));
          const optimizer = ggn({...POLICIES[name], ...(name === 'custom' ? {damping: 1e-8} : {})});
          if (!Number.isFinite(tf.tidy(() => loss(a, b).dataSync()[0]))) {
            continue;
          }
          t.is(await steps(t, optimizer, [a, b], () => loss(a, b), 8), null, `${kind} from ${start.join()}`);
          t.true(Number.isFinite(tf.tidy(() => loss(a, b).dataSync()[0])), `${kind} from ${start.join()}`);
          optimizer.dispose();
        }
      }
    });
  }
}

for (const name of ['auto', 'levenbergMarquardt', 'custom']) {
  test.serial(`${name}: a kernel that gives NaN in a step of length 0, at the exact minimum`, async t => {
    await tf.setBackend('wasm');
    const x = tf.tensor1d([1, 2, 3]);
    const w = tf.variable(tf.scalar(2));
    const optimizer = ggn(POLICIES[name]);
    const loss = (): tf.Scalar => leastSquares(w.mul(x).sub([2, 4, 6]));
    optimizer.minimize(loss);
    t.is(optimizer.lastStep!.gradientNorm, 0);
    let calls = 0;
    let faulty = 0;
    const proto = Object.getPrototypeOf(tf.engine()) as {runKernel: (...args: unknown[]) => unknown};
    const back = replace(proto, 'runKernel', original => function(this: unknown, ...args: unknown[]): unknown {
      const result = original.apply(this, args);
      return ++calls === faulty && result instanceof tf.Tensor && result.dtype === 'float32' ?
        original.call(this, 'Fill', {}, {shape: result.shape, value: NaN, dtype: 'float32'}) : result;
    });
    t.teardown(back);
    optimizer.minimize(loss);
    const count = calls;
    for (faulty = 1; faulty <= count; faulty++) {
      calls = 0;
      try {
        optimizer.minimize(loss);
      } catch (error) {
        t.regex((error as Error).message, /^tfjs-ggn: /);
      }
      t.deepEqual(numbersOf([w]), [2], `kernel ${faulty} of ${count}`);
    }
  });
}
