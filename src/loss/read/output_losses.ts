import type {Tensor} from '@tensorflow/tfjs-core';
import {downstream, upstream} from '../../trace/dependence';
import type {Dependence} from '../../trace/dependence';
import type {RowBlock} from '../functions/row_block';
import type {FunctionLoss, OutputLoss} from '../functions/output_loss';
import type {SigmoidLoss} from '../functions/sigmoid_cross_entropy';
import type {SoftmaxLoss} from '../functions/softmax_cross_entropy';
import {isLinear} from '../../trace/linear_kernels';
import {ProbabilityReader} from './log_probability';
import {fallsWithoutEnd} from './lower_bound';
import type {OtherTerm, Square, Weight} from './terms';
import {CutFinder} from './output_cut';
import type {OutputCut} from './output_cut';
import type {Trace, TraceNode} from '../../trace/trace';

export interface OutputLosses<S> {
  readonly losses: readonly OutputLoss[];
  /** Squares that became part of them: those of what such a loss makes of its outputs, as in Huber's. */
  readonly taken: readonly S[];
  /** Terms that are linear in outputs and part of no function of them. */
  readonly linear: readonly OtherTerm[];
  /** A term (value index) behind whose outputs a variable enters; null where all are known. */
  readonly unknown: number | null;
}

/**
 * Makes functions of outputs of the terms of a loss that are no squares: cross-entropies at their logits, in closed form, where the trace shows one;
 * what is left are general functions, one for all terms that share outputs.
 */
export function readOutputLosses<S extends Pick<Square, 'value' | 'block' | 'weight' | 'inner'>>(trace: Trace, dependence: Dependence, terms: readonly OtherTerm[], squares: readonly S[],
    asTensor: (weight: Weight, value: number) => Tensor): OutputLosses<S> {
  if (terms.length === 0) {
    return {losses: [], taken: [], linear: [], unknown: null};
  }
  const numbers = (weight: Weight, value: number): Float64Array => typeof weight === 'number' ?
    new Float64Array(trace.values[value].size).fill(weight) : Float64Array.from(weight.dataSync());
  const finder = new CutFinder(trace, dependence, trace.outputs.length > 0 ? trace.outputs : null);
  const known = new CrossEntropies(trace, dependence, finder, numbers);
  const rest = known.take(terms);
  const parts: Part[] = [];
  for (const term of rest) {
    const outputs = finder.outputsOf(term.value);
    if (outputs === null) {
      return {losses: [], taken: [], linear: [], unknown: term.value};
    }
    const shared = parts.filter(part => part.outputs.some(output => outputs.includes(output)));
    shared.forEach(part => parts.splice(parts.indexOf(part), 1));
    parts.push({outputs: [...new Set([...shared.flatMap(part => part.outputs), ...outputs])].sort((a, b) => a - b),
      terms: [...shared.flatMap(part => part.terms), term]});
  }
  // What is linear in outputs has a gradient and no curvature: it goes beside the rows, unless it belongs to a function, as the residual in log cosh r = r + softplus(-2r) - log 2.
  const isLinearIn = (outputs: readonly number[], {value}: OtherTerm): boolean => isLinearBetween(finder, dependence, outputs, value);
  const linear: OtherTerm[] = [];
  const entropies = known.losses();
  // The trace clips what their step does not: it does not tell what falls without end beside them.
  const isPartOfEntropy = (outputs: readonly number[]): boolean => {
    const related = new Set([...downstream(trace, outputs), ...upstream(trace, outputs)]);
    return entropies.some(({blocks: [{value}]}) => related.has(value));
  };
  const hasOthers = squares.length + entropies.length > 0 || parts.some(({outputs, terms: all}) => !all.every(term => isLinearIn(outputs, term)));
  const taken: S[] = [];
  const weighted = (some: readonly OtherTerm[]): Array<readonly [number, Tensor]> => some.map(({value, weight}) => [value, asTensor(weight, value)]);
  const functionOf = (cut: OutputCut, own: readonly OtherTerm[], beside: readonly OtherTerm[]): FunctionLoss => {
    const all = weighted(own);
    for (const square of squares) {
      const isCut = square.block.difference === null && cut.outputs.includes(square.block.value);
      if (!isCut && square.inner === 0 && !taken.includes(square) && finder.reachedFrom([square.value], cut.outputs) !== null) {
        taken.push(square);
        all.push([square.value, asTensor(square.weight, square.value)]);
      }
    }
    return {kind: 'function', blocks: cut.outputs.map(blockOf), terms: all, beside: weighted(beside), isResidual: cut.isResidual, residual: cut.residual,
      areLogits: cut.outputs.every(output => known.shared.has(output))};
  };
  const functions = parts.flatMap(({outputs, terms: all}): FunctionLoss[] => {
    const curved = all.filter(term => !isLinearIn(outputs, term));
    const cutOf = (some: readonly OtherTerm[]): OutputCut => finder.refine(outputs, some.map(({value}) => value));
    if (curved.length === 0) {
      // Unless it falls without end, beside others: then it needs rows, whose curvature bounds the step.
      if (hasOthers && !isPartOfEntropy(outputs) && fallsWithoutEnd(trace, dependence, weighted(all), outputs) !== null) {
        return [functionOf({outputs, isResidual: false, residual: null}, all, [])];
      }
      linear.push(...all);
      return [];
    }
    // Nor may it hide the residuals of the others.
    const isBeside = curved.length < all.length && !cutOf(all).isResidual && cutOf(curved).isResidual;
    const beside = all.filter(term => isBeside && !curved.includes(term));
    linear.push(...beside);
    return [functionOf(cutOf(isBeside ? curved : all), isBeside ? curved : all, beside)];
  });
  return {losses: [...entropies, ...functions], taken, linear, unknown: null};
}

