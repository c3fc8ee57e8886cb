import type {Tensor} from '@tensorflow/tfjs-core';
import type {Dependence} from '../../trace/dependence';
import {BatchAxisLost, propagateBatch} from '../../trace/batch_axis';
import type {BatchStride} from '../../trace/batch_axis';
import {tfjsCotangents} from '../../derivatives/cotangents';
import {kernelsThat} from '../../trace/kernel_facts';
import {isLinear} from '../../trace/linear_kernels';
import {numberIn} from './number_in';
import type {Trace, TraceNode} from '../../trace/trace';

const MONOTONE = kernelsThat('monotone');

/** So many squares of one example in a sum are too many for a block of its Hessian: then it counts as one over examples. */
const MANY = 256;

/** What a value is, made of squares by sums and monotone functions. */
interface Sum {
  /** Examples of the squares, as long as they can be told apart. */
  readonly examples: number;
  /** Where these are in the value; null where there are none. */
  readonly stride: BatchStride;
  /** Whether squares of several examples are summed up in one of its entries. */
  readonly isOverExamples: boolean;
}

const CONSTANT: Sum = {examples: 1, stride: null, isOverExamples: false};

/**
 * Finds monotone functions of sums of squares over the examples, f(Σ w r²), as in a root mean square error. No loss of this form is a sum over examples, but its
 * gradient is that of Σ f' w r² with f' held constant, and so is the curvature that the step takes, 2 f' JᵀWJ: that of a least-squares loss with the same minimum.
 * The other part, 4 f'' JᵀWr rᵀWJ of rank one, is left out: it is negative for the root and the logarithm, whose parabola lies above them then.
 *
 * Functions of the squares of one example, as its norm, are none of these: they have a Hessian of their own.
 */
export class FunctionsOfSums {
  private readonly known = new Map<number, Sum | null>();

  /**
   * @param isSquare whether a node makes the squares of a value.
   * @param isPenalty whether a value is made of one variable and no data.
   */
  constructor(private readonly trace: Trace, private readonly dependence: Dependence, private readonly isSquare: (node: TraceNode, value: number) => boolean,
      private readonly isPenalty: (value: number) => boolean) {}

  /** Whether a node is such a function: of its one input that depends on the weights. */
  isFunction(node: TraceNode): boolean {
    const input = this.argument(node);
    return input !== null && !this.isPenalty(node.outputs[0]) && this.sumAt(input)?.isOverExamples === true;
  }

  /**
   * f' times a weight, in the shape of the argument. Where it is not finite, the sum is at its least, 0, and so are its residuals: the largest of the other entries
   * holds them there, or 0 where there is none.
   */
  derivative(node: TraceNode, weight: Tensor): {readonly value: number; readonly entries: Float32Array} {
    const value = this.argument(node)!;
    const [name] = node.inputs.find(([, input]) => input === value)!;
    const entries = Float32Array.from(tfjsCotangents(this.trace.values, node, [weight])[name]().dataSync());
    const largest = entries.reduce((most, x) => Number.isFinite(x) && Math.abs(x) > Math.abs(most) ? x : most, 0);
    return {value, entries: entries.map(x => Number.isFinite(x) ? x : largest)};
  }

  private argument(node: TraceNode): number | null {
    const {varying, dependent} = this.dependence;
    const inputs = node.inputs.filter(([, value]) => varying[value]).map(([, value]) => value);
    return MONOTONE.has(node.kernel) && inputs.length === 1 && dependent[inputs[0]] && !isLinear(node, this.dependence) &&
      (node.kernel !== 'Pow' || (inputs[0] === node.inputs[0][1] && numberIn(this.trace, this.dependence, node.inputs[1][1]) !== null)) ? inputs[0] : null;
  }

  private sumAt(value: number): Sum | null {
    if (!this.known.has(value)) {
      this.known.set(value, this.readSum(value));
    }
    return this.known.get(value)!;
  }

  private readSum(value: number): Sum | null {
    const {trace, dependence} = this;
    if (!dependence.varying[value]) {
      return CONSTANT;
    }
    const node = trace.nodes[trace.producer[value]] as TraceNode | undefined;
    if (node === undefined || !dependence.dependent[value]) {
      return null;
    }
    const {size, shape} = trace.values[value];
    if (this.isSquare(node, value)) {
      const examples = this.isPenalty(value) ? 1 : shape[0] ?? 1;
      return {examples, stride: examples > 1 ? size / examples : null, isOverExamples: false};
    }
    if (!isLinear(node, dependence) && this.argument(node) === null) {
      return null;
    }
    const parts = node.inputs.map(([, input]) => this.sumAt(input));
    const sums = parts.filter(part => part !== null);
    const apart = sums.filter(({stride}) => stride !== null);
    if (sums.length < parts.length || apart.some(({examples}) => examples !== apart[0].examples)) {
      return null;
    }
    const most = node.inputs.reduce((size, [, input]) => Math.max(size, trace.values[input].size), 0);
    const isReduced = (node.kernel === 'Sum' || node.kernel === 'Mean') && most > MANY * size * (apart[0]?.examples ?? 1);
    const isOverExamples = isReduced || sums.some(part => part.isOverExamples);
    if (apart.length === 0) {
      return {...CONSTANT, isOverExamples};
    }
    const operands = new Map(node.inputs.map(([name, input], i) => [name, {shape: trace.values[input].shape, stride: sums[i].stride}]));
    try {
      const [stride] = propagateBatch(node, operands, [shape], apart[0].examples);
      return {examples: apart[0].examples, stride, isOverExamples};
    } catch (error) {
      if (!(error instanceof BatchAxisLost)) {
        throw error;
      }
      return error.reason === 'reduces' ? {...CONSTANT, isOverExamples: true} : null;
    }
  }
}
