/** The digits: read, each turned by an angle of its own, and split. */
import * as tf from '@tensorflow/tfjs';
import {drawDigits, SIDE as GIVEN} from '../shared/digits';
import type {Digit} from '../shared/digits';
import type {Examples} from '../shared/fit';
import {seededRandom} from '../shared/random';

/** Pixels along a side of the turned images, and of a digit in these, so that no corner is cut off. */
export const SIZE = 16;
const DIGIT = 12;

/** Digits are turned by up to so many degrees, evenly, either way. */
export const MAX_ANGLE = 60;

/** Standard deviation of such angles: the target is the angle divided by it. */
export const ANGLE_DEVIATION = MAX_ANGLE / Math.sqrt(3);

/** Images [n, 16, 16, 1] with values 0 to 1, and standardised angles [n, 1]. */
export interface Data {
  training: Examples;
  /** A fifth of the digits, which have no part in training. */
  heldOut: Examples;
}

/** The same seed draws the same digits to hold out and the same angles. */
export function loadData(seed: number): Data {
  const random = seededRandom(seed);
  const {heldOut, training} = drawDigits(random);
  const part = (digits: Digit[]): Examples => {
    const images = digits.map(({image}) => image);
    const angles = images.map(() => (2 * random() - 1) * MAX_ANGLE);
    const pixels = new Float32Array(images.length * SIZE * SIZE);
    images.forEach((image, i) => pixels.set(rotate(image, angles[i]), i * SIZE * SIZE));
    return {x: tf.tensor4d(pixels, [images.length, SIZE, SIZE, 1]), y: tf.tensor2d(angles.map(angle => [angle / ANGLE_DEVIATION]))};
  };
  return {heldOut: part(heldOut), training: part(training)};
}

/** The image turned about its middle, counterclockwise for angles above 0 (in degrees), and enlarged; bilinear between pixels. */
export function rotate(image: readonly number[], angle: number): Float32Array {
  const pixel = (row: number, column: number): number =>
    row < 0 || column < 0 || row >= GIVEN || column >= GIVEN ? 0 : image[row * GIVEN + column];
  const [cos, sin] = [Math.cos(angle * Math.PI / 180), Math.sin(angle * Math.PI / 180)];
  const scale = GIVEN / DIGIT;
  const turned = new Float32Array(SIZE * SIZE);
  for (let i = 0; i < SIZE; i++) {
    for (let j = 0; j < SIZE; j++) {
      const [down, right] = [(i - (SIZE - 1) / 2) * scale, (j - (SIZE - 1) / 2) * scale];
      const row = cos * down + sin * right + (GIVEN - 1) / 2;
      const column = cos * right - sin * down + (GIVEN - 1) / 2;
      const [r, c] = [Math.floor(row), Math.floor(column)];
      const [below, beside] = [row - r, column - c];
      turned[i * SIZE + j] = (1 - below) * ((1 - beside) * pixel(r, c) + beside * pixel(r, c + 1)) +
        below * ((1 - beside) * pixel(r + 1, c) + beside * pixel(r + 1, c + 1));
    }
  }
  return turned;
}
