/** The data sets by name, `count` images of each. */
import * as tf from '@tensorflow/tfjs';
import {Progress} from '../../shared/progress';
import {withSeed} from '../../shared/random';
import {decode} from './decode';
import {readDigits} from './digits';
import {FASHION_MNIST, readFashionMnist} from './fashion_mnist';
import type {ImageSet} from './image_set';
import {afadFiles, rsnaFiles} from './labelled_files';
import type {LabelledFile} from './labelled_files';
import {rotated} from './rotated';

type Loader = (folder: string, size: number, count: number) => ImageSet | Promise<ImageSet>;

/** Size counts only for image files; the others have a size of their own. */
export const DATA_SETS: Record<string, Loader> = {
  fashion: (folder, _, count) => {
    const {size, pixels} = readFashionMnist(folder || FASHION_MNIST, count);
    return rotated('Rotated Fashion-MNIST', size, pixels, 1);
  },
  digits: (_, _size, count) => {
    const {size, pixels} = readDigits(count);
    return rotated('Rotated digits', size, pixels, 1);
  },
  afad: (folder, size, count) => fromFiles('AFAD-Lite', 'years', afadFiles(folder), size, count),
  rsna: (folder, size, count) => fromFiles('RSNA Bone Age', 'months', rsnaFiles(folder), size, count),
};

export async function loadImages(name: string, folder: string, size: number, count: number): Promise<ImageSet> {
  if (!Object.hasOwn(DATA_SETS, name)) {
    throw new Error(`--data must be one of ${Object.keys(DATA_SETS).join(', ')}; received '${name}'.`);
  }
  if (folder === '' && (name === 'afad' || name === 'rsna')) {
    throw new Error(`--data ${name} needs --folder: the images can't be shipped. See README.md for where they come from and how they are laid out.`);
  }
  return DATA_SETS[name](folder, size, count);
}

/** A random draw of the files, in random order. */
async function fromFiles(title: string, unit: string, files: LabelledFile[], size: number, count: number): Promise<ImageSet> {
  await withSeed(1, () => tf.util.shuffle(files));
  const drawn = files.slice(0, count);
  const progress = new Progress('decoding', drawn.length, 'images');
  const set = await decode(title, unit, size, drawn, done => progress.update(done, title));
  progress.end();
  return set;
}
