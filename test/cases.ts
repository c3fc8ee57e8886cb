/**
 * One table of models x losses for every exactness test: small networks that between them use every trainable layer of tfjs-layers, each with the
 * options that change which kernels consume its variables.
 *
 * Models and batches are the same on each call and on each backend: all numbers are made here, from seeds, as typed arrays. No weight is left at
 * a value such as zero or one that would hide an error.
 */
import * as tf from '@tensorflow/tfjs';

export type Backend = 'cpu' | 'wasm';

export interface Batch {
  x: tf.Tensor | tf.Tensor[];
  y: tf.Tensor | tf.Tensor[];
}

export interface Case {
  name: string;
  /** A fresh model, with the same weights on each call. Compiling it is left to the test. */
  model: () => tf.LayersModel;
  /** Inputs and targets, the same on each call; of another size where the model takes any. */
  batch: (size?: number) => Batch;
  /** Examples in the batch. */
  batchSize: number;
  /** For compile(): of the one head or of each. */
  loss: string | string[];
  /** Where tfjs itself can train the model. A case that is refused lists where f() itself can run. */
  backends: Backend[];
  /** 'fallback' if a variable that the output depends on is consumed by any kernel other than a matrix product, Add or Multiply. */
  kind: 'matrix' | 'fallback';
  /** Set where the optimizer must refuse the model: what its error says. */
  refused?: RegExp;
  /** The same for one backend, where tfjs itself trains the model with wrong gradients. */
  refusedOn?: {wasm: RegExp};
}

// ---------------------------------------------------------------------------------------------------------------------------------- numbers

