/** A handful of files in the layouts of AFAD-Lite and RSNA Bone Age. */
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import {afadFiles, rsnaFiles} from '../../../../docs/examples/paper/images/labelled_files';

/** Writes files into a new folder, which goes after the test. */
async function folderOf(t: {teardown(run: () => Promise<void>): void}, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-images-'));
  t.teardown(() => rm(folder, {recursive: true}));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), {recursive: true});
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

const RSNA = 'boneage-training-dataset';

test('AFAD-Lite: the folder is the age; other files are passed over', async t => {
  const folder = await folderOf(t, {
    '18/111/1-0.jpg': '', '18/112/2-0.jpg': '', '39/112/3-0.JPG': '', '39/112/Thumbs.db': '', 'AFAD-Lite.txt': '', 'README/111/4-0.jpg': '',
  });
  t.deepEqual(afadFiles(folder).map(({path: file, target}) => [path.relative(folder, file), target]),
      [['18/111/1-0.jpg', 18], ['18/112/2-0.jpg', 18], ['39/112/3-0.JPG', 39]]);
});

test('AFAD-Lite: a folder without such images is an error that says what is expected', async t => {
  const folder = await folderOf(t, {'1.jpg': ''});
  for (const wrong of [folder, path.join(folder, 'missing')]) {
    t.throws(() => afadFiles(wrong), {message: /<age>.<111 or 112>.<id>\.jpg/});
  }
});

for (const [layout, images] of [['one folder', RSNA], ['a folder in a folder', `${RSNA}/${RSNA}`]]) {
  test(`RSNA: bone ages from the table, images in ${layout}; rows without their image are passed over`, async t => {
    const folder = await folderOf(t, {
      [`${RSNA}.csv`]: 'id,boneage,male\r\n1377,180,False\r\n1378,12,True\r\n1379,94,True\r\n',
      [`${images}/1377.png`]: '', [`${images}/1378.png`]: '',
    });
    t.deepEqual(rsnaFiles(folder).map(({path: file, target}) => [path.basename(file), target]), [['1377.png', 180], ['1378.png', 12]]);
  });
}

test('RSNA: a bad table is an error that names the line', async t => {
  const folder = await folderOf(t, {[`${RSNA}.csv`]: 'id,boneage,male\n1377,,False\n', [`${RSNA}/1377.png`]: ''});
  t.throws(() => rsnaFiles(folder), {message: /line 2/});
  t.throws(() => rsnaFiles(path.join(folder, RSNA)), {message: /must hold boneage-training-dataset\.csv/});
});
