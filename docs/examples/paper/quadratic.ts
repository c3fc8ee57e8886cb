/** Claim 1: full-batch Gram-Gauss-Newton converges quadratically, |r_t+1| ≤ C/√M · |r_t|². */
import type * as tf from '@tensorflow/tfjs';
import {join, relative} from 'node:path';
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {writeFigure} from '../shared/figure';
import {Progress} from '../shared/progress';
import {table} from '../shared/table';
import {BACKEND, backendOf, list, OUT} from './experiment';
import type {Experiment} from './experiment';
import {fitLine, geometricMean, mean} from './statistics';
import {undamped} from './gauss_newton';
import {quadraticFigure} from './quadratic_figure';
import {dispose, residual, residualNorm, twoLayer} from './two_layer';
import type {Sizes} from './two_layer';

/** |r_0|, |r_1|, ... of one run. */
export interface QuadraticRun {
  width: number;
  seed: number;
  norms: number[];
}

/** Some full-batch steps on a network of random data and weights. */
export function quadraticRun(sizes: Sizes, seed: number, steps: number): QuadraticRun {
  const network = twoLayer(sizes, seed);
  const optimizer = undamped();
  const norms = [residualNorm(network)];
  for (let t = 0; t < steps; t++) {
    optimizer.minimize(() => residual(network).square().mean() as tf.Scalar, false, [network.w]);
    norms.push(residualNorm(network));
  }
  optimizer.dispose();
  dispose(network);
  return {width: sizes.width, seed, norms};
}

/** |r_1| / |r_0|²: at most C/√M by the theorem. */
export const contraction = ({norms: [before, after]}: QuadraticRun): number => after / before ** 2;

/** The slope of log |r_1|/|r_0|² over log M, fitted for each seed (same data at all widths): mean and standard error over the seeds. */
export function slopeOverWidth(runs: QuadraticRun[]): {slope: number; standardError: number} {
  const seeds = [...new Set(runs.map(({seed}) => seed))];
  const slopes = seeds.map(seed =>
    fitLine(runs.filter(run => run.seed === seed).map(run => [Math.log(run.width), Math.log(contraction(run))])).slope);
  const slope = mean(slopes);
  const variance = mean(slopes.map(value => (value - slope) ** 2)) * slopes.length / (slopes.length - 1);
  return {slope, standardError: Math.sqrt(variance / slopes.length)};
}

export const quadratic: Experiment = {
  summary: 'Full batches: |r| of a two-layer network falls quadratically, by a factor that falls with the square root of the width.',
  options: [
    {name: 'widths', value: '64,128,256,512,1024,2048,4096,8192,16384', help: 'widths M', whole: 'list'},
    {name: 'seeds', value: '10', help: 'draws of data and weights for each width', whole: 'one'},
    {name: 'steps', value: '5', help: 'steps of each run', whole: 'one'},
    {...BACKEND, value: 'wasm'},
    OUT,
  ],
  run: async ({widths, seeds, steps, backend: wanted, out}) => {
    const backend = backendOf(wanted);
    await startBackend(backend);
    console.log(`20 points on the unit sphere in 10 dimensions, ${seeds} seeds; damping 0, learning rate 1, momentum 0; ` +
      `${BACKEND_NAMES[backend]}.\n`);
    const runs: QuadraticRun[] = [];
    for (const width of list(widths)) {
      const progress = new Progress(`width ${width}`.padEnd(12), Number(seeds), 'seeds');
      for (let seed = 0; seed < Number(seeds); seed++) {
        runs.push(quadraticRun({examples: 20, dimensions: 10, width}, seed, Number(steps)));
        progress.update(seed + 1, `|r1| ${runs.at(-1)!.norms[1].toPrecision(2)}`);
      }
      progress.end();
    }
    const byWidth = list(widths).map(width => runs.filter(run => run.width === width));
    const header = ['width M', ...runs[0].norms.map((_, t) => `‖r${t}‖`), '‖r1‖/‖r0‖²', 'smallest', 'largest'];
    console.log('\n' + table(header, byWidth.map(group => {
      const contractions = group.map(contraction);
      return [group[0].width, ...group[0].norms.map((_, t) => geometricMean(group.map(run => run.norms[t]))), geometricMean(contractions),
        Math.min(...contractions), Math.max(...contractions)].map((value, column) => column === 0 ? String(value) : value.toPrecision(2));
    })));
    const {slope, standardError} = slopeOverWidth(runs);
    console.log(`\nSlope of log |r1|/|r0|² over log M: ${slope.toFixed(3)} ± ${standardError.toFixed(3)} (standard error over ` +
      'the seeds); theory -0.5.');
    console.log('Norms are geometric means over the seeds. Below about 1e-5 they are what float32 leaves.');
    const files = await writeFigure(quadraticFigure(runs, slope), join(out, 'quadratic'));
    console.log(`\nPlot: ${files.map(file => relative('', file)).join(', ')}`);
  },
};
