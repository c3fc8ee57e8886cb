import {div, gatherND, matMul, mul, neg, pow, reshape, reverse, scalar, scatterND, slice_util, square, step, sub, tensor, zerosLike} from '@tensorflow/tfjs-core';
import type {Rank, Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../tfjs/internals';
import type {KernelAttrs, KernelInputs} from '../tfjs/internals';
import type {TraceNode} from '../trace/trace';
import {ggnError} from '../errors';
import {add} from '../tfjs/fast_ops';
import {pickMaxima, spreadAlong, windowShare} from './pooling';

/** Input cotangents of a node, by input name, from the cotangent g of its output. */
type Rule = (value: (name: string) => Tensor, g: Tensor, attrs: KernelAttrs, backend: string) => Record<string, () => Tensor>;

/**
 * Gradients of kernels that tfjs has none for: its own backward kernels above all, which derivatives of derivatives lead
 * through. Each runs kernels that can be differentiated again.
 *
 * Most backward kernels are linear in the cotangent dy that they were given, and their derivative in dy is the forward
 * kernel; inputs that only choose (the maximum of a pooling window) or lend their shape have the derivative zero.
 *
 * @returns null where there is no rule.
 */
export function missingCotangents(backend: string, node: TraceNode, value: (name: string) => Tensor, g: Tensor):
    Record<string, () => Tensor> | null {
  return RULES[node.kernel]?.(value, g, node.attrs, backend) ?? null;
}

const run = (kernel: string, inputs: KernelInputs, attrs: KernelAttrs): Tensor => runKernel(kernel, inputs, attrs) as Tensor;

/** dx = dy (y < 0 ? y + 1 : 1). */
const eluGrad: Rule = (value, g) => ({
  dy: () => run('EluGrad', {dy: g, y: value('y')}, {}),
  y: () => mul(mul(g, value('dy')), step(neg(value('y')))),
});

/** The kernel divides by the full size of a window, the forward kernel by its entries inside of the image. */
const avgPoolGrad = (forward: string): Rule => (value, g, attrs) => ({
  dy: () => {
    const share = windowShare(value('input').shape, attrs);
    const means = run(forward, {x: g}, attrs);
    return share === null ? means : div(means, share);
  },
  input: () => zerosLike(value('input')),
});

const maxPoolGrad: Rule = (value, g, attrs) => ({
  dy: () => pickMaxima(value('input'), value('output'), g, attrs),
  input: () => zerosLike(value('input')),
  output: () => zerosLike(value('output')),
});

const resizeGrad = (forward: string): Rule => (value, g, attrs) => ({
  dy: () => run(forward, {images: reshape(g, value('images').shape)}, {...attrs, size: value('dy').shape.slice(1, 3)}),
  images: () => zerosLike(value('images')),
});

/**
 * The kernel computes, with S the sum over neighbouring channels and n = bias + α S(x²),
 *
 *     dx = dy n^-β - 2αβ x S(dy x n^-(β+1))
 *
 * which is taken as a function of x and dy alone, y being one of x.
 */
const lrnGrad: Rule = (value, g, attrs) => {
  const {depthRadius, bias, alpha, beta} = attrs as Record<string, number>;
  const [x, dy] = [value('x'), value('dy')];
  const channels = x.shape[3]!;
  const band = tensor<Rank.R2>(Float32Array.from({length: channels ** 2}, (_, i) =>
    Math.abs(Math.floor(i / channels) - i % channels) <= depthRadius ? 1 : 0), [channels, channels]);
  const neighbours = (t: Tensor): Tensor => reshape(matMul(reshape<Rank.R2>(t, [t.size / channels, channels]), band), t.shape);
  const n = add(mul(neighbours(square(x)), scalar(alpha)), scalar(bias));
  const power = (exponent: number): Tensor => pow(n, scalar(exponent));
  const scaled = (t: Tensor, factor: number): Tensor => mul(t, scalar(factor));
  const gx = (): Tensor => neighbours(mul(g, x));
  return {
    dy: () => sub(mul(g, power(-beta)), scaled(mul(mul(x, power(-beta - 1)), gx()), 2 * alpha * beta)),
    x: () => {
      const p = mul(dy, power(-beta - 1));
      const first = add(add(mul(x, neighbours(mul(g, p))), mul(g, neighbours(mul(x, p)))), mul(gx(), p));
      const second = mul(x, neighbours(mul(mul(gx(), x), mul(dy, power(-beta - 2)))));
      return sub(scaled(second, 4 * alpha * alpha * beta * (beta + 1)), scaled(first, 2 * alpha * beta));
    },
    y: () => zerosLike(value('y')),
  };
};

/** Filter gradients are linear in x and in dy: the cotangent of the filter takes the filter's place. */
const filterGrad = (forward: string, backward: string): Rule => (value, g, attrs) => ({
  x: () => run(backward, {dy: value('dy'), filter: g}, {...attrs, inputShape: value('x').shape}),
  dy: () => run(forward, {x: value('x'), filter: g}, {dilations: 1, ...attrs}),
});

/** Input gradients are linear in dy and in the filter. */
const inputGrad = (forward: string, filterGradient: string): Rule => (value, g, attrs, backend) => {
  if (forward === 'Conv3D' && backend === 'wasm') {
    throw ggnError("tfjs's transposed 'Conv3D' is wrong on the WASM backend: train this model on another backend (cpu, webgl, tfjs-node).");
  }
  return {
    dy: () => run(forward, {x: g, filter: value('filter')}, {dilations: 1, ...attrs}),
    filter: () => run(filterGradient, {x: g, dy: value('dy')}, {...attrs, filterShape: value('filter').shape}),
  };
};

/** What was left out takes zeros. */
const stridedSlice: Rule = (value, g, attrs) => ({x: () => {
  const {begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask} = attrs as
      Record<'begin' | 'end' | 'strides', number[]> & Record<string, number>;
  const {shape} = value('x');
  const full = slice_util.sliceInfo(shape, begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask);
  const counts = slice_util.computeOutShape(full.begin, full.end, full.strides);
  return counts.reduce((t, count, axis) => {
    const [from, stride] = [full.begin[axis], full.strides[axis]];
    return stride > 0 ? spreadAlong(t, axis, from, stride, shape[axis]) :
        spreadAlong(reverse(t, axis), axis, from + (count - 1) * stride, -stride, shape[axis]);
  }, reshape(g, counts));
}});

const RULES: Record<string, Rule> = {
  EluGrad: eluGrad,
  AvgPoolGrad: avgPoolGrad('AvgPool'),
  AvgPool3DGrad: avgPoolGrad('AvgPool3D'),
  MaxPoolGrad: maxPoolGrad,
  MaxPool3DGrad: maxPoolGrad,
  ResizeBilinearGrad: resizeGrad('ResizeBilinear'),
  ResizeNearestNeighborGrad: resizeGrad('ResizeNearestNeighbor'),
  LRNGrad: lrnGrad,
  Conv2DBackpropFilter: filterGrad('Conv2D', 'Conv2DBackpropInput'),
  Conv3DBackpropFilterV2: filterGrad('Conv3D', 'Conv3DBackpropInputV2'),
  Conv3DBackpropInputV2: inputGrad('Conv3D', 'Conv3DBackpropFilterV2'),
  DepthwiseConv2dNativeBackpropFilter: filterGrad('DepthwiseConv2dNative', 'DepthwiseConv2dNativeBackpropInput'),
  DepthwiseConv2dNativeBackpropInput: inputGrad('DepthwiseConv2dNative', 'DepthwiseConv2dNativeBackpropFilter'),
  StridedSlice: stridedSlice,
  GatherNd: (value, g) => ({params: () => scatterND(value('indices'), g, value('params').shape)}),
  ScatterNd: (value, g) => ({updates: () => gatherND(g, value('indices'))}),
};
