import {concat, ones, slice, zeros, type Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../trace/trace';
import {beforeActivation, unfused} from '../fused';
import {matMul, matricesIn, mul, shaped, transposed} from '../../tfjs/fast_ops';
import {pickMaxima} from '../kernels/pooling';
import type {ForwardNode, Tangent, TangentRule} from './rule';

/**
 * A kernel that is linear in each of some inputs: dy = Σ K(.., dx, ..). In the other inputs its
 * derivative is zero.
 */
interface Multilinear {
  readonly inputs: readonly string[];
  /**
   * Inputs whose leading axis the kernel treats entry by entry. All directions go through the
   * kernel in one call, one after the other along that axis.
   */
  readonly byEntry?: readonly string[];
}

/** The k-th direction of a tangent. */
const direction = (t: Tensor, k: number): Tensor => {
  const [, ...shape] = t.shape;
  return shaped(slice(t, [k, ...shape.map(() => 0)], [1, ...shape]), shape);
};

/** Applies f to each direction by itself. */
const eachDirection = (at: ForwardNode, t: Tensor, f: (d: Tensor) => Tensor): Tensor =>
  concat(Array.from({length: at.directions}, (_, k) => shaped(f(direction(t, k)), [1, ...at.output.shape])), 0);

const multilinear = ({inputs, byEntry = []}: Multilinear): TangentRule => at => {
  const named = Object.fromEntries(at.names.map(name => [name, at.value(name)]));
  const apply = (name: string, t: Tensor): Tensor => at.run({...named, [name]: t});
  const terms = inputs.filter(name => at.tangent(name) !== null).map(name => {
    const t = at.tangent(name)!;
    if (!byEntry.includes(name)) {
      return eachDirection(at, t, d => apply(name, d));
    }
    const [directions, entries, ...rest] = t.shape;
    return at.shaped(apply(name, shaped(t, [directions * entries, ...rest])));
  });
  return terms.length === 0 ? zeros([at.directions, ...at.output.shape]) : at.sum(terms);
};

/**
 * A fused kernel: the rule of the kernel underneath, the bias along the last axis, then the slope
 * of the activation.
 */
const fused = (rule: TangentRule): TangentRule => at => {
  const plain = at.of(unfused(at.node));
  const names = plain.names.filter(name => plain.tangent(name) !== null);
  const bias = at.has('bias') ? at.lifted('bias') : null;
  const before = at.sum([names.length === 0 ? null : rule(plain) as Tensor, bias]);
  return (at.attrs['activation'] ?? 'linear') === 'linear' ? before :
    mul(before, beforeActivation(at.values, at.node, ones(at.output.shape)));
};

const ACTIVATIONS = new Set<unknown>([undefined, null, 'linear', 'relu', 'relu6', 'sigmoid', 'elu', 'leakyrelu']);

/** Whether the activation of a fused kernel has a slope here, and its channels are last. */
const isCovered = ({attrs}: TraceNode): boolean =>
  ACTIVATIONS.has(attrs['activation']) && attrs['dataFormat'] !== 'NCHW';

/** dy = da b + a db, matrix by matrix. */
const matrixProduct: TangentRule = at =>
  at.sum(['a', 'b'].filter(name => at.tangent(name) !== null).map(name => at.shaped(productWith(at, name))));

function productWith(at: ForwardNode, name: string): Tensor {
  const [t, other] = [at.tangent(name)!, at.value(name === 'a' ? 'b' : 'a')];
  const {transposeA, transposeB} = at.attrs;
  const theirs = matricesIn(other);
  const [rows, columns] = t.shape.slice(-2);
  const matrix = (): Tensor => shaped(other, other.shape.slice(-2));
  // One product of plain matrices takes the place of one product for each direction.
  // Measured: on WASM it is ten times as fast.
  if (name === 'a' && theirs === 1 && transposeA !== true) {
    return matMul(shaped(t, [t.size / columns, columns]), transposeB === true ? transposed(matrix()) : matrix());
  }
  if (theirs === 1 && t.size === rows * columns && transposeA !== true && transposeB !== true) {
    return matMul(matrix(), shaped(t, [rows, columns]));
  }
  const full = shaped(t, [at.directions, matricesIn(at.value(name)), rows, columns]);
  const matrices = shaped(other, [theirs, ...other.shape.slice(-2)]);
  const operands: Record<string, Tensor> = name === 'a' ? {a: full, b: matrices} : {a: matrices, b: full};
  return at.run(operands, {transposeA, transposeB}, 'BatchMatMul');
}

/** The entries of the tangent at the places of the maxima of x. */
const maxPool: TangentRule = at =>
  eachDirection(at, at.tangent('x')!, d => pickMaxima(at.value('x'), at.output, d, at.attrs));

const convolution = multilinear({inputs: ['x', 'filter'], byEntry: ['x']});
const transposedConvolution = multilinear({inputs: ['dy', 'filter']});
const filterGradient = multilinear({inputs: ['x', 'dy']});
const ofImages: Tangent = {rule: multilinear({inputs: ['images'], byEntry: ['images']})};
const ofCotangent: Tangent = {rule: multilinear({inputs: ['dy']})};
const ofEntries: Tangent = {rule: multilinear({inputs: ['x'], byEntry: ['x']})};
const ofWhole: Tangent = {rule: multilinear({inputs: ['x']})};

export const LINEAR_TANGENTS: Record<string, Tangent> = {
  BatchMatMul: {rule: matrixProduct},
  _FusedMatMul: {rule: fused(matrixProduct), covers: isCovered},
  Conv2D: {rule: convolution},
  FusedConv2D: {rule: fused(convolution), covers: isCovered},
  DepthwiseConv2dNative: {rule: convolution},
  FusedDepthwiseConv2D: {rule: fused(convolution), covers: isCovered},
  Conv3D: {rule: convolution},
  Conv2DBackpropInput: {rule: transposedConvolution},
  Conv3DBackpropInputV2: {rule: transposedConvolution},
  DepthwiseConv2dNativeBackpropInput: {rule: transposedConvolution},
  Conv2DBackpropFilter: {rule: filterGradient},
  Conv3DBackpropFilterV2: {rule: filterGradient},
  DepthwiseConv2dNativeBackpropFilter: {rule: filterGradient},
  AvgPool: ofEntries,
  AvgPool3D: ofEntries,
  MaxPool: {rule: maxPool},
  MaxPool3D: {rule: maxPool},
  AvgPoolGrad: ofCotangent,
  AvgPool3DGrad: ofCotangent,
  ResizeBilinear: ofImages,
  ResizeNearestNeighbor: ofImages,
  ResizeBilinearGrad: ofCotangent,
  ResizeNearestNeighborGrad: ofCotangent,
  FlipLeftRight: {rule: multilinear({inputs: ['image'], byEntry: ['image']})},
  SpaceToBatchND: ofWhole,
  BatchToSpaceND: ofWhole,
  UnsortedSegmentSum: ofWhole,
  GatherNd: {rule: multilinear({inputs: ['params']})},
  ScatterNd: {rule: multilinear({inputs: ['updates']})},
};
