/** All components in one sweep: the rows of the reference, on every backend; and what is left to sweeps of single components. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {isStackable, stackedSweep} from '../../src/jacobian/stacked_sweep';
import {residualRows, variablesOf} from '../cases';
import {denseGram, denseJacobian} from '../reference/dense_jacobian';
import {availableBackends, useBackend} from '../support/backends';
import {Probe, relativeError} from '../support/probe';

const L = tf.layers;
type Activation = 'linear' | 'relu' | 'elu' | 'selu' | 'tanh' | 'sigmoid' | 'softplus' | 'softmax' | 'swish';

const noise = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

const dense = (units: number, activation: Activation, seed: number, useBias = true): tf.layers.Layer => L.dense({units, activation, useBias,
  kernelInitializer: tf.initializers.randomNormal({stddev: 0.7, seed}), biasInitializer: tf.initializers.randomNormal({stddev: 0.3, seed: seed + 50})});

function network(inputShape: number[], ...layers: tf.layers.Layer[]): tf.LayersModel {
  const input = tf.input({shape: inputShape});
  return tf.model({inputs: input, outputs: layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input)});
}

function functional(f: (x: tf.SymbolicTensor) => tf.SymbolicTensor | tf.SymbolicTensor[]): tf.LayersModel {
  const input = tf.input({shape: [5]});
  return tf.model({inputs: input, outputs: f(input)});
}

const apply = (layer: tf.layers.Layer, ...x: tf.SymbolicTensor[]): tf.SymbolicTensor => layer.apply(x.length === 1 ? x[0] : x) as tf.SymbolicTensor;

const STACKED: Record<string, () => tf.LayersModel> = {
  'one layer': () => network([5], dense(3, 'linear', 1)),
  ...Object.fromEntries((['relu', 'elu', 'selu', 'tanh', 'sigmoid', 'softplus', 'swish'] as const).map(activation =>
    [activation, () => network([5], dense(6, activation, 1), dense(4, activation, 2), dense(3, 'linear', 3))])),
  'without biases': () => network([5], dense(6, 'tanh', 1, false), dense(3, 'linear', 3, false)),
  'activations of their own, reshapes': () =>
    network([5], dense(6, 'linear', 1), L.reshape({targetShape: [2, 3]}), L.leakyReLU({alpha: 0.3}), L.flatten(), L.activation({activation: 'tanh'}), dense(3, 'tanh', 3)),
  'a branch around a layer, and a product of two': () => functional(input => {
    const x = apply(dense(4, 'tanh', 1), input);
    const around = apply(L.add(), x, apply(dense(4, 'relu', 2), x));
    return apply(dense(3, 'linear', 5), apply(L.multiply(), around, apply(dense(4, 'sigmoid', 3), around)));
  }),
  'a layer used twice': () => functional(input => {
    const shared = dense(4, 'tanh', 2);
    return apply(dense(2, 'linear', 3), apply(shared, apply(shared, apply(dense(4, 'tanh', 1), input))));
  }),
  'a matrix at several positions': () => network([3, 4], dense(2, 'tanh', 1, false), L.flatten(), dense(3, 'linear', 2)),
};

const BY_COMPONENT: Record<string, () => tf.LayersModel> = {
  'one component': () => network([5], dense(4, 'tanh', 1), dense(1, 'linear', 2)),
  softmax: () => network([5], dense(4, 'softmax', 1), dense(3, 'linear', 2)),
  'two outputs': () => functional(x => [apply(dense(2, 'linear', 1), x), apply(dense(3, 'linear', 2), x)]),
  'a bias at several positions': () => network([3, 4], dense(2, 'tanh', 1), L.flatten(), dense(3, 'linear', 2)),
  'a batch normalisation': () => network([5], dense(4, 'tanh', 1), L.batchNormalization({}), dense(3, 'linear', 2)),
};

for (const backend of availableBackends()) {
  for (const [name, build] of Object.entries(STACKED)) {
    test.serial(`${backend}: ${name}`, async t => {
      await useBackend(backend);
      const model = build();
      const batch = {x: noise([4, ...model.inputs[0].shape.slice(1) as number[]], 7), y: noise([4, model.outputs[0].shape[1]!], 8)};
      const names = variablesOf(model);
      const {jacobian: expected, n, m} = denseJacobian(() => residualRows(model, batch), names);
      let looked = false;
      model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan, jacobian, grams}, variables}) => {
        looked = true;
        t.true(isStackable(trace, plan));
        const columns = variables.flatMap(v => {
          const start = names.slice(0, names.indexOf(v)).reduce((sum, w) => sum + w.size, 0);
          return Array.from({length: v.size}, (_, i) => start + i);
        });
        const rows = Float64Array.from({length: n * m}, (_, i) => expected[Math.floor(i / m) * m + columns[i % m]]);
        t.true(relativeError(jacobian.dense().dataSync(), rows) < 2e-5, 'rows');
        t.true(relativeError(grams[0], denseGram(rows, n, m)) < 2e-5, 'Gram matrix');
        const before = tf.memory().numTensors;
        const found = stackedSweep(trace, plan);
        t.is(tf.memory().numTensors - before, new Set(found).size, 'tensors');
      })});
      await model.trainOnBatch(batch.x, batch.y);
      t.true(looked);
      model.dispose();
      tf.dispose([batch.x, batch.y]);
    });
  }
}

for (const [name, build] of Object.entries(BY_COMPONENT)) {
  test.serial(`by component: ${name}`, async t => {
    await useBackend('cpu');
    const model = build();
    const ys = model.outputs.map((output, i) => noise([4, output.shape[1]!], i));
    let looked = false;
    model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan}}) => {
      looked = true;
      t.false(isStackable(trace, plan));
    })});
    await model.trainOnBatch(noise([4, ...model.inputs[0].shape.slice(1) as number[]], 7), ys.length === 1 ? ys[0] : ys);
    t.true(looked);
  });
}
