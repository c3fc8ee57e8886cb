import * as tf from '@tensorflow/tfjs';
import {availableBackends, useBackend} from '../../../test/support/backends';
import type {NodeBackend} from '../../../test/support/backends';

/** How a backend is called in titles. */
export const BACKEND_NAMES: Record<NodeBackend, string> = {cpu: 'cpu backend', wasm: 'WebAssembly backend', tensorflow: 'tfjs-node'};

/** Makes a backend the current one; 'tensorflow' is tfjs-node. */
export async function startBackend(name: NodeBackend): Promise<void> {
  if (!availableBackends().includes(name)) {
    throw new Error('tfjs-node is not built here. Run: npm run native');
  }
  await useBackend(name);
  if (tf.getBackend() !== name) {
    throw new Error(`tfjs could not start its ${name} backend on this machine.`);
  }
}
