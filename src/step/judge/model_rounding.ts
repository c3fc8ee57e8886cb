import {mul, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {FLOAT32_ROUNDOFF} from '../../solve/damping';
import {EXACT} from '../../trace/kernel_sets';
import {replayAll} from '../../trace/replay';
import {rootsOf, rowTensor} from '../../loss/functions/row_block';
import type {Trace} from '../../trace/trace';
import type {Rows} from '../../loss/rows';

/**
 * Change of every value, as a share of it. It is so much more than rounding that the rounding of
 * the second pass does not matter.
 */
const CHANGE = 2 ** -18;

/**
 * Passes if the weights are changed, too: one draw alone may change a few residuals by chance only.
 */
const PASSES_OF_FIT = 4;

/** Largest number of entries of all values together, since a number is drawn for each entry. */
const MAX_ENTRIES = 2 ** 20;

/**
 * The change of each residual by the rounding of the whole model, by Monte Carlo arithmetic: in a
 * second pass through the trace, the result of every kernel is changed by ±2⁻¹⁸ of itself, and the
 * change of the residuals is scaled to 2⁻²⁴. The pass sees causes that the residuals do not show: a
 * difference of large terms inside the model, or an exponential of large numbers.
 *
 * @param isOfFit whether the weights are changed in the same way, too, in four passes: the root of
 * the mean square of the four changes says how well any weights of float32 can fit.
 * Source: Parker 1997, Monte Carlo arithmetic.
 *
 * @returns |Δr| by square of the loss, entry by entry; null if the trace has too many entries.
 */
export function modelRounding(trace: Trace, rows: Rows, isOfFit = false): Float64Array[] | null {
  const {head: {squares}, dependence: {dependent, variables}} = rows;
  const made = trace.nodes.flatMap(({outputs}) => outputs).filter(output => dependent[output]);
  if (made.reduce((sum, output) => sum + trace.values[output].size, 0) > MAX_ENTRIES) {
    return null;
  }
  const wanted = [...new Set(rootsOf(trace, squares.map(({block}) => block)))];
  const trained = [...trace.variables].filter(([, variable]) => variables.includes(variable));
  const random = signs();
  const changed = (t: Tensor): Tensor =>
    mul(t, tensor(Float32Array.from({length: t.size}, () => 1 + random() * CHANGE), t.shape));
  const change = (kernel: string, t: Tensor): Tensor => {
    if (t.dtype !== 'float32' || EXACT.has(kernel)) {
      return t;
    }
    const result = changed(t);
    t.dispose();
    return result;
  };
  const pass = (): Float64Array[] => {
    const found: Float64Array[] = [];
    tidy(() => {
      const weights = new Map(trained.map(([value]) =>
        [value, isOfFit ? changed(trace.values[value]) : trace.values[value]]));
      const again = new Map(replayAll(trace, weights, wanted, change).map((t, i) => [wanted[i], t]));
      for (const {block} of squares) {
        const before = rowTensor(trace, block, value => trace.values[value]).dataSync();
        const after = rowTensor(trace, block, value => again.get(value)!).dataSync();
        found.push(Float64Array.from(before, (r, i) => Math.abs(after[i] - r) * (FLOAT32_ROUNDOFF / CHANGE)));
      }
    });
    return found;
  };
  const [first, ...others] = Array.from({length: isOfFit ? PASSES_OF_FIT : 1}, pass);
  return others.length === 0 ? first :
    first.map((x, b) => x.map((_, i) =>
      Math.sqrt([first, ...others].reduce((sum, found) => sum + found[b][i] ** 2, 0) / PASSES_OF_FIT)));
}

/** Pseudo-random signs 1 and -1, the same in every step. */
function signs(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state < 0 ? -1 : 1;
  };
}
