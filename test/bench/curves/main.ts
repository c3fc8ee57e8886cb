/**
 * `npx tsx test/bench/curves/main.ts`: from how many starts within a factor of three of the truth eleven curves come to the minimum, beside
 * scipy; writes RESULTS.md.
 */
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
  const lines: string[][] = [];
  const totals = [0, 0];
  for (const curve of CURVES) {
    const ours = SEEDS.map(seed => countFound(curve, seed, fits[curve.name][seed].minimum));
    const theirs = fits[curve.name].map(({found}) => found);
    const sums = [ours.map(({count}) => count), theirs].map(counts => counts.reduce((a, b) => a + b));
    sums.forEach((sum, i) => totals[i] += sum);
    console.log(`${curve.name}: ${ours.map(({count, steps}, i) => `${count} in ${steps} steps, scipy ${theirs[i]}`).join('; ')}`);
    lines.push([curve.name, ...sums.map(String), ...ours.map(({count}, i) => `${count}, ${theirs[i]}`)]);
  }
  lines.push(['all', ...totals.map(String), ...SEEDS.map(() => '')]);
  const page = `# Curves from random starts

\`npx tsx test/bench/curves/main.ts\`: eleven curve models with noise, from ${STARTS} random starts each within a factor of three of the truth, for each of ${SEEDS.length} seeds. A start counts that comes to within 0.1 % of the
least sum of squares. \`ggn()\` without an option in float32 (cpu backend), at most 200 steps; scipy ${scipy} in float64 by \`least_squares(method='lm')\` or \`curve_fit\`, whichever is right more often for
the seed. In the columns of seeds: \`ggn()\`, scipy.

${table(['curve', 'ggn()', 'scipy', ...SEEDS.map(seed => `seed ${seed}`)], lines)}

The bound of the step (src/step/judge/step_bound.ts) was chosen on seeds 4 to 19, not on these.
`;
  writeFileSync(new URL('RESULTS.md', import.meta.url), page);
  console.log(page);
}
