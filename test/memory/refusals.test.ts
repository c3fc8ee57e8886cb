/**
 * Networks of which a step does not fit into the memory: the refusal comes within two forward passes, counted in kernels, at every limit
 * up to the least at which they train.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GgnOptions} from '../../src/index';
import {kernelsOf} from '../support/kernels';
import {noise} from '../support/tensors';

const L = tf.layers;
const seeded = {kernelInitializer: tf.initializers.glorotUniform({seed: 1})};
const MiB = 2 ** 20;

/** Moves blocks of pixels into the batch, and back. */
class Shuffled extends tf.layers.Layer {
  static readonly className = 'Shuffled';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x] = [inputs].flat() as tf.Tensor4D[];
    return tf.tidy(() => tf.batchToSpaceND(tf.spaceToBatchND(x, [2, 2], [[0, 0], [0, 0]]), [2, 2], [[0, 0], [0, 0]]));
  }
}

interface Network {
  /** The layers, or the whole model. */
  readonly layers: () => tf.layers.Layer[] | tf.LayersModel;
  readonly batch: number;
  /** MiB at which, and below which, it is refused. */
  readonly refused: number;
  /** The inputs are integers below this number. */
  readonly integers?: number;
  /** The least MiB that are tried; 1 by default. */
  readonly from?: number;
  /** MiB at which it trains; not tried if it is not given. */
  readonly trains?: number;
  /** 'gram' by default. */
  readonly solver?: GgnOptions['solver'];
  /** By default the squared error. */
  readonly loss?: 'categoricalCrossentropy';
}

const head = (): tf.layers.Layer[] => [L.globalAveragePooling2d({}), L.dense({units: 2, ...seeded})];

const recurrent = {recurrentInitializer: tf.initializers.glorotUniform({seed: 2}), ...seeded};

/** Self-attention of two heads, with the layers that stand around it in a transformer. */
function attention(length: number, width: number): tf.LayersModel {
  const x = tf.input({shape: [length, width]});
  let seed = 3;
  const dense = (of: tf.SymbolicTensor, units: number, more = {}): tf.SymbolicTensor =>
    L.dense({units, kernelInitializer: tf.initializers.glorotUniform({seed: seed++}), ...more}).apply(of) as tf.SymbolicTensor;
  const heads = Array.from({length: 2}, () => {
    const [query, key, value] = Array.from({length: 3}, () => dense(x, width / 2));
    const scores = L.softmax({axis: -1}).apply(L.dot({axes: [2, 2]}).apply([query, key])) as tf.SymbolicTensor;
    return L.dot({axes: [2, 1]}).apply([scores, value]) as tf.SymbolicTensor;
  });
  const attended = dense(L.concatenate().apply(heads) as tf.SymbolicTensor, width);
  const normal = L.layerNormalization({}).apply(L.add().apply([x, attended])) as tf.SymbolicTensor;
  const further = L.add().apply([normal, dense(dense(normal, 2 * width, {activation: 'relu'}), width)]) as tf.SymbolicTensor;
  const pooled = L.globalAveragePooling1d({}).apply(L.layerNormalization({}).apply(further)) as tf.SymbolicTensor;
  return tf.model({inputs: x, outputs: dense(pooled, 3)});
}

/** A U-net of one level: as many outputs of an example as it has pixels. */
function unet(pixels: number): tf.LayersModel {
  let seed = 1;
  const conv = (of: tf.SymbolicTensor, filters: number): tf.SymbolicTensor => L.conv2d({filters, kernelSize: 3, padding: 'same',
    activation: filters === 1 ? 'linear' : 'relu', kernelInitializer: tf.initializers.glorotUniform({seed: seed++})}).apply(of) as tf.SymbolicTensor;
  const x = tf.input({shape: [pixels, pixels, 1]});
  const before = conv(x, 6);
  const inner = conv(L.maxPooling2d({poolSize: 2}).apply(before) as tf.SymbolicTensor, 8);
  const joined = L.concatenate().apply([before, L.upSampling2d({size: [2, 2]}).apply(inner) as tf.SymbolicTensor]) as tf.SymbolicTensor;
  return tf.model({inputs: x, outputs: conv(joined, 1)});
}

