/** Our callbacks in a list with others, of every kind and in every order. */
import {framesSoFar} from '../support/frames';
import {createRequire} from 'node:module';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {type GramGaussNewton, logEpochs, stepMetrics, stopWhen, type TrainingCallback} from '../../src/index';
import {compiled, smallData} from '../support/small_model';

await tf.setBackend('cpu');

const {x, y} = smallData();
const dataset = tf.data.zip({xs: tf.data.array(x.arraySync()), ys: tf.data.array(y.arraySync())}).batch(4);

type Callbacks = tf.CustomCallbackArgs[];

/** The calls of the callbacks, in their order. */
class Seen {
  readonly lines: string[] = [];
  readonly logs: tf.Logs[] = [];

  /** A plain object, such as tfvis.show.fitCallbacks() returns: two functions. */
  plain(name = 'plain'): tf.CustomCallbackArgs {
    return {
      onBatchEnd: async batch => void this.lines.push(`${name} batch ${batch}`),
      onEpochEnd: async (epoch, logs) => {
        this.lines.push(`${name} epoch ${epoch}`);
        this.logs.push({...logs});
      },
    };
  }

  /** A class with state of its own, which needs its `this`, model and parameters. */
  callback(): tf.Callback {
    const {lines} = this;
    class Own extends tf.Callback {
      private epochs = 0;
      override async onTrainBegin(): Promise<void> {
        lines.push(`class begins ${(this.params as {epochs: number}).epochs} epochs of ${(this as unknown as {model: tf.LayersModel}).model.countParams()} weights`);
      }
      override async onEpochEnd(): Promise<void> {
        lines.push(`class epoch ${this.epochs++}`);
      }
    }
    return new Own();
  }
}

/** All orders of a list. */
function orders<T>(list: readonly T[]): T[][] {
  return list.length < 2 ? [[...list]] : list.flatMap((first, i) => orders(list.filter((_, j) => j !== i)).map(rest => [first, ...rest]));
}

const OURS: Record<string, (optimizer: GramGaussNewton, say: (line: string) => void) => TrainingCallback> = {
  stepMetrics: optimizer => stepMetrics(optimizer),
  logEpochs: (optimizer, say) => logEpochs(optimizer, say),
  stopWhen: (optimizer, say) => stopWhen(optimizer, {gradientNorm: 1e9}, say),
};

for (const [name, make] of Object.entries(OURS)) {
  for (const how of ['fit', 'fitDataset'] as const) {
    const others = how === 'fit' ? ['plain', 'class', 'stopping'] : ['plain', 'stopping'];
    test.serial(`${name} with callbacks of other kinds (${others.join(', ')}), in every order, in ${how}`, async t => {
      for (const order of orders(['ours', ...others])) {
        const {model, optimizer} = compiled({policy: 'fixed'});
        const seen = new Seen();
        const say = (line: string): void => void seen.lines.push(line.startsWith('epoch') ? 'line' : line);
        const made: Record<string, tf.CustomCallbackArgs> = {
          ours: make(optimizer, say), plain: seen.plain(), class: seen.callback() as unknown as tf.CustomCallbackArgs,
          // It sees no loss fall by that much: training ends after the second epoch.
          stopping: tf.callbacks.earlyStopping({monitor: 'loss', minDelta: 1e9, patience: 1}) as unknown as tf.CustomCallbackArgs,
        };
        const callbacks: Callbacks = order.map(key => made[key]);
        const {epoch, history} = how === 'fit' ?
          await model.fit(x, y, {epochs: 5, batchSize: 4, verbose: 0, callbacks}) : await model.fitDataset(dataset, {epochs: 5, verbose: 0, callbacks});
        const epochs = name === 'stopWhen' ? 1 : 2;
        t.is(epoch.length, epochs, order.join());
        const count = (pattern: RegExp): number => seen.lines.filter(line => pattern.test(line)).length;
        t.deepEqual([count(/^plain batch/), count(/^plain epoch/)], [2 * epochs, epochs], order.join());
        t.deepEqual([count(/^class begins 5 epochs of 21 weights$/), count(/^class epoch/)], order.includes('class') ? [1, epochs] : [0, 0], order.join());
        t.is(count(/^line$/), name === 'logEpochs' ? epochs : 0);
        t.is(count(/^tfjs-ggn: training ends after epoch 1: /), name === 'stopWhen' ? 1 : 0);
        t.is('damping' in history, name === 'stepMetrics');
        // A callback behind ours sees what it adds.
        t.is('damping' in seen.logs[0], name === 'stepMetrics' && order.indexOf('ours') < order.indexOf('plain'), order.join());
      }
    });
  }
}

test.serial('all three with two plain objects around them', async t => {
  const {model, optimizer} = compiled();
  const seen = new Seen();
  const lines: string[] = [];
  const stop = stopWhen(optimizer, {damping: 1e-30}, () => {});
  const callbacks: Callbacks = [seen.plain('first'), stepMetrics(optimizer), logEpochs(optimizer, line => void lines.push(line)), stop, seen.plain('last')];
  const {history} = await model.fit(x, y, {epochs: 5, batchSize: 8, verbose: 0, callbacks});
  t.deepEqual(seen.lines, ['first batch 0', 'last batch 0', 'first epoch 0', 'last epoch 0']);
  t.regex(lines[0], /^epoch 1\/5 /);
  t.regex(stop.reason!, /^the damping/);
  t.is(history.damping.length, 1);
  t.is(seen.logs[1]['damping'], history.damping[0] as number);
});

