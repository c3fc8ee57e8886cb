/** The optimizer as a whole: tfjs's own contract tests, closed forms, leaks, which variables it trains. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn, GramGaussNewton, type GgnOptions} from '../../src/index';
import {denseJacobian, referenceStep} from '../reference/dense_jacobian';
import {variablesOf} from '../support/models';
import {wave} from '../support/numbers';
import {relativeError} from '../support/relative_error';
import {flat} from '../support/tensors';

const BACKENDS = ['cpu', 'wasm'] as const;

const weightsOf = (model: tf.LayersModel): Float64Array => flat(model.getWeights());

function dense(units: number, seed: number, more: object = {}): tf.layers.Layer {
  return tf.layers.dense({units, kernelInitializer: tf.initializers.glorotUniform({seed}), biasInitializer: tf.initializers.randomUniform({seed}), ...more});
}

/** 3-5-2, tanh. */
function net(seed = 1): tf.Sequential {
  return tf.sequential({layers: [dense(5, seed, {inputShape: [3], activation: 'tanh'}), dense(2, seed + 1)]});
}

test.beforeEach(async () => {
  await tf.setBackend('cpu');
});

// ------------------------------------------------------------------------------------------------- the contract tests of tfjs's optimizers

for (const backend of BACKENDS) {
  test.serial(`basic, ${backend}`, async t => {
    await tf.setBackend(backend);
    const before = tf.memory().numTensors;
    const optimizer = ggn({learningRate: 0.6, damping: 0.2, momentum: 0.5});
    const w = tf.tidy(() => tf.variable(tf.scalar(0)));
    const x = tf.tensor1d([1, 2]);
    const y = tf.tensor1d([1, 3]);
    const f = (): tf.Scalar => w.mul(x).sub(y).square().mean();
    const tensors = tf.memory().numTensors;

    // Two rows of weight 1/2, so S = I. r = (-1, -3), J = (1, 2)ᵀ, g = Jᵀr = -7, trace(G) = 5, λ = 0.2 · 5 / min(2, 1) = 1.
    // d = -g / (JᵀJ + λ) = 7/6, w = 0.6 · 7/6 = 0.7. Loss (1 + 9)/2 = 5.
    const cost = optimizer.minimize(f, true)!;
    t.is(cost.dataSync()[0], 5);
    t.true(Math.abs(w.dataSync()[0] - 0.7) < 1e-6);
    t.is(tf.memory().numTensors - tensors, 2, 'the cost and d_prev');
    cost.dispose();

    // r = (-0.3, -1.6), g = -3.5. d = (λ μ d_prev - g) / 6 = (7/12 + 3.5)/6 = 49/72, w = 0.7 + 0.6 · 49/72 = 133/120.
    t.is(optimizer.minimize(f, false), null);
    t.true(Math.abs(w.dataSync()[0] - 133 / 120) < 1e-6);
    t.is(tf.memory().numTensors - tensors, 1, 'd_prev');
    t.true(Math.abs(optimizer.lastStep!.loss - 1.325) < 1e-6);
    t.is(optimizer.iterations, 2);

    optimizer.dispose();
    tf.dispose([w, x, y]);
    t.is(tf.memory().numTensors, before);
  });

  test.serial(`continue training after loading weights, ${backend}`, async t => {
    await tf.setBackend(backend);
    const options: GgnOptions = {learningRate: 0.5, damping: 0.1, momentum: 0.9};
    const x = tf.tensor1d([2, -1, 0.5]).variable();
    const f = (): tf.Scalar => x.square().sub(tf.tensor1d([1, 2, 3])).square().sum();
    const uninterrupted = ggn(options);
    const values: number[][] = [];
    for (let i = 0; i < 4; i++) {
      uninterrupted.minimize(f);
      values.push([...x.dataSync()]);
    }

    x.assign(tf.tensor1d([2, -1, 0.5]));
    const first = ggn(options);
    first.minimize(f);
    first.minimize(f);
    const second = ggn(options);
    await second.setWeights(await first.getWeights());
    t.is(second.iterations, 2);
    for (const expected of values.slice(2)) {
      second.minimize(f);
      t.deepEqual([...x.dataSync()], expected);
    }
    t.is(second.iterations, 4);
    t.is(second.lastStep!.iteration, 4);

    // Without the state it would have gone elsewhere.
    x.assign(tf.tensor1d(values[1]));
    ggn(options).minimize(f);
    t.notDeepEqual([...x.dataSync()], values[2]);
    x.dispose();
  });
}

