import type {Tensor} from '@tensorflow/tfjs-core';
import type {WasmHeap} from './wasm_heap';
import {MODE, patchArguments, scratchBytes, type Extent, type PatchArguments,
  type PatchGeometry} from '../kernels/kernels';

/**
 * Products with patches of images, in the heap of tfjs's WASM backend. The patches of a part of
 * the positions lie in the scratch area at a time, and are multiplied there.
 */

/**
 * Positions of a part, about. More of them would leave the cache, fewer make products short.
 */
const PART = 256;

/** The patches of some positions that follow each other in the images of a run. */
interface Part {
  /** The first image in the run, and the number of images. */
  readonly image: number;
  readonly images: number;
  /** The first position in the run, and the number of positions. */
  readonly position: number;
  readonly positions: number;
  readonly geometry: PatchArguments;
}

const volume = ([depth, height, width]: Extent): number => depth * height * width;

/** The parts of a run of images: some images each, or some planes, rows or positions of one. */
function partsOf(g: PatchGeometry, images: number): Part[] {
  const each = volume(g.output);
  const all = patchArguments(g);
  const parts: Part[] = [];
  if (each <= PART) {
    const step = Math.floor(PART / each);
    for (let image = 0; image < images; image += step) {
      const count = Math.min(step, images - image);
      parts.push({image, images: count, position: image * each, positions: count * each, geometry: all});
    }
    return parts;
  }
  for (const [first, part] of bands(g, 0)) {
    const geometry = patchArguments(part);
    for (let image = 0; image < images; image++) {
      parts.push({image, images: 1, position: image * each + first, positions: volume(part.output), geometry});
    }
  }
  return parts;
}

/**
 * The first position and the geometry of bands of one image, cut along an axis, and along the next
 * one if a line behind this axis is too long.
 */
function bands(g: PatchGeometry, axis: number): Array<readonly [first: number, part: PatchGeometry]> {
  const line = g.output.slice(axis + 1).reduce((a, b) => a * b, 1);
  const step = Math.max(1, Math.floor(PART / line));
  const found: Array<readonly [number, PatchGeometry]> = [];
  for (let from = 0; from < g.output[axis]; from += step) {
    const part = {...g, output: withAxis(g.output, axis, Math.min(step, g.output[axis] - from)),
      before: withAxis(g.before, axis, g.before[axis] - from * g.strides[axis])};
    const cut: typeof found = line > PART ? bands(part, axis + 1) : [[0, part]];
    cut.forEach(([first, own]) => found.push([from * line + first, own]));
  }
  return found;
}

const withAxis = (extent: Extent, axis: number, value: number): Extent =>
  extent.map((old, i) => i === axis ? value : old) as unknown as Extent;

const longestOf = (parts: readonly Part[]): number => parts.reduce((most, {positions}) => Math.max(most, positions), 0);

/** Data a of examples one after the other: rows of a matrix [B·s, in], or patches of images. */
export interface HeapData {
  readonly x: Tensor;
  /** The shape of the patches, and the images of an example; null if x is the matrix. */
  readonly patches: {readonly geometry: PatchGeometry; readonly images: number} | null;
  readonly positions: number;
  readonly inner: number;
}

/** Bytes between two areas for different things in the scratch area. */
const aligned = (bytes: number): number => 16 * Math.ceil(bytes / 16);

/**
 * a_bᵀ δ_bc of the examples from..to-1, [(to - from)·C, in·out]; δ_bcᵀ a_b if `transposed`.
 *
 * @param delta δ, [B, C, s, out].
 */