const networks: Record<string, Network> = {
  'dense layers with a large Gram matrix': {batch: 64, refused: 2.95, layers: () => [
    L.dense({units: 64, activation: 'relu', inputShape: [64], ...seeded}), L.dense({units: 8, ...seeded})]},
  'LSTM': {batch: 16, refused: 1.15, layers: () => [
    L.lstm({units: 112, inputShape: [10, 64], ...recurrent}), L.dense({units: 3, ...seeded})]},
  'GRU': {batch: 16, refused: 1.7, layers: () => [
    L.gru({units: 128, inputShape: [8, 64], ...recurrent}), L.dense({units: 3, ...seeded})]},
  'both directions of time': {batch: 16, refused: 1.8, layers: () => [
    L.bidirectional({layer: L.lstm({units: 128, ...recurrent}) as never, mergeMode: 'concat', inputShape: [6, 32]} as never), L.dense({units: 3, ...seeded})]},
  'layers at each time': {batch: 8, refused: 1.35, layers: () => [
    L.timeDistributed({layer: L.dense({units: 768, activation: 'relu', ...seeded}), inputShape: [24, 128]} as never),
    L.timeDistributed({layer: L.dense({units: 32, ...seeded})} as never), L.globalAveragePooling1d({}), L.dense({units: 3, ...seeded})]},
  'convolutional LSTM': {batch: 4, refused: 3.1, from: 3, layers: () => [
    L.convLstm2d({filters: 6, kernelSize: 3, inputShape: [6, 20, 20, 1], ...recurrent} as never), ...head()]},
  'attention': {batch: 6, refused: 1.95, layers: () => attention(40, 48)},
  'dense layers with many rows': {batch: 32, refused: 2.99, layers: () => [
    L.dense({units: 192, activation: 'relu', inputShape: [32], ...seeded}), L.dense({units: 16, ...seeded})]},
  'convolutions': {batch: 3, refused: 2.1, trains: 2.52, layers: () => [
    L.conv2d({filters: 8, kernelSize: 3, activation: 'relu', padding: 'same', inputShape: [64, 64, 1], ...seeded}),
    L.conv2d({filters: 8, kernelSize: 3, activation: 'tanh', padding: 'same', ...seeded}), ...head()]},
  'convolutions of sequences': {batch: 12, refused: 1.22, layers: () => [
    L.conv1d({filters: 16, kernelSize: 5, activation: 'relu', inputShape: [800, 2], ...seeded}),
    L.conv1d({filters: 16, kernelSize: 5, activation: 'tanh', ...seeded}), L.globalAveragePooling1d({}), L.dense({units: 2, ...seeded})]},
  'convolutions of volumes': {batch: 4, refused: 1.9, layers: () => [
    L.conv3d({filters: 6, kernelSize: 3, activation: 'relu', inputShape: [16, 16, 16, 1], ...seeded}),
    L.conv3d({filters: 6, kernelSize: 3, activation: 'tanh', ...seeded}), L.flatten(), L.dense({units: 2, ...seeded})]},
  'transposed convolution': {batch: 6, refused: 1.3, trains: 1.56, layers: () => [
    L.conv2dTranspose({filters: 12, kernelSize: 3, strides: 2, activation: 'relu', inputShape: [24, 24, 4], ...seeded}), ...head()]},
  'depthwise convolution': {batch: 7, refused: 1.3, layers: () => [
    L.depthwiseConv2d({kernelSize: 3, depthMultiplier: 4, activation: 'relu', inputShape: [48, 48, 3],
      depthwiseInitializer: tf.initializers.glorotUniform({seed: 1})} as never), ...head()]},
  'separable convolution': {batch: 7, refused: 1.3, trains: 1.56, layers: () => [
    L.separableConv2d({filters: 12, kernelSize: 3, activation: 'relu', inputShape: [48, 48, 3],
      depthwiseInitializer: tf.initializers.glorotUniform({seed: 1}), pointwiseInitializer: tf.initializers.glorotUniform({seed: 2})} as never),
    ...head()]},
  'upsampling': {batch: 7, refused: 1.6, layers: () => [
    L.conv2d({filters: 6, kernelSize: 3, padding: 'same', inputShape: [24, 24, 1], ...seeded}), L.upSampling2d({size: [3, 3]}),
    L.conv2d({filters: 4, kernelSize: 3, padding: 'same', activation: 'relu', ...seeded}), ...head()]},
  'embedding': {batch: 32, refused: 1.7, trains: 1.82, integers: 4000, layers: () => [
    L.embedding({inputDim: 4000, outputDim: 16, inputLength: 40, embeddingsInitializer: tf.initializers.glorotUniform({seed: 1})}),
    L.globalAveragePooling1d({}), L.dense({units: 2, ...seeded})]},
  'blocks of images moved into the batch and back': {batch: 8, refused: 2.86, from: 2.8, layers: () => [
    L.conv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'relu', inputShape: [32, 32, 1], ...seeded}), new Shuffled(),
    L.conv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'relu', ...seeded}), L.globalAveragePooling2d({}), L.dense({units: 6, ...seeded})]},
  'batch normalisation': {batch: 8, refused: 1.27, trains: 1.36, layers: () => [
    L.conv2d({filters: 8, kernelSize: 3, inputShape: [32, 32, 1], ...seeded}), L.batchNormalization(), L.activation({activation: 'relu'}),
    L.conv2d({filters: 4, kernelSize: 3, strides: 2, ...seeded}), ...head()]},
  'U-net': {batch: 6, refused: 2.16, from: 2.05, solver: 'auto', layers: () => unet(40)},
  'many outputs': {batch: 128, refused: 1.518, from: 1.42, solver: 'auto', layers: () => [
    L.dense({units: 32, activation: 'tanh', inputShape: [16], ...seeded}), L.dense({units: 1100, ...seeded})]},
  'many outputs behind a batch normalisation': {batch: 128, refused: 3.85, solver: 'auto', layers: () => [
    L.dense({units: 32, inputShape: [16], ...seeded}), L.batchNormalization(), L.activation({activation: 'relu'}), L.dense({units: 1100, ...seeded})]},
  'conjugate gradients': {batch: 12, refused: 2.094, from: 2, solver: 'cg', layers: () => [
    L.conv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'relu', inputShape: [64, 64, 1], ...seeded}), L.maxPooling2d({poolSize: 2}),
    L.conv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'relu', ...seeded}), L.globalAveragePooling2d({}), L.dense({units: 6, ...seeded})]},
  'many outputs by components': {batch: 4, refused: 1.205, from: 1, solver: 'cg', layers: () => [
    L.dense({units: 32, activation: 'tanh', inputShape: [16], ...seeded}), L.dense({units: 320, ...seeded})]},
  'classes by components': {batch: 5, refused: 2.05, from: 1.3, trains: 2.08, solver: 'cg', loss: 'categoricalCrossentropy', layers: () => [
    L.dense({units: 50, activation: 'tanh', inputShape: [16], ...seeded}), L.dense({units: 160, activation: 'softmax', ...seeded})]},
  'a batch of one by components': {batch: 1, refused: 3.92, from: 1.5, solver: 'cg', layers: () => [
    L.dense({units: 60, activation: 'tanh', inputShape: [20], ...seeded}), L.dense({units: 500, ...seeded})]},
  'two outputs of different sizes': {batch: 16, refused: 70.6, from: 70, trains: 70.75, layers: () => {
    const x = tf.input({shape: [32]});
    const h = L.dense({units: 200, activation: 'tanh', ...seeded}).apply(x) as tf.SymbolicTensor;
    return tf.model({inputs: x, outputs: [150, 3].map(units => L.dense({units, ...seeded}).apply(h) as tf.SymbolicTensor)});
  }},
  'dense layers of many weights': {batch: 64, refused: 1.705, from: 1.64, layers: () => [
    L.dense({units: 200, activation: 'relu', inputShape: [300], ...seeded}), L.dense({units: 200, activation: 'relu', ...seeded}),
    L.dense({units: 5, ...seeded})]},
  'normal equations by products of the backend': {batch: 200, refused: 9.55, from: 9.2, solver: 'normal', layers: () => [
    L.dense({units: 30, activation: 'tanh', inputShape: [40], ...seeded}), L.dense({units: 10, ...seeded})]},
  'layer normalisation': {batch: 8, refused: 3.17, trains: 3.4, layers: () => [
    L.dense({units: 64, inputShape: [100, 4], ...seeded}), L.layerNormalization({}), L.globalAveragePooling1d({}),
    L.dense({units: 3, ...seeded})]},
};

