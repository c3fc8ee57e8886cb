/** The digits as images of 64 numbers and their classes, split. */
import * as tf from '@tensorflow/tfjs';
import {readFileSync} from 'node:fs';
import {gunzipSync} from 'node:zlib';
import type {Examples} from '../shared/fit';
import {seededRandom} from '../shared/random';

export const PIXELS = 64;
export const CLASSES = 10;

const HELD_OUT = 360;

/** Grey values [n, 64], 0 to 1, and classes [n, 10], one of them 1. */
export interface Data {
  training: Examples;
  /** A fifth of the digits, which have no part in training. */
  heldOut: Examples;
}

/** The same seed draws the same digits to hold out. */
export function loadData(seed: number): Data {
  const random = seededRandom(seed);
  const digits = readDigits(new URL('../digits/data/digits.csv.gz', import.meta.url));
  for (let i = digits.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [digits[i], digits[j]] = [digits[j], digits[i]];
  }
  const part = (rows: number[][]): Examples => ({
    x: tf.tensor2d(rows.map(row => row.slice(0, PIXELS).map(grey => grey / 16))),
    y: tf.tidy(() => tf.oneHot(tf.tensor1d(rows.map(row => row[PIXELS]), 'int32'), CLASSES).toFloat()),
  });
  return {heldOut: part(digits.slice(0, HELD_OUT)), training: part(digits.slice(HELD_OUT))};
}

/** Rows of 64 grey values from 0 to 16, and the class. */
function readDigits(file: URL): number[][] {
  return gunzipSync(readFileSync(file)).toString().trim().split(/\r?\n/).map((line, l) => {
    const row = line.split(',').map(Number);
    if (row.length !== PIXELS + 1 || !row.every(Number.isFinite)) {
      throw new Error(`${file.pathname}, line ${l + 1}: expected ${PIXELS + 1} numbers, received '${line}'.`);
    }
    return row;
  });
}
