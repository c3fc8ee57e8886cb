/** The backends of the tests that run in Node. (WebGL needs a page: see test/browser.) */
import fs from 'node:fs';
import {createRequire} from 'node:module';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';

export type NodeBackend = 'cpu' | 'wasm' | 'tensorflow';

/** Where test/native/build.sh puts tfjs-node: Node finds the project's own TensorFlow.js from there. */
const TFJS_NODE = new URL('../../.cache/native/node_modules/@tensorflow/tfjs-node/', import.meta.url);

/** Which backends can be tested here; tfjs-node only after test/native/build.sh. */
export function availableBackends(): NodeBackend[] {
  return fs.existsSync(new URL('lib/napi-v8/tfjs_binding.node', TFJS_NODE)) ? ['cpu', 'wasm', 'tensorflow'] : ['cpu', 'wasm'];
}

/** Makes a backend the current one. 'tensorflow' loads tfjs-node, once, and only in the processes of tests that ask for it. */
export async function useBackend(name: NodeBackend): Promise<void> {
  if (name === 'tensorflow' && tf.findBackendFactory(name) == null) {
    loadTfjsNode();
  }
  await tf.setBackend(name);
}

function loadTfjsNode(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';   // no notes on CPU features among the results
  // Which kernels there are would else depend on the machine: without oneDNN, which TensorFlow takes by itself on newer CPUs only, Conv3D
  // and depthwise convolutions have no dilations.
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  // Gone from Node 23 on, which tfjs-node 4.22 does not know.
  const removed = util as unknown as Record<string, (x: unknown) => boolean>;
  removed.isNullOrUndefined ??= x => x == null;
  removed.isArray ??= Array.isArray;
  createRequire(TFJS_NODE)('./dist/index.js');
}
