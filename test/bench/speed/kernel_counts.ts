/** Counts of calls of kernels of a backend, from outside of the optimizer. */
import * as tf from '@tensorflow/tfjs';

type Counts = Record<string, number>;

interface NodeBackendOpen {
  binding: Record<string, unknown>;
}

type AnyFunction = (...args: unknown[]) => unknown;

function counting(name: string, counts: () => Counts, f: AnyFunction): AnyFunction {
  return function(this: unknown, ...args) {
    const into = counts();
    into[name] = (into[name] ?? 0) + 1;
    return f.apply(this, args);
  };
}

/**
 * Counts the calls of registered kernels, and on tfjs-node those of the functions of its addon, each of which crosses
 * from JavaScript to TensorFlow. The kernels are wrapped where they are registered: the optimizer runs other ways if a
 * method of the engine itself is shadowed. A kernel that another kernel calls as a function is not counted.
 */
export class KernelCounts {
  private kernels: Counts = {};
  private addon: Counts | null = null;

  constructor(backend: string) {
    for (const config of tf.getKernelsForBackend(backend)) {
      const open = config as unknown as {kernelFunc: AnyFunction};
      open.kernelFunc = counting(config.kernelName, () => this.kernels, open.kernelFunc);
    }
    if (backend === 'tensorflow') {
      this.addon = {};
      const open = tf.backend() as unknown as NodeBackendOpen;
      const {binding} = open;
      open.binding = Object.fromEntries(Object.getOwnPropertyNames(binding).map(name => [name,
        typeof binding[name] === 'function' ? counting(name, () => this.addon!, binding[name] as AnyFunction) : binding[name]]));
    }
  }

  reset(): void {
    this.kernels = {};
    this.addon &&= {};
  }

  taken(): {kernels: Counts; addon: Counts | null} {
    return {kernels: this.kernels, addon: this.addon};
  }
}

export const total = (counts: Counts): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** `MatMul 12, Add 3`, most frequent first. */
export const byName = (counts: Counts): string => Object.entries(counts).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`).join(', ');
