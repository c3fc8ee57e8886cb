import type {Dependence} from '../jacobian/analysis';
import type {Trace, TraceNode} from './trace';

/** Logits of a softmax or of a sigmoid, by value index. */
export interface Logits {
  readonly kernel: 'Softmax' | 'Sigmoid';
  readonly value: number;
}

/** What a value is a logarithm of: p or 1 - p with p = σ(f), or a softmax of f; with the sign of the logarithm. */
export interface LogProbability {
  readonly logits: Logits;
  readonly sign: 1 | -1;
  /** Whether it is log(1 - p). */
  readonly isComplement: boolean;
}

/** What tfjs clips probabilities at, or adds to them, so that a logarithm stays finite: at most this counts as nothing. */
const MOST_EPSILON = 1e-6;

/**
 * Finds the logits behind probabilities and their logarithms as tfjs and its users write them: by the kernels of the trace, never by the name of a
 * loss. Clipping at up to 1e-6, adding as little, and dividing a softmax by its sum count as nothing.
 */
export class ProbabilityReader {
  constructor(private readonly trace: Trace, private readonly dependence: Dependence) {}

  /** log p of a `Log` node, also as log(data / p); null for anything else. */
  logProbability(node: TraceNode): LogProbability | null {
    if (node.kernel !== 'Log') {
      return null;
    }
    const inside = this.nodeOf(this.strip(input(node, 'x')));
    if (inside?.kernel === 'RealDiv' && !this.dependence.dependent[input(inside, 'a')]) {
      const logits = this.probability(input(inside, 'b'));
      return logits === null ? null : {logits, sign: -1, isComplement: false};
    }
    const logits = this.probability(input(node, 'x'));
    if (logits !== null) {
      return {logits, sign: 1, isComplement: false};
    }
    const complement = this.complement(input(node, 'x'));
    return complement === null ? null : {logits: complement, sign: 1, isComplement: true};
  }

  /** f where a node is log softmax(f) in one of tfjs's two ways: shifted - log Σ exp(shifted), and f - logSumExp(f). */
  logSoftmax(node: TraceNode): number | null {
    if (node.kernel === 'LogSoftmax') {
      return input(node, 'logits');
    }
    if (node.kernel !== 'Sub') {
      return null;
    }
    const [a, b] = [this.strip(input(node, 'a')), this.strip(input(node, 'b'))];
    const shift = this.shiftOf(a);
    const summed = this.exponentsOf(b);
    if (summed !== null && summed === a) {
      return shift ?? a;
    }
    const parts = this.nodeOf(b);
    if (parts?.kernel !== 'Add') {
      return null;
    }
    const [x, y] = [this.strip(input(parts, 'a')), this.strip(input(parts, 'b'))];
    return [[x, y], [y, x]].some(([most, log]) => {
      const exponents = this.exponentsOf(log);
      const node = this.nodeOf(most);
      return exponents !== null && this.shiftOf(exponents) === a && node?.kernel === 'Max' && this.strip(input(node, 'x')) === a;
    }) ? a : null;
  }

  /** f where a value is log(p / (1 - p)) with p = σ(f): `binaryCrossentropy` of tfjs-layers goes back to its logits so. */
  logit(value: number): number | null {
    const node = this.nodeOf(value);
    const ratio = node?.kernel === 'Log' ? this.nodeOf(this.strip(input(node, 'x'))) : null;
    if (ratio?.kernel !== 'RealDiv') {
      return null;
    }
    const [p, rest] = [this.probability(input(ratio, 'a')), this.complement(input(ratio, 'b'))];
    return p?.kernel === 'Sigmoid' && rest?.kernel === 'Sigmoid' && p.value === rest.value ? p.value : null;
  }

