/**
 * One sweep for all components, against one sweep for each; over all cases with several components that can be cut. On tfjs-node where it
 * can be had; on cpu and WASM sub_batch.test.ts tests both ways.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../../src/index';
import {residualRows} from '../../cases/cases';
import {CustomLayer} from '../../cases/custom_layers';
import {isJoint, jointLinearize} from '../../../src/jacobian/sweep/joint_linearize';
import {linearizeByComponent} from '../../../src/jacobian/sweep/linearize';
import {selfCheck} from '../../../src/jacobian/check/self_check';
import {SubBatches} from '../../../src/jacobian/sweep/sub_batch';
import {denseGram, denseJacobian} from '../../reference/dense_jacobian';
import {availableBackends, useBackend} from '../../support/backends';
import {lookAtCases} from '../../support/case_looks';
import {apply, variablesOf} from '../../support/models';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

/** The same sums of the same float32 numbers, in another order where a product is of another size. */
const TOLERANCE = 2e-6;

/** The cases that must go through: people train these with several outputs. Other cases may go through. */
const EXPECTED = ['dense', 'conv', 'pool', 'batch'];

const joint = new Set<string>();

const hasComponents = (model: tf.LayersModel): boolean => model.outputs.length > 1 || model.outputs[0].shape.slice(1).some(size => size !== 1);

for (const backend of availableBackends().slice(-1)) {
  lookAtCases(backend, (t, {trace, checked: {plan}}, c) => {
    const cut = SubBatches.of(trace, plan);
    if (cut === null || !isJoint(plan)) {
      return;
    }
    joint.add(c.name);
    const {analysis} = plan;
    for (const [from, to] of [[0, analysis.examples], [1, analysis.examples], [0, 1]]) {
      const part = cut.take(from, to);
      const expected = Float64Array.from(linearizeByComponent(part.trace, part.plan).dense().dataSync());
      for (const large of [undefined, 1]) {
        const own = jointLinearize(cut, part, large);
        const error = relativeError(own.dense().dataSync(), expected);
        t.true(error < TOLERANCE, `rows ${from}..${to - 1}: ${error}`);
        const [gram] = own.gram(analysis.variables.map(() => 0));
        t.is(selfCheck(part.trace, part.plan, own, Float64Array.from(gram.dataSync())), null);
      }
    }
  }, hasComponents);
}

test.serial.after('what people train goes through', t => {
  for (const part of EXPECTED) {
    t.true([...joint].some(name => name.includes(part)), part);
  }
});

// ------------------------------------------------------------------------------------------------------------- dense layers, whole batches

const L = tf.layers;
type Activation = 'linear' | 'relu' | 'elu' | 'selu' | 'tanh' | 'sigmoid' | 'softplus' | 'softmax' | 'swish';

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

/** tfjs's own gradients, which the reference is made of, are wrong for maxima of negative numbers on WASM. */
const POSITIVE = (): tf.layers.Layer => L.activation({activation: 'sigmoid'});

/** Functions of one entry that no layer of tfjs applies. */
class Functions extends CustomLayer {
  static className = 'TestFunctions';

  protected weightShapes(): number[][] {
    return [];
  }

  protected compute(x: tf.Tensor): tf.Tensor {
    const small = x.mul(0.5);
    const some = [tf.tan, tf.asin, tf.acos, tf.atan, tf.sinh, tf.cosh, tf.asinh, tf.atanh].map(f => f(small));
    const all = [...some, tf.mod(small, 0.3), tf.acosh(x.add(3)), tf.cast(x, 'float32'), tf.sub(x, x.sum(1, true)), tf.add(x.mean(1, true), x)];
    return tf.addN(all.map((y, i) => y.mul(Math.cos(i))));
  }
}

