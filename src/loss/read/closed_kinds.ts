import type {Dependence} from '../../trace/dependence';
import type {Trace} from '../../trace/trace';
import type {ClosedTerm} from '../functions/output_term';
import {blockOf} from '../functions/row_block';
import {ProbabilityReader} from './log_probability';
import {nodeOf} from './nodes';
import type {OtherTerm} from './terms';

/**
 * A term that belongs to a closed form of some outputs. `factors` are the multiples of its weight
 * that it adds to the numbers of the closed form, by their names.
 */
export interface Share {
  readonly outputs: number;
  readonly term: OtherTerm;
  readonly factors: Readonly<Record<string, number>>;
}

/** A kind of closed form, as its terms look in a trace. */
interface ClosedKind {
  /** The terms of this kind among some terms. */
  shares(reader: TermReader, terms: readonly OtherTerm[]): Share[];
  /**
   * The closed form of some outputs.
   *
   * @param sum the sum of the weights of all its terms, times one of their factors, by output.
   */
  join(outputs: number, sum: (factor: string) => Float64Array, shape: readonly number[]): ClosedTerm;
}

/** How the terms of each kind look. A new kind is one row of this table. */
export const CLOSED_KINDS: {readonly [K in ClosedTerm['kind']]: ClosedKind} = {
  // -target · log softmax(f)
  softmax: {
    shares: (_, terms) => terms.flatMap(term => {
      const {log} = term;
      return log?.logits.kernel !== 'Softmax' ? [] :
        [{outputs: log.logits.value, term, factors: {target: -log.sign}}];
    }),
    join: (outputs, sum, shape) =>
      ({kind: 'softmax', blocks: [blockOf(outputs)], classes: shape[shape.length - 1], target: sum('target')}),
  },
  // weight · softplus(f) - target · f
  sigmoid: {
    shares: (reader, terms) => {
      const logs = terms.flatMap((term): Share[] => {
        const {log} = term;
        // log σ(f) = f - softplus(f), log(1 - σ(f)) = -softplus(f)
        return log === null || log.logits.kernel === 'Softmax' ? [] : [{outputs: log.logits.value, term,
          factors: {weight: -log.sign, target: log.isComplement ? 0 : -log.sign}}];
      });
      return [...logs, ...softplusShares(reader, terms.filter(({log}) => log === null))];
    },
    join: (outputs, sum) =>
      ({kind: 'sigmoid', blocks: [blockOf(outputs)], weight: sum('weight'), target: sum('target')}),
  },
};

/**
 * Pairs of terms that are a softplus as tfjs writes it, softplus(f) = relu(f) + log1p(exp(-|f|)),
 * with the terms that are linear in the same f.
 */
function softplusShares(reader: TermReader, terms: readonly OtherTerm[]): Share[] {
  const shares: Share[] = [];
  let rest = terms;
  const take = (outputs: number, term: OtherTerm, factors: Share['factors']): void => {
    shares.push({outputs, term, factors});
    rest = rest.filter(other => other !== term);
  };
  for (const [relu, log] of reader.softplusPairs(terms)) {
    const logits = reader.canonical(reader.inputOf(relu.value)!);
    take(logits, relu, {weight: 1});
    take(logits, log, {});
    rest.filter(({value}) => reader.canonical(value) === logits).forEach(term => take(logits, term, {target: -1}));
  }
  return shares;
}

/** Reads how the values of terms are computed. */
export class TermReader {
  private readonly probabilities: ProbabilityReader;

  constructor(private readonly trace: Trace, dependence: Dependence) {
    this.probabilities = new ProbabilityReader(trace, dependence);
  }

  /** Pairs of terms relu(f) and log1p(exp(-|f|)) with equal weights. */
  softplusPairs(terms: readonly OtherTerm[]): Array<readonly [OtherTerm, OtherTerm]> {
    return terms.filter(({value}) => this.kernelOf(value) === 'Relu').flatMap(relu => {
      const logits = this.inputOf(relu.value);
      const weights = this.numbers(relu);
      const log = terms.find(term => this.chain(term.value, ['Log1p', 'Exp', 'Neg', 'Abs']) === logits &&
          this.numbers(term).every((w, i) => w === weights[i]));
      return log === undefined ? [] : [[relu, log] as const];
    });
  }

  /** The weight of each entry of a term. */
  numbers({value, weight}: OtherTerm): Float64Array {
    return typeof weight === 'number' ? new Float64Array(this.trace.values[value].size).fill(weight) :
      Float64Array.from(weight.dataSync());
  }

  /** The logits f if a value is log(p / (1 - p)) with p = σ(f); else the value itself. */
  canonical(value: number): number {
    return this.probabilities.logit(value) ?? value;
  }

  /** The first input of the kernel that made a value. */
  inputOf(value: number): number | null {
    return nodeOf(this.trace, value)?.inputs[0]?.[1] ?? null;
  }

  /** The input of a chain of kernels that ends in a value; null if the value has another chain. */
  private chain(value: number, kernels: readonly string[]): number | null {
    return kernels.reduce<number | null>((v, kernel) =>
      v !== null && this.kernelOf(v) === kernel ? this.inputOf(v) : null, value);
  }

  private kernelOf(value: number): string | null {
    return nodeOf(this.trace, value)?.kernel ?? null;
  }
}
