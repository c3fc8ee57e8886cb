/** Where numbers that are not finite come from, said in the error. What an error leaves behind is tested in bad_input.test.ts. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../src/index';

function net(): tf.Sequential {
  return tf.sequential({layers: [tf.layers.dense({units: 3, inputShape: [2], activation: 'tanh'}), tf.layers.dense({units: 1, name: `out${nets++}`})]});
}
let nets = 0;

const BAD = [NaN, Infinity, -Infinity];
const inputs = (bad?: number): tf.Tensor => tf.tensor2d([[1, 2], [3, bad ?? 4]]);
const targets = (bad?: number): tf.Tensor => tf.tensor2d([[1], [bad ?? 2]]);

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: fit names inputs, targets and weights`, async t => {
    await tf.setBackend(backend);
    const model = net();
    const optimizer = ggn();
    model.compile({optimizer, loss: 'meanSquaredError'});
    // tanh maps an infinite input to ±1, so that the loss is finite and only the step is not: see bad_input.test.ts.
    await t.throwsAsync(model.trainOnBatch(inputs(NaN), targets()),
      {message: 'tfjs-ggn: the loss is NaN: the inputs of this batch hold values that are not finite. Clean the data. No step was taken.'});
    for (const bad of BAD) {
      await t.throwsAsync(model.trainOnBatch(inputs(), targets(bad)),
        {message: /^tfjs-ggn: the loss is (NaN|Infinity): the targets of this batch hold values that are not finite\. Clean the data\./});
    }
    const kernel = model.layers[1].trainableWeights[0].read() as tf.Variable;
    kernel.assign(tf.fill([3, 1], NaN));
    const {message} = (await t.throwsAsync(model.trainOnBatch(inputs(), targets())));
    t.is(message, `tfjs-ggn: the loss is NaN: the variable '${kernel.name}' holds values that are not finite. No step was taken.`);
    // Weights come first: they are what the others would be blamed for.
    await t.throwsAsync(model.trainOnBatch(inputs(NaN), targets(NaN)), {message: new RegExp(`the variable '${kernel.name}'`)});
    t.is(optimizer.lastStep, null);
    model.dispose();
  });
}

test.serial('a custom loop names the shape of the tensor', async t => {
  await tf.setBackend('cpu');
  const w = tf.variable(tf.tensor1d([1, 2]));
  const x = tf.tensor2d([[1, 2], [3, NaN], [5, 6]]);
  t.throws(() => ggn().minimize(() => tf.mean(tf.square(tf.mul(x, w))), false, [w]),
    {message: 'tfjs-ggn: the loss is NaN: a tensor of shape [3,2] that the loss is computed from holds values that are not finite. Clean the data. ' +
      'No step was taken.'});
  w.dispose();
});

test.serial('a variable that is not trained but not finite is named as well', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const fixed = tf.variable(tf.tensor1d([Infinity, 1]), false);
  t.throws(() => ggn().minimize(() => tf.mean(tf.square(tf.mul(fixed, w))), false, [w]),
    {message: /the loss is Infinity: .*shape \[2\].*not finite/});
  tf.dispose([w, fixed]);
});

test.serial('finite data and weights whose squares overflow float32', async t => {
  const model = net();
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  await t.throwsAsync(model.trainOnBatch(inputs(), targets(1e30)),
    {message: 'tfjs-ggn: the loss is Infinity although weights and data are finite: float32 overflows. Scale inputs and targets. No step was taken.'});
  model.dispose();
});

test.serial('a Gram matrix that overflows in the first step is named as such: neither model nor package is to blame', async t => {
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2], kernelInitializer: 'zeros'})]});
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  const {message} = (await t.throwsAsync(model.trainOnBatch(tf.tensor2d([[1e20, 1e20], [2e20, 1e19]]), targets())));
  t.regex(message, /^tfjs-ggn: .*(not finite|overflow)/);
  t.notRegex(message, /please report|couples/);
  model.dispose();
});

test.serial('infinite inputs are named although a tanh makes the loss finite', async t => {
  const model = net();
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  await t.throwsAsync(model.trainOnBatch(inputs(Infinity), targets()), {message: /^tfjs-ggn: .*the inputs of this batch hold values that are not finite/});
  model.dispose();
});

test.serial('a batch without examples is named as such', async t => {
  const model = net();
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  const {message} = (await t.throwsAsync(model.trainOnBatch(tf.zeros([0, 2]), tf.zeros([0, 1]))));
  t.regex(message, /^tfjs-ggn: .*(0 rows|no rows|no examples|empty)/);
  model.dispose();
});

test.serial('a custom loop whose residual is empty is named as such', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const {message} = t.throws(() => ggn().minimize(() => tf.mean(tf.square(tf.mul(tf.zeros([0, 2]), w))), false, [w]));
  t.regex(message, /^tfjs-ggn: .*(0 rows|no rows|no examples|empty)/);
  w.dispose();
});

test.serial('integer inputs are no cause', async t => {
  const model = tf.sequential({layers: [tf.layers.embedding({inputDim: 3, outputDim: 2, inputLength: 2}), tf.layers.flatten(), tf.layers.dense({units: 1})]});
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  await t.throwsAsync(model.trainOnBatch(tf.tensor2d([[0, 1], [2, 0]], [2, 2], 'int32'), targets(NaN)), {message: /the targets of this batch/});
  model.dispose();
});
