// Compiled with the options of a strict TypeScript project, where tfjs-layers is not installed; never run.
import * as tf from '@tensorflow/tfjs-core';
import {ggn, leastSquares, type StepReport} from 'tfjs-ggn';

const a = tf.variable(tf.scalar(0));
const optimizer = ggn({damping: 'auto'});
optimizer.minimize(() => leastSquares(tf.sub(a, 1)));
export const report: StepReport | null = optimizer.lastStep;
