import {tidy} from '@tensorflow/tfjs-core';
import {upstream} from '../../trace/dependence';
import {kernelsThat} from '../../trace/kernel_facts';
import type {Dependence} from '../../trace/dependence';
import {rowTensor} from '../functions/row_block';
import type {RowBlock} from '../functions/row_block';
import {ProbabilityReader} from './log_probability';
import {numberIn} from './number_in';
import type {Trace, TraceNode} from '../../trace/trace';

/** Where the network ends and the loss begins, for some terms of a loss. */
export interface OutputCut {
  /** The outputs f, by value index: the terms are functions of them, of data and of constants. */
  readonly outputs: readonly number[];
  /** Whether they are residuals, or residuals but for their sign and for data that are added: values that the loss takes the size of. */
  readonly isResidual: boolean;
  /** Where the residuals are read, entry by entry in the order of the output; null where they are the output itself. */
  readonly residual: RowBlock | null;
}

/** Kernels whose one dependent input is what the loss takes the size of: |u|, max(0, u), as u² does. Beside another constant, max(c, u) has its bend at c. */
const SIZES = new Set(['Abs', 'Relu', 'Maximum']);

/** Kernels that leave dr/df = ±1, entry by entry. */
const SHIFTS = kernelsThat('shift');

/**
 * Finds the outputs that terms of a loss are functions of:
 *
 * - the outputs of the model, where they are known (`fit`); else the last values behind which no variable enters, which are the outputs of the last
 *   kernels that join a variable with data, such as the logits behind a bias;
 * - from there on to residuals, where all paths to the terms go through one, or through both p - y and y - p: the difference of a value and data of its shape,
 *   or what |u|, u² and max(0, u) are taken of. Where the residuals themselves do not have the examples along their leading axis, or are computed nowhere, as in
 *   SquaredDifference, the outputs are the value that they are made of by adding data.
 */
export class CutFinder {
  private readonly probabilities: ProbabilityReader;

  /** @param known the outputs of the model, or null. */
  constructor(private readonly trace: Trace, private readonly dependence: Dependence, private readonly known: readonly number[] | null) {
    this.probabilities = new ProbabilityReader(trace, dependence);
  }

  /** The outputs that one term is a function of; null where there are none, as a variable enters behind them. */
  outputsOf(term: number): number[] | null {
    if (this.known === null) {
      return this.lastOutputs(term);
    }
    // A dense layer ends with a reshape, and what is linear in its output has been followed to in front of that.
    return this.reachedFrom([term], this.known) ?? (this.known.some(output => this.isReshaped(output, term)) ? [term] : null);
  }

  private isReshaped(value: number, from: number): boolean {
    const node = this.nodeOf(value);
    return value === from || (node?.kernel === 'Reshape' && this.isReshaped(node.inputs[0][1], from));
  }

  /** The cut for terms that share outputs. */
  refine(outputs: readonly number[], terms: readonly number[]): OutputCut {
    const {trace} = this;
    const leading = trace.values[outputs[0]].shape[0];
    // The last one first: the closest to the loss.
    const blocks = this.between(outputs, terms).flatMap(node => this.residualsAt(node)).sort((a, b) => trace.producer[b.value] - trace.producer[a.value]);
    const madeOf = blocks.map(block => this.shiftsOf(block));
    for (const [i, block] of blocks.entries()) {
      for (const output of madeOf[i]) {
        if (trace.values[output].shape[0] !== leading || this.reachedFrom(terms, [output]) === null) {
          continue;
        }
        const same = blocks.filter((other, k) => madeOf[k].includes(output) && (other === block || this.isSameSize(block, other)));
        if (this.reachedFrom(terms, same.map(({value}) => value)) !== null) {
          return {outputs: [output], isResidual: true, residual: output === block.value && block.difference === null ? null : block};
        }
      }
    }
    return {outputs, isResidual: false, residual: null};
  }

