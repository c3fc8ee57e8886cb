/** `npx tsx test/bench/curves/main.ts`: from how many starts within a factor of three of the truth eleven curves come to the minimum, beside scipy. */
import {readFileSync, writeFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import {table} from '../../../docs/examples/shared/table';
import {countFound} from './fit';
import type {ScipyFits} from './fit';
import {CURVES, dataOf, STARTS} from './models';

const SEEDS = [0, 1, 2, 3];

const data = process.argv[2] === '--data' ? process.argv[3] : null;
if (data !== null) {
  writeFileSync(data, JSON.stringify(CURVES.flatMap(curve => SEEDS.map(seed => ({name: curve.name, truth: curve.truth, ...dataOf(curve, seed)})))));
} else {
  await tf.setBackend('cpu');
  const {scipy, fits} = JSON.parse(readFileSync(new URL('scipy.json', import.meta.url), 'utf8')) as ScipyFits;
  const rows = CURVES.map(curve => {
    const found = SEEDS.map(seed => countFound(curve, seed, fits[curve.name][seed].minimum));
    console.log(`${curve.name}: ${found.map(({count, steps}) => `${count} in ${steps} steps`).join(', ')}`);
    return [curve.name, ...[found.map(({count}) => count), fits[curve.name].map(fit => fit.found)].map(counts => counts.reduce((a, b) => a + b))] as [string, number, number];
  });
  const all = ['all', ...[1, 2].map(column => rows.reduce((sum, row) => sum + (row[column] as number), 0))];
  console.log(`\nOf ${STARTS * SEEDS.length} starts each:\n${table(['curve', 'ggn()', `scipy ${scipy}`], [...rows, all].map(row => row.map(String)))}`);
}
