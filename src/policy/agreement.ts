import {between, NOT_NEGATIVE, whole} from './ranges';
import {SETTINGS, type Observation, type Policy} from './policy';
import {LEAST_CURVATURE} from '../solve/damping';

/** State of the policy: plain numbers, saved with the optimizer. */
export interface AgreementState {
  /** η. */
  readonly learningRate: number;
  /** ā, the agreement, smoothed over about twenty steps. */
  readonly agreement: number;
  /** τ, without the headroom. */
  readonly damping: number;
  /** μ. */
  readonly momentum: number;
  /** Steps k so far on squares and likelihoods. */
  readonly steps: number;
  /** L̄, the loss of squares, smoothed over about ten steps; 0 for other losses. */
  readonly loss: number;
  /** L₁, the spread of the residuals in the first batch; 0 before it. */
  readonly spread: number;
  /** Factor h of the damping, see `Observation.headroom`; 1 for losses that have none. */
  readonly headroom: number;
  /** Factor r of the damping, 1 unless the quadratic model erred in the last steps. */
  readonly raised: number;
  /** Factor c of the damping, 1 until the training diverges; see {@link moreCautious}. */
  readonly caution: number;
}

/** Factor of c at a divergence, and the largest c. */
const [CAUTION, MOST_CAUTION] = [4, 4 ** 8];

/**
 * The state after a divergence: four times the damping from now on, and the first learning rate.
 */
export const moreCautious = (state: AgreementState): AgreementState =>
  ({...state, agreement: 0, learningRate: START, caution: Math.min(MOST_CAUTION, CAUTION * state.caution)});

/** The state after a lower trend of the loss: c falls a little, to 1 at least. */
export const lessCautious = (state: AgreementState): AgreementState =>
  state.caution === 1 ? state : {...state, caution: Math.max(1, RELIEF * state.caution)};

/** Factor of r at a rejected step, the least one at an accepted step, and the largest r. */
const [RAISE, FALL_OF_RAISE, MOST_RAISED] = [4, 1 / 3, 4 ** 16];

/**
 * First steps on squares that are guarded: their targets may be far from the outputs, and no good
 * weights are kept yet to go back to, see `Retreat`.
 */
const GUARDED = 20;

/** Factor of c at each lower trend. */
const RELIEF = 0.95;

/** Share of the newest agreement in ā. */
const SMOOTHING = 0.05;

/** Most growth of log η in a step, and the |ā| from which on η grows or falls by it. */
const [RATE, FAR] = [0.02, 0.05];

/**
 * Least η of losses that are neither squares nor likelihoods, the first η of all losses, and the
 * largest. A smaller η would pass on less noise of the targets, but training would stop, too.
 */
const [LEAST, START, MOST] = [0.1, 0.3, 1];

/**
 * First τ, its factor in each step, and the last τ. The first steps have large residuals and should
 * be short. Later steps also follow directions of less curvature.
 */
const [FIRST_DAMPING, FALL, LAST_DAMPING] = [1, 0.95, 0.03];

/**
 * Last τ of cross-entropies, and of likelihoods in a detour. Their quadratic model holds only for
 * changes of the outputs of about 1.
 */
const LAST_OF_OUTPUTS = 0.3;

/**
 * τ of other losses of outputs that are no residuals. The quadratic model of a likelihood holds
 * only for small changes of its outputs, and the size of such a loss does not tell noise from
 * signal.
 *
 * Measured on the chosen tasks of the bench, two splits, the test loss at the pick over that of a
 * tuned Adam at τ = 1, 10 and 30: Poisson's with a softplus output on batches of 32 1.08, 1.00 and
 * 1.03; a Gaussian's with a learnt variance, checks 11.9, 1.25 and 1.02, flights 2.03 (at τ = 3),
 * 2.37 and 0.93. A sine with noise of its own size is learnt more slowly: after 25 epochs its mean
 * loss is -1.26, -1.22 and -1.20.
 */
const OF_LIKELIHOODS = 30;

/**
 * The -ā above which the steps count as fits of noise, and the growth of -ā by which the damping
 * grows tenfold.
 */
const [NOISY, TENFOLD] = [0.06, 0.03];

/** Largest power of ten by which noise raises τ. */
const MOST_TENFOLD = 2;

/** κ at -ā = 0.12 and above, and the range over which it grows from 0. */
const [DECAY, DECAY_RANGE] = [0.01, 0.06];

/** Examples that the momentum averages over, in 1/(1 - μ) batches, and the bounds of 1 - μ. */
const [AVERAGED, QUICKEST, SLOWEST] = [1280, 0.1, 0.04];

/** Share of the newest loss in L̄. */
const NEWEST = 0.1;

