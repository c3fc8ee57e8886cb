/**
 * The L2 regularizers ρ_v |w_v|² of a step, in parts: the variables with one ρ make one part, and
 * their Gram matrices J_v J_vᵀ are summed into one.
 */
export interface Ridge {
  /** ρ of each variable. */
  readonly rhos: readonly number[];
  /** The part of each variable, an index of `distinct`. */
  readonly partOf: readonly number[];
  /** ρ of each part. */
  readonly distinct: readonly number[];
}

/** @param rhos ρ of each variable; 0 for a variable without an L2 regularizer. */
export function ridgeOf(rhos: readonly number[]): Ridge {
  const distinct = [...new Set(rhos)];
  return {rhos, distinct, partOf: rhos.map(rho => distinct.indexOf(rho))};
}
