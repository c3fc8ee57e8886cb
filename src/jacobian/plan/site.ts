import {inputOf, type Trace, type TraceNode} from '../../trace/trace';
import {exampleAxis, type BatchStride} from '../../trace/example_axis';
import type {Analysis} from '../../trace/analysis';
import {convolutionOf, type Convolution} from '../../derivatives/kernels/convolution_geometry';
import type {Values} from '../../derivatives/cotangents';
import {factsOf} from '../../trace/kernel_facts';
import {GATHERS, MATRIX_PRODUCTS} from '../../trace/kernel_sets';
import {matricesIn} from '../../tfjs/fast_ops';
import {beforeTiling} from './parameter';
import {RESIDUAL, type MatrixSite, type Parameter, type Site} from './plan';

/**
 * The site of the input `name` of a node. Its kind is the most special one that its use allows.
 *
 * @param node without its fused activation.
 * @param value value index of the input.
 */
export function makeSite(trace: Trace, {strides, examples}: Analysis, node: TraceNode, name: string, value: number,
    parameterOf: (value: number) => Parameter): Site {
  const small = beforeTiling(trace, value);
  const matrix = matrixSite(node, name, small.shape);
  const stride = strides[node.outputs[0]]!;
  if (matrix !== null || isElementwise(trace.values, node, name, small.shape, stride, examples)) {
    return {node, name, kind: matrix !== null ? 'matrix' : 'vector', matrix, convolution: null,
      parameter: parameterOf(small.value), shape: small.shape};
  }
  const convolution = filterSite(trace.values, node, name);
  const kind = convolution !== null ? 'convolution' : isGather(node, name, strides) ? 'gather' : 'fallback';
  return {node, name, kind, matrix, convolution, parameter: parameterOf(value), shape: trace.values[value].shape};
}

/** The site of a row that is a parameter itself. */
export function rowSite(parameter: Parameter, shape: readonly number[]): Site {
  const {value} = parameter;
  return {node: {kernel: RESIDUAL, attrs: {}, inputs: [['x', value]], arrayInputs: false, outputs: [value]},
    name: 'x', kind: 'row', matrix: null, convolution: null, parameter, shape};
}

/**
 * The product of data with one plain matrix; null if the node is another.
 *
 * @param shape of the parameter, before it was tiled.
 */
function matrixSite(node: TraceNode, name: string, shape: readonly number[]): MatrixSite | null {
  if (!MATRIX_PRODUCTS.has(node.kernel) || name === 'bias' || matricesIn({shape}) !== 1) {
    return null;
  }
  const transposeA = node.attrs['transposeA'] === true;
  const transposeB = node.attrs['transposeB'] === true;
  // W x = (xᵀ Wᵀ)ᵀ: a parameter on the left is a parameter on the right of the transposed product.
  return name === 'b' ? {data: 'a', flipData: transposeA, flipDelta: false, transposed: transposeB} :
      {data: 'b', flipData: !transposeB, flipDelta: true, transposed: !transposeA};
}

/**
 * The convolution whose filter is the parameter `name` of a node; null if it is no filter, or that
 * of a depthwise transposed convolution.
 */
export function filterSite(values: Values, node: TraceNode, name: string): Convolution | null {
  const c = convolutionOf(values, node);
  return c === null || c.names.filter !== name || (c.depthwise && c.names.x === null) ? null : c;
}

/**
 * Whether the rows of a use are sums, element by element, over the axes along which the parameter
 * repeats, and the examples lie along one of those axes.
 *
 * @param shape of the parameter as it broadcasts, before it was tiled.
 * @param stride of the examples in the output.
 */
function isElementwise(values: Values, node: TraceNode, name: string, shape: readonly number[], stride: number,
    examples: number): boolean {
  if (factsOf(node.kernel)?.broadcasts?.includes(name) !== true) {
    return false;
  }
  const out = values[node.outputs[0]].shape;
  const full = padded(shape, out.length);
  if (!full.every((d, i) => d === 1 || d === out[i])) {
    return false;
  }
  const place = examples === 1 ? null : exampleAxis(out, stride, examples);
  return examples === 1 || (place !== null && full[place.axis] === 1);
}

/** The shape with as many axes as `rank`, those in front of size 1. */
export const padded = (shape: readonly number[], rank: number): number[] =>
  [...Array<number>(Math.max(0, rank - shape.length)).fill(1), ...shape];

/** Whether a node picks entries of the table `name` by indices that belong to the examples. */
function isGather(node: TraceNode, name: string, strides: readonly BatchStride[]): boolean {
  return GATHERS.has(node.kernel) && name === 'x' && !node.attrs['batchDims'] &&
      strides[inputOf(node, 'indices')] != null;
}
