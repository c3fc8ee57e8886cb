import {tidy} from '@tensorflow/tfjs-core';
import {isLinear, upstream, type Dependence} from '../../trace/dependence';
import {MAGNITUDES, RESHAPES, SHIFTS} from '../../trace/kernel_sets';
import {rowTensor, type RowBlock} from '../functions/row_block';
import {lastOutputs} from './last_outputs';
import {ProbabilityReader} from './log_probability';
import {nodeOf, reachedFrom} from './nodes';
import {squareAt} from './squares';
import type {Trace, TraceNode} from '../../trace/trace';

/** The end of the network and the beginning of the loss, for some terms of the loss. */
export interface OutputCut {
  /** The outputs f, by value index: the terms are functions of them, of data and of constants. */
  readonly outputs: readonly number[];
  /** Whether the outputs differ from residuals at most by a sign and by added data. */
  readonly isResidual: boolean;
  /**
   * The block that holds these residuals, entry by entry in the order of the output; null if the
   * output is the residuals.
   */
  readonly residual: RowBlock | null;
}

/**
 * Finds the outputs that terms of a loss are functions of.
 *
 * It begins at the outputs of the model, if they are known (`fit`), else at the `lastOutputs`. From
 * there it goes on to residuals, if all paths to the terms go through one, or through both p - y
 * and y - p. A residual is the difference of a value and data of its shape, or the input of |u|, u²
 * or max(0, u).
 *
 * If the residuals do not have the examples along their leading axis, or if no kernel computes
 * them, as in SquaredDifference, the outputs are the value that the residuals are made of by adding
 * data.
 */
export class CutFinder {
  private readonly probabilities: ProbabilityReader;

  /** @param known the outputs of the model, or null. */
  constructor(private readonly trace: Trace, private readonly dependence: Dependence,
      private readonly known: readonly number[] | null) {
    this.probabilities = new ProbabilityReader(trace, dependence);
  }

  /**
   * The outputs that one term is a function of; null if it has none, as a variable enters behind
   * them.
   */
  outputsOf(term: number): number[] | null {
    if (this.known === null) {
      return lastOutputs(this.trace, this.dependence, term) ?? this.variablesThemselves(term);
    }
    // A dense layer ends with a reshape. The loss head follows linear kernels, such as this one,
    // back from the loss, so a term that is linear in the output may be the value before the
    // reshape.
    return this.reachedFrom([term], this.known) ??
        (this.known.some(output => this.isReshaped(output, term)) ? [term] : null);
  }

  /** The cut for terms that share outputs. */
  refine(outputs: readonly number[], terms: readonly number[]): OutputCut {
    const {trace} = this;
    const leading = trace.values[outputs[0]].shape[0];
    // The residual that is closest to the loss comes first.
    const blocks = this.between(outputs, terms).flatMap(node => this.residualsAt(node))
        .sort((a, b) => trace.producer[b.value] - trace.producer[a.value]);
    const madeOf = blocks.map(block => this.shiftsOf(block));
    for (const [i, block] of blocks.entries()) {
      for (const output of madeOf[i]) {
        if (trace.values[output].shape[0] !== leading || this.reachedFrom(terms, [output]) === null) {
          continue;
        }
        const same = blocks.filter((other, k) =>
          madeOf[k].includes(output) && (other === block || this.isSameSize(block, other)));
        if (this.reachedFrom(terms, same.map(({value}) => value)) !== null) {
          const isItself = output === block.value && block.difference === null;
          return {outputs: [output], isResidual: true, residual: isItself ? null : block};
        }
      }
    }
    return {outputs, isResidual: false, residual: null};
  }

  /** See `reachedFrom` in nodes.ts. */
  reachedFrom(terms: readonly number[], values: readonly number[]): number[] | null {
    return reachedFrom(this.trace, this.dependence, terms, values);
  }

  /** Whether a value is made of outputs and data alone, and is linear in these outputs. */
  isLinearIn(outputs: readonly number[], value: number): boolean {
    return this.reachedFrom([value], outputs) !== null &&
        this.between(outputs, [value]).every(node => isLinear(node, this.dependence));
  }

