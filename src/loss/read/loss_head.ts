import {addTo} from '../../tfjs/accumulate';
import {add, fill, mul, reshape, tensor, type Tensor} from '@tensorflow/tfjs-core';
import {isLinear, upstream, type Dependence} from '../../trace/dependence';
import {tfjsCotangents} from '../../derivatives/cotangents';
import {FunctionsOfSums} from './functions_of_sums';
import {SAME_ENTRIES} from '../../trace/kernel_sets';
import {readOutputTerms} from './output_terms';
import {ProbabilityReader, type LogProbability} from './log_probability';
import {nodeOf, numberIn} from './nodes';
import {Regularizers} from './regularizers';
import {squareAt, type SquareAt} from './squares';
import type {Trace, TraceNode} from '../../trace/trace';
import {UnknownTerm, type Weight, type LossHead, type OtherTerm, type Square} from './terms';

/**
 * Reads the terms of a loss. It walks back from the loss through sums, means, weights and reshapes,
 * which are linear, and through monotone functions of sums, and carries the coefficient along. It
 * ends at squares: `Square(r)`, `r·r`, `Pow(r, 2)`, `SquaredDifference(a, b)`. So class weights,
 * the `weights` and reductions of `tf.losses`, several heads and means over any axis need no rule.
 *
 * Regularizers are the squares of single variables w (beside data also of w - c with a number c),
 * whose curvature is constant, and other functions of one variable and no data. All other squares
 * are rows, those of boundary points included. All other terms that depend on data are functions of
 * outputs, see `readOutputTerms`.
 *
 * @param isData whether a value that f() only read holds data.
 * @throws UnknownTerm for a term that is none of these.
 */
export function readLossHead(trace: Trace, dependence: Dependence, isData: (value: number) => boolean): LossHead {
  return new HeadReader(trace, dependence, isData).read();
}

class HeadReader {
  /** By the values that are squared. */
  private readonly squares = new Map<string, Square>();
  /** The other terms, by value index. */
  private readonly terms = new Map<number, OtherTerm>();
  private readonly functions: Array<readonly [number, Weight]> = [];
  private readonly sums: FunctionsOfSums;
  private readonly probabilities: ProbabilityReader;
  private readonly bent: ReadonlySet<number>;
  private readonly regularizers: Regularizers;

  constructor(private readonly trace: Trace, private readonly dependence: Dependence,
      isData: (value: number) => boolean) {
    this.probabilities = new ProbabilityReader(trace, dependence);
    this.regularizers = new Regularizers(trace, dependence, isData,
      () => [...[...this.squares.values()].flatMap(({of}) => of), ...this.terms.keys()]);
    this.sums = new FunctionsOfSums(trace, dependence, value => this.squareOf(value) !== null,
      value => this.regularizers.isFunctionOfOneVariable(value));
    this.bent = this.findBent();
  }

  read(): LossHead {
    this.walk(this.trace.result, 1);
    const all = [...this.squares.values()];
    const terms = [...this.terms.values()];
    let others = terms.filter(({value}) => this.regularizers.isFunctionOfOneVariable(value));
    let strangers = terms.filter(term => !others.includes(term));
    let rows = all.filter(square => this.regularizers.ridgeVariable(square) === null);
    if (rows.length === 0 && strangers.length === 0) {
      // The loss has functions of variables only. So they are to be fitted: the squares, if there
      // are any.
      rows = all;
      [strangers, others] = all.length === 0 ? [others, []] : [[], others];
    }
    const {outputTerms, taken, linear, unknown} = readOutputTerms(this.trace, this.dependence, strangers, rows,
      (weight, value) => this.asTensor(weight, value));
    if (unknown !== null || rows.length + outputTerms.length === 0) {
      throw new UnknownTerm(this.kernelOf(unknown ?? linear[0]?.value ?? this.trace.result));
    }
    others.push(...linear);
    const penalties = all.filter(square => !rows.includes(square));
    rows = rows.filter(square => !taken.includes(square));
    const ridge = new Map<number, number>();
    const extra = new Map<number, Tensor>();
    for (const square of penalties) {
      const variable = this.regularizers.ridgeVariable(square)!;
      ridge.set(variable, (ridge.get(variable) ?? 0) + (square.weight as number));
      const {value, difference} = square.block;
      addTo(extra, value, difference !== null ? this.asTensor(square.weight, value) :
        mul(this.trace.values[value], 2 * (square.weight as number)));
    }
    for (const {value, weight} of others) {
      addTo(extra, value, this.asTensor(weight, value));
    }
    return {squares: rows.map(({block, weight, inner}) => ({block, weight, inner})), outputTerms, ridge, extra,
      penalties, others: others.map(({value, weight}) => [value, weight] as const), functions: this.functions};
  }

