/** A training step tells our optimizer its batch, and other optimizers see no effect. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {hookFitBatch, fitBatchOf} from '../../src/tfjs/fit_batch_hook';
import type {FitBatch} from '../../src/tfjs/fit_batch_hook';
import {ggn, GramGaussNewton, register} from '../../src/index';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** Notes the `FitBatch` of each step, and a copy of its data. */
class Note extends GramGaussNewton {
  readonly steps: Array<{fitBatch: FitBatch | null; inputs: number[][]; targets: number[][]}> = [];

  override minimize(f: () => tf.Scalar, returnCost = false, varList?: tf.Variable[]): tf.Scalar | null {
    const fitBatch = fitBatchOf(this);
    const numbers = (tensors: readonly tf.Tensor[] | undefined): number[][] => (tensors ?? []).map(tensor => [...tensor.dataSync()]);
    this.steps.push({fitBatch, inputs: numbers(fitBatch?.inputs), targets: numbers(fitBatch?.targets)});
    return super.minimize(f, returnCost, varList);
  }
}

const L = tf.layers;

const small = (): tf.Sequential => tf.sequential({layers: [L.dense({units: 1, inputShape: [2]})]});

test.serial('fit gives the slices of every batch', async t => {
  const model = small();
  const optimizer = new Note();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const x = tf.tensor2d([[1, 2], [3, 4], [5, 6]]);
  const y = tf.tensor2d([[7], [8], [9]]);
  await model.fit(x, y, {batchSize: 2, epochs: 1, shuffle: false, verbose: 0});
  t.deepEqual(optimizer.steps.map(s => s.inputs), [[[1, 2, 3, 4]], [[5, 6]]]);
  t.deepEqual(optimizer.steps.map(s => s.targets), [[[7, 8]], [[9]]]);
  t.true(optimizer.steps[0].fitBatch!.model.layers.some(layer => layer.name === model.layers[0].name));
  t.is(fitBatchOf(optimizer), null, 'gone after the step');
  optimizer.dispose();
});

test.serial('trainOnBatch and fitDataset give their batch', async t => {
  const model = small();
  const optimizer = new Note();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(tf.tensor2d([[1, 2]]), tf.tensor2d([[3]]));
  await model.fitDataset(tf.data.zip({xs: tf.data.array([[4, 5], [6, 7]]), ys: tf.data.array([[8], [9]])}).batch(2), {epochs: 1, verbose: 0});
  t.deepEqual(optimizer.steps.map(s => s.inputs), [[[1, 2]], [[4, 5, 6, 7]]]);
  t.deepEqual(optimizer.steps.map(s => s.targets), [[[3]], [[8, 9]]]);
  optimizer.dispose();
});

test.serial('two inputs, two heads: inputs and targets apart, class weights not among them', async t => {
  const [a, b] = [tf.input({shape: [1]}), tf.input({shape: [2]})];
  const joined = L.concatenate().apply([a, b]) as tf.SymbolicTensor;
  const model = tf.model({inputs: [a, b], outputs: [1, 1].map((units, i) => L.dense({units, name: `head${i}_of_hook`}).apply(joined) as tf.SymbolicTensor)});
  const optimizer = new Note();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.fit([tf.tensor2d([[1], [2]]), tf.tensor2d([[3, 4], [5, 6]])], [tf.tensor2d([[0], [1]]), tf.tensor2d([[1], [0]])],
      {epochs: 1, shuffle: false, verbose: 0, classWeight: [{0: 1, 1: 2}, {0: 3, 1: 4}]});
  t.deepEqual(optimizer.steps.map(s => [s.inputs, s.targets]), [[[[1, 2], [3, 4, 5, 6]], [[0, 1], [1, 0]]]]);
  optimizer.dispose();
});

test.serial('in a custom loop there is no context, also after a step of fit that threw', async t => {
  const model = small();
  const optimizer = new Note();
  model.compile({optimizer, loss: () => {
    throw new Error('bad loss');
  }});
  await t.throwsAsync(model.trainOnBatch(tf.tensor2d([[1, 2]]), tf.tensor2d([[3]])), {message: 'bad loss'});
  t.is(fitBatchOf(optimizer), null);
  const w = tf.variable(tf.tensor1d([1, 2]));
  optimizer.minimize(() => tf.sub(w, [3, 4]).square().mean());
  t.deepEqual(optimizer.steps.map(s => s.fitBatch === null), [false, true]);
  optimizer.dispose();
  w.dispose();
});

test.serial('inert for other optimizers', async t => {
  const sgd = tf.train.sgd(0.1);
  const {minimize} = sgd;
  const keys: Array<Array<string | symbol>> = [];
  sgd.minimize = function(this: tf.SGDOptimizer, ...args: Parameters<typeof minimize>) {
    keys.push(Reflect.ownKeys(this));
    return minimize.apply(this, args);
  } as typeof minimize;
  const model = small();
  model.compile({optimizer: sgd, loss: 'meanSquaredError'});
  const before = Reflect.ownKeys(sgd);
  await model.trainOnBatch(tf.tensor2d([[1, 2]]), tf.tensor2d([[3]]));
  t.deepEqual(keys, [before]);
});

test.serial('hooking again changes nothing', t => {
  const prototype = tf.LayersModel.prototype as unknown as Record<string, unknown>;
  const hooked = prototype['makeTrainFunction'];
  hookFitBatch(tf.LayersModel, () => true);
  register(tf);
  register(tf);
  t.is(prototype['makeTrainFunction'], hooked);
  t.false(Object.keys(prototype).some(key => key.includes('ggn')));
});

test.serial('another copy of tfjs-layers is hooked once, for the optimizers that are ours', t => {
  const optimizer = ggn();
  const sgd = tf.train.sgd(0.1);
  const contexts: Array<FitBatch | null> = [];
  class LayersModel {
    inputs = [0];
    outputs = [0];
    constructor(readonly optimizer_?: tf.Optimizer) {}
    makeTrainFunction(): (data: tf.Tensor[]) => unknown {
      return () => {
        contexts.push(this.optimizer_ === undefined ? null : fitBatchOf(this.optimizer_));
        return 'trained';
      };
    }
  }
  hookFitBatch(LayersModel, candidate => candidate === optimizer);
  hookFitBatch(LayersModel, candidate => candidate === optimizer);
  const [x, y, w] = [tf.scalar(1), tf.scalar(2), tf.scalar(3)];
  for (const one of [optimizer, sgd, undefined]) {
    t.is(new LayersModel(one).makeTrainFunction()([x, y, w]), 'trained');
  }
  t.deepEqual(contexts.map(fitBatch => fitBatch === null ? null : [fitBatch.inputs, fitBatch.targets]), [[[x], [y]], null, null]);
});

test.serial('an optimizer of another copy of this package, known by its name, gets the context too', async t => {
  let seen: FitBatch | null = null;
  class Foreign extends tf.Optimizer {
    static className = 'GramGaussNewton';
    override minimize(f: () => tf.Scalar): tf.Scalar {
      seen = fitBatchOf(this as tf.Optimizer);
      return f();
    }
    override applyGradients(): void {
      throw new Error('not used');
    }
    getConfig(): tf.serialization.ConfigDict {
      return {};
    }
  }
  const model = small();
  model.compile({optimizer: new Foreign(), loss: 'meanSquaredError'});
  await model.trainOnBatch(tf.tensor2d([[1, 2]]), tf.tensor2d([[3]]));
  t.is((seen as FitBatch | null)?.targets.length, 1);
});
