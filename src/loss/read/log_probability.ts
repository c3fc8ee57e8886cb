import type {Dependence} from '../../trace/dependence';
import {SAME_ENTRIES} from '../../trace/kernel_sets';
import {nodeOf, numberIn} from './nodes';
import type {Trace, TraceNode} from '../../trace/trace';

/** Logits of a softmax or of a sigmoid, by value index. */
interface Logits {
  readonly kernel: 'Softmax' | 'Sigmoid';
  readonly value: number;
}

/** A logarithm of p or 1 - p with p = σ(f), or of a softmax of f, with a sign. */
export interface LogProbability {
  readonly logits: Logits;
  /** -1 for -log p. */
  readonly sign: 1 | -1;
  /** Whether it is log(1 - p). */
  readonly isComplement: boolean;
}

/**
 * Largest number that counts as nothing if it is added to a probability. tfjs adds 1e-7, so that a
 * logarithm stays finite.
 */
const MOST_EPSILON = 1e-6;

/**
 * Largest distance from 0 and 1 that counts as nothing if probabilities are clipped at it.
 * tfjs-layers clips them at 1e-7, or at 1e-4 if its first loss or layer ran on WebGL, on any
 * backend after that. `1 - 1e-4` is rounded to float32.
 */
const MOST_CLIPPED = 1.001e-4;

/**
 * Finds the logits of probabilities and of their logarithms, as tfjs and its users write them. It
 * reads the kernels of the trace, never the name of a loss. Clipping at up to 1e-4, adding up to
 * 1e-6, and dividing a softmax by its sum count as nothing.
 */
export class ProbabilityReader {
  constructor(private readonly trace: Trace, private readonly dependence: Dependence) {}

  /**
   * The logarithm of a probability that a `Log` node computes, also as log(data / p), if it has one
   * entry for each logit; else null.
   */
  logProbability(node: TraceNode): LogProbability | null {
    const log = node.kernel === 'Log' ? this.insideOf(node) : null;
    return log !== null && this.sizeOf(log.logits.value) === this.sizeOf(node.outputs[0]) ? log : null;
  }

