import type {Dependence} from '../../trace/dependence';
import type {Trace} from '../../trace/trace';
import {blockOf} from '../functions/row_block';
import {RESHAPES} from '../../trace/kernel_sets';
import {nodeOf, numberIn} from './nodes';
import type {Square} from './terms';

/** A square without its weight. */
export type SquareAt = Pick<Square, 'block' | 'of'>;

/**
 * Recognises the kernels that square: a value as the squares of other values; null for other
 * kernels.
 */
export function squareAt(trace: Trace, dependence: Dependence, value: number): SquareAt | null {
  const node = nodeOf(trace, value);
  if (node === null) {
    return null;
  }
  const [first, second] = node.inputs.map(([, input]) => input);
  const squareOf = (x: number): SquareAt => {
    const r = unsigned(trace, x);
    return {block: blockOf(r), of: [r]};
  };
  switch (node.kernel) {
    case 'Square':
      return squareOf(first);
    case 'Multiply':
      return first === second ? squareOf(first) : null;
    case 'Pow':
      return numberIn(trace, dependence, second) === 2 ? squareOf(first) : null;
    case 'SquaredDifference':
      return {block: {value, difference: trace.producer[value]}, of: [first, second]};
    default:
      return null;
  }
}

/**
 * r of |r|, whose square `tf.norm` takes. If `tf.norm` made one list of all |r|, r before that,
 * since the examples can be told apart there.
 */
function unsigned(trace: Trace, value: number): number {
  const node = nodeOf(trace, value);
  if (node?.kernel === 'Cast') {
    const [[, x]] = node.inputs;
    return trace.values[x].dtype === 'float32' ? unsigned(trace, x) : value;
  }
  if (node?.kernel !== 'Abs') {
    return value;
  }
  const [[, r]] = node.inputs;
  const flattened = nodeOf(trace, r);
  if (flattened === null || !RESHAPES.has(flattened.kernel) || trace.values[r].shape.length !== 1) {
    return r;
  }
  const [[, before]] = flattened.inputs;
  return trace.values[before].shape[0] > 1 ? before : r;
}
