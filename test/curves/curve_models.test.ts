/**
 * Eleven curve models from twelve random starts each, without an option: at least as often right as scipy's `lm`, whose counts are in
 * scipy.json.
 */
import {readFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {countFound} from '../bench/curves/fit';
import type {ScipyFits} from '../bench/curves/fit';
import {CURVES, dataOf, squaresOf} from '../bench/curves/models';

await tf.setBackend('cpu');

const {fits} = JSON.parse(readFileSync(new URL('../bench/curves/scipy.json', import.meta.url), 'utf8')) as ScipyFits;

/** Of the four sets of data and starts that `npx tsx test/bench/curves/main.ts` goes through. */
const SEEDS = [0, 1];

for (const curve of CURVES) {
  for (const seed of SEEDS) {
    test.serial(`${curve.name}, seed ${seed}: as many of twelve starts as scipy, or more, come to the minimum`, t => {
      const {minimum, found} = fits[curve.name][seed];
      const {count, steps} = countFound(curve, seed, minimum);
      t.true(count >= found, `${count}, scipy ${found}; ${steps} steps`);
    });
  }
}

test('the data are those that scipy had: its minimum is below the truth, by about the parameters fitted', t => {
  for (const curve of CURVES) {
    for (const seed of SEEDS) {
      const data = dataOf(curve, seed);
      const [{minimum}, atTruth] = [fits[curve.name][seed], squaresOf(curve, data, curve.truth)];
      t.true(minimum < atTruth && minimum > atTruth * (1 - 4 * curve.truth.length / data.x.length), `${curve.name}, seed ${seed}: ${minimum} of ${atTruth}`);
    }
  }
});
