import {pseudoRandom} from '../../arrays/pseudo_random';
import type {HessianProduct} from './twice_differentiated';

/**
 * Share of the largest terms of an example. A product that differs from that of the blocks by less
 * agrees with it in float32.
 */
const COUPLED = 1e-3;

/**
 * Share of the largest terms of the batch. A difference below it is rounding in examples whose
 * terms cancel, or that have no curvature.
 */
const NOTHING = 2 ** -19;

/**
 * One product for each component, with that component of all examples at once: a column of every
 * block. The blocks are made symmetric, since rounding is not.
 *
 * @param k components of an example.
 * @returns (B, k, k), row-major.
 */
export function hessianBlocks(product: HessianProduct, examples: number, k: number): Float64Array {
  const blocks = new Float64Array(examples * k * k);
  for (let c = 0; c < k; c++) {
    const column = product(Float32Array.from({length: examples * k}, (_, i) => i % k === c ? 1 : 0));
    for (let i = 0; i < column.length; i++) {
      blocks[i * k + c] = column[i];
    }
  }
  for (let first = 0; first < blocks.length; first += k * k) {
    for (let r = 0; r < k; r++) {
      for (let c = 0; c < r; c++) {
        const [a, b] = [first + r * k + c, first + c * k + r];
        blocks[a] = blocks[b] = (blocks[a] + blocks[b]) / 2;
      }
    }
  }
  return blocks;
}

/**
 * Whether H u is the product of the blocks with u, up to rounding.
 *
 * @param blocks (B, k, k), row-major.
 * @param expected H u (B·k).
 */
export function isOfBlocks(blocks: Float64Array, k: number, expected: Float64Array, u: Float32Array): boolean {
  return isClose(expected, multiply(blocks, k, u), multiply(blocks.map(Math.abs), k, u.map(Math.abs)), k);
}

function multiply(blocks: Float64Array, k: number, u: ArrayLike<number>): Float64Array {
  return Float64Array.from({length: u.length}, (_, i) => {
    const first = i - i % k;
    let sum = 0;
    for (let c = 0; c < k; c++) {
      sum += blocks[i * k + c] * u[first + c];
    }
    return sum;
  });
}

/**
 * Whether two products a and b (B·k) are equal up to rounding. Each example is compared by its own
 * size, so that one with a large curvature does not hide a difference in the others.
 *
 * @param terms sizes of the terms that b sums up (B·k).
 */
export function isClose(a: Float64Array, b: Float64Array, terms: Float64Array, k: number): boolean {
  const sizes = new Float64Array(a.length / k);
  a.forEach((x, i) => {
    const example = Math.floor(i / k);
    sizes[example] = Math.max(sizes[example], Math.abs(x), Math.abs(terms[i]));
  });
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  return a.every((x, i) =>
    Math.abs(x - b[i]) <= Math.max(COUPLED * sizes[Math.floor(i / k)], NOTHING * largest));
}

/**
 * Whether H couples no two sets of entries. If so, its product with a vector that is 0 outside of
 * some sets is 0 there, too. Rounding does not change this, since every kernel takes zeros to
 * zeros. Up to 16 sets, all pairs are told apart; of more sets, each pair with a probability of
 * 15/16.
 *
 * @param expected H probe, for the size of the products.
 */
export function isSeparate(product: HessianProduct, expected: Float64Array, probe: Float32Array,
    setOf: (i: number) => number, sets: number): boolean {
  const masks = Math.min(4, Math.ceil(Math.log2(sets)));
  const signs = pseudoRandom(4 * sets);
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  for (let mask = 0; mask < masks; mask++) {
    const isIn = (i: number): boolean =>
      sets <= 16 ? (setOf(i) >> mask & 1) === 1 : signs[4 * setOf(i) + mask] > 0;
    const found = product(probe.map((x, i) => isIn(i) ? x : 0));
    const most = found.reduce((size, x) => Math.max(size, Math.abs(x)), largest);
    if (found.some((x, i) => !isIn(i) && Math.abs(x) > NOTHING * most)) {
      return false;
    }
  }
  return true;
}
