import {zeros} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../../tfjs/internals';
import type {KernelAttrs} from '../../tfjs/internals';
import type {TraceNode} from '../../trace/trace';
import type {Values} from '../cotangents';
import {add, shaped} from '../../tfjs/fast_ops';

/**
 * A node in a forward sweep. The tangent of a value of shape [...s] has shape [k, ...s]: its derivatives in k directions of the
 * parameters. Against other values of the trace it broadcasts from the right, as they do among themselves.
 */
export class ForwardNode {
  private readonly inputs: ReadonlyMap<string, number>;

  /** @param tangents of the values that depend on a parameter, by value index. */
  constructor(readonly values: Values, readonly node: TraceNode, private readonly tangents: ReadonlyMap<number, Tensor>, readonly directions: number) {
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

  /** null where the input does not depend on a parameter. */
  tangent(name: string): Tensor | null {
    return this.tangents.get(this.inputs.get(name)!) ?? null;
  }

  /** The same with axes of size 1 behind that of the directions, so that it broadcasts against the output as its value does. */
  lifted(name: string): Tensor | null {
    const t = this.tangent(name);
    const missing = t === null ? 0 : this.output.rank - (t.rank - 1);
    return t === null || missing <= 0 ? t : shaped(t, [t.shape[0], ...Array<number>(missing).fill(1), ...t.shape.slice(1)]);
  }

  /** Zeros where the input does not depend on a parameter. */
  tangentOrZeros(name: string): Tensor {
    return this.tangent(name) ?? zeros([this.directions, ...this.value(name).shape]);
  }

  /** The sum of some terms that broadcast to the output's tangent, in its shape. */
  sum(terms: ReadonlyArray<Tensor | null>): Tensor {
    const shape = [this.directions, ...this.output.shape];
    const total = terms.filter(term => term !== null).reduce((partial, term) => add(partial, term));
    return total.shape.join() === shape.join() ? total : add(total, zeros(shape));
  }

  /** Another node of the same inputs, or some of them. */
  of(node: TraceNode): ForwardNode {
    return new ForwardNode(this.values, node, this.tangents, this.directions);
  }

  /** A kernel's only output. */
  run(inputs: Record<string, Tensor> | Tensor[], attrs: KernelAttrs = this.attrs, kernel = this.node.kernel): Tensor {
    return runKernel(kernel, inputs, attrs) as Tensor;
  }
}

/** The tangents of a node's outputs from those of its inputs, of which one at least depends on a parameter. */
export type TangentRule = (at: ForwardNode) => Tensor | Tensor[];

/** A rule, for the nodes that it covers. */
export interface Tangent {
  readonly rule: TangentRule;
  readonly covers?: (node: TraceNode) => boolean;
}

/** The axes that a kernel works along, counted from the first one of the tangent; all where it names none. */
export function axesOf(axes: unknown, rank: number): number[] {
  const list = axes == null ? [...Array(rank).keys()] : Array.isArray(axes) ? axes as number[] : [axes as number];
  return list.map(axis => (axis + rank) % rank + 1);
}
