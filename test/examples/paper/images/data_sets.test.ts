/** From folders of image files, laid out as their publishers do, to pixels and targets. */
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import {loadImages} from '../../../../docs/examples/paper/images/data_sets';
import type {ImageSet} from '../../../../docs/examples/paper/images/image_set';

/** Plain images whose grey value is the target: those of the wrong target would show. */
async function writeImage(file: string, grey: number): Promise<void> {
  await mkdir(path.dirname(file), {recursive: true});
  await sharp({create: {width: 30, height: 30, channels: 3, background: {r: grey, g: grey, b: grey}}}).toFile(file);
}

async function emptyFolder(t: {teardown(run: () => Promise<void>): void}): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-sets-'));
  t.teardown(() => rm(folder, {recursive: true}));
  return folder;
}

/** Whether every pixel of every image is the target of that image. */
const belongTogether = ({size, pixels, targets}: ImageSet): boolean =>
  pixels.every((value, i) => Math.abs(255 * value - targets[Math.floor(i / size ** 2)]) <= 2);

test('AFAD-Lite', async t => {
  const folder = await emptyFolder(t);
  for (const [age, gender, id] of [[18, 111, 'a'], [18, 112, 'b'], [25, 111, 'c'], [39, 112, 'd'], [39, 112, 'e']]) {
    await writeImage(path.join(folder, `${age}/${gender}/${id}.jpg`), Number(age));
  }
  const set = await loadImages('afad', folder, 12, 100);
  t.deepEqual([set.title, set.unit, set.size], ['AFAD-Lite', 'years', 12]);
  t.deepEqual([...set.targets].sort(), [18, 18, 25, 39, 39]);
  t.true(belongTogether(set));
  const drawn = await loadImages('afad', folder, 12, 3);
  t.deepEqual(drawn.targets, set.targets.slice(0, 3));
});

test('RSNA Bone Age', async t => {
  const folder = await emptyFolder(t);
  const ages = [[1377, 180], [1378, 12], [1379, 94]];
  await writeFile(path.join(folder, 'boneage-training-dataset.csv'), `id,boneage,male\n${ages.map(([id, age]) => `${id},${age},True`).join('\n')}\n`);
  for (const [id, age] of ages) {
    await writeImage(path.join(folder, `boneage-training-dataset/${id}.png`), age);
  }
  const set = await loadImages('rsna', folder, 12, 100);
  t.deepEqual([set.title, set.unit, set.targets.length], ['RSNA Bone Age', 'months', 3]);
  t.true(belongTogether(set));
});

test('the digits are shipped; the others say what they need', async t => {
  const {size, targets, pixels} = await loadImages('digits', '', 0, 50);
  t.deepEqual([size, targets.length, pixels.length], [8, 50, 50 * 64]);
  await t.throwsAsync(loadImages('rsna', '', 12, 3), {message: /needs --folder/});
  await t.throwsAsync(loadImages('faces', '', 12, 3), {message: /must be one of fashion, digits, afad, rsna/});
});
