/** tfjs-node where the tests have built it (`npm run native`), WebAssembly elsewhere. */
import {availableBackends, useBackend as use} from '../../../test/support/backends';
import type {NodeBackend} from '../../../test/support/backends';

export function defaultBackend(): NodeBackend {
  return availableBackends().includes('tensorflow') ? 'tensorflow' : 'wasm';
}

/** Makes a backend the current one and returns its name. */
export async function useBackend(name: string): Promise<NodeBackend> {
  const found = availableBackends().find(backend => backend === name);
  if (found === undefined) {
    throw new Error(`--backend must be one of ${availableBackends().join(', ')} here${name === 'tensorflow' ? ': `npm run native` builds tfjs-node' : ''}.`);
  }
  await use(found);
  return found;
}
