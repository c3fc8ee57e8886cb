import {getBackend, util, type Tensor} from '@tensorflow/tfjs-core';
import {sumTo} from '../../tfjs/fast_ops';
import type {KernelAttrs} from '../../tfjs/internals';
import {inputOf, type TraceNode} from '../../trace/trace';

/** A recorded kernel call whose input cotangents are wanted. */
export class BackwardNode {
  /**
   * @param values handles of the trace, by value index.
   * @param dys cotangents of the outputs; null if no cotangent reaches an output.
   * @param backend name of the backend; null for the one that runs.
   */
  constructor(readonly values: readonly Tensor[], readonly node: TraceNode,
      readonly dys: ReadonlyArray<Tensor | null>, private readonly named: string | null = null) {}

  get backend(): string {
    return this.named ?? getBackend();
  }

  get attrs(): KernelAttrs {
    return this.node.attrs;
  }

  /** The output of a kernel that has one. */
  get y(): Tensor {
    return this.values[this.node.outputs[0]];
  }

  /** The cotangent of that output. */
  get dy(): Tensor {
    return this.dys[0]!;
  }

  has(input: string): boolean {
    return this.node.inputs.some(([name]) => name === input);
  }

  value(input: string): Tensor {
    return this.values[inputOf(this.node, input)];
  }

  /** The position of an input among the inputs. */
  place(input: string): number {
    return this.node.inputs.findIndex(([name]) => name === input);
  }

  /** The axis that the attribute `axis` names in a shape, counted from the front. */
  axis(shape: readonly number[]): number {
    return util.parseAxisParam(this.attrs['axis'] as number, shape as number[])[0];
  }
}

/** The cotangent of one input of a node. */
export type Pull = (at: BackwardNode, input: string) => Tensor;

/**
 * The cotangent of an input of a kernel, in the place of tfjs's gradient. The reason says when the
 * rule is taken:
 *
 * - `slow`: tfjs's gradient is right. The sweeps of a step take the rule, and the self-check
 *   compares it with tfjs's gradient.
 * - `useless`: tfjs's gradient is right, but missing on the backend or so slow there that the
 *   self-check takes the rule, too.
 * - `wrong`: tfjs's gradient is wrong. The rule is right, or throws if no right one is known.
 * - `missing`: the rule is taken if tfjs has no gradient of the kernel.
 *
 * The self-check has nothing to compare the last three with: `adjointCheck` tests them against the
 * kernel itself.
 */
export interface Rule {
  readonly kernel: string | readonly string[];
  /** The inputs that the rule is for; every input if there is none. */
  readonly input?: string | readonly string[];
  readonly why: 'slow' | 'useless' | 'wrong' | 'missing';
  /** The condition of the rule, if it has one. */
  readonly when?: (at: BackwardNode, input: string) => boolean;
  /** The cotangent of the input, in the input's shape. */
  readonly pull: Pull;
  /**
   * The cotangent before its sum over the axes along which the input was broadcast, in the shape of
   * the output. The rows of the examples sum it over other axes, and take it for any reason `why`.
   */
  readonly unsummed?: Pull;
}

/** A rule for an input that broadcasts, by its cotangent before the sum. */
export const summed = (rule: Omit<Rule, 'pull'> & {readonly unsummed: Pull}): Rule =>
  ({...rule, pull: (at, input) => sumTo(rule.unsummed(at, input), at.value(input).shape)});

/** A rule for tfjs's slow gradient that also serves if tfjs has none. */
export const slowOrMissing = (rule: Omit<Rule, 'why'>): readonly Rule[] =>
  [{...rule, why: 'slow'}, {...rule, why: 'missing'}];

export const isSameShape = (a: Tensor, b: Tensor): boolean =>
  a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);
