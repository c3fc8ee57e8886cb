import test from 'ava';
import {availableBackends, type NodeBackend} from './backends';

const said = new Set<NodeBackend>();

/** `test.serial` if the backend can be had, otherwise `test.serial.skip` with a loud line. */
export function testOn(backend: NodeBackend): typeof test.serial | typeof test.serial.skip {
  if (availableBackends().includes(backend)) {
    return test.serial;
  }
  if (!said.has(backend)) {
    said.add(backend);
    console.log(`\n=== ${backend}: tests SKIPPED. "npm run native" builds tfjs-node for them, once. ===\n`);
  }
  return test.serial.skip;
}
