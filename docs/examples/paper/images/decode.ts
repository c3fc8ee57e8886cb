/** Image files to pixels; sharp decodes and resizes. */
import sharp from 'sharp';
import type {ImageSet} from './image_set';
import type {LabelledFile} from './labelled_files';

/** Decoded at the same time. */
const AT_ONCE = 16;

/** Reads the files as grey images of size x size pixels; the aspect is kept, what is missing is black. `done` gets the number read so far. */
export async function decode(title: string, unit: string, size: number, files: LabelledFile[],
    done: (images: number) => void = () => {}): Promise<ImageSet> {
  const pixels = new Float32Array(files.length * size ** 2);
  for (let first = 0; first < files.length; first += AT_ONCE) {
    const batch = files.slice(first, first + AT_ONCE);
    const images = await Promise.all(batch.map(({path}) => decodeOne(path, size)));
    images.forEach((image, i) => pixels.set(image.map(byte => byte / 255), (first + i) * size ** 2));
    done(first + batch.length);
  }
  return {title, unit, size, pixels, targets: Float32Array.from(files, file => file.target)};
}

async function decodeOne(path: string, size: number): Promise<Float32Array> {
  try {
    return Float32Array.from(await sharp(path).resize(size, size, {fit: 'contain', background: 'black'}).flatten().grayscale().raw().toBuffer());
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}