type Data = [tf.Tensor, tf.Tensor[]];

function dataOf(model: tf.LayersModel, {batch, integers, loss}: Network): Data {
  const shape = [batch, ...model.inputs[0].shape.slice(1) as number[]];
  const targets = model.outputs.map((output, i) => noise([batch, ...output.shape.slice(1) as number[]], 2 + i));
  return [integers === undefined ? noise(shape, 1) : tf.randomUniform(shape, 0, integers, 'int32', 1),
    loss === undefined ? targets : targets.map(target => tf.tidy(() => target.softmax()))];
}

/** The handles of a trace are reshapes, which share the data. In a pass through layers of small kernels these are half of all kernels. */
const computes = (kernel: string | undefined): boolean => kernel !== 'Reshape' && kernel !== 'Identity';

async function trainAt(model: tf.LayersModel, options: GgnOptions, loss: string, [x, y]: Data): Promise<{kernels: number; message: string | null}> {
  const optimizer = ggn(options);
  model.compile({optimizer, loss});
  let message: string | null = null;
  const kernels = await kernelsOf(() => model.trainOnBatch(x, y).then(() => {}, (error: Error) => {
    message = error.message;
  }), computes);
  optimizer.dispose();
  return {kernels, message};
}

/** Kernels of a forward pass. A batch normalisation reads the statistics of the batch in training, and moves its own. */
async function forwardPass(model: tf.LayersModel, [x, y]: Data): Promise<number> {
  const [testing, training] = [false, true].map(training => () =>
    Promise.resolve(tf.tidy(() => void model.apply(x, {training}))));
  const evaluating = await kernelsOf(() => Promise.resolve(tf.dispose(model.evaluate(x, y, {batchSize: x.shape[0]}))), computes);
  return evaluating + await kernelsOf(training, computes) - await kernelsOf(testing, computes);
}

