/** The outputs of kernels by shape, against those of the kernels: of steps of networks, and of calls of every kernel. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../src/index';
import {outputsOf} from '../../src/trace/kernel_outputs';
import type {KernelOutput} from '../../src/tfjs/rehearsal';
import {cases} from '../cases/cases';

/** Every so many of the cases. All of them were tried once, on both backends. */
const EVERY = 25;

interface Call {
  kernelName?: string;
  inputs: Record<string, tf.Tensor | null>;
  attrs?: Record<string, unknown>;
}

/** Runs f, and compares the outputs of each kernel with their prediction. */
async function compare(f: () => unknown, t: {deepEqual(a: unknown, b: unknown, message: string): void}): Promise<Set<string>> {
  const engine = tf.engine() as unknown as {runKernelFunc(call: Call): tf.Tensor | tf.Tensor[]};
  const own = engine.runKernelFunc;
  const kernels = new Set<string>();
  engine.runKernelFunc = call => {
    const {kernelName, inputs, attrs} = call;
    if (kernelName == null || BY_ENTRIES.includes(kernelName)) {
      return own.call(engine, call);
    }
    const shown = ({shape, dtype, sharedWith}: KernelOutput): object => ({shape: [...shape], dtype, isShared: sharedWith !== undefined});
    const rule = outputsOf(kernelName, inputs, attrs ?? {});
    const predicted = Array.isArray(rule) ? rule.map(shown) : rule === null ? null : shown(rule);
    const outputs = own.call(engine, call);
    const shownTensor = ({shape, dtype, dataId}: tf.Tensor): object =>
      ({shape, dtype, isShared: Object.values(inputs).some(input => input?.dataId === dataId)});
    const made = Array.isArray(outputs) ? outputs.map(shownTensor) : shownTensor(outputs);
    kernels.add(kernelName);
    if (JSON.stringify(predicted) !== JSON.stringify(made)) {
      t.deepEqual(predicted, made, kernelName);
    }
    return outputs;
  };
  try {
    await f();
  } finally {
    delete (engine as Partial<typeof engine>).runKernelFunc;
  }
  return kernels;
}

/** Kernels without a rule: the entries of their inputs say how large their outputs are, or they work on strings. */
const BY_ENTRIES = ['BroadcastArgs', 'NonMaxSuppressionV3', 'NonMaxSuppressionV4', 'NonMaxSuppressionV5', 'RaggedGather', 'RaggedRange',
  'RaggedTensorToTensor', 'SparseFillEmptyRows', 'SparseReshape', 'SparseSegmentMean', 'SparseSegmentSum', 'StaticRegexReplace', 'StringNGrams',
  'StringSplit', 'StringToHashBucketFast', 'Unique'];

/** Kernels that no op calls, or that draw on a canvas. */
const UNCALLED = ['Draw', 'FusedBatchNorm', 'LogicalXor'];

const cube = (...shape: number[]): tf.Tensor => tf.randomUniform(shape, 0.1, 0.9, 'float32', 1);
const [x, pixels, volume] = [() => cube(3, 4), () => cube(2, 4, 6, 3) as tf.Tensor4D, () => cube(2, 4, 4, 4, 2) as tf.Tensor5D];
const indices = (...of: number[]): tf.Tensor1D => tf.tensor1d(of, 'int32');
const boxes = (): tf.Tensor2D => tf.tensor2d([[0, 0, 1, 1], [0, 0, 0.5, 0.7], [0.1, 0.2, 1, 1]]);

