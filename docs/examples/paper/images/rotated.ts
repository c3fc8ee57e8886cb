/** Upright images made into a regression: each is turned by a random angle, and the angle is the target. */
import * as tf from '@tensorflow/tfjs';
import type {ImageSet} from './image_set';

/** Degrees, to either side. */
const LARGEST_ANGLE = 45;

/** Turns every image by an angle of its own, drawn evenly from -45 to 45 degrees. */
export function rotated(title: string, size: number, upright: Float32Array, seed: number): ImageSet {
  const count = upright.length / size ** 2;
  const targets = tf.tidy(() => tf.randomUniform([count], -LARGEST_ANGLE, LARGEST_ANGLE, 'float32', seed).dataSync<'float32'>());
  const pixels = new Float32Array(upright.length);
  for (let i = 0; i < count; i++) {
    const [from, to] = [i * size ** 2, (i + 1) * size ** 2];
    rotate(upright.subarray(from, to), size, targets[i], pixels.subarray(from, to));
  }
  return {title, unit: 'degrees', size, pixels, targets};
}

/** Turns one square image clockwise about its centre, with bilinear interpolation; black comes in from outside. */
export function rotate(image: Float32Array, size: number, degrees: number, result: Float32Array): void {
  const [sine, cosine] = [Math.sin(degrees * Math.PI / 180), Math.cos(degrees * Math.PI / 180)];
  const centre = (size - 1) / 2;
  const at = (row: number, column: number): number => row < 0 || row >= size || column < 0 || column >= size ? 0 : image[row * size + column];
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [y, x] = [row - centre, column - centre];
      const [sourceY, sourceX] = [centre + cosine * y - sine * x, centre + sine * y + cosine * x];
      const [top, left] = [Math.floor(sourceY), Math.floor(sourceX)];
      const [down, right] = [sourceY - top, sourceX - left];
      result[row * size + column] =
        (1 - down) * ((1 - right) * at(top, left) + right * at(top, left + 1)) +
        down * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1));
    }
  }
}
