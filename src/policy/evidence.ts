import type {OfPrior} from '../solve/relative_evidence';
import {aboveZero, FINITE, NOT_NEGATIVE, POSITIVE, whole, type RangesOf} from './ranges';

/**
 * The evidence of the prior and the noise of a step, see {@link GgnOptions.regularization}. All
 * numbers are those at the weights before the step, which is solved with this α and β. After ten
 * steps without a new maximum they are those of the maximum.
 * @public
 */
export interface Evidence {
  /** γ, the number of parameters that the data determine, between 0 and min(n, m). */
  readonly gamma: number;
  /**
   * α, the strength of the prior: 1/α is the mean square of the weights of a layer, in units of
   * that before the first step.
   */
  readonly alpha: number;
  /** β = 1/noise². */
  readonly beta: number;
  /**
   * The standard deviation of the noise of the targets, in their units. If the rows have different
   * weights in the loss, then that of a row with the mean weight.
   */
  readonly noise: number;
  /** The logarithm of the evidence, the probability density of all targets. */
  readonly logEvidence: number;
  /** Steps since the evidence had its maximum; 0 if it is highest at these weights. */
  readonly stepsSinceMaximum: number;
}

/** Prior, noise and the maximum of the evidence so far: plain values, saved with the optimizer. */
export interface EvidenceState {
  /** α⁰ of each part of the variables; empty before the first step. */
  readonly firstAlphas: readonly number[];
  /** α, in units of α⁰. */
  readonly alpha: number;
  /** β; 0 before the first step. */
  readonly beta: number;
  /** Fingerprint of the data, see `BatchSign`; null before the first step. */
  readonly fingerprint: number | null;
  /** The numbers at the maximum; `logEvidence` is null before the first step. */
  readonly maximum: {
    readonly gamma: number;
    readonly alpha: number;
    readonly beta: number;
    readonly logEvidence: number | null;
  };
  /** Steps since the maximum. */
  readonly since: number;
}

/** The state before the first step. */
export const NO_EVIDENCE: EvidenceState = {firstAlphas: [], alpha: 1, beta: 0, fingerprint: null,
  maximum: {gamma: 0, alpha: 1, beta: 1, logEvidence: null}, since: 0};

/**
 * Largest α and β, which keep all products of them in the range of float64. Noise of less than
 * 2⁻⁵⁰ is rounding.
 */
const MOST = 2 ** 100;

const STRENGTH = aboveZero(MOST);

/** Ranges of the state. */
export const EVIDENCE_RANGES: RangesOf<EvidenceState> = {
  firstAlphas: {each: POSITIVE}, alpha: STRENGTH, beta: {valid: x => x >= 0 && x <= MOST, range: `from 0 to ${MOST}`},
  fingerprint: {orNull: FINITE},
  maximum: {gamma: NOT_NEGATIVE, alpha: STRENGTH, beta: STRENGTH, logEvidence: {orNull: FINITE}},
  since: whole(0),
};

/** Steps without a new maximum after which training goes back to the maximum, and ends. */
export const EVIDENCE_PATIENCE = 10;

/** Whether training has gone back to the maximum. */
export const isAtEnd = ({since, maximum}: EvidenceState): boolean =>
  maximum.logEvidence !== null && since >= EVIDENCE_PATIENCE;

/** The numbers of a step that its evidence is made of. All sums have the units of the targets. */
export interface EvidenceFacts {
  /** n, rows whose weight is not 0. */
  readonly rows: number;
  /** E = Σ s_i²r_i²/s̄², s̄² the mean of s_i². */
  readonly squares: number;
  /** Σ ln(s_i²/s̄²), 0 if all rows have one weight. */
  readonly logWeights: number;
  /** W = Σ_g α⁰_g |w_g|². */
  readonly weights: number;
  /** t = trace(M⁻¹) by λ = α/β; null if no λ gives it. */
  readonly directionsOfPrior: (lambda: number) => OfPrior | null;
  /** ln det M by λ. */
  readonly logDeterminant: (lambda: number) => OfPrior | null;
}

/** A rise of ln p by less is no new maximum: the evidence is then the same to one per cent. */
const RISE = 0.01;

/** Parameters that the hyperprior of α counts as, twice: it keeps α finite if |w| goes to 0. */
const HYPERPRIOR = 4;

/** The first β, from the residuals alone: no parameter counts as determined (γ = 0). */
export const firstBeta = (rows: number, squares: number): number => bounded(rows / squares);

const bounded = (x: number): number => Math.min(MOST, Math.max(1 / MOST, x));

/**
 * MacKay's α and β, and the logarithm of their evidence by Laplace's approximation,
 *
 *     t = trace(M⁻¹) with the last α and β,   γ = n - t
 *     α ← (γ + 4)/(W + 4),   β ← t/E
 *     ln p = ½ [n ln(β/2π) + Σ ln(s_i²/s̄²) - βE - αW - ln det M]
 *
 * One iteration of this fixed point is taken in each step. If the rounding of the curvature does
 * not resolve α/β, then β is lowered: noise below that rounding is not told from none.
 *
 * Source: MacKay 1992, Neural Computation 4(3), 415-447 and 448-472; Foresee & Hagan 1997. The 4 is
 * a hyperprior of ours.
 *
 * @returns the evidence of the step, null if it is not known, and the state after it. At the end of
 * the search both are those of the maximum.
 */
export function nextEvidence(state: EvidenceState, facts: EvidenceFacts):
    {readonly evidence: Evidence | null; readonly next: EvidenceState} {
  const later = {...state, since: state.since + 1};
  if (isAtEnd(state)) {
    return atEnd(later);
  }
  const {rows, squares, logWeights, weights} = facts;
  const left = facts.directionsOfPrior(state.alpha / state.beta);
  if (left === null) {
    return {evidence: null, next: later};
  }
  const gamma = Math.max(0, rows - left.value);
  const alpha = bounded((gamma + HYPERPRIOR) / (weights + HYPERPRIOR));
  const wanted = bounded(left.value / squares);
  const determinant = facts.logDeterminant(alpha / wanted);
  if (determinant === null) {
    return {evidence: null, next: later};
  }
  const beta = Math.min(wanted, bounded(alpha / determinant.lambda));
  const logEvidence = (rows * Math.log(beta / (2 * Math.PI)) + logWeights - beta * squares - alpha * weights -
      determinant.value) / 2;
  const here = {gamma, alpha, beta, logEvidence};
  const isHigher = state.maximum.logEvidence === null || logEvidence > state.maximum.logEvidence + RISE;
  const next = isHigher ? {...later, alpha, beta, maximum: here, since: 0} : {...later, alpha, beta};
  return isAtEnd(next) ? atEnd(next) : {evidence: reported(here, next.since), next};
}

/** The report of the maximum of the evidence, after training has gone back to its weights. */
const atEnd = (state: EvidenceState): {evidence: Evidence; next: EvidenceState} =>
  ({evidence: reported({...state.maximum, logEvidence: state.maximum.logEvidence!}, state.since), next: state});

const reported = (numbers: Pick<Evidence, 'gamma' | 'alpha' | 'beta' | 'logEvidence'>,
    stepsSinceMaximum: number): Evidence =>
  Object.freeze({...numbers, noise: 1 / Math.sqrt(numbers.beta), stepsSinceMaximum});
