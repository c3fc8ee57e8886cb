import {moduleFor} from './module';

/** What becomes of C in a product: C = AB, C += AB, C -= AB, and C = or += (other + shift) ∘ AB. */
export const MODE = {set: 0, add: 1, subtract: 2, setHadamard: 3, addHadamard: 4} as const;

/**
 * The entrywise functions: dy times the derivative of an activation at its output y, y·dy, and y +
 * dy.
 */
export const ENTRYWISE = {tanh: 0, sigmoid: 1, relu: 2, relu6: 3, elu: 4, multiply: 5, add: 6} as const;

/** The functions of two tensors: a + b, a - b and a ∘ b. */
export const COMBINED = {sum: 0, difference: 1, product: 2} as const;

/**
 * The functions of the module. Pointers count bytes and are multiples of 4. Sizes and strides count
 * elements: entry (i, p) of A lies at a + 4 (i·aRow + p·aColumn). Numbers are float32 unless
 * float64 is said. Each function writes to its output and to `scratch` only.
 */
export interface Kernels {
  /**
   * C [m, n] = (mode) A [m, k] B [k, n], with rows of C that are contiguous, cRow apart. The modes
   * are those of `MODE`, and `other` has the layout of C. If `lower` is 1, the tiles of 4 x 8 that
   * lie above the diagonal are left as they are. C must not overlap A and B. `scratch` holds
   * `scratchBytes(m, k, n)`.
   */
  product(a: number, aRow: number, aColumn: number, b: number, bRow: number, bColumn: number, c: number, cRow: number,
    m: number, k: number, n: number, mode: number, other: number, shift: number, lower: 0 | 1, scratch: number): void;
  /** Copies the lower triangle of C [n, n] to the upper one. */
  mirror(c: number, n: number, cRow: number): void;
  /** out = the function of `ENTRYWISE`, for n entries. The output may be one of the inputs. */
  entrywise(kind: number, y: number, dy: number, out: number, n: number): void;
  /**
   * out = tanh x, for n entries, to 2 units in the last place. The output may be the input.
   *
   * Measured: a seventh of the time of tfjs's kernel on WASM, which calls tanhf of C.
   */
  tanh(x: number, out: number, n: number): void;
  /**
   * out[i, j] (r x c) = the function of `COMBINED` of a and b. Entry (i, j) of a lies at a + 4
   * (i·aRow + j·aColumn), with an aColumn of 0 or 1. So a column, a row or one number may
   * broadcast. b alike.
   */
  combined(kind: number, a: number, aRow: number, aColumn: number, b: number, bRow: number, bColumn: number,
    out: number, r: number, c: number): void;
  /** out = a + factor·b, for n entries. */
  addScaled(a: number, factor: number, b: number, out: number, n: number): void;
  /** out[i] = Σ_j x[i, j]·y[i, j] for x and y [r, c]. */
  rowDots(x: number, y: number, out: number, r: number, c: number): void;
  /** 1 if n entries are finite, else 0. */
  areFinite(x: number, n: number): 0 | 1;
  /** out[i] = Σ_j x[i, j] for x [r, c]. `scratch` holds `scratchBytes(r, c, 1)`. */
  sumRows(x: number, out: number, r: number, c: number, scratch: number): void;
  /** out[j] = Σ_i x[i, j] for x [r, c]. `scratch` holds `scratchBytes(1, r, c)`. */
  sumColumns(x: number, out: number, r: number, c: number, scratch: number): void;
  /**
   * A = L Lᵀ for A [n, n] in float64, over its lower triangle; the entries above the diagonal stay
   * as they are. Returns -1, or the first pivot that is at most n·2⁻⁵² of its diagonal entry or not
   * finite. After a breakdown the entries have no meaning.
   */
  cholesky64(a: number, n: number): number;
  /**
   * out (n) = the diagonal of (L Lᵀ)⁻¹ in float64, for L of `cholesky64`. Entries above the
   * diagonal of L are written.
   */
  inverseDiagonal64(l: number, n: number, out: number): void;
  /** x (n) ← (L Lᵀ)⁻¹ x, for L of `cholesky64`. */
  solve64(l: number, n: number, x: number): void;
  /**
   * The same in float32, in blocks whose triangles are factored in float64. The entries above the
   * diagonal have no meaning afterwards. The matrix should have ones on its diagonal, for the range
   * of float32. `scratch` holds `choleskyScratchBytes(n)`.
   */
  cholesky32(a: number, n: number, scratch: number): number;
  /** x (n) ← (L Lᵀ)⁻¹ x, for L of `cholesky32` and x in float64. */
  solve32(l: number, n: number, x: number): void;
  /**
   * Patches of images x [images, depth, height, width, channels], as rows of a product with a
   * filter: out [images · positions, filter positions · channels] with entry (image, o; k, channel)
   * = x[image, o·stride + k·dilation - before, channel], and zero outside of the input. Extents go
   * by depth, height and width; images without depth have the depth 1. `patchArguments` has the
   * numbers from `channels` on.
   */
  patches(x: number, out: number, images: number, ...geometry: PatchArguments): void;
  /**
   * x += the transpose of the linear map `patches`: each entry of the patches at `rows`, in the
   * layout of `out` there, is added to the entry of x that it is a copy of. Those of the padding
   * are left out.
   */
  addPatches(x: number, rows: number, images: number, ...geometry: PatchArguments): void;
  /**
   * out[k, i] += Σ_p rows[p, k, ⌊i / multiplier⌋]·y[p, i] for patches `rows` [positions, filter,
   * channels] and y [positions, channels · multiplier].
   */
  depthwiseSums(rows: number, y: number, out: number, positions: number, filter: number, channels: number,
    multiplier: number): void;
}

