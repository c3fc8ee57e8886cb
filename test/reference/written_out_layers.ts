/**
 * Layers of a model written another way for a while: those that tfjs cannot differentiate, or differentiates wrongly on its cpu backend.
 */
import * as tf from '@tensorflow/tfjs';
import {replace} from '../support/replace';
import {averagePooling, convolution, depthwiseConvolution, resize, transposedConvolution} from './written_out';

export interface WrittenOut {
  /** All convolutions, also those that tfjs can differentiate: to check this file. */
  convolutions?: boolean;
}

/** The members of layers of tfjs-layers; each layer has some of them. */
interface Layer {
  getClassName(): string;
  call: (inputs: tf.Tensor | tf.Tensor[], kwargs: unknown) => tf.Tensor | tf.Tensor[];
  computeMask: (inputs: tf.Tensor | tf.Tensor[]) => tf.Tensor;
  layers?: Layer[];
  layer?: Layer;
  forwardLayer?: Layer;
  backwardLayer?: Layer;
  cell?: Layer;
  cells?: Layer[];
  kernel: tf.LayerVariable;
  depthwiseKernel: tf.LayerVariable;
  pointwiseKernel: tf.LayerVariable;
  bias: tf.LayerVariable | null;
  activation: {apply(x: tf.Tensor): tf.Tensor} | null;
  kernelSize: number[];
  strides: number[];
  dilationRate: number[];
  padding: 'same' | 'valid';
  dataFormat: 'channelsFirst' | 'channelsLast';
  size: number[];
  poolSize: number[];
  interpolation: 'nearest' | 'bilinear';
  height: number;
  width: number;
  theta: number;
  maskValue: number;
  inputConv: (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor | null, padding: 'same' | 'valid') => tf.Tensor;
  recurrentConv: (x: tf.Tensor, w: tf.Tensor) => tf.Tensor;
}

type Call = (x: tf.Tensor) => tf.Tensor;

/** run() while the layers that need it are written out. */
export function writtenOut<T>(model: tf.LayersModel, options: WrittenOut, run: () => T): T {
  const restore: (() => void)[] = [];
  for (const layer of layersIn(model as unknown as Layer)) {
    const call = otherForm(layer, options);
    if (call !== null) {
      restore.push(replace(layer, 'call', () => inputs => tf.tidy(() => call(Array.isArray(inputs) ? inputs[0] : inputs))));
    }
    if (layer.getClassName() === 'Masking') {
      restore.push(replace(layer, 'computeMask', () => x => tf.cast(constant(tf.any(tf.notEqual(Array.isArray(x) ? x[0] : x, layer.maskValue), -1)), 'bool')));
    }
    if (layer.getClassName() === 'ConvLSTM2DCell' && (options.convolutions || isDilated(layer) || layer.dataFormat === 'channelsFirst')) {
      const convolve = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor | null, window: ReturnType<typeof windowOf>): tf.Tensor =>
        onChannelsLast(layer, x, image => b === null ? convolution(image, w, window) : tf.add(convolution(image, w, window), b));
      restore.push(
        replace(layer, 'inputConv', () => (x, w, b, padding) => convolve(x, w, b, {...windowOf(layer), padding})),
        replace(layer, 'recurrentConv', () => (x, w) => convolve(x, w, null, {...windowOf(layer), padding: 'same', strides: [1, 1], dilations: [1, 1]})));
    }
  }
  try {
    return run();
  } finally {
    restore.forEach(undo => undo());
  }
}

/** The layer and all layers within it. */
function layersIn(layer: Layer): Layer[] {
  const inner = [...layer.layers ?? [], layer.layer, layer.forwardLayer, layer.backwardLayer, layer.cell, ...layer.cells ?? []];
  return [layer, ...inner.filter(one => one != null).flatMap(layersIn)];
}

const isDilated = ({dilationRate}: Layer): boolean => dilationRate.some(rate => rate > 1);

const windowOf = ({kernelSize, strides, dilationRate, padding}: Layer) => ({size: kernelSize, strides, dilations: dilationRate, padding});

function otherForm(layer: Layer, {convolutions = false}: WrittenOut): Call | null {
  switch (layer.getClassName()) {
    case 'Conv1D':
    case 'Conv2D':
    case 'Conv3D':
      return convolutions || isDilated(layer) ? image(layer, x => convolution(x, layer.kernel.read(), windowOf(layer))) : null;
    case 'Conv2DTranspose':
      return convolutions ? image(layer, x => transposedConvolution(x, layer.kernel.read(), windowOf(layer))) : null;
    case 'Conv3DTranspose':
      return image(layer, x => transposedConvolution(x, layer.kernel.read(), windowOf(layer)));
    case 'DepthwiseConv2D':
      // Its dilation rate is read by tfjs, and not used.
      return convolutions ? image(layer, x => depthwiseConvolution(x, layer.depthwiseKernel.read(), {...windowOf(layer), dilations: [1, 1]})) : null;
    case 'SeparableConv2D':
      return convolutions || isDilated(layer) ?
        image(layer, x => convolution(depthwiseConvolution(x, layer.depthwiseKernel.read(), windowOf(layer)), layer.pointwiseKernel.read(),
          {size: [1, 1], strides: [1, 1], dilations: [1, 1], padding: 'valid'})) : null;
    case 'AveragePooling1D':
    case 'AveragePooling2D':
    case 'AveragePooling3D':
      return x => onChannelsLast(layer, x, y =>
        averagePooling(y, {size: layer.poolSize, strides: layer.strides, dilations: layer.poolSize.map(() => 1), padding: layer.padding}));
    case 'UpSampling2D':
      return x => onChannelsLast(layer, x, y => resize(y, [layer.size[0] * y.shape[1]!, layer.size[1] * y.shape[2]!], layer.interpolation));
    case 'CenterCrop':
      return x => cropped(layer, x);
    case 'ThresholdedReLU':
      return x => tf.mul(x, constant(tf.greater(x, layer.theta)));
    case 'Masking':
      return x => tf.mul(x, constant(tf.any(tf.notEqual(x, layer.maskValue), -1, true)));
    default:
      return null;
  }
}

/** 0 and 1 for false and true, as numbers without a past: tfjs looks for the gradients of comparisons. */
function constant(condition: tf.Tensor): tf.Tensor {
  return tf.tensor(Float32Array.from(condition.dataSync()), condition.shape);
}

/** With the layer's bias and activation, and its data format. */
function image(layer: Layer, run: Call): Call {
  return x => {
    const y = onChannelsLast(layer, x, images => layer.bias == null ? run(images) : tf.add(run(images), layer.bias.read()));
    return layer.activation == null ? y : layer.activation.apply(y);
  };
}

function onChannelsLast({dataFormat}: Layer, x: tf.Tensor, run: Call): tf.Tensor {
  if (dataFormat !== 'channelsFirst') {
    return run(x);
  }
  const axes = [...x.shape.keys()];
  const last = axes.length - 1;
  return tf.transpose(run(tf.transpose(x, [0, ...axes.slice(2), 1])), [0, last, ...axes.slice(1, last)]);
}

/** The middle of the image, by tfjs's own choice of it. */
function cropped({height, width}: Layer, x: tf.Tensor): tf.Tensor {
  const [, h, w] = x.shape;
  const left = Math.floor((w! - width) / 2);
  return tf.slice(x, [0, Math.floor((h - height) / 2), w !== width && left === 0 ? 1 : left, 0], [-1, height, width, -1]);
}
