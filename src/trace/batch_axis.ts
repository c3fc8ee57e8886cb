import {factsOf} from './kernel_facts';
import type {BatchPassing} from './kernel_fact';
import type {TraceNode} from './trace';
import {axisStride, exampleAxis, sizeOf, type BatchStride} from './example_axis';

/**
 * The error of a kernel behind which the examples cannot be told apart:
 *
 * - `reduces`: the kernel sums over the examples, or takes the largest, ... of them. All examples
 *   share its output, a statistic of the batch.
 * - `couples`: the examples meet in another way. The output may still have an entry for each
 *   example.
 * - `unknown`: no rule gives the place of the examples in the output.
 */
export class BatchAxisLost extends Error {
  constructor(readonly kernel: string, readonly reason: 'reduces' | 'couples' | 'unknown') {
    super(`${kernel}: ${reason}`);
  }
}

/** The result of `compute`, or of `otherwise` if the examples are lost. */
export function unlessLost<T>(compute: () => T, otherwise: (lost: BatchAxisLost) => T): T {
  try {
    return compute();
  } catch (error) {
    if (error instanceof BatchAxisLost) {
      return otherwise(error);
    }
    throw error;
  }
}

interface BatchOperand {
  readonly shape: readonly number[];
  readonly stride: BatchStride;
}

type BatchRule = (node: TraceNode, inputs: ReadonlyMap<string, BatchOperand>, outputs: ReadonlyArray<readonly number[]>,
    examples: number) => BatchStride[];

/**
 * The batch strides of a kernel's outputs, from those of its inputs.
 *
 * A kernel without a rule loses the examples. The place of the examples in the output of some
 * kernels depends on the values of an input, which may change from step to step.
 *
 * @throws BatchAxisLost
 */
export function propagateBatch(node: TraceNode, inputs: ReadonlyMap<string, BatchOperand>,
    outputs: ReadonlyArray<readonly number[]>, examples: number): BatchStride[] {
  if (![...inputs.values()].some(input => input.stride !== null)) {
    return outputs.map(() => null);
  }
  return ruleOf(node.kernel)(node, inputs, outputs, examples);
}

/** The axis that holds the examples of an operand. @throws BatchAxisLost if there is none. */
function locate(node: TraceNode, {shape, stride}: BatchOperand, examples: number): {axis: number; inner: number} {
  const found = exampleAxis(shape, stride!, examples);
  if (found !== null) {
    return found;
  }
  if (examples === 1) {
    return {axis: 0, inner: shape[0] ?? 1};
  }
  throw new BatchAxisLost(node.kernel, 'unknown');
}

const batched = (inputs: ReadonlyMap<string, BatchOperand>): BatchOperand[] =>
  [...inputs.values()].filter(input => input.stride !== null);

/**
 * The stride that all inputs have. If they differ, the examples of one input meet those of another.
 */
function agree(node: TraceNode, strides: number[]): number {
  if (strides.some(stride => stride !== strides[0])) {
    throw new BatchAxisLost(node.kernel, 'couples');
  }
  return strides[0];
}

const unknown: BatchRule = (node, _inputs, outputs, examples) => {
  if (examples === 1) {
    return outputs.map(sizeOf);
  }
  throw new BatchAxisLost(node.kernel, 'unknown');
};

/** Kernels that treat the entries of the leading axis one by one. */
const leading: BatchRule = (node, inputs, outputs, examples) => {
  const isLeading = ({shape, stride}: BatchOperand): boolean =>
    stride === sizeOf(shape) / examples && (examples === 1 || shape[0] % examples === 0);
  if (!batched(inputs).every(isLeading) || outputs.some(shape => examples !== 1 && (shape[0] ?? 1) % examples !== 0)) {
    throw new BatchAxisLost(node.kernel, 'unknown');
  }
  return outputs.map(shape => sizeOf(shape) / examples);
};

const entrywise: BatchRule = (node, inputs, outputs, examples) => outputs.map(out => {
  if (examples === 1) {
    return sizeOf(out);
  }
  return agree(node, batched(inputs).map(input => {
    if (sizeOf(input.shape) === sizeOf(out)) {
      return input.stride!;
    }
    const {axis, inner} = locate(node, input, examples);
    const outAxis = axis + out.length - input.shape.length;
    if (out[outAxis] !== input.shape[axis]) {
      throw new BatchAxisLost(node.kernel, 'unknown');
    }
    return inner * axisStride(out, outAxis);
  }));
});

const reshape: BatchRule = (_node, inputs, outputs) => outputs.map(() => batched(inputs)[0].stride);

/**
 * The examples stay on their axis, which becomes axis `to(axis)` of the output and must keep its
 * size.
 */
