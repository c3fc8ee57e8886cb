/** Kernels that choose entries of their input against tfjs's tape, ties included, and the number of searches for the chosen entries. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {capture} from '../../../src/trace/capture';
import {ggn} from '../../../src/index';
import {cotangents} from '../../../src/derivatives/cotangents';
import {chosenCotangent} from '../../../src/derivatives/kernels/maxima';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

type Op = (x: any) => tf.Tensor;

/** Numbers of which many are equal. */
const tied = (shape: number[], seed: number): tf.Tensor => noise(shape, seed).mul(2).round().div(2);

const negative = (shape: number[], seed: number): tf.Tensor => noise(shape, seed).abs().neg().sub(0.1);

/** MaxPool3D of the WASM backend gives 0 for a window of negative numbers. */
const POSITIVE = {noise: (shape: number[], seed: number) => noise(shape, seed).abs(), tied: (shape: number[], seed: number) => tied(shape, seed).abs().add(1)};

const OPS: Record<string, [Op, number[], string]> = {
  'pooling': [x => tf.maxPool(x, 2, 2, 'valid'), [6, 4, 6, 3], 'MaxPool'],
  'pooling, overlapping': [x => tf.maxPool(x, 3, 2, 'valid'), [6, 7, 5, 2], 'MaxPool'],
  "pooling, overlapping, 'same'": [x => tf.maxPool(x, [3, 2], [2, 1], 'same'), [6, 6, 5, 5], 'MaxPool'],
  'pooling, a window of all': [x => tf.maxPool(x, [3, 4], 1, 'valid'), [6, 3, 4, 1], 'MaxPool'],
  'pooling, many channels': [x => tf.maxPool(x, 2, 2, 'same'), [6, 3, 3, 17], 'MaxPool'],
  'pooling, strides beyond the window': [x => tf.maxPool(x, 2, 3, 'same'), [6, 7, 7, 2], 'MaxPool'],
  'pooling of volumes': [x => tf.maxPool3d(x, 2, 2, 'valid'), [6, 4, 2, 3, 2], 'MaxPool3D'],
  "pooling of volumes, overlapping, 'same'": [x => tf.maxPool3d(x, [3, 2, 2], [2, 1, 1], 'same'), [6, 4, 3, 3, 2], 'MaxPool3D'],
  'the largest of the last axis': [x => tf.max(x, -1), [6, 4, 5], 'Max'],
  'the largest of an axis': [x => tf.max(x, 1), [6, 4, 5], 'Max'],
  'the largest of two axes': [x => tf.max(x, [1, 2]), [6, 3, 4, 2], 'Max'],
  'the largest of two axes, kept': [x => tf.max(x, [2, 1], true), [6, 3, 4, 2], 'Max'],
  'the smallest of an axis': [x => tf.min(x, 1), [6, 4, 5], 'Min'],
  'the smallest of two axes': [x => tf.min(x, [2, 3]), [6, 3, 4, 2], 'Min'],
};

/** The cotangent by tfjs's tape on cpu, and ours of one or more cotangents for each example. */
for (const backend of ['cpu', 'wasm']) {
  for (const [name, [op, shape, kernel]] of Object.entries(OPS)) {
    test.serial(`${backend}: ${name}`, async t => {
      for (const [kind, make] of Object.entries(kernel === 'MaxPool3D' ? POSITIVE : {noise, tied, negative})) {
        await tf.setBackend('cpu');
        const [x, y] = [make(shape, 1), tf.tidy(() => op(make(shape, 1)))];
        const dys = [2, 3, 4].map(seed => noise(y.shape, seed));
        const expected = dys.map(dy => tf.tidy(() => tf.grad(op)(x, dy).dataSync().slice() as never) as unknown as Float32Array);
        const [xs, deltas] = [x.dataSync().slice(), dys.map(dy => dy.dataSync().slice())];
        await tf.setBackend(backend);
        const {numTensors} = tf.memory();
        tf.tidy(() => {
          const input = tf.tensor(xs, shape);
          const {trace} = capture(() => op(input).sum());
          const node = trace.nodes.find(one => one.kernel === kernel)!;
          const output = trace.values[node.outputs[0]];
          deltas.forEach((delta, i) => {
            const [own] = cotangents(trace.values, node, [tf.tensor(delta, output.shape)], ['x']);
            t.true(relativeError(own.dataSync(), expected[i]) < 1e-6, kind);
          });
          // All cotangents of an example in a row.
          const [examples, size] = [shape[0], output.size / shape[0]];
          const joined = tf.tensor(deltas[0], [output.size]).reshape([examples, 1, size])
              .concat(deltas.slice(1).map(delta => tf.tensor(delta, [examples, 1, size])), 1);
          const together = chosenCotangent(node, input, output, joined, examples)!;
          t.deepEqual(together.shape, [examples * deltas.length, ...shape.slice(1)]);
          const apart = together.reshape([examples, deltas.length, -1]).unstack(1);
          apart.forEach((part, i) => t.true(relativeError(part.dataSync(), expected[i]) < 1e-6, kind));
          trace.dispose();
        });
        t.is(tf.memory().numTensors, numTensors);
      }
    });
  }
}

