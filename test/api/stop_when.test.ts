/** stopWhen: training ends when a criterion is met, and says which. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, type GramGaussNewton, stepMetrics, stopWhen, type GgnOptions, type StepReport, type StopCriteria} from '../../src/index';
import {criterionMet} from '../../src/api/stop_when';
import {wave} from '../support/numbers';

await tf.setBackend('cpu');

const x = tf.tensor2d(wave(36, 3), [12, 3]);
/** A plane, and something that no plane follows. */
const y = tf.tidy(() => tf.add(tf.matMul(x, tf.tensor2d([[1], [-2], [0.5]])), tf.tensor2d(wave(12, 5), [12, 1]).mul(0.1))) as tf.Tensor2D;

type Kind = 'sequential' | 'functional';

/** A linear model: Levenberg-Marquardt is at the minimum after some steps of ever less damping, and then finds no better weights. */
function compiled(kind: Kind = 'sequential', options: GgnOptions = {}): {model: tf.LayersModel; optimizer: GramGaussNewton} {
  const dense = (more: object): tf.layers.Layer => tf.layers.dense({units: 1, kernelInitializer: tf.initializers.glorotUniform({seed: 1}), ...more});
  const input = tf.input({shape: [3]});
  const model = kind === 'sequential' ? tf.sequential({layers: [dense({inputShape: [3]})]}) :
    tf.model({inputs: input, outputs: dense({}).apply(input) as tf.SymbolicTensor});
  const optimizer = ggn(options);
  model.compile({optimizer, loss: 'meanSquaredError'});
  return {model, optimizer};
}

const FULL = {batchSize: 12, epochs: 200, verbose: 0 as const};

/** Collects the messages, so that they stay out of the test's output. */
function listener(): {said: string[]; say: (line: string) => void} {
  const said: string[] = [];
  return {said, say: line => void said.push(line)};
}

const CRITERIA: Array<[StopCriteria, RegExp, GgnOptions?]> = [
  [{gradientNorm: 1e-3}, /^the gradient norm, \d\.\d\de-\d+, is at most 0\.001$/],
  [{decrease: 1e-4}, /^the relative decrease of the loss, \d\.\d\de-\d+, is at most 0\.0001$/],
  [{damping: 100}, /^the damping, 1\.02e\+2, is at least 100$/, {policy: ({damping}) => ({damping: 2 * damping})}],
];

for (const kind of ['sequential', 'functional'] as const) {
  for (const [criteria, reason, options] of CRITERIA) {
    test.serial(`${Object.keys(criteria)[0]} ends fit of a ${kind} model and is named`, async t => {
      const {model, optimizer} = compiled(kind, options);
      const {said, say} = listener();
      const stop = stopWhen(optimizer, criteria, say);
      t.is(stop.reason, null);
      const {epoch} = await model.fit(x, y, {...FULL, callbacks: stop});
      t.true(epoch.length > 1 && epoch.length < 60, `${epoch.length} epochs`);
      t.regex(stop.reason!, reason);
      t.deepEqual(said, [`tfjs-ggn: training ends after epoch ${epoch.length}: ${stop.reason}.`]);
      t.is(optimizer.lastStep!.iteration, epoch.length, 'no step more');
    });
  }
}

test.serial('converged ends fit where the optimizer says so: at a minimum, and with redundant weights when steps bring nothing more', async t => {
  const normal = tf.randomNormal([12, 3], 0, 1, 'float32', 1) as tf.Tensor2D;
  for (const [data, reason, epochs] of [[normal, /^it has converged: \S+ of the loss is left to gain, at most 1e-8$/, 40], [x, /^it is stuck: 20 steps/, 200]] as const) {
    const {model, optimizer} = compiled();
    const stop = stopWhen(optimizer, {converged: true}, listener().say);
    const {epoch} = await model.fit(data, y, {...FULL, epochs: 300, callbacks: stop});
    t.true(epoch.length < epochs, `${epoch.length} epochs`);
    t.regex(stop.reason!, reason);
    t.not(optimizer.convergence().status, 'improving');
  }
  normal.dispose();
});

