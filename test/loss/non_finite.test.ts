/** The error names the source of numbers that are not finite. (The state after an error: test/behaviour/bad_input.) */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GgnOptions} from '../../src/index';

function net(isRegularized = false): tf.Sequential {
  const kernelRegularizer = isRegularized ? tf.regularizers.l1l2({l1: 0.01, l2: 0.01}) : undefined;
  return tf.sequential({layers: [tf.layers.dense({units: 3, inputShape: [2], activation: 'tanh', kernelRegularizer}), tf.layers.dense({units: 1, name: `out${nets++}`})]});
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
    // Weights come first: otherwise inputs and targets would be blamed for them.
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
    {message: /^tfjs-ggn: the loss is Infinity although weights and data are finite: float32 overflows in the kernel '(Multiply|Square)' \(.*the layer 'out\d+', Dense\)\. Scale inputs and targets\. No step was taken\.$/});
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

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: an overflow that a tanh or a sigmoid hides from the loss is named by its kernel and layer, under every system`, async t => {
    await tf.setBackend(backend);
    for (const activation of ['tanh', 'sigmoid'] as const) {
      for (const solver of ['gram', 'normal', 'cg'] as const) {
        const model = tf.sequential({layers: [
          tf.layers.dense({units: 3, inputShape: [2], activation, name: `hidden${nets++}`, kernelInitializer: tf.initializers.constant({value: 2})}),
          tf.layers.dense({units: 1})]});
        model.compile({optimizer: ggn({solver}), loss: 'meanSquaredError'});
        await t.throwsAsync(async () => model.trainOnBatch(tf.tensor2d([[1, 2], [3e38, 3e38], [0.5, 1]]), tf.tensor2d([[1], [0], [2]])),
            {message: /float32 overflows in the kernel '_FusedMatMul' \(in the layer 'hidden\d+', Dense\)\. Scale inputs and targets/}, `${activation}, ${solver}`);
        model.dispose();
      }
    }
    await tf.setBackend('cpu');
  });
}

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

// ------------------------------------------------------------------------------------------------------------- in any batch, by any system

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: an infinity in a later batch is named by what holds it, never by the state of the optimizer`, async t => {
    await tf.setBackend(backend);
    for (const options of [{}, {policy: 'agreement'}, {policy: 'fixed', solver: 'gram'}, {policy: 'fixed', solver: 'normal'}, {policy: 'fixed', solver: 'cg'},
      {policy: 'agreement', solver: 'cg'}, {policy: 'levenbergMarquardt'}, {policy: 'levenbergMarquardt', solver: 'cg'}] as GgnOptions[]) {
      for (const regularized of [false, true]) {
        const model = net(regularized);
        model.compile({optimizer: ggn(options), loss: 'meanSquaredError'});
        await model.trainOnBatch(inputs(), targets());
        await model.trainOnBatch(inputs(5), targets(1));
        const weights = model.getWeights().map(w => [...w.dataSync()]);
        const {message} = await t.throwsAsync(model.trainOnBatch(inputs(Infinity), targets()), undefined, JSON.stringify(options));
        t.is(message, 'tfjs-ggn: the Jacobian of the batch is not finite: the inputs of this batch hold values that are not finite. Clean the data. No step was taken.', JSON.stringify(options));
        t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), weights);
        model.dispose();
      }
    }
  });

  test.serial(`${backend}: in a custom loop the tensor or the kernel is named`, async t => {
    await tf.setBackend(backend);
    const w = tf.variable(tf.tensor1d([0.5, 1]), true, `w_of_${backend}`);
    const step = (f: () => tf.Tensor): string => t.throws(() => ggn({policy: 'fixed'}).minimize(() => f().square().mean() as tf.Scalar, false, [w])).message;
    const x = tf.tensor2d([[1, 2], [3, Infinity]]);
    t.regex(step(() => w.mul(x).tanh()), /the Jacobian .* is not finite: a tensor of shape \[2,2\] that the loss is computed from holds values that are not finite/);
    t.regex(step(() => w.sub(1).log()), /the loss is NaN: the kernel 'Log' \(behind the variable 'w_of_.*'\) makes NaN of numbers that are finite\. Keep its inputs in the range in which it is defined/);
    t.regex(step(() => w.sub(1).log().mul(0).relu().add(w)), /is (NaN|not finite): the kernel 'Log'/);
    t.regex(step(() => w.mul(200).exp()), /the loss is Infinity although weights and data are finite: float32 overflows in the kernel 'Exp'/);
    t.regex(step(() => w.sub(1).abs().sqrt()), /the Jacobian .* is not finite: the derivative of the kernel 'Sqrt'.* is not finite at numbers that are/);
    // An infinity that does no harm is not blamed.
    const mask = tf.tensor1d([0, -Infinity]);
    t.regex(step(() => w.add(mask).softmax().add(w.sub(1).log())), /the kernel 'Log'/);
    tf.dispose([w, x, mask]);
  });
}

