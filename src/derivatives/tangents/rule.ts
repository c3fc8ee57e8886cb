import {zeros, type Tensor} from '@tensorflow/tfjs-core';
import {runKernel, type KernelAttrs} from '../../tfjs/internals';
import type {TraceNode} from '../../trace/trace';
import type {Values} from '../cotangents';
import {add, shaped} from '../../tfjs/fast_ops';

/**
 * A node in a forward sweep. The tangent of a value of shape [...s] has shape [k, ...s]: the
 * derivatives of the value in k directions of the parameters. A tangent broadcasts from the right
 * against other values of the trace.
 */
export class ForwardNode {
  private readonly inputs: ReadonlyMap<string, number>;

  /** @param tangents those of the values that depend on a parameter, by value index. */
  constructor(readonly values: Values, readonly node: TraceNode,
      private readonly tangents: ReadonlyMap<number, Tensor>, readonly directions: number) {
    this.inputs = new Map(node.inputs);
  }

  get attrs(): KernelAttrs {
    return this.node.attrs;
  }

  /** Names of the inputs, in order. */
  get names(): string[] {
    return [...this.inputs.keys()];
  }

  has(name: string): boolean {
    return this.inputs.has(name);
  }

  value(name: string): Tensor {
    return this.values[this.inputs.get(name)!];
  }

  get output(): Tensor {
    return this.values[this.node.outputs[0]];
  }

  /** The tangent of an input; null if the input does not depend on a parameter. */
  tangent(name: string): Tensor | null {
    return this.tangents.get(this.inputs.get(name)!) ?? null;
  }

  /**
   * The tangent with axes of size 1 behind that of the directions, so that it broadcasts against
   * the output as the input does.
   */
  lifted(name: string): Tensor | null {
    const t = this.tangent(name);
    const missing = t === null ? 0 : this.output.rank - (t.rank - 1);
    return t === null || missing <= 0 ? t :
      shaped(t, [t.shape[0], ...Array<number>(missing).fill(1), ...t.shape.slice(1)]);
  }

  /** The tangent of an input; zeros if the input does not depend on a parameter. */
  tangentOrZeros(name: string): Tensor {
    return this.tangent(name) ?? zeros([this.directions, ...this.value(name).shape]);
  }

  /** The sum of some terms that broadcast to the tangent of the output, in its shape. */
  sum(terms: ReadonlyArray<Tensor | null>): Tensor {
    const shape = [this.directions, ...this.output.shape];
    const total = terms.filter(term => term !== null).reduce((partial, term) => add(partial, term));
    return total.shape.join() === shape.join() ? total : add(total, zeros(shape));
  }

  /** The same entries in the shape of the output's tangent. */
  shaped(t: Tensor): Tensor {
    return shaped(t, [this.directions, ...this.output.shape]);
  }

  /** Another node with the same inputs, or some of them. */
  of(node: TraceNode): ForwardNode {
    return new ForwardNode(this.values, node, this.tangents, this.directions);
  }

  /** Runs a kernel and returns its only output. */
  run(inputs: Record<string, Tensor> | Tensor[], attrs: KernelAttrs = this.attrs, kernel = this.node.kernel): Tensor {
    return runKernel(kernel, inputs, attrs) as Tensor;
  }
}

/**
 * The tangents of a node's outputs from those of its inputs. At least one input depends on a
 * parameter.
 */
export type TangentRule = (at: ForwardNode) => Tensor | Tensor[];

/** A rule for the nodes that it covers, by default for all nodes of its kernel. */
export interface Tangent {
  readonly rule: TangentRule;
  readonly covers?: (node: TraceNode) => boolean;
}

/**
 * The axes that a kernel works along, counted from the first axis of the tangent; all if the
 * attribute is missing.
 */
export function axesOf(axes: unknown, rank: number): number[] {
  const list = axes == null ? [...Array(rank).keys()] : Array.isArray(axes) ? axes as number[] : [axes as number];
  return list.map(axis => (axis + rank) % rank + 1);
}
