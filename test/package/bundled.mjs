// For a bundler: tfjs-core without layers. Its gradients are a file of their own.
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfggn from 'tfjs-ggn';

Object.assign(globalThis, {tf, tfggn});