interface Part {
  readonly outputs: readonly number[];
  readonly terms: readonly OtherTerm[];
}

/** Whether a value is made of outputs and data alone, and is linear in these outputs. */
const isLinearBetween = (finder: CutFinder, dependence: Dependence, outputs: readonly number[], value: number): boolean =>
  finder.reachedFrom([value], outputs) !== null && finder.between(outputs, [value]).every(node => isLinear(node, dependence));

const blockOf = (value: number): RowBlock => ({value, difference: null});

/** A term of a cross-entropy: weight (softplus · softplus(f) - target · f), or -target · log softmax(f). */
interface EntropyTerm {
  readonly term: OtherTerm;
  readonly softplus: number;
  readonly target: number;
}

/** Collects the terms of cross-entropies, by logits. */
class CrossEntropies {
  private readonly reader: ProbabilityReader;
  private readonly softmax = new Map<number, EntropyTerm[]>();
  private readonly sigmoid = new Map<number, EntropyTerm[]>();
  /** Logits of cross-entropies that are part of another function of them. */
  readonly shared = new Set<number>();

  constructor(private readonly trace: Trace, private readonly dependence: Dependence, private readonly finder: CutFinder,
      private readonly numbers: (weight: Weight, value: number) => Float64Array) {
    this.reader = new ProbabilityReader(trace, dependence);
  }

  /** @returns the terms that are of another kind. */
  take(terms: readonly OtherTerm[]): OtherTerm[] {
    let rest = terms.filter(term => !this.takeLog(term));
    for (const [relu, log] of this.softplusPairs(rest)) {
      const logits = this.canonical(this.inputOf(relu.value)!);
      this.add(this.sigmoid, logits, {term: relu, softplus: 1, target: 0});
      this.add(this.sigmoid, logits, {term: log, softplus: 0, target: 0});
      rest = rest.filter(term => term !== relu && term !== log);
      for (const linear of rest.filter(({value}) => this.canonical(value) === logits)) {
        this.add(this.sigmoid, logits, {term: linear, softplus: 0, target: -1});
        rest = rest.filter(term => term !== linear);
      }
    }
    // Where another term is made of the same logits or probabilities, all of them are one function of outputs. Not so where a layer is in between: then the outputs are others.
    for (let isStable = false; !isStable;) {
      isStable = true;
      for (const found of [this.softmax, this.sigmoid]) {
        for (const [logits, entropy] of [...found].filter(([value, own]) => this.isShared(value, own, rest))) {
          rest.push(...entropy.map(({term}) => term));
          found.delete(logits);
          this.shared.add(logits);
          isStable = false;
        }
      }
    }
    return rest;
  }