test.serial('an error of a callback comes out of fit, and the model trains again', async t => {
  const {model, optimizer} = compiled();
  const failing = {onBatchEnd: async () => {
    throw new Error('no room to draw');
  }};
  await t.throwsAsync(model.fit(x, y, {verbose: 0, callbacks: [stepMetrics(optimizer), failing]}), {message: 'no room to draw'});
  t.is((await model.fit(x, y, {verbose: 0, epochs: 2, callbacks: stepMetrics(optimizer)})).history.lambda.length, 2);
});

test.serial('arguments and lists of the caller stay as they are', async t => {
  const {model, optimizer} = compiled();
  const stopping = tf.callbacks.earlyStopping({monitor: 'loss'}) as unknown as tf.CustomCallbackArgs;
  const callbacks: Callbacks = [stepMetrics(optimizer), stopping];
  const args = {verbose: 0 as const, callbacks};
  await model.fit(x, y, args);
  t.is(args.callbacks, callbacks);
  t.deepEqual(Object.keys(args), ['verbose', 'callbacks']);
  t.is(callbacks[1], stopping);
});

test.serial('a list without one of ours is left to tfjs', async t => {
  const {model} = compiled();
  const list = [tf.callbacks.earlyStopping({monitor: 'loss'}), {onEpochEnd: () => {}}] as unknown as Callbacks;
  await t.throwsAsync(model.fit(x, y, {verbose: 0, callbacks: list}), {message: /setParams is not a function/});
  await t.notThrowsAsync(model.fit(x, y));
  await t.notThrowsAsync(model.fit(x, y, {verbose: 0, callbacks: {}}));
});

// ------------------------------------------------------------------------------------------------------------------- frames

/** Frames that fit waits for in 4 batches of 2 epochs. */
async function frames(yieldEvery: tf.ModelFitArgs['yieldEvery'], callbacks: (optimizer: GramGaussNewton) => Callbacks | undefined): Promise<number> {
  const {model, optimizer} = compiled();
  const before = framesSoFar();
  await model.fit(x, y, {epochs: 2, batchSize: 4, verbose: 0, yieldEvery, callbacks: callbacks(optimizer)});
  return framesSoFar() - before;
}

for (const [yieldEvery, expected] of [['never', 0], ['batch', 4], ['epoch', 2]] as const) {
  test.serial(`yieldEvery '${yieldEvery}' waits for as many frames as without our callbacks`, async t => {
    t.is(await frames(yieldEvery, () => undefined), expected);
    t.is(await frames(yieldEvery, optimizer => [stepMetrics(optimizer)]), expected);
    t.is(await frames(yieldEvery, optimizer => [stepMetrics(optimizer), logEpochs(optimizer, () => {}), stopWhen(optimizer, {damping: 1e30})]), expected);
    t.is(await frames(yieldEvery, optimizer => [stepMetrics(optimizer), tf.callbacks.earlyStopping({monitor: 'loss', patience: 9}) as tf.CustomCallbackArgs]), expected);
    t.is(await frames(yieldEvery, () => [{onEpochEnd: () => {}}]), expected);
    t.is(await frames(yieldEvery, optimizer => [{onEpochEnd: () => {}}, stepMetrics(optimizer)]), expected);
    t.is(await frames(yieldEvery, optimizer => [stepMetrics(optimizer), {onEpochEnd: () => {}}]), expected);
  });
}

for (const yieldEvery of ['auto', 0.001] as const) {
  test.serial(`yieldEvery ${yieldEvery}: by the clock, not once for each of our callbacks`, async t => {
    const none = await frames(yieldEvery, () => undefined);
    const ours = await frames(yieldEvery, optimizer => [stepMetrics(optimizer), logEpochs(optimizer, () => {})]);
    t.true(none <= 4 && ours <= 4, `${none}, ${ours}`);
  });
}

// ------------------------------------------------------------------------------------------------------------------- without the hook

test.serial('in a copy of tfjs that is not registered they work alone and among plain objects; what cannot work says so', async t => {
  const require = createRequire(import.meta.url);
  const {warn} = console;
  console.warn = () => {};  // its kernels are registered already
  const copy = require('@tensorflow/tfjs/dist/tf.min.js') as typeof tf;
  console.warn = warn;
  const {optimizer} = compiled();
  const model = copy.sequential({layers: [copy.layers.dense({units: 1, inputShape: [x.shape[1]!], name: 'of_the_copy'})]});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const lines: string[] = [];
  const seen = new Seen();
  const callbacks: Callbacks = [stepMetrics(optimizer), logEpochs(optimizer, line => void lines.push(line)), seen.plain()];
  const {history} = await model.fit(x, y, {epochs: 2, verbose: 0, callbacks});
  t.is(history.damping.length, 2);
  t.is(seen.lines.length, 4);
  t.regex(lines[1], /^epoch 2 {2}loss \d/);
  const stopping = copy.callbacks.earlyStopping({monitor: 'loss', patience: 9}) as unknown as tf.CustomCallbackArgs;
  await model.fit(x, y, {epochs: 2, verbose: 0, callbacks: [stopping, logEpochs(optimizer, line => void lines.push(line))]});
  t.regex(lines[3], /^epoch 2\/2 {2}loss \d/);
  await t.throwsAsync(model.fit(x, y, {verbose: 0, callbacks: stopWhen(optimizer, {damping: 1})}), {message: /call register\(tf\) first/});
});
