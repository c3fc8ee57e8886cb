/** logEpochs: one line for every epoch. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, logEpochs, stepMetrics, type GramGaussNewton, type TrainingCallback} from '../../src/index';
import {compiled, smallData} from '../support/small_model';

await tf.setBackend('cpu');

const {x, y} = smallData();

const linesOf = (optimizer: GramGaussNewton): {lines: string[]; callback: TrainingCallback} => {
  const lines: string[] = [];
  return {lines, callback: logEpochs(optimizer, line => void lines.push(line))};
};

const LINE = /^epoch (\d+)\/(\d+) {2}loss (\S+) {2}damping (\S+) {2}gain ratio (\S+) {2}(\d+\.\d) ms\/step {2}(\d+\.\d) s left$/;

test.serial('mini-batches: epoch, loss, damping, no gain ratio, pace and time left', async t => {
  const {model, optimizer} = compiled({policy: 'fixed', damping: 0.25});
  const {lines, callback} = linesOf(optimizer);
  const {history} = await model.fit(x, y, {epochs: 3, batchSize: 4, verbose: 0, callbacks: callback});
  const parts = lines.map(line => LINE.exec(line)!.slice(1));
  t.deepEqual(parts.map(([epoch, epochs, loss, damping, gainRatio]) => [epoch, epochs, loss, damping, gainRatio]),
      history.loss.map((loss, i) => [`${i + 1}`, '3', (loss as number).toPrecision(3), '2.5e-1', '-']));
  t.is(parts[2][6], '0.0', 'no time is left at the end');
});

test.serial('full batch: the gain ratio and the damping of the last step', async t => {
  const {model, optimizer} = compiled();
  const {lines, callback} = linesOf(optimizer);
  const steps: Array<[string, string]> = [];
  const watch = new tf.CustomCallback({onEpochEnd: async () => {
    const {damping, gainRatio} = optimizer.lastStep!;
    steps.push([damping.toExponential(1), gainRatio!.toFixed(2)]);
  }});
  await model.fit(x, y, {epochs: 4, batchSize: 8, verbose: 0, callbacks: [callback, watch]});
  t.deepEqual(lines.map(line => LINE.exec(line)!.slice(4, 6)), steps);
});

/** Runs f with the clock of tfjs in our hands. */
async function withClock<T>(f: (advance: (milliseconds: number) => void) => Promise<T>): Promise<T> {
  const {platform} = tf.env();
  const {now} = platform;
  let time = 1000;
  platform.now = () => time;
  try {
    return await f(milliseconds => {
      time += milliseconds;
    });
  } finally {
    platform.now = now;
  }
}

/** Epochs of some steps of some milliseconds each, and the times in the lines. */
async function timed(epochs: number, run: ReadonlyArray<{steps: number; milliseconds: number; between?: number}>): Promise<string[]> {
  const {lines, callback} = linesOf(ggn());
  await withClock(async advance => {
    callback.setParams({epochs});
    await callback.onTrainBegin();
    for (const [epoch, {steps, milliseconds, between = 0}] of run.entries()) {
      await callback.onEpochBegin(epoch);
      for (let i = 0; i < steps; i++) {
        advance(milliseconds);
        await callback.onBatchEnd(i);
      }
      await callback.onEpochEnd(epoch, {loss: 1});
      advance(between);
    }
  });
  return lines.map(line => line.replace(/^epoch \d+\/\d+ {2}loss 1\.00 {2}/, ''));
}

test.serial('milliseconds of a step of the epoch; the time left at the mean pace so far, with what is between epochs', async t => {
  t.deepEqual(await timed(4, [{steps: 2, milliseconds: 100}, {steps: 2, milliseconds: 300, between: 200}, {steps: 1, milliseconds: 12.34}, {steps: 2, milliseconds: 50}]), [
    '100.0 ms/step  0.6 s left',   // 3 epochs of 200 ms
    '300.0 ms/step  0.8 s left',   // 2 of (200 + 600) / 2
    '12.3 ms/step  0.3 s left',    // one of (200 + 600 + 200 + 12.34) / 3
    '50.0 ms/step  0.0 s left',
  ]);
});

test.serial('from a minute on, minutes and whole seconds', async t => {
  const left = async (epochs: number, milliseconds: number): Promise<string> => (await timed(epochs, [{steps: 1, milliseconds}]))[0].split('  ')[1];
  t.is(await left(2, 59_940), '59.9 s left');
  t.is(await left(2, 59_960), '1 min 0 s left');
  t.is(await left(2, 119_700), '2 min 0 s left');
  t.is(await left(11, 12_345), '2 min 3 s left');
  t.is(await left(101, 60_000), '100 min 0 s left');
});