  /** The logits of a probability. */
  private probability(value: number): Logits | null {
    const node = this.nodeOf(value);
    switch (node?.kernel) {
      case 'Softmax':
        return {kernel: 'Softmax', value: input(node, 'logits')};
      case 'Sigmoid':
        return {kernel: 'Sigmoid', value: input(node, 'x')};
      case 'Reshape':
      case 'ExpandDims':
      case 'Cast':
        return this.probability(node.inputs[0][1]);
      case 'ClipByValue':
        return (node.attrs['clipValueMin'] as number) <= MOST_EPSILON && (node.attrs['clipValueMax'] as number) >= 1 - MOST_EPSILON ?
          this.probability(input(node, 'x')) : null;
      case 'Add':
        return this.isEpsilon(input(node, 'b')) ? this.probability(input(node, 'a')) :
          this.isEpsilon(input(node, 'a')) ? this.probability(input(node, 'b')) : null;
      case 'Maximum':
        return this.isEpsilon(input(node, 'b')) ? this.probability(input(node, 'a')) : null;
      case 'RealDiv': {
        const sum = this.nodeOf(input(node, 'b'));
        const logits = this.probability(input(node, 'a'));
        return logits?.kernel === 'Softmax' && sum?.kernel === 'Sum' && input(sum, 'x') === input(node, 'a') && this.isAlongClasses(sum) ? logits : null;
      }
      default:
        return null;
    }
  }

  /** The logits of p, of a value 1 - p. */
  private complement(value: number): Logits | null {
    const node = this.nodeOf(value);
    if (node?.kernel === 'Add') {
      const [a, b] = [input(node, 'a'), input(node, 'b')];
      return this.isEpsilon(b) ? this.complement(a) : this.isEpsilon(a) ? this.complement(b) : null;
    }
    if (node?.kernel !== 'Sub' || this.numberIn(input(node, 'a')) !== 1) {
      return null;
    }
    const logits = this.probability(input(node, 'b'));
    return logits?.kernel === 'Sigmoid' ? logits : null;
  }

  /** x of x - max(x). */
  private shiftOf(value: number): number | null {
    const node = this.nodeOf(value);
    if (node?.kernel !== 'Sub') {
      return null;
    }
    const most = this.nodeOf(this.strip(input(node, 'b')));
    const x = this.strip(input(node, 'a'));
    return most?.kernel === 'Max' && this.strip(input(most, 'x')) === x ? x : null;
  }

  /** x of log Σ exp(x) over the last axis. */
  private exponentsOf(value: number): number | null {
    const log = this.nodeOf(value);
    const sum = log?.kernel === 'Log' ? this.nodeOf(this.strip(input(log, 'x'))) : null;
    const exp = sum?.kernel === 'Sum' && this.isAlongClasses(sum) ? this.nodeOf(this.strip(input(sum, 'x'))) : null;
    return exp?.kernel === 'Exp' ? this.strip(input(exp, 'x')) : null;
  }

  private isAlongClasses(sum: TraceNode): boolean {
    const rank = this.trace.values[input(sum, 'x')].shape.length;
    const axis = sum.attrs['axis'] as number | number[];
    const axes = Array.isArray(axis) ? axis : [axis];
    return axes.length === 1 && (axes[0] === rank - 1 || axes[0] === -1);
  }

  private isEpsilon(value: number): boolean {
    const c = this.numberIn(value);
    return c !== null && c >= 0 && c <= MOST_EPSILON;
  }

  private numberIn(value: number): number | null {
    const t = this.trace.values[value];
    return t.size === 1 && !this.dependence.dependent[value] ? t.dataSync()[0] : null;
  }

  /** The value before it was reshaped or cast. */
  private strip(value: number): number {
    const node = this.nodeOf(value);
    return node !== null && (node.kernel === 'Reshape' || node.kernel === 'ExpandDims' || node.kernel === 'Cast') ? this.strip(node.inputs[0][1]) : value;
  }

  private nodeOf(value: number): TraceNode | null {
    return this.trace.nodes[this.trace.producer[value]] ?? null;
  }
}

/** The value of an input of a node; -1 where there is none, which is no value's index. */
const input = (node: TraceNode, name: string): number => node.inputs.find(([key]) => key === name)?.[1] ?? -1;