test.serial('not a number, and axes that are not neighbours', async t => {
  await tf.setBackend('cpu');
  const x = tf.tensor4d([NaN, 1, 2, 3], [1, 2, 2, 1]);
  const {trace} = capture(() => tf.max(tf.maxPool(x, 2, 2, 'valid'), [0, 2]).sum());
  const of = (kernel: string): Float32Array | null => {
    const node = trace.nodes.find(one => one.kernel === kernel)!;
    const [input, output] = [trace.values[node.inputs[0][1]], trace.values[node.outputs[0]]];
    return chosenCotangent(node, input, kernel === 'MaxPool' ? tf.fill(output.shape, NaN) : output, tf.ones(output.shape))?.dataSync() as Float32Array ?? null;
  };
  t.deepEqual([...of('MaxPool')!], [0, 0, 0, 0]);
  t.is(of('Max'), null);
  trace.dispose();
});

/**
 * The names of the kernels that run, and the number of times that a choosing kernel reads its inputs. The engine stays as it is, since
 * kernels of ours ask whether somebody looks on.
 */
async function watched(backend: string, run: () => Promise<unknown>): Promise<{kernels: string[]; reads: number[]}> {
  const [kernels, reads] = [[] as string[], new Map<object, number>()];
  const configs = tf.getKernelsForBackend(backend);
  const originals = configs.map(({kernelFunc}) => kernelFunc);
  const device = tf.backend() as unknown as {readSync(id: object, ...range: number[]): Float32Array};
  const {readSync} = device;
  configs.forEach(config => {
    const {kernelFunc} = config;
    config.kernelFunc = params => {
      kernels.push(config.kernelName);
      if (/^Max/.test(config.kernelName)) {
        reads.set(params.inputs['x']!.dataId, 0);
      }
      return kernelFunc(params);
    };
  });
  device.readSync = function(id, ...range) {
    reads.set(id, (reads.get(id) ?? NaN) + 1);
    return readSync.call(this, id, ...range);
  };
  try {
    await run();
  } finally {
    configs.forEach((config, i) => config.kernelFunc = originals[i]);
    delete (device as Partial<typeof device>).readSync;
  }
  return {kernels, reads: [...reads.values()].filter(count => count > 0)};
}

const L = tf.layers;

const POOLED: Record<string, (outputs: number) => tf.LayersModel> = {
  'after convolutions': outputs => tf.sequential({layers: [L.conv2d({filters: 3, kernelSize: 2, inputShape: [9, 9, 2], activation: 'relu'}), L.maxPooling2d({poolSize: 2}),
    L.conv2d({filters: 2, kernelSize: 2}), L.maxPooling2d({poolSize: 2, strides: 1, padding: 'same'}), L.flatten(), L.dense({units: outputs})]}),
  'of volumes': outputs => tf.sequential({layers: [L.conv3d({filters: 2, kernelSize: 2, inputShape: [4, 5, 5, 1]}), L.maxPooling3d({poolSize: 2}), L.flatten(), L.dense({units: outputs})]}),
  'after dense layers': outputs => tf.sequential({layers: [L.dense({units: 3, inputShape: [6, 6, 2], activation: 'tanh'}), L.maxPooling2d({poolSize: 3, strides: 2}), L.flatten(), L.dense({units: outputs})]}),
  'of sequences': outputs => tf.sequential({layers: [L.conv1d({filters: 3, kernelSize: 2, inputShape: [9, 2]}), L.maxPooling1d({poolSize: 2}), L.globalMaxPooling1d(), L.dense({units: outputs})]}),
};

for (const [name, build] of Object.entries(POOLED)) {
  test.serial(`wasm: a step with pooling ${name} looks for the maxima once, whatever the number of outputs`, async t => {
    await tf.setBackend('wasm');
    const looked: number[][] = [];
    for (const outputs of [2, 7]) {
      const model = build(outputs);
      const optimizer = ggn();
      model.compile({optimizer, loss: 'meanSquaredError'});
      const [x, y] = [noise([5, ...model.inputs[0].shape.slice(1) as number[]], 1), noise([5, outputs], 2)];
      // The first step checks itself by other ways.
      await model.trainOnBatch(x, y);
      const {kernels, reads} = await watched('wasm', () => model.trainOnBatch(x, y));
      t.is(optimizer.lastStep!.rows, 5 * outputs);
      for (const slow of ['StridedSlice', 'Equal', 'Tile', 'BroadcastTo', 'DepthToSpace', 'MaxPoolGrad', 'MaxPool3DGrad']) {
        t.false(kernels.includes(slow), slow);
      }
      // Once as an input, and once where it is another's output.
      t.true(reads.length > 0 && reads.every(count => count <= 2), reads.join());
      looked.push(reads);
      model.dispose();
      tf.dispose([x, y]);
    }
    t.deepEqual(looked[0], looked[1]);
  });
}
