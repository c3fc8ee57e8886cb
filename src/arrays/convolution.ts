import {patchArguments, scratchBytes, MODE, type PatchGeometry} from '../kernels/kernels';
import {kernelsFor} from '../kernels/own_kernels';

/** Entries of patches that are formed at once, which stay in the cache of the processor. */
const AT_ONCE = 2 ** 17;

/**
 * The convolution [images · positions, outChannels] of images, channels last, with a filter [filter
 * positions · inChannels, outChannels], as a product of the patches. Null if the engine takes no
 * kernels.
 */
export function convolution(x: Float32Array, filter: Float32Array, geometry: PatchGeometry, images: number,
    outChannels: number): Float32Array | null {
  const positions = sizeOf(geometry.output);
  const inner = sizeOf(geometry.filter) * geometry.inChannels;
  const image = sizeOf(geometry.input) * geometry.inChannels;
  const chunk = Math.max(1, Math.min(images, Math.floor(AT_ONCE / (positions * inner))));
  const rows = chunk * positions;
  const [forFilter, forImages, forPatches, forOut] = [inner * outChannels, chunk * image, rows * inner,
    rows * outChannels].map(entries => 16 * Math.ceil(entries / 4));
  // The last images may have one row together, which takes another way.
  const bytes = forFilter + forImages + forPatches + forOut +
    Math.max(scratchBytes(rows, inner, outChannels), scratchBytes(1, inner, outChannels));
  const own = kernelsFor(bytes);
  if (own === null) {
    return null;
  }
  const {kernels} = own;
  const out = new Float32Array(images * positions * outChannels);
  own.withSpace(bytes, pointer => {
    const atImages = pointer + forFilter, atPatches = atImages + forImages, atOut = atPatches + forPatches;
    own.floats(pointer, filter.length).set(filter);
    for (let i = 0; i < images; i += chunk) {
      const count = Math.min(chunk, images - i);
      own.floats(atImages, count * image).set(x.subarray(i * image, (i + count) * image));
      kernels.patches(atImages, atPatches, count, ...patchArguments(geometry));
      kernels.product(atPatches, inner, 1, pointer, outChannels, 1, atOut, outChannels, count * positions, inner,
          outChannels, MODE.set, 0, 0, 0, atOut + forOut);
      out.set(own.floats(atOut, count * positions * outChannels), i * positions * outChannels);
    }
  });
  return out;
}

const sizeOf = (extent: readonly number[]): number => extent.reduce((a, b) => a * b, 1);
