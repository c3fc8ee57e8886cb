/**
 * Saved states, mutated: the config and the named tensors. Each is refused with an error of ours, and everything is as before; or it is
 * taken, and then a step works and leaves finite weights.
 *
 * `npm run fuzz` tries many, here a few, from a fixed seed.
 */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import test from 'ava';
import {ggn, GramGaussNewton, type NamedTensor} from '../../src/index';
import {compiled, smallData} from '../support/small_model';

const RUNS = Number(process.env['FUZZ'] ?? 150);
const SEED = process.env['FUZZ'] === undefined ? 11 : Date.now();

await tf.setBackend('cpu');
console.warn = () => {};

const {x, y} = smallData();

/** The state of the training on mini-batches. */
const MINI_BATCHES = 5;

/** An entry of a saved state, without a tensor: so that fast-check can show it. */
interface Entry {
  name: unknown;
  shape: number[];
  dtype: 'float32' | 'int32' | 'bool';
  values: number[];
  /** In the place of the tensor. */
  instead?: unknown;
  isDisposed?: boolean;
}

interface Saved {
  config: Record<string, unknown>;
  entries: Entry[];
  /** The weights of the model when its optimizer was saved: a saved average belongs to them. */
  weights: number[][];
}

/** Other data in every step, as of mini-batches. */
const batch = (i: number): tf.Tensor2D => tf.tidy(() => tf.add(x, 0.1 * i));

const setWeights = (model: tf.LayersModel, weights: number[][]): void => {
  const tensors = model.getWeights().map(({shape}, i) => tf.tensor(weights[i], shape));
  model.setWeights(tensors);
  tf.dispose(tensors);
};

const weightsOf = (model: tf.LayersModel): number[][] => model.getWeights().map(w => [...w.dataSync()]);

/** The states of some trainings: under every policy, with an evidence, and with an average of mini-batches. */
const SAVED: Saved[] = await Promise.all([{}, {policy: 'agreement'}, {policy: 'levenbergMarquardt'}, {policy: 'fixed'}, {regularization: 'bayesian'},
  {policy: 'agreement', momentum: 0.4}, {policy: 'hypergradient'}].map(async (options, which) => {
  const {model, optimizer} = compiled(options as object);
  for (let i = 0; i < 3; i++) {
    const data = which === MINI_BATCHES ? batch(i) : x.clone();
    await model.trainOnBatch(data, y);
    data.dispose();
  }
  const entries = (await optimizer.getWeights()).map(({name, tensor}): Entry =>
    ({name, shape: tensor.shape, dtype: tensor.dtype as 'float32', values: [...tensor.dataSync()]}));
  const config = JSON.parse(JSON.stringify(optimizer.getConfig())) as Record<string, unknown>;
  const weights = weightsOf(model);
  model.layers.forEach(layer => layer.dispose());
  optimizer.dispose();
  return {config, entries, weights};
}));

const deep = (depth: number): unknown => Array.from({length: depth}).reduce<unknown>(inner => ({inner}), 1);

const numbers = fc.oneof(fc.constantFrom(0, -0, 1, -1, -3, 0.5, 50, 1e308, -1e308, 5e-324, 1e-30, 1e30, 2 ** 31, 2 ** 31 - 1, 2 ** 53, NaN, Infinity, -Infinity), fc.double(), fc.integer());
const junk = fc.oneof(numbers, fc.constantFrom<unknown>(null, undefined, true, '', 'auto', 'x'.repeat(5000), [], {}, () => 1), fc.string(), fc.anything({maxDepth: 2}), fc.constant(deep(5000)),
  fc.constant(JSON.parse('{"__proto__": {"damping": 1e300}}') as unknown));

/** Every place in a config, as a path of names. */
function paths(value: unknown, path: string[] = []): string[][] {
  return typeof value !== 'object' || value === null ? [path] :
    [...path.length > 0 ? [path] : [], ...Object.entries(value).flatMap(([key, part]) => paths(part, [...path, key]))];
}

function mutateConfig(config: Record<string, unknown>, path: readonly string[], how: 'set' | 'delete' | 'add', value: unknown): void {
  let at = config;
  for (const key of path.slice(0, -1)) {
    if (typeof at[key] !== 'object' || at[key] === null) {
      return;
    }
    at = at[key] as Record<string, unknown>;
  }
  const key = path.at(-1)!;
  if (how === 'delete') {
    delete at[key];
  } else {
    Object.defineProperty(at, how === 'add' ? `${key}2` : key, {value, writable: true, enumerable: true, configurable: true});
  }
}

function mutateEntries(entries: Entry[], how: string, i: number, j: number, number: number, value: unknown): void {
  const [a, b] = [entries[i % entries.length], entries[j % entries.length]] as Array<Entry | undefined>;
  if (a === undefined || b === undefined) {
    return;
  }
  switch (how) {
    case 'drop':
      return void entries.splice(i % entries.length, 1);
    case 'double':
      return void entries.splice(j % entries.length, 0, {...a});
    case 'swap':
      return void ([entries[i % entries.length], entries[j % entries.length]] = [b, a]);
    case 'rename':
      return void (a.name = value);
    case 'names':
      return void ([a.name, b.name] = [b.name, a.name]);
    case 'dtype':
      return void (a.dtype = a.dtype === 'float32' ? 'int32' : j % 2 === 0 ? 'bool' : 'float32');
    case 'shape':
      return void (a.shape = [...a.shape].reverse().concat(j % 2 === 0 ? [1] : []));
    case 'number':
      return void (a.values = a.values.map((old, k) => k === j % a.values.length ? number : old));
    case 'instead':
      return void (a.instead = value);
    case 'dispose':
      return void (a.isDisposed = true);
  }
}