test.serial('a pole is named as such: scaling the data would not help', async t => {
  await tf.setBackend('cpu');
  const w = tf.variable(tf.tensor1d([0, 1]));
  const step = (f: () => tf.Tensor): string => t.throws(() => ggn().minimize(() => f().square().mean().asScalar())).message;
  for (const [kernel, f] of Object.entries({Log: () => w.mul(w.log()), RealDiv: () => tf.div(1, w), Rsqrt: () => w.rsqrt(), Reciprocal: () => w.reciprocal(), Pow: () => w.pow(-1)})) {
    t.regex(step(f), new RegExp(`the kernel '${kernel}' .*makes an infinity of 0 \\(a division by 0, the logarithm of 0\\)\\. Keep its inputs away`));
  }
  t.regex(step(() => w.neg().log1p()), /the kernel 'Log1p' .*makes an infinity of -1/);
  t.regex(step(() => w.sub(0.5).log()), /the kernel 'Log' .*makes NaN of numbers that are finite/);
  w.dispose();
});

test.serial('class weights are named, and so is the layer of a kernel', async t => {
  await tf.setBackend('cpu');
  const model = net();
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  await t.throwsAsync(model.fit(inputs(), tf.tensor2d([[0], [1]]), {classWeight: {0: NaN, 1: 1}, verbose: 0}), {message: /the class weights of this batch hold values that are not finite/});
  const exponential = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2], name: 'grows', kernelInitializer: tf.initializers.constant({value: 100})}),
    tf.layers.activation({activation: 'softplus'}), tf.layers.elu()]});
  exponential.compile({optimizer: ggn(), loss: (target: tf.Tensor, output: tf.Tensor) => output.mul(output).exp().sub(target).square().mean(-1)});
  await t.throwsAsync(exponential.trainOnBatch(inputs(), targets()), {message: /float32 overflows in the kernel 'Exp' \(in or behind the layer 'grows', Dense\)/});
});

test.serial('a kernel of the WASM backend that reads memory which it has not cleared is to blame, not float32, whatever was left there', async t => {
  await tf.setBackend('wasm');
  // The kernel gets the buffer for its output that was freed last.
  for (let size = 1; size <= 64; size++) {
    tf.dispose(Array.from({length: 20}, () => tf.fill([size], NaN)));
  }
  const model = tf.sequential({layers: [tf.layers.conv3dTranspose({filters: 2, kernelSize: 2, inputShape: [2, 1, 2, 2]}), tf.layers.flatten(), tf.layers.dense({units: 1})]});
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  await t.throwsAsync(async () => model.trainOnBatch(tf.ones([3, 2, 1, 2, 2]), tf.ones([3, 1])), {message: /'Conv3DBackpropInputV2' .*computes wrong values on the WASM backend/});
  model.dispose();
  await tf.setBackend('cpu');
});