test.serial('validation loss and metrics are shown; what stepMetrics adds is not shown twice', async t => {
  const {model, optimizer} = compiled();
  model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
  const {lines, callback} = linesOf(optimizer);
  await model.fit(x, y, {epochs: 2, batchSize: 8, verbose: 0, validationData: [x, y], callbacks: [stepMetrics(optimizer), callback]});
  const number = String.raw`\d\S*`;
  const expected = new RegExp(`^epoch \\d/2(  (loss|mae|val_loss|val_mae) ${number}){4}  damping ${number}  gain ratio ${number}  ${number} ms/step  ${number} s left$`);
  lines.forEach(line => t.regex(line, expected));
  t.is(lines.length, 2);
});

test.serial('fitDataset', async t => {
  const {model, optimizer} = compiled();
  const {lines, callback} = linesOf(optimizer);
  const dataset = tf.data.zip({xs: tf.data.array(x.arraySync()), ys: tf.data.array(y.arraySync())}).batch(4);
  await model.fitDataset(dataset, {epochs: 3, verbose: 0, callbacks: callback});
  t.deepEqual(lines.map(line => LINE.exec(line)!.slice(1, 3)), [['1', '3'], ['2', '3'], ['3', '3']]);
});

test.serial('a fit that starts at a later epoch', async t => {
  const {model, optimizer} = compiled();
  const {lines, callback} = linesOf(optimizer);
  await model.fit(x, y, {epochs: 7, initialEpoch: 5, batchSize: 8, verbose: 0, callbacks: callback});
  t.deepEqual(lines.map(line => LINE.exec(line)!.slice(1, 3)), [['6', '7'], ['7', '7']]);
});

test.serial('one callback serves several fits', async t => {
  const {model, optimizer} = compiled();
  const {lines, callback} = linesOf(optimizer);
  await model.fit(x, y, {epochs: 1, batchSize: 8, verbose: 0, callbacks: callback});
  await model.fit(x, y, {epochs: 2, batchSize: 8, verbose: 0, callbacks: callback});
  t.deepEqual(lines.map(line => LINE.exec(line)!.slice(1, 3)), [['1', '1'], ['1', '2'], ['2', '2']]);
});

test.serial('an optimizer that the model is not trained by is an error', async t => {
  const {model} = compiled();
  const {lines, callback} = linesOf(ggn());
  await t.throwsAsync(model.fit(x, y, {epochs: 1, batchSize: 8, verbose: 0, callbacks: callback}),
      {message: /^tfjs-ggn: logEpochs\(\) was given an optimizer that this model is not trained by/});
  t.deepEqual(lines, []);
});

test.serial('without the number of epochs: neither it nor the time left', async t => {
  const {model, optimizer} = compiled();
  const {lines, callback} = linesOf(optimizer);
  // As a loop of one's own may call it.
  callback.setModel(model);
  await callback.onTrainBegin();
  await callback.onEpochBegin(0);
  await callback.onBatchEnd(0);
  await callback.onEpochEnd(0, {loss: 0.5});
  t.regex(lines[0], /^epoch 1 {2}loss 0\.500 {2}\d+\.\d ms\/step$/);
});

test.serial('it changes neither the trajectory nor the number of tensors', async t => {
  const plain = compiled();
  const watched = compiled();
  const options = {epochs: 3, batchSize: 4, shuffle: false, verbose: 0 as const};
  await plain.model.fit(x, y, options);
  await watched.model.fit(x, y, {...options, epochs: 1, callbacks: linesOf(watched.optimizer).callback});
  const {numTensors} = tf.memory();
  await watched.model.fit(x, y, {...options, epochs: 2, callbacks: linesOf(watched.optimizer).callback});
  t.is(tf.memory().numTensors, numTensors);
  t.deepEqual(watched.model.getWeights().map(w => w.dataSync()), plain.model.getWeights().map(w => w.dataSync()));
});

test('another optimizer is refused', t => {
  for (const other of [tf.train.adam(), undefined, null, {}]) {
    t.throws(() => logEpochs(other as unknown as GramGaussNewton), {message: /^tfjs-ggn: logEpochs\(\) takes the optimizer that ggn\(\) returned/});
  }
});