const HOWS = ['drop', 'double', 'swap', 'rename', 'names', 'dtype', 'shape', 'number', 'instead', 'dispose'];

const mutation = fc.record({isConfig: fc.boolean(), place: fc.nat(), how: fc.constantFrom('set', 'set', 'set', 'delete', 'add'), of: fc.constantFrom(...HOWS), i: fc.nat(20), j: fc.nat(20), number: numbers, value: junk});

function named({name, shape, dtype, values, instead, isDisposed}: Entry): NamedTensor {
  if (instead !== undefined) {
    return {name, tensor: instead} as NamedTensor;
  }
  const tensor = tf.tensor(values, shape, dtype);
  if (isDisposed === true) {
    tensor.dispose();
  }
  return {name: name as string, tensor};
}

const ours = (error: unknown): void => {
  if (!(error instanceof Error) || !error.message.startsWith('tfjs-ggn: ') || error.message.length > 1000) {
    throw new Error(`not an error of ours, or too long: ${String(error).slice(0, 300)}`);
  }
};

const same = (a: unknown, b: unknown, what: string): void => {
  if (JSON.stringify(a) !== JSON.stringify(b)) {
    throw new Error(`changed: ${what}`);
  }
};

async function stateOf(optimizer: GramGaussNewton): Promise<unknown> {
  const copies = await optimizer.getWeights();
  const state = copies.map(({name, tensor}) => [name, [...tensor.dataSync()]]);
  tf.dispose(copies.map(({tensor}) => tensor));
  return [state, optimizer.iterations, optimizer.getConfig()];
}

/** Loads a state as tfjs does, and takes two steps. */
async function tryState({config, entries, weights: saved}: Saved): Promise<void> {
  const before = tf.memory().numTensors;
  const list = entries.map(named);
  let optimizer: GramGaussNewton = ggn();
  try {
    optimizer = GramGaussNewton.fromConfig(GramGaussNewton as never, config as tf.serialization.ConfigDict);
  } catch (error) {
    ours(error);
  }
  const untouched = await stateOf(optimizer);
  const {numTensors} = tf.memory();
  try {
    await optimizer.setWeights(list);
  } catch (error) {
    ours(error);
    same(await stateOf(optimizer), untouched, 'the state, by a refused one');
    same(tf.memory().numTensors, numTensors, 'the number of tensors');
  }
  const {model} = compiled();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const weights = (): number[][] => weightsOf(model);
  setWeights(model, saved);
  for (let i = 0; i < 2; i++) {
    const [old, state] = [weights(), await stateOf(optimizer)];
    try {
      const data = batch(7 + i);
      await model.trainOnBatch(data, y).finally(() => data.dispose());
      if (!weights().flat().every(Number.isFinite)) {
        throw new Error('weights that are not finite');
      }
    } catch (error) {
      ours(error);
      same(weights(), old, 'the weights, by a refused step');
      same(await stateOf(optimizer), state, 'the state, by a refused step');
    }
  }
  model.layers.forEach(layer => layer.dispose());
  optimizer.dispose();
  list.forEach(({tensor}) => (tensor as Partial<tf.Tensor> | null)?.dataId !== undefined && tensor.dispose());
  same(tf.memory().numTensors, before, 'the number of tensors in the end');
  same(Object.keys(Object.prototype), [], 'the prototype of all objects');
}

test.serial('every mutated state is refused by name, or works', async t => {
  await fc.assert(fc.asyncProperty(fc.nat(SAVED.length - 1), fc.array(mutation, {minLength: 1, maxLength: 3}), async (which, mutations) => {
    const saved = structuredClone(SAVED[which]);
    const places = paths(saved.config);
    for (const {isConfig, place, how, of, i, j, number, value} of mutations) {
      if (isConfig) {
        mutateConfig(saved.config, places[place % places.length], how as 'set', value);
      } else {
        mutateEntries(saved.entries, of, i, j, number, value);
      }
    }
    await tryState(saved);
  }), {numRuns: RUNS, seed: SEED, endOnFailure: true});
  t.is(tf.memory().numTensors, 2, 'the data alone');
});

test.serial('states as they were saved are taken whole', async t => {
  for (const saved of SAVED) {
    await tryState(structuredClone(saved));
    const optimizer: GramGaussNewton = GramGaussNewton.fromConfig(GramGaussNewton as never, saved.config as tf.serialization.ConfigDict);
    await optimizer.setWeights(saved.entries.map(named));
    t.deepEqual(JSON.parse(JSON.stringify(optimizer.getConfig())), saved.config);
    t.is(optimizer.iterations, 3);
  }
});

test.serial('the saved average finds its weights, and goes on', async t => {
  const {config, entries, weights} = structuredClone(SAVED[MINI_BATCHES]);
  const count = (list: readonly NamedTensor[]): number => list.find(({name}) => name.endsWith('average'))!.tensor.dataSync()[0];
  const {model} = compiled();
  const optimizer: GramGaussNewton = GramGaussNewton.fromConfig(GramGaussNewton as never, config as tf.serialization.ConfigDict);
  const saved = entries.map(named);
  await optimizer.setWeights(saved);
  model.compile({optimizer, loss: 'meanSquaredError'});
  setWeights(model, weights);
  await model.trainOnBatch(batch(7), y);
  t.is(count(await optimizer.getWeights()), count(saved) + 1);
});