export type Extent = readonly [number, number, number];

/** The shape of a convolution, by depth, height and width. */
export interface PatchGeometry {
  readonly inChannels: number;
  readonly input: Extent;
  readonly output: Extent;
  readonly filter: Extent;
  readonly strides: Extent;
  readonly dilations: Extent;
  /** Entries of padding in front of the input. */
  readonly before: Extent;
}

export type PatchArguments = [channels: number, ...Extent, ...Extent, ...Extent, ...Extent, ...Extent, ...Extent];

export const patchArguments = (g: PatchGeometry): PatchArguments =>
  [g.inChannels, ...g.input, ...g.output, ...g.filter, ...g.strides, ...g.dilations, ...g.before];

/** The blocks of assembly/product.ts. */
const [ROWS, INNER, COLUMNS] = [128, 256, 512];

/** Bytes of scratch space that a product A [m, k] B [k, n] takes. */
export function scratchBytes(m: number, k: number, n: number): number {
  if (m === 1 || n === 1) {
    return 4 * (1 + k + Math.max(m, n));
  }
  const rows = 4 * Math.ceil(Math.min(m, ROWS) / 4), columns = 8 * Math.ceil(Math.min(n, COLUMNS) / 8);
  const blocks = k > INNER ? ROWS * COLUMNS : 0;
  return 128 + 4 * (ROWS * INNER + columns * Math.min(k, INNER) + blocks + rows);
}

/** The block columns of assembly/blocked_cholesky.ts. */
const WIDTH = 32;

/** Bytes of scratch space that `cholesky32` of a matrix [n, n] takes. */
export const choleskyScratchBytes = (n: number): number =>
  20 * WIDTH ** 2 + Math.max(scratchBytes(n, n, Math.min(n, WIDTH)), scratchBytes(n, n, 1));

const instances = new WeakMap<WebAssembly.Memory, Kernels | null>();

/**
 * The kernels on a memory, which may be that of another module. Null if the engine takes no build
 * of the module; the answer for a memory stays the same.
 */
export function kernelsOn(memory: WebAssembly.Memory): Kernels | null {
  let kernels = instances.get(memory);
  if (kernels === undefined) {
    kernels = instantiate(memory);
    instances.set(memory, kernels);
  }
  return kernels;
}

function instantiate(memory: WebAssembly.Memory): Kernels | null {
  const isShared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  const module = moduleFor(isShared);
  try {
    return module === null ? null : new WebAssembly.Instance(module, {env: {memory}}).exports as unknown as Kernels;
  } catch {
    return null;
  }
}
