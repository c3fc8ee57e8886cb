/**
 * The place of the examples in a tensor: the flat index i belongs to example floor(i / stride) mod
 * B.
 *
 * One number serves for any axis. The leading axis has stride = size / B, and an axis further in
 * has a smaller stride (time-major [T, B, in]: stride = in). The stride stays the same in every
 * reshape, also in [B, T, in] -> [B·T, in]. `null` stands for a tensor that all examples share.
 */
export type BatchStride = number | null;

/** The number of entries of a tensor of this shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The number of entries behind one entry of an axis. */
export const axisStride = (shape: readonly number[], axis: number): number => sizeOf(shape.slice(axis + 1));

/**
 * The axis that holds the examples, in the shape [before, B, inner], with stride = inner · (stride
 * of the axis); null if the examples are spread over several axes.
 */
export function exampleAxis(shape: readonly number[], stride: number, examples: number):
    {axis: number; before: number; inner: number} | null {
  let behind = 1;
  for (let axis = shape.length - 1; axis >= 0; behind *= shape[axis--]) {
    const inner = stride / behind;
    if (shape[axis] > 1 && Number.isInteger(inner) && shape[axis] % (examples * inner) === 0) {
      return {axis, before: shape[axis] / (examples * inner), inner};
    }
  }
  return null;
}

/**
 * The shape [before, B, stride] of a value of this size: its entries in their order, with the
 * examples along axis 1.
 */
export const exampleView = (size: number, stride: number, examples: number): [number, number, number] =>
  [size / (examples * stride), examples, stride];
