/**
 * A matrix [rows, columns] in a float32 array. Entry (i, j) stands at i · row + j · column, so that
 * a transpose is another way to read the same array.
 */
export interface Matrix {
  readonly entries: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** Distance in the array from an entry to the one below it. */
  readonly row: number;
  /** Distance in the array from an entry to the one on its right. */
  readonly column: number;
}

/** A row-major matrix [rows, columns]. */
export const rowMajor = (entries: Float32Array, rows: number, columns: number): Matrix =>
  ({entries, rows, columns, row: columns, column: 1});

/** aᵀ [columns, rows] in the same array. */
export const transpose = ({entries, rows, columns, row, column}: Matrix): Matrix =>
  ({entries, rows: columns, columns: rows, row: column, column: row});
