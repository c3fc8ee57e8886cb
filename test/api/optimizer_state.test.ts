/** Saving and loading: training that was saved and loaded goes on, bit for bit, like training that was not interrupted. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, GramGaussNewton, type NamedTensor} from '../../src/index';
import {wave} from '../support/numbers';

const OPTIONS = {learningRate: 0.4, damping: 0.05, momentum: 0.8, memoryLimit: 2 ** 28};

await tf.setBackend('cpu');

const x = tf.tensor2d(wave(30, 3), [10, 3]);
const y = tf.tensor2d(wave(20, 5), [10, 2]);

function net(units = 5): tf.Sequential {
  const dense = (size: number, seed: number, more: object): tf.layers.Layer => tf.layers.dense({units: size,
    kernelInitializer: tf.initializers.glorotUniform({seed}), biasInitializer: tf.initializers.randomUniform({seed}), ...more});
  return tf.sequential({layers: [dense(units, 1, {inputShape: [3], activation: 'tanh', kernelRegularizer: tf.regularizers.l2({l2: 0.001})}), dense(2, 2, {})]});
}

function compiled(units?: number): tf.Sequential {
  const model = net(units);
  model.compile({optimizer: ggn(OPTIONS), loss: 'meanSquaredError', metrics: ['mae']});
  return model;
}

interface Run {
  loss: unknown;
  mae: unknown;
  weights: number[][];
  state: Array<[string, number[]]>;
  iterations: number;
}

const optimizerOf = (model: tf.LayersModel): GramGaussNewton => model.optimizer as unknown as GramGaussNewton;

const values = (list: NamedTensor[]): Array<[string, number[]]> => list.map(({name, tensor}) => [name, [...tensor.dataSync()]]);

/** Batches of 4, 4 and 2. */
async function train(model: tf.LayersModel, epochs: number): Promise<Run> {
  const {history} = await model.fit(x, y, {epochs, batchSize: 4, shuffle: false, verbose: 0});
  const optimizer = optimizerOf(model);
  return {loss: history.loss, mae: history.mae, weights: model.getWeights().map(w => [...w.dataSync()]), state: values(await optimizer.getWeights()),
    iterations: optimizer.iterations};
}

async function artifactsOf(model: tf.LayersModel): Promise<tf.io.ModelArtifacts> {
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(tf.io.withSaveHandler(async artifacts => {
    saved = artifacts;
    return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
  }), {includeOptimizer: true});
  return saved!;
}

const bytesOf = (artifacts: tf.io.ModelArtifacts): Buffer => Buffer.from(artifacts.weightData as ArrayBuffer);

/** Through text and back, as a server or a file would. */
function throughJson(artifacts: tf.io.ModelArtifacts): tf.io.ModelArtifacts {
  const text = JSON.stringify({...artifacts, weightData: bytesOf(artifacts).toString('base64')});
  const {weightData, ...rest} = JSON.parse(text) as Omit<tf.io.ModelArtifacts, 'weightData'> & {weightData: string};
  return {...rest, weightData: Uint8Array.from(Buffer.from(weightData, 'base64')).buffer};
}

const reloaded = async (model: tf.LayersModel, change = (a: tf.io.ModelArtifacts): tf.io.ModelArtifacts => a): Promise<tf.LayersModel> =>
  tf.loadLayersModel(tf.io.fromMemory(change(await artifactsOf(model))));

const WAYS = {memory: (a: tf.io.ModelArtifacts) => a, JSON: throughJson};

test.beforeEach(async () => {
  await tf.setBackend('cpu');
});