test.serial('serialization round-trip', t => {
  const original = ggn({learningRate: 0.3, damping: 0.2, momentum: 0.7});
  const again = GramGaussNewton.fromConfig(GramGaussNewton, original.getConfig());
  t.deepEqual(again.getConfig(), original.getConfig());
  t.like(original.getConfig(), {learningRate: 0.3, damping: 0.2, momentum: 0.7, policy: 'auto', memoryLimit: 2 ** 30});
  t.true(again instanceof GramGaussNewton);
  t.is(again.getClassName(), 'GramGaussNewton');
  // tfjs hands over a key of its own, and old files may lack one of ours.
  t.deepEqual(GramGaussNewton.fromConfig(GramGaussNewton, {damping: 0.2, customObjects: {}}).getConfig(), ggn({damping: 0.2}).getConfig());
  // A value changed between steps is the one that is saved.
  original.learningRate = 0.05;
  t.is(original.getConfig()['learningRate'], 0.05);
  const [registered] = tf.serialization.SerializationMap.getMap().classNameMap['GramGaussNewton'];
  t.is(registered, GramGaussNewton);
});

// ---------------------------------------------------------------------------------------------------------------------------- closed forms

for (const backend of BACKENDS) {
  for (const [outputs, examples] of [[1, 1], [1, 3], [1, 5], [3, 4]]) {
    test.serial(`${backend}: a linear model, ${examples} examples, ${outputs} outputs, interpolates in one full step`, async t => {
      await tf.setBackend(backend);
      // n = examples · outputs rows, m = (4 + 1) · outputs parameters, n <= m. Inputs are unit vectors and 0, so the eigenvalues of G lie
      // between 3 - sqrt(8) = 0.17 and 3 + sqrt(8), with a mean below 2.
      const model = tf.sequential({layers: [dense(outputs, 3, {inputShape: [4]})]});
      const x = tf.tensor2d(Array.from({length: 4 * examples}, (_, i) => i % 5 === 0 ? 1 : 0), [examples, 4]);
      const y = tf.tensor2d(wave(examples * outputs, 5), [examples, outputs]);
      model.compile({optimizer: ggn({learningRate: 1, damping: 1e-5, momentum: 0}), loss: 'meanSquaredError'});
      const before = await model.trainOnBatch(x, y) as number;
      t.true(before > 0.1);
      const residual = flat([tf.sub(model.predict(x) as tf.Tensor, y)]);
      // Along an eigenvector of SᵀGS of eigenvalue σ the residual shrinks by λ/(σ + λ), here by less than 1e-5 · 2 / 0.17 = 1.2e-4.
      t.true(Math.max(...residual.map(Math.abs)) < 1e-3, residual.join());
      const after = await model.trainOnBatch(x, y) as number;
      t.true(after < 1e-6 * before);
      model.dispose();
    });
  }
}

test.serial('a linear model with n > m takes the least-squares solution in one full step', async t => {
  // y = 1 + 2x + error (1, -1, -1, 1), orthogonal to 1 and x: the fit is 1 + 2x, the loss of it 1.
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [1]})]});
  model.compile({optimizer: ggn({learningRate: 1, damping: 1e-3, momentum: 0}), loss: 'meanSquaredError'});
  const x = tf.tensor2d([[-3], [-1], [1], [3]]);
  const y = tf.tensor2d([[-4], [-2], [2], [8]]);
  await model.trainOnBatch(x, y);
  // σ >= 2 · min(1, 5) = 2 against λ = 1e-3 · (2 + 10)/2 = 6e-3: what is left of the error is 3e-3 of it
  const [slope, offset] = weightsOf(model);
  t.true(Math.abs(slope - 2) < 6e-3 && Math.abs(offset - 1) < 6e-3, `${slope}, ${offset}`);
  t.true(Math.abs((await model.trainOnBatch(x, y) as number) - 1) < 1e-4);
});