/** Uniform numbers in [0, 1) from a string: FNV-1a for the seed, mulberry32 from there. */
function uniforms(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const character of seed) {
    state = Math.imul(state ^ character.codePointAt(0)!, 0x01000193);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normal numbers, by Box and Muller. */
function normals(seed: string, size: number, scale: number): Float32Array {
  const uniform = uniforms(seed);
  return Float32Array.from({length: size}, () => scale * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

function product(shape: number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}

// ----------------------------------------------------------------------------------------------------------------------------- the data of a case

/** Makes the tensor of one input or target for a whole batch. */
type Data = (seed: string, batchSize: number) => tf.Tensor;

/** Standard normal, of this shape per example. */
function real(...shape: number[]): Data {
  return (seed, batchSize) => tf.tensor(normals(seed, batchSize * product(shape), 1), [batchSize, ...shape]);
}

/** Integers below `vocabulary`, of this shape per example; small vocabularies repeat within an example and between examples. */
function integers(vocabulary: number, ...shape: number[]): Data {
  return (seed, batchSize) => {
    const uniform = uniforms(seed);
    const values = Int32Array.from({length: batchSize * product(shape)}, () => Math.floor(vocabulary * uniform()));
    return tf.tensor(values, [batchSize, ...shape], 'int32');
  };
}

/** As `data` makes it ([batch, time, ...]), but example b ends with b % time steps of zeros: padding for Masking, or for id 0 of an Embedding. */
function padded(data: Data): Data {
  return (seed, batchSize) => tf.tidy(() => {
    const full = data(seed, batchSize);
    const [, time, ...rest] = full.shape;
    const step = product(rest);
    const values = full.dataSync().slice();
    for (let b = 0; b < batchSize; b++) {
      values.fill(0, (b * time + time - b % time) * step, (b + 1) * time * step);
    }
    return tf.tensor(values, full.shape, full.dtype);
  });
}

// ------------------------------------------------------------------------------------------------------------------------------- building cases

interface Description {
  build: () => tf.LayersModel;
  /** One input, or a list of them. */
  x: Data | Data[];
  /** One target, or a list of them: real, of this shape per example. */
  y: Data | Data[];
  batchSize?: number;
  /** Default: both. */
  backends?: Backend[];
  /** Default: 'matrix'. */
  kind?: 'matrix' | 'fallback';
  refused?: RegExp;
  refusedOn?: {wasm: RegExp};
}

function describe(name: string, description: Description): Case {
  const {build, x, y, batchSize = 4, backends = ['cpu', 'wasm'], kind = 'matrix', refused, refusedOn} = description;
  return {
    name,
    model: () => {
      const model = build();
      setWeights(model, name);
      return model;
    },
    batch: (size = batchSize) => ({x: makeData(x, `${name}/x`, size), y: makeData(y, `${name}/y`, size)}),
    batchSize,
    loss: Array.isArray(y) ? y.map(() => 'meanSquaredError') : 'meanSquaredError',
    backends,
    kind,
    ...(refused === undefined ? {} : {refused}),
    ...(refusedOn === undefined ? {} : {refusedOn})
  };
}

function makeData(data: Data | Data[], seed: string, batchSize: number): tf.Tensor | tf.Tensor[] {
  return Array.isArray(data) ? data.map((one, i) => one(`${seed}${i}`, batchSize)) : data(seed, batchSize);
}

/** Every weight normal of scale 0.4, frozen ones included; only the moving statistics of batch normalisation stay as they are. */
function setWeights(model: tf.LayersModel, seed: string): void {
  tf.tidy(() => {
    model.weights.forEach((weight, i) => {
      if (!/moving_(mean|variance)/.test(weight.originalName)) {
        const shape = weight.shape as number[];
        weight.write(tf.tensor(normals(`${seed}/weight${i}`, product(shape), 0.4), shape));
      }
    });
  });
}

/** A Sequential model of these layers. */
function sequential(...layers: tf.layers.Layer[]): tf.LayersModel {
  return tf.sequential({layers});
}

/** A functional model with inputs of these shapes per example. */
function functional(shapes: number[][], call: (inputs: tf.SymbolicTensor[]) => tf.SymbolicTensor | tf.SymbolicTensor[]): tf.LayersModel {
  const inputs = shapes.map(shape => tf.input({shape}));
  return tf.model({inputs, outputs: call(inputs)});
}

function applied(layer: tf.layers.Layer, ...inputs: tf.SymbolicTensor[]): tf.SymbolicTensor {
  return layer.apply(inputs.length === 1 ? inputs[0] : inputs) as tf.SymbolicTensor;
}

// -------------------------------------------------------------------------------------------------------------------------------- custom layers

type Inputs = tf.Tensor | tf.Tensor[];

function single(inputs: Inputs): tf.Tensor {
  return Array.isArray(inputs) ? inputs[0] : inputs;
}

/** A layer as a user of tfjs writes one: weights made in build(), used freely in call(). */
abstract class CustomLayer extends tf.layers.Layer {
  private own: tf.LayerVariable[] = [];

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.own = this.weightShapes(inputShape as tf.Shape).map((shape, i) => this.addWeight(`w${i}`, shape, 'float32', tf.initializers.zeros()));
    this.built = true;
  }

  override call(inputs: Inputs): tf.Tensor {
    return tf.tidy(() => this.compute(single(inputs), ...this.own.map(weight => weight.read())));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return this.outputShapeFor(inputShape as tf.Shape);
  }

  protected abstract weightShapes(inputShape: tf.Shape): number[][];

  protected outputShapeFor(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  protected abstract compute(x: tf.Tensor, ...weights: tf.Tensor[]): tf.Tensor;
}

/** y = (x W) Wᵀ: one variable in two products, once through a transpose. */
class TiedAutoencoder extends CustomLayer {
  static className = 'TestTiedAutoencoder';

  protected weightShapes(): number[][] {
    return [[5, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(tf.tanh(tf.matMul(x, w)), tf.transpose(w));
  }
}

/** y = (x W) Wᵀ by the transposeB flag. */
class TiedByFlag extends CustomLayer {
  static className = 'TestTiedByFlag';

  protected weightShapes(): number[][] {
    return [[5, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(tf.tanh(tf.matMul(x, w)), w, false, true);
  }
}

/** y = x s + b, element by element, over the last axis. */
class Scale extends CustomLayer {
  static className = 'TestScale';

  protected weightShapes(inputShape: tf.Shape): number[][] {
    const size = inputShape[inputShape.length - 1]!;
    return [[size], [size]];
  }

  protected compute(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor): tf.Tensor {
    return tf.add(tf.mul(x, scale), shift);
  }
}

/** On x [B, 3, 2]: a scale [3, 1] that broadcasts over a later axis, as the left operand, a scalar one, and a shift [3, 2]. */
class BroadcastScale extends CustomLayer {
  static className = 'TestBroadcastScale';

  protected weightShapes(): number[][] {
    return [[3, 1], [], [3, 2]];
  }

  protected compute(x: tf.Tensor, perStep: tf.Tensor, scalar: tf.Tensor, shift: tf.Tensor): tf.Tensor {
    return tf.add(shift, tf.mul(scalar, tf.mul(perStep, tf.tanh(x))));
  }
}

/** y = (x - a) / (2 + b): variables that Sub and RealDiv consume. */
class Standardize extends CustomLayer {
  static className = 'TestStandardize';

  protected weightShapes(): number[][] {
    return [[4], [4]];
  }

  protected compute(x: tf.Tensor, center: tf.Tensor, spread: tf.Tensor): tf.Tensor {
    return tf.div(tf.sub(x, center), tf.add(2, spread));
  }
}

/** Weight normalisation: y = x (g V / |V|) + b, |V| per column. */
class WeightNormDense extends CustomLayer {
  static className = 'TestWeightNormDense';

  protected weightShapes(): number[][] {
    return [[4, 3], [3], [3]];
  }

  protected compute(x: tf.Tensor, v: tf.Tensor, g: tf.Tensor, bias: tf.Tensor): tf.Tensor {
    const norm = tf.sqrt(tf.sum(tf.square(v), 0, true));
    return tf.add(tf.matMul(x, tf.div(tf.mul(v, g), norm)), bias);
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/** Rows 3, 0, 3 and 1 of the weight make the matrix: entries used twice, by indices that are data to the trace. */
class GatheredWeight extends CustomLayer {
  static className = 'TestGatheredWeight';

  protected weightShapes(): number[][] {
    return [[4, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(x, tf.gather(w, tf.tensor1d([3, 0, 3, 1], 'int32')));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/** y = (W xᵀ)ᵀ: the weight as the left operand. */
class LeftOperand extends CustomLayer {
  static className = 'TestLeftOperand';

  protected weightShapes(): number[][] {
    return [[3, 4]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.transpose(tf.matMul(w, tf.transpose(x)));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/** The same by flags, y = (Wᵀ xᵀ)ᵀ: both operands transposed. */
class LeftOperandByFlags extends CustomLayer {
  static className = 'TestLeftOperandByFlags';

  protected weightShapes(): number[][] {
    return [[4, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.transpose(tf.matMul(w, x, true, true));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

/** x [B, 3, 4] times W, given to matMul once per example (tiled to [B, 4, 2], since matMul that broadcasts, like einsum, has no gradient in tfjs). */
class BatchedMatMul extends CustomLayer {
  static className = 'TestBatchedMatMul';

  protected weightShapes(): number[][] {
    return [[4, 2]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(x, tf.tile(tf.expandDims(w, 0), [x.shape[0], 1, 1]));
  }

  protected override outputShapeFor([batch, time]: tf.Shape): tf.Shape {
    return [batch, time, 2];
  }
}

/** Two halves of one variable, by slices, in two products: y = tanh(x W[:4]) W[4:]. */
class SlicedWeight extends CustomLayer {
  static className = 'TestSlicedWeight';

  protected weightShapes(): number[][] {
    return [[7, 3]];
  }

  protected compute(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
    return tf.matMul(tf.tanh(tf.matMul(x, tf.slice(w, [0, 0], [4, 3]))), tf.slice(w, [4, 0], [3, 3]));
  }

  protected override outputShapeFor([batch]: tf.Shape): tf.Shape {
    return [batch, 3];
  }
}

[TiedAutoencoder, TiedByFlag, Scale, BroadcastScale, Standardize, WeightNormDense, LeftOperand, LeftOperandByFlags, BatchedMatMul, SlicedWeight]
  .forEach(layer => tf.serialization.registerClass(layer));

// ------------------------------------------------------------------------------------------------------------------------------------ the table

const L = tf.layers;

/** What tfjs's own gradient, or the optimizer before it, says of a dilated convolution. */
const DILATED = /dilat|cannot|not/i;
const COUPLED = /batch normali[sz]ation|couple/i;
const CPU_ONLY: Backend[] = ['cpu'];

type Activation = 'linear' | 'relu' | 'elu' | 'tanh' | 'sigmoid' | 'softplus' | 'selu' | 'softmax';

function dense(units: number, activation: Activation = 'linear', more: object = {}): tf.layers.Layer {
  return L.dense({units, activation, ...more});
}

const denseCases: Case[] = [
  ...(['linear', 'relu', 'elu', 'tanh', 'sigmoid', 'softplus', 'selu', 'softmax'] as Activation[]).map(activation =>
    describe(`dense ${activation}, one output`, {
      build: () => sequential(dense(5, activation, {inputShape: [4]}), dense(1)),
      x: real(4), y: real(1), batchSize: 6
    })),
  describe('dense linear alone, 3 outputs', {
    build: () => sequential(dense(3, 'linear', {inputShape: [4]})),
    x: real(4), y: real(3)
  }),
  ...(['relu', 'elu', 'sigmoid', 'softmax'] as Activation[]).map(activation =>
    describe(`dense ${activation} as the output, 3 outputs`, {
      build: () => sequential(dense(4, 'tanh', {inputShape: [4]}), dense(3, activation)),
      x: real(4), y: real(3)
    })),
  describe('dense without biases, tanh, 3 outputs', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [4], useBias: false}), dense(3, 'linear', {useBias: false})),
    x: real(4), y: real(3)
  }),
  describe('dense without biases, relu', {
    build: () => sequential(dense(5, 'relu', {inputShape: [4], useBias: false}), dense(1, 'linear', {useBias: false})),
    x: real(4), y: real(1)
  }),
  describe('deep tanh, 3 hidden layers', {
    build: () => sequential(dense(6, 'tanh', {inputShape: [4]}), dense(5, 'tanh'), dense(4, 'tanh'), dense(2)),
    x: real(4), y: real(2), batchSize: 5
  }),
  describe('more rows than parameters', {
    build: () => sequential(dense(2, 'tanh', {inputShape: [2]}), dense(3)),
    x: real(2), y: real(3), batchSize: 6
  }),
  describe('first layer frozen', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [4], trainable: false}), dense(3, 'tanh'), dense(2)),
    x: real(4), y: real(2)
  }),
  describe('middle layer frozen', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [4]}), dense(3, 'tanh', {trainable: false}), dense(2)),
    x: real(4), y: real(2)
  }),
  describe('activation layers', {
    build: () => sequential(
      dense(5, 'linear', {inputShape: [4]}), L.leakyReLU({alpha: 0.2}), dense(5), L.activation({activation: 'tanh'}), dense(4), L.elu(),
      dense(3), L.softmax(), dense(2), L.reLU()),
    x: real(4), y: real(2)
  }),
  describe('dense relu with 3 axes, then flattened', {
    build: () => sequential(dense(4, 'relu', {inputShape: [3, 2]}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('dense tanh and linear on a sequence, output with a time axis', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3, 2]}), dense(2)),
    x: real(3, 2), y: real(3, 2)
  }),
  describe('dense relu without biases on a sequence, output with a time axis', {
    build: () => sequential(dense(4, 'relu', {inputShape: [3, 2], useBias: false}), dense(2, 'linear', {useBias: false})),
    x: real(3, 2), y: real(3, 2)
  }),
  describe('dense on an image, output with image axes', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [2, 3, 2]}), dense(1, 'relu')),
    x: real(2, 3, 2), y: real(2, 3, 1)
  }),
  describe('dense, L2 regularizers', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l2({l2: 0.03}), biasRegularizer: tf.regularizers.l2({l2: 0.05})}),
      dense(2, 'linear', {kernelRegularizer: tf.regularizers.l2({l2: 0.01})})),
    x: real(4), y: real(2)
  }),
  describe('dense, L1 regularizers', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l1({l1: 0.03}), biasRegularizer: tf.regularizers.l1({l1: 0.05})}),
      dense(2)),
    x: real(4), y: real(2)
  }),
  describe('dense, L1L2 regularizers, a batch of one', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l1l2({l1: 0.02, l2: 0.03})}),
      dense(2, 'linear', {biasRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.02})})),
    x: real(4), y: real(2), batchSize: 1
  }),
  describe('dense, L1L2 regularizers', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l1l2({l1: 0.02, l2: 0.03})}),
      dense(2, 'linear', {kernelRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.04}), biasRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.02})})),
    x: real(4), y: real(2)
  })
];

