import test from 'ava';
import {availableBackends, type NodeBackend, useBackend} from '../support/backends';
import {lossSteps, lossStepsOfSolvers, runLoss} from './loss_steps';

/** Declares a test for each loss in each way on `backend`, skipped where it cannot be had. */
export function testLosses(backend: NodeBackend): void {
  const declare = availableBackends().includes(backend) ? test.serial : test.skip;
  for (const step of [...lossSteps, ...lossStepsOfSolvers]) {
    declare(`${backend}: ${step.name}`, async t => t.deepEqual(await runLoss(step, backend, name => useBackend(name as NodeBackend)), []));
  }
}