/** Steps over which the momentum warms up. */
const WARM_UP = 5;

/**
 * Examples of a batch for a floor of 1, and the bounds of that floor; the share s left from which
 * on the floor falls, and the bounds of its factor.
 */
const [FLOOR_EXAMPLES, LOWEST_FLOOR, HIGHEST_FLOOR] = [256, 0.1, 0.5];
const [LEARNT, LEAST_FACTOR] = [0.05, 0.1];

const clip = (x: number, least: number, most: number): number => Math.min(most, Math.max(least, x));

/**
 * The policy of mini-batches: a learning rate that notices noise. Each new batch judges the last
 * step with data that the step has not seen. The judgement costs nothing, since the momentum takes
 * J d_prev anyway. If the agreement a is above 0, the step should have been longer; if a is below
 * 0, shorter.
 *
 *     ā ← 0.95 ā + 0.05 a
 *     η ← clip(η · exp(0.02 · clip(20 ā, -1, 1)), η₀, 1)
 *     τ ← max(0.03, 0.95 τ)                                      at first 1
 *     1 - μ = clip(examples / 1280, 0.04, 0.1)
 *
 * For squares the damping follows the share s of the loss that is left. A loss that is not learnt
 * is mostly noise, as far as the batch can tell, and less damping would fit it. The momentum warms
 * up over the first k steps, and the floor η₀ of the learning rate is higher for large batches:
 *
 *     L̄ ← 0.9 L̄ + 0.1 L,   s = L̄ / L₁        L₁ the spread of the residuals of the first batch
 *     damping max(τ, min(1, s)),   momentum min(μ, k / (k + 5)),   η from the second step on 1
 *     η₀ = clip(examples / 256, 0.1, 0.5) · clip(0.05 / s, 0.1, 1)
 *
 * Likelihoods of outputs that are no residuals, as Poisson's or a Gaussian's with a learnt
 * variance, have τ = 30, the floor of s = ∞, and the momentum and learning rate of squares.
 *
 * If -ā stays above 0.06, then the steps fit noise that new batches do not have. For squares and
 * likelihoods the damping grows with it, and the kernels decay:
 *
 *     damping ← 10^clip((-ā - 0.06) / 0.03, 0, 2) · damping
 *     κ = 0.01 · clip((-ā - 0.06) / 0.06, 0, 1)      if the option weightDecay is 'auto'
 *
 * For other losses the damping is τ, η₀ = 0.1 and κ = 0. The first η is 0.3.
 *
 * The steps of likelihoods are guarded, and so are the first 20 steps on squares: at exp(f) = 1 and
 * a count of 190 the Newton step of f is 189. A rejected attempt has no momentum, and the damping
 * of a batch is multiplied by r, with the trust of `trustIn`:
 *
 *     trust ≤ 0:   the attempt is rejected,   r ← 4 r
 *     else:        the step is taken,         r ← max(1, r · max(1/3, 1 - (2 trust - 1)³))
 *
 * Cross-entropies have τ ← max(0.3, 0.95 τ), a damping of h τ with the headroom h, and μ = 0.9. The
 * curvature of a cross-entropy goes to zero as it fits, and so would a λ from the trace. So their
 * damping is relative to the largest curvature that the loss can have.
 *
 * After a divergence τ is multiplied by c, which is then four times as large, and training goes on
 * from the last good weights with the first η, see `Retreat`.
 *
 * Source: the hypergradient of Baydin et al., ICLR 2018, taken in the space of the rows. All
 * constants are from `test/bench/convergence`.
 *
 * Measured: tanh and relu networks on chosen tables of the bench, batches of 32 and 128, two
 * splits. With damping and decay by ā the last validation loss is 0.16 on penguins (0.34 to 1.0
 * without), 0.32 on biomass (0.60), 0.97 on diabetes (1.3); the test loss at the pick over a tuned
 * Adam's is 0.57 and 0.07 on spirals and sinc, which are free of noise, and 0.97 on diabetes
 * (1.02). With λ from the trace alone, the steps of the classification example grew in the first
 * epochs until its neurons were saturated, at seven of nine settings tried. With the damping above,
 * its loss after 8 epochs is 0.005 (0.009 with momentum 0.96, 0.013 with 0.8; single runs, of this
 * example only).
 */
