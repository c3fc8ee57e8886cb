import {tidy, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {totalSize} from '../../arrays/vectors';
import {CHANGES} from '../../jacobian/plan/footprint';
import {replayAll, replayBytes} from '../../trace/replay';
import type {Trace} from '../../trace/trace';
import {rootsOf, rowTensor} from '../../loss/functions/row_block';
import type {Rows} from '../../loss/rows';
import {decreaseInClosedForm} from '../../loss/output_derivatives';

/** Relative error of a float32 sum of n numbers, over √n. */
const ROUNDING_OF_SUMS = 2 ** -20;

/**
 * L(w) - L(w + s), the decrease of the loss by a step s. The recorded kernels of f() run again with
 * the moved weights in the place of the variables. So f() itself does not run again, dropout masks
 * stay, and nothing has a side effect.
 *
 * The decrease of the squares is summed in float64, since near convergence a loss in float32 no
 * longer tells two steps apart:
 *
 *     Σ w_i (r_i - r̃_i)(r_i + r̃_i)        r at the weights, r̃ at the moved ones
 *
 * Cross-entropies are computed from their logits in float64, so that clipping does not hide a step.
 * Other terms (L1, norms, other functions of outputs) enter as the difference of their values,
 * entry by entry. So does a function f of a sum of squares, s = Σ w r². But if float32 does not
 * tell that difference from f'(s) (s - s̃), then the latter is taken, which is summed in float64.
 *
 * @param moved the moved weights of each variable.
 * @returns the decrease; NaN if the loss at the moved weights, in float32, as f() computes it, is
 * not finite.
 */
export function actualDecrease(trace: Trace, {head}: Rows, variables: readonly Variable[],
    moved: readonly Tensor[]): number {
  return tidy(() => {
    const substitutes = substitutesFor(trace, variables, moved);
    const squares = [...head.squares, ...head.penalties];
    const wanted = valuesOfLoss(trace, head);
    const again = new Map(replayAll(trace, substitutes, wanted).map((t, i) => [wanted[i], t]));
    const [before, after] = [(value: number) => trace.values[value], (value: number) => again.get(value)!];
    // The sums in float64 may be finite although the loss is not. The next step would begin with
    // that loss.
    if (!Number.isFinite(after(trace.result).dataSync()[0])) {
      return NaN;
    }
    let decrease = 0;
    const inner = {size: 0, decrease: 0, count: 0};
    for (const square of squares) {
      const [old, fresh] = [before, after].map(valueOf => rowTensor(trace, square.block, valueOf).dataSync());
      const ofFunctions = decreaseOfSquares(square.inner, old, fresh);
      decrease += decreaseOfSquares(square.weight, old, fresh) - ofFunctions;
      if (square.inner !== 0) {
        inner.decrease += ofFunctions;
        inner.size += decreaseOfSquares(square.inner, old, new Float32Array(old.length));
        inner.count += old.length;
      }
    }
    const values: Array<readonly [number, number | Tensor]> = [...head.others];
    for (const term of head.outputTerms) {
      const [{value}] = term.blocks;
      decrease += decreaseInClosedForm(term, before(value).dataSync(), () => after(value).dataSync()) ?? 0;
      values.push(...term.kind === 'function' ? term.terms : []);
    }
    for (const [value, weight] of values) {
      decrease += decreaseOfValues(weight, before(value).dataSync(), after(value).dataSync());
    }
    let direct = 0;
    let size = Math.abs(inner.size);
    for (const [value, weight] of head.functions) {
      direct += decreaseOfValues(weight, before(value).dataSync(), after(value).dataSync());
      size += Math.abs(decreaseOfValues(weight, before(value).dataSync(), []));
    }
    const rounding = ROUNDING_OF_SUMS * Math.sqrt(inner.count) * size;
    return decrease + (Math.abs(direct - inner.decrease) <= rounding ? inner.decrease : direct);
  });
}

/**
 * Floats that `actualDecrease` holds at the worst moment, for all examples, together with the
 * changes of the weights and the Gram matrix of the step, if there is one.
 */
export function floatsOfTrial(trace: Trace, {head, dependence: {variables}, count}: Rows, hasGram: boolean): number {
  const replaced = [...trace.variables].filter(([, variable]) => variables.includes(variable)).map(([value]) => value);
  const changes = CHANGES * totalSize(variables);
  const ofPass = replayBytes(trace, new Set(replaced), valuesOfLoss(trace, head)) / 4;
  return ofPass + changes + (hasGram ? count ** 2 : 0);
}

/** The values that the decrease of the loss is computed from. */
function valuesOfLoss(trace: Trace, head: Rows['head']): number[] {
  const ofOutputs = head.outputTerms.flatMap(term =>
    term.kind === 'function' ? term.terms.map(([value]) => value) : [term.blocks[0].value]);
  const terms = [...head.others, ...head.functions].map(([value]) => value);
  const ofSquares = rootsOf(trace, [...head.squares, ...head.penalties].map(({block}) => block));
  return [...new Set([trace.result, ...ofSquares, ...terms, ...ofOutputs])];
}

/** The moved weights by the values of the trace that they replace. */
export function substitutesFor(trace: Trace, variables: readonly Variable[], moved: readonly Tensor[]):
    Map<number, Tensor> {
  const substitutes = new Map<number, Tensor>();
  for (const [value, variable] of trace.variables) {
    const v = variables.indexOf(variable);
    if (v >= 0) {
      substitutes.set(value, moved[v]);
    }
  }
  return substitutes;
}

/** The weight w_i of entry i. */
function reader(weight: number | Tensor): (i: number) => number {
  if (typeof weight === 'number') {
    return () => weight;
  }
  const weights = weight.dataSync();
  return i => weights[i];
}

/** Σ w (a² - b²). */
function decreaseOfSquares(weight: number | Tensor, old: ArrayLike<number>, fresh: ArrayLike<number>): number {
  const weightOf = reader(weight);
  let decrease = 0;
  for (let i = 0; i < old.length; i++) {
    const w = weightOf(i);
    // An entry of weight 0, which a mask leaves out, may be NaN.
    decrease += w === 0 ? 0 : w * (old[i] - fresh[i]) * (old[i] + fresh[i]);
  }
  return decrease;
}

/** Σ w (a - b); entries that b lacks are 0. */
function decreaseOfValues(weight: number | Tensor, old: ArrayLike<number>, fresh: ArrayLike<number>): number {
  const weightOf = reader(weight);
  let decrease = 0;
  for (let i = 0; i < old.length; i++) {
    const w = weightOf(i);
    decrease += w === 0 ? 0 : w * (old[i] - (fresh[i] ?? 0));
  }
  return decrease;
}