for (const backend of ['cpu', 'wasm']) {
  for (const [way, change] of Object.entries(WAYS)) {
    test.serial(`${backend}, through ${way}: training goes on bit for bit`, async t => {
      await tf.setBackend(backend);
      const uninterrupted = compiled();
      await train(uninterrupted, 2);
      const expected = [await train(uninterrupted, 3), await train(uninterrupted, 2)];
      t.is(expected[1].iterations, 7 * 3);

      const first = compiled();
      await train(first, 2);
      const second = await reloaded(first, change);
      t.true(second.optimizer instanceof GramGaussNewton);
      t.like(optimizerOf(second).getConfig(), OPTIONS);
      t.is(optimizerOf(second).iterations, 2 * 3);
      t.is(optimizerOf(second).lastStep, null);
      t.deepEqual(await train(second, 3), expected[0]);
      // Saved again by what was loaded, in the middle of training.
      const third = await reloaded(second, change);
      t.deepEqual(await train(third, 2), expected[1]);
      // And saving changed nothing for the one that was saved.
      t.deepEqual(await train(first, 3), expected[0]);
    });
  }
}

test.serial('the state matters: without it, training goes elsewhere', async t => {
  const model = compiled();
  await train(model, 2);
  const fresh = await reloaded(model);
  fresh.compile({optimizer: ggn(OPTIONS), loss: 'meanSquaredError', metrics: ['mae']});
  t.notDeepEqual((await train(fresh, 1)).weights, (await train(model, 1)).weights);
});

test.serial('what is saved: the iteration first, then the last step of every variable, under names of our own', async t => {
  const model = compiled();
  await train(model, 1);
  const {weightSpecs, trainingConfig} = await artifactsOf(model);
  t.deepEqual(weightSpecs!.filter(spec => spec.group === 'optimizer').map(({name, shape, dtype}) => [name, shape, dtype]), [
    ['iter', [], 'int32'],
    ['ggn/1/previousStep/0', [3, 5], 'float32'], ['ggn/1/previousStep/1', [5], 'float32'],
    ['ggn/1/previousStep/2', [5, 2], 'float32'], ['ggn/1/previousStep/3', [2], 'float32']]);
  t.deepEqual(trainingConfig!['optimizer_config'], {class_name: 'GramGaussNewton', config: ggn(OPTIONS).getConfig()} as object);
});

test.serial('saving right after loading gives the same bytes', async t => {
  const model = compiled();
  await train(model, 2);
  const artifacts = await artifactsOf(model);
  const again = await artifactsOf(await tf.loadLayersModel(tf.io.fromMemory(artifacts)));
  t.true(bytesOf(again).equals(bytesOf(artifacts)));
  const ofOptimizer = ({weightSpecs}: tf.io.ModelArtifacts): unknown => weightSpecs!.filter(spec => spec.group === 'optimizer');
  t.deepEqual(ofOptimizer(again), ofOptimizer(artifacts));
});

test.serial('saving before the first step', async t => {
  const model = compiled();
  const loaded = await reloaded(model, throughJson);
  t.is(optimizerOf(loaded).iterations, 0);
  t.deepEqual(await train(loaded, 3), await train(model, 3));
});

test.serial('options changed during training are saved', async t => {
  const model = compiled();
  await train(model, 1);
  optimizerOf(model).learningRate = 0.123456789;
  const loaded = await reloaded(model, throughJson);
  t.is(optimizerOf(loaded).learningRate, 0.123456789);
  t.deepEqual(await train(loaded, 2), await train(model, 2));
});

test.serial('a model whose loss is a function: compile it again with its optimizer, which keeps the state', async t => {
  const model = compiled();
  const loss = (target: tf.Tensor, output: tf.Tensor): tf.Scalar => tf.losses.meanSquaredError(target, output);
  model.compile({optimizer: model.optimizer, loss, metrics: ['mae']});
  await train(model, 2);
  const loaded = await reloaded(model);
  loaded.compile({optimizer: loaded.optimizer, loss, metrics: ['mae']});
  t.is(optimizerOf(loaded).iterations, 6);
  t.deepEqual(await train(loaded, 2), await train(model, 2));
});

test.serial('compiling again in the middle of training changes nothing', async t => {
  const [model, other] = [compiled(), compiled()];
  await train(model, 2);
  await train(other, 2);
  model.compile({optimizer: model.optimizer, loss: 'meanSquaredError', metrics: ['mae']});
  t.deepEqual(await train(model, 2), await train(other, 2));
});

