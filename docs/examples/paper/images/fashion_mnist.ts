/** The images of Fashion-MNIST, as Debian's package `dataset-fashion-mnist` installs them. */
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';

export const FASHION_MNIST = '/usr/share/datasets/fashion-mnist';

const IMAGES = 'train-images-idx3-ubyte.gz';

/** The format's mark: unsigned bytes, three dimensions. */
const IDX_IMAGES = 0x0803;

const HEADER = 16;

/** The first `count` images (they are in random order), grey values from 0 to 1. */
export function readFashionMnist(folder: string, count: number): {size: number; pixels: Float32Array} {
  if (!existsSync(join(folder, IMAGES))) {
    throw new Error(`There is no ${join(folder, IMAGES)}: apt-get install dataset-fashion-mnist, or name the folder; without it, try --data digits.`);
  }
  const bytes = gunzipSync(readFileSync(join(folder, IMAGES)));
  const [mark, images, rows, columns] = [0, 4, 8, 12].map(offset => bytes.readUInt32BE(offset));
  if (mark !== IDX_IMAGES || rows !== columns || bytes.length !== HEADER + images * rows * columns) {
    throw new Error(`${join(folder, IMAGES)} is no IDX file of square images.`);
  }
  if (count > images) {
    throw new Error(`${join(folder, IMAGES)} has ${images} images, ${count} were asked for.`);
  }
  return {size: rows, pixels: Float32Array.from(bytes.subarray(HEADER, HEADER + count * rows * columns), byte => byte / 255)};
}
