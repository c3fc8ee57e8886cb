/** Steps to points at which the loss is finite and its derivatives are not: edges of log, sqrt, x^c and 1/x, and hidden overflows. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, GramGaussNewton, leastSquares, type GgnOptions} from '../../../src/index';

type Model = (v: readonly tf.Variable[], x: tf.Tensor1D) => tf.Tensor;

interface Member {
  readonly name: string;
  readonly f: Model;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly start: readonly number[];
}

const upTo = (n: number, first: number): number[] => Array.from({length: n}, (_, i) => i === 0 ? first : i);
const growth = [20.8, 20.9, 22.9, 25.2, 26.9, 28.3, 29.5, 30.7, 31.8, 32.9, 34, 35.3, 36.4, 37.5, 38.6, 39.6, 40.6, 41.6, 42.5, 43.2, 44.2, 45, 45.8, 46.5, 47.3, 48, 48.6, 49.2, 49.8, 50.4];
const power: Model = ([a, b, c], x) => a.div(b.mul(x.pow(c)).add(1));
const deviations = (n: number, seed: number): number[] => [...tf.randomNormal([n], 0, 0.02, 'float32', seed).dataSync()];

await tf.setBackend('cpu');

const MEMBERS: readonly Member[] = [
  ...[0, 1e-8, 0.5].map(first => ({name: `a / (1 + b x^c) from x = ${first}`, f: power, x: upTo(30, first), y: growth, start: [1, 1, 1]})),
  {name: 'a log(x - b)', f: ([a, b], x) => a.mul(x.sub(b).log()), x: upTo(12, 0.2), y: upTo(12, 0.2).map(x => Math.log(x + 1e-6)), start: [0.3, -4]},
  {name: 'a sqrt(x - b)', f: ([a, b], x) => a.mul(x.sub(b).relu().sqrt()), x: upTo(12, 0), y: upTo(12, 0).map(x => Math.sqrt(x)), start: [3, -2]},
  {name: 'a sqrt(x - b) without a clip, J² overflows', f: ([a, b], x) => a.mul(x.sub(b).sqrt()), x: [0, 0.1, 0.2, 0.5, 1, 2, 3],
    y: [0, 0.1, 0.2, 0.5, 1, 2, 3].map(x => 2 * Math.sqrt(x)), start: [1, -1]},
  {name: 'a sqrt(x - b) at every x', f: ([a, b], x) => a.mul(tf.zerosLike(x).sub(b).sqrt()), x: upTo(7, 0), y: upTo(7, 0).map(() => -1), start: [1, -1]},
  {name: 'a acosh(x + b)', f: ([a, b], x) => a.mul(x.add(b).acosh()), x: upTo(7, 0), y: upTo(7, 0).map(x => 2 * Math.acosh(x + 1)), start: [1, 2]},
  {name: 'a / (x - b)', f: ([a, b], x) => a.div(x.sub(b)), x: upTo(12, 1e-3), y: upTo(12, 1e-3).map(x => 1 / (x + 0.1)), start: [1, -3]},
  {name: 'a x^b with x from 0', f: ([a, b], x) => a.mul(x.pow(b)), x: upTo(12, 0), y: upTo(12, 0).map(x => x ** 0.2), start: [1, 3]},
  {name: 'a asin(b x)', f: ([a, b], x) => a.mul(x.mul(b).clipByValue(-1, 1).asin()), x: upTo(10, 0).map(x => x / 9), y: upTo(10, 0).map(x => Math.asin(x / 9)), start: [2, 0.3]},
  {name: 'logistic, e^x overflows', f: ([a, b, c], x) => a.div(b.sub(x.mul(c)).exp().add(1)), x: [...tf.linspace(0.1, 5, 40).dataSync()],
    y: [...tf.linspace(0.1, 5, 40).dataSync()].map((x, i) => 4 / (1 + Math.exp(2 - 3 * x)) + deviations(40, 3)[i]), start: [8.097, -7.221, 0.037]},
  {name: 'Hill, x^n / (k^n + x^n)', f: ([a, k, n], x) => a.mul(x.pow(n)).div(k.pow(n).add(x.pow(n))), x: upTo(15, 1e-4), y: upTo(15, 1e-4).map(x => x ** 2 / (9 + x ** 2)), start: [5, 0.3, 9]},
];

const OPTIONS: Record<string, GgnOptions> = {
  auto: {},
  levenbergMarquardt: {policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 1e-3}},
  gram: {solver: 'gram', policy: 'levenbergMarquardt'},
  cg: {solver: 'cg', policy: 'levenbergMarquardt'},
  custom: {policy: () => undefined, learningRate: 1, damping: 1e-3, momentum: 0},
};

for (const backend of ['cpu', 'wasm']) {
  for (const [policy, options] of Object.entries(OPTIONS).filter(([name]) => backend === 'cpu' || name !== 'cg')) {
    test.serial(`${backend}, ${policy}: every step ends where the next one can begin`, async t => {
      await tf.setBackend(backend);
      for (const {name, f, x, y, start} of MEMBERS) {
        const variables = start.map(value => tf.variable(tf.scalar(value)));
        const [xs, ys] = [tf.tensor1d([...x]), tf.tensor1d([...y])];
        const loss = (): tf.Scalar => leastSquares(f(variables, xs).sub(ys));
        const optimizer = ggn(options);
        let least = Infinity;
        let tensors = -1;
        for (let i = 0; i < 25; i++) {
          t.notThrows(() => optimizer.minimize(loss), `${name}, step ${i + 1}`);
          const {loss: before, status, stepNorm, policy: used} = optimizer.lastStep!;
          t.true(used === 'custom' || before <= least * (1 + 1e-5) + 1e-9, `${name}, step ${i + 1}: ${before} after ${least}`);
          t.is(status === 'rejected' && stepNorm !== 0, false);
          least = Math.min(least, before);
          t.true(i < 3 || tf.memory().numTensors === tensors, name);
          tensors = tf.memory().numTensors;
        }
        t.true(variables.every(v => Number.isFinite(v.dataSync()[0])), name);
        optimizer.dispose();
        tf.dispose([variables, xs, ys]);
      }
    });
  }

  test.serial(`${backend}: the user's own point without a Jacobian is an error`, async t => {
    await tf.setBackend(backend);
    const x = tf.tensor1d(upTo(30, 0));
    const variables = [20, 1, -2].map(value => tf.variable(tf.scalar(value)));
    const optimizer = ggn();
    t.throws(() => optimizer.minimize(() => leastSquares(power(variables, x).sub(growth))), {message: /the Jacobian of the batch is not finite/});
    t.deepEqual(variables.map(v => v.dataSync()[0]), [20, 1, -2]);
  });
}

test.serial('state that was saved behind a rejected step goes on', async t => {
  await tf.setBackend('cpu');
  const x = tf.tensor1d(upTo(30, 0));
  const variables = [1, 1, 1].map(value => tf.variable(tf.scalar(value)));
  const loss = (): tf.Scalar => leastSquares(power(variables, x).sub(growth));
  let optimizer = ggn();
  for (let i = 0; i < 12; i++) {
    optimizer.minimize(loss);
    const config = JSON.parse(JSON.stringify(optimizer.getConfig())) as tf.serialization.ConfigDict;
    const again = GramGaussNewton.fromConfig(GramGaussNewton as never, config) as unknown as GramGaussNewton;
    await again.setWeights(await optimizer.getWeights());
    optimizer = again;
  }
  t.true(variables.every(v => Number.isFinite(v.dataSync()[0])));
});

test.serial('fit: outputs behind a square root, a logarithm and a gradient of the user’s own', async t => {
  await tf.setBackend('cpu');
  const own = tf.customGrad((...args) => {
    const [z, save] = args as unknown as [tf.Tensor, (saved: tf.Tensor[]) => void];
    save([z]);
    return {value: z.relu().sqrt(), gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => dy.div(saved[0].relu().sqrt().mul(2))};
  });
  const losses: Array<(y: tf.Tensor, p: tf.Tensor) => tf.Tensor> = [
    (y, p) => tf.squaredDifference(p.relu().sqrt(), y).mean(-1),
    (y, p) => tf.squaredDifference(own(p), y).mean(-1),
    (y, p) => p.relu().sub(y.mul(p.relu().add(1e-30).log())).mean(-1),
  ];
  const xs = tf.randomNormal([20, 2], 0, 1, 'float32', 1);
  const ys = tf.randomUniform([20, 1], 0, 0.3, 'float32', 2);
  for (const loss of losses) {
    const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2], kernelInitializer: tf.initializers.constant({value: 1e-3}),
      biasInitializer: tf.initializers.constant({value: 2})})]});
    const optimizer = ggn({policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 1e-6}});
    model.compile({optimizer, loss});
    const {numTensors} = tf.memory();
    await model.fit(xs, ys, {epochs: 20, batchSize: 20, verbose: 0});
    t.true(model.getWeights().every(w => w.dataSync().every(Number.isFinite)));
    t.is(tf.memory().numTensors, numTensors + 4, 'the last step, and the weights before it');
    t.is(optimizer.iterations, 20);
    optimizer.dispose();
    model.dispose();
  }
});

test.serial('losses of an own residual whose second derivative overflows before they do', async t => {
  await tf.setBackend('cpu');
  const x = tf.tensor2d([[1, -2, 0.5]]);
  const losses: Array<(r: tf.Tensor) => tf.Tensor> = [r => tf.div(1, r.square().mean()).log().neg(), r => r.square().mean().pow(0.05), r => r.abs().add(1e-38).log().mean()];
  for (const loss of losses) {
    const [w, v] = [tf.variable(tf.randomNormal([3, 4], 0, 0.6, 'float32', 1)), tf.variable(tf.randomNormal([4, 1], 0, 0.6, 'float32', 2))];
    const optimizer = ggn();
    let least = Infinity;
    for (let i = 0; i < 25; i++) {
      t.notThrows(() => optimizer.minimize(() => loss(x.matMul(w as tf.Tensor2D).tanh().matMul(v as tf.Tensor2D).sub(0.5)).asScalar()), `step ${i + 1}`);
      t.true(i < 2 || optimizer.lastStep!.loss <= least + 1e-4, `${optimizer.lastStep!.loss} after ${least}`);
      least = Math.min(least, optimizer.lastStep!.loss);
    }
    optimizer.dispose();
    tf.dispose([w, v]);
  }
  x.dispose();
});

test.serial('networks of harmless kernels pay nothing for it: no kernel runs but those of the trial', async t => {
  await tf.setBackend('cpu');
  const kernels = (activation: (x: tf.Tensor) => tf.Tensor): number => {
    const [w, v] = [tf.variable(tf.randomNormal([3, 4], 0, 1, 'float32', 1)), tf.variable(tf.randomNormal([4, 1], 0, 1, 'float32', 2))];
    const [x, y] = [tf.randomNormal([40, 3], 0, 1, 'float32', 3), tf.randomNormal([40, 1], 0, 1, 'float32', 4)];
    const optimizer = ggn({policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 10}});
    const loss = (): tf.Scalar => activation(x.matMul(w as tf.Tensor2D)).matMul(v as tf.Tensor2D).sub(y).square().mean() as tf.Scalar;
    const engine = tf.engine();
    const {runKernel} = engine;
    let count = 0;
    for (let i = 0; i < 2; i++) {
      count = 0;
      engine.runKernel = ((...args: Parameters<typeof runKernel>) => {
        count++;
        return runKernel.apply(engine, args);
      }) as typeof runKernel;
      try {
        optimizer.minimize(loss);
      } finally {
        engine.runKernel = runKernel;
      }
    }
    return optimizer.lastStep!.attempts === 1 ? count : NaN;
  };
  const [smooth, divided] = [kernels(z => z.tanh()), kernels(z => z.div(z.square().add(1)))];
  t.true(smooth > 0 && divided > smooth + 6, `${smooth} ${divided}`);
});
