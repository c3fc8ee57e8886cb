import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import {decode} from '../../../../docs/examples/paper/images/decode';

test('JPEG and PNG files become grey images of one size, their aspect kept', async t => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-decode-'));
  t.teardown(() => rm(folder, {recursive: true}));
  const [white, tall] = ['white.jpg', 'tall.png'].map(name => path.join(folder, name));
  await sharp({create: {width: 40, height: 40, channels: 3, background: '#ffffff'}}).jpeg().toFile(white);
  // As RSNA's radiographs are: grey, higher than wide.
  await sharp({create: {width: 20, height: 40, channels: 3, background: '#808080'}}).grayscale().png().toFile(tall);
  const seen: number[] = [];
  const set = await decode('two', 'years', 8, [{path: white, target: 1}, {path: tall, target: 2}], images => seen.push(images));
  t.deepEqual([set.title, set.unit, set.size, set.pixels.length, ...set.targets], ['two', 'years', 8, 128, 1, 2]);
  t.deepEqual(seen, [2]);
  t.true(set.pixels.subarray(0, 64).every(value => value > 0.98));
  const row = [...set.pixels.subarray(64 + 24, 64 + 32)];
  t.true(row.every((value, column) => Math.abs(value - (column >= 2 && column < 6 ? 128 / 255 : 0)) < 0.03), row.join());
});

test('a file that is no image is named', async t => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-decode-'));
  t.teardown(() => rm(folder, {recursive: true}));
  const file = path.join(folder, 'text.jpg');
  await writeFile(file, 'no image');
  await t.throwsAsync(decode('none', '', 8, [{path: file, target: 0}]), {message: /text\.jpg/});
});