export const agreement: Policy<AgreementState> = {
  initial: {learningRate: START, agreement: 0, damping: FIRST_DAMPING, momentum: 1 - QUICKEST, headroom: 1,
    raised: 1, caution: 1, steps: 0, loss: 0, spread: 0},
  ranges: {...SETTINGS, agreement: between(-1, 1), damping: between(0, OF_LIKELIHOODS),
    headroom: between(1, 1 / LEAST_CURVATURE), raised: between(1, MOST_RAISED),
    caution: between(1, MOST_CAUTION), steps: whole(0), loss: NOT_NEGATIVE, spread: NOT_NEGATIVE},
  judges: false,
  rejects: false,
  attempts: 1,
  observe(state: AgreementState, observation: Observation): AgreementState {
    const {agreement: newest, examples, headroom: most = null, areResiduals = true, isNew = true} = observation;
    const momentum = 1 - (most === null ? clip(examples / AVERAGED, SLOWEST, QUICKEST) : QUICKEST);
    const headroom = most ?? 1;
    const squares = isNew && most === null && areResiduals ? observation.squares ?? null : null;
    const isLikelihood = isNew && most === null && !areResiduals;
    const isWatched = squares !== null || isLikelihood;
    const next = {...state, momentum, headroom, ...(isWatched ? afterStep(state, squares) : UNWATCHED),
      damping: isLikelihood ? OF_LIKELIHOODS : state.damping};
    if (newest === null) {
      return next;
    }
    const isFirst = isWatched && state.learningRate === START;
    const isOver = !isWatched && state.steps > 0;
    const before = isFirst ? MOST : isOver ? START : state.learningRate;
    const smoothed = (1 - SMOOTHING) * state.agreement + SMOOTHING * newest;
    const least = isWatched ? floorOf(isLikelihood ? Infinity : shareLeft(next), examples) : LEAST;
    return {
      ...next,
      agreement: smoothed,
      learningRate: clip(before * Math.exp(RATE * clip(smoothed / FAR, -1, 1)), least, MOST),
      damping: isLikelihood ? OF_LIKELIHOODS :
        Math.max(most === null && areResiduals ? LAST_DAMPING : LAST_OF_OUTPUTS, state.damping * FALL),
    };
  },
  guards: ({steps}, kind) => kind === 'likelihood' || (kind === 'squares' && steps <= GUARDED),
  trust: (state, trust) => ({...state, raised: trust > 0 ?
    clip(state.raised * Math.max(FALL_OF_RAISE, 1 - (2 * trust - 1) ** 3), 1, MOST_RAISED) :
    Math.min(MOST_RAISED, state.raised * RAISE)}),
  settings: state => ({
    learningRate: state.learningRate,
    damping: Math.max(state.damping, Math.min(1, shareLeft(state))) * state.headroom * state.caution *
      state.raised * noise(state),
    momentum: Math.min(state.momentum, warmedUp(state)),
  }),
  weightDecay: ({steps, agreement: smoothed}) =>
    steps === 0 ? 0 : DECAY * clip((-smoothed - NOISY) / DECAY_RANGE, 0, 1),
};

/** The factor of the damping of squares and likelihoods by ā. */
const noise = ({steps, agreement: smoothed}: AgreementState): number =>
  steps === 0 ? 1 : 10 ** clip((-smoothed - NOISY) / TENFOLD, 0, MOST_TENFOLD);

/**
 * The bound k / (k + 5) of the momentum after k earlier steps; `steps` counts the present step,
 * too. The bound is 1 on losses that are neither squares nor likelihoods.
 */
const warmedUp = ({steps}: AgreementState): number => steps === 0 ? 1 : (steps - 1) / (steps - 1 + WARM_UP);

type Watched = Pick<AgreementState, 'steps' | 'loss' | 'spread'>;

/**
 * The numbers of losses that are neither squares nor likelihoods. Such losses have no share s, and
 * their momentum does not warm up.
 */
const UNWATCHED: Watched = {steps: 0, loss: 0, spread: 0};

/**
 * The numbers after one more batch: k counts it, its loss enters L̄, and the first batch gives L₁.
 *
 * @param newest null for a likelihood, which has neither L̄ nor L₁.
 */
function afterStep({steps, loss, spread}: AgreementState,
    newest: {readonly loss: number; readonly spread: number} | null): Watched {
  if (newest === null) {
    return {steps: steps + 1, loss: 0, spread: 0};
  }
  const isFirst = spread === 0;
  return {
    steps: steps + 1,
    loss: isFirst ? newest.loss : (1 - NEWEST) * loss + NEWEST * newest.loss,
    spread: isFirst ? newest.spread : spread,
  };
}

/** s; 0 if there is no L₁. */
const shareLeft = ({loss, spread}: AgreementState): number => spread === 0 ? 0 : loss / spread;

/** η₀ on squares and likelihoods. */
const floorOf = (left: number, examples: number): number =>
  clip(examples / FLOOR_EXAMPLES, LOWEST_FLOOR, HIGHEST_FLOOR) * clip(LEARNT / left, LEAST_FACTOR, 1);
