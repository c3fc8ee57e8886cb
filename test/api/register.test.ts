/** register(tf): the hook and the class name, for this copy of tfjs and for another one. */
import {createRequire} from 'node:module';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, GramGaussNewton, register, type TfjsCopy} from '../../src/index';

await tf.setBackend('cpu');

const HOOKED = Symbol.for('tfjs-ggn.trainStepHook');

type Prototype = Record<PropertyKey, unknown> & {makeTrainFunction: unknown};

const prototypeOf = (copy: {LayersModel: unknown}): Prototype => (copy.LayersModel as {prototype: Prototype}).prototype;

/** A whole second tfjs, as a script tag would bring it: its own layers and its own map of class names, one engine. */
function secondCopy(): typeof tf {
  const require = createRequire(import.meta.url);
  const file = require.resolve('@tensorflow/tfjs/dist/tf.min.js');
  delete require.cache[file];
  const {warn} = console;
  console.warn = () => {};  // its kernels are registered already
  try {
    return require(file) as typeof tf;
  } finally {
    console.warn = warn;
  }
}

function net(copy: typeof tf): tf.Sequential {
  const dense = (units: number, seed: number, more: object): tf.layers.Layer =>
    copy.layers.dense({units, kernelInitializer: copy.initializers.glorotUniform({seed}), ...more});
  return copy.sequential({layers: [dense(4, 1, {inputShape: [3], activation: 'tanh'}), dense(1, 2, {})]});
}

const x = tf.tensor2d(Array.from({length: 30}, (_, i) => Math.sin(1 + 3 * i)), [10, 3]);
const y = tf.tensor2d(Array.from({length: 10}, (_, i) => Math.cos(2 * i)), [10, 1]);

/** All weights after a few epochs. Disposes of model and optimizer, since two copies of tfjs name their variables alike in one engine. */
async function train(model: tf.LayersModel, optimizer: tf.Optimizer): Promise<number[]> {
  model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
  await model.fit(x, y, {epochs: 3, batchSize: 4, shuffle: false, verbose: 0});
  const weights = model.getWeights().flatMap(w => [...w.dataSync()]);
  optimizer.dispose();
  model.dispose();
  return weights;
}

/** A model saved after six steps. */
async function savedModel(): Promise<tf.io.ModelArtifacts> {
  const model = net(tf);
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
  await model.fit(x, y, {epochs: 2, batchSize: 4, shuffle: false, verbose: 0});
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(tf.io.withSaveHandler(async a => {
    artifacts = a;
    return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
  }), {includeOptimizer: true});
  optimizer.dispose();
  model.dispose();
  return artifacts!;
}

test.serial('importing the package registers with the copy that it imports', t => {
  t.is(prototypeOf(tf)[HOOKED], true);
  t.is(tf.serialization.SerializationMap.getMap().classNameMap['GramGaussNewton'][0], GramGaussNewton);
});

test.serial('register is idempotent: the train function is wrapped once', async t => {
  const wrapped = prototypeOf(tf).makeTrainFunction;
  const before = await train(net(tf), ggn());
  register(tf);
  register(tf);
  t.is(prototypeOf(tf).makeTrainFunction, wrapped);
  t.deepEqual(await train(net(tf), ggn()), before);
  // The mark is none of a for-in loop's business, and cannot be lost.
  t.false(Object.getOwnPropertyDescriptor(prototypeOf(tf), HOOKED)!.writable);
});

test.serial('what is no copy of tfjs is refused', t => {
  for (const junk of [undefined, null, {}, 'tf', 1, tf.layers, {LayersModel: {}, serialization: tf.serialization}, {LayersModel: tf.LayersModel},
    {LayersModel: tf.LayersModel, serialization: {}}]) {
    t.throws(() => register(junk as unknown as TfjsCopy),
      {message: 'tfjs-ggn: register() takes a copy of TensorFlow.js with the layers API, as in register(tf).'});
  }
});

test.serial('a LayersModel without makeTrainFunction is refused by that name, and is not marked as hooked', t => {
  class LayersModel {}
  t.throws(() => register({LayersModel, serialization: tf.serialization}), {message: /^tfjs-ggn: .*no LayersModel\.makeTrainFunction/});
  t.false(Object.hasOwn(LayersModel.prototype, HOOKED));
});

test.serial('a second copy of tfjs: after register(copy) it trains and loads, like the first', async t => {
  const copy = secondCopy();
  t.not(copy.LayersModel, tf.LayersModel);
  t.false(Object.hasOwn(prototypeOf(copy), HOOKED));
  const artifacts = await savedModel();
  await t.throwsAsync(copy.loadLayersModel(copy.io.fromMemory(artifacts)), {message: /GramGaussNewton/}, 'it cannot know the class yet');

  register(copy);
  const wrapped = prototypeOf(copy).makeTrainFunction;
  register(copy);
  t.is(prototypeOf(copy).makeTrainFunction, wrapped);
  t.is(prototypeOf(copy)[HOOKED], true);

  t.deepEqual(await train(net(copy), ggn()), await train(net(tf), ggn()));
  const theirs = await copy.loadLayersModel(copy.io.fromMemory(artifacts));
  t.is(theirs.optimizer.getClassName(), 'GramGaussNewton');
  t.is(theirs.optimizer.iterations, 6);
  const weights = await train(theirs, theirs.optimizer);
  const ours = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
  t.deepEqual(weights, await train(ours, ours.optimizer));
});

test.serial('fit in a copy that is not registered trains as a custom loop does', async t => {
  const copy = secondCopy();
  const ours = await train(net(tf), ggn());
  const theirs = await train(net(copy), ggn());
  t.false(Object.hasOwn(prototypeOf(copy), HOOKED));
  // Nine steps of another way to find the rows: rounding in float32.
  theirs.forEach((w, i) => t.true(Math.abs(w - ours[i]) < 1e-4));
});

for (const [name, make] of Object.entries({
  adam: (copy: typeof tf) => copy.train.adam(0.01),
  momentum: (copy: typeof tf) => copy.train.momentum(0.1, 0.9),
})) {
  test.serial(`inert for ${name}: the same weights, bit for bit, as in a tfjs without the hook`, async t => {
    const copy = secondCopy();
    t.deepEqual(await train(net(tf), make(tf)), await train(net(copy), make(copy)));
    t.false(Object.hasOwn(prototypeOf(copy), HOOKED));
  });
}

test.serial('inert for other optimizers: they get no mark, and f() runs on the bare engine', async t => {
  const model = net(tf);
  const optimizer = tf.train.sgd(0.1);
  const {minimize} = optimizer;
  let seen = 0;
  optimizer.minimize = (f, ...rest) => {
    seen++;
    t.deepEqual(Object.getOwnPropertySymbols(optimizer), []);
    return minimize.call(optimizer, () => {
      t.false(Object.hasOwn(tf.engine(), 'runKernel'));
      return f();
    }, ...rest);
  };
  await train(model, optimizer);
  t.is(seen, 9);
});

test.serial('the context of a step is on the optimizer during it only', async t => {
  class Watched extends GramGaussNewton {
    readonly marks: number[] = [];
    override minimize(f: () => tf.Scalar, returnCost?: boolean, varList?: tf.Variable[]): tf.Scalar | null {
      this.marks.push(Object.getOwnPropertySymbols(this).length);
      return super.minimize(f, returnCost, varList);
    }
  }
  const optimizer = new Watched();
  await train(net(tf), optimizer);
  t.deepEqual(optimizer.marks, new Array(9).fill(1));
  t.deepEqual(Object.getOwnPropertySymbols(optimizer), []);
});
