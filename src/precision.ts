import {env, getBackend} from '@tensorflow/tfjs-core';
import {ggnError} from './errors';

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