const NETWORKS: Record<string, () => tf.LayersModel> = {
  'one layer': () => network([5], dense(3, 'linear', 1)),
  ...Object.fromEntries((['relu', 'elu', 'selu', 'tanh', 'sigmoid', 'softplus', 'swish'] as const).map(activation =>
    [activation, () => network([5], dense(6, activation, 1), dense(4, activation, 2), dense(3, 'linear', 3))])),
  'functions of one entry': () => network([5], dense(6, 'tanh', 1), new Functions({}), dense(3, 'linear', 3)),
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
  'a slope for each element, several axes': () => network([5], dense(4, 'linear', 1), L.reshape({targetShape: [1, 4]}), L.prelu({}), L.flatten(), dense(2, 'linear', 2)),
  softmax: () => network([5], dense(4, 'softmax', 1), dense(3, 'linear', 2)),
  ...Object.fromEntries(Object.entries<() => tf.layers.Layer[]>({
    'pooling by maxima': () => [POSITIVE(), L.maxPooling2d({poolSize: 2, strides: 1})],
    'pooling by maxima, not of examples alone': () => [POSITIVE(), L.timeDistributed({layer: L.maxPooling1d({poolSize: 2})})],
    'pooling of volumes by maxima': () => [L.reshape({targetShape: [3, 4, 2, 2]}), POSITIVE(), L.maxPooling3d({poolSize: 2, strides: 1})],
    'pooling by means': () => [L.averagePooling2d({poolSize: 2, strides: 1})],
    'maxima of images, and means': () => [L.globalMaxPooling2d({}), L.repeatVector({n: 3}), L.averagePooling1d({poolSize: 2})],
    'padding, cropping, permuting': () => [L.zeroPadding2d({padding: [[1, 0], [0, 2]]}), L.cropping2D({cropping: [[0, 1], [1, 1]]}), L.permute({dims: [3, 1, 2]})],
    'larger images': () => [L.reshape({targetShape: [4, 4, 3]}), L.upSampling2d({size: [2, 2], interpolation: 'bilinear'})],
    'activations with parameters': () => [L.leakyReLU(), L.activation({activation: 'relu6'}), L.prelu({alphaInitializer: 'randomNormal', sharedAxes: [1, 2]})],
    'activations of several kernels': () => [L.activation({activation: 'softsign'}), L.activation({activation: 'mish'}), L.activation({activation: 'hardSigmoid'})],
    'softmax of positions': () => [L.activation({activation: 'softmax'})],
  }).map(([name, layers]) => [name, () => network([3, 4, 2], dense(4, 'tanh', 1), ...layers(), L.flatten(), dense(3, 'linear', 2))])),
  ...Object.fromEntries(Object.entries<() => tf.layers.Layer>({'a sum': () => L.add(), 'a product': () => L.multiply(), 'a mean': () => L.average(), 'the larger': () => L.maximum(),
    'the smaller': () => L.minimum(), 'side by side': () => L.concatenate()}).map(([name, merge]) => [`two branches, ${name}`, () => functional(x =>
    apply(dense(3, 'linear', 3), apply(merge(), apply(dense(4, 'tanh', 1), x), apply(dense(4, 'sigmoid', 2), x))))])),
  'two outputs': () => functional(x => [apply(dense(2, 'linear', 1), x), apply(dense(3, 'linear', 2), x)]),
  'a bias at several positions': () => network([3, 4], dense(2, 'tanh', 1), L.flatten(), dense(3, 'linear', 2)),
  'a matrix at several positions': () => network([3, 4], dense(2, 'tanh', 1, false), L.flatten(), dense(3, 'linear', 2)),
};

for (const backend of availableBackends()) {
  for (const [name, build] of Object.entries(NETWORKS)) {
    test.serial(`${backend}, the reference: ${name}`, async t => {
      await useBackend(backend);
      const model = build();
      const ys = model.outputs.map((output, i) => noise([4, output.shape[1]!], 8 + i));
      const batch = {x: noise([4, ...model.inputs[0].shape.slice(1) as number[]], 7), y: ys.length === 1 ? ys[0] : ys};
      const names = variablesOf(model);
      const {jacobian: expected, n, m} = denseJacobian(() => residualRows(model, batch), names);
      let looked = false;
      model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan, jacobian, grams}, variables}) => {
        looked = true;
        t.not(SubBatches.of(trace, plan), null);
        const columns = variables.flatMap(v => {
          const start = names.slice(0, names.indexOf(v)).reduce((sum, w) => sum + w.size, 0);
          return Array.from({length: v.size}, (_, i) => start + i);
        });
        const rows = Float64Array.from({length: n * m}, (_, i) => expected[Math.floor(i / m) * m + columns[i % m]]);
        t.true(relativeError(jacobian.dense().dataSync(), rows) < 2e-5, 'rows');
        t.true(relativeError(grams[0], denseGram(rows, n, m)) < 2e-5, 'Gram matrix');
      })});
      await model.trainOnBatch(batch.x, batch.y);
      t.true(looked);
      model.dispose();
      tf.dispose([batch.x, ...ys]);
    });
  }
}

test.serial('two terms of one residual have rows of their own', async t => {
  await useBackend('cpu');
  const [x, y] = [noise([400, 5], 1), noise([400, 3], 2)];
  const initial = noise([5, 3], 3);
  const step = (add: (r: tf.Tensor) => tf.Tensor): Float32Array => {
    const w = tf.variable(initial);
    // A policy without a trial would majorize log-cosh by itself, and not the sum of both.
    const optimizer = ggn({policy: 'levenbergMarquardt', damping: 0.1, solver: 'normal'});
    optimizer.minimize(() => {
      const r = tf.tanh(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)).sub(y);
      return tf.add(tf.mean(tf.log(tf.cosh(r))), tf.mean(tf.square(add(r)))) as tf.Scalar;
    });
    t.is(optimizer.lastStep!.jacobian, 'batch');
    const data = w.dataSync() as Float32Array;
    w.dispose();
    return data;
  };
  t.true(relativeError(step(r => r), Float64Array.from(step(r => r.add(tf.zeros([3]))))) < 1e-6);
  tf.dispose([x, y, initial]);
});
