import {tidy} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {WeightedSquare} from '../loss/read/terms';
import {replayAll} from '../trace/replay';
import type {Trace} from '../trace/trace';
import {rowTensor} from '../loss/functions/row_block';
import type {Rows} from '../loss/rows';
import {decreaseInClosedForm} from '../loss/output_derivatives';

/** A float32 sum of n numbers is known to so much times √n, relative to their size. */
const ROUNDING_OF_SUMS = 2 ** -20;

/**
 * What a step would decrease the loss by: L(w) - L(w + s), by running the recorded kernels of f() again with the moved weights in the place of the
 * variables. So f() does not run again, dropout masks stay, and nothing has a side effect.
 *
 * Summed over the squares in float64,
 *
 *     Σ w_i (r_i - r̃_i)(r_i + r̃_i)        r at the weights, r̃ at the moved ones
 *
 * since near convergence a loss in float32 no longer tells two steps apart. Cross-entropies are taken from their logits in float64, so that clipping
 * does not hide a step. What is no square (L1, norms, other functions of outputs) enters as the difference of its values, entry by entry. So do functions f of sums of
 * squares, s = Σ w r², but where float32 does not tell it from f'(s) (s - s̃), which is summed in float64.
 *
 * @param moved the moved weights of each variable.
 * @returns the decrease; NaN where the loss at the moved weights is not finite, in float32, as f() computes it.
 */
export function actualDecrease(trace: Trace, {head}: Rows, variables: readonly Variable[], moved: readonly Tensor[]): number {
  return tidy(() => {
    const substitutes = substitutesFor(trace, variables, moved);
    const squares = [...head.squares, ...head.penalties];
    const wanted = [...new Set([trace.result, ...squares.flatMap(({block}) => sources(trace, block)), ...head.others.map(([value]) => value),
      ...head.functions.map(([value]) => value), ...head.losses.flatMap(loss => loss.kind === 'function' ? loss.terms.map(([value]) => value) : [loss.blocks[0].value])])];
    const again = new Map(replayAll(trace, substitutes, wanted).map((t, i) => [wanted[i], t]));
    const [before, after] = [(value: number) => trace.values[value], (value: number) => again.get(value)!];
    // What is summed in float64 may be finite where the loss is not: the next step would begin with that.
    if (!Number.isFinite(after(trace.result).dataSync()[0])) {
      return NaN;
    }
    let decrease = 0;
    const inner = {size: 0, decrease: 0, count: 0};
    for (const square of squares) {
      const [old, fresh] = [rowTensor(trace, square.block, before).dataSync(), rowTensor(trace, square.block, after).dataSync()];
      const ofFunctions = decreaseOfSquares(square.inner, old, fresh);
      decrease += decreaseOfSquares(square.weight, old, fresh) - ofFunctions;
      if (square.inner !== 0) {
        inner.decrease += ofFunctions;
        inner.size += decreaseOfSquares(square.inner, old, new Float32Array(old.length));
        inner.count += old.length;
      }
    }
    const values: Array<readonly [number, number | Tensor]> = [...head.others];
    for (const loss of head.losses) {
      const [{value}] = loss.blocks;
      decrease += decreaseInClosedForm(loss, before(value).dataSync(), () => after(value).dataSync()) ?? 0;
      values.push(...loss.kind === 'function' ? loss.terms : []);
    }
    for (const [value, weight] of values) {
      decrease += decreaseOfValues(weight, before(value).dataSync(), after(value).dataSync());
    }
    const direct = head.functions.reduce((sum, [value, weight]) => sum + decreaseOfValues(weight, before(value).dataSync(), after(value).dataSync()), 0);
    const size = head.functions.reduce((sum, [value, weight]) => sum + Math.abs(decreaseOfValues(weight, before(value).dataSync(), [])), Math.abs(inner.size));
    decrease += Math.abs(direct - inner.decrease) <= ROUNDING_OF_SUMS * Math.sqrt(inner.count) * size ? inner.decrease : direct;
    return decrease;
  });
}

/** The moved weights by the values that they take the place of. */
export function substitutesFor(trace: Trace, variables: readonly Variable[], moved: readonly Tensor[]): Map<number, Tensor> {
  const substitutes = new Map<number, Tensor>();
  for (const [value, variable] of trace.variables) {
    const v = variables.indexOf(variable);
    if (v >= 0) {
      substitutes.set(value, moved[v]);
    }
  }
  return substitutes;
}

const reader = (weight: number | Tensor): ((i: number) => number) => {
  if (typeof weight === 'number') {
    return () => weight;
  }
  const weights = weight.dataSync();
  return i => weights[i];
};

/** Σ w (a² - b²). */
function decreaseOfSquares(weight: number | Tensor, old: ArrayLike<number>, fresh: ArrayLike<number>): number {
  const weightOf = reader(weight);
  let decrease = 0;
  for (let i = 0; i < old.length; i++) {
    const w = weightOf(i);
    decrease += w === 0 ? 0 : w * (old[i] - fresh[i]) * (old[i] + fresh[i]);  // what a mask leaves out may be anything
  }
  return decrease;
}

/** Σ w (a - b). */
function decreaseOfValues(weight: number | Tensor, old: ArrayLike<number>, fresh: ArrayLike<number>): number {
  const weightOf = reader(weight);
  let decrease = 0;
  for (let i = 0; i < old.length; i++) {
    const w = weightOf(i);
    decrease += w === 0 ? 0 : w * (old[i] - (fresh[i] ?? 0));
  }
  return decrease;
}

/** The values that the residuals of a block are read from. */
export function sources(trace: Trace, {value, difference}: WeightedSquare['block']): number[] {
  return difference === null ? [value] : trace.nodes[difference].inputs.filter(([name]) => name === 'a' || name === 'b').map(([, input]) => input);
}
