/** Fashion-MNIST with its labels and its test set, as Debian's package `dataset-fashion-mnist` installs it. */
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {FASHION_MNIST} from '../../../docs/examples/paper/images/fashion_mnist';

export interface Images {
  readonly count: number;
  /** [count, 28, 28, 1], grey values from 0 to 1. */
  readonly pixels: Float32Array;
  /** [count], from 0 to 9. */
  readonly labels: Uint8Array;
}

const SIZE = 28;

/** The first `count` images of a part, all of them by default. */
export function readImages(part: 'train' | 't10k', count?: number): Images {
  const labels = idx(`${part}-labels-idx1-ubyte.gz`, 8);
  const images = idx(`${part}-images-idx3-ubyte.gz`, 16);
  const taken = Math.min(count ?? labels.length, labels.length);
  return {count: taken, labels: labels.subarray(0, taken), pixels: Float32Array.from(images.subarray(0, taken * SIZE ** 2), byte => byte / 255)};
}

function idx(name: string, header: number): Uint8Array {
  const path = join(FASHION_MNIST, name);
  if (!existsSync(path)) {
    throw new Error(`There is no ${path}: apt-get install dataset-fashion-mnist.`);
  }
  return gunzipSync(readFileSync(path)).subarray(header);
}