test.serial('the step depends neither on the unit of the targets nor on a factor of the loss', async t => {
  const steps: Float64Array[] = [];
  for (const factor of [1, 1024]) {
    const w = tf.variable(tf.tensor2d(wave(6), [3, 2]));
    const x = tf.tensor2d(wave(12, 3), [4, 3]);
    const y = tf.tensor2d(wave(8, 5), [4, 2]);
    ggn({learningRate: 1, damping: 0.1, momentum: 0}).minimize(() => tf.mean(tf.square(tf.sub(tf.tanh(tf.matMul(x, w)), y))).mul(factor), false, [w]);
    steps.push(flat([w]));
    w.dispose();
  }
  t.deepEqual(steps[0], steps[1], 'a power of two changes no bit');
});

// ----------------------------------------------------------------------------------------------------------------------------------- leaks

for (const backend of BACKENDS) {
  test.serial(`${backend}: 200 steps each of trainOnBatch, fit and fitDataset, with metrics and a smaller last batch, leak nothing`, async t => {
    await tf.setBackend(backend);
    const start = tf.memory().numTensors;
    const model = tf.sequential({layers: [dense(5, 1, {inputShape: [3], activation: 'tanh', kernelRegularizer: 'l1l2'}), tf.layers.dropout({rate: 0.2, seed: 1}),
      dense(2, 2)]});
    const optimizer = ggn();
    model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae', 'mse']});
    const x = tf.tensor2d(wave(27, 3), [9, 3]);
    const y = tf.tensor2d(wave(18, 5), [9, 2]);
    const dataset = tf.data.zip({xs: tf.data.array(x.arraySync()), ys: tf.data.array(y.arraySync())}).batch(5);
    const ways: Record<string, (steps: number) => Promise<unknown>> = {
      trainOnBatch: async steps => {
        for (let i = 0; i < steps; i++) {
          await model.trainOnBatch(x, y);
        }
      },
      fit: steps => model.fit(x, y, {epochs: steps / 2, batchSize: 5, verbose: 0, yieldEvery: 'never'}),
      fitDataset: steps => model.fitDataset(dataset, {epochs: steps / 2, verbose: 0, yieldEvery: 'never'}),
    };
    for (const [name, train] of Object.entries(ways)) {
      // From the twentieth mini-batch on, the optimizer keeps the best weights.
      await train(60);
      const {numTensors, numDataBuffers} = tf.memory();
      const {iterations} = optimizer;
      await train(200);
      t.is(optimizer.iterations - iterations, 200, name);
      t.is(tf.memory().numTensors, numTensors, name);
      t.is(tf.memory().numDataBuffers, numDataBuffers, name);
    }
    model.dispose();
    optimizer.dispose();
    tf.dispose([x, y]);
    // The dropout layer of tfjs has no tensors; a seed of an initializer neither.
    t.is(tf.memory().numTensors, start);
  });

  test.serial(`${backend}: 200 steps of a custom loop leak nothing`, async t => {
    await tf.setBackend(backend);
    const model = net();
    const optimizer = ggn({policy: 'levenbergMarquardt'});
    const x = tf.tensor2d(wave(27, 3), [9, 3]);
    const y = tf.tensor2d(wave(18, 5), [9, 2]);
    const f = (): tf.Scalar => (model.predict(x) as tf.Tensor).sub(y).square().mean();
    optimizer.minimize(f);
    const {numTensors, numDataBuffers} = tf.memory();
    for (let i = 0; i < 200; i++) {
      if (i % 2 === 0) {
        t.is(optimizer.minimize(f), null);
      } else {
        optimizer.minimize(f, true)!.dispose();
      }
    }
    t.is(tf.memory().numTensors, numTensors);
    t.is(tf.memory().numDataBuffers, numDataBuffers);
    t.true(optimizer.lastStep!.loss < 0.1, 'and it trained');
    optimizer.dispose();
    model.dispose();
  });

  test.serial(`${backend}: 50 steps with the damping of the evidence leak nothing`, async t => {
    await tf.setBackend(backend);
    const model = net();
    const optimizer = ggn({policy: 'evidenceDamping'});
    const [x, y] = [tf.tensor2d(wave(27, 3), [9, 3]), tf.tensor2d(wave(18, 5), [9, 2])];
    const f = (): tf.Scalar => (model.predict(x) as tf.Tensor).sub(y).square().mean();
    optimizer.minimize(f);
    const {numTensors, numDataBuffers} = tf.memory();
    const {loss} = optimizer.lastStep!;
    for (let i = 0; i < 50; i++) {
      optimizer.minimize(f);
    }
    t.is(tf.memory().numTensors, numTensors);
    t.is(tf.memory().numDataBuffers, numDataBuffers);
    t.true(optimizer.lastStep!.loss < loss, 'and it trained');
    optimizer.dispose();
    model.dispose();
  });
}

