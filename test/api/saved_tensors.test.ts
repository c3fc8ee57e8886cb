/** getWeights gives copies that outlive a step; setWeights takes no state before it has checked all of it. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, GramGaussNewton, type NamedTensor} from '../../src/index';
import {compiled, smallData} from '../support/small_model';

await tf.setBackend('cpu');

const {x, y} = smallData();
const numbers = (list: readonly NamedTensor[]): Array<[string, number[]]> => list.map(({name, tensor}) => [name, [...tensor.dataSync()]]);
const toNothing = tf.io.withSaveHandler(async () => ({modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}}));

async function started(): Promise<ReturnType<typeof compiled>> {
  const made = compiled({policy: 'fixed'});
  await made.model.trainOnBatch(x, y);
  return made;
}

test.beforeEach(async () => {
  await tf.setBackend('cpu');
});

// ------------------------------------------------------------------------------------------------------------------------------ getWeights

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: what getWeights gave outlives the next steps with its values, and may be disposed of`, async t => {
    await tf.setBackend(backend);
    const [{model, optimizer}, {model: twin}] = [await started(), await started()];
    const first = await optimizer.getWeights();
    const before = numbers(first);
    await model.trainOnBatch(x, y);
    const second = await optimizer.getWeights();
    t.deepEqual(numbers(first), before);
    t.notDeepEqual(numbers(second), before);
    tf.dispose([...first, ...second].map(({tensor}) => tensor));
    await model.trainOnBatch(x, y);
    for (let i = 0; i < 2; i++) {
      await twin.trainOnBatch(x, y);
    }
    t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), twin.getWeights().map(w => [...w.dataSync()]));
  });
}

test.serial('dispose() frees the copies that are left of every state', async t => {
  const {model, optimizer} = compiled({policy: 'fixed'});
  const {numTensors} = tf.memory();
  for (let i = 0; i < 3; i++) {
    await optimizer.getWeights();
    await model.trainOnBatch(x, y);
  }
  t.true(tf.memory().numTensors > numTensors + 4);
  optimizer.dispose();
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('saving in the middle of training leaves no tensor behind, also while training goes on', async t => {
  const {model} = await started();
  const {numTensors} = tf.memory();
  for (let i = 0; i < 3; i++) {
    await model.save(toNothing, {includeOptimizer: true});
    await model.trainOnBatch(x, y);
    const saves = [1, 2].map(() => model.save(toNothing, {includeOptimizer: true}));
    await model.trainOnBatch(x, y);
    await Promise.all(saves);
  }
  await t.throwsAsync(model.save(tf.io.withSaveHandler(async () => {
    throw new Error('the disk is full');
  }), {includeOptimizer: true}), {message: 'the disk is full'});
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('what getWeights gives while a save is going on is the caller\'s, and outlives the save', async t => {
  const {model, optimizer} = await started();
  const expected = numbers(await optimizer.getWeights());
  const {numTensors} = tf.memory();
  let during: Awaited<ReturnType<typeof optimizer.getWeights>> = [];
  const pending = model.save(tf.io.withSaveHandler(async artifacts => {
    during = await optimizer.getWeights();
    await model.trainOnBatch(x, y);
    return toNothing.save!(artifacts);
  }), {includeOptimizer: true});
  const beside = await optimizer.getWeights();
  await pending;
  t.deepEqual(numbers(beside), expected);
  t.deepEqual(numbers(during), expected);
  tf.dispose([...beside, ...during].map(({tensor}) => tensor));
  t.is(tf.memory().numTensors, numTensors - expected.length, 'the save leaves nothing; those asked for before it are gone, too');
});

test.serial('saving a model with another optimizer is as before', async t => {
  const {model} = compiled();
  model.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
  const {numTensors} = tf.memory();
  await model.save(toNothing, {includeOptimizer: true});
  t.is(tf.memory().numTensors, numTensors + 1, 'the count, which tfjs leaves behind');
});

// ------------------------------------------------------------------------------------------------------------------------- disposed models

test.serial('one optimizer for many models, each disposed of: the state of one stays', async t => {
  const optimizer = ggn();
  const {model: long} = compiled();
  long.compile({optimizer, loss: 'meanSquaredError'});
  await long.trainOnBatch(x, y);
  const {numTensors} = tf.memory();
  for (let i = 0; i < 5; i++) {
    const {model} = compiled();
    model.compile({optimizer, loss: 'meanSquaredError'});
    await model.trainOnBatch(x, y);
    model.layers.forEach(layer => layer.dispose());
    t.is(tf.memory().numTensors, numTensors + 4);
  }
  await long.trainOnBatch(x, y);
  t.is(tf.memory().numTensors, numTensors);
  t.is((await optimizer.getWeights()).length, 1 + 4);
});

// ------------------------------------------------------------------------------------------------------------------------------ setWeights

const SHAPES = [[3, 4], [4], [4, 1], [1]];
const count = (value = 3, dtype: tf.DataType = 'int32', shape: number[] = []): NamedTensor => ({name: 'iter', tensor: tf.fill(shape, value, dtype as 'int32')});
const steps = (dtype: 'float32' | 'int32' | 'bool' = 'float32', name = (i: number): number | string => i): NamedTensor[] =>
  SHAPES.map((shape, i) => ({name: `ggn/1/previousStep/${name(i)}`, tensor: tf.ones(shape, dtype)}));
const average = (numbers = [5, 1, -2, 3, -4], dtype: 'int32' | 'float32' = 'int32'): NamedTensor =>
  ({name: 'ggn/1/average', tensor: tf.tensor1d(numbers, dtype)});
const points = (value = 1, shapes = SHAPES): NamedTensor[] =>
  shapes.map((shape, i) => ({name: `ggn/1/trainingPoint/${i}`, tensor: tf.fill(shape, value)}));
const disposed = (entry: NamedTensor): NamedTensor => {
  entry.tensor.dispose();
  return entry;
};
const long = 'x'.repeat(1000);

const REFUSED: Array<[string, () => unknown, RegExp]> = [
  ['a count of NaN', () => [count(NaN, 'float32')], /'iter' of the saved state, .*from 0 to 2147483647; received NaN/],
  ['a count of -3', () => [count(-3)], /'iter' .* received -3/],
  ['a count of 2.5', () => [count(2.5, 'float32')], /'iter' .* received 2.5/],
  ['a count of 2³¹', () => [count(2 ** 31, 'float32')], /'iter' .* received 2147483648/],
  ['a count of infinity', () => [count(Infinity, 'float32')], /'iter' .* received Infinity/],
  ['a count of bool', () => [count(1, 'bool')], /'iter' of the saved state is a tensor of bool/],
  ['two counts', () => [count(1, 'int32', [2])], /'iter' of the saved state is a tensor of int32 with 2 entries/],
  ['no count at all', () => [count(1, 'int32', [0])], /'iter' of the saved state is a tensor of int32 with 0 entries/],
  ['a count that is behind the steps', () => [...steps(), count()], /must begin with 'iter'; received 'ggn\/1\/previousStep\/0'/],
  ['the count twice', () => [count(), count(), ...steps()], /'iter' is no state of GramGaussNewton/],
  ['steps of int32', () => [count(), ...steps('int32')], /'ggn\/1\/previousStep\/0' of the saved state is a tensor of int32/],
  ['steps of bool', () => [count(), ...steps('bool')], /'ggn\/1\/previousStep\/0' of the saved state is a tensor of bool/],
  ['steps that are all named 0', () => [count(), ...steps('float32', () => 0)], /entry 2 .* is 'ggn\/1\/previousStep\/0' in place of 'ggn\/1\/previousStep\/1'/],
  ['steps in another order', () => [count(), ...steps().reverse()], /entry 1 .* is 'ggn\/1\/previousStep\/3' in place of/],
  ['two steps swapped', () => [count(), ...steps('float32', i => [0, 3, 2, 1][i])], /entry 2 .* is 'ggn\/1\/previousStep\/3' in place of/],
  ['a missing step', () => [count(), ...steps().filter((_, i) => i !== 1)], /entry 2 .* is 'ggn\/1\/previousStep\/2' in place of/],
  ['a step with no index', () => [count(), ...steps('float32', () => '')], /entry 1 .* is 'ggn\/1\/previousStep\/' in place of/],
  ['NaN in a step', () => [count(), ...steps().slice(0, 3), {name: 'ggn/1/previousStep/3', tensor: tf.tensor1d([NaN])}], /'ggn\/1\/previousStep\/3' of the saved state holds NaN/],
  ['a step longer than any', () => [count(), {name: 'ggn/1/previousStep/0', tensor: tf.fill([3, 4], 3e38)}], /'ggn\/1\/previousStep\/0' of the saved state holds 3.*e\+38: only numbers below 1\.8e\+19/],
  ['infinity in a step', () => [count(), {name: 'ggn/1/previousStep/0', tensor: tf.fill([3, 4], -Infinity)}], /'ggn\/1\/previousStep\/0' of the saved state holds -Infinity/],
  ['a disposed count', () => [disposed(count()), ...steps()], /'iter' of the saved state is a tensor that was disposed of/],
  ['a disposed step', () => [count(), disposed(steps()[0])], /'ggn\/1\/previousStep\/0' of the saved state is a tensor that was disposed of/],
  ['numbers in the place of a tensor', () => [{name: 'iter', tensor: 3}], /'iter' of the saved state holds 3, not a tensor/],
  ['an entry of null', () => [count(), null], /entry 1 of the saved state is null/],
  ['a hole', () => [count(), , ...steps()], /entry 1 of the saved state is undefined/],
  ['a name that is no text', () => [{name: 5, tensor: tf.scalar(1)}], /entry 0 of the saved state is an object, not a named tensor/],
  ['a name of 1000 letters', () => [count(), {name: long, tensor: tf.scalar(1)}], /^.{0,250}$/],
  ['a count named by 1000 letters', () => [{name: long, tensor: tf.scalar(1)}], /^.{0,250}$/],
  ['a format of 1000 digits', () => [count(), {name: `ggn/${'7'.repeat(1000)}/previousStep/0`, tensor: tf.scalar(1)}], /format 7{97}\.\.\., this version/],
  ['a training point of NaN', () => [count(), ...steps(), average(), ...points(NaN)], /'ggn\/1\/trainingPoint\/0' of the saved state holds NaN/],
  ['a missing training point', () => [count(), ...steps(), average(), ...points().slice(0, 3)], /has 3 training points of 4 variables/],
  ['training points without an average', () => [count(), ...steps(), ...points()], /entry 5 .* is 'ggn\/1\/trainingPoint\/0' in place of 'ggn\/1\/previousStep\/4'/],
  ['an average in front', () => [average([1]), count(), ...steps()], /must begin with 'iter'; received 'ggn\/1\/average'/],
  ['an average twice', () => [count(), ...steps(), average(), average(), ...points()], /entry 6 .* is 'ggn\/1\/average' in place of 'ggn\/1\/trainingPoint\/0'/],
  ['an average of float32', () => [count(), ...steps(), average(undefined, 'float32'), ...points()], /'ggn\/1\/average' of the saved state is a tensor of float32/],
  ['an average of three variables', () => [count(), ...steps(), average([5, 1, 2, 3]), ...points()], /'ggn\/1\/average' of the saved state is a tensor of int32 with 4 entries in place of int32 with 5/],
  ['an average of -1 steps', () => [count(), ...steps(), average([-1, 1, 2, 3, 4]), ...points()], /'ggn\/1\/average' of the saved state, the number of steps in the average, .* received -1/],
  ['training points of other shapes', () => [count(), ...steps(), average(), ...points(1, [[3, 4], [5], [4, 1], [1]])], /'ggn\/1\/trainingPoint\/1' of the saved state has the shape \[5\], and 'ggn\/1\/previousStep\/1' has \[4\]/],
  ['an average of no variable', () => [count(), average([1])], /entry 1 .* is 'ggn\/1\/average' in place of 'ggn\/1\/previousStep\/0'/],
  ['best weights of other shapes', () => [count(), ...steps(), ...points(1, [[3, 4], [5], [4, 1], [1]]).map(({name, tensor}) => ({name: name.replace('trainingPoint', 'bestWeights'), tensor}))],
    /'ggn\/1\/bestWeights\/1' of the saved state has the shape \[5\], and 'ggn\/1\/previousStep\/1' has \[4\]/],
  ['no list', () => 'state', /setWeights\(\) takes the list that getWeights\(\) gave; received 'state'/],
  ['undefined', () => undefined, /setWeights\(\) takes the list that getWeights\(\) gave; received undefined/],
];

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: setWeights refuses by name what no optimizer has saved, and keeps the state it has`, async t => {
    await tf.setBackend(backend);
    const [{model, optimizer}, {model: twin}] = [await started(), await started()];
    const before = numbers(await optimizer.getWeights());
    for (const [what, make, message] of REFUSED) {
      const state = make();
      const {numTensors} = tf.memory();
      const error = await t.throwsAsync(optimizer.setWeights(state as NamedTensor[]), {message}, what);
      t.true(error?.message.startsWith('tfjs-ggn: '), what);
      t.deepEqual(numbers(await optimizer.getWeights()), before, what);
      t.is(optimizer.iterations, 1, what);
      t.is(tf.memory().numTensors, numTensors, what);
    }
    await Promise.all([model, twin].map(async each => each.trainOnBatch(x, y)));
    t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), twin.getWeights().map(w => [...w.dataSync()]));
  });
}

test.serial('a count of float32 and one of shape [1] are whole numbers like any', async t => {
  const optimizer = ggn();
  await optimizer.setWeights([count(7, 'float32')]);
  t.is(optimizer.iterations, 7);
  await optimizer.setWeights([count(2 ** 31 - 1, 'int32', [1])]);
  t.is(optimizer.iterations, 2 ** 31 - 1);
});

// ------------------------------------------------------------------------------------------------------------------------------ the config

const fromConfig = (config: unknown): GramGaussNewton =>
  GramGaussNewton.fromConfig(GramGaussNewton as never, config as tf.serialization.ConfigDict);

test.serial('settings of a policy out of their ranges are refused by name, whichever policy they are of', t => {
  const wrong: Array<[string, string, unknown]> = [['agreement', 'learningRate', 1e308], ['agreement', 'learningRate', -3], ['agreement', 'learningRate', 0], ['agreement', 'damping', 1e308],
    ['agreement', 'damping', -1e-9], ['agreement', 'momentum', 1], ['agreement', 'headroom', 0.5], ['agreement', 'headroom', 1e300], ['agreement', 'agreement', -1.5], ['agreement', 'steps', -1], ['agreement', 'loss', -1], ['agreement', 'spread', 1e400], ['custom', 'momentum', 50], ['custom', 'learningRate', -1],
    ['custom', 'damping', -0.1], ['levenbergMarquardt', 'damping', 0], ['levenbergMarquardt', 'damping', 1e300], ['levenbergMarquardt', 'increase', 1], ['levenbergMarquardt', 'increase', -2],
    ['history', 'repeats', -1], ['history', 'repeats', 1.5], ['determination', 'examples', 0.5], ['determination', 'examples', -4], ['agreement', 'damping', long], ['history', 'isFull', [long]]];
  for (const [part, key, value] of wrong) {
    const config = JSON.parse(JSON.stringify(ggn().getConfig())) as {policyState: Record<string, Record<string, unknown>>};
    config.policyState[part][key] = value;
    const {message} = t.throws(() => fromConfig(config), undefined, `${part}.${key} ${String(value)}`);
    t.true(message.startsWith(`tfjs-ggn: policyState.${part}.${key} of the saved optimizer is `) && message.length < 400, message);
  }
});

test.serial('objects of any depth, and keys named __proto__, do no harm', t => {
  let deep: unknown = 1;
  for (let i = 0; i < 1e5; i++) {
    deep = {deep};
  }
  t.throws(() => fromConfig({...ggn().getConfig(), policyState: {agreement: {damping: deep}}}), {message: /policyState.agreement.damping of the saved optimizer is \{deep\}/});
  t.notThrows(() => fromConfig({...ggn().getConfig(), policyState: {unknown: deep}}));
  t.throws(() => fromConfig({...ggn().getConfig(), policyState: ['agreement']}), {message: /policyState of the saved optimizer is an array of 1/});
  const config = JSON.parse('{"policyState": {"__proto__": {"agreement": {"damping": 1e300}, "detour": 5}, "agreement": {"__proto__": {"damping": 1e300}}}}') as object;
  t.deepEqual(fromConfig(config).getConfig(), ggn().getConfig());
  t.is(({} as {agreement?: unknown}).agreement, undefined);
});
