import {downstream, upstream} from '../../trace/dependence';
import type {Dependence} from '../../trace/dependence';
import {blockOf} from '../functions/row_block';
import type {ClosedTerm} from '../functions/output_term';
import type {SigmoidTerm} from '../functions/sigmoid_cross_entropy';
import type {SoftmaxTerm} from '../functions/softmax_cross_entropy';
import {ProbabilityReader} from './log_probability';
import {nodeOf} from './nodes';
import type {CutFinder} from './output_cut';
import type {OtherTerm, Weight} from './terms';
import type {Trace} from '../../trace/trace';

/**
 * A term of a cross-entropy: weight (softplus · softplus(f) - target · f), or -target · log
 * softmax(f).
 */
interface EntropyTerm {
  readonly term: OtherTerm;
  readonly softplus: number;
  readonly target: number;
}

/**
 * Recognises the terms of losses with a closed form, which are cross-entropies today: it collects
 * them by the logits that they share.
 */
export class ClosedTerms {
  /** Logits of cross-entropies that are part of another function of them. */
  readonly shared = new Set<number>();
  private readonly reader: ProbabilityReader;
  private readonly softmax = new Map<number, EntropyTerm[]>();
  private readonly sigmoid = new Map<number, EntropyTerm[]>();

  constructor(private readonly trace: Trace, private readonly dependence: Dependence,
      private readonly finder: CutFinder) {
    this.reader = new ProbabilityReader(trace, dependence);
  }

  /**
   * Takes the terms of cross-entropies.
   *
   * @returns the other terms.
   */
  take(terms: readonly OtherTerm[]): OtherTerm[] {
    let rest = terms.filter(term => !this.takeLog(term));
    for (const [relu, log] of this.softplusPairs(rest)) {
      const logits = this.canonical(this.inputOf(relu.value)!);
      add(this.sigmoid, logits, {term: relu, softplus: 1, target: 0});
      add(this.sigmoid, logits, {term: log, softplus: 0, target: 0});
      rest = rest.filter(term => term !== relu && term !== log);
      for (const linear of rest.filter(({value}) => this.canonical(value) === logits)) {
        add(this.sigmoid, logits, {term: linear, softplus: 0, target: -1});
        rest = rest.filter(term => term !== linear);
      }
    }
    // If another term is made of the same logits or probabilities, all of these terms are one
    // function of outputs. If a layer lies between them, their outputs are different values.
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

  /** The cross-entropies of the terms that were taken. */
  joined(): ClosedTerm[] {
    return [
      ...[...this.softmax].map(([value, terms]): SoftmaxTerm => ({kind: 'softmax', blocks: [blockOf(value)],
        classes: this.trace.values[value].shape.slice(-1)[0], target: this.sum(value, terms, 'target')})),
      ...[...this.sigmoid].map(([value, terms]): SigmoidTerm => ({kind: 'sigmoid', blocks: [blockOf(value)],
        weight: this.sum(value, terms, 'softplus'), target: this.sum(value, terms, 'target')})),
    ];
  }

  /**
   * Whether other terms use the logits of a cross-entropy, or the values between them and its
   * terms, and are no linear function of the logits.
   */
  private isShared(logits: number, terms: readonly EntropyTerm[], rest: readonly OtherTerm[]): boolean {
    const values = rest.map(({value}) => value).filter(value => !this.finder.isLinearIn([logits], value));
    const others = upstream(this.trace, values, new Set(values.flatMap(value => this.finder.outputsOf(value) ?? [])));
    const made = downstream(this.trace, [logits]);
    const needed = upstream(this.trace, terms.map(({term}) => term.value), new Set([logits]));
    return [...made].some(value => needed.has(value) && others.has(value));
  }

  /** The sum of the weights of terms, each times one of its factors, for each logit. */
  private sum(logits: number, terms: readonly EntropyTerm[], factor: 'softplus' | 'target'): Float64Array {
    const total = new Float64Array(this.trace.values[logits].size);
    for (const {term, [factor]: scale} of terms) {
      const {size} = this.trace.values[term.value];
      if (size !== total.length) {
        throw new Error(`a term of a cross-entropy has ${size} entries, and the cross-entropy ${total.length} logits`);
      }
      if (scale !== 0) {
        this.numbers(term).forEach((w, i) => total[i] += scale * w);
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
      add(this.softmax, logits.value, {term, softplus: 0, target: -sign});
    } else {
      // log σ(f) = f - softplus(f), log(1 - σ(f)) = -softplus(f)
      add(this.sigmoid, logits.value, {term, softplus: -sign, target: isComplement ? 0 : -sign});
    }
    return true;
  }

  /**
   * Pairs of terms that are a softplus as tfjs writes it: softplus(f) = relu(f) + log1p(exp(-|f|)).
   */
  private softplusPairs(terms: readonly OtherTerm[]): Array<readonly [OtherTerm, OtherTerm]> {
    return terms.filter(({value}) => this.kernelOf(value) === 'Relu').flatMap(relu => {
      const logits = this.inputOf(relu.value);
      const weights = this.numbers(relu);
      const log = terms.find(term => this.chain(term.value, ['Log1p', 'Exp', 'Neg', 'Abs']) === logits &&
          this.numbers(term).every((w, i) => w === weights[i]));
      return log === undefined ? [] : [[relu, log] as const];
    });
  }

  /** The weight of each entry of a term. */
  private numbers({value, weight}: {readonly value: number; readonly weight: Weight}): Float64Array {
    return typeof weight === 'number' ? new Float64Array(this.trace.values[value].size).fill(weight) :
      Float64Array.from(weight.dataSync());
  }

  /** The input of a chain of kernels that ends in a value; null if the value has another chain. */
  private chain(value: number, kernels: readonly string[]): number | null {
    return kernels.reduce<number | null>((v, kernel) =>
      v !== null && this.kernelOf(v) === kernel ? this.inputOf(v) : null, value);
  }

  /** The logits f if a value is log(p / (1 - p)) with p = σ(f); else the value itself. */
  private canonical(value: number): number {
    return this.reader.logit(value) ?? value;
  }

  private inputOf(value: number): number | null {
    return nodeOf(this.trace, value)?.inputs[0]?.[1] ?? null;
  }

  private kernelOf(value: number): string | null {
    return nodeOf(this.trace, value)?.kernel ?? null;
  }
}

function add(found: Map<number, EntropyTerm[]>, logits: number, term: EntropyTerm): void {
  found.set(logits, [...found.get(logits) ?? [], term]);
}
