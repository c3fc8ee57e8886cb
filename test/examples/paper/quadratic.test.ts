/** The paper's theorem on full batches at the first step: later steps soon reach the rounding of float32. */
import test from 'ava';
import {quadraticRun, slopeOverWidth} from '../../../docs/examples/paper/quadratic';
import {useBackend} from '../../support/backends';

const SEEDS = [0, 1, 2, 3, 4, 5];

test.before(() => useBackend('wasm'));

test('the residual after one undamped step is that before it, squared, by C/√M', t => {
  const runs = [64, 512, 4096].flatMap(width => SEEDS.map(seed => quadraticRun({examples: 20, dimensions: 10, width}, seed, 1)));
  const {slope, standardError} = slopeOverWidth(runs);
  t.true(standardError < 0.08, `standard error ${standardError}`);
  t.true(Math.abs(slope + 0.5) < 0.12, `slope ${slope}`);
  for (const {width, seed, norms: [before, after]} of runs) {
    t.true(after * Math.sqrt(width) < 0.8 * before ** 2, `width ${width}, seed ${seed}: ${before}, then ${after}`);
  }
});
