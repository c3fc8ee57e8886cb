import {backend_util, engine, env, type Tensor} from '@tensorflow/tfjs-core';
import {addRow, eluOf, relu6Of, reluOf, sigmoidOf, tanhOf} from '../arrays/activations';
import {broadcastDifference, broadcastOf, broadcastProduct, broadcastSum} from '../arrays/broadcast';
import {convolution} from '../arrays/convolution';
import {rowMajor, transpose, type Matrix} from '../arrays/matrix';
import {matrixProduct} from '../arrays/matrix_product';
import {mayRunKernels} from '../kernels/allowed';
import type {KernelAttrs, KernelInputs} from './internals';
import {tanhIn} from './heap_ops';
import {checkMemory} from './memory';
import {isRehearsal} from './rehearsal';
import {wasmHeap} from './wasm_heap';

/**
 * Kernels of f() by code of our own.
 *
 * On tfjs's cpu backend, whose kernels call a function for each entry, they are loops and products.
 * Products are right to the rounding of float32. All else gives the numbers of tfjs to the last
 * bit. On WASM, whose other kernels are fast, it is tanh alone, right to 2 units in the last place.
 *
 * Measured: a product of 128 x 784 and 784 x 512 takes 1/50 of tfjs's time on cpu, a convolution of
 * 16 to 32 channels 1/30, a relu or a tanh 1/2, and a tanh on WASM 1/7.
 */

type Inputs = Record<string, Tensor | null | undefined>;

/** Computes the output of a kernel; null if it leaves these inputs to tfjs. */
type Rule = (inputs: Inputs, attrs: KernelAttrs) => Tensor | null;

/**
 * The output of a kernel that f() calls, or that a replay of f() runs, by code of our own. It is a
 * tensor of the current scope like an output of the kernel.
 *
 * @returns null if tfjs has to run the kernel: there is no rule for it, kernels of our own are
 * switched off, a gradient tape records the kernels, a rehearsal has no entries, or tfjs checks
 * each output in its mode for debugging.
 */
export function forwardKernel(kernel: string, inputs: KernelInputs, attrs: KernelAttrs): Tensor | null {
  const rule = RULES.get(engine().backendName)?.get(kernel);
  if (rule === undefined || !mayRunKernels() || engine().isTapeOn() || isRehearsal() || env().getBool('DEBUG')) {
    return null;
  }
  const named = inputs as Inputs;
  for (const name in named) {
    const input = named[name];
    if (input != null && (input.dtype !== 'float32' || input.isDisposed || input.size === 0)) {
      return null;
    }
  }
  return rule(named, attrs);
}

const read = (x: Tensor): Float32Array => x.dataSync() as Float32Array;

function made(entries: Float32Array, shape: readonly number[]): Tensor {
  const t = engine().makeTensor(entries, shape as number[], 'float32');
  checkMemory();  // no kernel runs, after which the bytes would be counted
  return t;
}

/** Activations that may be fused into a kernel, by the names of tfjs. Others are left to tfjs. */
const ACTIVATIONS = new Map<unknown, (x: Float32Array) => void>([
  ['linear', () => undefined], ['relu', reluOf], ['relu6', relu6Of], ['elu', eluOf], ['sigmoid', sigmoidOf]]);

/** A function of each entry. */
const entrywise = (f: (x: Float32Array) => void): Rule => ({x}) => {
  const out = read(x!).slice();
  f(out);
  return made(out, x!.shape);
};

/** A function of two tensors, one of which may broadcast. */
const combined = (f: typeof broadcastSum): Rule => ({a, b}) => {
  const how = broadcastOf(a!.shape, b!.shape);
  return how === null ? null : made(f(read(a!), read(b!), how), (how.isLikeA ? a! : b!).shape);
};

/** Adds the bias to an output of rows [.., columns] and applies the activation, both in place. */
function finished(out: Float32Array, shape: readonly number[], {bias}: Inputs, attrs: KernelAttrs): Tensor {
  if (bias != null) {
    addRow(out, read(bias));
  }
  ACTIVATIONS.get(attrs['activation'] ?? 'linear')!(out);
  return made(out, shape);
}

