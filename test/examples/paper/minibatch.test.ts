import test from 'ava';
import {logLine, minibatchRun} from '../../../docs/examples/paper/minibatch';
import {useBackend} from '../../support/backends';

test.before(() => useBackend('wasm'));

test('mini-batches make the residual over all data smaller by a constant factor per epoch', t => {
  const run = minibatchRun({examples: 64, dimensions: 20, width: 1024}, 16, 0, 25);
  const {slope, explained} = logLine(run);
  t.true(run.norms.at(-1)! < 1e-2 * run.norms[0], run.norms.join());
  t.true(explained > 0.98, `explained ${explained}`);
  t.true(slope < -0.1, `slope ${slope}`);
});
