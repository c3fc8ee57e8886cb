import {between, NOT_NEGATIVE, whole} from './ranges';
import {SETTINGS} from './policy';
import type {Observation, Policy} from './policy';
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
  /** Steps k so far on squares. */
  readonly steps: number;
  /** L̄, the loss of squares, smoothed over about ten steps. */
  readonly loss: number;
  /** L₁, the spread of the residuals in the first batch; 0 before it. */
  readonly spread: number;
  /** Factor h of the damping, see `Observation.headroom`; 1 for losses that have none. */
  readonly headroom: number;
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

/** Factor of c at each lower trend. */
const RELIEF = 0.95;

/** Share of the newest agreement in ā. */
const SMOOTHING = 0.05;

/** Most growth of log η in a step, and the |ā| from which on η grows or falls by it. */
const [RATE, FAR] = [0.02, 0.05];

/**
 * Least η of losses that are no squares, the first η of all losses, and the largest. A smaller η
 * would pass on less noise of the targets, but training would stop, too.
 */
const [LEAST, START, MOST] = [0.1, 0.3, 1];

/**
 * First τ, its factor in each step, and the last τ. The first steps have large residuals and should
 * be short. Later steps also follow directions of less curvature.
 */
const [FIRST_DAMPING, FALL, LAST_DAMPING] = [1, 0.95, 0.03];

/**
 * Last τ of losses of outputs that are no residuals. Their quadratic model holds only for small
 * changes of the outputs: about 1 for the logits of a cross-entropy or the log of a variance.
 *
 * Measured: 3-24-24-1 or -2 on 480 generated rows, batches of 16 and 32, two seeds, the lowest mean
 * loss of an epoch at 0.3 and at 0.03: Poisson's 0.46 and 0.50, with a softplus output 0.43 and
 * 0.55, Laplace's with a learnt scale -0.56 and -0.47, a Gaussian's with a learnt variance -0.76
 * and -0.73. Losses of residuals without noise (Huber's, absolute error) end two to eight times
 * higher at 0.3.
 */
const LAST_OF_OTHERS = 0.3;

/** Examples that the momentum averages over, in 1/(1 - μ) batches, and the bounds of 1 - μ. */
const [AVERAGED, QUICKEST, SLOWEST] = [1280, 0.1, 0.04];

/** Share of the newest loss in L̄. */
const NEWEST = 0.1;

/** Steps over which the momentum warms up on squares. */
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
 * For other losses the damping is τ and η₀ = 0.1. The first η is 0.3.
 *
 * If the outputs are no residuals, then τ ← max(0.3, 0.95 τ). Cross-entropies have a damping of h τ
 * with the headroom h, and μ = 0.9. The curvature of a cross-entropy goes to zero as it fits, and
 * so would a λ from the trace. So their damping is relative to the largest curvature that the loss
 * can have.
 *
 * After a divergence τ is multiplied by c, which is then four times as large, and training goes on
 * from the last good weights with the first η, see `Retreat`.
 *
 * Source: the hypergradient of Baydin et al., ICLR 2018, taken in the space of the rows. All
 * constants are from `test/bench/convergence`.
 *
 * Measured: with λ from the trace alone, the steps of the classification example grew in the first
 * epochs until its units were saturated, at seven of nine settings tried. With the damping above,
 * its loss after 8 epochs is 0.005 (0.009 with momentum 0.96, 0.013 with 0.8; single runs, of this
 * example only).
 */
export const agreement: Policy<AgreementState> = {
  initial: {learningRate: START, agreement: 0, damping: FIRST_DAMPING, momentum: 1 - QUICKEST, headroom: 1,
    caution: 1, steps: 0, loss: 0, spread: 0},
  ranges: {...SETTINGS, agreement: between(-1, 1), damping: between(0, 1), headroom: between(1, 1 / LEAST_CURVATURE),
    caution: between(1, MOST_CAUTION), steps: whole(0), loss: NOT_NEGATIVE, spread: NOT_NEGATIVE},
  judges: false,
  rejects: false,
  attempts: 1,
  observe(state: AgreementState, observation: Observation): AgreementState {
    const {agreement: newest, examples, headroom: most = null, areResiduals = true} = observation;
    const momentum = 1 - (most === null ? clip(examples / AVERAGED, SLOWEST, QUICKEST) : QUICKEST);
    const headroom = most ?? 1;
    const squares = most === null && areResiduals ? observation.squares ?? null : null;
    const next = {...state, momentum, headroom, ...(squares === null ? NO_SQUARES : lossOf(state, squares))};
    if (newest === null) {
      return next;
    }
    const isFirst = squares !== null && state.learningRate === START;
    const isOver = squares === null && state.steps > 0;
    const before = isFirst ? MOST : isOver ? START : state.learningRate;
    const smoothed = (1 - SMOOTHING) * state.agreement + SMOOTHING * newest;
    const least = squares === null ? LEAST : floorOf(shareLeft(next), examples);
    return {
      ...next,
      agreement: smoothed,
      learningRate: clip(before * Math.exp(RATE * clip(smoothed / FAR, -1, 1)), least, MOST),
      damping: Math.max(most === null && areResiduals ? LAST_DAMPING : LAST_OF_OTHERS, state.damping * FALL),
    };
  },
  settings: state => ({
    learningRate: state.learningRate,
    damping: Math.max(state.damping, Math.min(1, shareLeft(state))) * state.headroom * state.caution,
    momentum: Math.min(state.momentum, warmedUp(state)),
  }),
};

/**
 * k / (k + 5) in the step after k steps on squares, which is counted already; 1 on other losses.
 */
const warmedUp = ({steps}: AgreementState): number => steps === 0 ? 1 : (steps - 1) / (steps - 1 + WARM_UP);

type OfSquares = Pick<AgreementState, 'steps' | 'loss' | 'spread'>;

/** The loss of others has no share, and the momentum no warm-up. */
const NO_SQUARES: OfSquares = {steps: 0, loss: 0, spread: 0};

/** L̄ and L₁ with the loss of one more batch. */
function lossOf({steps, loss, spread}: AgreementState, newest: {readonly loss: number; readonly spread: number}):
    OfSquares {
  const isFirst = spread === 0;
  return {
    steps: steps + 1,
    loss: isFirst ? newest.loss : (1 - NEWEST) * loss + NEWEST * newest.loss,
    spread: isFirst ? newest.spread : spread,
  };
}

/** s; 0 if there is no L₁. */
const shareLeft = ({loss, spread}: AgreementState): number => spread === 0 ? 0 : loss / spread;

/** η₀ on squares. */
const floorOf = (left: number, examples: number): number =>
  clip(examples / FLOOR_EXAMPLES, LOWEST_FLOOR, HIGHEST_FLOOR) * clip(LEARNT / left, LEAST_FACTOR, 1);
