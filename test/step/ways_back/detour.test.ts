/** Detours of 'auto': the way back to the best point that was judged, whatever happens on the way; none on curves. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, GramGaussNewton, leastSquares, type GgnOptions, type StepReport} from '../../../src/index';
import {seededDense} from '../../support/models';
import {numbersOf} from '../../support/tensors';

/** One attempt with little damping: the first step that raises the loss begins a detour. */
const HASTY: GgnOptions = {levenbergMarquardt: {attempts: 1, initialDamping: 1e-9}};

/** x / (1 + x⁴) = 0.9, which has no solution: from beyond the maximum, Gauss-Newton steps lead away from it. */
function cliff(shape: number[], options: GgnOptions = HASTY, start = 0.9): {w: tf.Variable; optimizer: GramGaussNewton; loss: () => tf.Scalar; at: () => number} {
  const w = tf.variable(tf.fill(shape, start));
  const loss = (): tf.Scalar => tf.div(w, tf.add(tf.pow(w, 4), 1)).sub([0.9, 0.9]).square().mean() as tf.Scalar;
  return {w, optimizer: ggn(options), loss, at: () => tf.tidy(() => loss().dataSync()[0])};
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: a detour that leads no lower ends where it began, bit for bit, and is not taken twice`, async t => {
    await tf.setBackend(backend);
    const {w, optimizer, loss, at} = cliff([1, 1]);
    optimizer.minimize(loss);  // whose data nobody knows yet
    const reports: StepReport[] = [];
    const seen: Array<{loss: number; weights: number[]}> = [];
    for (let i = 0; i < 90; i++) {
      seen.push({loss: at(), weights: numbersOf([w])});
      optimizer.minimize(loss);
      reports.push(optimizer.lastStep!);
      t.true(numbersOf([w]).every(Number.isFinite));
    }
    const detours = reports.map(({policy}, i) => policy === 'agreement' && reports[i - 1]?.policy !== 'agreement' ? i : -1).filter(i => i >= 0);
    t.true(detours.length >= 1, reports.map(r => r.policy[0]).join(''));
    for (const begin of detours) {
      const began = seen[begin];
      const back = seen.findIndex(({weights}, i) => i > begin && weights.join() === began.weights.join());
      const lower = seen.findIndex((s, i) => i > begin && s.loss < began.loss);
      t.true(back > 0 || lower > 0, `the detour of step ${begin}`);
      t.true(back < 0 || reports[back - 1].status === 'rejected' && reports[back - 1].stepNorm === 0);
    }
    // In the end nothing is lost.
    const least = seen.reduce((a, b) => Math.min(a, b.loss), Infinity);
    t.true(at() <= least * (1 + 1e-6), `${at()} ${least}`);
    // All judged, whoever set them.
    t.true(reports.every(({actualDecrease, status}) => status === 'rejected' || Number.isFinite(actualDecrease)), reports.map(r => `${r.status} ${r.actualDecrease}`).join());
    optimizer.dispose();
    w.dispose();
  });

  test.serial(`${backend}: an exponential that overflows: every step ends where the next one can begin`, async t => {
    await tf.setBackend(backend);
    const x = tf.tensor1d([5, 35, 65, 95, 125, 155, 185, 215, 245]);
    const y = tf.tensor1d([10.5, 14, 18.12, 17, 16.25, 16, 15, 13.45, 13]);
    for (const shape of [[], [1], [1, 1]]) {
      for (const options of [{}, HASTY]) {
        const [a, b, c, d] = [1, 1, 1, 1].map(value => tf.variable(tf.fill(shape, value)));
        const flat = (v: tf.Variable): tf.Tensor => v.reshape([]);
        const loss = (): tf.Scalar => leastSquares(flat(a).mul(tf.sub(1, flat(c).sub(x).div(flat(b)).exp().div(2))).mul(flat(d).mul(x).neg().exp()).sub(y));
        const optimizer = ggn(options);
        let least = Infinity;
        for (let i = 0; i < 70; i++) {
          optimizer.minimize(loss);
          const {policy, loss: before} = optimizer.lastStep!;
          t.true(Number.isFinite(before));
          t.true(shape.length > 1 || policy === 'levenbergMarquardt');
          t.true(shape.length > 1 || before <= least * (1 + 1e-5), `step ${i + 1}: ${before} after ${least}`);
          least = Math.min(least, before);
        }
        const end = tf.tidy(() => loss().dataSync()[0]);
        t.true(end <= least * (1 + 1e-5), `${end} ${least}`);
        optimizer.dispose();
      }
    }
  });

  test.serial(`${backend}: what is not finite on the way leads back at once; outside of a detour it is an error`, async t => {
    await tf.setBackend(backend);
    const {w, optimizer, loss} = cliff([1, 1]);
    let spoil = 1;
    const spoiled = (): tf.Scalar => loss().mul(spoil);
    const step = (): StepReport => {
      optimizer.minimize(spoiled);
      return optimizer.lastStep!;
    };
    spoil = NaN;
    t.throws(step, {message: /the loss is NaN/});
    spoil = 1;
    let before = numbersOf([w]);
    while (step().status !== 'rejected') {
      before = numbersOf([w]);
    }
    const began = numbersOf([w]);
    t.deepEqual(began, before);
    t.is(step().policy, 'agreement');
    t.is(step().policy, 'agreement');
    t.notDeepEqual(numbersOf([w]), began);
    const {numTensors} = tf.memory();
    const {iterations} = optimizer;
    spoil = NaN;
    const report = step();
    t.like(report, {status: 'rejected', stepNorm: 0, iteration: iterations + 1, actualDecrease: null});
    t.true(Number.isNaN(report.loss));
    t.deepEqual(numbersOf([w]), began);
    t.is(tf.memory().numTensors, numTensors - 1, 'the point is let go');
    t.throws(step, {message: /the loss is NaN/});
    spoil = 1;
    t.is(step().policy, 'levenbergMarquardt');
    optimizer.dispose();
    w.dispose();
  });
}

/** Steps until a detour is under way. */
function onTheWay(c: ReturnType<typeof cliff>): number[] {
  do {
    c.optimizer.minimize(c.loss);
  } while (c.optimizer.lastStep!.status !== 'rejected');
  const began = numbersOf([c.w]);
  c.optimizer.minimize(c.loss);
  c.optimizer.minimize(c.loss);
  return began;
}

test.serial('weights that the user writes on the way are the user’s: nobody goes back from them', async t => {
  await tf.setBackend('cpu');
  const c = cliff([1, 1]);
  const began = onTheWay(c);
  c.w.assign(tf.tensor2d([[3]]));
  c.optimizer.minimize(c.loss);
  t.is(c.optimizer.lastStep!.policy, 'levenbergMarquardt');
  for (let i = 0; i < 70; i++) {
    c.optimizer.minimize(c.loss);
    t.notDeepEqual(numbersOf([c.w]), began);
  }
});

test.serial('other data, another policy, dispose(): the point is let go, and the weights stay where they are', async t => {
  await tf.setBackend('cpu');
  const acts: Array<(c: ReturnType<typeof cliff>) => void> = [
    c => c.optimizer.minimize(() => c.w.mul([[1], [2], [5]]).sub(1).square().mean() as tf.Scalar),
    c => {
      c.optimizer.policy = 'fixed';
      c.optimizer.minimize(c.loss);
    },
    c => c.optimizer.dispose(),
  ];
  for (const act of acts) {
    const c = cliff([1, 1]);
    const began = onTheWay(c);
    act(c);
    c.optimizer.minimize(c.loss);
    t.notDeepEqual(numbersOf([c.w]), began);
    const {numTensors} = tf.memory();
    c.optimizer.dispose();
    const isJudged = c.optimizer.policy !== 'fixed';  // then the weights before the step are held, too
    t.is(tf.memory().numTensors, numTensors - (isJudged ? 2 : 1), 'the last step, no point of the detour');
    c.w.dispose();
  }
});

test.serial('an error on the way leaves the way back as it was', async t => {
  await tf.setBackend('cpu');
  const c = cliff([1, 1]);
  const began = onTheWay(c);
  const {numTensors} = tf.memory();
  t.throws(() => c.optimizer.minimize(() => c.loss().add(tf.tensor1d([NaN, 1]).mul(c.w.reshape([])).sum()) as tf.Scalar), {message: /NaN/}, 'other data');
  t.throws(() => c.optimizer.minimize(() => {
    throw new Error('mine');
  }), {message: 'mine'});
  t.is(tf.memory().numTensors, numTensors);
  let back = false;
  for (let i = 0; i < 70 && !back; i++) {
    c.optimizer.minimize(c.loss);
    back = numbersOf([c.w]).join() === began.join();
  }
  t.true(back);
});

test.serial('a detour is not saved: what is loaded judges every step from where it is', async t => {
  await tf.setBackend('cpu');
  const c = cliff([1, 1]);
  onTheWay(c);
  const config = JSON.parse(JSON.stringify(c.optimizer.getConfig())) as tf.serialization.ConfigDict;
  const again = GramGaussNewton.fromConfig(GramGaussNewton as never, config) as unknown as GramGaussNewton;
  await again.setWeights(await c.optimizer.getWeights());
  const before = c.at();
  again.minimize(c.loss);
  t.is(again.lastStep!.policy, 'levenbergMarquardt');
  t.true(c.at() <= before);
});

test.serial('fit, with batch normalisation: back to the best weights, and no tensor is left behind', async t => {
  await tf.setBackend('cpu');
  const x = tf.tensor2d(Array.from({length: 36}, (_, i) => Math.sin(1 + 3 * i)), [12, 3]);
  const y = tf.tensor2d(Array.from({length: 12}, (_, i) => Math.cos(2 * i)), [12, 1]);
  for (const middle of [[], [tf.layers.batchNormalization()]]) {
    const model = tf.sequential({layers: [seededDense(8, 1, {inputShape: [3], activation: 'relu'}), ...middle, seededDense(8, 2, {activation: 'relu'}), seededDense(1, 3)]});
    const optimizer = ggn({...HASTY, solver: 'normal'});  // which has no evidence: its damping would lead past the kinks
    model.compile({optimizer, loss: 'meanSquaredError'});
    const seen: string[] = [];
    let least = Infinity;
    await model.fit(x, y, {batchSize: 12, epochs: 80, shuffle: false, verbose: 0, callbacks: {onEpochEnd: async () => {
      seen.push(optimizer.lastStep!.policy[0]);
      least = Math.min(least, optimizer.lastStep!.loss);
      t.true(model.getWeights().every(w => w.dataSync().every(Number.isFinite)));
    }}});
    t.true(seen.includes('a'), seen.join(''));
    // At most one copy of the trained weights beside the last step.
    const {numTensors} = tf.memory();
    optimizer.dispose();
    const freed = numTensors - tf.memory().numTensors;
    const variables = model.trainableWeights.length;
    t.true(freed === variables || freed === 2 * variables, String(freed));
    model.dispose();
  }
});

test.serial('curves in fit get no detour either', async t => {
  await tf.setBackend('cpu');
  class Curve extends tf.layers.Layer {
    static className = 'DetourCurve';
    private rate: tf.LayerVariable | null = null;
    override build(): void {
      this.rate = this.addWeight('rate', [1], 'float32', tf.initializers.constant({value: 0.9}));
      this.built = true;
    }
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
      const w = this.rate!.read();
      return tf.tidy(() => (Array.isArray(inputs) ? inputs[0] : inputs).mul(tf.div(w, tf.add(tf.pow(w, 4), 1))));
    }
  }
  const model = tf.sequential({layers: [new Curve({inputShape: [1]})]});
  const optimizer = ggn(HASTY);
  model.compile({optimizer, loss: 'meanSquaredError'});
  const losses: number[] = [];
  for (let i = 0; i < 40; i++) {
    await model.fit(tf.ones([2, 1]), tf.fill([2, 1], 0.9), {batchSize: 2, epochs: 1, verbose: 0});
    t.is(optimizer.lastStep!.policy, 'levenbergMarquardt');
    losses.push(optimizer.lastStep!.loss);
  }
  t.true(losses.every((loss, i) => i === 0 || loss <= losses[i - 1] * (1 + 1e-5)), losses.join(' '));
});
