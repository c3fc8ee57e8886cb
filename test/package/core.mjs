import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as package_ from 'tfjs-ggn';
import loop from './loop.cjs';

console.log(JSON.stringify(await loop(tf, package_)));
