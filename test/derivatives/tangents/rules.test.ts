/** Tangent rules of single kernels: a forward sweep through each against reverse sweeps row by row, and against tfjs's own autodiff. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import type {ExecutionContext} from 'ava';
import {capture} from '../../../src/trace/capture';
import {forwardJacobian} from '../../../src/jacobian/sweep/forward_jacobian';
import {makeForwardPlan} from '../../../src/jacobian/plan/forward_plan';
import {linearize} from '../../../src/jacobian/sweep/linearize';
import {makePlan} from '../../../src/jacobian/plan/make_plan';
import {findRows} from '../../../src/loss/rows';
import {denseJacobian} from '../../reference/dense_jacobian';
import {useBackend} from '../../support/backends';
import type {NodeBackend} from '../../support/backends';
import {relativeError} from '../../support/relative_error';
import {testOn} from '../../support/test_on';

type Op = (...inputs: any[]) => tf.Tensor;
interface Case {
  kernel: string;
  op: Op;
  shapes: number[][];
  /** Inputs that stay as they are: distinct numbers, positive ones. */
  at?: (x: tf.Tensor) => tf.Tensor;
  /** tfjs has no right gradient: only against reverse sweeps. */
  isOurs?: boolean;
}

const positive = (x: tf.Tensor): tf.Tensor => tf.exp(x);
const inside = (x: tf.Tensor): tf.Tensor => tf.mul(tf.sin(x), 0.8);
const beyond = (x: tf.Tensor): tf.Tensor => tf.add(tf.square(x), 1.2);

const unary: Case[] = ([['Abs', tf.abs], ['Acos', tf.acos, inside], ['Acosh', tf.acosh, beyond], ['Asin', tf.asin, inside], ['Asinh', tf.asinh], ['Atan', tf.atan],
  ['Atanh', tf.atanh, inside], ['ClipByValue', (x: tf.Tensor) => tf.clipByValue(x, -0.5, 0.5)], ['Cos', tf.cos], ['Cosh', tf.cosh], ['Elu', tf.elu], ['Erf', tf.erf], ['Exp', tf.exp],
  ['Expm1', tf.expm1], ['LeakyRelu', tf.leakyRelu], ['Log', tf.log, positive], ['Log1p', tf.log1p, positive], ['Neg', tf.neg], ['Reciprocal', tf.reciprocal, positive],
  ['Relu', tf.relu], ['Relu6', (x: tf.Tensor) => tf.relu6(tf.mul(x, 6))], ['Rsqrt', tf.rsqrt, positive], ['Selu', tf.selu], ['Sigmoid', tf.sigmoid], ['Sin', tf.sin], ['Sinh', tf.sinh],
  ['Softplus', tf.softplus], ['Sqrt', tf.sqrt, positive], ['Square', tf.square], ['Tan', tf.tan], ['Tanh', tf.tanh], ['Cast', (x: tf.Tensor) => tf.cast(x, 'float32')],
] as Array<[string, Op, ((x: tf.Tensor) => tf.Tensor)?]>).flatMap(([kernel, op, at]) => [[2, 3], []].map(shape => ({kernel, op, shapes: [shape], at})));

const BROADCASTS = [[[2, 3], [2, 3]], [[2, 3], [3]], [[3], [2, 3]], [[2, 1], [2, 3]], [[2, 2, 3], [2, 1]], [[], [2, 3]], [[2, 3], []], [[2, 1], [1, 3]], [[], []]];
const binary: Case[] = ([['Add', tf.add], ['Sub', tf.sub], ['Multiply', tf.mul], ['RealDiv', tf.div, positive], ['SquaredDifference', tf.squaredDifference, undefined, true],
  ['Maximum', tf.maximum, undefined, true], ['Minimum', tf.minimum, undefined, true], ['Pow', tf.pow, positive], ['Atan2', tf.atan2], ['Mod', tf.mod, positive, true],
] as Array<[string, Op, ((x: tf.Tensor) => tf.Tensor)?, boolean?]>).flatMap(([kernel, op, at, isOurs]) => BROADCASTS.map(shapes => ({kernel, op, shapes, at, isOurs})));

const indices = (values: number[], shape?: number[]): tf.Tensor => tf.tensor(values, shape ?? [values.length], 'int32');
const mask = (): tf.Tensor => tf.tensor([1, 0, 1, 1, 0, 0], [2, 3], 'bool');

