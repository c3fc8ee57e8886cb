import * as tf from '@tensorflow/tfjs';

/**
 * The number of kernels that the engine runs until `run` has ended, those that fail included.
 *
 * @param counts by the name of the kernel; undefined for a custom gradient.
 */
export async function kernelsOf(run: () => unknown, counts: (kernel: string | undefined) => boolean = () => true): Promise<number> {
  const engine = tf.engine() as unknown as {runKernelFunc(params: {kernelName?: string}): unknown};
  const own = engine.runKernelFunc;
  let count = 0;
  engine.runKernelFunc = params => {
    count += Number(counts(params.kernelName));
    return own.call(engine, params);
  };
  try {
    await run();
  } finally {
    delete (engine as Partial<typeof engine>).runKernelFunc;
  }
  return count;
}