  /** The values that a residual is but for its sign and for data that are added, entry by entry: itself first. */
  private shiftsOf({value, difference}: RowBlock): number[] {
    const found = difference === null ? [value] : [];
    const shiftAt = (at: number): TraceNode | null => SHIFTS.has(this.nodeOf(at)?.kernel ?? '') ? this.nodeOf(at) : null;
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

  /** Whether two residuals are p - y and y - p: of one size everywhere. */
  private isSameSize(a: RowBlock, b: RowBlock): boolean {
    const sizes = ({value, difference}: RowBlock): Float32Array | Int32Array | Uint8Array => tidy(() =>
      rowTensor(this.trace, {value, difference}, v => this.trace.values[v]).dataSync());
    const [x, y] = [sizes(a), sizes(b)];
    return x.length === y.length && x.every((r, i) => Math.abs(r) === Math.abs(y[i]));
  }

  /** Those of some values that terms are made of, where nothing but them, data and constants makes the terms; else null. */
  reachedFrom(terms: readonly number[], values: readonly number[]): number[] | null {
    const stops = new Set(values);
    const reached = new Set<number>();
    const seen = new Set<number>();
    const open = [...terms];
    while (open.length > 0) {
      const value = open.pop()!;
      if (seen.has(value) || !this.dependence.dependent[value]) {
        continue;
      }
      seen.add(value);
      if (stops.has(value)) {
        reached.add(value);
        continue;
      }
      const node = this.nodeOf(value);
      if (node === null) {
        return null;
      }
      open.push(...node.inputs.map(([, input]) => input));
    }
    return reached.size === 0 ? null : [...reached].sort((a, b) => a - b);
  }

  /** The nodes between outputs and terms, in order. */
  between(outputs: readonly number[], terms: readonly number[]): TraceNode[] {
    const {trace, dependence: {dependent}} = this;
    const stops = new Set(outputs);
    const needed = upstream(trace, terms, stops);
    return trace.nodes.filter(node => node.outputs.some(output => needed.has(output) && dependent[output] && !stops.has(output)));
  }

  /** Inputs and outputs of a node that are residuals. */
  private residualsAt(node: TraceNode): RowBlock[] {
    const {dependent} = this.dependence;
    const active = [...new Set(node.inputs.filter(([, value]) => dependent[value]).map(([, value]) => value))];
    if (active.length !== 1) {
      return [];
    }
    const [output] = node.outputs;
    const shapeOf = (value: number): string => this.trace.values[value].shape.join();
    const isSquare = node.kernel === 'Square' || (node.kernel === 'Multiply' && node.inputs.every(([, value]) => value === active[0])) ||
      (node.kernel === 'Pow' && numberIn(this.trace, this.dependence, node.inputs[1][1]) === 2);
    if (isSquare || SIZES.has(node.kernel)) {
      const made = this.nodeOf(active[0]);
      const isSize = isSquare ? !(made?.kernel === 'Sub' && this.isComplement(made)) && this.probabilities.probability(active[0]) === null :
        node.kernel !== 'Maximum' || this.isZero(node.inputs.find(([, value]) => value !== active[0])![1]);
      return isSize ? [{value: active[0], difference: null}] : [];
    }
    if (shapeOf(output) !== shapeOf(active[0])) {
      return [];
    }
    if (node.kernel === 'SquaredDifference') {
      return [{value: output, difference: this.trace.producer[output]}];
    }
    return node.kernel === 'Sub' && !this.isComplement(node) ? [{value: output, difference: null}] : [];
  }

  private isZero(value: number): boolean {
    return this.trace.values[value].dataSync().every(x => x === 0);
  }

  /** 1 - p and the like: another probability, not how far one is from a target. */
  private isComplement({inputs: [[, constant], [, p]]}: TraceNode): boolean {
    const isConstant = this.trace.values[constant].rank === 0 || this.nodeOf(constant)?.kernel === 'OnesLike';
    return isConstant && !this.dependence.dependent[constant] && this.probabilities.probability(p) !== null;
  }

  /** By the leading size of the term, else by that of what it was made of: it may have been flattened, transposed or gathered. */
  private lastOutputs(term: number): number[] | null {
    for (const examples of this.leadingSizes(term)) {
      const found = this.lastOutputsOf(term, examples);
      if (found !== null) {
        return found;
      }
    }
    return this.variablesThemselves(term);
  }

  private lastOutputsOf(term: number, examples: number): number[] | null {
    const {trace, dependence: {dependent}} = this;
    const needed = upstream(trace, [term]);
    const mixed = this.mixed(needed, examples);
    const nodes = trace.nodes.filter(node => node.outputs.some(output => needed.has(output) && dependent[output]));
    // Values behind which a variable still enters: what a joining kernel takes, and all before.
    const early = new Set<number>();
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i];
      if (this.isJoin(node, mixed) || node.outputs.some(output => early.has(output))) {
        node.inputs.forEach(([, value]) => early.add(value));
      }
    }
    // The first values that are not among them, on every path back from the term.
    const first = nodes.filter(node => this.isJoin(node, mixed) || node.inputs.some(([, value]) => early.has(value) && mixed[value]))
        .flatMap(node => node.outputs).filter(value => !early.has(value) && mixed[value]);
    const outputs = first.length === 0 ? null : this.reachedFrom([term], first);
    return outputs === null ? null : [...new Set(outputs.map(output => this.withExamplesInFront(output, nodes, examples)))].sort((a, b) => a - b);
  }

  /** An output as it is after the reshapes that follow it alone, where one of them has the examples along its leading axis: a dense layer of tfjs computes [1, B, K]. */
  private withExamplesInFront(output: number, nodes: readonly TraceNode[], examples: number): number {
    if (this.trace.values[output].shape[0] === examples) {
      return output;
    }
    const users = nodes.filter(node => node.inputs.some(([, value]) => value === output));
    if (users.length !== 1 || users[0].kernel !== 'Reshape') {
      return output;
    }
    const found = this.withExamplesInFront(users[0].outputs[0], nodes, examples);
    return this.trace.values[found].shape[0] === examples ? found : output;
  }

  /** Curves without a network: y = f(a, b) of scalars. Then the variables are what a residual may be found behind. */
  private variablesThemselves(term: number): number[] | null {
    const outputs = [...upstream(this.trace, [term])].filter(value => this.dependence.variableOf.has(value));
    return this.refine(outputs, [term]).isResidual ? outputs : null;
  }

  private isJoin(node: TraceNode, mixed: readonly boolean[]): boolean {
    const {dependent} = this.dependence;
    return node.outputs.some(output => mixed[output]) && node.inputs.some(([, value]) => dependent[value] && !mixed[value]);
  }

  /** By value index: whether variables and examples have met in a value. */
  private mixed(needed: ReadonlySet<number>, examples: number): boolean[] {
    const {trace, dependence: {dependent}} = this;
    const isData = trace.values.map((value, i) => needed.has(i) && trace.producer[i] === -1 && !dependent[i] && value.size > 0 &&
        (examples > 1 ? value.shape[0] === examples : value.size > 1));
    const mixed = trace.values.map(() => false);
    for (const node of trace.nodes) {
      if (!node.outputs.some(output => needed.has(output))) {
        continue;
      }
      const hasData = node.inputs.some(([, value]) => isData[value]);
      const isMixed = node.inputs.some(([, value]) => mixed[value]) ||
          (hasData && node.inputs.some(([, value]) => dependent[value]));
      for (const output of node.outputs) {
        const {shape} = trace.values[output];
        isData[output] = !dependent[output] && (hasData || (examples > 1 && shape[0] === examples));
        mixed[output] = dependent[output] && isMixed;
      }
    }
    return mixed;
  }

  /** Leading sizes of a term and of what it was made of, back to the variables: as many examples as the loss may have. At last 1, as there is no axis to tell one example by. */
  private leadingSizes(term: number): number[] {
    const {trace, dependence: {dependent}} = this;
    const sizes = new Set<number>();
    for (let value: number | undefined = term; value !== undefined;) {
      const {shape, size} = trace.values[value];
      if (size > 1 && shape[0] > 1) {
        sizes.add(shape[0]);
      }
      value = this.nodeOf(value)?.inputs.map(([, input]) => input).find(input => dependent[input]);
    }
    return [...sizes, 1];
  }

  private nodeOf(value: number): TraceNode | null {
    return this.trace.nodes[this.trace.producer[value]] ?? null;
  }
}
