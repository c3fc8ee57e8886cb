/** The outputs of kernels by shape, against those of all kernels of steps of networks. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../src/index';
import {outputsOf} from '../../src/trace/kernel_outputs';
import type {KernelOutput} from '../../src/trace/kernel_outputs';
import {cases} from '../cases/cases';

/** Every so many of the cases. All of them were tried once, on both backends. */
const EVERY = 25;

/** Kernels without a rule, which only layers of preprocessing run. */
const WITHOUT_RULE = new Set(['Range', 'CropAndResize', 'DenseBincount']);

interface Call {
  kernelName?: string;
  inputs: Record<string, tf.Tensor | null>;
  attrs?: Record<string, unknown>;
}

/** Runs f, and compares the outputs of each kernel with their prediction. */
async function compare(f: () => Promise<unknown>, t: {deepEqual(a: unknown, b: unknown, message: string): void}): Promise<number> {
  const engine = tf.engine() as unknown as {runKernelFunc(call: Call): tf.Tensor | tf.Tensor[]};
  const own = engine.runKernelFunc;
  let kernels = 0;
  engine.runKernelFunc = call => {
    const {kernelName, inputs, attrs} = call;
    if (kernelName == null || WITHOUT_RULE.has(kernelName)) {
      return own.call(engine, call);
    }
    const predicted = outputsOf(kernelName, inputs, attrs ?? {})?.map(({shape, dtype, sharedWith}: KernelOutput) =>
      ({shape: [...shape], dtype, isShared: sharedWith !== undefined}));
    const outputs = own.call(engine, call);
    const made = [outputs].flat().map(({shape, dtype, dataId}) =>
      ({shape, dtype, isShared: Object.values(inputs).some(input => input?.dataId === dataId)}));
    kernels++;
    if (JSON.stringify(predicted) !== JSON.stringify(made)) {
      t.deepEqual(predicted, made, kernelName);
    }
    return outputs;
  };
  try {
    await f();
  } finally {
    delete (engine as Partial<typeof engine>).runKernelFunc;
  }
  return kernels;
}

for (const backend of ['wasm', 'cpu'] as const) {
  test.serial(`the outputs of every kernel of a step: ${backend}`, async t => {
    await tf.setBackend(backend);
    const own = cases.filter(({backends, refused, refusedOn}) =>
      backends.includes(backend) && refused === undefined && refusedOn?.[backend] === undefined);
    let kernels = 0;
    for (const one of own.filter((_, i) => i % EVERY === 0)) {
      const [model, {x, y}] = [one.model(), one.batch()];
      for (const memoryLimit of [2 ** 30, 2 ** 20]) {
        const optimizer = ggn({memoryLimit});
        model.compile({optimizer, loss: one.loss});
        kernels += await compare(() => model.trainOnBatch(x, y), t);
        optimizer.dispose();
      }
      tf.dispose([x, y]);
      model.dispose();
    }
    t.log(`${kernels} kernels`);
    t.true(kernels > 1000);
  });
}
