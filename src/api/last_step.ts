import type {UndampedDecrease} from '../solve/resolved_decrease';
import {SYSTEM_FACTS} from '../solve/system';
import type {StepReport} from '../step/step_report';

/** Largest matrix of the last step, in bytes, that is held after `fit`. */
const HELD_AFTER_FIT = 2 ** 22;

/** The decrease without a matrix to compute it from. */
const UNKNOWN: UndampedDecrease = {known: NaN, hidden: 0, hideable: 0, lost: 0};

/**
 * The report of the last step, and the numbers that its matrix gives until the next step begins.
 */
export class LastStep {
  /** null before the first step. */
  report: StepReport | null = null;
  private dimension: (() => number) | null = null;
  private decrease: (() => UndampedDecrease) | null = null;

  /** Lets go of the matrix: before the next step, and when the optimizer is disposed of. */
  release(): void {
    this.dimension = null;
    this.decrease = null;
  }

  note(report: StepReport, dimension: () => number, decrease: () => UndampedDecrease): void {
    this.report = report;
    this.dimension = dimension;
    this.decrease = decrease;
  }

  /** See `LocalModel.effectiveDimension`; null if it is not known. */
  effectiveDimension(): number | null {
    const dimension = this.dimension === null ? NaN : this.dimension();
    return Number.isNaN(dimension) ? null : dimension;
  }

  /** The decrease that a step without damping promises, as shares of the loss. */
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
   * Lets go of a large matrix at the end of `fit`, since its numbers may never be asked for.
   * The remaining decrease is computed before, by one factorization, since a loop around `fit` asks
   * for it. The effective dimension is not, since it would take longer than the step.
   */
  releaseLarge(): void {
    if (this.report === null || this.decrease === null || matrixBytes(this.report) <= HELD_AFTER_FIT) {
      return;
    }
    let decrease = UNKNOWN;
    try {
      decrease = this.decrease();
    } catch {
      // Kernels may fail by now. The decrease is then not known, and fit ends as without this call.
    }
    this.dimension = null;
    this.decrease = () => decrease;
  }
}

/**
 * Bytes of the matrix of a step, in float64. Conjugate gradients have only the matrix of a sample,
 * which gives none of these numbers, so it always counts as large.
 */
function matrixBytes(report: StepReport): number {
  const side = SYSTEM_FACTS[report.solver].matrix;
  return side === null ? Infinity : 8 * report[side] ** 2;
}
