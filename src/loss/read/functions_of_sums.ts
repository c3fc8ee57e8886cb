import type {Tensor} from '@tensorflow/tfjs-core';
import {isLinear, type Dependence} from '../../trace/dependence';
import {propagateBatch, unlessLost} from '../../trace/batch_axis';
import type {BatchStride} from '../../trace/example_axis';
import {tfjsCotangents} from '../../derivatives/cotangents';
import {MONOTONE, REDUCTIONS} from '../../trace/kernel_sets';
import {nodeOf, numberIn} from './nodes';
import type {Trace, TraceNode} from '../../trace/trace';

/**
 * A sum of more squares of one example has no Hessian block, as that would be too large. It counts
 * as a sum over examples.
 */
const MANY = 256;

/** A value that sums and monotone functions make of squares. */
interface Sum {
  /** The number of examples of the squares, as long as these can be told apart. */
  readonly examples: number;
  /** The stride of the examples in the value; null if they cannot be told apart. */
  readonly stride: BatchStride;
  /** Whether an entry of the value sums up squares of several examples. */
  readonly isOverExamples: boolean;
}

const NO_SQUARES: Sum = {examples: 1, stride: null, isOverExamples: false};

/**
 * Finds monotone functions of sums of squares over the examples, f(Σ w r²), as in a root mean
 * square error. No loss of this form is a sum over examples. Its gradient is that of Σ f' w r² with
 * f' held constant. The step takes the curvature of the same sum, 2 f' JᵀWJ: that of a
 * least-squares loss with the same minimum. The other part of the curvature, 4 f'' JᵀWr rᵀWJ of
 * rank one, is left out. It is negative for the root and the logarithm, which therefore lie below
 * the parabola of the step.
 *
 * A function of the squares of one example, such as its norm, has a Hessian of its own and is not
 * found here.
 */
export class FunctionsOfSums {
  private readonly known = new Map<number, Sum | null>();

  /**
   * @param isSquare whether a value holds squares.
   * @param isPenalty whether a value is made of one variable and no data.
   */
  constructor(private readonly trace: Trace, private readonly dependence: Dependence,
      private readonly isSquare: (value: number) => boolean,
      private readonly isPenalty: (value: number) => boolean) {}

  /** Whether a node is such a function of its one input that depends on the weights. */
  isFunction(node: TraceNode): boolean {
    const input = this.argument(node);
    return input !== null && !this.isPenalty(node.outputs[0]) && this.sumAt(input)?.isOverExamples === true;
  }

  /**
   * f' times a weight, in the shape of the argument. If an entry of it is not finite, the sum is at
   * its least, 0, and so are its residuals. The largest of the other entries takes its place and
   * holds the residuals at 0; if there is none, 0 does.
   *
   * @returns the argument (value index), and the entries.
   */
  derivative(node: TraceNode, weight: Tensor): {readonly value: number; readonly entries: Float32Array} {
    const value = this.argument(node)!;
    const [name] = node.inputs.find(([, input]) => input === value)!;
    const entries = Float32Array.from(tfjsCotangents(this.trace.values, node, [weight])[name]().dataSync());
    const largest = entries.reduce((most, x) =>
      Number.isFinite(x) && Math.abs(x) > Math.abs(most) ? x : most, 0);
    return {value, entries: entries.map(x => Number.isFinite(x) ? x : largest)};
  }

  /** The one input of a monotone function that depends on the weights; null for other nodes. */
  private argument(node: TraceNode): number | null {
    const {varying, dependent} = this.dependence;
    const inputs = node.inputs.filter(([, value]) => varying[value]).map(([, value]) => value);
    if (!MONOTONE.has(node.kernel) || inputs.length !== 1 || !dependent[inputs[0]] || isLinear(node, this.dependence)) {
      return null;
    }
    const hasNumberAsExponent = node.kernel !== 'Pow' || (inputs[0] === node.inputs[0][1] &&
        numberIn(this.trace, this.dependence, node.inputs[1][1]) !== null);
    return hasNumberAsExponent ? inputs[0] : null;
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
      return NO_SQUARES;
    }
    const node = nodeOf(trace, value);
    if (node === null || !dependence.dependent[value]) {
      return null;
    }
    const {size, shape} = trace.values[value];
    if (this.isSquare(value)) {
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
    const isReduced = REDUCTIONS.has(node.kernel) &&
        most > MANY * size * (apart[0]?.examples ?? 1);
    const isOverExamples = isReduced || sums.some(part => part.isOverExamples);
    if (apart.length === 0) {
      return {...NO_SQUARES, isOverExamples};
    }
    const operands = new Map(node.inputs.map(([name, input], i) =>
      [name, {shape: trace.values[input].shape, stride: sums[i].stride}]));
    const [{examples}] = apart;
    return unlessLost<Sum | null>(() => {
      const [stride] = propagateBatch(node, operands, [shape], examples);
      return {examples, stride, isOverExamples};
    }, ({reason}) => reason === 'reduces' ? {...NO_SQUARES, isOverExamples: true} : null);
  }
}
