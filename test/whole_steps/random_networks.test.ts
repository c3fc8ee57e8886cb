/** Whole steps of networks put together at random, against the dense reference. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import fc from 'fast-check';
import {useBackend} from '../support/backends';
import type {NodeBackend} from '../support/backends';
import {architecture, caseOf, genomes, networkOf} from '../support/random_network';
import {runCase} from '../support/whole_step';

/** RANDOM_NETWORKS=1000 npx ava test/whole_steps/random_networks.test.ts: more of them, from a seed that is printed. */
const runs = Number(process.env['RANDOM_NETWORKS'] ?? 0);

for (const backend of ['cpu', 'wasm'] as const) {
  test.serial(`${backend}: random networks`, async t => {
    await t.notThrowsAsync(() => fc.assert(fc.asyncProperty(genomes, async genome => {
      // One step: after a full one what is left may lie outside the range of J, where float32 has its floor.
      const {outcome, message, kind} = await runCase(caseOf(genome), backend, name => useBackend(name as NodeBackend), 1);
      if (outcome !== 'exact' || kind !== 'fast') {
        await tf.setBackend('cpu');
        throw new Error(`${outcome}, ${kind}: ${message}\n${architecture(networkOf(genome))}`);
      }
    }), runs > 0 ? {numRuns: runs, endOnFailure: true, includeErrorInReport: true} : {numRuns: 120, seed: 4, includeErrorInReport: true}));
  });
}
