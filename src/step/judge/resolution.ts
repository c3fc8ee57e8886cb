import {FLOAT32_ROUNDOFF} from '../../solve/damping';
import {DIFFERENCES, KEEPS_RELATIVE_ERROR} from '../../trace/kernel_sets';
import type {Trace} from '../../trace/trace';
import {rowTensor, type RowBlock} from '../../loss/functions/row_block';
import {modelRounding} from './model_rounding';
import type {Rows} from '../../loss/rows';

/** Share of the loss below which a decrease is lost in rounding: four units of float32. */
export const RESOLUTION = 4 * FLOAT32_ROUNDOFF;

/** The effect of the rounding of float32 residuals on the loss. */
export interface Resolution {
  /** Two losses that differ by at most this are equal, as far as float32 can tell. */
  readonly ofLoss: number;
  /**
   * The loss of the rounding errors themselves. A step that promises less moves the residuals by
   * less than their rounding.
   */
  readonly ofResiduals: number;
  /** The same, if residuals that are exactly 0 have the rounding of their terms, too. */
  readonly ofTerms: number;
}

/**
 * The resolution of a loss, by independent rounding errors u_i of the residuals r_i:
 *
 *     ofResiduals = Σ w_i u_i²          ofLoss = sqrt(Σ (2 w_i r_i u_i)²) + ofResiduals
 *
 * A residual that is a difference a - b has the rounding of its terms, u_i = 2⁻²⁴ (|a_i| + |b_i|),
 * times its later factors. Any other residual has u_i = 2⁻²⁴ |r_i|. Near the minimum of a good fit
 * r is a small rest of large terms, and the loss is known to far less than seven digits. (The
 * subtraction itself is exact there.)
 *
 * Terms of the loss that are no squares do not count.
 *
 * @param measured the changes of the residuals by the rounding of the whole model, see
 * `modelRounding`. They count if they are larger.
 */
export function resolution(trace: Trace, rows: Rows, measured: readonly Float64Array[] | null = null): Resolution {
  let linear = 0;
  let [quadratic, ofTerms] = [0, 0];
  for (const [b, {block, weight}] of rows.head.squares.entries()) {
    const residual = rowTensor(trace, block, value => trace.values[value]).dataSync();
    const {cancellation, termsOf} = cancellationOf(trace, rows, block, residual);
    const weights = typeof weight === 'number' ? null : weight.dataSync();
    for (let i = 0; i < residual.length; i++) {
      const w = weights === null ? weight as number : weights[i];
      if (w === 0) {
        continue;  // an entry that a mask leaves out may be NaN
      }
      const rounding = Math.max(FLOAT32_ROUNDOFF * Math.abs(residual[i]) * cancellation(i), measured?.[b][i] ?? 0);
      linear += (2 * w * residual[i] * rounding) ** 2;
      quadratic += w * rounding ** 2;
      ofTerms += w * Math.max(rounding, FLOAT32_ROUNDOFF * termsOf(i)) ** 2;
    }
  }
  return {ofLoss: Math.sqrt(linear) + quadratic, ofResiduals: quadratic, ofTerms};
}

/**
 * Multiple of the resolution by the residuals alone. For a larger decrease, the rounding of the
 * model does not matter either.
 */
const MODEL_MATTERS = 2 ** 12;

/** The resolution of a loss, as closely as the judgement of a decrease needs it. */
export class KnownResolution {
  private rough: Resolution | null = null;
  private fine: Resolution | null = null;
  private fit: Resolution | null = null;

  /**
   * @param measures whether the rounding of the model is measured if it may matter, at the cost of
   * a forward pass. It is measured in any case if the loss is near that of the rounding: the fit is
   * exact, and only the rounding tells so.
   * @param loss the loss of the rows.
   */
  constructor(private readonly trace: Trace, private readonly rows: Rows, private readonly measures: boolean,
      private readonly loss: number) {}

  /** The resolution for the judgement of a decrease of the loss. */
  for(decrease: number): Resolution {
    const {trace, rows, measures} = this;
    const rough = this.rough ??= resolution(trace, rows);
    return !this.isExact && (!measures || decrease > MODEL_MATTERS * rough.ofLoss) ? rough :
      this.fine ??= resolution(trace, rows, modelRounding(trace, rows));
  }

  /**
   * The loss that weights in float32 leave, for the judgement of a decrease of the loss. If the fit
   * is nearly exact, then the rounding of the weights counts, too: A X = B, say, ends at residuals
   * of A times that rounding.
   */
  ofFit(decrease: number): number {
    const {trace, rows} = this;
    const {ofResiduals} = this.for(decrease);
    return !this.isExact ? ofResiduals :
      (this.fit ??= resolution(trace, rows, modelRounding(trace, rows, true))).ofResiduals;
  }

  /** Whether the loss is near that of the rounding of the residuals. */
  private get isExact(): boolean {
    this.rough ??= resolution(this.trace, this.rows);
    return this.loss <= MODEL_MATTERS * this.rough.ofTerms;
  }
}

/** The cancellation of the entries of a block. */
interface Cancellation {
  /** (|a_i| + |b_i|) / |a_i - b_i|; 1 if the entry is 0. */
  readonly cancellation: (i: number) => number;
  /** |a_i| + |b_i|, times the mean later factor of the block, |r| / |a - b|. */
  readonly termsOf: (i: number) => number;
}

/** Of residuals that are no difference, or of one whose terms broadcast and are no scalars. */
const NO_DIFFERENCE: Cancellation = {cancellation: () => 1, termsOf: () => 0};

/** The cancellation of residuals r that are differences a - b, times later factors. */
function cancellationOf(trace: Trace, {dependence: {dependent}}: Rows, {value, difference}: RowBlock,
    residual: ArrayLike<number>): Cancellation {
  const {size} = trace.values[value];
  let node = difference ?? trace.producer[value];
  while (node >= 0 && KEEPS_RELATIVE_ERROR.has(trace.nodes[node].kernel)) {
    const source = trace.nodes[node].inputs.find(([, input]) => dependent[input] && trace.values[input].size === size);
    node = source === undefined ? -1 : trace.producer[source[1]];
  }
  if (node < 0 || !(node === difference || DIFFERENCES.has(trace.nodes[node].kernel))) {
    return NO_DIFFERENCE;
  }
  const terms = trace.nodes[node].inputs.map(([, input]) => trace.values[input]);
  if (!terms.every(t => t.size === size || t.size === 1)) {
    return NO_DIFFERENCE;
  }
  const [a, b] = terms.map(t => t.dataSync());
  const pair = (i: number): readonly [number, number] => [a[a.length === 1 ? 0 : i], b[b.length === 1 ? 0 : i]];
  const sizeOf = ([x, y]: readonly [number, number]): number => Math.abs(x) + Math.abs(y);
  let [after, before] = [0, 0];
  for (let i = 0; i < residual.length; i++) {
    const [x, y] = pair(i);
    after += Math.abs(residual[i]);
    before += Math.abs(x - y);
  }
  const factor = before === 0 ? 1 : after / before;
  return {
    cancellation: i => {
      const [x, y] = pair(i);
      return x === y ? 1 : sizeOf([x, y]) / Math.abs(x - y);
    },
    termsOf: i => factor * sizeOf(pair(i)),
  };
}