test.serial('remaining ends fit where nothing is left to gain, and is named', async t => {
  const {model, optimizer} = compiled();
  const {say} = listener();
  const stop = stopWhen(optimizer, {remaining: 1e-6}, say);
  // Columns of full rank: if two columns differ by rounding alone, the rounding promises to fit some of the noise.
  const full = tf.randomNormal([12, 3], 0, 1, 'float32', 3);
  const {epoch} = await model.fit(full, y, {...FULL, callbacks: stop});
  t.true(epoch.length > 1 && epoch.length < 30, `${epoch.length} epochs`);
  t.regex(stop.reason!, /^the share of the loss that is left to gain, \d\.\d\de[-+]\d+, is at most 0\.000001$/);
  full.dispose();
});

test.serial('fitDataset', async t => {
  const {model, optimizer} = compiled();
  const {said, say} = listener();
  const stop = stopWhen(optimizer, {gradientNorm: 1e-3}, say);
  const dataset = tf.data.zip({xs: tf.data.array(x.arraySync()), ys: tf.data.array(y.arraySync())}).batch(12);
  const {epoch} = await model.fitDataset(dataset, {epochs: 200, verbose: 0, callbacks: stop});
  t.true(epoch.length > 1 && epoch.length < 60);
  t.regex(stop.reason!, /gradient norm/);
  t.is(said.length, 1);
});

test.serial('without a criterion met training goes to its end, and nothing is said', async t => {
  const {model, optimizer} = compiled();
  const {said, say} = listener();
  const stop = stopWhen(optimizer, {gradientNorm: 1e-30, decrease: 1e-30, damping: 1e30}, say);
  const {epoch} = await model.fit(x, y, {...FULL, epochs: 5, callbacks: stop});
  t.is(epoch.length, 5);
  t.is(stop.reason, null);
  t.deepEqual(said, []);
});

test.serial('the reason is that of the last fit: reset when the next begins', async t => {
  const {model, optimizer} = compiled();
  const {say} = listener();
  const stop = stopWhen(optimizer, {gradientNorm: 1e-3}, say);
  await model.fit(x, y, {...FULL, callbacks: stop});
  t.not(stop.reason, null);
  const seen: Array<string | null> = [];
  const watch = new tf.CustomCallback({onTrainBegin: async () => void seen.push(stop.reason)});
  // Other targets: the gradient is large again, and one epoch does not end that.
  const other = tf.tidy(() => y.mul(-3).add(5));
  const {epoch} = await model.fit(x, other, {...FULL, epochs: 1, callbacks: [stop, watch]});
  t.deepEqual(seen, [null]);
  t.is(epoch.length, 1);
  t.is(stop.reason, null);
  await model.fit(x, other, {...FULL, callbacks: stop});
  t.regex(stop.reason!, /gradient norm/);
  other.dispose();
});

test.serial('training can go on after it, and stops again at once where the criterion still holds', async t => {
  const {model, optimizer} = compiled();
  const stop = stopWhen(optimizer, {gradientNorm: 1e-3}, () => {});
  await model.fit(x, y, {...FULL, callbacks: stop});
  const {epoch} = await model.fit(x, y, {...FULL, callbacks: stop});
  t.deepEqual(epoch, [0]);
  t.is((await model.fit(x, y, {...FULL, epochs: 4})).epoch.length, 4, 'without the callback nothing stops it');
});

