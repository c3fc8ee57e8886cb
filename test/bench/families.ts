/** Networks for the table of families of layers: one layer between layers with parameters, large enough that its kernels count. */
import * as tf from '@tensorflow/tfjs';

const L = tf.layers;

/** Examples and outputs of each network. */
export const EXAMPLES = 16;
export const OUTPUTS = 8;

export interface Family {
  /** Shape of one example. */
  readonly input: readonly number[];
  /** Layers between the input and the dense layer of the outputs; functions of tensors where one does not follow the other. */
  body(x: tf.SymbolicTensor): tf.SymbolicTensor;
}

type Layer = tf.layers.Layer;

const chain = (...layers: readonly Layer[]) => (x: tf.SymbolicTensor): tf.SymbolicTensor =>
  layers.reduce((t, layer) => layer.apply(t) as tf.SymbolicTensor, x);

const join = (layer: Layer, ...tensors: tf.SymbolicTensor[]): tf.SymbolicTensor => layer.apply(tensors) as tf.SymbolicTensor;

const SEQUENCE = [512, 8];
const STEPS = [24, 8];
const IMAGE = [24, 24, 4];
const VOLUME = [8, 8, 8, 4];

const units = 16;
/** A layer with parameters, so that cotangents go through what follows. */
const pixels = (): Layer => L.dense({units, activation: 'tanh'});
const means2d = (): Layer => L.globalAveragePooling2d({});
const means1d = (): Layer => L.globalAveragePooling1d({});

const sequence = (...layers: Layer[]): Family => ({input: SEQUENCE, body: chain(pixels(), ...layers, means1d())});
const image = (...layers: Layer[]): Family => ({input: IMAGE, body: chain(pixels(), ...layers, means2d())});
const volume = (...layers: Layer[]): Family => ({input: VOLUME, body: chain(pixels(), ...layers, L.flatten())});
const recurrent = (...layers: Layer[]): Family => ({input: STEPS, body: chain(...layers)});
const merged = (merge: () => Layer): Family => ({input: IMAGE, body: x => means2d().apply(
    join(merge(), pixels().apply(x) as tf.SymbolicTensor, pixels().apply(x) as tf.SymbolicTensor)) as tf.SymbolicTensor});

/** Why the ratio of a row is above 2. */
export const NAMED: Record<string, string> = {
  'embedding': 'sums of the tokens and their Gram matrix in JavaScript, beside a gather of 1,024 tokens',
  'dense': "Gram matrix and factors of 128 rows beside a pass of 16 examples",
  'conv1d': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'conv2d': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'conv2d, strides 2': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'conv2d, strides [2, 1]': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'conv2d, dilation 2': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'conv2d, channels first': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'convLstm2d': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'timeDistributed conv2d': "rows of the filter: one product of patches for each example (XNNPACK takes no batches), and their Gram matrix",
  'conv3d, strides 2': "tfjs's Conv3D takes 5 ns a multiplication, and the input gradient 8 times those of the forward pass, of inserted zeros",
  'depthwiseConv2d': "rows of the filter: sums over positions for each example and output, in JavaScript",
  'depthwiseConv2d, multiplier 2, strides 2': "the same",
  'separableConv2d': "the same, and the rows of the pointwise filter",
  'maxPooling1d': "maxima are looked for in JavaScript, once a step; tfjs's MaxPool takes .3 ns an entry",
  "maxPooling2d, 3, strides 1, 'same'": "the same, nine places in each window",
};

