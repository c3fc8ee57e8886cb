import {add, neg, tensor} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {dataOf} from '../tfjs/train_step_hook';
import type {TrainStep} from '../tfjs/train_step_hook';
import {readLossHead} from './read/loss_head';
import {UnknownTerm} from './read/terms';
import type {LossHead} from './read/terms';
import {rowTensor} from './functions/row_block';
import type {RowBlock} from './functions/row_block';
import type {Trace} from '../trace/trace';
import {ggnError} from '../errors';
import {findDependence, upstream} from '../trace/dependence';
import type {Dependence} from '../trace/dependence';
import {sumTo} from '../tfjs/fast_ops';

export const NO_ROWS = 'this step has no rows: the batch holds no examples. Leave empty batches out.';

/** The rows of a step, in groups with their own number of examples. */
export interface Rows {
  readonly dependence: Dependence;
  readonly head: LossHead;
  /** The blocks of rows: those of `head.squares`, then those of each of `head.losses`. */
  readonly blocks: readonly RowBlock[];
  /** Number of rows n. */
  readonly count: number;
  /** One in `fit`; in a custom loop one for each number of examples that terms of the loss have. */
  readonly groups: readonly RowGroup[];
}

/** Terms of the loss with as many examples each. The rows of a step are ordered (group, example, component). */
export interface RowGroup {
  /** Their indices in `Rows.blocks`, ascending. */
  readonly blocks: readonly number[];
  /** Number of their rows. */
  readonly count: number;
  /** Examples B: in a custom loop the size of the leading axis, 1 for scalars. */
  readonly examples: number;
}

/**
 * Finds the rows of a traced loss.
 *
 * @throws when the loss does not depend on a trained variable, or through complex numbers, is no function of outputs, or
 * couples the examples of a batch in `fit`.
 */
export function findRows(trace: Trace, isTrained: (variable: Variable) => boolean, step: TrainStep | null): Rows {
  const dependence = findDependence(trace, isTrained);
  refuseComplex(trace, dependence);
  if (!dependence.dependent[trace.result]) {
    throw ggnError(dependence.varying[trace.result] ? 'the loss depends on the trained variables only by steps (comparisons, rounding, integers), which have no gradient. Write it ' +
        'with what varies smoothly, such as the probabilities in the place of the predicted classes.' :
      'the loss does not depend on any variable that is being trained. Check that the function given to ' +
        'minimize() computes the loss with tfjs ops, from trainable variables, and that varList names them.');
  }
  const head = readHead(trace, dependence, step);
  const blocks = [...head.squares.map(square => square.block), ...head.losses.flatMap(loss => loss.blocks)];
  const count = countRows(trace, blocks);
  if (count === 0) {
    throw ggnError(NO_ROWS);
  }
  const groups = groupRows(trace, blocks, step)
      .map(group => ({...group, count: countRows(trace, group.blocks.map(i => blocks[i]))}));
  return {dependence, head, blocks, count, groups};
}

/** No kernel that makes or takes complex numbers has a gradient, so that what goes through them would be missing without a word. */
function refuseComplex(trace: Trace, {varying}: Dependence): void {
  if (!trace.values.some((t, value) => varying[value] && t.dtype === 'complex64')) {
    return;
  }
  const complex = [...upstream(trace, [trace.result])].find(value => varying[value] && trace.values[value].dtype === 'complex64');
  if (complex !== undefined) {
    throw ggnError(`the loss is computed from the trained variables through complex numbers (kernel '${trace.nodes[trace.producer[complex]]?.kernel ?? 'none'}'), for which ` +
        'TensorFlow.js has no gradient: no optimizer can train through them. Write a complex residual as two real terms, leastSquares([re, im]), both computed in real ' +
        'numbers: cos and sin in the place of exp(iωt), products with matrices of cosines and sines in the place of tf.spectral.');
  }
}

const countRows = (trace: Trace, blocks: readonly RowBlock[]): number =>
  blocks.reduce((n, block) => n + trace.values[block.value].size, 0);

/** In `fit` all rows belong to one batch; in a custom loop terms of one leading size do. */
function groupRows(trace: Trace, blocks: readonly RowBlock[], step: TrainStep | null): Array<Pick<RowGroup, 'blocks' | 'examples'>> {
  if (step !== null) {
    return [{blocks: [...blocks.keys()], examples: step.inputs[0].shape[0]}];
  }
  const bySize = new Map<number, number[]>();
  blocks.forEach(({value}, i) => {
    const {shape, size} = trace.values[value];
    const examples = shape[0] ?? 1;
    if (size > 0) {
      bySize.set(examples, [...bySize.get(examples) ?? [], i]);
    }
  });
  return [...bySize].map(([examples, indices]) => ({blocks: indices, examples}));
}

