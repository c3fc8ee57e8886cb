import {dispose, tidy, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {counted, follow, isFarAbove, isLower, isSettled, NO_TREND, type LossTrend} from '../../policy/loss_trend';
import {handlesOn} from '../../tfjs/handle';
import {replayAll} from '../../trace/replay';
import type {Trace} from '../../trace/trace';
import {substitutesFor} from '../judge/decrease';

/** The weights at the lowest trend of the loss, and that trend. */
interface KeptWeights {
  readonly variables: readonly Variable[];
  /**
   * Handles on the data of the weights. They cost memory from the next step on, which writes
   * others.
   */
  readonly weights: readonly Tensor[];
  readonly trend: LossTrend;
}

/**
 * Batches in a row that only the present weights fit badly, after which training goes back. Weights
 * often recover from a single such batch.
 */
const STRIKES = 3;

/** Batches that the kept weights fit badly, too, after which the data count as changed. */
const UNUSUAL = 5;

/** The facts of the steps so far. */
interface History {
  readonly trend: LossTrend;
  /** Batches in a row that only the present weights fit badly. */
  readonly strikes: number;
  /** Batches since the last lower trend that the kept weights fit badly, too. */
  readonly unusual: number;
  readonly kept: KeptWeights | null;
  readonly variables: readonly Variable[];
  /** Identities of the data of the weights that the optimizer wrote last, by variable. */
  readonly written: readonly object[];
}

const NOTHING: History = {trend: NO_TREND, strikes: 0, unusual: 0, kept: null, variables: [], written: []};

/**
 * The way back from a divergence on mini-batches. Steps on mini-batches are not judged. Each new
 * batch shows the loss on data that the last step has not seen, at no cost. The weights are kept
 * whenever the mean L̄ of these losses is at its lowest, L̄*. Training goes back to them if
 *
 *     L̄ and L(w) are far above L̄* (`isFarAbove`), and L(w*) is not, on three batches in a row,
 *     or L(w) is not finite, and L(w*) is finite.
 *
 * So training does not go back after batches of unusual data. If the losses at the kept weights are
 * far above L̄*, too, on five batches, then the data have changed, and a new trend begins.
 *
 * The kept weights are not saved: a loaded training begins a new trend.
 */
export class Retreat {
  private history = NOTHING;
  /** The history before the present step, which comes back if the step ends in an error. */
  private before: History | null = null;
  /** The weights of the present step, if the trend is at its lowest; kept for good by `settle`. */
  private candidate: KeptWeights | null = null;

  /** Notes that a step begins. Kept weights that it lets go are freed when it ends. */
  begin(): void {
    this.before = this.history;
  }

  /**
   * Takes the loss L(w) of a new batch, at the weights that the last step wrote.
   *
   * @returns the weights to go back to; null if training goes on.
   */
  judge(trace: Trace, loss: number): KeptWeights | null {
    const {kept, variables, written} = this.history;
    const used = new Set(trace.variables.values());
    if (variables.length === 0 || variables.some((v, i) => !used.has(v) || v.isDisposed || v.dataId !== written[i])) {
      this.end();
      return null;
    }
    const isFinite = Number.isFinite(loss);
    const {trend: last} = this.history;
    const trend = isFinite ? follow(last, kept === null ? loss : counted(loss, kept.trend)) : last;
    this.history = {...this.history, trend};
    if (kept !== null && (!isFinite || isFarAbove(trend.mean, kept.trend))) {
      return this.isOfWeights(lossAt(trace, kept), loss, kept.trend) ? kept : null;
    }
    this.history = {...this.history, strikes: 0};
    if (isSettled(trend) && (kept === null || isLower(trend, kept.trend))) {
      this.keepWeights(trend);
    }
    return null;
  }

  /** Whether training goes back, by the losses of the new batch at the kept and present weights. */
  private isOfWeights(lossThere: number, loss: number, lowest: LossTrend): boolean {
    if (!Number.isFinite(loss)) {
      return Number.isFinite(lossThere);
    }
    const {variables, unusual, strikes} = this.history;
    if (isFarAbove(lossThere, lowest)) {
      this.history = {...this.history, strikes: 0, unusual: unusual + 1};
      if (unusual + 1 >= UNUSUAL) {
        this.end();
        this.wrote(variables);
      }
      return false;
    }
    this.history = {...this.history, strikes: isFarAbove(loss, lowest) ? strikes + 1 : 0};
    return this.history.strikes >= STRIKES;
  }

  /** Whether the weights have just been kept: the trend is at its lowest. */
  get isAtBest(): boolean {
    return this.candidate !== null;
  }

  /** Keeps the weights of a step that has ended without an error, if the trend is at its lowest. */
  settle(): void {
    const {before, candidate} = this;
    [this.before, this.candidate] = [null, null];
    free(before?.kept ?? null, this.history);
    if (candidate !== null) {
      this.replace({...this.history, kept: candidate, unusual: 0});
    }
  }

  /** Forgets a step that has ended in an error. It runs no kernel. */
  takeBack(): void {
    const {before, candidate} = this;
    [this.before, this.candidate] = [null, null];
    free(candidate, this.history);
    this.replace(before ?? this.history);
  }

  /** Notes that the step wrote these variables. */
  wrote(variables: readonly Variable[]): void {
    const {variables: known} = this.history;
    if (variables.length !== known.length || variables.some((v, i) => v !== known[i])) {
      this.end();
    }
    this.history = {...this.history, variables, written: variables.map(v => v.dataId)};
  }

  /** Notes that training has gone back. */
  wentBack(): void {
    const {variables, trend} = this.history.kept!;
    this.history = {...this.history, trend, strikes: 0};
    this.wrote(variables);
  }

  /** Forgets everything: the next losses are of other data, or of weights of the user. */
  end(): void {
    free(this.candidate, this.history);
    this.candidate = null;
    this.replace(NOTHING);
  }

  /** Forgets everything for good, also for the step that is going on, and frees it. */
  dispose(): void {
    this.end();
    free(this.before?.kept ?? null, this.history);
    this.before = null;
  }

  /** Frees weights that are not in the new history, unless they belong to a step's beginning. */
  private replace(history: History): void {
    const {kept} = this.history;
    this.history = history;
    if (kept !== this.before?.kept) {
      free(kept, history);
    }
  }

  private keepWeights(trend: LossTrend): void {
    const {variables} = this.history;
    this.candidate = {variables, weights: handlesOn(variables), trend};
  }
}

/** Frees weights that a history does not hold. */
function free(kept: KeptWeights | null, history: History): void {
  if (kept !== null && kept !== history.kept) {
    dispose([...kept.weights]);
  }
}

/** The loss of the batch at other weights, by the recorded kernels of f(). */
export function lossAt(trace: Trace, {variables, weights}: Pick<KeptWeights, 'variables' | 'weights'>): number {
  return tidy(() => replayAll(trace, substitutesFor(trace, variables, weights), [trace.result])[0].dataSync()[0]);
}