const [UNARY, BINARY, TRUTHS, ALONG] = [
  ['abs', 'acos', 'asin', 'asinh', 'atan', 'atanh', 'ceil', 'cos', 'cosh', 'elu', 'erf', 'exp', 'expm1', 'floor', 'isFinite', 'isInf', 'isNaN', 'leakyRelu',
    'log', 'log1p', 'neg', 'onesLike', 'reciprocal', 'relu', 'relu6', 'round', 'rsqrt', 'selu', 'sigmoid', 'sign', 'sin', 'sinh', 'softplus', 'sqrt', 'square',
    'step', 'tan', 'tanh', 'zerosLike', 'clone', 'diag', 'softmax', 'logSoftmax', 'cumprod', 'cumsum', 'reverse', 'transpose', 'topk'],
  ['add', 'atan2', 'equal', 'greater', 'greaterEqual', 'less', 'lessEqual', 'maximum', 'minimum', 'mod', 'mul', 'notEqual', 'pow', 'div',
    'squaredDifference', 'sub'],
  ['logicalAnd', 'logicalOr', 'logicalXor'],
  ['sum', 'mean', 'max', 'min', 'prod', 'argMax', 'argMin'],
];
const op = (name: string): (...of: unknown[]) => unknown => (tf as unknown as Record<string, (...of: unknown[]) => unknown>)[name];
const gradient = (f: (x: never) => tf.Tensor, at: tf.Tensor): unknown => tf.grad(y => f(y as never).square().sum())(at);