function readHead(trace: Trace, dependence: Dependence, step: TrainStep | null): LossHead {
  const data = step === null ? null : dataOf(step);
  const isData = (value: number): boolean => data === null ? trace.values[value].size > 1 : data.has(trace.values[value].dataId);
  const names = step === null ? [] : lossNames(step.model.loss);
  const refused = names.find(name => name !== null && REFUSED.has(name));
  if (refused !== undefined) {
    throw ggnError(`the loss '${refused}' is not supported: it is not convex in the outputs, and without curvature along them. Normalise the outputs in ` +
        "the model and use 'meanSquaredError', which has the same minimum, or use another optimizer.");
  }
  try {
    return readLossHead(trace, dependence, isData);
  } catch (error) {
    if (!(error instanceof UnknownTerm)) {
      throw error;
    }
    const name = names.length === 1 && names[0] !== null ? `the loss '${names[0]}'` : 'the loss';
    throw ggnError(`${name} has a term '${error.kernel}' that is no square, no regularizer of a single variable, and no function of ` +
        'outputs of the network with data and constants only: a trained variable enters behind the outputs, or all of the loss is linear in them. ' +
        'Losses by name, tf.losses and losses of your own train where all variables are in front of the outputs; residuals of any kind train with ' +
        'leastSquares(). Use one of these, or another optimizer.');
  }
}

/** Losses of tfjs-layers without a step. */
const REFUSED = new Set(['cosineProximity', 'cosine']);

/** The losses that a model was compiled with: one, one for each output, or by name of the output; null for a function. */
function lossNames(loss: unknown): Array<string | null> {
  const all: unknown[] = typeof loss === 'object' && loss !== null ? Object.values(loss) : [loss];
  return [...new Set(all.map(name => typeof name === 'string' ? name : null))];
}

/**
 * Where the rows of each block are: entry i of block b is the row `rowOf(b, i)`, in the order (group, example, component).
 *
 * @param batches the examples B that each group counts; 1 where the whole group counts as one example.
 */
export function placeRows(trace: Trace, {groups, blocks}: Rows, batches: readonly number[]): {readonly n: number; rowOf(block: number, i: number): number} {
  const places = new Map<number, {readonly from: number; readonly width: number; readonly components: number}>();
  let first = 0;
  groups.forEach((group, g) => {
    const components = group.count / batches[g];
    let from = first;
    for (const block of group.blocks) {
      const width = trace.values[blocks[block].value].size / batches[g];
      places.set(block, {from, width, components});
      from += width;
    }
    first += group.count;
  });
  return {n: first, rowOf: (block, i) => {
    const {from, width, components} = places.get(block)!;
    return from + Math.floor(i / width) * components + i % width;
  }};
}

/** Residual rows r and their weights w, in the order (group, example, component); 0 for rows that are no squares. */
export function readResiduals(trace: Trace, rows: Rows, batches: readonly number[]): {residual: Float64Array; weight: Float64Array} {
  const {n, rowOf} = placeRows(trace, rows, batches);
  const residual = new Float64Array(n);
  const weight = new Float64Array(n);
  rows.head.squares.forEach((square, b) => {
    const values = rowTensor(trace, square.block, value => trace.values[value]).dataSync();
    const weights = typeof square.weight === 'number' ? null : square.weight.dataSync();
    for (let i = 0; i < values.length; i++) {
      const row = rowOf(b, i);
      weight[row] = weights === null ? square.weight as number : weights[i];
      // What a mask leaves out may be anything, also not a number.
      residual[row] = weight[row] === 0 ? 0 : values[i];
    }
  });
  return {residual, weight};
}

/** A vector of the rows as cotangents of the values that they are read from: by group, by value index. */
export function seedsOfRows(trace: Trace, rows: Rows, batches: readonly number[], q: Float64Array): Array<Map<number, Tensor>> {
  const {rowOf} = placeRows(trace, rows, batches);
  return rows.groups.map(group => {
    const seeds = new Map<number, Tensor>();
    const seed = (value: number, cotangent: Tensor): void => void seeds.set(value, seeds.has(value) ? add(seeds.get(value)!, cotangent) : cotangent);
    for (const b of group.blocks) {
      const {value, difference} = rows.blocks[b];
      const {shape, size} = trace.values[value];
      const cotangent = tensor(Float32Array.from({length: size}, (_, i) => q[rowOf(b, i)]), shape);
      if (difference === null) {
        seed(value, cotangent);
        continue;
      }
      for (const [name, input] of trace.nodes[difference].inputs) {
        seed(input, sumTo(name === 'a' ? cotangent : neg(cotangent), trace.values[input].shape));
      }
    }
    return seeds;
  });
}
