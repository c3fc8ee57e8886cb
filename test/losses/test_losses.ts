import {type NodeBackend, useBackend} from '../support/backends';
import {testOn} from '../support/test_on';
import {lossSteps, lossStepsOfSolvers, lossStepsOfTrials, runLoss} from './loss_steps';

/** Declares a test for each loss in each way on `backend`: skipped with a loud line if the backend cannot be had. */
export function testLosses(backend: NodeBackend): void {
  for (const step of [...lossSteps, ...lossStepsOfSolvers, ...lossStepsOfTrials]) {
    testOn(backend)(`${backend}: ${step.name}`, async t => t.deepEqual(await runLoss(step, backend, name => useBackend(name as NodeBackend)), []));
  }
}
