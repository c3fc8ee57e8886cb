import {util} from '@tensorflow/tfjs-core';

/** The parts of a step that are timed. `StepReport.milliseconds` reports them. */
export type Part = 'capture' | 'linearize' | 'gram' | 'solve' | 'trial' | 'update';

/** Adds up the milliseconds that the parts of a step take. */
export class Clock {
  readonly milliseconds: Record<Part, number> = {capture: 0, linearize: 0, gram: 0, solve: 0, trial: 0, update: 0};

  /** Milliseconds of the parts timed inside the one that runs now: they count once. */
  private inner = 0;

  time<T>(part: Part, run: () => T): T {
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
