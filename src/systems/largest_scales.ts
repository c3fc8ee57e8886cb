import type {Variable} from '@tensorflow/tfjs-core';

/**
 * The largest diagonal of JᵀHJ that each parameter has had in the steps before. Marquardt's Σ does
 * not fall below this diagonal. Otherwise a parameter without much effect (the rate of a decay that
 * is over before the first point) would have nearly no damping, and the next step would fling it
 * further.
 *
 * The largest diagonals are kept by variable and end with the variable. They are not saved: after
 * loading they begin with the diagonal of the first step.
 *
 * Source: Moré 1978 (MINPACK keeps the largest, too).
 */
export class LargestScales {
  private largest = new WeakMap<Variable, Float64Array>();

  /** The largest diagonal by parameter, over all variables; 0 for a variable without a step. */
  of(variables: readonly Variable[]): Float64Array {
    const known = new Float64Array(variables.reduce((m, {size}) => m + size, 0));
    let from = 0;
    for (const variable of variables) {
      known.set(this.largest.get(variable) ?? [], from);
      from += variable.size;
    }
    return known;
  }

  /** @param scale the diagonal of Σ in the step, by parameter over all variables. */
  keep(variables: readonly Variable[], scale: Float64Array): void {
    let from = 0;
    for (const variable of variables) {
      this.largest.set(variable, scale.slice(from, from += variable.size));
    }
  }

  clear(): void {
    this.largest = new WeakMap();
  }
}