const keepAxis = (to: (node: TraceNode, axis: number, rank: number) => number,
    otherwise: 'reduces' | 'couples' = 'couples'): BatchRule =>
  (node, inputs, outputs, examples) => outputs.map(out => {
    if (examples === 1) {
      return sizeOf(out);
    }
    return agree(node, batched(inputs).map(input => {
      const {axis, inner} = locate(node, input, examples);
      const outAxis = to(node, axis, input.shape.length);
      if (outAxis < 0 || out[outAxis] !== input.shape[axis]) {
        throw new BatchAxisLost(node.kernel, otherwise);
      }
      return inner * axisStride(out, outAxis);
    }));
  });

const listOf = (value: unknown): number[] | null =>
  value == null ? null : Array.isArray(value) ? value as number[] : [value as number];

const transpose = keepAxis((node, axis) => (node.attrs['perm'] as number[]).indexOf(axis));

/** Sum, Mean, Max, ...: if one of their axes is that of the examples, the examples meet. */
const reduce = keepAxis((node, axis, rank) => {
  const axes = (listOf(node.attrs['axis'] ?? node.attrs['reductionIndices']) ?? [...Array(rank).keys()])
      .map(a => (a + rank) % rank);
  if (axes.includes(axis)) {
    return -1;
  }
  return node.attrs['keepDims'] === true ? axis : axis - axes.filter(a => a < axis).length;
}, 'reduces');

/**
 * Kernels that work along one axis or some, all axes if they lack the attribute, and leave the
 * other axes alone.
 */
const along = (attr: string): BatchRule => keepAxis((node, axis, rank) =>
  (listOf(node.attrs[attr]) ?? [axis]).some(a => (a + rank) % rank === axis) ? -1 : axis);

const sameAxis = keepAxis((_node, axis) => axis);

const unpack = keepAxis((node, axis, rank) => {
  const along = ((node.attrs['axis'] as number) + rank) % rank;
  return along === axis ? -1 : axis - (along < axis ? 1 : 0);
});

const pack = keepAxis((node, axis, rank) => {
  const along = ((node.attrs['axis'] as number) + rank + 1) % (rank + 1);
  return along <= axis ? axis + 1 : axis;
});

const gather: BatchRule = (node, inputs, outputs, examples) => {
  const x = inputs.get('x')!;
  const indices = inputs.get('indices')!;
  const axis = ((node.attrs['axis'] as number | undefined ?? 0) + x.shape.length) % x.shape.length;
  if (examples === 1) {
    return outputs.map(sizeOf);
  }
  if (x.stride === null && !node.attrs['batchDims']) {
    return [indices.stride! * axisStride(x.shape, axis)];
  }
  if (indices.stride === null) {
    return keepAxis((_node, a) => a === axis ? -1 : a < axis ? a : a + indices.shape.length - 1)(
        node, new Map([['x', x]]), outputs, examples);
  }
  throw new BatchAxisLost(node.kernel, 'unknown');
};

/**
 * [.., M, K] x [.., K, N]: rows, columns and leading axes keep the examples. The contracted axis
 * must not hold them.
 */
const matMul: BatchRule = (node, inputs, outputs, examples) => {
  const out = outputs[0];
  if (examples === 1) {
    return [sizeOf(out)];
  }
  const strides: number[] = [];
  let contractions = 0;
  for (const [name, transposed] of [['a', node.attrs['transposeA']], ['b', node.attrs['transposeB']]] as const) {
    const input = inputs.get(name)!;
    if (input.stride === null) {
      continue;
    }
    const rank = input.shape.length;
    const {axis, inner} = locate(node, input, examples);
    if (axis < rank - 2) {
      const outAxis = axis + out.length - rank;
      if (out[outAxis] !== input.shape[axis]) {
        throw new BatchAxisLost(node.kernel, 'unknown');
      }
      strides.push(inner * axisStride(out, outAxis));
      continue;
    }
    const contracted = (name === 'a') === (transposed !== true) ? rank - 1 : rank - 2;
    if (axis === contracted) {
      contractions++;
      continue;
    }
    strides.push(inner * axisStride(out, out.length - (name === 'a' ? 2 : 1)));
  }
  if (contractions > 0) {
    // B mixtures of the examples, as in a graph over the batch, have an entry for each example and
    // are no statistic.
    const isStatistic = strides.length === 0 &&
      !out.slice(-2).some(size => size % examples === 0 && contractions === 1);
    throw new BatchAxisLost(node.kernel, isStatistic ? 'reduces' : 'couples');
  }
  const bias = inputs.get('bias');
  if (bias !== undefined && bias.stride !== null) {
    throw new BatchAxisLost(node.kernel, 'unknown');
  }
  return [agree(node, strides)];
};

const RULES: Record<Extract<BatchPassing, string>, BatchRule> =
  {entrywise, leading, sameAxis, reduction: reduce, reshape, transpose, gather, unpack, pack, matrixProduct: matMul};

function ruleOf(kernel: string): BatchRule {
  const batch = factsOf(kernel)?.batch;
  return batch === undefined ? unknown : typeof batch === 'string' ? RULES[batch] : along(batch.along);
}
