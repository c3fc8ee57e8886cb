/**
 * Where the examples go, rule by rule, against brute force: change the numbers of one example in the inputs and see which numbers of the
 * output change. They must all be where the predicted stride says that this example is.
 */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import fc from 'fast-check';
import {capture} from '../../src/trace/capture';
import {BatchAxisLost, propagateBatch} from '../../src/trace/batch_axis';
import type {BatchStride} from '../../src/trace/example_axis';
import {within} from '../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 3;

/** An input of this shape with the examples at this stride; null: shared by all. */
interface Input {
  shape: number[];
  stride: BatchStride;
  dtype?: 'float32' | 'int32' | 'bool';
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const strideOfAxis = (shape: number[], axis: number): number => size(shape.slice(axis + 1));

/** The examples along one axis of an input. */
const at = (axis: number, ...shape: number[]): Input => ({shape, stride: strideOfAxis(shape, axis)});
const shared = (...shape: number[]): Input => ({shape, stride: null});

function numbers(input: Input, seed: number, example: number | null): tf.Tensor {
  const of = (i: number, changed: number): number => {
    const noise = 43758.5453 * Math.sin(1 + 12.9898 * (i + 100 * seed) + 78.233 * changed);
    const u = 0.1 + 0.8 * (noise - Math.floor(noise));
    return input.dtype === 'int32' ? Math.floor(u * 4) : input.dtype === 'bool' ? Number(u > 0.5) : u;
  };
  const values = Array.from({length: size(input.shape)}, (_, i) =>
    of(i, input.stride !== null && Math.floor(i / input.stride) % B === example ? 1 : 0));
  return tf.tensor(values, input.shape, input.dtype ?? 'float32');
}

type Op = (...inputs: any[]) => tf.Tensor | tf.Tensor[];

/** Runs the op, follows the strides through its kernels, and returns the stride and numbers of each output. */
function run(op: Op, inputs: Input[], example: number | null, batch = B, seed = 0): {outputs: Array<{stride: BatchStride; values: number[]}>; kernels: string[]} {
  return within(() => {
    const tensors = inputs.map((input, i) => numbers(input, i + 10 * seed, example));
    let results: tf.Tensor[] = [];
    const {trace} = capture(() => {
      results = [op(...tensors)].flat().map(result => tf.keep(result.clone()));
      return tf.scalar(0);
    });
    try {
      const strides: BatchStride[] = trace.values.map((value, v) => {
        const input = trace.producer[v] === -1 ? tensors.findIndex(one => one.dataId === value.dataId) : -1;
        return input < 0 ? null : inputs[input].stride;
      });
      for (const node of trace.nodes) {
        const found = propagateBatch(node, new Map(node.inputs.map(([name, v]) => [name, {shape: trace.values[v].shape, stride: strides[v]}])),
            node.outputs.map(v => trace.values[v].shape), batch);
        node.outputs.forEach((v, k) => strides[v] = found[k]);
      }
      const outputs = results.map(result => ({
        stride: strides[trace.values.map(value => value.dataId).lastIndexOf(result.dataId)], values: [...result.dataSync()]}));
      return {outputs, kernels: trace.nodes.map(node => node.kernel)};
    } finally {
      trace.dispose();
      tf.dispose(results);
    }
  });
}

/** Whether the predicted strides are those that the numbers show: null, or what is wrong. */
function wrong(op: Op, inputs: Input[]): string | null {
  let moved = 0;
  // Truth values and roundings may stay as they are: then other numbers are tried.
  for (let seed = 0; seed < 20 && moved === 0; seed++) {
    const base = run(op, inputs, null, B, seed).outputs;
    for (let example = 0; example < B; example++) {
      const changed = run(op, inputs, example, B, seed).outputs;
      for (const [k, {stride, values}] of base.entries()) {
        if (stride !== null && values.length % (stride * B) !== 0) {
          return `output ${k}: stride ${stride} does not fit ${values.length} entries`;
        }
        for (let i = 0; i < values.length; i++) {
          if (!Object.is(values[i], changed[k].values[i])) {
            moved++;
            if (stride === null || Math.floor(i / stride) % B !== example) {
              return `output ${k}, stride ${stride}: entry ${i} depends on example ${example}`;
            }
          }
        }
      }
    }
  }
  return moved === 0 ? 'nothing depends on any example' : null;
}

function check(t: ExecutionContext, kernel: string, op: Op, inputs: Input[]): void {
  t.true(run(op, inputs, null).kernels.includes(kernel), `${kernel} runs: ${run(op, inputs, null).kernels.join()}`);
  t.is(wrong(op, inputs), null, kernel);
  t.true(run(op, inputs, null).outputs.every(output => output.stride !== null));
}

function lost(t: ExecutionContext, reason: 'reduces' | 'couples' | 'unknown', kernel: string, op: Op, inputs: Input[]): void {
  const error = t.throws(() => run(op, inputs, null), {instanceOf: BatchAxisLost}, `${kernel} must throw`);
  t.is((error as BatchAxisLost | undefined)?.reason, reason, kernel);
  t.is((error as BatchAxisLost | undefined)?.kernel, kernel);
}

// ------------------------------------------------------------------------------------------------------------------------ rule by rule

const UNARY: Record<string, (x: tf.Tensor) => tf.Tensor> = {Cast: x => x.toInt().mul(1), ClipByValue: x => x.clipByValue(0.2, 0.7), Abs: x => x.abs(), Neg: x => x.neg(),
  Square: x => x.square(), Sqrt: x => x.sqrt(), Rsqrt: x => x.rsqrt(), Exp: x => x.exp(), Expm1: x => x.expm1(), Log: x => x.log(), Log1p: x => x.log1p(),
  Sin: x => x.sin(), Cos: x => x.cos(), Tan: x => x.tan(), Asin: x => x.asin(), Acos: x => x.acos(), Atan: x => x.atan(), Sinh: x => x.sinh(),
  Cosh: x => x.cosh(), Tanh: x => x.tanh(), Asinh: x => x.asinh(), Acosh: x => x.add(1).acosh(), Atanh: x => x.atanh(), Erf: x => x.erf(),
  Sigmoid: x => x.sigmoid(), Softplus: x => x.softplus(), Relu: x => x.sub(0.5).relu(), Relu6: x => x.mul(10).relu6(), LeakyRelu: x => tf.leakyRelu(x.sub(0.5)),
  Elu: x => x.sub(0.5).elu(), Selu: x => x.sub(0.5).selu(), Step: x => tf.step(x.sub(0.5)), Sign: x => x.sub(0.5).sign(), Floor: x => tf.floor(x.mul(9)),
  Ceil: x => x.mul(9).ceil(), Round: x => x.mul(9).round(), Reciprocal: x => x.reciprocal(), IsNan: x => x.sub(0.5).log().isNaN(),
  IsInf: x => tf.step(x.sub(0.5)).log().isInf(), IsFinite: x => tf.step(x.sub(0.5)).log().isFinite()};

for (const [kernel, op] of Object.entries(UNARY)) {
  test.serial(`elementwise: ${kernel}`, t => {
    check(t, kernel, x => kernel === 'Cast' ? op(x.mul(9)) : op(x), [at(0, B, 4)]);
    check(t, kernel, x => kernel === 'Cast' ? op(x.mul(9)) : op(x), [at(1, 2, B, 5)]);
  });
}

const BINARY: Record<string, (a: any, b: any) => tf.Tensor> = {Add: tf.add, Sub: tf.sub, Multiply: tf.mul, RealDiv: tf.div, Maximum: tf.maximum,
  Minimum: tf.minimum, Pow: tf.pow, Mod: tf.mod, Atan2: tf.atan2, SquaredDifference: tf.squaredDifference, Greater: tf.greater,
  GreaterEqual: tf.greaterEqual, Less: tf.less, LessEqual: tf.lessEqual, Equal: (a, b) => tf.equal(a.mul(3).round(), b.mul(3).round()),
  NotEqual: (a, b) => tf.notEqual(a.mul(3).round(), b.mul(3).round()),
  FloorDiv: (a, b) => tf.floorDiv(a.mul(20), b), LogicalAnd: (a, b) => tf.logicalAnd(a.greater(0.5), b.greater(0.5)),
  LogicalOr: (a, b) => tf.logicalOr(a.greater(0.5), b.greater(0.5)), Prelu: (a, b) => tf.prelu(a.sub(0.5), b)};

for (const [kernel, op] of Object.entries(BINARY)) {
  test.serial(`elementwise, broadcast: ${kernel}`, t => {
    const pairs: Input[][] = [
      [at(0, B, 4), at(0, B, 4)], [at(0, B, 4), shared(4)], [at(0, B, 4), shared(1, 4)], [at(0, B, 4), at(0, B, 1)], [at(0, B, 1), shared(4)],
      [at(1, 4, B), shared(4, 1)], [at(1, 4, B), at(0, B)], [at(0, B, 1, 4), shared(5, 1)], [at(1, 2, B, 4), at(0, B, 1)],
    ];
    for (const [a, b] of pairs) {
      // Prelu's second operand is broadcast to the first, not the other way round.
      const fits = a.shape.length >= b.shape.length && b.shape.every((d, i) => d === 1 || d === a.shape[a.shape.length - b.shape.length + i]);
      if (kernel !== 'Prelu' || fits) {
        check(t, kernel, op, [a, b]);
      }
      if (kernel !== 'Prelu') {
        check(t, kernel, op, [b, a]);
      }
    }
    // Examples of one input against those of the other.
    lost(t, 'couples', kernel, op, [at(0, B, B), at(1, B, B)]);
    if (kernel !== 'Prelu') {
      lost(t, 'couples', kernel, op, [at(0, B, 1), at(0, B)]);
    }
  });
}

test.serial('elementwise with three and more inputs: Select, AddN, FusedBatchNorm, EluGrad', t => {
  check(t, 'Select', (c, a, b) => tf.where(c.greater(0.5), a, b), [at(0, B, 4), at(0, B, 4), shared(B, 4)]);
  lost(t, 'couples', 'Select', (c, a, b) => tf.where(c.greater(0.5), a, b), [at(0, B, B), at(1, B, B), shared(B, B)]);
  check(t, 'AddN', (a, b, c) => tf.addN([a, b, c]), [at(0, B, 4), shared(B, 4), at(0, B, 4)]);
  lost(t, 'couples', 'AddN', (a, b) => tf.addN([a, b]), [at(0, B, B), at(1, B, B)]);
  check(t, 'FusedBatchNorm', (x, m, v) => tf.batchNorm(x, m, v), [at(0, B, 1, 2, 4), shared(4), shared(4)]);
  check(t, 'FusedBatchNorm', (x, m, v) => tf.batchNorm(x, m, v), [at(0, B, 1, 2, 4), at(0, B, 1, 2, 4), at(0, B, 1, 2, 4)]);
  check(t, 'EluGrad', (dy, y) => tf.engine().runKernel('EluGrad', {dy, y}), [at(1, 2, B), at(1, 2, B)]);
});

test.serial('Reshape keeps the stride, wherever the axes go', t => {
  const cases: Array<[Input, number[]]> = [
    [at(0, B, 4, 2), [B * 4, 2]], [at(0, B, 4, 2), [B, 8]], [at(0, B, 4), [1, B, 2, 2]], [at(1, 2, B, 5), [2 * B, 5]], [at(1, 2, B, 5), [-1]],
    [{shape: [B * 4, 2], stride: 8}, [B, 4, 2]], [{shape: [2, B * 2], stride: 2}, [2, B, 2]], [at(0, B), [B, 1]],
  ];
  for (const [input, shape] of cases) {
    check(t, 'Reshape', x => x.reshape(shape), [input]);
  }
});

test.serial('ExpandDims is a reshape', t => {
  for (const axis of [0, 1, 2, -1]) {
    check(t, 'ExpandDims', x => tf.expandDims(x, axis), [at(0, B, 4)]);
    check(t, 'ExpandDims', x => tf.expandDims(x, axis), [at(1, 4, B)]);
  }
});

test.serial('Transpose', t => {
  for (const perm of [[0, 1, 2], [1, 0, 2], [2, 0, 1], [2, 1, 0], [0, 2, 1]]) {
    for (const axis of [0, 1, 2]) {
      const shape = [2, 4, 5];
      shape[axis] = B;
      check(t, 'Transpose', x => x.transpose(perm), [at(axis, ...shape)]);
    }
    // Several positions of one example along an axis.
    check(t, 'Transpose', x => x.transpose(perm), [{shape: [B * 2, 4, 5], stride: 40}]);
  }
});

const REDUCE: Record<string, (x: tf.Tensor, axis: number | number[] | undefined, keep: boolean) => tf.Tensor> = {
  Sum: (x, axis, keep) => x.sum(axis, keep), Mean: (x, axis, keep) => x.mean(axis, keep), Max: (x, axis, keep) => x.max(axis, keep),
  Min: (x, axis, keep) => x.min(axis, keep), Prod: (x, axis, keep) => x.prod(axis as number, keep),
  All: (x, axis, keep) => x.greater(0.3).all(axis as number, keep), Any: (x, axis, keep) => x.greater(0.7).any(axis as number, keep)};

for (const [kernel, op] of Object.entries(REDUCE)) {
  test.serial(`reduction: ${kernel}`, t => {
    for (const keep of [false, true]) {
      check(t, kernel, x => op(x, 1, keep), [at(0, B, 4, 2)]);
      check(t, kernel, x => op(x, -1, keep), [at(0, B, 4)]);
      check(t, kernel, x => op(x, 0, keep), [at(1, 2, B, 4)]);
      check(t, kernel, x => op(x, [0, 2], keep), [at(1, 2, B, 4)]);
      check(t, kernel, x => op(x, -3, keep), [at(2, 2, 4, B)]);
      check(t, kernel, x => op(x, 1, keep), [{shape: [B * 2, 4], stride: 8}]);
      lost(t, 'reduces', kernel, x => op(x, 0, keep), [at(0, B, 4)]);
      lost(t, 'reduces', kernel, x => op(x, -2, keep), [at(0, B, 4)]);
      lost(t, 'reduces', kernel, x => op(x, [0, 1], keep), [at(1, 2, B, 4)]);
      lost(t, 'reduces', kernel, x => op(x, undefined, keep), [at(0, B, 4)]);
      lost(t, 'reduces', kernel, x => op(x, 0, keep), [{shape: [B * 2, 4], stride: 8}]);
    }
  });
}

test.serial('ArgMax, ArgMin', t => {
  for (const [kernel, op] of [['ArgMax', tf.argMax], ['ArgMin', tf.argMin]] as const) {
    check(t, kernel, x => op(x, 1), [at(0, B, 6)]);
    check(t, kernel, x => op(x, -1), [at(0, B, 6)]);
    check(t, kernel, x => op(x, 0), [at(1, 6, B, 2)]);
    lost(t, 'reduces', kernel, x => op(x, 0), [at(0, B, 6)]);
  }
});

test.serial('kernels along one axis: Concat, SplitV, Unpack, Pack, Cumsum, Cumprod, Softmax, LogSoftmax, Reverse', t => {
  check(t, 'Concat', (a, b) => tf.concat([a, b], 1), [at(0, B, 2), at(0, B, 4)]);
  check(t, 'Concat', (a, b) => tf.concat([a, b], 0), [at(1, 2, B), at(1, 4, B)]);
  check(t, 'Concat', (a, b) => tf.concat([a, b], -1), [at(0, B, 2), shared(B, 4)]);
  lost(t, 'couples', 'Concat', (a, b) => tf.concat([a, b], 0), [at(0, B, 2), at(0, B, 2)]);
  lost(t, 'couples', 'Concat', (a, b) => tf.concat([a, b], 0), [at(0, B, 2), shared(1, 2)]);
  lost(t, 'couples', 'Concat', (a, b) => tf.concat([a, b], 2), [at(0, B, B, 2), at(1, B, B, 2)]);

  check(t, 'SplitV', x => tf.split(x, 2, 1), [at(0, B, 4)]);
  check(t, 'SplitV', x => tf.split(x, [1, 3], 0), [at(1, 4, B, 2)]);
  lost(t, 'couples', 'SplitV', x => tf.split(x, [1, 2], 0), [at(0, B, 4)]);

  check(t, 'Unpack', x => tf.unstack(x, 1), [at(0, B, 4)]);
  check(t, 'Unpack', x => tf.unstack(x, 0), [at(1, 2, B, 4)]);
  check(t, 'Unpack', x => tf.unstack(x, -1), [at(1, 2, B, 4)]);
  lost(t, 'couples', 'Unpack', x => tf.unstack(x, 0), [at(0, B, 4)]);

  for (const axis of [0, 1, 2, -1]) {
    check(t, 'Pack', (a, b) => tf.stack([a, b], axis), [at(0, B, 4), at(0, B, 4)]);
    check(t, 'Pack', (a, b) => tf.stack([a, b], axis), [at(1, 2, B), shared(2, B)]);
  }
  lost(t, 'couples', 'Pack', (a, b) => tf.stack([a, b], 0), [at(0, B, B), at(1, B, B)]);

  check(t, 'Cumsum', x => tf.cumsum(x, 1), [at(0, B, 4)]);
  check(t, 'Cumsum', x => tf.cumsum(x, 0), [at(1, 2, B)]);
  lost(t, 'couples', 'Cumsum', x => tf.cumsum(x, 0), [at(0, B, 4)]);
  lost(t, 'couples', 'Cumsum', x => tf.cumsum(x), [at(0, B, 4)]);
  check(t, 'Cumprod', x => tf.cumprod(x, 0), [at(1, 2, B)]);
  lost(t, 'couples', 'Cumprod', x => tf.cumprod(x), [at(0, B, 4)]);

  check(t, 'Softmax', x => tf.softmax(x), [at(0, B, 4)]);
  check(t, 'Softmax', x => tf.softmax(x, 1), [at(0, B, 4)]);
  lost(t, 'couples', 'Softmax', x => tf.softmax(x), [at(1, 4, B)]);
  // tf.logSoftmax is made of other kernels here; a backend may run one of its own.
  t.is(wrong(x => tf.logSoftmax(x), [at(0, B, 4)]), null);
  const logSoftmax = (shape: number[], stride: number): BatchStride[] => propagateBatch({kernel: 'LogSoftmax', attrs: {axis: 1},
    inputs: [['logits', 0]], arrayInputs: false, outputs: [1]}, new Map([['logits', {shape, stride}]]), [shape], B);
  t.deepEqual(logSoftmax([B, 4], 4), [4]);
  t.throws(() => logSoftmax([4, B], 1), {instanceOf: BatchAxisLost});

  check(t, 'Reverse', x => tf.reverse(x, 1), [at(0, B, 4)]);
  check(t, 'Reverse', x => tf.reverse(x, [0, 2]), [at(1, 2, B, 4)]);
  lost(t, 'couples', 'Reverse', x => tf.reverse(x, 0), [at(0, B, 4)]);
});

test.serial('Reverse without an axis reverses all of them', t => {
  lost(t, 'couples', 'Reverse', x => tf.reverse(x), [at(0, B, 4)]);
});

test.serial('kernels that keep all axes: Slice, StridedSlice, PadV2, MirrorPad, Tile', t => {
  check(t, 'Slice', x => tf.slice(x, [0, 1], [B, 2]), [at(0, B, 4)]);
  check(t, 'Slice', x => tf.slice(x, [1, 0], [1, B]), [at(1, 4, B)]);
  lost(t, 'couples', 'Slice', x => tf.slice(x, [1, 0], [2, 4]), [at(0, B, 4)]);
  check(t, 'StridedSlice', x => tf.stridedSlice(x, [0, 0, 1], [B, 4, 4], [1, 2, 2]), [at(0, B, 4, 5)]);
  lost(t, 'couples', 'StridedSlice', x => tf.stridedSlice(x, [0, 0], [B, 4], [2, 1]), [at(0, B, 4)]);
  check(t, 'PadV2', x => tf.pad(x, [[0, 0], [1, 2]]), [at(0, B, 4)]);
  check(t, 'PadV2', x => tf.pad(x, [[1, 2], [0, 0], [0, 1]]), [at(1, 2, B, 4)]);
  lost(t, 'couples', 'PadV2', x => tf.pad(x, [[1, 0], [0, 0]]), [at(0, B, 4)]);
  check(t, 'MirrorPad', x => tf.mirrorPad(x, [[0, 0], [1, 2]], 'reflect'), [at(0, B, 4)]);
  lost(t, 'couples', 'MirrorPad', x => tf.mirrorPad(x, [[1, 1], [0, 0]], 'symmetric'), [at(0, B, 4)]);
  check(t, 'Tile', x => tf.tile(x, [1, 3]), [at(0, B, 4)]);
  check(t, 'Tile', x => tf.tile(x, [2, 1, 2]), [at(1, 2, B, 4)]);
  lost(t, 'couples', 'Tile', x => tf.tile(x, [2, 1]), [at(0, B, 4)]);
});

test.serial('GatherV2: examples in the data, in the indices', t => {
  const index = (...shape: number[]): Input => ({...at(0, ...shape), dtype: 'int32'});
  check(t, 'GatherV2', (x, i) => tf.gather(x, i), [shared(5, 4), index(B)]);
  check(t, 'GatherV2', (x, i) => tf.gather(x, i), [shared(5, 4), index(B, 2)]);
  check(t, 'GatherV2', (x, i) => tf.gather(x, i, 1), [shared(2, 5), index(B)]);
  check(t, 'GatherV2', (x, i) => tf.gather(x, i, 1), [shared(2, 5, 4), {...at(1, 2, B), dtype: 'int32'}]);
  const fixed = (): tf.Tensor => tf.tensor1d([2, 0, 2, 1], 'int32');
  check(t, 'GatherV2', x => tf.gather(x, fixed(), 1), [at(0, B, 4, 2)]);
  check(t, 'GatherV2', x => tf.gather(x, fixed(), 0), [at(1, 4, B)]);
  check(t, 'GatherV2', x => tf.gather(x, fixed().reshape([2, 2]), 0), [at(1, 4, B, 2)]);
  check(t, 'GatherV2', x => tf.gather(x, tf.scalar(1, 'int32'), 0), [at(1, 4, B, 2)]);
  check(t, 'GatherV2', x => tf.gather(x, fixed(), -1), [at(0, B, 4)]);
  lost(t, 'couples', 'GatherV2', x => tf.gather(x, fixed().slice(0, 2), 0), [at(0, B, 4)]);
  lost(t, 'unknown', 'GatherV2', (x, i) => tf.gather(x, i, 1, 1), [at(0, B, 5), index(B, 2)]);
});

test.serial('BatchMatMul and _FusedMatMul: rows and leading axes, either operand, flags', t => {
  for (const [kernel, multiply] of [
    ['BatchMatMul', (a: any, b: any, ta = false, tb = false) => tf.matMul(a, b, ta, tb)],
    ['_FusedMatMul', (a: any, b: any, ta = false, tb = false) => tf.fused.matMul({a, b, transposeA: ta, transposeB: tb, activation: 'relu'})],
  ] as const) {
    check(t, kernel, (a, b) => multiply(a, b), [at(0, B, 4), shared(4, 2)]);
    check(t, kernel, (a, b) => multiply(a, b, false, true), [at(0, B, 4), shared(2, 4)]);
    check(t, kernel, (a, b) => multiply(a, b, true), [at(1, 4, B), shared(4, 2)]);
    check(t, kernel, (a, b) => multiply(a, b, true, true), [at(1, 4, B), shared(2, 4)]);
    check(t, kernel, (a, b) => multiply(a, b), [shared(2, 4), at(1, 4, B)]);
    check(t, kernel, (a, b) => multiply(a, b, false, true), [shared(2, 4), at(0, B, 4)]);
    check(t, kernel, (a, b) => multiply(a, b, true, true), [shared(4, 2), at(0, B, 4)]);
    check(t, kernel, (a, b) => multiply(a, b), [{shape: [B * 2, 4], stride: 8}, shared(4, 5)]);
    check(t, kernel, (a, b) => multiply(a, b), [at(0, B, 2, 4), at(0, B, 4, 5)]);
    check(t, kernel, (a, b) => multiply(a, b), [at(1, 2, B, 4), shared(2, 4, 5)]);
    check(t, kernel, (a, b) => multiply(a, b), [at(0, B, 2, 4), shared(1, 4, 5)]);
    lost(t, 'reduces', kernel, (a, b) => multiply(a, b), [shared(2, B), at(0, B, 4)]);
    lost(t, 'reduces', kernel, (a, b) => multiply(a, b, true), [at(0, B, 4), shared(B, 2)]);
    lost(t, 'reduces', kernel, (a, b) => multiply(a, b, false, true), [shared(2, B), at(1, 4, B)]);
    lost(t, 'couples', kernel, (a, b) => multiply(a, b, false, true), [at(0, B, 4), at(0, B, 4)]);
    lost(t, 'reduces', kernel, (a, b) => multiply(a, b, true), [at(0, B, 4), at(0, B, 5)]);
    lost(t, 'couples', kernel, (a, b) => multiply(a, b), [shared(B, B), at(0, B, 4)]);
    lost(t, 'couples', kernel, (a, b) => multiply(a, b), [at(0, B, B), at(0, B, 4)]);
    lost(t, 'couples', kernel, (a, b) => multiply(a, b), [at(0, B, B, 4), at(1, B, 4, B)].map((input, i) => i === 0 ? input : {...shared(B, 4, B), stride: 1}));
  }
  check(t, '_FusedMatMul', (a, b, bias) => tf.fused.matMul({a, b, bias}), [at(0, B, 4), shared(4, 2), shared(2)]);
  lost(t, 'unknown', '_FusedMatMul', (a, b, bias) => tf.fused.matMul({a, b, bias}), [shared(2, 4), at(1, 4, B), at(0, B)]);
});

test.serial('kernels of images keep the leading axis; without a rule it is lost', t => {
  check(t, 'Conv2D', (x, w) => tf.conv2d(x, w, 1, 'same'), [at(0, B, 4, 4, 2), shared(2, 2, 2, 3)]);
  check(t, 'DepthwiseConv2dNative', (x, w) => tf.depthwiseConv2d(x, w, 1, 'valid'), [at(0, B, 4, 4, 2), shared(2, 2, 2, 1)]);
  check(t, 'MaxPool', x => tf.maxPool(x, 2, 2, 'same'), [at(0, B, 3, 3, 2)]);
  check(t, 'ResizeBilinear', x => tf.image.resizeBilinear(x, [5, 5]), [at(0, B, 3, 3, 2)]);
  check(t, 'DepthToSpace', x => tf.depthToSpace(x, 2), [at(0, B, 2, 2, 4)]);
  lost(t, 'unknown', 'TopK', x => tf.topk(x, 2).values, [at(0, B, 4)]);
  lost(t, 'unknown', 'Conv2D', (x, w) => tf.conv2d(x, w, 1, 'same'), [at(1, 2, B, 4, 2), shared(2, 2, 2, 3)]);
  lost(t, 'unknown', 'TopK', x => tf.topk(x, 2).values, [at(1, 4, B)]);
});

test.serial('nothing batched goes in, nothing batched comes out', t => {
  for (const op of [(x: tf.Tensor) => x.sum(0), (x: tf.Tensor) => x.transpose(), (x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, true)]) {
    t.deepEqual(run(op, [shared(B, 4)], null).outputs.map(output => output.stride), [null]);
  }
});

test.serial('a batch of one: everything that data reach is the example', t => {
  const ops: Op[] = [x => x.sum(), x => x.transpose(), x => x.add(tf.ones([5, 1, 1])), x => tf.matMul(x, x, false, true), x => tf.concat([x, x], 0), x => x.slice([0, 0], [1, 2]),
    x => tf.gather(x, tf.tensor1d([0, 0], 'int32')), x => x.reshape([-1]), x => tf.unstack(x, 1), x => tf.softmax(x), x => tf.topk(x, 1).values];
  for (const op of ops) {
    for (const shape of [[1, 4], [2, 4]]) {
      for (const {stride, values} of run(op, [{shape, stride: size(shape)}], null, 1).outputs) {
        t.is(stride, values.length);
      }
    }
  }
});

// ------------------------------------------------------------------------------------------------------------------------ chains

/** One op in a random chain, made to fit the shape that it meets. */
type Link = (x: tf.Tensor, a: number, b: number) => tf.Tensor;
const pick = (n: number, length: number): number => n % length;
const LINKS: Link[] = [
  (x, a) => x.transpose([...x.shape.keys()].sort((p, q) => ((p * 7 + a) % 5) - ((q * 7 + a) % 5) || p - q)),
  (x, a) => x.rank < 2 ? x.square() : x.reshape([x.shape.slice(0, pick(a, x.rank - 1) + 1).reduce((p, q) => p * q, 1), -1]),
  (x, a, b) => x.size % (a % 3 + 1) === 0 ? x.reshape([a % 3 + 1, -1, 1].slice(0, 2 + b % 2)) : x.tanh(),
  (x, a) => x.rank === 0 ? x : x.sum(pick(a, x.rank), a % 2 === 0),
  (x, a) => x.rank === 0 ? x : x.cumsum(pick(a, x.rank)),
  (x, a) => x.rank === 0 ? x : tf.concat([x, x.mul(2)], pick(a, x.rank)),
  (x, a) => x.rank === 0 ? x : tf.stack([x, x.tanh()], pick(a, x.rank + 1)),
  (x, a) => x.rank === 0 ? x : tf.unstack(x, pick(a, x.rank))[0],
  (x, a) => x.rank === 0 ? x : tf.split(x, [1, x.shape[pick(a, x.rank)] - 1].filter(n => n > 0), pick(a, x.rank))[0],
  (x, a) => x.rank === 0 ? x : tf.gather(x, tf.tensor1d([0, x.shape[pick(a, x.rank)] - 1, 0], 'int32'), pick(a, x.rank)),
  (x, a) => x.rank === 0 ? x : tf.reverse(x, pick(a, x.rank)),
  (x, a) => x.rank === 0 ? x : tf.pad(x, x.shape.map((_, i) => i === pick(a, x.rank) ? [1, 0] : [0, 0])),
  (x, a) => x.rank < 2 ? x.exp() : tf.matMul(x as tf.Tensor2D, tf.ones([...x.shape.slice(0, -2).map(() => 1), ...(a % 2 === 0 ? [x.shape[x.rank - 1], 2] : [2, x.shape[x.rank - 1]])] as [number, number]), false, a % 2 === 1),
  (x, a) => x.rank < 2 ? x.neg() : tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, a % 2 === 0, a % 2 === 1),
  (x, a) => x.rank < 2 ? x.add(1) : x.sub(x.mean(pick(a, x.rank), true)),
  (x, a) => x.rank < 2 ? x.mul(2) : x.mul(x.max(pick(a, x.rank))),
  (x, a) => x.rank === 0 ? x : x.add(tf.ones(x.shape.slice(pick(a, x.rank)))),
];

