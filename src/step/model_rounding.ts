import {mul, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {kernelsThat} from '../trace/kernel_facts';
import {replayAll} from '../trace/replay';
import {rowTensor} from '../loss/functions/row_block';
import type {Trace} from '../trace/trace';
import type {Rows} from '../loss/rows';
import {sources} from './decrease';

/** By how much every value is changed, as a share: so much more than rounding that the rounding of the second pass does not matter. */
const CHANGE = 2 ** -18;

/** Unit roundoff of float32. */
const ROUNDOFF = 2 ** -24;

/** Entries of all values together up to which they are changed: numbers are drawn for each. */
const MAX_ENTRIES = 2 ** 20;

const EXACT = kernelsThat('exact');

/**
 * How far the rounding of the model takes each residual: by Monte Carlo arithmetic, a second pass through the trace where the result of every kernel is changed by ±2⁻¹⁸
 * of itself, and the change of the residuals scaled to 2⁻²⁴. It sees what the residuals do not show, a difference of large terms inside the model, or an exponential of large numbers.
 *
 * Source: Parker 1997, Monte Carlo arithmetic.
 *
 * @returns |Δr| by square of the loss, entry by entry; null where the trace is too large for it.
 */
export function modelRounding(trace: Trace, {head: {squares}, dependence: {dependent, variables}}: Rows): Float64Array[] | null {
  const entries = trace.nodes.reduce((sum, {outputs}) => sum + outputs.reduce((size, output) => size + (dependent[output] ? trace.values[output].size : 0), 0), 0);
  if (entries > MAX_ENTRIES) {
    return null;
  }
  const wanted = [...new Set(squares.flatMap(({block}) => sources(trace, block)))];
  const same = new Map([...trace.variables].filter(([, variable]) => variables.includes(variable)).map(([value]) => [value, trace.values[value]]));
  const random = signs();
  const change = (kernel: string, t: Tensor): Tensor => {
    if (t.dtype !== 'float32' || EXACT.has(kernel)) {
      return t;
    }
    const changed = mul(t, tensor(Float32Array.from({length: t.size}, () => 1 + random() * CHANGE), t.shape));
    t.dispose();
    return changed;
  };
  const found: Float64Array[] = [];
  tidy(() => {
    const again = new Map(replayAll(trace, same, wanted, change).map((t, i) => [wanted[i], t]));
    for (const {block} of squares) {
      const [before, after] = [(value: number) => trace.values[value], (value: number) => again.get(value)!].map(valueOf => rowTensor(trace, block, valueOf).dataSync());
      found.push(Float64Array.from(before, (r, i) => Math.abs(after[i] - r) * (ROUNDOFF / CHANGE)));
    }
  });
  return found;
}

/** 1 and -1, pseudo-random, the same in every step. */
function signs(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state < 0 ? -1 : 1;
  };
}