test.serial('getWeights twice leaks nothing and gives the same', async t => {
  const model = compiled();
  await train(model, 1);
  const optimizer = optimizerOf(model);
  const first = values(await optimizer.getWeights());
  const {numTensors} = tf.memory();
  for (let i = 0; i < 5; i++) {
    t.deepEqual(values(await optimizer.getWeights()), first);
    await artifactsOf(model);
  }
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('a caller that disposes of the iteration count, as tfjs makes one do, does no harm', async t => {
  const model = compiled();
  await train(model, 1);
  const optimizer = optimizerOf(model);
  const expected = values(await optimizer.getWeights());
  const {numTensors} = tf.memory();
  for (let i = 0; i < 2; i++) {
    const state = await optimizer.getWeights();
    t.deepEqual(values(state), expected);
    state[0].tensor.dispose();
    t.is(tf.memory().numTensors, numTensors - 1);
  }
});

test.serial('two saves at the same time both succeed, and leak nothing', async t => {
  const model = compiled();
  await train(model, 1);
  const expected = bytesOf(await artifactsOf(model));
  const {numTensors} = tf.memory();
  for (const saved of await Promise.all([artifactsOf(model), artifactsOf(model), artifactsOf(model)])) {
    t.true(bytesOf(saved).equals(expected));
  }
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('a model with a frozen layer: the state is that of the trained variables, and training goes on bit for bit', async t => {
  const frozen = (): tf.LayersModel => {
    const model = net();
    model.layers[0].trainable = false;
    model.compile({optimizer: ggn(OPTIONS), loss: 'meanSquaredError', metrics: ['mae']});
    return model;
  };
  const model = frozen();
  const {state} = await train(model, 1);
  t.deepEqual(state.map(([name, numbers]) => [name, numbers.length]), [['iter', 1], ['ggn/1/previousStep/0', 10], ['ggn/1/previousStep/1', 2]]);
  const loaded = await reloaded(model, throughJson);
  t.deepEqual(await train(loaded, 2), await train(model, 2));
});

test.serial('setWeights copies, and frees what it replaces; dispose frees all', async t => {
  const model = compiled();
  await train(model, 1);
  const state = await optimizerOf(model).getWeights();
  const {numTensors} = tf.memory();
  const optimizer = ggn(OPTIONS);
  for (let i = 0; i < 3; i++) {
    const copies = state.map(({name, tensor}) => ({name, tensor: tensor.clone()}));
    await optimizer.setWeights(copies);
    tf.dispose(copies.map(copy => copy.tensor));
    t.is(tf.memory().numTensors, numTensors + 4);
  }
  t.deepEqual(values(await optimizer.getWeights()), values(state));
  t.is(tf.memory().numTensors, numTensors + 4 + 5, 'the state, and the copies that getWeights() gave');
  optimizer.dispose();
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('setWeights with the state of a fresh optimizer, or of an sgd, drops the old one', async t => {
  const model = compiled();
  await train(model, 1);
  const optimizer = optimizerOf(model);
  await optimizer.setWeights(await tf.train.sgd(0.1).getWeights());
  t.deepEqual(values(await optimizer.getWeights()), [['iter', [0]]]);
});

// ------------------------------------------------------------------------------------------------------------------------- refused by name

const iter = (): NamedTensor => ({name: 'iter', tensor: tf.scalar(7, 'int32')});
const named = (name: string): NamedTensor => ({name, tensor: tf.ones([3, 5])});

const REFUSED: Array<[string, NamedTensor[], RegExp]> = [
  ['an older format', [iter(), named('ggn/0/previousStep/0')], /saved optimizer state has format 0, this version of tfjs-ggn reads format 1/],
  ['a newer format', [iter(), named('ggn/12/previousStep/0')], /saved optimizer state has format 12, this version of tfjs-ggn reads format 1/],
  ['the state of adam', [iter(), named('dense_Dense1/kernel/m'), named('dense_Dense1/kernel/v')],
    /'dense_Dense1\/kernel\/m' is no state of GramGaussNewton/],
  ['ours with something else behind it', [iter(), named('ggn/1/previousStep/0'), named('accBeta1')], /'accBeta1' is no state of GramGaussNewton/],
  ['no iteration first', [named('ggn/1/previousStep/0')], /must begin with 'iter'; received 'ggn\/1\/previousStep\/0'/],
  ['an empty list', [], /must begin with 'iter'; received nothing/],
];

for (const [name, state, message] of REFUSED) {
  test.serial(`setWeights refuses ${name}, and keeps the state it has`, async t => {
    const [model, other] = [compiled(), compiled()];
    await train(model, 1);
    await train(other, 1);
    const optimizer = optimizerOf(model);
    const before = values(await optimizer.getWeights());
    const weights = model.getWeights().map(w => [...w.dataSync()]);
    const {numTensors} = tf.memory();
    const error = await t.throwsAsync(optimizer.setWeights(state), {message});
    t.true(error?.message.startsWith('tfjs-ggn: '));
    t.is(tf.memory().numTensors, numTensors);
    t.deepEqual(values(await optimizer.getWeights()), before);
    t.is(optimizer.iterations, 3);
    t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), weights);
    t.deepEqual(await train(model, 2), await train(other, 2));
  });
}

test.serial('loading a model whose optimizer state is of another format is refused by name', async t => {
  const model = compiled();
  await train(model, 1);
  const artifacts = await artifactsOf(model);
  const older = {...artifacts, weightSpecs: artifacts.weightSpecs!.map(spec => ({...spec, name: spec.name.replace('ggn/1/', 'ggn/0/')}))};
  await t.throwsAsync(tf.loadLayersModel(tf.io.fromMemory(older)), {message: /^tfjs-ggn: the saved optimizer state has format 0/});
});

for (const [name, units, freeze] of [['other shapes', 6, false], ['fewer variables', 5, true]] as const) {
  test.serial(`state for ${name} is refused at the first step, with both lists of shapes; the weights are intact`, async t => {
    const saved = compiled();
    await train(saved, 1);
    const model = net(units);
    model.layers[0].trainable = !freeze;
    const optimizer = ggn(OPTIONS);
    model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
    await optimizer.setWeights(await optimizerOf(saved).getWeights());
    const state = values(await optimizer.getWeights());
    const weights = model.getWeights().map(w => [...w.dataSync()]);
    const {numTensors} = tf.memory();
    const error = await t.throwsAsync(model.trainOnBatch(x, y),
      {message: /^tfjs-ggn: the loaded optimizer state belongs to other variables: it has shapes \[3,5\] \[5\] \[5,2\] \[2\], this training has /});
    t.true(error.message.includes(freeze ? 'this training has [5,2] [2].' : 'this training has [3,6] [6] [6,2] [2].'), error.message);
    t.is(tf.memory().numTensors, numTensors);
    t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), weights);
    t.deepEqual(values(await optimizer.getWeights()), state);
    t.is(optimizer.iterations, 3);
    t.is(optimizer.lastStep, null);
    // A way out: the optimizer without that state.
    optimizer.dispose();
    await train(model, 1);
    t.is(optimizer.lastStep!.status, 'ok');
  });
}

test.serial('an error in the first step after loading leaves the loaded state as it was', async t => {
  const [model, other] = [compiled(), compiled()];
  await train(model, 1);
  await train(other, 1);
  const loaded = await reloaded(model);
  const state = values(await optimizerOf(loaded).getWeights());
  await t.throwsAsync(loaded.fit(x, tf.fill([10, 2], NaN), {epochs: 1, verbose: 0}), {message: /the targets .* not finite/});
  t.deepEqual(values(await optimizerOf(loaded).getWeights()), state);
  t.deepEqual(await train(loaded, 2), await train(other, 2));
});