test.serial('random chains: right, or said to be lost', t => {
  let right = 0;
  fc.assert(fc.property(
      fc.constantFrom<Input>(at(0, B, 4), at(0, B, B), at(1, 2, B), at(1, 2, B, 4), at(0, B, 2, B), {shape: [B * 2, 4], stride: 8}, at(2, 2, 2, B)),
      fc.array(fc.tuple(fc.nat(LINKS.length - 1), fc.nat(11), fc.nat(11)), {minLength: 1, maxLength: 5}), (input, links) => {
        const op: Op = (x: tf.Tensor) => links.reduce((y, [i, a, b]) => y.size > 2000 ? y : LINKS[i](y, a, b), x.mul(1));
        try {
          // A mean of the output may stay the same to the last bit; then nothing moves, and nothing is wrong.
          const problem = wrong(op, [input]);
          right += problem === null ? 1 : 0;
          return problem === null || problem.startsWith('nothing depends');
        } catch (error) {
          if (error instanceof BatchAxisLost) {
            return true;
          }
          // An op that tfjs itself refuses (shapes that do not broadcast) says nothing about us.
          return !/stride|undefined/.test((error as Error).message);
        }
      }), {numRuns: 400, seed: 7});
  t.true(right > 80, `${right} chains keep their examples`);
});
