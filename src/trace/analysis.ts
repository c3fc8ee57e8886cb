import {CUSTOM_GRAD, sourcesOf} from './custom_grad';
import type {Trace, TraceNode} from './trace';
import {BatchAxisLost, propagateBatch, unlessLost} from './batch_axis';
import type {BatchStride} from './example_axis';
import {downstream, upstream, upstreamOfReplay, type Dependence} from './dependence';

/**
 * The part of a trace between the variables and the rows, with the place of the examples in every
 * value.
 */
export interface Analysis extends Dependence {
  /**
   * Whether the value depends on the variables for the Jacobian, so not through frozen statistics;
   * by value index.
   */
  readonly dependent: readonly boolean[];
  /**
   * Value indices of statistics of the batch that depend on the variables and that the Jacobian
   * holds constant.
   */
  readonly frozen: ReadonlySet<number>;
  /** B, the number of examples; 1 if the whole batch counts as one example. */
  readonly examples: number;
  /**
   * The strides of the examples, by value index; null for a value that all examples share: weights,
   * and values made of weights alone.
   */
  readonly strides: readonly BatchStride[];
  /**
   * Indices of the nodes on a path from a variable to a row whose outputs belong to examples, in
   * order.
   */
  readonly activations: readonly number[];
  /**
   * Indices of the nodes on such a path whose outputs all examples share (views of weights), in
   * order.
   */
  readonly parameters: readonly number[];
}

/**
 * Statistics of the batch (sums, means, largest entries over the examples) that depend on the
 * variables:
 *
 * - `none`: a statistic couples the examples;
 * - `within`: a statistic is held constant if a parameter joins the data behind it, as gamma does
 *   in a batch normalisation;
 * - `all`: every statistic is held constant, also one that is part of the residuals: (p - mean p)².
 */
export type Freeze = 'none' | 'within' | 'all';

/**
 * Follows the examples from the inputs to the rows.
 *
 * @param roots value indices of the rows.
 * @param examples B, the number of examples. With B = 1 the whole batch counts as one example.
 * @param isBatched whether a value holds one entry per example. It is asked for values that do not
 * depend on the variables and that f() read, or made of values that all examples share.
 * @throws BatchAxisLost if the examples cannot be followed.
 */
export function analyse(trace: Trace, dependence: Dependence, roots: readonly number[], examples: number,
    isBatched: (value: number) => boolean, freeze: Freeze = 'none'): Analysis {
  const needed = upstream(trace, roots);
  const followed = upstreamOfReplay(trace, roots);
  const dependent = [...dependence.dependent];
  const made = (value: number, stride: BatchStride | undefined, isDependent: boolean): BatchStride | undefined =>
    stride === null && !isDependent && isBatched(value) ? trace.values[value].size / examples : stride;
  const strides: Array<BatchStride | undefined> = trace.values.map((value, i) =>
    trace.producer[i] === -1 && followed.has(i) && !dependent[i] && isBatched(i) ? value.size / examples : null);
  const frozen = new Set<number>();
  const activations: number[] = [];
  const parameters: number[] = [];
  trace.nodes.forEach((node, i) => {
    if (frozen.size > 0 && !node.inputs.some(([, value]) => dependent[value])) {
      node.outputs.forEach(output => dependent[output] = false);
    }
    const isDependent = node.outputs.some(output => dependent[output]);
    const find = (): Array<BatchStride | undefined> => stridesOf(trace, node, strides, examples, isDependent);
    const keep = (found: ReadonlyArray<BatchStride | undefined>): void =>
      node.outputs.forEach((output, k) => strides[output] = made(output, found[k], isDependent));
    if (!node.outputs.some(output => needed.has(output))) {
      // This is the forward pass of a tf.customGrad. No Jacobian goes through that pass, so lost
      // examples matter only if they reach the output of the op.
      if (node.outputs.some(output => followed.has(output))) {
        keep(unlessLost(find, () => node.outputs.map(() => undefined)));
      }
      return;
    }
    const found = unlessLost<ReturnType<typeof find> | null>(find, lost => {
      if (freeze === 'none' || lost.reason !== 'reduces') {
        throw lost;
      }
      return null;
    });
    if (found === null) {
      for (const output of node.outputs) {
        frozen.add(output);
        dependent[output] = false;
      }
      return;
    }
    keep(found);
    if (isDependent) {
      (strides[node.outputs[0]] === null ? parameters : activations).push(i);
    }
  });
  const analysis = {...dependence, dependent, frozen, examples, strides: strides.map(stride => stride ?? null),
    activations, parameters};
  if (frozen.size === 0) {
    return analysis;
  }
  // A node that only leads to a statistic is no part of the Jacobian.
  const reached = upstream(trace, roots, frozen);
  const isReached = (i: number): boolean => trace.nodes[i].outputs.some(output => reached.has(output));
  const found = {...analysis, activations: activations.filter(isReached), parameters: parameters.filter(isReached)};
  if (freeze === 'within' && !isWithin(trace, found)) {
    throw new BatchAxisLost(trace.nodes[trace.producer[[...frozen][0]]].kernel, 'couples');
  }
  return found;
}

/**
 * Whether a parameter joins the data behind a statistic. Then the statistic is part of the network,
 * not of the residuals.
 */
function isWithin(trace: Trace, {frozen, activations, dependent, strides}: Analysis): boolean {
  const behind = downstream(trace, frozen);
  return activations.some(i => {
    const values = trace.nodes[i].inputs.map(([, value]) => value);
    return values.some(value => behind.has(value)) && values.some(value => dependent[value] && strides[value] === null);
  });
}

function stridesOf(trace: Trace, node: TraceNode, strides: ReadonlyArray<BatchStride | undefined>, examples: number,
    isDependent: boolean): BatchStride[] {
  const sources = sourcesOf(node);
  if (sources.some(value => strides[value] === undefined)) {
    throw new BatchAxisLost(node.kernel, 'unknown');
  }
  if (node.kernel === CUSTOM_GRAD) {
    return [strides[sources[0]]!];
  }
  const shape = (value: number): number[] => trace.values[value].shape;
  const inputs = new Map(node.inputs.map(([name, value]) => [name, {shape: shape(value), stride: strides[value]!}]));
  return unlessLost(() => propagateBatch(node, inputs, node.outputs.map(shape), examples), lost => {
    if (isDependent) {
      throw lost;
    }
    // Data that do not depend on the weights may mix the examples (statistics of the inputs), as
    // they are constants to the Jacobian. If only the rule is missing, the leading axis is the best
    // guess, which the self-check tests.
    return node.outputs.map(output =>
      lost.reason === 'unknown' && shape(output)[0] === examples ? trace.values[output].size / examples : null);
  });
}