test.serial('mini-batches: judged by the mean over the steps of an epoch, at its end', async t => {
  const {model, optimizer} = compiled('sequential', {learningRate: 0.3, damping: 0.1, momentum: 0});
  const norms: number[][] = [];
  const watch = new tf.CustomCallback({
    onEpochBegin: async () => void norms.push([]),
    onBatchEnd: async () => void norms.at(-1)!.push(optimizer.lastStep!.gradientNorm),
  });
  const limit = 0.3;
  const stop = stopWhen(optimizer, {gradientNorm: limit}, () => {});
  await model.fit(x, y, {...FULL, batchSize: 4, shuffle: false, epochs: 60, callbacks: [stop, watch]});
  const means = norms.map(epoch => epoch.reduce((a, b) => a + b) / epoch.length);
  t.true(norms.every(epoch => epoch.length === 3));
  t.not(stop.reason, null);
  t.is(means.findIndex(mean => mean <= limit), norms.length - 1);
});

test.serial('in a list with other callbacks, validation and metrics', async t => {
  const {model, optimizer} = compiled();
  model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
  const stop = stopWhen(optimizer, {gradientNorm: 1e-3}, () => {});
  const {history} = await model.fit(x, y, {...FULL, validationData: [x, y], callbacks: [stop, stepMetrics(optimizer)]});
  t.not(stop.reason, null);
  t.true(history['val_mae'].length === history['gradientNorm'].length && history['gradientNorm'].length < 60);
});

test.serial('it changes neither the trajectory nor the number of tensors', async t => {
  const plain = compiled();
  const watched = compiled();
  await plain.model.fit(x, y, {...FULL, epochs: 5});
  await watched.model.fit(x, y, {...FULL, epochs: 1, callbacks: stopWhen(watched.optimizer, {gradientNorm: 1e-30})});
  const {numTensors} = tf.memory();
  await watched.model.fit(x, y, {...FULL, epochs: 4, callbacks: stopWhen(watched.optimizer, {gradientNorm: 1e-30})});
  t.is(tf.memory().numTensors, numTensors);
  t.deepEqual(watched.model.getWeights().map(w => w.dataSync()), plain.model.getWeights().map(w => w.dataSync()));
});

test.serial('an optimizer that the model is not trained by is an error, and training can begin again', async t => {
  const {model, optimizer} = compiled();
  const weights = model.getWeights().map(w => w.dataSync());
  await t.throwsAsync(model.fit(x, y, {...FULL, epochs: 3, callbacks: stopWhen(ggn(), {gradientNorm: 1e9})}),
      {message: /^tfjs-ggn: stopWhen\(\) was given an optimizer that this model is not trained by/});
  t.deepEqual(model.getWeights().map(w => w.dataSync()), weights);
  t.is((await model.fit(x, y, {...FULL, epochs: 3, callbacks: stopWhen(optimizer, {gradientNorm: 1e9}, () => {})})).epoch.length, 1);
});

test.serial('by default it speaks on the console', async t => {
  const {model, optimizer} = compiled();
  const {log} = console;
  const said: unknown[][] = [];
  console.log = (...line: unknown[]) => void said.push(line);
  try {
    await model.fit(x, y, {...FULL, callbacks: stopWhen(optimizer, {gradientNorm: 1e9})});
  } finally {
    console.log = log;
  }
  t.is(said.length, 1);
  t.regex(said[0][0] as string, /^tfjs-ggn: training ends after epoch 1: the gradient norm, /);
});

// -------------------------------------------------------------------------------------------------------------- the criteria by themselves

/** A step that was taken, of loss 2, and that no criterion of 1e-3 is met by. */
const step = (more: Partial<StepReport> = {}): StepReport =>
  ({loss: 2, gradientNorm: 1, stepNorm: 0.1, damping: 0.1, predictedDecrease: 0.5, actualDecrease: null, ...more}) as StepReport;

test('no steps meet no criterion', t => {
  t.is(criterionMet({gradientNorm: 1e9, decrease: 1e9, damping: 1e-9}, []), null);
});

test('gradientNorm: the mean, at most', t => {
  t.is(criterionMet({gradientNorm: 2}, [step({gradientNorm: 1}), step({gradientNorm: 3})]), 'the gradient norm, 2.00e+0, is at most 2');
  t.is(criterionMet({gradientNorm: 1.99}, [step({gradientNorm: 1}), step({gradientNorm: 3})]), null);
});

