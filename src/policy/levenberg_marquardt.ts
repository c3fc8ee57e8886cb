import type {Scaling} from '../solve/scaling';
import {ABOVE_ONE, aboveZero} from './ranges';
import type {Policy} from './policy';

/**
 * Options of the policy `'levenbergMarquardt'`, which trains on the same data in every step.
 * @public
 */
export interface LevenbergMarquardtOptions {
  /**
   * Relative damping τ of the first step, above 0. Default `'auto'`: 0.1, and 1e-6 with Marquardt's
   * scaling, which is nearly a Gauss-Newton step, as MINPACK begins.
   */
  initialDamping?: number | 'auto';
  /**
   * Least τ, above 0. Default 1e-12. With Marquardt's scaling the diagonals of earlier steps fade
   * after good steps with the least τ, so that the damping falls further.
   */
  minDamping?: number;
  /** Largest τ, above 0. A given damping above it is not raised. Default 1e12. */
  maxDamping?: number;
  /** Least factor of τ after an accepted step, above 0 and at most 1. Default 1/3. */
  decrease?: number;
  /**
   * Factor of τ after a rejected step, above 1. It doubles with every further rejection. A given
   * damping is raised in the same way, and the next step begins with the given one again. Default
   * 2.
   */
  increase?: number;
  /**
   * Attempts of one step, at most; 1 or more. If the last one is rejected, no step is taken.
   * Default 10.
   */
  attempts?: number;
}

/** State of the policy: plain numbers, saved with the optimizer. */
export interface LevenbergMarquardtState {
  /** τ. */
  readonly damping: number;
  /** ν, the factor of τ at the next rejection. */
  readonly increase: number;
}

/**
 * The first τ that `'auto'` stands for, by scaling.
 *
 * Measured: of 528 fits of eleven curves (`test/bench/curves`), 500 come to the minimum with
 * Marquardt's scaling from 1e-6, and 486 with scipy's `lm`.
 */
const INITIAL_DAMPING: Readonly<Record<Scaling, number>> = {levenberg: 0.1, marquardt: 1e-6};

/** Defaults of the options. */
export const LEVENBERG_MARQUARDT: Required<LevenbergMarquardtOptions> = {
  initialDamping: 'auto', minDamping: 1e-12, maxDamping: 1e12, decrease: 1 / 3, increase: 2, attempts: 10,
};

/**
 * Levenberg-Marquardt with Nielsen's rule, at learning rate 1 and without momentum. With the gain
 * ratio γ of an attempt, the actual over the predicted decrease of the loss,
 *
 *     γ > 0:   the step is accepted,   τ ← τ · max(1/3, 1 - (2γ - 1)³),   ν ← 2
 *     else:    it is rejected,         τ ← ν τ,   ν ← 2ν,                 and solved again
 *
 * 1/3 is the option `decrease`, and 2 the option `increase`.
 *
 * If a step promises less than the loss resolves in float32, its gain ratio says nothing. Such a
 * step is taken unless the loss rises by more than its resolution, and τ ← τ/3. A higher τ would
 * promise still less, and training would be stuck if the parameters differ much in scale.
 *
 * With Marquardt's scaling a step is also rejected if it changes a parameter by more than twice its
 * value, unless that hardly moves the residuals; see `isFlung`.
 *
 * Source: Nielsen 1999, as in Madsen, Nielsen & Tingleff 2004, equation 2.21.
 */
export function levenbergMarquardt(options: Required<LevenbergMarquardtOptions>): Policy<LevenbergMarquardtState> {
  const {initialDamping, minDamping, maxDamping, decrease, increase, attempts} = options;
  const within = (damping: number): number => Math.min(maxDamping, Math.max(minDamping, damping));
  // A training that is stuck doubles ν at every attempt. An infinite ν could not be saved.
  const doubled = (factor: number): number => Math.min(Number.MAX_VALUE, 2 * factor);
  const begun = (scaling: Scaling): LevenbergMarquardtState =>
    ({damping: within(initialDamping === 'auto' ? INITIAL_DAMPING[scaling] : initialDamping), increase});
  const initial = begun('levenberg');
  return {
    initial,
    ranges: {damping: aboveZero(maxDamping), increase: ABOVE_ONE},
    judges: true,
    rejects: true,
    attempts,
    begin: (state, scaling) =>
      state.damping === initial.damping && state.increase === increase ? begun(scaling) : state,
    settings: ({damping}) => ({learningRate: 1, damping, momentum: 0}),
    judge: (state, gainRatio) => gainRatio > 0 ?
      {damping: within(state.damping * Math.max(decrease, 1 - (2 * gainRatio - 1) ** 3)), increase} :
      {damping: within(state.damping * state.increase), increase: doubled(state.increase)},
    unresolved: state => ({damping: within(state.damping * decrease), increase}),
    raise: (state, damping) => ({...state, damping: within(damping)}),
  };
}
