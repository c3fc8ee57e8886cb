import {dispose, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {isVariable, type KernelAttrs} from '../tfjs/internals';

/** (input name, value index); the names are '0', '1', ... if the kernel takes an array. */
export type NamedValue = readonly [string, number];

/** One recorded kernel call. Inputs and outputs are indices into `Trace.values`. */
export interface TraceNode {
  readonly kernel: string;
  readonly attrs: KernelAttrs;
  readonly inputs: readonly NamedValue[];
  readonly arrayInputs: boolean;
  /**
   * Whether it had inputs that are no tensors, which are not recorded: an image of the page, lists
   * of tensors.
   */
  readonly hasOthers?: boolean;
  readonly outputs: readonly number[];
  /**
   * Whether code of our own computed the outputs. A replay then computes them in the same way, so
   * that differences of losses have no rounding of another kernel.
   */
  readonly isOwn?: boolean;
}

/** Value index of the input of a node by its name. The node must have such an input. */
export const inputOf = (node: TraceNode, name: string): number => node.inputs.find(([key]) => key === name)![1];

/** Value indices of the inputs and outputs of a node. */
export const valuesOf = ({inputs, outputs}: TraceNode): number[] => [...inputs.map(([, value]) => value), ...outputs];

/** A variable that f() wrote, with the value it had before. */
interface OverwrittenVariable {
  readonly variable: Variable;
  readonly before: Tensor;
}

/**
 * The computation of f(): every kernel call in order, and a handle on every tensor that took part.
 *
 * Handles are clones (one more reference to the same data), kept out of every scope's reach and
 * released by `dispose()`. The tensors of f() itself live and die exactly as they would without the
 * capture.
 */
export class Trace {
  readonly nodes: TraceNode[] = [];
  /** Handles by value index. */
  readonly values: Tensor[] = [];
  /** Value index -> the variable whose value at that moment it is. */
  readonly variables = new Map<number, Variable>();
  /** Value index -> index of the node that computed it; -1 for a value that f() only read. */
  readonly producer: number[] = [];
  /**
   * Value index of a derivative in the trace -> index of the point at which it was taken. No kernel
   * leads from a constant derivative back to its point. To differentiate it is no mistake all the
   * same, and gives zero.
   */
  readonly derivatives = new Map<number, number>();
  /** Index of the value that f() returned; -1 before f() returns. */
  result = -1;
  /** In `fit`, value indices of the outputs of the model that its losses were called with. */
  readonly outputs: number[] = [];
  /**
   * The tensors of f() themselves, by value index. If a step fails, they tell which tensors `fit`
   * has kept.
   */
  readonly originals: Tensor[] = [];
  private readonly overwritten = new Map<number, OverwrittenVariable>();
  private readonly parts: string[] = [];

  /**
   * Equal for two traces exactly when the same kernels ran on the same shapes, wired the same way
   * to the loss.
   */
  get signature(): string {
    return `${this.parts.join('\n')}\nloss ${this.result}`;
  }

  addValue(handle: Tensor, producer: number): number {
    this.producer.push(producer);
    return this.values.push(handle) - 1;
  }

  addNode(node: TraceNode): void {
    this.nodes.push(node);
    let part = node.kernel;
    for (const [name, value] of node.inputs) {
      part += ` ${name}=${value}`;
    }
    for (const value of node.outputs) {
      part += ` >${value}[${this.values[value].shape.join()}]`;
    }
    for (const name in node.attrs) {
      const attr = node.attrs[name];
      part += ` ${name}:${typeof attr === 'number' || typeof attr === 'string' ? attr : JSON.stringify(attr)}`;
    }
    this.parts.push(part);
  }

  addLeaf(index: number, original: Tensor): void {
    const handle = this.values[index];
    this.parts.push(`${isVariable(original) ? `v${original.id}` : handle.dtype} ${index}[${handle.shape.join()}]`);
  }

  /** Puts the first of equal values in the place of the others: see `mergeRepeats`. */
  merge(first: ReadonlyMap<number, number>): void {
    this.result = first.get(this.result) ?? this.result;
    this.outputs.forEach((value, i) => this.outputs[i] = first.get(value) ?? value);
    this.parts.push(`same ${[...first].join(' ')}`);
  }

  /** Whether f() wrote a variable. */
  get hasOverwritten(): boolean {
    return this.overwritten.size > 0;
  }

  noteOverwritten(variable: Variable, before: () => Tensor): void {
    if (!this.overwritten.has(variable.id)) {
      this.overwritten.set(variable.id, {variable, before: before()});
    }
  }

  /**
   * Puts back the variables that f() wrote (moving averages, counters) after a failed step. It runs
   * no kernel, since the step may have failed because none runs any more (a lost context, no memory
   * left). The variable takes a reference to the data that the handle still holds.
   */
  restoreVariables(): void {
    for (const {variable, before} of this.overwritten.values()) {
      if (!variable.isDisposed) {
        variable.assign(before);
      }
    }
  }

  dispose(): void {
    dispose(this.values);
    dispose([...this.overwritten.values()].map(o => o.before));
    this.values.length = 0;
    this.overwritten.clear();
  }
}