/** Whether bias and activation are known here. A bias is one row, or one number. */
const isPlain = ({bias, preluActivationWeights}: Inputs, attrs: KernelAttrs, rank: number, columns: number): boolean =>
  preluActivationWeights == null && ACTIVATIONS.has(attrs['activation'] ?? 'linear') && (bias == null ||
    (bias.rank <= rank && (bias.size === 1 || (bias.size === columns && bias.shape[bias.rank - 1] === columns))));

const product: Rule = (inputs, attrs) => {
  const [a, b] = [inputs['a']!, inputs['b']!];
  const [left, right] = [matrices(a, attrs['transposeA'] === true), matrices(b, attrs['transposeB'] === true)];
  const outer = a.rank >= b.rank ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
  const count = Math.max(left.count, right.count);
  const [{rows: m, columns: k}, {rows, columns: n}] = [left.at(0), right.at(0)];
  const isOneEach = left.count === right.count && a.rank === b.rank && outer.every((d, i) => d === b.shape[i]);
  if (k !== rows || !isPlain(inputs, attrs, outer.length + 2, n) || !(count === 1 || isOneEach)) {
    return null;
  }
  const shape = [...outer, m, n];
  if (count === 1) {
    return finished(matrixProduct(left.at(0), right.at(0)), shape, inputs, attrs);
  }
  const out = new Float32Array(count * m * n);
  for (let i = 0; i < count; i++) {
    out.set(matrixProduct(left.at(i), right.at(i)), i * m * n);
  }
  return finished(out, shape, inputs, attrs);
};

/** The matrices in a tensor [.., rows, columns], or their transposes. */
function matrices(x: Tensor, isTransposed: boolean): {count: number; at(i: number): Matrix} {
  const [rows, columns] = x.shape.slice(-2);
  const size = rows * columns;
  const entries = read(x);
  return {count: x.size / size, at: i => {
    const matrix = rowMajor(entries.subarray(i * size, (i + 1) * size), rows, columns);
    return isTransposed ? transpose(matrix) : matrix;
  }};
}

const convolved: Rule = (inputs, attrs) => {
  const [x, filter] = [inputs['x']!, inputs['filter']!];
  const {strides, pad, dataFormat, dilations, dimRoundingMode} = attrs as {strides: number; pad: 'same';
    dataFormat?: string; dilations: number; dimRoundingMode?: 'floor'};
  const outChannels = filter.shape[3]!;
  if ((dataFormat ?? 'NHWC') !== 'NHWC' || x.shape[3] !== filter.shape[2] ||
      !isPlain(inputs, attrs, 4, outChannels)) {
    return null;
  }
  const info = backend_util.computeConv2DInfo(x.shape as never, filter.shape as never, strides, dilations, pad,
      dimRoundingMode);
  const out = convolution(read(x), read(filter), {
    inChannels: info.inChannels, input: [1, info.inHeight, info.inWidth], output: [1, info.outHeight, info.outWidth],
    filter: [1, info.filterHeight, info.filterWidth], strides: [1, info.strideHeight, info.strideWidth],
    dilations: [1, info.dilationHeight, info.dilationWidth], before: [0, info.padInfo.top, info.padInfo.left],
  }, info.batchSize, outChannels);
  return out === null ? null : finished(out, info.outShape, inputs, attrs);
};

const tanhInHeap: Rule = ({x}) => {
  const heap = wasmHeap();
  return heap === null ? null : tanhIn(heap, x!);
};

const ON_CPU = new Map<string, Rule>([
  ['BatchMatMul', product],
  ['_FusedMatMul', product],
  ['Conv2D', convolved],
  ['FusedConv2D', convolved],
  ['Add', combined(broadcastSum)],
  ['Sub', combined(broadcastDifference)],
  ['Multiply', combined(broadcastProduct)],
  ['Tanh', entrywise(tanhOf)],
  ['Sigmoid', entrywise(sigmoidOf)],
  ['Relu', entrywise(reluOf)],
  ['Relu6', entrywise(relu6Of)],
  ['Elu', entrywise(eluOf)],
]);

/** By name of the backend and of the kernel. */
const RULES = new Map([['cpu', ON_CPU], ['wasm', new Map([['Tanh', tanhInHeap]])]]);
