import {backend_util, util, type DataType, type Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs, KernelInputs} from '../tfjs/internals';
import type {KernelOutput} from '../tfjs/rehearsal';
import type {KernelFacts, Shape} from './kernel_fact';
import {factsOf} from './kernel_facts';
import {ENTRYWISE, EXTREMA_ALONG_AXES, REDUCTIONS, WITH_INDICES} from './kernel_sets';
import type {TraceNode} from './trace';

/**
 * The output of a kernel, by its inputs and attributes alone: a list if the kernel gives a list,
 * null for a kernel without a rule.
 */
export function outputsOf(kernel: string, named: KernelInputs, attrs: KernelAttrs):
    KernelOutput | KernelOutput[] | null {
  const inputs = Object.values(named).filter(t => t != null);
  const [x] = inputs;
  const facts = factsOf(kernel);
  if (facts?.shapes !== undefined) {
    return facts.shapes(x, attrs).map(shape => ({shape, dtype: x.dtype}));
  }
  const shape = facts?.shape?.(inputs, attrs, named as Record<string, Tensor>) ?? shapeByFamily(kernel, inputs, attrs);
  if (shape === null) {
    return null;
  }
  const output = {shape, dtype: typeOf(facts, inputs, attrs)};
  return facts?.shares?.(inputs, attrs) === true ? {...output, sharedWith: x} :
    WITH_INDICES.has(kernel) ? [output, {shape, dtype: 'int32'}] : output;
}

/** The shape of the output of an entrywise kernel or of a reduction; null for other kernels. */
function shapeByFamily(kernel: string, inputs: Tensor[], attrs: KernelAttrs): Shape | null {
  if (ENTRYWISE.has(kernel)) {
    return inputs.map(t => t.shape).reduce((a, b) => backend_util.assertAndGetBroadcastShape(a, b));
  }
  return REDUCTIONS.has(kernel) || EXTREMA_ALONG_AXES.has(kernel) ? reduced(inputs[0].shape, attrs) : null;
}

/** The shape without the axes that a reduction names, or with ones in their place. */
function reduced(shape: number[], {axis, reductionIndices, keepDims}: KernelAttrs): Shape {
  const axes = util.parseAxisParam((axis ?? reductionIndices) as number[], shape);
  return keepDims === true ? shape.map((size, i) => axes.includes(i) ? 1 : size) :
    shape.filter((_, i) => !axes.includes(i));
}

function typeOf(facts: KernelFacts | null, inputs: Tensor[], attrs: KernelAttrs): DataType {
  const input = inputs[facts?.typeOf ?? 0] as Tensor | undefined;
  return facts?.type ?? (attrs?.['dtype'] ?? input?.dtype ?? 'float32') as DataType;
}

/**
 * The node for an output of another shape, by the attribute that holds it if the kernel has one.
 */
export function withOutputShape(node: TraceNode, shape: readonly number[]): TraceNode {
  const name = factsOf(node.kernel)?.outputShape;
  return name === undefined ? node : {...node, attrs: {...node.attrs, [name]: shape}};
}
