import {dispose, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {handlesOn} from '../../tfjs/handle';

/**
 * Steps after which a detour that has not led lower is given up: the ten that leave the kink, and
 * four times as many to come down behind it.
 */
const PATIENCE = 50;

/**
 * Share of the loss by which the loss must have fallen since a detour that led nowhere, before
 * another begins.
 */
const LOWER = 2 ** -10;

/**
 * The beginning of a detour: the weights of the lowest loss that has been judged, and that loss.
 */
export interface Beginning {
  readonly variables: readonly Variable[];
  /**
   * Handles on the data of the weights. They cost memory from the next step on, which writes
   * others.
   */
  readonly weights: readonly Tensor[];
  readonly loss: number;
}

/**
 * The way back from a detour. If no step along the gradient leads out of a kink (of relu, for
 * instance), then `'auto'` takes some steps that may raise the loss. The point at which they began
 * is kept until the loss is lower than at that point. If the loss does not become lower (no attempt
 * decreases it any more, too many steps have been taken, or a number is not finite), then training
 * goes back to the point, and takes no other detour before it has come lower by itself.
 *
 * The detour is not saved: a loaded training goes on from its weights, and judges every step.
 */
export class Detour {
  private beginning: Beginning | null = null;
  private steps = 0;
  /** Identities of the data of the weights that the optimizer wrote last, by variable. */
  private written: readonly object[] = [];
  /** The loss at the beginning of the last detour that failed. */
  private least = Infinity;

  /** Whether a detour may begin: not at the loss of the last failed one, nor near it. */
  mayBegin(loss: number): boolean {
    return this.from(loss) === null &&
        (this.least === Infinity || loss < this.least - LOWER * Math.abs(this.least));
  }

  /**
   * The point to go back to, for a step that begins with this loss. It is null without a detour, if
   * the loss is lower by now, and if the weights are no longer those that the optimizer wrote.
   */
  from(loss: number): Beginning | null {
    const {beginning} = this;
    const isOther = (v: Variable, i: number): boolean => v.isDisposed || v.dataId !== this.written[i];
    return beginning === null || loss < beginning.loss || beginning.variables.some(isOther) ? null : beginning;
  }

  /** Whether the detour has taken so many steps without a lower loss that it takes no more. */
  get isGivenUp(): boolean {
    return this.steps >= PATIENCE;
  }

  /** Begins a detour at the present weights. */
  begin(variables: readonly Variable[], loss: number): void {
    const weights = handlesOn(variables);
    this.letGo();
    this.beginning = {variables, weights, loss};
    this.steps = 0;
    this.wrote();
  }

  /**
   * Brings the detour up to date after a step.
   *
   * @param step whether its batch is the full one, whether training has gone back, whether a detour
   * was going on, and whether a detour begins.
   */
  after({isOnFullBatch, isBack, isGoing, begins}:
      {isOnFullBatch: boolean; isBack: boolean; isGoing: boolean; begins: boolean}): void {
    if (!isOnFullBatch) {
      this.end();
    } else if (isBack) {
      this.fails();
    } else if (isGoing) {
      this.goesOn();
    } else if (!begins) {
      this.letGo();
    }
  }

  /** Counts a step of the detour. */
  private goesOn(): void {
    this.steps++;
    this.wrote();
  }

  /** Ends the detour after training has gone back. */
  fails(): void {
    this.least = this.beginning!.loss;
    this.letGo();
  }

  /** Forgets everything, since the batch is another one. */
  end(): void {
    this.least = Infinity;
    this.letGo();
  }

  /** Frees the beginning. */
  private letGo(): void {
    dispose([...this.beginning?.weights ?? []]);
    this.beginning = null;
  }

  private wrote(): void {
    this.written = this.beginning!.variables.map(v => v.dataId);
  }
}
