import {dispose, keep, tidy} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {follow, hasRisen, isLower, isSettled, NO_TREND} from '../policy/loss_trend';
import type {LossTrend} from '../policy/loss_trend';
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

/**
 * The way back from a divergence on mini-batches. Steps on mini-batches are not judged. Each new
 * batch shows the loss on data that the last step has not seen, at no cost. The weights are kept
 * whenever the mean L̄ of these losses is at its lowest, L̄*. Training goes back to them if
 *
 *     L̄ has risen far above L̄* (`hasRisen`), and L(w) - L(w*) > (L̄ - L̄*)/2 on the new batch,
 *     or L(w) is not finite, and L(w*) is finite.
 *
 * The kept weights are not saved: a loaded training begins a new trend.
 */
export class Retreat {
  private trend = NO_TREND;
  private best: GoodWeights | null = null;
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
    const isFinite = Number.isFinite(loss);
    const trend = isFinite ? follow(this.trend, loss) : this.trend;
    if (best !== null && (!isFinite || hasRisen(trend, best.trend))) {
      const kept = lossAt(trace, best);
      const isOfWeights = isFinite ? loss - kept > (trend.mean - best.trend.mean) / 2 : Number.isFinite(kept);
      // A batch of unusual data has a high loss at the kept weights, too. It does not count.
      return isOfWeights ? best : null;
    }
    this.trend = trend;
    if (isSettled(trend) && (best === null || isLower(trend, best.trend))) {
      this.keepWeights(trend);
    }
    return null;
  }

  /** Notes that the step wrote these variables. */
  wrote(variables: readonly Variable[]): void {
    this.variables = variables;
    this.written = variables.map(v => v.dataId);
  }

  /** Notes that training has gone back. */
  wentBack(): void {
    this.trend = this.best!.trend;
    this.wrote(this.best!.variables);
  }

  /** Forgets everything: the next losses are of other data, or of weights of the user. */
  end(): void {
    this.letGo();
    this.trend = NO_TREND;
    this.variables = [];
    this.written = [];
  }

  private keepWeights(trend: LossTrend): void {
    const weights: Tensor[] = [];
    try {
      this.variables.forEach(variable => weights.push(keep(variable.clone())));
    } catch (error) {
      dispose(weights);
      throw error;
    }
    this.letGo();
    this.best = {variables: this.variables, weights, trend};
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