test.serial('minimize keeps f()s scopes: tensors that f() made are gone, those that it kept are there', t => {
  const w = tf.scalar(1).variable();
  const kept: tf.Tensor[] = [];
  const optimizer = ggn();
  const before = tf.memory().numTensors;
  optimizer.minimize(() => {
    const r = w.sub(3);
    kept.push(tf.keep(r.mul(2)));
    return r.square().asScalar();
  }, false, [w]);
  t.is(tf.memory().numTensors - before, 2, 'kept, and d_prev');
  t.deepEqual([...kept[0].dataSync()], [-4]);
  tf.dispose([kept[0], w]);
  optimizer.dispose();
});

test.serial('f() runs once per step: in minimize, and the layers of a model in fit', async t => {
  let calls = 0;
  const w = tf.scalar(1).variable();
  const optimizer = ggn();
  for (let i = 1; i <= 3; i++) {
    optimizer.minimize(() => {
      calls++;
      return w.sub(2).square().asScalar();
    }, false, [w]);
    t.is(calls, i);
  }

  const model = net();
  const layer = model.layers[0];
  const {call} = layer;
  let forward = 0;
  layer.call = (inputs, kwargs) => {
    forward++;
    return call.call(layer, inputs, kwargs);
  };
  model.compile({optimizer: ggn(), loss: 'meanSquaredError', metrics: ['mae']});
  await model.fit(tf.zeros([6, 3]), tf.ones([6, 2]), {epochs: 2, batchSize: 2, verbose: 0});
  t.is(forward, 6);
  w.dispose();
  model.dispose();
});

// ------------------------------------------------------------------------------------------------------ several models, several optimizers

const data = (seed: number): {x: tf.Tensor; y: tf.Tensor} =>
  ({x: tf.tensor2d(wave(12, 3 + seed), [4, 3]), y: tf.tensor2d(wave(8, 5 + seed), [4, 2])});

/** Weights after each of four steps. */
async function trajectory(seed: number, optimizer: GramGaussNewton): Promise<Float64Array[]> {
  const trained = trainer(seed, optimizer);
  const weights: Float64Array[] = [];
  for (let i = 0; i < 4; i++) {
    weights.push(await trained());
  }
  return weights;
}

/** Takes a step of a model of its own, the same for equal seeds, and returns the weights. */
function trainer(seed: number, optimizer: GramGaussNewton): () => Promise<Float64Array> {
  const model = net(seed);
  model.compile({optimizer, loss: 'meanSquaredError'});
  const {x, y} = data(seed);
  return async () => {
    await model.trainOnBatch(x, y);
    return weightsOf(model);
  };
}

for (const backend of BACKENDS) {
  test.serial(`${backend}: two models and two optimizers interleaved take the same steps as one after the other`, async t => {
    await tf.setBackend(backend);
    const [one, two]: GgnOptions[] = [{learningRate: 0.3}, {learningRate: 0.7, damping: 0.01, momentum: 0.5}];
    const expected = [await trajectory(1, ggn(one)), await trajectory(4, ggn(two))];
    const trainers = [trainer(1, ggn(one)), trainer(4, ggn(two))];
    for (let i = 0; i < 4; i++) {
      for (const which of [0, 1]) {
        t.deepEqual(await trainers[which](), expected[which][i], `model ${which}, step ${i}`);
      }
    }
  });

  test.serial(`${backend}: one optimizer for two models keeps the momentum of each`, async t => {
    await tf.setBackend(backend);
    const options: GgnOptions = {learningRate: 0.3, momentum: 0.9, policy: 'fixed'};
    const expected = [await trajectory(1, ggn(options)), await trajectory(4, ggn(options))];
    const shared = ggn(options);
    const trainers = [trainer(1, shared), trainer(4, shared)];
    for (let i = 0; i < 4; i++) {
      for (const which of [0, 1]) {
        t.deepEqual(await trainers[which](), expected[which][i], `model ${which}, step ${i}`);
      }
    }
    t.is(shared.iterations, 8);
  });
}