  /**
   * Values that the loss bends: it is no affine function of such a value, and no function of sums
   * of squares of it.
   */
  private findBent(): Set<number> {
    const {trace, dependence} = this;
    const {dependent} = dependence;
    const needed = upstream(trace, [trace.result]);
    const bent = new Set<number>();
    for (let i = trace.nodes.length - 1; i >= 0; i--) {
      const node = trace.nodes[i];
      if (node.outputs.some(output => needed.has(output) && dependent[output])) {
        const active = node.inputs.filter(([, input]) => dependent[input]);
        if (node.outputs.some(output => bent.has(output)) ||
            !(isLinear(node, dependence) || this.sums.isFunction(node))) {
          active.forEach(([, input]) => bent.add(input));
        }
      }
    }
    return bent;
  }

  private addTerm(value: number, weight: Weight, log: LogProbability | null = null): void {
    const known = this.terms.get(value);
    this.terms.set(value, {value, log, weight: known === undefined ? weight : this.sumOf(known.weight, weight, value)});
  }

  private sumOf(a: Weight, b: Weight, value: number): Weight {
    return typeof a === 'number' && typeof b === 'number' ? a + b :
      add(this.asTensor(a, value), this.asTensor(b, value));
  }

  /**
   * Collects the terms of weight · value.
   *
   * @param isInner whether the value is inside of a function of sums.
   */
  private walk(value: number, weight: Weight, isInner = false): void {
    if (!this.dependence.dependent[value]) {
      return;
    }
    const node = nodeOf(this.trace, value);
    if (node === null) {
      this.addTerm(value, weight);
      return;
    }
    const square = this.squareOf(value);
    if (square !== null) {
      const key = square.of.join();
      weight = typeof weight === 'number' ? weight : this.asTensor(weight, square.block.value);
      const known = this.squares.get(key);
      if (known === undefined) {
        this.squares.set(key, {...square, value, weight, inner: isInner ? weight : 0});
      } else {
        known.weight = this.sumOf(known.weight, weight, square.block.value);
        known.inner = isInner ? this.sumOf(known.inner, weight, square.block.value) : known.inner;
      }
      return;
    }
    if (this.sums.isFunction(node)) {
      if (!isInner) {
        this.functions.push([value, weight]);
      }
      const {value: sum, entries} = this.sums.derivative(node, this.asTensor(weight, value));
      this.walk(sum, entries.length === 1 ? entries[0] : tensor(entries, this.trace.values[sum].shape), true);
      return;
    }
    const logits = this.probabilities.logSoftmax(node);
    const log: LogProbability | null = logits === null ? this.probabilities.logProbability(node) :
      {logits: {kernel: 'Softmax', value: logits}, sign: 1, isComplement: false};
    const active = node.inputs.filter(([, input]) => this.dependence.dependent[input]);
    // The walk ends at a value that another term bends: both terms are part of one function of
    // outputs.
    if (log !== null || !isLinear(node, this.dependence) ||
        (this.bent.has(value) && !this.regularizers.isFunctionOfOneVariable(value))) {
      this.addTerm(value, weight, log);
      return;
    }
    for (const [name, input] of active) {
      this.walk(input, this.pull(node, name, input, value, weight), isInner);
    }
  }

  private squareOf(value: number): SquareAt | null {
    return squareAt(this.trace, this.dependence, value);
  }

  /** The coefficient of an input, from that of the output. */
  private pull(node: TraceNode, name: string, input: number, value: number, weight: Weight): Weight {
    if (typeof weight === 'number') {
      if (SAME_ENTRIES.has(node.kernel)) {
        return weight;
      }
      const copies = this.trace.values[value].size / this.trace.values[input].size;
      switch (node.kernel) {
        case 'Add':
        case 'AddN':
          return weight * copies;
        case 'Sub':
          return name === 'a' ? weight * copies : -weight * copies;
        case 'Neg':
          return -weight;
        case 'Mean':
          return weight * copies;
        case 'Sum':
          return weight;
        case 'Multiply':
        case 'RealDiv': {
          const other = numberIn(this.trace, this.dependence, node.inputs.find(([key]) => key !== name)![1]);
          if (other !== null) {
            return node.kernel === 'Multiply' ? weight * other : weight / other;
          }
        }
      }
    }
    return tfjsCotangents(this.trace.values, node, [this.asTensor(weight, value)])[name]();
  }

  private asTensor(weight: Weight, value: number): Tensor {
    const {shape} = this.trace.values[value];
    return typeof weight === 'number' ? fill(shape, weight) :
      weight.shape.join() === shape.join() ? weight : reshape(weight, shape);
  }

  private kernelOf(value: number): string {
    return nodeOf(this.trace, value)?.kernel ?? 'a variable itself';
  }
}