  private insideOf(node: TraceNode): LogProbability | null {
    const inside = this.nodeOf(this.unshaped(input(node, 'x')));
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

  /**
   * f if a node is log softmax(f) in one of tfjs's two ways, shifted - log Σ exp(shifted) and f -
   * logSumExp(f); else null. Values before reshapes are compared, but f is the value itself, since
   * its own last axis tells the classes of an example.
   */
  logSoftmax(node: TraceNode): number | null {
    if (node.kernel === 'LogSoftmax') {
      return input(node, 'logits');
    }
    if (node.kernel !== 'Sub' || !this.isByExample(node)) {
      return null;
    }
    const f = input(node, 'a');
    const [a, b] = [this.unshaped(f), this.unshaped(input(node, 'b'))];
    if (this.exponentsOf(b, f) === a) {
      return this.shiftOf(a, f) ?? f;
    }
    const parts = this.nodeOf(b);
    if (parts?.kernel !== 'Add' || parts.inputs.some(([, value]) => this.sizeOf(value) !== this.sizeOf(b))) {
      return null;
    }
    const [x, y] = [this.unshaped(input(parts, 'a')), this.unshaped(input(parts, 'b'))];
    return [[x, y], [y, x]].some(([most, log]) => {
      const exponents = this.exponentsOf(log, f);
      const shifted = exponents === null ? null : this.shiftOf(exponents, f);
      return shifted !== null && this.unshaped(shifted) === a && this.isMostOf(most, f);
    }) ? f : null;
  }

  /**
   * f if a value is log(p / (1 - p)) with p = σ(f); else null. `binaryCrossentropy` of tfjs-layers
   * computes its logits so.
   */
  logit(value: number): number | null {
    const node = this.nodeOf(value);
    const ratio = node?.kernel === 'Log' ? this.nodeOf(this.unshaped(input(node, 'x'))) : null;
    if (ratio?.kernel !== 'RealDiv') {
      return null;
    }
    const [p, rest] = [this.probability(input(ratio, 'a')), this.complement(input(ratio, 'b'))];
    return p?.kernel === 'Sigmoid' && rest?.kernel === 'Sigmoid' && p.value === rest.value &&
        this.sizeOf(p.value) === this.sizeOf(value) ? p.value : null;
  }

  /** The logits of a probability; null for other values. */
  probability(value: number): Logits | null {
    const node = this.nodeOf(value);
    switch (node?.kernel) {
      case 'Softmax':
        return {kernel: 'Softmax', value: input(node, 'logits')};
      case 'Sigmoid':
        return {kernel: 'Sigmoid', value: input(node, 'x')};
      case 'RealDiv': {
        const sum = this.nodeOf(input(node, 'b'));
        const logits = this.probability(input(node, 'a'));
        return logits?.kernel === 'Softmax' && sum?.kernel === 'Sum' && input(sum, 'x') === input(node, 'a') &&
          this.isByExample(node) && this.isAlongClasses(sum, logits.value) ? logits : null;
      }
      default: {
        const inner = node === null ? null : this.withoutRounding(node);
        return inner === null ? null : this.probability(inner);
      }
    }
  }

  /** The logits of p if a value is 1 - p; else null. */
  private complement(value: number): Logits | null {
    const node = this.nodeOf(value);
    if (node?.kernel !== 'Sub') {
      const inner = node === null ? null : this.withoutRounding(node);
      return inner === null ? null : this.complement(inner);
    }
    const logits = this.isOne(input(node, 'a')) ? this.probability(input(node, 'b')) : null;
    return logits?.kernel === 'Sigmoid' ? logits : null;
  }

  /**
   * The input of a node that only reshapes, casts or clips it, or adds next to nothing; else null.
   */
  private withoutRounding(node: TraceNode): number | null {
    if (SAME_ENTRIES.has(node.kernel)) {
      return node.inputs[0][1];
    }
    switch (node.kernel) {
      case 'ClipByValue':
        return (node.attrs['clipValueMin'] as number) <= MOST_CLIPPED &&
          (node.attrs['clipValueMax'] as number) >= 1 - MOST_CLIPPED ? input(node, 'x') : null;
      case 'Add':
      case 'Maximum':
        return this.isEpsilon(input(node, 'b')) ? input(node, 'a') :
          this.isEpsilon(input(node, 'a')) ? input(node, 'b') : null;
      default:
        return null;
    }
  }

  /** Whether a value is a constant 1, or a tensor of ones. */
  private isOne(value: number): boolean {
    return !this.dependence.dependent[value] && this.sizeOf(value) > 0 &&
        this.trace.values[value].dataSync().every(x => x === 1);
  }

  /** x if a value is x - max(x) of the shape of f; else null. */
  private shiftOf(value: number, f: number): number | null {
    const node = this.nodeOf(value);
    if (node?.kernel !== 'Sub' || !this.isByExample(node)) {
      return null;
    }
    const x = input(node, 'a');
    return this.shapeOf(x) === this.shapeOf(f) && this.isMostOf(this.unshaped(input(node, 'b')), x) ? x : null;
  }

  /**
   * Whether a value is max(x) over the last axis, for an x that differs from f by reshapes at most.
   */
  private isMostOf(value: number, f: number): boolean {
    const node = this.nodeOf(value);
    return node?.kernel === 'Max' && this.isAlongClasses(node, f) &&
        this.unshaped(input(node, 'x')) === this.unshaped(f);
  }

  /**
   * x before reshapes if a value is log Σ exp(x) over the last axis, in the shape of f; else null.
   */
  private exponentsOf(value: number, f: number): number | null {
    const log = this.nodeOf(value);
    const sum = log?.kernel === 'Log' ? this.nodeOf(this.unshaped(input(log, 'x'))) : null;
    const exp = sum?.kernel === 'Sum' && this.isAlongClasses(sum, f) ?
      this.nodeOf(this.unshaped(input(sum, 'x'))) : null;
    return exp?.kernel === 'Exp' ? this.unshaped(input(exp, 'x')) : null;
  }

  /** Whether a Max or Sum is over the last axis alone, of a value of the shape of f. */
  private isAlongClasses(node: TraceNode, f: number): boolean {
    const x = input(node, 'x');
    const rank = this.trace.values[x].shape.length;
    const axis = (node.attrs['reductionIndices'] ?? node.attrs['axis']) as number | number[];
    const axes = Array.isArray(axis) ? axis : [axis];
    return this.shapeOf(x) === this.shapeOf(f) && axes.length === 1 && (axes[0] === rank - 1 || axes[0] === -1);
  }

  /**
   * Whether b of a - b or a / b has one number for all K classes of an example, in the shape
   * [..., 1]. A b of the shape [B] would spread along the classes if B = K.
   */
  private isByExample(node: TraceNode): boolean {
    const shape = this.trace.values[input(node, 'a')].shape;
    return shape.length > 0 && this.shapeOf(input(node, 'b')) === [...shape.slice(0, -1), 1].join();
  }

  private isEpsilon(value: number): boolean {
    const c = numberIn(this.trace, this.dependence, value);
    return c !== null && c >= 0 && c <= MOST_EPSILON;
  }

  /** The value before it was reshaped or cast. */
  private unshaped(value: number): number {
    const node = this.nodeOf(value);
    return node !== null && SAME_ENTRIES.has(node.kernel) ? this.unshaped(node.inputs[0][1]) : value;
  }

  private shapeOf(value: number): string {
    return this.trace.values[value].shape.join();
  }

  private sizeOf(value: number): number {
    return this.trace.values[value].size;
  }

  private nodeOf(value: number): TraceNode | null {
    return nodeOf(this.trace, value);
  }
}

/** The value of an input of a node. -1 if the node has no such input; no value has this index. */
const input = (node: TraceNode, name: string): number => node.inputs.find(([key]) => key === name)?.[1] ?? -1;