test.serial('two fits at the same time take the same steps as one after the other', async t => {
  const fit = async (seed: number): Promise<Float64Array> => {
    const model = net(seed);
    model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
    const {x, y} = data(seed);
    await model.fit(x, y, {epochs: 5, batchSize: 2, shuffle: false, verbose: 0, yieldEvery: 'batch'});
    return weightsOf(model);
  };
  const expected = [await fit(1), await fit(4)];
  t.deepEqual(await Promise.all([fit(1), fit(4)]), expected);
});

// --------------------------------------------------------------------------------------------------------------- which variables it trains

/** Checks one step of a model, by `train`, against the reference on `variables` alone; all other weights must stay. */
async function checkSubproblem(t: ExecutionContext, model: tf.LayersModel, variables: tf.Variable[], train: (optimizer: GramGaussNewton) => unknown): Promise<void> {
  const {x, y} = data(1);
  const residual = (): tf.Tensor => tf.sub(model.apply(x, {training: true}) as tf.Tensor, y);
  const {jacobian, rows, n, m} = denseJacobian(residual, variables);
  const expected = referenceStep({jacobian, n, m, residual: rows, weights: new Float64Array(n).fill(1 / n), damping: 0.2, momentum: 0, previous: null,
    ridge: null, extraGradient: null});
  const others = model.weights.map(w => w.read()).filter(w => !variables.includes(w as tf.Variable));
  const before = flat(variables);
  const untouched = flat(others);
  const optimizer = ggn({learningRate: 1, damping: 0.2, momentum: 0});
  await train(optimizer);
  t.is(optimizer.lastStep!.parameters, m);
  t.deepEqual(flat(others), untouched);
  const moved = flat(variables).map((w, i) => w - before[i]);
  t.true(relativeError(moved, expected.step) < 1e-4, `${relativeError(moved, expected.step)}`);
}

for (const frozen of [0, 1, 2]) {
  test.serial(`layer ${frozen} of 3 frozen before compile: it stays, the others take the step of the smaller problem`, async t => {
    const model = tf.sequential({layers: [dense(4, 1, {inputShape: [3], activation: 'tanh'}), dense(4, 2, {activation: 'tanh'}), dense(2, 3)]});
    model.layers[frozen].trainable = false;
    const {x, y} = data(1);
    t.is(model.trainableWeights.length, 4);
    await checkSubproblem(t, model, variablesOf(model), optimizer => {
      model.compile({optimizer, loss: 'meanSquaredError'});
      return model.trainOnBatch(x, y);
    });
    model.dispose();
  });
}

test.serial('varList: only the variables in it move', async t => {
  const model = net();
  const {x, y} = data(1);
  const f = (): tf.Scalar => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor);
  const all = variablesOf(model);
  for (const list of [[all[0]], [all[3]], [all[1], all[2]], all]) {
    await checkSubproblem(t, model, list, optimizer => optimizer.minimize(f, true, list)!.dispose());
  }
  model.dispose();
});

test.serial('without varList: the trainable variables that f() uses, no others', async t => {
  const model = net();
  const {x, y} = data(1);
  const bystander = tf.variable(tf.tensor1d([1, 2]));
  const constant = tf.variable(tf.scalar(1), false);  // used, not trainable
  await checkSubproblem(t, model, variablesOf(model), optimizer =>
    optimizer.minimize(() => tf.losses.meanSquaredError(y, tf.mul(constant, model.apply(x) as tf.Tensor))));
  t.deepEqual([...bystander.dataSync(), ...constant.dataSync()], [1, 2, 1]);
  tf.dispose([bystander, constant]);
  model.dispose();
});

test.serial('varList may name variables that f() does not use, and ones that are not trainable', async t => {
  const model = net();
  const {x, y} = data(1);
  const bystander = tf.variable(tf.tensor1d([1, 2]));
  const constant = tf.variable(tf.scalar(1), false);
  const used = variablesOf(model);
  await checkSubproblem(t, model, used, optimizer => optimizer.minimize(
    () => tf.losses.meanSquaredError(y, tf.mul(constant, model.apply(x) as tf.Tensor)), false, [bystander, constant, ...used]));
  t.deepEqual([...bystander.dataSync(), ...constant.dataSync()], [1, 2, 1]);
  tf.dispose([bystander, constant]);
  model.dispose();
});

