/** The page of wasm.test.ts: it trains on the WASM backend and reads the facts on which the test rests. */
import * as tf from '@tensorflow/tfjs';
import {getThreadsCount, setThreadsCount, setWasmPaths} from '@tensorflow/tfjs-backend-wasm';
import {ggn} from '../../src/index';
import {BUILDS, bytesOf, type Build} from '../../src/kernels/module';
import {WasmHeap, wasmHeap} from '../../src/tfjs/wasm_heap';

type Kernels = 'auto' | 'tfjs';

interface Facts {
  readonly backend: string;
  readonly isIsolated: boolean;
  readonly threads: number;
  /** The memory of the backend is shared between threads. */
  readonly isShared: boolean;
  /** Kernels of our own can work in the memory of the backend. */
  readonly hasHeap: boolean;
  /** The build of them that the engine takes. */
  readonly build: Build | undefined;
}

interface Training {
  /** The loss of each step. */
  readonly losses: number[];
  /** How often kernels of our own asked where a tensor lies. */
  readonly lookups: number;
  /** The memory of the backend has grown between two steps. */
  readonly hasGrown: boolean;
}

export interface WasmPage {
  facts(): Promise<Facts>;
  train(kernels: Kernels): Promise<Training>;
}

const THREADS = 2;

/** tfjs takes at most half as many threads as there are cores, of which a machine may have two. */
async function start(): Promise<void> {
  if (tf.getBackend() !== 'wasm') {
    Object.defineProperty(navigator, 'hardwareConcurrency', {value: 2 * THREADS});
    setWasmPaths('/');
    setThreadsCount(THREADS);
    await tf.setBackend('wasm');
  }
}

/** The bytes of the backend's memory. */
const bufferOf = (): ArrayBufferLike => (tf.backend() as unknown as {wasm: {HEAPU8: Uint8Array}}).wasm.HEAPU8.buffer;

async function facts(): Promise<Facts> {
  await start();
  const isShared = typeof SharedArrayBuffer !== 'undefined' && bufferOf() instanceof SharedArrayBuffer;
  return {
    backend: tf.getBackend(),
    isIsolated: crossOriginIsolated,
    threads: getThreadsCount(),
    isShared,
    hasHeap: wasmHeap() !== null,
    build: BUILDS.find(build => WebAssembly.validate(bytesOf(build, isShared))),
  };
}

const [BATCH, INPUTS, WIDTH, STEPS] = [37, 9, 65, 10];

/** More bytes than the memory of the backend has at first. */
const LARGE = 2 ** 25;

/** Ten steps in two epochs, on batches of odd size. The memory grows between the epochs. */
async function train(kernels: Kernels): Promise<Training> {
  await start();
  const x = tf.randomUniform([BATCH * STEPS / 2, INPUTS], -2, 2, 'float32', 1);
  const y = tf.tidy(() => tf.sin(x.slice([0, 0], [-1, 1])).mul(tf.sin(x.slice([0, 1], [-1, 1]))));
  const kernelInitializer = (seed: number) => tf.initializers.glorotUniform({seed});
  const model = tf.sequential({layers: [
    tf.layers.dense({units: WIDTH, activation: 'tanh', inputShape: [INPUTS], kernelInitializer: kernelInitializer(2)}),
    tf.layers.dense({units: WIDTH, activation: 'relu', kernelInitializer: kernelInitializer(3)}),
    tf.layers.dense({units: 1, kernelInitializer: kernelInitializer(4)}),
  ]});
  const optimizer = ggn({kernels});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const losses: number[] = [];
  let lookups = 0;
  const {byteLength} = bufferOf();
  const {pointer} = WasmHeap.prototype;
  WasmHeap.prototype.pointer = function(this: WasmHeap, tensor) {
    lookups++;
    return pointer.call(this, tensor);
  };
  try {
    await model.fit(x, y, {batchSize: BATCH, epochs: 2, shuffle: false, verbose: 0, yieldEvery: 'never',
      callbacks: {
        onBatchEnd: (_, logs) => void losses.push(logs!['loss']),
        onEpochEnd: () => tf.dispose(tf.zeros([LARGE / 4])),
      }});
  } finally {
    WasmHeap.prototype.pointer = pointer;
    tf.dispose([x, y]);
    model.dispose();
    optimizer.dispose();
  }
  return {losses, lookups, hasGrown: bufferOf().byteLength > byteLength};
}

const page: WasmPage = {facts, train};

Object.assign(globalThis, {wasmPage: page});
