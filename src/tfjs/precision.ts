import {add, backend, env, fill, getBackend, tidy} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';

/**
 * A step takes float32: in float16, as WebGL computes on devices without float32 textures (many phones), the Gram matrix keeps three digits
 * and overflows at 65504, and the step would be wrong without a sign of it.
 *
 * The flag is that of the textures in use; `backend().floatPrecision()` says 16 where float32 is in use (tfjs 4.22).
 *
 * @throws Error on a WebGL backend that computes in float16.
 */
export function checkPrecision(): void {
  if (getBackend() === 'webgl' && !env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')) {
    throw ggnError('the WebGL backend of this device computes in float16 (its flag WEBGL_RENDER_FLOAT32_ENABLED is false), which cannot ' +
        "carry a Gauss-Newton step. Train on another backend: await tf.setBackend('wasm') with @tensorflow/tfjs-backend-wasm, or 'cpu'.");
  }
}

/** Backends whose tensors are in memory that JavaScript or a library in this process reads. */
const IN_MEMORY = ['cpu', 'wasm', 'tensorflow'];

/** Backends that have shown that they read right. */
const read = new WeakSet<object>();

/**
 * A step reads the loss and its matrix from the device, synchronously. WebGPU does so by drawing to a canvas, and where a browser composites canvases in software
 * (Chromium without a GPU process, some remote desktops) zeros come back without an error: training would do nothing, and hardly say so. So a known number is read
 * once from each backend. It is computed from 2,048 elements, as backends keep smaller tensors off the device.
 *
 * @throws Error where another number comes back.
 */
export function checkReads(): void {
  if (IN_MEMORY.includes(getBackend()) || read.has(backend())) {
    return;
  }
  const sum = tidy(() => add(fill([2048], 1.5), fill([2048], 2.25)));
  const values = sum.dataSync();
  sum.dispose();
  const wrong = values.findIndex(value => value !== 3.75);
  if (wrong !== -1 || values.length !== 2048) {
    throw ggnError(`the backend '${getBackend()}' of this browser or device reads wrong numbers back from it: ${values[wrong]} where it computed 1.5 + 2.25. ` +
        'WebGPU does so where canvases are composited in software. A step cannot be solved from that. ' +
        "Train on another backend: await tf.setBackend('webgl'), or 'wasm' with @tensorflow/tfjs-backend-wasm.");
  }
  read.add(backend());
}