/** Calls of all other kernels, in the forms in which their shapes differ. */
const CALLS: Array<() => unknown> = [
  ...UNARY.map(name => () => op(name)(x())),
  ...BINARY.flatMap(name => [() => op(name)(x(), cube(4)), () => op(name)(cube(3, 1), x())]),
  ...TRUTHS.map(name => () => op(name)(x().greater(0.5), cube(4).greater(0.3))),
  ...ALONG.flatMap(name => [() => op(name)(x()), () => op(name)(x(), 1), () => op(name)(volume(), -2), () => op(name)(x(), 0, true)]),
  () => [tf.acosh(tf.scalar(2)), tf.clipByValue(x(), 0.3, 0.6), tf.addN([x(), x()]), tf.cast(x(), 'int32'), tf.cast(x(), 'bool'), tf.logicalNot(x().cast('bool'))],
  () => [tf.all(x().cast('bool'), 1), tf.any(x().cast('bool'), 0, true), tf.where(x().greater(0.5), x(), 0), tf.linspace(0, 1, 7), tf.fill([2, 3], 4, 'int32')],
  () => [[0, 7, 1], [0, 7, 2], [7, 0, 1], [7, 0, -3], [0, 7, -1], [3, 3, 1]].map(([from, to, step]) => tf.range(from, to, step, 'int32')),
  () => [gradient(tf.elu, x()), tf.prelu(x(), cube(4)), tf.floorDiv(indices(5, 3), indices(2, 2))],
  () => [tf.expandDims(x(), 1), tf.expandDims(x(), -1), tf.reshape(x(), [2, -1]), tf.squeeze(cube(3, 1, 4)), tf.concat([x(), x()], -1), tf.stack([x(), x()], -1), tf.stack([x()], 1)],
  () => [tf.unstack(x(), -1), tf.unstack(cube(1, 4)), tf.split(x(), 2, -1), tf.split(x(), [1, 2], 0), tf.split(cube(4, 1), 1, 1), tf.tile(x(), [2, 3])],
  () => [tf.slice(x(), [1, 0], [2, -1]), tf.slice(x(), 1), tf.pad(x() as tf.Tensor2D, [[1, 0], [0, 2]]), tf.mirrorPad(x(), [[1, 0], [0, 2]], 'reflect')],
  () => [tf.stridedSlice(x(), [0, 0], [3, 4], [1, 1]), tf.stridedSlice(x(), [0, 3], [3, 0], [2, -2]), tf.stridedSlice(x(), [1, 0], [2, 3], [1, 1]),
    tf.stridedSlice(x(), [1, 0], [2, 4], [1, 2], 0, 0, 0, 0, 1), tf.stridedSlice(volume(), [0, 1], [1, 3], [1, 1], 0, 0, 1), tf.stridedSlice(x(), [0, 0], [0, 2], [1, 1], 3, 1, 0, 1)],
  () => [tf.oneHot(tf.tensor2d([[1, 0], [2, 3]], [2, 2], 'int32'), 5), tf.bincount(indices(1, 1, 2), tf.tensor1d([]), 4), tf.bincount(indices(1, 1, 2), cube(3) as tf.Tensor1D, 4),
    tf.denseBincount(tf.tensor2d([[1, 1], [2, 0]], [2, 2], 'int32'), tf.tensor2d([], [0, 0]), 3), tf.denseBincount(indices(1, 1, 2), cube(3) as tf.Tensor1D, 4)],
  () => [tf.gather(x(), indices(2, 0), 1), tf.gather(x(), tf.tensor2d([[1, 0], [2, 3]], [2, 2], 'int32'), -1), tf.gather(x(), tf.tensor2d([[1], [2], [0]], [3, 1], 'int32'), 1, 1),
    tf.gatherND(x(), tf.tensor2d([[1, 0], [2, 3]], [2, 2], 'int32')), tf.gatherND(x(), tf.tensor2d([[1], [2], [0], [0]], [4, 1], 'int32')),
    tf.gatherND(volume(), tf.tensor3d([1, 0, 0, 3], [2, 1, 2], 'int32'))],
  () => [tf.scatterND(tf.tensor2d([[1], [3]], [2, 1], 'int32'), cube(2, 3), [5, 3]), tf.tensorScatterUpdate(x(), tf.tensor2d([[1]], [1, 1], 'int32'), cube(1, 4)),
    tf.sparseToDense(indices(1, 3), cube(2), [6], 0), tf.searchSorted(x(), cube(3, 2))],
  () => tf.unsortedSegmentSum(x(), indices(1, 0, 1), 4),
  () => [tf.topk(volume(), 2), tf.multinomial(cube(3, 5) as tf.Tensor2D, 7, 1), tf.bitwiseAnd(indices(1, 3), indices(2, 3))],
  () => [tf.matMul(cube(3, 4), cube(2, 4), false, true), tf.matMul(cube(2, 4, 3), cube(4, 5), true), tf.matMul(cube(2, 1, 3, 4), cube(1, 5, 4, 2))],
  () => tf.fused.matMul({a: cube(3, 4) as tf.Tensor2D, b: cube(4, 2) as tf.Tensor2D, bias: cube(2) as tf.Tensor1D}),
  () => [['ij,jk->ik', [3, 4], [4, 2]], ['bij,bkj->bki', [2, 3, 4], [2, 5, 4]], ['ij->j', [3, 4]], ['ij->ji', [3, 4]], ['i,i->', [3], [3]]].map(([equation, ...shapes]) =>
    tf.einsum(equation as string, ...(shapes as number[][]).map(shape => cube(...shape)))),
  () => [tf.complex(x(), x()), tf.real(tf.complex(x(), x())), tf.imag(tf.complex(x(), x())), tf.abs(tf.complex(x(), x()))],
  () => [tf.spectral.fft(tf.complex(x(), x())), tf.spectral.ifft(tf.complex(x(), x()))],
  ...(['same', 'valid'] as const).flatMap(pad => [
    () => gradient(y => tf.avgPool(y, 2, 1, pad), pixels()),
    () => gradient(y => tf.maxPool(y, [2, 3], 2, pad), pixels()),
    () => gradient(y => tf.avgPool3d(y, 2, 2, pad), volume()),
    () => gradient(y => tf.maxPool3d(y, 2, 2, pad), volume()),
    () => tf.maxPoolWithArgmax(pixels(), 2, 2, pad),
    () => [gradient(y => tf.dilation2d(y, cube(2, 3, 3) as tf.Tensor3D, 1, pad, 2), pixels()), gradient(y => tf.dilation2d(pixels(), y, 2, pad), cube(2, 3, 3))],
    () => [gradient(y => tf.conv2d(y, cube(2, 3, 3, 4) as tf.Tensor4D, [2, 1], pad), pixels()), gradient(y => tf.conv2d(pixels(), y, 1, pad), cube(2, 3, 3, 4)),
      tf.conv2d(pixels(), cube(2, 2, 3, 4) as tf.Tensor4D, 1, pad, 'NHWC', 2)],
    () => [gradient(y => tf.depthwiseConv2d(y, cube(2, 3, 3, 2) as tf.Tensor4D, 1, pad), pixels()), gradient(y => tf.depthwiseConv2d(pixels(), y, 2, pad), cube(2, 3, 3, 2))],
    () => [gradient(y => tf.conv3d(y, cube(2, 3, 2, 2, 3) as tf.Tensor5D, 1, pad), volume()), gradient(y => tf.conv3d(volume(), y, 2, pad), cube(2, 3, 2, 2, 3))],
    () => tf.fused.conv2d({x: pixels(), filter: cube(2, 3, 3, 4) as tf.Tensor4D, strides: 2, pad, bias: cube(4) as tf.Tensor1D}),
    () => tf.fused.depthwiseConv2d({x: pixels(), filter: cube(2, 3, 3, 2) as tf.Tensor4D, strides: 1, pad, bias: cube(6) as tf.Tensor1D}),
  ]),
  () => tf.conv2dTranspose(pixels() as tf.Tensor4D, cube(3, 3, 5, 3) as tf.Tensor4D, [2, 8, 12, 5], 2, 'same'),
  () => [tf.depthToSpace(cube(2, 3, 5, 12) as tf.Tensor4D, 2), tf.getBackend() === 'cpu' || tf.depthToSpace(cube(2, 18, 5, 4) as tf.Tensor4D, 3, 'NCHW')],
  () => [gradient(y => tf.spaceToBatchND(y, [2, 3], [[0, 0], [1, 2]]), pixels()), gradient(y => tf.batchToSpaceND(y as tf.Tensor4D, [2, 2], [[1, 0], [0, 3]]), cube(8, 4, 6, 3)),
    tf.spaceToBatchND(x(), [2], [[1, 1]]), tf.batchToSpaceND(cube(6, 4, 3, 2), [3], [[2, 0]])],
  () => [gradient(y => tf.localResponseNormalization(y, 1), pixels()), tf.image.flipLeftRight(pixels()), tf.image.rotateWithOffset(pixels(), 0.3)],
  () => [gradient(y => tf.image.resizeBilinear(y, [5, 7]), cube(2, 4, 4, 3)), gradient(y => tf.image.resizeNearestNeighbor(y, [8, 3]), pixels())],
  () => [tf.image.resizeBilinear(pixels().cast('int32') as tf.Tensor4D, [5, 7]), tf.image.cropAndResize(pixels(), boxes(), indices(0, 1, 1), [3, 5]),
    tf.image.transform(pixels(), tf.tensor2d([[1, 0, 0, 0, 1, 0, 0, 0]])), tf.image.transform(pixels(), tf.tensor2d([[1, 0, 0, 0, 1, 0, 0, 0]]), 'nearest', 'constant', 0, [4, 6])],
];

