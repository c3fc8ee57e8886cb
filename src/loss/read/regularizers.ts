import {upstream} from '../../trace/dependence';
import type {Dependence} from '../../trace/dependence';
import type {Square} from './terms';
import {numberIn} from './number_in';
import type {Trace, TraceNode} from '../../trace/trace';

/** Tells terms of a loss that depend on a single variable and no data from those that are to be fitted. */
export class Regularizers {
  private besideData: boolean | null = null;

  /**
   * @param isData whether a value that f() only read holds data.
   * @param fitted the values that the squares of the loss are taken of, and those of its other terms; asked for once they are known.
   */
  constructor(private readonly trace: Trace, private readonly dependence: Dependence, private readonly isData: (value: number) => boolean,
      private readonly fitted: () => readonly number[]) {}

  /** Index of the variable whose squares, uniformly weighted, a square is: its curvature is 2ρ on that variable. */
  ridgeVariable({block, of, weight}: Square): number | null {
    if (typeof weight !== 'number' || weight < 0) {
      return null;
    }
    return block.difference === null ? this.shiftedVariable(block.value) : this.shiftedBy(of[0], of[1], block.value);
  }

  isFunctionOfOneVariable(value: number): boolean {
    const sources = [...upstream(this.trace, [value])].filter(source => this.trace.producer[source] === -1);
    const variables = new Set(sources.map(source => this.dependence.variableOf.get(source)).filter(v => v !== undefined));
    return variables.size === 1 && !this.hasData(value);
  }

  /** Index of the variable w where a value is w, a reshape of it, or ±w ± c with a number c. */
  private shiftedVariable(value: number): number | null {
    const node = this.trace.nodes[this.trace.producer[value]] as TraceNode | undefined;
    if (node === undefined) {
      return this.dependence.variableOf.get(value) ?? null;
    }
    const [first, second] = node.inputs.map(([, input]) => input);
    switch (node.kernel) {
      case 'Reshape':
      case 'ExpandDims':
        return this.shiftedVariable(first);
      case 'Sub':
      case 'Add':
        return this.shiftedBy(first, second, value);
      default:
        return null;
    }
  }

  /** The variable where one operand is it and the other a number, not spread over more entries. */
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

  /** (w - c)² is a prior beside data, and what is to be fitted where there are none. */
  private isBesideData(): boolean {
    return this.besideData ??= this.fitted().some(value => this.hasData(value));
  }

  private hasData(value: number): boolean {
    return [...upstream(this.trace, [value])].some(source =>
      this.trace.producer[source] === -1 && !this.dependence.dependent[source] && this.isData(source));
  }
}
