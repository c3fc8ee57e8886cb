/** The handwritten digits shipped beside this file: where Fashion-MNIST can't be had. */
import {readFileSync} from 'node:fs';
import {gunzipSync} from 'node:zlib';

const SIZE = 8;

/** Grey values from 0 to 16. */
const WHITE = 16;

/** Up to `count` images of 8 x 8 pixels, grey values from 0 to 1. */
export function readDigits(count: number): {size: number; pixels: Float32Array} {
  const lines = gunzipSync(readFileSync(new URL('digits.csv.gz', import.meta.url))).toString().trim().split('\n').slice(0, count);
  return {size: SIZE, pixels: Float32Array.from(lines.flatMap(line => line.split(',').slice(0, SIZE ** 2).map(value => Number(value) / WHITE)))};
}
