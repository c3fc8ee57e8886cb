import type {UndampedDecrease} from '../solve/resolved_decrease';
import type {StepReport} from '../step/step_report';

/** Bytes of the matrix of the last step that are held on to after `fit`. */
const HELD_AFTER_FIT = 2 ** 22;

/** Where nothing is known. */
const UNKNOWN: UndampedDecrease = {known: NaN, hidden: 0, hideable: 0, lost: 0};

/** What is known of the last step, and can be asked of its matrix until the next one begins. */
export class LastStep {
  /** null before the first. */
  report: StepReport | null = null;
  private dimension: (() => number) | null = null;
  private decrease: (() => UndampedDecrease) | null = null;

  /** The matrix goes before the next step is taken, and where the optimizer is disposed of. */
  release(): void {
    this.dimension = null;
    this.decrease = null;
  }

  note(report: StepReport, dimension: () => number, decrease: () => UndampedDecrease): void {
    this.report = report;
    this.dimension = dimension;
    this.decrease = decrease;
  }

  /** See `LocalModel.effectiveDimension`; null where it is not known. */
  effectiveDimension(): number | null {
    const dimension = this.dimension === null ? NaN : this.dimension();
    return Number.isNaN(dimension) ? null : dimension;
  }

  /** What is left to gain, as shares of the loss. */
  remaining(): UndampedDecrease {
    if (this.decrease === null || this.report === null) {
      return UNKNOWN;
    }
    const loss = Math.abs(this.report.loss);  // a log-likelihood may be negative
    if (loss === 0) {
      return {known: 0, hidden: 0, hideable: 0, lost: 0};
    }
    const {known, hidden, hideable, lost} = this.decrease();
    return {known: known / loss, hidden: hidden / loss, hideable: hideable / loss, lost};
  }

  /**
   * At the end of `fit` a large matrix is let go of, which nobody may ask for any more. What is left to gain is a factorization away, and is taken before: a loop around
   * `fit` asks for it. The effective dimension would take longer than the step.
   */
  releaseLarge(): void {
    if (this.report === null || this.decrease === null || matrixBytes(this.report) <= HELD_AFTER_FIT) {
      return;
    }
    let decrease = UNKNOWN;
    try {
      decrease = this.decrease();
    } catch {
      // Kernels may fail by now. It is not known then, and fit has ended as it has.
    }
    this.dimension = null;
    this.decrease = () => decrease;
  }
}

/** Of the matrix of a step, in float64; conjugate gradients have one of a sample, which nothing can be asked of. */
const matrixBytes = ({solver, rows, parameters}: StepReport): number =>
  solver === 'cg' ? Infinity : 8 * (solver === 'gram' ? rows : parameters) ** 2;
