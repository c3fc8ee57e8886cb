/** Breaks the kernels of tfjs while a step runs. */
import * as tf from '@tensorflow/tfjs';
import type {Job} from './jobs';

type RunKernel = (this: unknown, name: string, ...rest: unknown[]) => tf.Tensor | tf.Tensor[];

/** The k-th kernel throws; it gives NaN; it and all after it throw, as after a lost context or without memory. */
export type Fault = 'throws' | 'nan' | 'lost';

/** Runs f while `replaced` stands in for the engine's `runKernel`, below whatever the optimizer puts in its place. */
async function withKernels(replaced: (run: () => tf.Tensor | tf.Tensor[]) => tf.Tensor | tf.Tensor[], f: () => Promise<void>): Promise<void> {
  const prototype = Object.getPrototypeOf(tf.engine()) as {runKernel: RunKernel};
  const {runKernel} = prototype;
  prototype.runKernel = function(...args) {
    return replaced(() => runKernel.apply(this, args));
  };
  try {
    await f();
  } finally {
    prototype.runKernel = runKernel;
  }
}

/** How many kernels a step runs. */
export async function countKernels(job: Job): Promise<number> {
  let count = 0;
  await withKernels(run => {
    count++;
    return run();
  }, async () => job.step());
  return count;
}

/**
 * Takes a step with a fault in its k-th kernel.
 *
 * @param sparesHandles whether a kernel that gives the data of its input does not give NaN in their place.
 */
export async function stepWith(fault: Fault, k: number, job: Job, sparesHandles = false): Promise<void> {
  let count = 0;
  await withKernels(run => {
    const distance = count++ - k;
    if (distance < 0 || (distance > 0 && fault !== 'lost')) {
      return run();
    }
    if (fault !== 'nan') {
      throw new Error('injected');
    }
    const result = run();
    const changed = (t: tf.Tensor): tf.Tensor => sparesHandles && tf.backend().refCount(t.dataId) > 1 ? t : spoiled(t);
    return Array.isArray(result) ? result.map(changed) : changed(result);
  }, async () => job.step());
}

/** NaN in the place of a tensor; without a kernel, and not in its data, which others may share. */
function spoiled(t: tf.Tensor): tf.Tensor {
  if (t.dtype !== 'float32') {
    return t;
  }
  const nan = tf.engine().makeTensor(new Float32Array(t.size).fill(NaN), t.shape, 'float32');
  t.dispose();
  return nan;
}