for (const [name, network] of Object.entries(networks)) {
  const {layers, refused, trains, from = 1, solver = 'gram', loss = 'meanSquaredError'} = network;
  test.serial(`${name}: refused within two forward passes, and never a limit that suffices`, async t => {
    await tf.setBackend('wasm');
    const made = layers();
    const model = Array.isArray(made) ? tf.sequential({layers: made}) : made;
    const data = dataOf(model, network);
    const tried: Array<{limit: number; kernels: number; message: string | null; tensors: number}> = [];
    for (let limit = refused; limit >= from; limit /= from > refused / 1.16 ? 1.02 : 1.16) {
      const attempt = await trainAt(model, {solver, memoryLimit: Math.round(limit * MiB)}, loss, data);
      tried.push({limit, ...attempt, tensors: tf.memory().numTensors});  // the first makes what is made once for a model
    }
    const forward = await forwardPass(model, data);
    for (const {limit, kernels, message, tensors} of tried) {
      t.regex(message ?? '', /memoryLimit allows: \d+\.\d MiB of .* at least, the limit is/, `${limit}`);
      t.true(kernels <= 2 * forward, `limit ${limit}: ${kernels} kernels, a forward pass ${forward}`);
      t.is(tensors, tf.memory().numTensors);
    }
    if (trains !== undefined) {
      t.is((await trainAt(model, {solver, memoryLimit: Math.round(trains * MiB)}, loss, data)).message, null);
    }
    model.dispose();
    tf.dispose(data);
  });
}
