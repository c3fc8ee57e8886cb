import {add, backend, env, fill, getBackend, tidy} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';

/**
 * Refuses backends that compute in float16. WebGL does so on devices without float32 textures (many
 * phones). In float16 the Gram matrix keeps three digits and overflows at 65504, so that a step
 * would be wrong without a sign of it.
 *
 * The flag tells of the textures in use. `backend().floatPrecision()` cannot be used: it also
 * returns 16 for some devices that use float32 (tfjs 4.22).
 *
 * @throws Error on a WebGL backend that computes in float16.
 */
export function checkPrecision(): void {
  if (getBackend() === 'webgl' && !env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')) {
    throw ggnError('the WebGL backend of this device computes in float16 (its flag WEBGL_RENDER_FLOAT32_ENABLED is ' +
        'false), which cannot carry a Gauss-Newton step. Train on another backend: await ' +
        "tf.setBackend('wasm') with @tensorflow/tfjs-backend-wasm, or 'cpu'.");
  }
}

/** Backends whose tensors lie in memory of this process, which JavaScript or a library reads. */
const IN_MEMORY = ['cpu', 'wasm', 'tensorflow'];

/** Backends that have read a known number correctly. */
const read = new WeakSet<object>();

/**
 * Refuses backends that read wrong numbers from their device. A step reads the loss and its matrix
 * synchronously, which WebGPU does by drawing to a canvas. If a browser composites canvases in
 * software (Chromium without a GPU process, some remote desktops), zeros come back without an
 * error, and training would do nothing without a word.
 *
 * So a known number is read once from each backend. It is computed with 2,048 entries, since
 * backends keep smaller tensors off the device.
 *
 * @throws Error if another number comes back.
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
    throw ggnError(`the backend '${getBackend()}' of this browser or device reads wrong numbers back from it: ` +
        `${values[wrong]} in place of 1.5 + 2.25. WebGPU does so if canvases are composited in software. ` +
        "A step cannot be solved from that. Train on another backend: await tf.setBackend('webgl'), " +
        "or 'wasm' with @tensorflow/tfjs-backend-wasm.");
  }
  read.add(backend());
}
