// Compiled, not run: the types that a user of the package sees.
import * as tf from '@tensorflow/tfjs';
import {ggn, type GramGaussNewton, stepMetrics} from 'tfjs-ggn';

const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2]})]});
const optimizer: GramGaussNewton = ggn({learningRate: 0.1, damping: 0.1, momentum: 0.9});
model.compile({optimizer, loss: 'meanSquaredError'});
await model.fit(tf.zeros([4, 2]), tf.zeros([4, 1]), {epochs: 1, callbacks: stepMetrics(optimizer)});
export const loss: number | undefined = optimizer.lastStep?.loss;
// @ts-expect-error an option that does not exist
ggn({dampening: 1});
