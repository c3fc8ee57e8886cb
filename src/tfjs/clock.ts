import {util} from '@tensorflow/tfjs-core';

/** The parts of a step whose time `StepReport.milliseconds` reports. */
type StepPart = 'capture' | 'linearize' | 'gram' | 'solve' | 'trial' | 'update';

/** Sums the milliseconds of the parts of a step. */
export class Clock {
  readonly milliseconds: Record<StepPart, number> = {capture: 0, linearize: 0, gram: 0, solve: 0, trial: 0, update: 0};

  /**
   * Milliseconds of the parts that ran inside of the present one, which does not count them again.
   */
  private inner = 0;

  /** Runs a part, which may contain others, and counts its time. */
  time<T>(part: StepPart, run: () => T): T {
    const outer = this.inner;
    this.inner = 0;
    const start = util.now();
    try {
      return run();
    } finally {
      const elapsed = util.now() - start;
      this.milliseconds[part] += elapsed - this.inner;
      this.inner = outer + elapsed;
    }
  }
}