test.serial('a layer frozen after some steps keeps its momentum until it is thawed', async t => {
  const model = net();
  const {x, y} = data(1);
  const optimizer = ggn({momentum: 0.9});
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(x, y);
  const before = flat(model.layers[0].getWeights());
  model.layers[0].trainable = false;
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(x, y);
  t.deepEqual(flat(model.layers[0].getWeights()), before);
  t.is(optimizer.lastStep!.parameters, 12);
  model.layers[0].trainable = true;
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(x, y);
  t.notDeepEqual(flat(model.layers[0].getWeights()), before);
  t.is(optimizer.lastStep!.parameters, 32);
});

test.serial('options changed between steps count from the next step on', t => {
  const w = tf.scalar(0).variable();
  const f = (): tf.Scalar => w.sub(1).square().mean();
  const optimizer = ggn({learningRate: 0.5, damping: 1, momentum: 0});
  optimizer.minimize(f, false, [w]);  // d = 1/(1 + 1)
  t.is(w.dataSync()[0], 0.25);
  optimizer.learningRate = 1;
  optimizer.damping = 2;              // d = 0.75/(1 + 2)
  optimizer.minimize(f, false, [w]);
  t.is(w.dataSync()[0], 0.5);
  optimizer.momentum = 0.5;           // d = (λ μ d_prev - g)/(2 + λ) = (4 · 0.5 · 0.25 + 1)/6
  optimizer.minimize(f, false, [w]);
  t.is(w.dataSync()[0], 0.75);
  w.dispose();
  optimizer.dispose();
});

// ------------------------------------------------------------------------------------------------------- the other methods of an optimizer

test.serial('applyGradients says what to call instead, and changes nothing', t => {
  const w = tf.scalar(2).variable();
  const optimizer = ggn();
  const {value, grads} = optimizer.computeGradients(() => w.square().mean(), [w]);
  t.throws(() => optimizer.applyGradients(grads), {message: /^tfjs-ggn: applyGradients\(\).*optimizer\.minimize/});
  t.throws(() => optimizer.applyGradients([{name: w.name, tensor: grads[w.name]}]), {message: /^tfjs-ggn: applyGradients\(\)/});
  t.is(w.dataSync()[0], 2);
  t.is(optimizer.iterations, 0);
  tf.dispose([value, grads, w]);
});

test.serial('computeGradients gives what tf.variableGrads gives', t => {
  const model = net();
  const {x, y} = data(1);
  const f = (): tf.Scalar => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor);
  const variables = variablesOf(model);
  const ours = ggn().computeGradients(f, variables);
  const theirs = tf.variableGrads(f, variables);
  t.deepEqual(flat([ours.value]), flat([theirs.value]));
  t.deepEqual(Object.keys(ours.grads), Object.keys(theirs.grads));
  t.deepEqual(flat(Object.values(ours.grads)), flat(Object.values(theirs.grads)));
  t.deepEqual(flat(variables), weightsOf(model));
  model.dispose();
});

test.serial('it is a tf.Optimizer, and other things are no GramGaussNewton', t => {
  t.true(ggn() instanceof tf.Optimizer);
  t.true(ggn() instanceof GramGaussNewton);
  for (const other of [tf.train.sgd(0.1), tf.train.adam(), tf.layers.dense({units: 1}), {}, null, undefined, 1]) {
    t.false((other) instanceof GramGaussNewton);
  }
  t.is(GramGaussNewton.className, 'GramGaussNewton');
  t.is(ggn().iterations, 0);
});

test.serial('dispose frees the state, may be called twice, and the optimizer starts afresh', t => {
  const w = tf.scalar(0).variable();
  const f = (): tf.Scalar => w.sub(1).square().mean();
  const before = tf.memory().numTensors;
  const optimizer = ggn({learningRate: 1, damping: 1, momentum: 0.5});
  optimizer.minimize(f, false, [w]);
  t.is(tf.memory().numTensors, before + 1);
  optimizer.dispose();
  optimizer.dispose();
  t.is(tf.memory().numTensors, before);
  w.assign(tf.scalar(0));
  optimizer.minimize(f, false, [w]);
  t.is(w.dataSync()[0], 0.5, 'no momentum');
  optimizer.dispose();
  w.dispose();
});
