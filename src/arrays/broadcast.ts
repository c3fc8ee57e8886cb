/**
 * Two arrays as matrices [rows, columns], one of which may broadcast. Entry (i, j) of an array
 * stands at i · row + j · column, and a row or a column of 0 repeats entries.
 */
export interface Broadcast {
  readonly rows: number;
  readonly columns: number;
  readonly a: readonly [row: number, column: number];
  readonly b: readonly [row: number, column: number];
}

type Combined = (x: Float32Array, y: Float32Array, how: Broadcast) => Float32Array;

/** x + y, row-major. */
export const broadcastSum: Combined = (x, y, {rows, columns, a: [aRow, aColumn], b: [bRow, bColumn]}) => {
  const out = new Float32Array(rows * columns);
  for (let i = 0, to = 0; i < rows; i++) {
    for (let j = 0, p = i * aRow, q = i * bRow; j < columns; j++, p += aColumn, q += bColumn) {
      out[to++] = x[p] + y[q];
    }
  }
  return out;
};

/** x - y, row-major. */
export const broadcastDifference: Combined = (x, y, {rows, columns, a: [aRow, aColumn], b: [bRow, bColumn]}) => {
  const out = new Float32Array(rows * columns);
  for (let i = 0, to = 0; i < rows; i++) {
    for (let j = 0, p = i * aRow, q = i * bRow; j < columns; j++, p += aColumn, q += bColumn) {
      out[to++] = x[p] - y[q];
    }
  }
  return out;
};

/** x ∘ y, row-major. */
export const broadcastProduct: Combined = (x, y, {rows, columns, a: [aRow, aColumn], b: [bRow, bColumn]}) => {
  const out = new Float32Array(rows * columns);
  for (let i = 0, to = 0; i < rows; i++) {
    for (let j = 0, p = i * aRow, q = i * bRow; j < columns; j++, p += aColumn, q += bColumn) {
      out[to++] = x[p] * y[q];
    }
  }
  return out;
};

/**
 * How two shapes combine; null if the way in which one of them broadcasts is not known here. Known
 * are equal shapes, and a tensor beside which the other is a scalar, has its last axes, or has its
 * first axes with a size of 1 for each of the others.
 *
 * @returns also which of the two has the shape of the output.
 */
export function broadcastOf(a: readonly number[],
    b: readonly number[]): (Broadcast & {readonly isLikeA: boolean}) | null {
  const [aSize, bSize] = [sizeOf(a), sizeOf(b)];
  const isLikeA = aSize > bSize || (aSize === bSize && a.length >= b.length);
  const [large, small] = isLikeA ? [a, b] : [b, a];
  const [size, part] = isLikeA ? [aSize, bSize] : [bSize, aSize];
  if (size === 0 || part === 0 || small.length > large.length) {
    return null;
  }
  const from = large.length - small.length;
  const isSame = (i: number): boolean => small[i] === large[from + i];
  let first = 0, last = small.length;
  while (first < last && small[first] === 1) {
    first++;
  }
  while (last > first && small[last - 1] === 1) {
    last--;
  }
  const isSuffix = every(first, small.length, isSame);
  const isPrefix = from === 0 && every(0, last, isSame);
  if (part !== 1 && !isSuffix && !isPrefix) {
    return null;
  }
  const columns = part === 1 ? size : isSuffix ? part : size / part;
  const whole = [columns, 1] as const;
  const other = part === 1 ? [0, 0] as const : isSuffix ? [0, 1] as const : [1, 0] as const;
  return {rows: size / columns, columns, a: isLikeA ? whole : other, b: isLikeA ? other : whole, isLikeA};
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function every(from: number, to: number, holds: (i: number) => boolean): boolean {
  for (let i = from; i < to; i++) {
    if (!holds(i)) {
      return false;
    }
  }
  return true;
}
