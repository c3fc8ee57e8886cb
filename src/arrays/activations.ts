/**
 * Functions of each entry of a float32 array, in place. They are those of tfjs's cpu backend, which
 * calls a function for each entry, and give the same numbers to the last bit.
 */
type InPlace = (x: Float32Array) => void;

export const tanhOf: InPlace = x => {
  for (let i = 0; i < x.length; i++) {
    x[i] = Math.tanh(x[i]);
  }
};

export const sigmoidOf: InPlace = x => {
  for (let i = 0; i < x.length; i++) {
    x[i] = 1 / (1 + Math.exp(-x[i]));
  }
};

export const reluOf: InPlace = x => {
  for (let i = 0; i < x.length; i++) {
    x[i] = Math.max(0, x[i]);
  }
};

export const relu6Of: InPlace = x => {
  for (let i = 0; i < x.length; i++) {
    x[i] = Math.min(Math.max(0, x[i]), 6);
  }
};

export const eluOf: InPlace = x => {
  for (let i = 0; i < x.length; i++) {
    const xi = x[i];
    x[i] = xi >= 0 ? xi : Math.exp(xi) - 1;
  }
};

/** Adds a row [columns] to each row of x. */
export function addRow(x: Float32Array, row: Float32Array): void {
  for (let i = 0; i < x.length;) {
    for (let j = 0; j < row.length; j++, i++) {
      x[i] = x[i] + row[j];
    }
  }
}