test('decrease: the actual one where it is known, relative to the loss of its step, 0 for those not taken', t => {
  t.is(criterionMet({decrease: 0.25}, [step()]), 'the relative decrease of the loss, 2.50e-1, is at most 0.25', 'predicted');
  t.is(criterionMet({decrease: 0.25}, [step({actualDecrease: 0.6})]), null, 'actual');
  t.is(criterionMet({decrease: 0.1}, [step({actualDecrease: 0})]), 'the relative decrease of the loss, 0.00e+0, is at most 0.1', 'an actual decrease of 0 is one');
  t.is(criterionMet({decrease: 0.1}, [step({loss: -4, actualDecrease: 1})]), null, 'a loss below 0');
  t.is(criterionMet({decrease: 0.2}, [step({predictedDecrease: 0.2}), step({loss: 4, predictedDecrease: 1.2})]),
      'the relative decrease of the loss, 2.00e-1, is at most 0.2', 'the mean of 0.1 and 0.3');
  const notTaken = step({stepNorm: 0, actualDecrease: -5});
  t.is(criterionMet({decrease: 0.1}, [notTaken, step()]), null, 'the mean of 0 and 0.25');
  t.regex(criterionMet({decrease: 0.1}, [notTaken])!, /decrease of the loss, 0\.00e\+0/, 'a step that was not taken decreases nothing');
  t.is(criterionMet({decrease: 0.1}, [step({predictedDecrease: null})]), null);
  t.regex(criterionMet({decrease: 0.1}, [step({loss: 0, predictedDecrease: 0})])!, /decrease/, 'a loss of 0 is at its end');
});

test('damping: that of the last step, at least', t => {
  t.is(criterionMet({damping: 0.5}, [step(), step({damping: 0.5})]), 'the damping, 5.00e-1, is at least 0.5');
  t.is(criterionMet({damping: 0.5}, [step({damping: 0.5}), step()]), null);
});

test('of several criteria one is enough, and the first is named', t => {
  t.regex(criterionMet({gradientNorm: 1e-9, decrease: 1e-9, damping: 0.1}, [step()])!, /^the damping/);
  t.regex(criterionMet({gradientNorm: 1, decrease: 1, damping: 0.1}, [step()])!, /^the gradient norm/);
});

// ------------------------------------------------------------------------------------------------------------------- errors

test('another optimizer is refused', t => {
  for (const other of [tf.train.adam(), undefined, null, {}]) {
    t.throws(() => stopWhen(other as unknown as GramGaussNewton, {damping: 1}), {message: /^tfjs-ggn: stopWhen\(\) takes the optimizer that ggn\(\) returned/});
  }
});

test('criteria that are none are refused, and shown', t => {
  const wrong: Array<[unknown, string]> = [
    [{}, '{}'], [undefined, '{}'], [null, '{}'], [{damping: undefined}, '{}'],
    [{gradientNorm: 0}, '{gradientNorm: 0}'], [{decrease: -1}, '{decrease: -1}'], [{damping: NaN}, '{damping: NaN}'], [{damping: '1'}, '{damping: 1}'],
    [{loss: 1}, '{loss: 1}'], [{gradientNorm: 1e-6, patience: 3}, '{gradientNorm: 0.000001, patience: 3}'], [{damping: null}, '{damping: null}'],
    [{converged: false}, '{converged: false}'],
  ];
  for (const [criteria, shown] of wrong) {
    t.throws(() => stopWhen(ggn(), criteria as StopCriteria),
        {message: `tfjs-ggn: stopWhen() takes at least one of gradientNorm, decrease, remaining, damping, evidence, each a number above 0 (evidence 10 or more, since training goes back to the maximum then), and converged: true; received ${shown}.`}, shown);
  }
  t.notThrows(() => stopWhen(ggn(), {gradientNorm: 1e-6, decrease: undefined}));
});