  losses(): Array<SoftmaxLoss | SigmoidLoss> {
    return [
      ...[...this.softmax].map(([value, terms]): SoftmaxLoss =>
        ({kind: 'softmax', blocks: [blockOf(value)], classes: this.trace.values[value].shape.slice(-1)[0], target: this.sum(value, terms, 'target')})),
      ...[...this.sigmoid].map(([value, terms]): SigmoidLoss =>
        ({kind: 'sigmoid', blocks: [blockOf(value)], weight: this.sum(value, terms, 'softplus'), target: this.sum(value, terms, 'target')})),
    ];
  }

  /** Whether others read the logits of a cross-entropy, or what its terms make of them, and are no linear function of the logits. */
  private isShared(logits: number, terms: readonly EntropyTerm[], rest: readonly OtherTerm[]): boolean {
    const values = rest.map(({value}) => value).filter(value => !isLinearBetween(this.finder, this.dependence, [logits], value));
    const others = upstream(this.trace, values, new Set(values.flatMap(value => this.finder.outputsOf(value) ?? [])));
    const made = downstream(this.trace, [logits]);
    const needed = upstream(this.trace, terms.map(({term}) => term.value), new Set([logits]));
    return [...made].some(value => needed.has(value) && others.has(value));
  }

  private sum(logits: number, terms: readonly EntropyTerm[], factor: 'softplus' | 'target'): Float64Array {
    const total = new Float64Array(this.trace.values[logits].size);
    for (const {term, [factor]: scale} of terms) {
      if (this.trace.values[term.value].size !== total.length) {
        throw new Error(`a term of ${this.trace.values[term.value].size} entries of a cross-entropy of ${total.length} logits`);
      }
      if (scale !== 0) {
        this.numbers(term.weight, term.value).forEach((w, i) => total[i] += scale * w);
      }
    }
    return total;
  }

  private takeLog(term: OtherTerm): boolean {
    const {log} = term;
    if (log === null) {
      return false;
    }
    const {logits, sign, isComplement} = log;
    if (logits.kernel === 'Softmax') {
      this.add(this.softmax, logits.value, {term, softplus: 0, target: -sign});
    } else {
      // log σ(f) = f - softplus(f), log(1 - σ(f)) = -softplus(f)
      this.add(this.sigmoid, logits.value, {term, softplus: -sign, target: isComplement ? 0 : -sign});
    }
    return true;
  }

  private add(found: Map<number, EntropyTerm[]>, logits: number, term: EntropyTerm): void {
    found.set(logits, [...found.get(logits) ?? [], term]);
  }

  /** softplus(f) = relu(f) + log1p(exp(-|f|)), the way that tfjs writes it. */
  private softplusPairs(terms: readonly OtherTerm[]): Array<readonly [OtherTerm, OtherTerm]> {
    return terms.filter(({value}) => this.kernelOf(value) === 'Relu').flatMap(relu => {
      const logits = this.inputOf(relu.value);
      const weights = this.numbers(relu.weight, relu.value);
      const log = terms.find(({value, weight}) => this.chain(value, ['Log1p', 'Exp', 'Neg', 'Abs']) === logits &&
          this.numbers(weight, value).every((w, i) => w === weights[i]));
      return log === undefined ? [] : [[relu, log] as const];
    });
  }

  /** The input of a chain of kernels that ends in a value; null where it is not that chain. */
  private chain(value: number, kernels: readonly string[]): number | null {
    return kernels.reduce<number | null>((v, kernel) => v !== null && this.kernelOf(v) === kernel ? this.inputOf(v) : null, value);
  }

  /** The logits of a sigmoid where a value is log(p / (1 - p)) of it. */
  private canonical(value: number): number {
    return this.reader.logit(value) ?? value;
  }

  private inputOf(value: number): number | null {
    return this.nodeOf(value)?.inputs[0]?.[1] ?? null;
  }

  private kernelOf(value: number): string | null {
    return this.nodeOf(value)?.kernel ?? null;
  }

  private nodeOf(value: number): TraceNode | null {
    return this.trace.nodes[this.trace.producer[value]] ?? null;
  }
}