const others: Case[] = ([
  ['AddN', (a, b, c) => tf.addN([a, b, c]), [[2, 3], [2, 3], [2, 3]]],
  ['Select', (a, b) => tf.where(mask(), a, b), [[2, 3], [2, 3]]], ['Select', a => tf.where(mask(), a, tf.scalar(2)), [[2, 3]]], ['Select', (a, b) => tf.where(mask(), a, b), [[3], [2, 1]]],
  ['Prelu', (x, a) => tf.prelu(x, a), [[4, 3], [3]]], ['Prelu', (x, a) => tf.prelu(x, a), [[4, 3], [4, 3]]],
  ['FusedBatchNorm', (x, mean, variance, offset, scale) => tf.batchNorm(x, mean, tf.add(tf.square(variance), 0.1), offset, scale, 0.01), [[2, 2, 2, 3], [3], [3], [3], [3]]],
  ['FusedBatchNorm', (x, mean, variance, offset, scale) => tf.batchNorm(x, mean, tf.add(tf.square(variance), 0.1), offset, scale, 0.01), Array<number[]>(5).fill([1, 2, 2, 2])],
  ['Reshape', x => tf.reshape(x, [2, 6]), [[4, 3]]], ['Reshape', x => tf.reshape(x, []), [[1, 1]]], ['ExpandDims', x => tf.expandDims(x, 1), [[2, 3]]],
  ['Transpose', x => tf.transpose(x, [2, 0, 1]), [[2, 3, 4]]], ['Transpose', x => tf.transpose(x), [[2, 3]]],
  ['Slice', x => tf.slice(x, [1, 0], [2, 2]), [[4, 3]]], ['Slice', x => tf.slice(x, 1, 2), [[4, 3]]], ['Slice', x => tf.slice(x, [2]), [[4, 3]]],
  ['StridedSlice', x => tf.stridedSlice(x, [0, 1], [5, 4], [2, 1]), [[5, 4]], true], ['StridedSlice', x => tf.stridedSlice(x, [4, 3], [-6, 0], [-2, -1], 0, 2), [[5, 4]], true],
  ['StridedSlice', x => tf.stridedSlice(x, [1, 1], [2, 4], [1, 1], 0, 0, 0, 0, 1), [[5, 4]], true], ['StridedSlice', x => tf.stridedSlice(x, [0, 0, 1], [5, 0, 4], [1, 1, 2], 0, 0, 0, 2), [[5, 4]], true],
  ['Tile', x => tf.tile(x, [2, 3]), [[2, 3]]], ['Tile', x => tf.broadcastTo(x, [4, 2, 3]), [[2, 1]]],
  ['PadV2', x => tf.pad(x, [[1, 0], [2, 1]], 7), [[2, 3]]], ['MirrorPad', x => tf.mirrorPad(x, [[1, 1], [2, 0]], 'reflect'), [[2, 3]], true],
  ['Reverse', x => tf.reverse(x, [1]), [[2, 3]]], ['Reverse', x => tf.reverse(x), [[2, 3]]],
  ['Cumsum', x => tf.cumsum(x, 1), [[2, 4]]], ['Cumsum', x => tf.cumsum(x, 0, true, true), [[4, 3]], true], ['Cumsum', x => tf.cumsum(x, 1, false, true), [[2, 3, 2]], true], ['Cumsum', x => tf.cumsum(x), [[5]]],
  ['Cumprod', x => tf.cumprod(x, 1), [[2, 5]], true], ['Cumprod', x => tf.cumprod(x, 0, true, true), [[4, 3]], true], ['Cumprod', x => tf.cumprod(x, 1, false, true), [[2, 3, 2]], true],
  ['Cumprod', x => tf.cumprod(x, 1, true), [[2, 1]], true], ['SplitV', x => tf.split(x, [1, 3], 1)[1], [[2, 4]]], ['SplitV', x => { const [a, b] = tf.split(x, 2, -1); return tf.mul(a, b); }, [[2, 4]]],
  ['Unpack', x => { const [a, , c] = tf.unstack(x, 1); return tf.mul(a, c); }, [[2, 3]]], ['Unpack', x => tf.unstack(x)[1], [[2, 3]]],
  ['GatherV2', x => tf.gather(x, indices([2, 0, 2, 1])), [[3, 2]]], ['GatherV2', x => tf.gather(x, indices([2, 0, 2, 1], [2, 2]), 1), [[2, 3]]], ['GatherV2', x => tf.gather(x, indices([1, 1]), 1), [[2, 3]]],
  ['Concat', (a, b) => tf.concat([a, tf.ones([2, 2]), b], 1), [[2, 3], [2, 4]]], ['Concat', (a, b) => tf.concat([a, b], -1), [[2, 3], [2, 1]]],
  ['Pack', (a, b) => tf.stack([a, tf.ones([2, 3]), b], 1), [[2, 3], [2, 3]]], ['Pack', (a, b) => tf.stack([a, b]), [[], []]], ['Pack', (a, b) => tf.stack([a, b], -1), [[2], [2]]],
  ['Sum', x => tf.sum(x, 1), [[4, 3]]], ['Sum', x => tf.sum(x), [[4, 3]]], ['Sum', x => tf.sum(x, [0, -1], true), [[2, 3, 2]]], ['Mean', x => tf.mean(x, [0, 2]), [[2, 4, 3]]], ['Mean', x => tf.mean(x), [[4]]],
  ['Max', x => tf.max(x, 1), [[4, 3]]], ['Max', x => tf.max(x), [[4, 3]]], ['Min', x => tf.min(x, 0, true), [[4, 3]]], ['Prod', x => tf.prod(x, 1), [[3, 3]], true],
  ['Softmax', x => tf.softmax(x), [[4, 3]]], ['Max', x => tf.logSoftmax(x), [[4, 3]]], ['Max', x => tf.logSumExp(x, 1), [[4, 3]]],
  ...[[[4, 3], [3, 2]], [[1, 3], [3, 1]], [[3, 4, 3], [3, 3, 2]], [[4, 1, 3], [4, 3, 1]]].map((shapes): Row => ['BatchMatMul', (a, b) => tf.matMul(a, b), shapes]),
  ['BatchMatMul', (a, b) => tf.matMul(a, b, false, true), [[4, 3], [2, 3]]], ['BatchMatMul', (a, b) => tf.matMul(a, b, true), [[3, 4], [3, 2]]], ['BatchMatMul', (a, b) => tf.matMul(a, b, true, true), [[5, 3, 4], [5, 2, 3]]],
  ['BatchMatMul', a => tf.matMul(a, a, false, true), [[4, 3]]], ['BatchMatMul', a => tf.dot(a, a), [[3]]], ['BatchMatMul', (a, b) => tf.outerProduct(a, b), [[3], [2]]],
  ...['linear', 'relu', 'relu6', 'sigmoid', 'elu', 'leakyrelu'].map((activation): Row => ['_FusedMatMul',
    (a, b, bias) => tf.fused.matMul({a, b, bias, activation: activation as 'relu', leakyreluAlpha: 0.3}), [[4, 3], [3, 2], [2]]]),
  ['FusedConv2D', (x, filter, bias) => tf.fused.conv2d({x, filter, bias, strides: 1, pad: 'same', activation: 'sigmoid'}), [[2, 4, 3, 2], [2, 2, 2, 2], [2]], true],
  ['FusedDepthwiseConv2D', (x, filter, bias) => tf.fused.depthwiseConv2d({x, filter, bias, strides: 1, pad: 'same', activation: 'elu'}), [[2, 4, 3, 2], [2, 2, 2, 1], [2]], true],
  ['Conv2D', (x, w) => tf.conv2d(x, w, 2, 'same'), [[2, 4, 4, 2], [3, 3, 2, 2]], true], ['Conv2D', (x, w) => tf.conv1d(x, w, 1, 'valid'), [[1, 8, 1], [3, 1, 1]], true],
  ['DepthwiseConv2dNative', (x, w) => tf.depthwiseConv2d(x, w, 1, 'valid'), [[2, 4, 3, 2], [2, 2, 2, 2]], true],
  ['Conv2DBackpropInput', (x, w) => tf.conv2dTranspose(x, w, [2, 4, 4, 2], 2, 'same'), [[2, 2, 2, 3], [3, 3, 2, 3]], true],
  ['Conv3D', (x, w) => tf.conv3d(x, w, 1, 'same'), [[1, 2, 3, 3, 1], [2, 2, 2, 1, 2]], true],
  ['AvgPool', x => tf.avgPool(x, 2, 2, 'same'), [[2, 5, 3, 2]], true], ['MaxPool', x => tf.maxPool(x, 2, 1, 'valid'), [[2, 4, 3, 2]], true],
  ['ResizeBilinear', x => tf.image.resizeBilinear(x, [5, 4]), [[2, 3, 2, 1]], true], ['ResizeNearestNeighbor', x => tf.image.resizeNearestNeighbor(x, [6, 4]), [[2, 3, 2, 1]], true],
  ['FlipLeftRight', x => tf.image.flipLeftRight(x), [[2, 3, 4, 1]], true],
  ['SpaceToBatchND', x => tf.spaceToBatchND(x, [2], [[0, 0]]), [[3, 4, 2]]], ['BatchToSpaceND', x => tf.batchToSpaceND(x, [2], [[0, 0]]), [[4, 3, 2]]],
  ['GatherNd', x => tf.gatherND(x, indices([1, 2, 0, 0], [2, 2])), [[2, 3]], true], ['ScatterNd', x => tf.scatterND(indices([4, 1, 4], [3, 1]), x, [5]), [[3]], true],
] as Row[]).map(([kernel, op, shapes, isOurs]) => ({kernel, op, shapes, isOurs}));

