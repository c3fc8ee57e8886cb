import {engine, tensor, tidy} from '@tensorflow/tfjs-core';
import {matMul} from './jacobian/kernels';
import {doublePrecision, mixedPrecision} from './solve/mixed_precision';
import type {Factorize} from './solve/mixed_precision';

/** Backends that multiply float32 matrices ten times and more as fast as JavaScript, and read and write them at the price of a copy. */
const FAST = new Set(['wasm', 'tensorflow']);

const mixed = mixedPrecision((a, b, m, k, n) => {
  const product = tidy(() => matMul(tensor(a, [m, k]), tensor(b, [k, n])));
  const entries = product.dataSync() as Float32Array;
  product.dispose();
  return entries;
});

/** How damped systems are solved on the current backend. */
export const factorizeHere = (): Factorize => FAST.has(engine().backendName) ? mixed : doublePrecision;
