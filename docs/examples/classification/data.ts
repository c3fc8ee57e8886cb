/** The digits as images of 64 numbers and their classes, split. */
import * as tf from '@tensorflow/tfjs';
import {drawDigits, SIDE} from '../shared/digits';
import type {Digit} from '../shared/digits';
import type {Examples} from '../shared/fit';
import {seededRandom} from '../shared/random';

export const PIXELS = SIDE * SIDE;
export const CLASSES = 10;

/** Grey values [n, 64], 0 to 1, and classes [n, 10], one of them 1. */
export interface Data {
  training: Examples;
  /** A fifth of the digits, which have no part in training. */
  heldOut: Examples;
}

/** The same seed draws the same digits to hold out. */
export function loadData(seed: number): Data {
  const {heldOut, training} = drawDigits(seededRandom(seed));
  const part = (digits: Digit[]): Examples => ({
    x: tf.tensor2d(digits.map(({image}) => image)),
    y: tf.tidy(() => tf.oneHot(tf.tensor1d(digits.map(({digit}) => digit), 'int32'), CLASSES).toFloat()),
  });
  return {heldOut: part(heldOut), training: part(training)};
}
