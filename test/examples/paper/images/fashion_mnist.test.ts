import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {gzipSync} from 'node:zlib';
import test from 'ava';
import {readFashionMnist} from '../../../../docs/examples/paper/images/fashion_mnist';

/** A file as Debian's package has it, of some 2 x 2 images. */
async function idx(t: {teardown(run: () => Promise<void>): void}, header: number[], pixels: number[]): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-idx-'));
  t.teardown(() => rm(folder, {recursive: true}));
  const bytes = Buffer.alloc(16 + pixels.length);
  header.forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
  bytes.set(pixels, 16);
  await writeFile(path.join(folder, 'train-images-idx3-ubyte.gz'), gzipSync(bytes));
  return folder;
}

test('the first images of an IDX file, from 0 to 1', async t => {
  const folder = await idx(t, [0x803, 2, 2, 2], [0, 51, 102, 255, 1, 2, 3, 4]);
  const {size, pixels} = readFashionMnist(folder, 1);
  t.is(size, 2);
  t.deepEqual([...pixels].map(value => Math.round(255 * value)), [0, 51, 102, 255]);
  t.throws(() => readFashionMnist(folder, 3), {message: /has 2 images, 3 were asked for/});
});

test('another file is refused', async t => {
  t.throws(() => readFashionMnist('/nowhere', 1), {message: /dataset-fashion-mnist/});
  const folder = await idx(t, [0x801, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0]);
  t.throws(() => readFashionMnist(folder, 1), {message: /no IDX file of square images/});
});