const convolution2d: [string, object][] = [
  ['linear', {}],
  ['relu, valid', {activation: 'relu'}],
  ['tanh, same', {activation: 'tanh', padding: 'same'}],
  ['elu, strides 2, same', {activation: 'elu', strides: 2, padding: 'same'}],
  ['strides 2, valid', {strides: 2, padding: 'valid'}],
  ['relu without bias', {activation: 'relu', useBias: false}],
  ['1 x 1', {kernelSize: 1}]
];

const convolutionCases: Case[] = [
  ...convolution2d.map(([options, more]) => describe(`conv2d ${options}`, {
    build: () => sequential(L.conv2d({filters: 2, kernelSize: [2, 3], inputShape: [5, 4, 2], ...more}), L.flatten(), dense(2)),
    x: real(5, 4, 2), y: real(2), backends: CPU_ONLY, kind: 'fallback' as const
  })),
  describe('conv2d tanh, channels first', {
    build: () => sequential(
      L.conv2d({filters: 3, kernelSize: 2, inputShape: [2, 4, 4], activation: 'tanh', dataFormat: 'channelsFirst'}), L.flatten(), dense(2)),
    x: real(2, 4, 4), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('conv2d twice, output with image axes', {
    build: () => sequential(
      L.conv2d({filters: 3, kernelSize: 2, inputShape: [4, 4, 1], activation: 'tanh'}), L.conv2d({filters: 2, kernelSize: 2})),
    x: real(4, 4, 1), y: real(2, 2, 2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('conv2d dilated', {
    build: () => sequential(L.conv2d({filters: 2, kernelSize: 2, dilationRate: 2, inputShape: [5, 4, 2]}), L.flatten(), dense(2)),
    x: real(5, 4, 2), y: real(2), kind: 'fallback', refused: DILATED
  }),
  describe('conv1d linear', {
    build: () => sequential(L.conv1d({filters: 3, kernelSize: 3, inputShape: [6, 2]}), L.flatten(), dense(2)),
    x: real(6, 2), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('conv1d relu, strides 2, same', {
    build: () => sequential(
      L.conv1d({filters: 3, kernelSize: 3, inputShape: [6, 2], strides: 2, padding: 'same', activation: 'relu'}), L.flatten(), dense(2)),
    x: real(6, 2), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('conv1d tanh, output with a time axis', {
    build: () => sequential(L.conv1d({filters: 2, kernelSize: 2, inputShape: [5, 2], activation: 'tanh', padding: 'same'})),
    x: real(5, 2), y: real(5, 2), batchSize: 3, backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('conv1d dilated', {
    build: () => sequential(L.conv1d({filters: 2, kernelSize: 2, dilationRate: 2, inputShape: [6, 2]}), L.flatten(), dense(2)),
    x: real(6, 2), y: real(2), kind: 'fallback', refused: DILATED
  }),
  describe('conv3d tanh', {
    build: () => sequential(L.conv3d({filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 2], activation: 'tanh'}), L.flatten(), dense(2)),
    x: real(3, 3, 3, 2), y: real(2), batchSize: 3, kind: 'fallback'
  }),
  describe('conv3d relu, strides 2, padding same', {
    build: () => sequential(
      L.conv3d({filters: 2, kernelSize: [2, 1, 2], strides: 2, padding: 'same', inputShape: [3, 3, 3, 2], activation: 'relu'}), L.flatten(), dense(2)),
    x: real(3, 3, 3, 2), y: real(2), batchSize: 3, kind: 'fallback', refusedOn: {wasm: /gradient of 'Conv3D' is wrong on the WASM backend/}
  }),
  describe('conv2d transposed, tanh', {
    build: () => sequential(L.conv2dTranspose({filters: 2, kernelSize: 2, inputShape: [2, 3, 3], activation: 'tanh'}), L.flatten(), dense(2)),
    x: real(2, 3, 3), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('conv2d transposed, relu, strides 2, same', {
    build: () => sequential(
      L.conv2dTranspose({filters: 2, kernelSize: 3, strides: 2, padding: 'same', inputShape: [2, 3, 2], activation: 'relu'}), L.flatten(), dense(1)),
    x: real(2, 3, 2), y: real(1), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('depthwise conv2d tanh, multiplier 2', {
    build: () => sequential(
      L.depthwiseConv2d({kernelSize: 2, depthMultiplier: 2, inputShape: [4, 3, 2], activation: 'tanh'}), L.flatten(), dense(2)),
    x: real(4, 3, 2), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('depthwise conv2d relu, strides 2, same', {
    build: () => sequential(
      L.depthwiseConv2d({kernelSize: 3, strides: 2, padding: 'same', inputShape: [4, 4, 2], activation: 'relu'}), L.flatten(), dense(2)),
    x: real(4, 4, 2), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('separable conv2d tanh', {
    build: () => sequential(
      L.separableConv2d({filters: 3, kernelSize: 2, depthMultiplier: 2, inputShape: [4, 3, 2], activation: 'tanh'}), L.flatten(), dense(2)),
    x: real(4, 3, 2), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('separable conv2d relu, same, without bias', {
    build: () => sequential(
      L.separableConv2d({filters: 2, kernelSize: 3, padding: 'same', inputShape: [3, 3, 2], activation: 'relu', useBias: false}), L.flatten(), dense(2)),
    x: real(3, 3, 2), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('pooling: max and average', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 2, padding: 'same', inputShape: [6, 6, 1], activation: 'tanh'}), L.maxPooling2d({poolSize: 2, strides: 2}),
      L.conv2d({filters: 2, kernelSize: 2, padding: 'same', activation: 'tanh'}), L.averagePooling2d({poolSize: 2, strides: 1}), L.flatten(), dense(2)),
    x: real(6, 6, 1), y: real(2), backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('pooling: dense layers under max and average, one axis', {
    build: () => sequential(
      dense(3, 'tanh', {inputShape: [8, 2]}), L.maxPooling1d({poolSize: 2}), dense(3, 'tanh'), L.averagePooling1d({poolSize: 2}), L.flatten(), dense(2)),
    x: real(8, 2), y: real(2)
  }),
  // Sigmoid keeps every maximum positive: MaxPool3D of the WASM backend gives 0 for a window of negative numbers.
  describe('pooling: three axes', {
    build: () => sequential(
      dense(2, 'sigmoid', {inputShape: [4, 4, 4, 1]}), L.maxPooling3d({poolSize: 2, strides: 1}), L.averagePooling3d({poolSize: 2, strides: 1}), L.flatten(),
      dense(2)),
    x: real(4, 4, 4, 1), y: real(2), batchSize: 3
  }),
  describe('pooling: global, images', {
    build: () => functional([[4, 3, 2]], ([x]) => {
      const pixels = applied(dense(3, 'tanh'), x);
      return applied(dense(2), applied(L.concatenate(), applied(L.globalMaxPooling2d({}), pixels), applied(L.globalAveragePooling2d({}), pixels)));
    }),
    x: real(4, 3, 2), y: real(2)
  }),
  describe('pooling: global, sequences', {
    build: () => functional([[4, 2]], ([x]) => {
      const steps = applied(dense(3, 'tanh'), x);
      return applied(dense(2), applied(L.concatenate(), applied(L.globalMaxPooling1d({}), steps), applied(L.globalAveragePooling1d({}), steps)));
    }),
    x: real(4, 2), y: real(2)
  }),
  // Bilinear and square: on the cpu backend the gradient of nearest-neighbour upsampling is wrong for more than one example, and that of bilinear
  // upsampling throws for images that are not square.
  describe('upsampling, zero padding, cropping', {
    build: () => sequential(
      dense(2, 'tanh', {inputShape: [2, 2, 2]}), L.upSampling2d({size: [2, 2], interpolation: 'bilinear'}), dense(2, 'tanh'), L.zeroPadding2d({padding: [[1, 0], [0, 2]]}),
      dense(2, 'tanh'), L.cropping2D({cropping: [[1, 1], [1, 0]]}), L.flatten(), dense(2)),
    x: real(2, 2, 2), y: real(2)
  })
];

const recurrentCases: Case[] = [
  describe('simple RNN', {
    build: () => sequential(L.simpleRNN({units: 4, inputShape: [3, 2]}), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('simple RNN relu without bias, sequences, backwards', {
    build: () => sequential(
      L.simpleRNN({units: 3, inputShape: [3, 2], activation: 'relu', useBias: false, returnSequences: true, goBackwards: true}), dense(2)),
    x: real(3, 2), y: real(3, 2), batchSize: 3
  }),
  describe('LSTM', {
    build: () => sequential(L.lstm({units: 4, inputShape: [3, 2]}), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('LSTM, sequences, output with a time axis', {
    build: () => sequential(L.lstm({units: 3, inputShape: [3, 2], returnSequences: true}), dense(2)),
    x: real(3, 2), y: real(3, 2), batchSize: 3
  }),
  describe('GRU', {
    build: () => sequential(L.gru({units: 4, inputShape: [3, 2]}), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('GRU, sequences, then GRU', {
    build: () => sequential(L.gru({units: 3, inputShape: [3, 2], returnSequences: true}), L.gru({units: 2}), dense(1)),
    x: real(3, 2), y: real(1)
  }),
  describe('stacked RNN cells', {
    build: () => sequential(
      L.rnn({cell: [L.lstmCell({units: 3}), L.gruCell({units: 2}), L.simpleRNNCell({units: 2})], inputShape: [3, 2]}),
      dense(1)),
    x: real(3, 2), y: real(1)
  }),
  describe('bidirectional LSTM, concatenated', {
    build: () => sequential(
      L.bidirectional({layer: L.lstm({units: 2, returnSequences: true}), mergeMode: 'concat', inputShape: [3, 2]}), L.flatten(), dense(1)),
    x: real(3, 2), y: real(1)
  }),
  describe('bidirectional GRU, summed', {
    build: () => sequential(L.bidirectional({layer: L.gru({units: 2}), mergeMode: 'sum', inputShape: [3, 2]}), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('time-distributed dense', {
    build: () => sequential(L.timeDistributed({layer: dense(3, 'tanh'), inputShape: [3, 2]}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('ConvLSTM2D', {
    build: () => sequential(L.convLstm2d({filters: 2, kernelSize: 2, inputShape: [2, 3, 3, 1], padding: 'same'}), L.flatten(), dense(2)),
    x: real(2, 3, 3, 1), y: real(2), batchSize: 3, backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('stateful LSTM', {
    build: () => sequential(L.lstm({units: 3, stateful: true, batchInputShape: [4, 3, 2]}), dense(2)),
    x: real(3, 2), y: real(2), batchSize: 4
  }),
  describe('masking and LSTM', {
    build: () => sequential(L.masking({maskValue: 0, inputShape: [3, 2]}), L.lstm({units: 3}), dense(2)),
    x: padded(real(3, 2)), y: real(2), batchSize: 5
  }),
  describe('embedding with mask, GRU', {
    build: () => sequential(L.embedding({inputDim: 6, outputDim: 2, inputLength: 3, maskZero: true}), L.gru({units: 3}), dense(2)),
    x: padded(integers(6, 3)), y: real(2), batchSize: 5, backends: CPU_ONLY, kind: 'fallback'
  }),
  describe('embedding, flattened', {
    build: () => sequential(L.embedding({inputDim: 5, outputDim: 3, inputLength: 4}), L.flatten(), dense(4, 'tanh'), dense(2)),
    x: integers(5, 4), y: real(2), batchSize: 5, backends: CPU_ONLY, kind: 'fallback'
  })
];

const normalisationCases: Case[] = [
  describe('layer normalisation', {
    build: () => sequential(dense(5, 'linear', {inputShape: [4]}), L.layerNormalization(), L.activation({activation: 'tanh'}), dense(2)),
    x: real(4), y: real(2), kind: 'fallback'
  }),
  // scale: false and center: false are not in the table: tfjs cannot differentiate them.
  describe('layer normalisation on a sequence', {
    build: () => sequential(dense(4, 'linear', {inputShape: [3, 2]}), L.layerNormalization(), dense(2)),
    x: real(3, 2), y: real(3, 2), batchSize: 3, kind: 'fallback'
  }),
  describe('layer normalisation over two axes', {
    build: () => sequential(dense(4, 'linear', {inputShape: [3, 2]}), L.layerNormalization({axis: [1, 2]}), dense(2, 'tanh'), L.flatten(), dense(1)),
    x: real(3, 2), y: real(1), kind: 'fallback'
  }),
  describe('PReLU', {
    build: () => sequential(dense(5, 'linear', {inputShape: [4]}), L.prelu(), dense(2)),
    x: real(4), y: real(2), kind: 'fallback'
  }),
  describe('PReLU with a shared axis', {
    build: () => sequential(dense(3, 'linear', {inputShape: [3, 2]}), L.prelu({sharedAxes: [1]}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2), kind: 'fallback'
  }),
  describe('batch normalisation of the inputs', {
    build: () => sequential(L.batchNormalization({inputShape: [4]}), dense(5, 'tanh'), dense(2)),
    x: real(4), y: real(2), batchSize: 6, kind: 'fallback'
  }),
  describe('batch normalisation after dense', {
    build: () => sequential(dense(5, 'linear', {inputShape: [4]}), L.batchNormalization(), L.activation({activation: 'tanh'}), dense(2)),
    x: real(4), y: real(2), batchSize: 6, kind: 'fallback', refused: COUPLED
  }),
  describe('batch normalisation after conv2d', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 2, inputShape: [4, 4, 1]}), L.batchNormalization({axis: -1}), L.activation({activation: 'relu'}), L.flatten(), dense(2)),
    x: real(4, 4, 1), y: real(2), backends: CPU_ONLY, kind: 'fallback', refused: COUPLED
  })
];

const graphCases: Case[] = [
  describe('shared dense layer, two inputs', {
    build: () => functional([[3], [3]], ([a, b]) => {
      const tower = dense(4, 'tanh');
      return applied(dense(2), applied(L.concatenate(), applied(tower, a), applied(tower, b)));
    }),
    x: [real(3), real(3)], y: real(2)
  }),
  describe('shared relu layer, product of two inputs', {
    build: () => functional([[3], [3]], ([a, b]) => {
      const tower = dense(4, 'relu');
      return applied(dense(2), applied(L.multiply(), applied(tower, a), applied(tower, b)));
    }),
    x: [real(3), real(3)], y: real(2)
  }),
  describe('same layer twice in sequence', {
    build: () => functional([[4]], ([x]) => {
      const again = dense(4, 'tanh');
      return applied(dense(2), applied(again, applied(again, x)));
    }),
    x: real(4), y: real(2)
  }),
  describe('shared layer with an L2 regularizer', {
    build: () => functional([[4]], ([x]) => {
      const again = dense(4, 'tanh', {kernelRegularizer: tf.regularizers.l2({l2: 0.03})});
      return applied(dense(2), applied(again, applied(again, x)));
    }),
    x: real(4), y: real(2)
  }),
  describe('sequential inside functional', {
    build: () => functional([[4]], ([x]) => {
      const inner = sequential(dense(4, 'tanh', {inputShape: [4]}), dense(3, 'relu'));
      return applied(dense(2), inner.apply(x) as tf.SymbolicTensor);
    }),
    x: real(4), y: real(2)
  }),
  describe('skip connection: add', {
    build: () => functional([[4]], ([x]) => applied(dense(2), applied(L.add(), x, applied(dense(4, 'tanh'), x)))),
    x: real(4), y: real(2)
  }),
  ...([
    ['add', () => L.add()], ['multiply', () => L.multiply()], ['average', () => L.average()], ['maximum', () => L.maximum()],
    ['minimum', () => L.minimum()], ['concatenate', () => L.concatenate()], ['dot', () => L.dot({axes: 1})]
  ] as [string, () => tf.layers.Layer][]).map(([merge, layer]) => describe(`merge of two inputs: ${merge}`, {
    build: () => functional([[3], [2]], ([a, b]) => applied(dense(2), applied(layer(), applied(dense(4, 'tanh'), a), applied(dense(4, 'sigmoid'), b)))),
    x: [real(3), real(2)], y: real(2)
  })),
  describe('merge: dot of two sequences', {
    build: () => functional([[3, 2], [2, 2]], ([a, b]) =>
      applied(dense(2), applied(L.flatten(), applied(L.dot({axes: 2}), applied(dense(3, 'tanh'), a), applied(dense(3, 'tanh'), b))))),
    x: [real(3, 2), real(2, 2)], y: real(2)
  }),
  describe('two heads, 3 and 1 outputs', {
    build: () => functional([[4]], ([x]) => {
      const trunk = applied(dense(5, 'tanh'), x);
      return [applied(dense(3), trunk), applied(dense(1, 'sigmoid'), trunk)];
    }),
    x: real(4), y: [real(3), real(1)]
  }),
  describe('two inputs, two heads that share nothing', {
    build: () => functional([[3], [2]], ([a, b]) => [applied(dense(2), applied(dense(3, 'relu'), a)), applied(dense(1), applied(dense(3, 'tanh'), b))]),
    x: [real(3), real(2)], y: [real(2), real(1)]
  }),
  describe('two heads with a time axis', {
    build: () => functional([[3, 2]], ([x]) => {
      const trunk = applied(dense(3, 'tanh'), x);
      return [applied(dense(2), trunk), applied(dense(1), trunk)];
    }),
    x: real(3, 2), y: [real(3, 2), real(3, 1)], batchSize: 3
  }),
  describe('reshape, permute, flatten', {
    build: () => sequential(
      dense(6, 'tanh', {inputShape: [4]}), L.reshape({targetShape: [2, 3]}), L.permute({dims: [2, 1]}), dense(2, 'tanh'), L.flatten(), dense(2)),
    x: real(4), y: real(2)
  }),
  describe('repeat vector, then RNN', {
    build: () => sequential(dense(3, 'tanh', {inputShape: [4]}), L.repeatVector({n: 2}), L.simpleRNN({units: 3, returnSequences: true}), dense(1)),
    x: real(4), y: real(2, 1)
  })
];

const customCases: Case[] = [
  describe('custom: tied autoencoder', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [5]}), new TiedAutoencoder({})),
    x: real(5), y: real(5)
  }),
  describe('custom: tied autoencoder by a transpose flag', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [5]}), new TiedByFlag({})),
    x: real(5), y: real(5)
  }),
  describe('custom: scale and shift', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new Scale({}), dense(2), new Scale({})),
    x: real(3), y: real(2)
  }),
  describe('custom: scale and shift on a sequence', {
    build: () => sequential(dense(3, 'tanh', {inputShape: [3, 2]}), new Scale({}), dense(2)),
    x: real(3, 2), y: real(3, 2), batchSize: 3
  }),
  describe('custom: scales that broadcast', {
    build: () => sequential(dense(2, 'linear', {inputShape: [3, 2]}), new BroadcastScale({}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('custom: difference and quotient', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new Standardize({}), dense(2)),
    x: real(3), y: real(2), kind: 'fallback'
  }),
  describe('custom: weight normalisation', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new WeightNormDense({})),
    x: real(3), y: real(3), kind: 'fallback'
  }),
  describe('custom: weight as the left operand', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new LeftOperand({})),
    x: real(3), y: real(3)
  }),
  describe('custom: weight as the left operand, by flags', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new LeftOperandByFlags({})),
    x: real(3), y: real(3)
  }),
  describe('custom: batched product with a tiled weight', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3, 2]}), new BatchedMatMul({})),
    x: real(3, 2), y: real(3, 2), batchSize: 3
  }),
  describe('custom: gathered rows of a weight', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new GatheredWeight({})),
    x: real(3), y: real(3), backends: CPU_ONLY
  }),
  describe('custom: two slices of one weight', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new SlicedWeight({})),
    x: real(3), y: real(3)
  })
];

export const cases: Case[] = [...denseCases, ...convolutionCases, ...recurrentCases, ...normalisationCases, ...graphCases, ...customCases];

// ------------------------------------------------------------------------------------------------------------------------------ rows of a case

/** The variables that model.fit trains, in its order. */
export function variablesOf(model: tf.LayersModel): tf.Variable[] {
  return model.trainableWeights.map(weight => weight.read() as tf.Variable);
}

/**
 * Output minus target, [B, C]: one line per example, the components of all heads side by side, each head flattened. Row r of the Jacobian is
 * component r % C of example floor(r / C).
 *
 * A pure function of the trainable weights: what a training-mode forward pass moves (moving averages, states of stateful RNNs) is put back.
 */
export function residualRows(model: tf.LayersModel, batch: Batch): tf.Tensor {
  return tf.tidy(() => withoutSideEffects(model, () => {
    const outputs = listOf(model.apply(batch.x, {training: true}) as tf.Tensor | tf.Tensor[]);
    const heads = outputs.map((output, h) => tf.sub(output, listOf(batch.y)[h]).reshape([output.shape[0], -1]));
    return tf.concat(heads, 1);
  }));
}

/**
 * Weight w of each row in tfjs's loss, which is Σ w r² plus the regularizers. A head is averaged over the batch and over its own K components; the
 * heads are added up. (tfjs adds the losses of heads before it takes the mean over examples and further axes, so heads must agree in those.)
 */
export function rowWeights(model: tf.LayersModel, batch: Batch): Float64Array {
  const targets = listOf(batch.y);
  if (targets.length !== model.outputs.length) {
    throw new Error(`The model has ${model.outputs.length} heads, the batch ${targets.length} targets.`);
  }
  const batchSize = targets[0].shape[0];
  const ofExample = targets.flatMap(target => new Array<number>(target.size / batchSize).fill(1 / target.size));
  return Float64Array.from({length: batchSize * ofExample.length}, (_, r) => ofExample[r % ofExample.length]);
}

/** Disposes the tensors of a batch. */
export function disposeBatch(batch: Batch): void {
  tf.dispose([...listOf(batch.x), ...listOf(batch.y)]);
}

function listOf(tensors: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
  return Array.isArray(tensors) ? tensors : [tensors];
}

/** What tfjs keeps in a recurrent layer. */
interface StatefulLayer {
  stateful: boolean;
  states_: tf.Tensor[] | null;
  resetStates(): void;
}

function withoutSideEffects<T>(model: tf.LayersModel, run: () => T): T {
  const frozen = model.nonTrainableWeights.map(weight => ({weight, value: weight.read().dataSync().slice()}));
  const recurrent = (model.layers as unknown as StatefulLayer[])
    .filter(layer => layer.stateful && typeof layer.resetStates === 'function')
    .map(layer => ({layer, states: layer.states_?.map(state => ({value: state.dataSync().slice(), shape: state.shape}))}));
  try {
    return run();
  } finally {
    for (const {weight, value} of frozen) {
      weight.write(tf.tensor(value, weight.shape as number[]));
    }
    for (const {layer, states} of recurrent) {
      layer.resetStates();
      if (states !== undefined) {
        layer.states_?.forEach(state => state.dispose());
        layer.states_ = states.map(({value, shape}) => tf.keep(tf.tensor(value, shape)));
      }
    }
  }
}
