import * as tf from '@tensorflow/tfjs';
import * as package_ from 'tfjs-ggn';
import train from './train.cjs';

console.log(JSON.stringify(await train(tf, package_)));
