import {downstream, upstream, type Dependence} from '../../trace/dependence';
import type {Trace} from '../../trace/trace';
import {closedFormOf, type ClosedTerm} from '../functions/output_term';
import {CLOSED_KINDS, TermReader, type Share} from './closed_kinds';
import type {CutFinder} from './output_cut';
import type {OtherTerm} from './terms';

const KINDS = Object.keys(CLOSED_KINDS) as Array<ClosedTerm['kind']>;

/** Finds the terms with a closed form, and collects them by the outputs that they share. */
export class ClosedTerms {
  /** Logits with a closed form that are part of another function of them. */
  readonly shared = new Set<number>();
  private readonly reader: TermReader;
  /** By kind, then by outputs. */
  private readonly found = new Map(KINDS.map(kind => [kind, new Map<number, Share[]>()]));

  constructor(private readonly trace: Trace, dependence: Dependence, private readonly finder: CutFinder) {
    this.reader = new TermReader(trace, dependence);
  }

  /**
   * Takes the terms of closed forms.
   *
   * @returns the other terms.
   */
  take(terms: readonly OtherTerm[]): OtherTerm[] {
    let rest = [...terms];
    for (const [kind, found] of this.found) {
      const shares = CLOSED_KINDS[kind].shares(this.reader, rest);
      shares.forEach(share => found.set(share.outputs, [...found.get(share.outputs) ?? [], share]));
      const taken = new Set(shares.map(({term}) => term));
      rest = rest.filter(term => !taken.has(term));
    }
    // If another term is made of the same outputs or probabilities, all of these terms are one
    // function of outputs. If a layer lies between them, their outputs are different values.
    for (let isStable = false; !isStable;) {
      isStable = true;
      for (const [kind, found] of this.found) {
        for (const [outputs, shares] of [...found].filter(([value, own]) => this.isShared(value, own, rest))) {
          rest.push(...shares.map(({term}) => term));
          found.delete(outputs);
          if (closedFormOf({kind}).areLogits) {
            this.shared.add(outputs);
          }
          isStable = false;
        }
      }
    }
    return rest;
  }

  /** The closed forms of the terms that were taken. */
  joined(): ClosedTerm[] {
    return [...this.found].flatMap(([kind, found]) => [...found].map(([outputs, shares]) =>
      CLOSED_KINDS[kind].join(outputs, factor => this.sum(outputs, shares, factor), this.trace.values[outputs].shape)));
  }

  /**
   * Whether other terms use the outputs of a closed form, or the values between them and its terms,
   * and are no linear function of the outputs.
   */
  private isShared(outputs: number, shares: readonly Share[], rest: readonly OtherTerm[]): boolean {
    const values = rest.map(({value}) => value).filter(value => !this.finder.isLinearIn([outputs], value));
    const others = upstream(this.trace, values, new Set(values.flatMap(value => this.finder.outputsOf(value) ?? [])));
    const made = downstream(this.trace, [outputs]);
    const needed = upstream(this.trace, shares.map(({term}) => term.value), new Set([outputs]));
    return [...made].some(value => needed.has(value) && others.has(value));
  }

  /** The sum of the weights of terms, each times one of its factors, for each output. */
  private sum(outputs: number, shares: readonly Share[], factor: string): Float64Array {
    const total = new Float64Array(this.trace.values[outputs].size);
    for (const {term, factors: {[factor]: scale = 0}} of shares) {
      const {size} = this.trace.values[term.value];
      if (size !== total.length) {
        throw new Error(`a term of a closed form has ${size} entries, and the closed form ${total.length} outputs`);
      }
      if (scale !== 0) {
        this.reader.numbers(term).forEach((w, i) => total[i] += scale * w);
      }
    }
    return total;
  }
}
