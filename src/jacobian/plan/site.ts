import type {TraceNode} from '../../trace/trace';
import {matricesIn} from '../../tfjs/fast_ops';
import {convolutionOf} from '../../derivatives/kernels/convolution_geometry';
import type {Convolution} from '../../derivatives/kernels/convolution_geometry';
import type {Values} from '../../derivatives/cotangents';
import type {BatchStride} from '../../trace/batch_axis';
import {factsOf, kernelsThat} from '../../trace/kernel_facts';

/** How a product kernel reads as data x matrix: the data operand, and whether the parameter is stored transposed. */
export interface MatrixSite {
  readonly data: string;
  /** Data stand as [.., in, rows] and must be transposed to [.., rows, in]; δ likewise. */
  readonly flipData: boolean;
  readonly flipDelta: boolean;
  readonly transposed: boolean;
}

const MATRIX_PRODUCTS = kernelsThat('matrixProduct');

/** Null where the node is not a product of data with one plain matrix, of this shape before it was tiled. */
export function matrixSite(node: TraceNode, name: string, shape: readonly number[]): MatrixSite | null {
  if (!MATRIX_PRODUCTS.has(node.kernel) || name === 'bias' || matricesIn({shape}) !== 1) {
    return null;
  }
  const transposeA = node.attrs['transposeA'] === true;
  const transposeB = node.attrs['transposeB'] === true;
  // W x = (xᵀ Wᵀ)ᵀ: a parameter on the left is a parameter on the right of the transposed product.
  return name === 'b' ? {data: 'a', flipData: transposeA, flipDelta: false, transposed: transposeB} :
      {data: 'b', flipData: !transposeB, flipDelta: true, transposed: !transposeA};
}

/** The convolution whose filter is the parameter `name` of a node; null where it is none, or one without a rule here. */
export function filterSite(values: Values, node: TraceNode, name: string): Convolution | null {
  const c = convolutionOf(values, node);
  return c === null || c.names.filter !== name || (c.depthwise && c.names.x === null) ? null : c;
}

/**
 * Whether the rows of a use are sums, element by element, over the axes along which the parameter repeats, and the examples
 * lie along one of those.
 *
 * @param shape as it broadcasts: that of the parameter before it was tiled.
 * @param stride of the examples in the output.
 */
export function isElementwise(values: Values, node: TraceNode, name: string, shape: readonly number[], stride: number,
    batch: number): boolean {
  if (factsOf(node.kernel)?.broadcasts?.includes(name) !== true) {
    return false;
  }
  const out = values[node.outputs[0]].shape;
  const full = padded(shape, out.length);
  if (!full.every((d, i) => d === 1 || d === out[i])) {
    return false;
  }
  const place = batch === 1 ? null : exampleAxis(out, stride, batch);
  return batch === 1 || (place !== null && full[place.axis] === 1);
}

export const padded = (shape: readonly number[], rank: number): number[] => [...Array<number>(Math.max(0, rank - shape.length)).fill(1), ...shape];

/** The axis of the examples, as [before, B, inner]; null where they are spread over several. */
export function exampleAxis(shape: readonly number[], stride: number, batch: number): {axis: number; before: number; inner: number} | null {
  let behind = 1;
  for (let axis = shape.length - 1; axis >= 0; behind *= shape[axis--]) {
    const inner = stride / behind;
    if (shape[axis] > 1 && Number.isInteger(inner) && shape[axis] % (batch * inner) === 0) {
      return {axis, before: shape[axis] / (batch * inner), inner};
    }
  }
  return null;
}

/** Whether a node picks entries of the table `name` by indices that belong to the examples. */
export function isGather(node: TraceNode, name: string, strides: readonly BatchStride[]): boolean {
  return node.kernel === 'GatherV2' && name === 'x' && !node.attrs['batchDims'] &&
      strides[node.inputs.find(([n]) => n === 'indices')![1]] != null;
}
