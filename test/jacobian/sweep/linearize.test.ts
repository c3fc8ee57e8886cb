/**
 * Whole networks put together at random from dense layers, activations, reshapes, concatenations and shared layers: J, G, J d and Jᵀu by
 * the reference.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import fc from 'fast-check';
import {BatchJacobian} from '../../../src/jacobian/sweep/batch_jacobian';
import {linearize} from '../../../src/jacobian/sweep/linearize';
import {residualRows, rowWeights} from '../../cases/cases';
import {denseGram, denseJacobian} from '../../reference/dense_jacobian';
import {apply, variablesOf} from '../../support/models';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

const L = tf.layers;

type Part =
  | {kind: 'dense'; units: number; activation: Activation; bias: boolean; again: boolean}
  | {kind: 'sequence'; units: number; activation: Activation}
  | {kind: 'concat'; units: number}
  | {kind: 'shared'; activation: Activation; times: number}
  | {kind: 'merge'; how: 'add' | 'multiply' | 'average'; units: number}
  | {kind: 'activation'; activation: Activation};

type Activation = 'linear' | 'relu' | 'elu' | 'tanh' | 'sigmoid' | 'softplus' | 'softmax';

const activation = fc.constantFrom<Activation>('linear', 'relu', 'elu', 'tanh', 'sigmoid', 'softplus', 'softmax');
const units = fc.integer({min: 1, max: 4});
const part: fc.Arbitrary<Part> = fc.oneof(
    fc.record({kind: fc.constant('dense' as const), units, activation, bias: fc.boolean(), again: fc.boolean()}),
    fc.record({kind: fc.constant('sequence' as const), units, activation}),
    fc.record({kind: fc.constant('concat' as const), units}),
    fc.record({kind: fc.constant('shared' as const), activation, times: fc.integer({min: 2, max: 3})}),
    fc.record({kind: fc.constant('merge' as const), how: fc.constantFrom('add' as const, 'multiply' as const, 'average' as const), units}),
    fc.record({kind: fc.constant('activation' as const), activation}));

function build(parts: readonly Part[], heads: readonly number[], seed: number): tf.LayersModel {
  let next = seed;
  const drawn = () => ({kernelInitializer: tf.initializers.randomNormal({stddev: 0.7, seed: next++}), biasInitializer: tf.initializers.randomNormal({stddev: 0.3, seed: next++})});
  const input = tf.input({shape: [3]});
  let x = input;
  for (const one of parts) {
    const width = x.shape[1]!;
    switch (one.kind) {
      case 'dense': {
        x = apply(L.dense({units: one.units, activation: one.activation, useBias: one.bias, ...drawn()}), x);
        x = one.again ? apply(L.dense({units: one.units, activation: one.activation, ...drawn()}), x) : x;
        break;
      }
      case 'sequence':
        if (width % 2 === 0) {
          x = apply(L.flatten(), apply(L.dense({units: one.units, activation: one.activation, ...drawn()}), apply(L.reshape({targetShape: [2, width / 2]}), x)));
        }
        break;
      case 'concat':
        x = apply(L.concatenate(), x, apply(L.dense({units: one.units, activation: 'tanh', ...drawn()}), x));
        break;
      case 'shared': {
        const layer = L.dense({units: width, activation: one.activation, ...drawn()});
        for (let i = 0; i < one.times; i++) {
          x = apply(layer, x);
        }
        break;
      }
      case 'merge': {
        const branches = [0, 1].map(() => apply(L.dense({units: one.units, activation: 'tanh', ...drawn()}), x));
        x = apply(L[one.how](), ...branches);
        break;
      }
      case 'activation':
        x = apply(L.activation({activation: one.activation}), x);
    }
  }
  return tf.model({inputs: input, outputs: heads.map(k => apply(L.dense({units: k, ...drawn()}), x))});
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: random stacks`, async t => {
    await tf.setBackend(backend);
    let looked = 0;
    await fc.assert(fc.asyncProperty(fc.array(part, {minLength: 1, maxLength: 4}), fc.array(fc.integer({min: 1, max: 2}), {minLength: 1, maxLength: 2}),
        fc.integer({min: 2, max: 4}), fc.nat(1000), async (parts, heads, batchSize, seed) => {
          const model = build(parts, heads, seed);
          const ys = heads.map((k, h) => noise([batchSize, k], seed + h + 1));
          const batch = {x: noise([batchSize, 3], seed), y: ys.length === 1 ? ys[0] : ys};
          const names = variablesOf(model);
          const {jacobian: expected, rows, n, m} = denseJacobian(() => residualRows(model, batch), names);
          let problem = 'not looked at';
          model.compile({loss: 'meanSquaredError', optimizer: new Probe(({checked, variables, residual, weight}) => {
            looked++;
            const columns = variables.flatMap(v => {
              const start = names.slice(0, names.indexOf(v)).reduce((sum, w) => sum + w.size, 0);
              return Array.from({length: v.size}, (_, i) => start + i);
            });
            const permuted = Float64Array.from({length: n * columns.length}, (_, i) => expected[Math.floor(i / columns.length) * m + columns[i % columns.length]]);
            // Saturated or dead units make J small against the numbers that it is computed from.
            const small = Math.max(...permuted.map(Math.abs)) < 1e-3;
            const tolerance = small ? 1e-2 : 5e-5;
            const errors = {
              rows: relativeError(residual, rows), weights: relativeError(weight, rowWeights(model, batch)),
              jacobian: relativeError(checked.jacobian.dense().dataSync(), permuted), gram: relativeError(checked.grams[0], denseGram(permuted, n, columns.length)),
            };
            const u = noise([n], 5);
            const pulled = checked.jacobian.applyTranspose(u).flatMap((p, v) => p === null ? new Array<number>(variables[v].size).fill(0) : [...p.dataSync()]);
            const uv = [...u.dataSync()];
            const transposed = relativeError(pulled, Float64Array.from({length: columns.length}, (_, j) => uv.reduce((sum, x, r) => sum + x * permuted[r * columns.length + j], 0)));
            const d = variables.map((v, i) => noise(v.shape, 50 + i));
            const dv = d.flatMap(p => [...p.dataSync()]);
            const product = relativeError(checked.jacobian.apply(d).dataSync(), Float64Array.from({length: n}, (_, r) => dv.reduce((sum, x, j) => sum + x * permuted[r * columns.length + j], 0)));
            problem = Object.entries({...errors, transposed, product}).filter(([, error]) => !(error < tolerance)).map(([name, error]) => `${name}: ${error}`).join();
          })});
          await model.trainOnBatch(batch.x, batch.y);
          model.dispose();
          tf.dispose([batch.x, ...ys]);
          return problem === '' || Promise.reject(new Error(problem));
        }), {numRuns: 30, seed: 11});
    t.true(looked >= 30);
  });
}

test.serial('a linearization holds its tensors in the scope of the caller, and leaves nothing when that ends', async t => {
  await tf.setBackend('cpu');
  const model = build([{kind: 'shared', activation: 'tanh', times: 2}, {kind: 'concat', units: 2}], [2], 1);
  let looked = false;
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan, jacobian}}) => {
    looked = true;
    const before = tf.memory().numTensors;
    const again = tf.tidy(() => {
      const second = linearize(trace, plan);
      t.true(second instanceof BatchJacobian);
      t.is(second.rows, jacobian.rows);
      return [...second.dense().dataSync()] as never;
    });
    t.deepEqual(again, [...jacobian.dense().dataSync()] as never, 'the same to the last bit');
    // dense() of the older one has left its result in this scope.
    t.true(tf.memory().numTensors - before <= 1);
  })});
  await model.trainOnBatch(noise([3, 3], 1), noise([3, 2], 2));
  t.true(looked);
});

test.serial('J d takes null for no change, Jᵀu makes only what is wanted', async t => {
  await tf.setBackend('cpu');
  const model = build([{kind: 'dense', units: 3, activation: 'tanh', bias: true, again: true}], [2], 1);
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({checked: {jacobian}, variables}) => {
    const d = variables.map((v, i) => noise(v.shape, i));
    const parts = variables.map((_, k) => jacobian.apply(d.map((p, v) => v === k ? p : null)));
    t.true(relativeError(jacobian.apply(d).dataSync(), tf.addN(parts).dataSync()) < 1e-5);
    t.true(jacobian.apply(variables.map(() => null)).dataSync().every(x => x === 0));
    t.is(jacobian.apply(variables.map(() => null)).size, jacobian.rows);
    const u = noise([jacobian.rows], 9);
    const whole = jacobian.applyTranspose(u);
    const some = jacobian.applyTranspose(u, v => v % 2 === 0);
    some.forEach((p, v) => v % 2 === 0 ? t.true(relativeError(p!.dataSync(), whole[v]!.dataSync()) < 1e-6) : t.is(p, null));
    // Groups of variables: their Gram matrices add up to the whole.
    const [total] = jacobian.gram(variables.map(() => 0));
    const groups = jacobian.gram(variables.map((_, v) => v % 3));
    t.is(groups.length, 3);
    t.true(relativeError(groups.reduce((sum, gram) => tf.add(sum, gram)).dataSync(), total.dataSync()) < 1e-5);
  })});
  await model.trainOnBatch(noise([4, 3], 1), noise([4, 2], 2));
});
