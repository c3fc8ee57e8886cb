import {upstream, type Dependence} from '../../trace/dependence';
import {DIFFERENCES, RESHAPES, SUMS} from '../../trace/kernel_sets';
import type {Square} from './terms';
import {nodeOf, numberIn} from './nodes';
import type {Trace} from '../../trace/trace';

/**
 * Tells terms of a loss that depend on a single variable and no data from those that are to be
 * fitted.
 */
export class Regularizers {
  private besideData: boolean | null = null;

  /**
   * @param isData whether a value that f() only read holds data.
   * @param fitted gives the values whose squares the loss has, and the values of its other terms.
   * It is called after all of them are known.
   */
  constructor(private readonly trace: Trace, private readonly dependence: Dependence,
      private readonly isData: (value: number) => boolean, private readonly fitted: () => readonly number[]) {}

  /**
   * Index of the variable w if a square is ρ(w - c)² with one weight ρ ≥ 0 for all entries and a
   * number c; else null. The curvature of such a square is 2ρ on the variable.
   */
  ridgeVariable({block, of, weight}: Square): number | null {
    if (typeof weight !== 'number' || weight < 0) {
      return null;
    }
    return block.difference === null ? this.shiftedVariable(block.value) : this.shiftedBy(of[0], of[1], block.value);
  }

  isFunctionOfOneVariable(value: number): boolean {
    const sources = [...upstream(this.trace, [value])].filter(source => this.trace.producer[source] === -1);
    const variables = new Set(sources.map(source => this.dependence.variableOf.get(source))
        .filter(v => v !== undefined));
    return variables.size === 1 && !this.hasData(value);
  }

  /**
   * Index of the variable w if a value is w, a reshape of it, or ±w ± c with a number c; else null.
   */
  private shiftedVariable(value: number): number | null {
    const node = nodeOf(this.trace, value);
    if (node === null) {
      return this.dependence.variableOf.get(value) ?? null;
    }
    const [first, second] = node.inputs.map(([, input]) => input);
    if (RESHAPES.has(node.kernel)) {
      return this.shiftedVariable(first);
    }
    return SUMS.has(node.kernel) || DIFFERENCES.has(node.kernel) ? this.shiftedBy(first, second, value) : null;
  }

  /**
   * Index of the variable if one operand is a variable that is not spread over more entries, and
   * the other is a number; else null.
   */
  private shiftedBy(a: number, b: number, value: number): number | null {
    const size = this.trace.values[value].size;
    for (const [variable, number] of [[a, b], [b, a]]) {
      if (this.trace.values[variable].size === size && numberIn(this.trace, this.dependence, number) !== null) {
        const found = this.shiftedVariable(variable);
        return found !== null && this.isBesideData() ? found : null;
      }
    }
    return null;
  }

  /** (w - c)² is a prior if the loss has data. If it has none, (w - c)² is to be fitted. */
  private isBesideData(): boolean {
    return this.besideData ??= this.fitted().some(value => this.hasData(value));
  }

  private hasData(value: number): boolean {
    return [...upstream(this.trace, [value])].some(source =>
      this.trace.producer[source] === -1 && !this.dependence.dependent[source] && this.isData(source));
  }
}
