import {eye, getBackend, reshape, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {convolve} from '../../derivatives/kernels/convolution';
import {shapeOf, type Convolution} from '../../derivatives/kernels/convolution_geometry';
import {matMul, transposed, transposeMultiply} from '../../tfjs/fast_ops';
import {columnsOf, isHost, ofImages, patchTensor, positionsOf,
  writePatchesTransposed} from '../../derivatives/kernels/patches';
import type {HeapData} from '../../tfjs/heap_patches';
import {sliceRows} from '../../tfjs/slices';

/**
 * The data a [B·s, in] that a matrix meets at s positions of every example. They are formed only as
 * far as needed.
 */
export interface PositionData {
  /** Number B of examples. */
  readonly examples: number;
  /** Number s of positions of an example. */
  readonly positions: number;
  /** Number `in` of entries at a position. */
  readonly inner: number;
  /** The data as kernels of our own take them. */
  readonly onHeap: HeapData;
  /** Writes aᵀ [in, s] of one example; for cpu and WASM. */
  transposedTo(example: number, out: Float32Array): void;
  /** a of the examples from..to-1, [(to - from), s, in]. */
  part(from: number, to: number): Tensor;
  /** a of the examples from..to-1 as one matrix, [(to - from)·s, in]. */
  matrix(from: number, to: number): Tensor;
  /** a p, [B·s, out], for a matrix p [in, out]. */
  times(p: Tensor): Tensor;
  /** aᵀ w, [in, out], for w [B·s, out]. */
  transposeTimes(w: Tensor): Tensor;
  /** The tensors that the data are made of. */
  readonly tensors: readonly Tensor[];
}

/**
 * Data that exist as a tensor [B·s, in]: inputs of a dense layer on sequences, the time steps of an
 * RNN.
 */
export class PlainPositions implements PositionData {
  readonly positions: number;
  readonly inner: number;
  private host: Float32Array | null = null;

  constructor(readonly a: Tensor, readonly examples: number) {
    this.positions = a.shape[0] / examples;
    this.inner = a.shape[1]!;
  }

  get onHeap(): HeapData {
    return {x: this.a, patches: null, positions: this.positions, inner: this.inner};
  }

  transposedTo(example: number, out: Float32Array): void {
    this.host ??= this.a.dataSync() as Float32Array;
    const {positions, inner} = this;
    const start = example * positions * inner;
    for (let s = 0; s < positions; s++) {
      for (let i = 0; i < inner; i++) {
        out[i * positions + s] = this.host[start + s * inner + i];
      }
    }
  }

  part(from: number, to: number): Tensor {
    const {positions, inner} = this;
    return sliceRows(reshape(this.a, [this.examples, positions, inner]), from, to);
  }

  matrix(from: number, to: number): Tensor {
    return sliceRows(this.a, from * this.positions, to * this.positions);
  }

  times(p: Tensor): Tensor {
    return matMul(this.a, p);
  }

  transposeTimes(w: Tensor): Tensor {
    return transposeMultiply(this.a, w);
  }

  get tensors(): Tensor[] {
    return [this.a];
  }
}

/**
 * The patches of a convolution's input; an example may have several images, one after the other.
 */
export class PatchPositions implements PositionData {
  readonly positions: number;
  readonly inner: number;
  private readonly images: number;
  private host: Float32Array | null = null;

  /** @param x channels last. */
  constructor(private readonly c: Convolution, private readonly x: Tensor, readonly examples: number) {
    this.images = c.images / examples;
    this.positions = this.images * positionsOf(c);
    this.inner = columnsOf(c);
  }

  get onHeap(): HeapData {
    const {c, x, images, positions, inner} = this;
    return {x, patches: {geometry: c, images}, positions, inner};
  }

  transposedTo(example: number, out: Float32Array): void {
    this.host ??= this.x.dataSync() as Float32Array;
    writePatchesTransposed(this.c, this.host, example * this.images, (example + 1) * this.images, out);
  }

  part(from: number, to: number): Tensor {
    const count = (to - from) * this.images;
    const images = sliceRows(this.x, from * this.images, to * this.images);
    return reshape(patches(ofImages(this.c, count), images), [to - from, this.positions, this.inner]);
  }

  matrix(from: number, to: number): Tensor {
    const rows = (to - from) * this.positions;
    if (!isHost()) {
      return reshape(this.part(from, to), [rows, this.inner]);
    }
    this.host ??= this.x.dataSync() as Float32Array;
    const columns = new Float32Array(this.inner * rows);
    writePatchesTransposed(this.c, this.host, from * this.images, to * this.images, columns);
    return tidy(() => transposed(tensor(columns, [this.inner, rows])));
  }

  times(p: Tensor): Tensor {
    const filter = reshape(p, shapeOf(this.c, 'filter'));
    const y = convolve({...this.c, channelsFirst: false}, 'y', {x: this.x, filter});
    return reshape(y, [this.examples * this.positions, this.c.outChannels]);
  }

  transposeTimes(w: Tensor): Tensor {
    const y = reshape(w, shapeOf(this.c, 'y'));
    const filter = convolve({...this.c, channelsFirst: false}, 'filter', {x: this.x, y});
    return reshape(filter, [this.inner, this.c.outChannels]);
  }

  get tensors(): Tensor[] {
    return [this.x];
  }
}

/** Columns up to which TensorFlow takes patches by a convolution with unit filters. */
const MAX_UNIT_FILTERS = 128;

/**
 * Patches of images, [images · s, columns].
 *
 * Measured: TensorFlow convolves in a tenth of the time of as many strided slices.
 */
function patches(c: Convolution, x: Tensor): Tensor {
  const columns = columnsOf(c);
  if (getBackend() !== 'tensorflow' || c.spatial === 3 || c.depthwise || columns > MAX_UNIT_FILTERS) {
    return patchTensor(c, x);
  }
  const unit = reshape(eye(columns), [c.filter[1], c.filter[2], c.inChannels, columns]);
  return convolve({...c, channelsFirst: false, outChannels: columns}, 'y', {x, filter: unit});
}