export function exampleProductsIn(heap: WasmHeap, data: HeapData, delta: Tensor, transposed: boolean, from: number,
    to: number): Tensor {
  const [, components, positions, outer] = delta.shape as [number, number, number, number];
  const {inner, patches} = data;
  const parts = patches === null ? [] : partsOf(patches.geometry, patches.images);
  const own = aligned(4 * longestOf(parts) * inner);
  const scratch = heap.scratch(own + Math.max(scratchBytes(inner, positions, outer),
      scratchBytes(outer, positions, inner)));
  const {tensor, pointer} = heap.make([(to - from) * components, inner * outer]);
  const {kernels} = heap;
  const [x, d] = [heap.pointer(data.x), heap.pointer(delta)];
  const add = (a: number, example: number, position: number, count: number, mode: number): void => {
    for (let c = 0; c < components; c++) {
      const right = d + 4 * outer * ((example * components + c) * positions + position);
      const out = pointer + 4 * inner * outer * ((example - from) * components + c);
      if (transposed) {
        kernels.product(right, 1, outer, a, inner, 1, out, inner, outer, count, inner, mode, 0, 0, 0, scratch + own);
      } else {
        kernels.product(a, 1, inner, right, outer, 1, out, outer, inner, count, outer, mode, 0, 0, 0, scratch + own);
      }
    }
  };
  for (let example = from; example < to; example++) {
    if (patches === null) {
      add(x + 4 * example * positions * inner, example, 0, positions, MODE.set);
      continue;
    }
    const image = imageBytes(patches.geometry);
    parts.forEach((part, i) => {
      kernels.patches(x + (example * patches.images + part.image) * image, scratch, part.images, ...part.geometry);
      add(scratch, example, part.position, part.positions, i === 0 ? MODE.set : MODE.add);
    });
  }
  return tensor;
}

const imageBytes = ({input, inChannels}: PatchGeometry): number => 4 * volume(input) * inChannels;

const columnsOf = ({filter, inChannels}: PatchGeometry): number => volume(filter) * inChannels;

/** patchesᵀ y over all images, [columns, out], for y [images · s, out]. */
export function patchProductIn(heap: WasmHeap, geometry: PatchGeometry, images: number, x: Tensor, y: Tensor,
    outer: number): Tensor {
  const inner = columnsOf(geometry);
  const positions = images * volume(geometry.output);
  const patches = {geometry, images};
  const delta = heap.view(y, [1, 1, positions, outer]);
  const product = exampleProductsIn(heap, {x, patches, positions, inner}, delta, false, 0, 1);
  delta.dispose();
  const shaped = heap.view(product, [inner, outer]);
  product.dispose();
  return shaped;
}

/**
 * The sums of a depthwise convolution over the positions of each run of images: Σ x shifted ∘ y,
 * [runs, columns, multiplier].
 *
 * @param outer channels of y, inChannels · multiplier.
 */
export function depthwiseProductIn(heap: WasmHeap, geometry: PatchGeometry, images: number, runs: number, x: Tensor,
    y: Tensor, outer: number): Tensor {
  const inner = columnsOf(geometry);
  const channels = geometry.inChannels;
  const filter = volume(geometry.filter);
  const perRun = images / runs;
  const parts = partsOf(geometry, perRun);
  const scratch = heap.scratch(4 * longestOf(parts) * inner);
  const {tensor, pointer} = heap.zeros([runs, inner, outer / channels]);
  const {kernels} = heap;
  const [from, right, image] = [heap.pointer(x), heap.pointer(y), imageBytes(geometry)];
  for (let run = 0; run < runs; run++) {
    for (const part of parts) {
      kernels.patches(from + (run * perRun + part.image) * image, scratch, part.images, ...part.geometry);
      const position = run * perRun * volume(geometry.output) + part.position;
      kernels.depthwiseSums(scratch, right + 4 * outer * position, pointer + 4 * run * filter * outer, part.positions,
        filter, channels, outer / channels);
    }
  }
  return tensor;
}

/**
 * The input cotangent of a convolution, patchesᵀ(y filterᵀ) in `shape`: the products are the
 * cotangents of the patches, which are added up where the patches overlap.
 *
 * @param y the cotangent of the output, [images · s, out] in any shape.
 * @param filter [columns, out] in any shape.
 */
export function inputCotangentIn(heap: WasmHeap, geometry: PatchGeometry, images: number, y: Tensor, filter: Tensor,
    outer: number, shape: readonly number[]): Tensor {
  const inner = columnsOf(geometry);
  const parts = partsOf(geometry, images);
  const longest = longestOf(parts);
  const own = aligned(4 * longest * inner);
  const scratch = heap.scratch(own + Math.max(scratchBytes(longest, outer, inner), scratchBytes(1, outer, inner)));
  const {tensor, pointer} = heap.zeros(shape);
  const {kernels} = heap;
  const [from, weights, image] = [heap.pointer(y), heap.pointer(filter), imageBytes(geometry)];
  for (const part of parts) {
    const right = from + 4 * outer * part.position;
    kernels.product(right, outer, 1, weights, 1, outer, scratch, inner, part.positions, outer, inner, MODE.set,
      0, 0, 0, scratch + own);
    kernels.addPatches(pointer + part.image * image, scratch, part.images, ...part.geometry);
  }
  return tensor;
}