/** By name; made when it is measured. */
export const FAMILIES: Record<string, () => Family> = {
  'dense': () => ({input: [256], body: chain(L.dense({units: 256, activation: 'relu'}), L.dense({units: 256, activation: 'relu'}))}),
  'dense on positions': () => image(),
  'conv1d': () => sequence(L.conv1d({filters: units, kernelSize: 3})),
  'conv2d': () => image(L.conv2d({filters: units, kernelSize: 3, activation: 'relu'})),
  'conv2d, strides 2': () => image(L.conv2d({filters: units, kernelSize: 3, strides: 2, padding: 'same'})),
  'conv2d, strides [2, 1]': () => image(L.conv2d({filters: units, kernelSize: 3, strides: [2, 1], padding: 'same'})),
  'conv2d, dilation 2': () => image(L.conv2d({filters: units, kernelSize: 3, dilationRate: 2})),
  'conv2d, channels first': () => image(L.conv2d({filters: units, kernelSize: 3, dataFormat: 'channelsFirst', padding: 'same'})),
  'conv3d': () => volume(L.conv3d({filters: 4, kernelSize: 2})),
  'conv3d, strides 2': () => volume(L.conv3d({filters: 4, kernelSize: 2, strides: 2})),
  'conv2dTranspose': () => image(L.conv2dTranspose({filters: units, kernelSize: 3, strides: 2, padding: 'same'})),
  'depthwiseConv2d': () => image(L.depthwiseConv2d({kernelSize: 3})),
  'depthwiseConv2d, multiplier 2, strides 2': () => image(L.depthwiseConv2d({kernelSize: 3, depthMultiplier: 2, strides: 2})),
  'separableConv2d': () => image(L.separableConv2d({filters: units, kernelSize: 3})),
  'maxPooling1d': () => sequence(L.maxPooling1d({poolSize: 2, strides: 2})),
  'maxPooling2d': () => image(L.maxPooling2d({poolSize: 2})),
  'maxPooling2d, 3, strides 2': () => image(L.maxPooling2d({poolSize: 3, strides: 2})),
  "maxPooling2d, 3, strides 1, 'same'": () => image(L.maxPooling2d({poolSize: 3, strides: 1, padding: 'same'})),
  'maxPooling3d': () => volume(L.maxPooling3d({poolSize: 2})),
  'averagePooling1d': () => sequence(L.averagePooling1d({poolSize: 2, strides: 2})),
  'averagePooling2d': () => image(L.averagePooling2d({poolSize: 2})),
  'averagePooling2d, 3, strides 2': () => image(L.averagePooling2d({poolSize: 3, strides: 2})),
  "averagePooling2d, 3, strides 1, 'same'": () => image(L.averagePooling2d({poolSize: 3, strides: 1, padding: 'same'})),
  'averagePooling3d': () => volume(L.averagePooling3d({poolSize: 2})),
  'globalMaxPooling1d': () => ({input: SEQUENCE, body: chain(pixels(), L.globalMaxPooling1d({}))}),
  'globalMaxPooling2d': () => ({input: IMAGE, body: chain(pixels(), L.globalMaxPooling2d({}))}),
  'simpleRNN': () => recurrent(L.simpleRNN({units})),
  'lstm': () => recurrent(L.lstm({units})),
  'gru': () => recurrent(L.gru({units})),
  'bidirectional lstm': () => recurrent(L.bidirectional({layer: L.lstm({units}) as tf.RNN, mergeMode: 'concat'})),
  'two lstm': () => recurrent(L.lstm({units, returnSequences: true}), L.lstm({units})),
  'convLstm2d': () => ({input: [4, 12, 12, 4], body: chain(L.convLstm2d({filters: 4, kernelSize: 3}), means2d())}),
  'timeDistributed conv2d': () => ({input: [4, 12, 12, 4], body: chain(pixels(), L.timeDistributed({layer: L.conv2d({filters: units, kernelSize: 3})}), L.flatten())}),
  'embedding': () => ({input: [64], body: chain(L.embedding({inputDim: 1000, outputDim: 16}), means1d())}),
  'batchNormalization': () => image(L.batchNormalization()),
  'layerNormalization': () => image(L.layerNormalization()),
  'upSampling2d, nearest': () => image(L.upSampling2d({size: [2, 2]})),
  'upSampling2d, bilinear': () => image(L.upSampling2d({size: [2, 2], interpolation: 'bilinear'})),
  'zeroPadding2d': () => image(L.zeroPadding2d({padding: 2})),
  'cropping2D': () => image(L.cropping2D({cropping: [[2, 2], [2, 2]]})),
  'permute': () => image(L.permute({dims: [2, 1, 3]})),
  'reshape': () => image(L.reshape({targetShape: [48, 12, units]})),
  'repeatVector': () => ({input: [64], body: chain(L.dense({units: 64}), L.repeatVector({n: 64}), L.dense({units: 16}), means1d())}),
  'dropout': () => image(L.dropout({rate: .5})),
  'spatialDropout1d': () => sequence(L.spatialDropout1d({rate: .5})),
  'gaussianNoise': () => image(L.gaussianNoise({stddev: .1})),
  'masking': () => sequence(L.masking()),
  'add': () => merged(() => L.add()),
  'multiply': () => merged(() => L.multiply()),
  'average': () => merged(() => L.average()),
  'maximum': () => merged(() => L.maximum()),
  'minimum': () => merged(() => L.minimum()),
  'concatenate': () => merged(() => L.concatenate()),
  'dot': () => ({input: [64, 8], body: x => join(L.dot({axes: -1}), pixels().apply(x) as tf.SymbolicTensor, pixels().apply(x) as tf.SymbolicTensor)}),
  ...Object.fromEntries((['elu', 'hardSigmoid', 'linear', 'relu', 'relu6', 'selu', 'sigmoid', 'softmax', 'softplus', 'softsign', 'tanh', 'swish', 'mish', 'gelu'] as const)
      .map(activation => [`activation ${activation}`, () => image(L.activation({activation}))])),
  'prelu': () => image(L.prelu({sharedAxes: [1, 2]})),
  'prelu, each entry': () => image(L.prelu()),
  'leakyReLU': () => image(L.leakyReLU()),
  'thresholdedReLU': () => image(L.thresholdedReLU()),
  'elu layer': () => image(L.elu()),
};

export function familyModel({input, body}: Family, optimizer: tf.Optimizer): tf.LayersModel {
  const inputs = tf.input({shape: [...input]});
  const last = body(inputs);
  const flat = last.shape.length > 2 ? L.flatten().apply(last) as tf.SymbolicTensor : last;
  const model = tf.model({inputs, outputs: L.dense({units: OUTPUTS}).apply(flat) as tf.SymbolicTensor});
  model.compile({optimizer, loss: 'meanSquaredError'});
  return model;
}

export function familyBatch({input}: Family, name: string): {x: tf.Tensor; y: tf.Tensor} {
  const shape = [EXAMPLES, ...input];
  return {x: name === 'embedding' ? tf.randomUniform(shape, 0, 1000, 'int32', 1) : tf.randomNormal(shape, 0, 1, 'float32', 1),
    y: tf.randomNormal([EXAMPLES, OUTPUTS], 0, 1, 'float32', 2)};
}