  /** The nodes between outputs and terms, in order. */
  private between(outputs: readonly number[], terms: readonly number[]): TraceNode[] {
    const {trace, dependence: {dependent}} = this;
    const stops = new Set(outputs);
    const needed = upstream(trace, terms, stops);
    return trace.nodes.filter(node =>
      node.outputs.some(output => needed.has(output) && dependent[output] && !stops.has(output)));
  }

  private isReshaped(value: number, from: number): boolean {
    const node = this.nodeOf(value);
    return value === from || (node !== null && RESHAPES.has(node.kernel) && this.isReshaped(node.inputs[0][1], from));
  }

  /**
   * The variables of a curve without a network: y = f(a, b) of scalars a and b, if it has
   * residuals.
   */
  private variablesThemselves(term: number): number[] | null {
    const outputs = [...upstream(this.trace, [term])].filter(value => this.dependence.variableOf.has(value));
    return this.refine(outputs, [term]).isResidual ? outputs : null;
  }

  /**
   * The values that differ from a residual, entry by entry, by a sign and by added data only; the
   * residual first.
   */
  private shiftsOf({value, difference}: RowBlock): number[] {
    const found = difference === null ? [value] : [];
    const shiftAt = (at: number): TraceNode | null =>
      SHIFTS.has(this.nodeOf(at)?.kernel ?? '') ? this.nodeOf(at) : null;
    for (let node = difference === null ? shiftAt(value) : this.trace.nodes[difference]; node !== null;) {
      const active = node.inputs.map(([, input]) => input).filter(input => this.dependence.dependent[input]);
      if (active.length !== 1 || this.trace.values[active[0]].size !== this.trace.values[value].size) {
        break;
      }
      found.push(active[0]);
      node = shiftAt(active[0]);
    }
    return found;
  }

  /** Whether two residuals are of one size everywhere, as p - y and y - p are. */
  private isSameSize(a: RowBlock, b: RowBlock): boolean {
    const sizes = (block: RowBlock): Float32Array | Int32Array | Uint8Array => tidy(() =>
      rowTensor(this.trace, block, v => this.trace.values[v]).dataSync());
    const [x, y] = [sizes(a), sizes(b)];
    return x.length === y.length && x.every((r, i) => Math.abs(r) === Math.abs(y[i]));
  }

  /** Inputs and outputs of a node that are residuals. */
  private residualsAt(node: TraceNode): RowBlock[] {
    const {dependent} = this.dependence;
    const active = [...new Set(node.inputs.filter(([, value]) => dependent[value]).map(([, value]) => value))];
    if (active.length !== 1) {
      return [];
    }
    const [input] = active;
    const [output] = node.outputs;
    const shapeOf = (value: number): string => this.trace.values[value].shape.join();
    const square = squareAt(this.trace, this.dependence, output);
    const isSquare = square !== null && square.of.length === 1;
    if (isSquare || MAGNITUDES.has(node.kernel)) {
      const made = this.nodeOf(input);
      const isSize = isSquare ?
        !(made?.kernel === 'Sub' && this.isComplement(made)) && this.probabilities.probability(input) === null :
        node.inputs.every(([, value]) => value === input || this.isZero(value));
      return isSize ? [{value: input, difference: null}] : [];
    }
    if (shapeOf(output) !== shapeOf(input)) {
      return [];
    }
    if (square !== null) {
      return [square.block];
    }
    return node.kernel === 'Sub' && !this.isComplement(node) ? [{value: output, difference: null}] : [];
  }

  private isZero(value: number): boolean {
    return this.trace.values[value].dataSync().every(x => x === 0);
  }

  /**
   * Whether a difference is another probability, such as 1 - p, and not the distance of p from a
   * target.
   */
  private isComplement({inputs: [[, constant], [, p]]}: TraceNode): boolean {
    const isConstant = this.trace.values[constant].rank === 0 || this.nodeOf(constant)?.kernel === 'OnesLike';
    return isConstant && !this.dependence.dependent[constant] && this.probabilities.probability(p) !== null;
  }

  private nodeOf(value: number): TraceNode | null {
    return nodeOf(this.trace, value);
  }
}