type Row = [string, Op, number[][], boolean?];

/** J by forward sweeps of so many floats at most, and row by row. */
function bothWays(f: () => tf.Tensor, variables: readonly tf.Variable[], floats?: number): {kernels: Set<string>; forward: Float32Array; reverse: Float32Array} {
  const {cost, trace} = capture(() => tf.sum(tf.square(f())));
  try {
    const found: {forward?: Float32Array; reverse?: Float32Array} = {};
    tf.tidy(() => {
      const {dependence, blocks} = findRows(trace, v => variables.includes(v), null);
      const read = (j: {dense(): tf.Tensor}): Float32Array => j.dense().dataSync().slice() as Float32Array;
      found.forward = read(forwardJacobian(trace, makeForwardPlan(trace, dependence, blocks), floats));
      found.reverse = read(linearize(trace, makePlan(trace, dependence, blocks, 1, value => trace.producer[value] === -1 && trace.values[value].rank > 0)));
    });
    return {kernels: new Set(trace.nodes.map(({kernel}) => kernel)), forward: found.forward!, reverse: found.reverse!};
  } finally {
    trace.dispose();
    cost.dispose();
  }
}

function check(t: ExecutionContext, {kernel, op, shapes, at = tf.sin, isOurs = false}: Case, backend: NodeBackend): void {
  const variables = shapes.map((shape, i) => tf.variable(tf.randomNormal(shape, 0, 1, 'float32', i + 1)));
  const f = (): tf.Tensor => tf.tanh(op(...variables.map(v => at(v))));
  const {numTensors} = tf.memory();
  const {kernels, forward, reverse} = bothWays(f, variables);
  const name = `${kernel} ${JSON.stringify(shapes)}`;
  t.true(kernels.has(kernel), `${kernel} did not run, but ${[...kernels].join()}`);
  t.true(relativeError(forward, reverse) < 3e-6, `${name}, row by row: ${relativeError(forward, reverse)}`);
  t.true(relativeError(bothWays(f, variables, 1).forward, forward) < 1e-6, `${name}, one direction at a time`);
  if (!isOurs && backend === 'cpu') {
    t.true(relativeError(forward, denseJacobian(f, variables).jacobian) < 3e-6, `${name}, tfjs`);
  }
  t.is(tf.memory().numTensors, numTensors);
  tf.dispose(variables);
}

for (const backend of ['cpu', 'wasm', 'tensorflow'] as const) {
  // Entry by entry the rules are the same kernels everywhere.
  const all = [['other kernels', others], ['one tensor', unary], ['two tensors, with broadcasting', binary]] as const;
  for (const [name, cases] of backend === 'tensorflow' ? all.slice(0, 1) : all) {
    testOn(backend)(`${backend}: ${name}`, async t => {
      await useBackend(backend);
      for (const one of cases) {
        check(t, one, backend);
      }
    });
  }
}
