/** The handwritten digits, drawn into those to train on and those to hold out. */
import {readFileSync} from 'node:fs';
import {gunzipSync} from 'node:zlib';

/** Pixels along a side. */
export const SIDE = 8;

const HELD_OUT = 360;

export interface Digit {
  /** 64 grey values, 0 to 1. */
  image: number[];
  /** 0 to 9. */
  digit: number;
}

/** All digits in an order drawn by `random`; a fifth of them, which are to have no part in training, held out. */
export function drawDigits(random: () => number): {heldOut: Digit[]; training: Digit[]} {
  const digits = readDigits(new URL('../digits/data/digits.csv.gz', import.meta.url));
  for (let i = digits.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [digits[i], digits[j]] = [digits[j], digits[i]];
  }
  return {heldOut: digits.slice(0, HELD_OUT), training: digits.slice(HELD_OUT)};
}

function readDigits(file: URL): Digit[] {
  return gunzipSync(readFileSync(file)).toString().trim().split(/\r?\n/).map((line, l) => {
    const row = line.split(',').map(Number);
    if (row.length !== SIDE * SIDE + 1 || !row.every(Number.isFinite)) {
      throw new Error(`${file.pathname}, line ${l + 1}: expected ${SIDE * SIDE + 1} numbers, received '${line}'.`);
    }
    return {image: row.slice(0, -1).map(grey => grey / 16), digit: row[SIDE * SIDE]};
  });
}
