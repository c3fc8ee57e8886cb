import {slice, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../../tfjs/internals';
import {inputOf, type Trace, type TraceNode} from '../../trace/trace';
import type {Analysis} from '../../trace/analysis';
import type {BatchStride} from '../../trace/example_axis';
import {factsOf} from '../../trace/kernel_facts';
import {withOutputShape} from '../../trace/kernel_outputs';
import {pseudoRandom} from '../../arrays/pseudo_random';
import {convolutionOf, type Convolution} from '../../derivatives/kernels/convolution_geometry';
import {hasOwnGradient, tfjsCotangents, type Values} from '../../derivatives/cotangents';
import {unfused} from '../../derivatives/fused';
import type {Fault} from './fault';
import type {Plan} from '../plan/plan';
import {TOLERANCE} from './self_check';

/**
 * Tests the gradients that are ours in both sweeps of the self-check, since tfjs has none or a
 * wrong one, against the kernel K itself. δ is pseudo-random; x' is pseudo-random in the inputs in
 * which K is linear:
 *
 *     <K(x'), δ> = <x', vjp(δ)>
 *     <K(x), δ> = <x, vjp(δ)>      for a maximum, by Euler's theorem
 *
 * The identity holds example by example if K has examples on both sides. It takes one forward pass
 * and one vector-Jacobian product of the kernel for each distinct (kernel, attributes, shapes). The
 * two sums of N products have random signs. They are compared on the scale of sqrt(Σ of the squared
 * products): on this scale rounding leaves 1e-6, and one wrong entry in a hundred leaves 1e-1.
 *
 * If K is neither linear nor homogeneous in an input (a second derivative), there is no identity,
 * only a difference quotient. Float32 and kinks make the quotient too coarse to refuse a model for,
 * so that such rules are left to the tests. Gradients that users register are not tested either,
 * nor those of tf.customGrad, which may differ from the derivative on purpose (a straight-through
 * estimator).
 */
export function adjointCheck(trace: Trace, plan: Plan): Fault | null {
  const {analysis} = plan;
  const nodes = [...plan.sweep.map(({node}) => node), ...analysis.parameters.map(i => trace.nodes[i])];
  const done = new Set<string>();
  for (const fused of nodes) {
    const node = unfused(fused);
    for (const [name, value] of node.inputs) {
      if (!analysis.dependent[value] || !hasOwnGradient(trace.values, node, name)) {
        continue;
      }
      const shapes = node.inputs.map(([, v]) => trace.values[v].shape.join()).join(';');
      const key = `${name} ${node.kernel} ${JSON.stringify(node.attrs)} ${shapes}`;
      if (done.has(key)) {
        continue;
      }
      done.add(key);
      const find = (): unknown => adjointDifference(trace.values, analysis, node, name);
      const difference = tidy(find as () => Tensor) as unknown as number;
      if (!(difference <= TOLERANCE)) {
        const variable = analysis.variableOf.get(value) ?? null;
        return {kind: 'own', nodes: [node], input: name, variable, product: null, difference};
      }
    }
  }
  return null;
}

/** The largest difference of the two sums, over the examples; 0 if there is no identity. */
function adjointDifference(values: Values, {strides, examples}: Analysis, node: TraceNode, name: string): number {
  const convolution = convolutionOf(values, node);
  const facts = factsOf(node.kernel);
  const isLinear = convolution !== null || facts?.linearIn?.includes(name) === true;
  if (!isLinear && facts?.homogeneousIn?.includes(name) !== true) {
    return 0;
  }
  return convolution !== null ? compareImages(values, node, convolution, name) :
    compare(values, node, name, isLinear, value => strides[value] ?? null, examples);
}

/**
 * Tests a convolution with a few of its images: its images do not meet. The rest of the self-check
 * shows how they are put together.
 */
function compareImages(values: Values, node: TraceNode, {images, names}: Convolution, name: string): number {
  const count = Math.min(images, IMAGES);
  const few = [...values];
  const withImages = [names.x, names.y].map(operand => operand === null ? node.outputs[0] : inputOf(node, operand));
  for (const value of withImages) {
    const {shape} = values[value];
    if (count < images) {
      few[value] = slice(values[value], shape.map(() => 0), [count, ...shape.slice(1)]);
    }
  }
  const strideOf = (value: number): BatchStride => withImages.includes(value) ? few[value].size / count : null;
  return compare(few, withOutputShape(node, few[node.outputs[0]].shape), name, true, strideOf, count);
}

/** Images of a convolution that are tested. */
const IMAGES = 16;

function compare(values: Values, node: TraceNode, name: string, isLinear: boolean,
    strideOf: (value: number) => BatchStride, examples: number): number {
  const [output] = node.outputs;
  const input = inputOf(node, name);
  const x = isLinear ? tensor(pseudoRandom(values[input].size, 1), values[input].shape) : values[input];
  const inputs = Object.fromEntries(node.inputs.map(([n, v]) => [n, n === name ? x : values[v]]));
  const y = isLinear ? runKernel(node.kernel, inputs, node.attrs) as Tensor : values[output];
  const delta = tensor(pseudoRandom(y.size, 2), y.shape);
  const pulled = tfjsCotangents(values, node, [delta])[name]();
  const [before, after] = [strideOf(input), strideOf(output)];
  const separate = before === null || after === null ? 1 : examples;
  const left = innerProducts(y, delta, after ?? y.size, separate);
  const right = innerProducts(x, pulled, before ?? x.size, separate);
  return left.sums.reduce((largest, sum, b) => {
    const difference = Math.abs(sum - right.sums[b]);
    const relative = difference === 0 ? 0 : difference / Math.sqrt(Math.max(left.squares[b], right.squares[b]));
    return relative > largest || Number.isNaN(relative) ? relative : largest;
  }, 0);
}

/** Σ a·b of each example, and Σ (a·b)². */
function innerProducts(a: Tensor, b: Tensor, stride: number, examples: number):
    {sums: Float64Array; squares: Float64Array} {
  const [p, q] = [a.dataSync(), b.dataSync()];
  const [sums, squares] = [new Float64Array(examples), new Float64Array(examples)];
  for (let from = 0, e = 0; from < p.length; from += stride, e = e + 1 === examples ? 0 : e + 1) {
    let sum = 0;
    let square = 0;
    for (let i = from; i < from + stride; i++) {
      const product = p[i] * q[i];
      sum += product;
      square += product * product;
    }
    sums[e] += sum;
    squares[e] += square;
  }
  return {sums, squares};
}
