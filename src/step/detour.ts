import {dispose, keep} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';

/** Steps after which a detour that has not led lower is given up: those that leave the kink, and as many times four to come down behind it. */
const PATIENCE = 50;

/** Share of the loss by which it must have fallen since a detour that led nowhere, for another to begin. */
const LOWER = 2 ** -10;

/** The best point that has been judged, which a detour leads away from. */
export interface Point {
  readonly variables: readonly Variable[];
  /** Handles on the data: a copy of the weights only from the step on that writes others. */
  readonly weights: readonly Tensor[];
  readonly loss: number;
}

/**
 * The way back from a detour. Where no step along the gradient leads out of a kink, of relu say, `'auto'` takes some steps that may raise the loss. The point where they began is kept until the
 * loss is lower than there. Where that does not come about (no attempt decreases the loss any more, or too many steps have been taken, or something is not finite) training goes back, and takes
 * no other detour before it has come lower by itself.
 *
 * Not saved: what is loaded goes on from where it is, judging every step.
 */
export class Detour {
  private point: Point | null = null;
  private steps = 0;
  /** Data of the weights as the optimizer wrote them last, by variable. */
  private written: readonly object[] = [];
  /** The loss that the last one did not lead below. */
  private least = Infinity;

  /** Whether one may begin: not where the last one began, nor near. */
  mayBegin(loss: number): boolean {
    return this.from(loss) === null && (this.least === Infinity || loss < this.least - LOWER * Math.abs(this.least));
  }

  /**
   * Where to go back to, for a step that begins with this loss; null where there is no such point, where the loss is lower by now, or where the weights are no more those that the optimizer
   * wrote.
   */
  from(loss: number): Point | null {
    const {point} = this;
    return point === null || loss < point.loss || point.variables.some((v, i) => v.isDisposed || v.dataId !== this.written[i]) ? null : point;
  }

  /** Whether so many steps have not led lower that no more are taken. */
  get isGivenUp(): boolean {
    return this.steps >= PATIENCE;
  }

  /** A detour begins where the weights are. */
  begin(variables: readonly Variable[], loss: number): void {
    const weights: Tensor[] = [];
    try {
      variables.forEach(variable => weights.push(keep(variable.clone())));
    } catch (error) {
      dispose(weights);
      throw error;
    }
    this.letGo();
    this.point = {variables, weights, loss};
    this.steps = 0;
    this.wrote();
  }

  /**
   * Brings the detour up to date after a step.
   *
   * @param step whether its batch is the full one, training has gone back, a detour was going on, and a detour begins.
   */
  after({isOnFullBatch, isBack, isGoing, begins}: {isOnFullBatch: boolean; isBack: boolean; isGoing: boolean; begins: boolean}): void {
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

  /** A step of a detour has been taken. */
  private goesOn(): void {
    this.steps++;
    this.wrote();
  }

  /** Training has gone back. */
  fails(): void {
    this.least = this.point!.loss;
    this.letGo();
  }

  /** Forgets everything: the data are others. */
  end(): void {
    this.least = Infinity;
    this.letGo();
  }

  /** Frees the point. */
  private letGo(): void {
    dispose([...this.point?.weights ?? []]);
    this.point = null;
  }

  private wrote(): void {
    this.written = this.point!.variables.map(v => v.dataId);
  }
}
