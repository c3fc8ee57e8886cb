import {dispose, tidy} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {counted, follow, isFarAbove, isLower, isSettled, NO_TREND} from '../policy/loss_trend';
import type {LossTrend} from '../policy/loss_trend';
import {handleOn} from '../tfjs/handle';
import {replayAll} from '../trace/replay';
import type {Trace} from '../trace/trace';
import {substitutesFor} from './decrease';

/** The weights at the lowest trend of the loss, and that trend. */
export interface GoodWeights {
  readonly variables: readonly Variable[];
  /**
   * Handles on the data of the weights. They cost memory from the next step on, which writes
   * others.
   */
  readonly weights: readonly Tensor[];
  readonly trend: LossTrend;
}

/** Batches in a row that lead back. Weights that one batch has thrown away often recover. */
const STRIKES = 3;

/** Batches that the kept weights fit badly, after which the data count as others. */
const UNUSUAL = 5;

/**
 * The way back from a divergence on mini-batches. Steps on mini-batches are not judged. Each new
 * batch shows the loss on data that the last step has not seen, at no cost. The weights are kept
 * whenever the mean L̄ of these losses is at its lowest, L̄*. Training goes back to them if
 *
 *     L̄ and L(w) are far above L̄* (`isFarAbove`), and L(w*) is not, on three batches in a row,
 *     or L(w) is not finite, and L(w*) is finite.
 *
 * So batches of unusual data do not lead back. If the losses at the kept weights are far above L̄*,
 * too, on five batches, then the data have changed, and a new trend begins.
 *
 * The kept weights are not saved: a loaded training begins a new trend.
 */
export class Retreat {
  private trend = NO_TREND;
  /** Batches in a row that only the present weights fit badly. */
  private strikes = 0;
  /** Batches since the last lower trend that the kept weights fit badly, too. */
  private unusual = 0;
  private best: GoodWeights | null = null;
  /** The weights of the present step, if the trend is at its lowest; kept for good by `settle`. */
  private candidate: GoodWeights | null = null;
  /** The counts before the present step, which come back if the step ends in an error. */
  private before: {readonly trend: LossTrend; readonly strikes: number; readonly unusual: number} | null = null;
  private variables: readonly Variable[] = [];
  /** Identities of the data of the weights that the optimizer wrote last, by variable. */
  private written: readonly object[] = [];

  /**
   * Takes the loss L(w) of a new batch, at the weights that the last step wrote.
   *
   * @returns the weights to go back to; null if training goes on.
   */
  judge(trace: Trace, loss: number): GoodWeights | null {
    const {best, variables, written} = this;
    const used = new Set(trace.variables.values());
    if (variables.length === 0 || variables.some((v, i) => !used.has(v) || v.isDisposed || v.dataId !== written[i])) {
      this.end();
      return null;
    }
    this.before = {trend: this.trend, strikes: this.strikes, unusual: this.unusual};
    const isFinite = Number.isFinite(loss);
    const trend = isFinite ? follow(this.trend, best === null ? loss : counted(loss, best.trend)) : this.trend;
    this.trend = trend;
    if (best !== null && (!isFinite || isFarAbove(trend.mean, best.trend))) {
      return this.isOfWeights(lossAt(trace, best), loss, best.trend) ? best : null;
    }
    this.strikes = 0;
    if (isSettled(trend) && (best === null || isLower(trend, best.trend))) {
      this.keepWeights(trend);
    }
    return null;
  }

  /** Whether training goes back, by the losses of the new batch at the kept and present weights. */
  private isOfWeights(kept: number, loss: number, best: LossTrend): boolean {
    if (!Number.isFinite(loss)) {
      return Number.isFinite(kept);
    }
    if (isFarAbove(kept, best)) {
      this.strikes = 0;
      if (++this.unusual >= UNUSUAL) {
        const {variables} = this;
        this.end();
        this.wrote(variables);
      }
      return false;
    }
    this.strikes = isFarAbove(loss, best) ? this.strikes + 1 : 0;
    return this.strikes >= STRIKES;
  }

  /** Whether the weights have just been kept: the trend is at its lowest. */
  get isAtBest(): boolean {
    return this.candidate !== null;
  }

  /** Keeps the weights of a step that has ended without an error, if the trend is at its lowest. */
  settle(): void {
    if (this.candidate !== null) {
      this.letGo();
      this.best = this.candidate;
      this.unusual = 0;
    }
    this.candidate = null;
    this.before = null;
  }

  /** Forgets the loss of a step that has ended in an error. It runs no kernel. */
  takeBack(): void {
    Object.assign(this, this.before);
    this.before = null;
    dispose([...this.candidate?.weights ?? []]);
    this.candidate = null;
  }

  /** Notes that the step wrote these variables. */
  wrote(variables: readonly Variable[]): void {
    if (variables.length !== this.variables.length || variables.some((v, i) => v !== this.variables[i])) {
      this.end();
    }
    this.variables = variables;
    this.written = variables.map(v => v.dataId);
  }

  /** Notes that training has gone back. */
  wentBack(): void {
    const {variables, trend} = this.best!;
    this.trend = {...trend};
    this.strikes = 0;
    this.wrote(variables);
  }

  /** Forgets everything: the next losses are of other data, or of weights of the user. */
  end(): void {
    this.letGo();
    dispose([...this.candidate?.weights ?? []]);
    this.candidate = null;
    this.before = null;
    this.trend = NO_TREND;
    this.strikes = 0;
    this.unusual = 0;
    this.variables = [];
    this.written = [];
  }

  private keepWeights(trend: LossTrend): void {
    const weights: Tensor[] = [];
    try {
      this.variables.forEach(variable => weights.push(handleOn(variable)));
    } catch (error) {
      dispose(weights);
      throw error;
    }
    this.candidate = {variables: this.variables, weights, trend};
  }

  private letGo(): void {
    dispose([...this.best?.weights ?? []]);
    this.best = null;
  }
}

/** The loss of the batch at other weights, by the recorded kernels of f(). */
function lossAt(trace: Trace, {variables, weights}: GoodWeights): number {
  return tidy(() => replayAll(trace, substitutesFor(trace, variables, weights), [trace.result])[0].dataSync()[0]);
}
