import {neg, tensor, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {dataOf, type FitBatch} from '../tfjs/fit_batch_hook';
import {readLossHead} from './read/loss_head';
import {UnknownTerm, type LossHead} from './read/terms';
import {rowTensor, type RowBlock} from './functions/row_block';
import type {Trace} from '../trace/trace';
import {ggnError} from '../errors';
import {findDependence, upstream, type Dependence} from '../trace/dependence';
import {addTo} from '../tfjs/accumulate';
import {sumTo} from '../tfjs/fast_ops';

export const NO_ROWS = 'this step has no rows: the batch holds no examples. Leave empty batches out.';

/** The n rows of a step, in groups with their own number of examples. */
export interface Rows {
  readonly dependence: Dependence;
  /** The terms of the loss. */
  readonly head: LossHead;
  /** The blocks of rows: those of `head.squares`, then those of each of `head.outputTerms`. */
  readonly blocks: readonly RowBlock[];
  /** Number of rows n. */
  readonly count: number;
  /**
   * One group in `fit`; in a custom loop one for each number of examples that terms of the loss
   * have.
   */
  readonly groups: readonly RowGroup[];
}

/**
 * Rows with one number of examples. The order of the rows of a step is (group, example, component).
 */
export interface RowGroup {
  /** Indices of their blocks in `Rows.blocks`, ascending. */
  readonly blocks: readonly number[];
  /** Number of rows B·C. */
  readonly count: number;
  /** Number of examples B: in a custom loop the size of the leading axis, 1 for scalars. */
  readonly examples: number;
}

/**
 * Finds the rows of a traced loss.
 *
 * @throws if the loss depends on no trained variable, or on one through complex numbers; if the
 * model has a loss of tfjs-layers without a step; and for a term that is no function of outputs.
 */
export function findRows(trace: Trace, isTrained: (variable: Variable) => boolean, fitBatch: FitBatch | null): Rows {
  const dependence = findDependence(trace, isTrained);
  refuseComplex(trace, dependence);
  if (!dependence.dependent[trace.result]) {
    throw ggnError(dependence.varying[trace.result] ?
      'the loss depends on the trained variables only by steps (comparisons, rounding, integers), which have no ' +
        'gradient. Write it with values that vary smoothly, such as the probabilities in place of the predicted ' +
        'classes.' :
      'the loss does not depend on any variable that is being trained. Check that the function given to ' +
        'minimize() computes the loss with tfjs ops, from trainable variables, and that varList names them.');
  }
  const head = readHead(trace, dependence, fitBatch);
  const blocks = [...head.squares.map(square => square.block), ...head.outputTerms.flatMap(term => term.blocks)];
  const count = countRows(trace, blocks);
  if (count === 0) {
    throw ggnError(NO_ROWS);
  }
  const groups = groupRows(trace, blocks, fitBatch)
      .map(group => ({...group, count: countRows(trace, group.blocks.map(i => blocks[i]))}));
  return {dependence, head, blocks, count, groups};
}

/**
 * Kernels that make or take complex numbers have no gradient. If the loss had them, its gradient
 * through them would be missing without a word.
 */
function refuseComplex(trace: Trace, {varying}: Dependence): void {
  if (!trace.values.some((t, value) => varying[value] && t.dtype === 'complex64')) {
    return;
  }
  const complex = [...upstream(trace, [trace.result])]
      .find(value => varying[value] && trace.values[value].dtype === 'complex64');
  if (complex !== undefined) {
    const kernel = trace.nodes[trace.producer[complex]]?.kernel ?? 'none';
    throw ggnError('the loss is computed from the trained variables through complex numbers (kernel ' +
        `'${kernel}'), for which TensorFlow.js has no gradient: no optimizer can train through them. Write a ` +
        'complex residual as two real terms, leastSquares([re, im]), and compute both in real numbers: use cos and ' +
        'sin in place of exp(iωt), and products with matrices of cosines and sines in place of tf.spectral.');
  }
}

const countRows = (trace: Trace, blocks: readonly RowBlock[]): number =>
  blocks.reduce((n, block) => n + trace.values[block.value].size, 0);

/** In `fit`, all rows belong to one batch. In a custom loop, blocks of one leading size do. */
function groupRows(trace: Trace, blocks: readonly RowBlock[],
    fitBatch: FitBatch | null): Array<Pick<RowGroup, 'blocks' | 'examples'>> {
  if (fitBatch !== null) {
    return [{blocks: [...blocks.keys()], examples: fitBatch.inputs[0].shape[0]}];
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

function readHead(trace: Trace, dependence: Dependence, fitBatch: FitBatch | null): LossHead {
  const data = fitBatch === null ? null : dataOf(fitBatch);
  const isData = (value: number): boolean =>
    data === null ? trace.values[value].size > 1 : data.has(trace.values[value].dataId);
  const names = fitBatch === null ? [] : namesOfLosses(fitBatch.model.loss);
  const refused = names.find(name => name !== null && REFUSED.has(name));
  if (refused !== undefined) {
    throw ggnError(`the loss '${refused}' is not supported: it is not convex in the outputs, and has no ` +
        "curvature along them. Normalise the outputs in the model and use 'meanSquaredError', which has the same " +
        'minimum, or use another optimizer.');
  }
  try {
    return readLossHead(trace, dependence, isData);
  } catch (error) {
    if (!(error instanceof UnknownTerm)) {
      throw error;
    }
    const name = names.length === 1 && names[0] !== null ? `the loss '${names[0]}'` : 'the loss';
    throw ggnError(`${name} has a term '${error.kernel}' that is no square, no regularizer of a single variable, ` +
        'and no function of outputs of the network with data and constants only: a trained variable enters behind ' +
        'the outputs, or all of the loss is linear in them. Losses by name, tf.losses and losses of your own train ' +
        'if all variables are in front of the outputs; residuals of any kind train with leastSquares(). Use one of ' +
        'these, or another optimizer.');
  }
}

/** Names of the losses of tfjs-layers that have no step. */
const REFUSED = new Set(['cosineProximity', 'cosine']);

/**
 * The names of the losses that a model was compiled with: one loss, a list, or an object by the
 * name of the output. null stands for a function.
 */
export function namesOfLosses(loss: unknown): Array<string | null> {
  const all: unknown[] = typeof loss === 'object' && loss !== null ? Object.values(loss) : [loss];
  return [...new Set(all.map(name => typeof name === 'string' ? name : null))];
}

/**
 * The places of the rows of each block: entry i of block b is the row `rowOf(b, i)`, in the order
 * (group, example, component).
 *
 * @param examplesByGroup B, the number of examples, of each group; 1 if the whole group counts as
 * one example.
 */
export function placeRows(trace: Trace, {groups, blocks}: Rows,
    examplesByGroup: readonly number[]): {readonly n: number; rowOf(block: number, i: number): number} {
  const places = new Map<number, {readonly from: number; readonly width: number; readonly components: number}>();
  let first = 0;
  groups.forEach((group, g) => {
    const components = group.count / examplesByGroup[g];
    let from = first;
    for (const block of group.blocks) {
      const width = trace.values[blocks[block].value].size / examplesByGroup[g];
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

/**
 * Residual rows r (n) and their weights w (n), in the order (group, example, component). Both are 0
 * for rows that are no squares.
 */
export function readResiduals(trace: Trace, rows: Rows,
    examplesByGroup: readonly number[]): {residual: Float64Array; weight: Float64Array} {
  const {n, rowOf} = placeRows(trace, rows, examplesByGroup);
  const residual = new Float64Array(n);
  const weight = new Float64Array(n);
  rows.head.squares.forEach((square, b) => {
    const values = rowTensor(trace, square.block, value => trace.values[value]).dataSync();
    const weights = typeof square.weight === 'number' ? null : square.weight.dataSync();
    for (let i = 0; i < values.length; i++) {
      const row = rowOf(b, i);
      weight[row] = weights === null ? square.weight as number : weights[i];
      // The residual behind a mask may be any value, also NaN.
      residual[row] = weight[row] === 0 ? 0 : values[i];
    }
  });
  return {residual, weight};
}

/**
 * A vector of the rows (n) as cotangents of the values that the rows are read from: for each group,
 * by value index.
 */
export function seedsOfRows(trace: Trace, rows: Rows, examplesByGroup: readonly number[],
    q: Float64Array): Array<Map<number, Tensor>> {
  const {rowOf} = placeRows(trace, rows, examplesByGroup);
  return rows.groups.map(group => {
    const seeds = new Map<number, Tensor>();
    for (const b of group.blocks) {
      const {value, difference} = rows.blocks[b];
      const {shape, size} = trace.values[value];
      const cotangent = tensor(Float32Array.from({length: size}, (_, i) => q[rowOf(b, i)]), shape);
      if (difference === null) {
        addTo(seeds, value, cotangent);
        continue;
      }
      for (const [name, input] of trace.nodes[difference].inputs) {
        addTo(seeds, input, sumTo(name === 'a' ? cotangent : neg(cotangent), trace.values[input].shape));
      }
    }
    return seeds;
  });
}