for (const backend of ['wasm', 'cpu'] as const) {
  test.serial(`the outputs of every kernel of the backend: ${backend}`, async t => {
    await tf.setBackend(backend);
    const names = tf.getKernelsForBackend(backend).map(({kernelName}) => kernelName);
    const called = await compare(() => CALLS.forEach(call => tf.tidy(() => {
      try {
        call();
      } catch (error) {
        if (!/not registered for backend/.test((error as Error).message)) {
          throw error;
        }
      }
    })), t);
    t.deepEqual(names.filter(name => !called.has(name) && !BY_ENTRIES.includes(name) && !UNCALLED.includes(name)), []);
  });
}

for (const backend of ['wasm', 'cpu'] as const) {
  test.serial(`the outputs of every kernel of a step: ${backend}`, async t => {
    await tf.setBackend(backend);
    const own = cases.filter(({backends, refused, refusedOn}) =>
      backends.includes(backend) && refused === undefined && refusedOn?.[backend] === undefined);
    const kernels = new Set<string>();
    for (const one of own.filter((_, i) => i % EVERY === 0)) {
      const [model, {x, y}] = [one.model(), one.batch()];
      for (const memoryLimit of [2 ** 30, 2 ** 20]) {
        const optimizer = ggn({memoryLimit});
        model.compile({optimizer, loss: one.loss});
        (await compare(() => model.trainOnBatch(x, y), t)).forEach(kernel => kernels.add(kernel));
        optimizer.dispose();
      }
      tf.dispose([x, y]);
      model.dispose();
    }
    t.log(`${kernels.size} kernels`);
    t.true(kernels.size > 30);
  });
}
