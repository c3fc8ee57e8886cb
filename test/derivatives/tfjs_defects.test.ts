/**
 * Gradients that tfjs 4.22 computes wrongly: each defect as tfjs shows it, so that this fails when a tfjs mends it, and what we put in its
 * place against the other backend or against finite sums.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {capture} from '../../src/trace/capture';
import {ggn} from '../../src/index';
import {cotangents, tfjsCotangents} from '../../src/derivatives/cotangents';
import {relativeError} from '../support/relative_error';

interface Numbers {
  values: Float32Array;
  shape: number[];
}

const size = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);

/** Repeatable numbers in [-1, 1], moved by `shift`. */
function noise(shape: number[], seed: number, shift = 0): Numbers {
  let state = seed * 2654435761;
  return {shape, values: Float32Array.from({length: size(shape)}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 23 - 1 + shift;
  })};
}

const tensor = ({values, shape}: Numbers): tf.Tensor => tf.tensor(values, shape);

type Op = (...inputs: any[]) => tf.Tensor;

/** tf.grad's cotangent of input `wrt` on this backend. */
async function byTape(backend: string, op: Op, inputs: Numbers[], dy: Numbers, wrt = 0): Promise<Float32Array> {
  await tf.setBackend(backend);
  return tf.tidy(() => tf.grads(op)(inputs.map(tensor), tensor(dy))[wrt].dataSync().slice()) as Float32Array;
}

/** Ours, both as the self-check and as the sweep asks for it. */
async function byUs(t: ExecutionContext, backend: string, kernel: string, op: Op, inputs: Numbers[], dy: Numbers, name: string): Promise<Float32Array> {
  await tf.setBackend(backend);
  const {numTensors} = tf.memory();
  const result = tf.tidy(() => {
    const tensors = inputs.map(tensor);
    const {trace} = capture(() => op(...tensors).sum());
    try {
      const node = trace.nodes.find(one => one.kernel === kernel)!;
      const mine = tfjsCotangents(trace.values, node, [tensor(dy)])[name]();
      const [same] = cotangents(trace.values, node, [tensor(dy)], [name]);
      t.deepEqual(mine.shape, trace.values[node.inputs.find(([n]) => n === name)![1]].shape);
      t.deepEqual(same.dataSync(), mine.dataSync());
      return mine.dataSync().slice() as never;
    } finally {
      trace.dispose();
    }
  });
  t.is(tf.memory().numTensors, numTensors);
  return result;
}

const zero = (values: Float32Array): boolean => values.every(x => x === 0);

// ------------------------------------------------------------------------------------------------------------------------ MaxPool on wasm

test.serial('defect: MaxPool on wasm passes nothing where a window has no positive number', async t => {
  const pool: Op = x => tf.maxPool(x, 2, 2, 'valid');
  const [x, dy] = [noise([2, 4, 4, 3], 1, -2), noise([2, 2, 2, 3], 2)];
  // Whatever such windows pass goes to the first number of all.
  const [onWasm, onCpu] = [await byTape('wasm', pool, [x], dy), await byTape('cpu', pool, [x], dy)];
  t.true(zero(onWasm.subarray(1)), 'tfjs has mended MaxPoolGrad on wasm: drop our rule');
  t.is(onCpu.filter(d => d !== 0).length, dy.values.length);
  // Positive numbers are right.
  const positive = noise([2, 4, 4, 3], 1, 2);
  t.true(relativeError(await byTape('wasm', pool, [positive], dy), await byTape('cpu', pool, [positive], dy)) < 1e-6);
});

const pools: Array<[number[], number | [number, number], number | [number, number], 'same' | 'valid' | number | [[number, number], [number, number], [number, number], [number, number]]]> = [
  [[2, 4, 4, 3], 2, 2, 'valid'], [[2, 4, 4, 3], 2, 2, 'same'], [[2, 5, 5, 2], 2, 2, 'same'], [[2, 5, 5, 2], 2, 2, 'valid'], [[2, 6, 5, 2], 3, 1, 'same'],
  [[2, 6, 5, 2], 3, 1, 'valid'], [[1, 7, 5, 1], [3, 2], [2, 1], 'same'], [[1, 7, 5, 1], [3, 2], [2, 1], 'valid'], [[2, 5, 6, 2], [1, 3], [1, 3], 'same'],
  [[2, 7, 7, 2], 2, 3, 'same'], [[2, 7, 7, 2], 2, 3, 'valid'], [[1, 5, 5, 2], 3, 2, 1], [[2, 3, 3, 1], 3, 3, 'valid'], [[2, 2, 2, 1], 2, 1, 'same'],
  [[1, 6, 5, 2], 3, 2, [[0, 0], [1, 2], [0, 1], [0, 0]]], [[2, 4, 3, 2], 1, 1, 'same'], [[2, 8, 1, 2], [2, 1], [2, 1], 'valid'],
];

for (const [shape, filter, strides, padding] of pools) {
  test.serial(`MaxPool on wasm: ${shape.join('x')}, window ${filter.toString()}, strides ${strides.toString()}, pad ${padding.toString()}`, async t => {
    const pool: Op = x => tf.maxPool(x, filter, strides, padding as 'same');
    const ties: Numbers = {shape, values: noise(shape, 5).values.map(x => Math.round(2 * x) / 2)};
    const relu: Numbers = {shape, values: noise(shape, 6).values.map(x => Math.max(0, x))};
    await tf.setBackend('cpu');
    const dy = noise(tf.tidy(() => pool(tensor(relu)).shape), 7);
    for (const [name, x] of Object.entries({mixed: noise(shape, 1), negative: noise(shape, 2, -2), positive: noise(shape, 3, 2), ties, relu,
      tiny: {shape, values: noise(shape, 8, -1).values.map(v => v * 1e-39)}})) {
      const mine = await byUs(t, 'wasm', 'MaxPool', pool, [x], dy, 'x');
      t.true(relativeError(mine, await byTape('cpu', pool, [x], dy)) < 1e-6, name);
    }
  });
}

test.serial('MaxPool with sizes rounded down', async t => {
  const pool: Op = x => tf.maxPool(x, 2, 2, 1, 'floor');
  const [x, dy] = [noise([2, 4, 5, 2], 1, -1), noise([2, 3, 3, 2], 7)];
  t.true(relativeError(await byUs(t, 'wasm', 'MaxPool', pool, [x], dy, 'x'), await byTape('cpu', pool, [x], dy)) < 1e-6);
});

test.serial('defect: MaxPool on wasm with sizes rounded up is wrong in its values already, beyond our reach', async t => {
  const values = async (backend: string): Promise<Float32Array> => {
    await tf.setBackend(backend);
    return tf.tidy(() => tf.maxPool(tensor(noise([1, 4, 6, 1], 1)) as tf.Tensor4D, 3, 2, 0, 'ceil').dataSync().slice() as Float32Array);
  };
  t.true(relativeError(await values('wasm'), await values('cpu')) > 0.1, 'tfjs has mended this: test the gradient too');
});

test.serial('MaxPool on cpu is left to tfjs', async t => {
  const pool: Op = x => tf.maxPool(x, 2, 2, 'same');
  const [x, dy] = [noise([2, 5, 5, 2], 1, -2), noise([2, 3, 3, 2], 2)];
  t.deepEqual(await byUs(t, 'cpu', 'MaxPool', pool, [x], dy, 'x'), await byTape('cpu', pool, [x], dy));
});

test.serial('MaxPool3D on wasm: of equals the last, as on cpu', async t => {
  for (const [filter, strides, padding] of [[2, 2, 'valid'], [2, 1, 'same'], [[3, 2, 2], [1, 2, 1], 'same']] as const) {
    const pool: Op = x => tf.maxPool3d(x, filter as never, strides as never, padding);
    const shape = [2, 4, 4, 5, 2];
    const x: Numbers = {shape, values: noise(shape, 5).values.map(value => 2 + Math.round(2 * value) / 2)};
    await tf.setBackend('cpu');
    const dy = noise(tf.tidy(() => pool(tensor(x)).shape), 7);
    t.true(relativeError(await byUs(t, 'wasm', 'MaxPool3D', pool, [x], dy, 'x'), await byTape('cpu', pool, [x], dy)) < 1e-6);
  }
});

// --------------------------------------------------------------------------------------------------------- ResizeNearestNeighbor on cpu

/** The transpose of a linear op, one unit of the input at a time. */
async function byUnits(op: Op, shape: number[], dy: Numbers): Promise<Float32Array> {
  await tf.setBackend('cpu');
  return Float32Array.from({length: size(shape)}, (_, i) => tf.tidy(() =>
    op(tf.oneHot(i, size(shape)).toFloat().reshape(shape)).mul(tensor(dy)).sum().dataSync()[0]) as unknown as number);
}

test.serial('defect: ResizeNearestNeighbor on cpu is wrong for the second example', async t => {
  const resize: Op = x => tf.image.resizeNearestNeighbor(x, [4, 4]);
  const [x, dy] = [noise([2, 2, 2, 3], 1), noise([2, 4, 4, 3], 2)];
  const right = await byUnits(resize, x.shape, dy);
  const tfjs = await byTape('cpu', resize, [x], dy);
  t.true(relativeError(tfjs.subarray(0, 12), right.subarray(0, 12)) < 1e-6, 'the first example is right');
  t.true(relativeError(tfjs.subarray(12), right.subarray(12)) > 0.1, 'tfjs has mended ResizeNearestNeighborGrad on cpu: drop our rule');
});

for (const [shape, to, half] of [
  [[2, 2, 2, 3], [4, 4], false], [[3, 2, 3, 1], [4, 9], false], [[2, 3, 2, 2], [3, 8], false], [[2, 2, 2, 1], [2, 2], false], [[1, 2, 2, 2], [6, 4], false],
  [[2, 1, 1, 2], [3, 5], false], [[2, 2, 2, 3], [4, 6], true],
] as Array<[number[], [number, number], boolean]>) {
  test.serial(`ResizeNearestNeighbor on cpu: ${shape.join('x')} to ${to.join('x')}${half ? ', half pixel centres' : ''}`, async t => {
    const resize: Op = x => tf.image.resizeNearestNeighbor(x, to, false, half);
    const [x, dy] = [noise(shape, 1), noise([shape[0], ...to, shape[3]], 2)];
    t.true(relativeError(await byUs(t, 'cpu', 'ResizeNearestNeighbor', resize, [x], dy, 'images'), await byUnits(resize, shape, dy)) < 1e-6);
  });
}

test.serial('ResizeNearestNeighbor on cpu by a broken factor is refused', async t => {
  for (const [to, align] of [[[3, 3], false], [[1, 1], false], [[4, 4], true], [[4, 3], false]] as Array<[[number, number], boolean]>) {
    const resize: Op = x => tf.image.resizeNearestNeighbor(x, to, align);
    await t.throwsAsync(byUs(t, 'cpu', 'ResizeNearestNeighbor', resize, [noise([2, 2, 2, 1], 1)], noise([2, ...to, 1], 2), 'images'),
        {message: /tfjs's gradient of 'ResizeNearestNeighbor' is wrong on the CPU backend.*whole factors/});
  }
});

for (const backend of ['cpu', 'wasm']) {
  test.serial(`defect: AvgPool on ${backend} divides by the whole window where it reaches into the padding`, async t => {
    const [x, dy] = [noise([2, 5, 4, 2], 1), noise([2, 3, 2, 2], 2)];
    const pool: Op = x => tf.avgPool(x as tf.Tensor4D, 3, 2, 'same');
    const right = await byUnits(pool, x.shape, dy);
    t.true(relativeError(await byTape(backend, pool, [x], dy), right) > 0.1, 'tfjs has mended AvgPoolGrad: drop our rule');
    t.true(relativeError(await byUs(t, backend, 'AvgPool', pool, [x], dy, 'x'), right) < 1e-6);
  });

  test.serial(`defect: AvgPool3D on ${backend} as well`, async t => {
    const [x, dy] = [noise([2, 3, 4, 5, 2], 1), noise([2, 3, 4, 5, 2], 2)];
    const pool: Op = x => tf.avgPool3d(x as tf.Tensor5D, 2, 1, 'same');
    const right = await byUnits(pool, x.shape, dy);
    t.true(relativeError(await byTape(backend, pool, [x], dy), right) > 0.1, 'tfjs has mended AvgPool3DGrad: drop our rule');
    t.true(relativeError(await byUs(t, backend, 'AvgPool3D', pool, [x], dy, 'x'), right) < 1e-6);
  });
}

test.serial('defect: ResizeBilinear on cpu exchanges height and width of an image that is not square', async t => {
  const resize: Op = x => tf.image.resizeBilinear(x, [4, 5]);
  const [x, dy] = [noise([2, 2, 3, 2], 1), noise([2, 4, 5, 2], 2)];
  await t.throwsAsync(byTape('cpu', resize, [x], dy), {message: /has shape '2,3,2,2'/}, 'tfjs has mended ResizeBilinearGrad on cpu: drop our rule');
  for (const align of [false, true]) {
    const op: Op = x => tf.image.resizeBilinear(x, [4, 5], align);
    t.true(relativeError(await byUs(t, 'cpu', 'ResizeBilinear', op, [x], dy, 'images'), await byUnits(op, x.shape, dy)) < 1e-6);
  }
});

test.serial('ResizeNearestNeighbor on wasm is right', async t => {
  for (const [to, align] of [[[4, 4], false], [[3, 3], false], [[5, 5], true]] as Array<[[number, number], boolean]>) {
    const resize: Op = x => tf.image.resizeNearestNeighbor(x, to, align);
    const [x, dy] = [noise([2, 2, 2, 1], 1), noise([2, ...to, 1], 2)];
    t.true(relativeError(await byUs(t, 'wasm', 'ResizeNearestNeighbor', resize, [x], dy, 'images'), await byUnits(resize, x.shape, dy)) < 1e-6, `${to.join()} ${align}`);
  }
});

// ------------------------------------------------------------------------------------------------------------------------ Conv3D on wasm

const conv3d = (strides: number | [number, number, number], padding: 'same' | 'valid'): Op => (x, w) => tf.conv3d(x, w, strides, padding);

test.serial('defect: Conv3D on wasm, the gradient in the input, and in the filter where strides are above 1', async t => {
  const [x, w] = [noise([2, 4, 4, 4, 2], 1), noise([2, 2, 2, 2, 3], 2)];
  for (const [strides, out] of [[1, 3], [2, 2]] as const) {
    const dy = noise([2, out, out, out, 3], 3);
    const op = conv3d(strides, 'valid');
    const [onWasm, onCpu] = [await byTape('wasm', op, [x, w], dy, 0), await byTape('cpu', op, [x, w], dy, 0)];
    t.true(relativeError(onWasm, onCpu) > 0.1, `input, strides ${strides}: tfjs has mended Conv3DBackpropInputV2 on wasm`);
    const [filterOnWasm, filterOnCpu] = [await byTape('wasm', op, [x, w], dy, 1), await byTape('cpu', op, [x, w], dy, 1)];
    if (strides === 1) {
      t.true(relativeError(filterOnWasm, filterOnCpu) < 1e-5);
    } else {
      t.true(relativeError(filterOnWasm, filterOnCpu) > 0.1, 'filter: tfjs has mended Conv3DBackpropFilterV2 on wasm');
    }
  }
});

test.serial('the gradients of Conv3D on cpu, which the defects are measured by, are finite sums', async t => {
  const [x, w, dy] = [noise([1, 3, 3, 3, 1], 1), noise([2, 2, 2, 1, 2], 2), noise([1, 2, 2, 2, 2], 3)];
  t.true(relativeError(await byTape('cpu', conv3d(1, 'valid'), [x, w], dy, 0), await byUnits(one => conv3d(1, 'valid')(one, tensor(w)), x.shape, dy)) < 1e-5);
  t.true(relativeError(await byTape('cpu', conv3d(1, 'valid'), [x, w], dy, 1), await byUnits(one => conv3d(1, 'valid')(tensor(x), one), w.shape, dy)) < 1e-5);
});

test.serial('Conv3D on wasm: ours are right', async t => {
  const [x, w] = [noise([2, 4, 4, 4, 2], 1), noise([2, 2, 2, 2, 3], 2)];
  for (const [strides, padding, output] of [[1, 'same', [4, 4, 4]], [1, 'valid', [3, 3, 3]], [2, 'valid', [2, 2, 2]], [[1, 1, 2], 'valid', [3, 3, 2]]] as const) {
    const one = noise([2, ...output, 3], 3);
    for (const [i, name] of ['x', 'filter'].entries()) {
      const op = conv3d(strides as never, padding);
      t.true(relativeError(await byUs(t, 'wasm', 'Conv3D', op, [x, w], one, name), await byTape('cpu', op, [x, w], one, i)) < 1e-5, `${name} ${String(strides)} ${padding}`);
    }
  }
});

test.serial('fit on wasm: two Conv3D layers are trained', async t => {
  await tf.setBackend('wasm');
  const L = tf.layers;
  const deep = tf.sequential({layers: [L.conv3d({filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 1]}), L.conv3d({filters: 1, kernelSize: 2}), L.flatten()]});
  const optimizer = ggn();
  deep.compile({optimizer, loss: 'meanSquaredError'});
  await deep.trainOnBatch(tf.randomNormal([2, 3, 3, 3, 1]), tf.randomNormal([2, 1]));
  t.is(optimizer.lastStep!.status, 'ok');
});

// ------------------------------------------------------------------------------------------------------------- wrong on every backend

/** Central differences of dyᵀ op(x): exact up to rounding, as these ops are linear between ties. */
async function byDifferences(backend: string, op: Op, x: Numbers, dy: Numbers, h: number): Promise<Float64Array> {
  await tf.setBackend(backend);
  const at = (i: number, change: number): number => tf.tidy(() => {
    const moved = Float32Array.from(x.values);
    moved[i] += change;
    const y = op(tf.tensor(moved, x.shape)).dataSync();
    return dy.values.reduce((sum, d, k) => sum + d * y[k], 0) as never;
  });
  return Float64Array.from(x.values, (_, i) => (at(i, h) - at(i, -h)) / (2 * h));
}

/** Numbers that differ by 1 at least, all negative. */
const negative = (shape: number[]): Numbers => ({shape, values: Float32Array.from({length: size(shape)}, (_, i) => -1 - (i * 7919) % size(shape))});

const WRONG: Array<[string, string, string, Op, Numbers, number[], string[]]> = [
  ['AvgPool', 'x', 'same', x => tf.avgPool(x, 2, 1, 'same'), noise([2, 3, 4, 2], 1), [2, 3, 4, 2], ['cpu', 'wasm']],
  ['AvgPool', 'x', 'same, strides', x => tf.avgPool(x, [3, 2], 2, 'same'), noise([2, 4, 5, 2], 1), [2, 2, 3, 2], ['cpu', 'wasm']],
  ['AvgPool', 'x', 'padded by 1', x => tf.avgPool(x, 3, 2, 1), noise([2, 5, 5, 2], 1), [2, 3, 3, 2], ['cpu', 'wasm']],
  ['AvgPool3D', 'x', 'same', x => tf.avgPool3d(x, 2, 1, 'same'), noise([2, 3, 2, 2, 1], 1), [2, 3, 2, 2, 1], ['cpu', 'wasm']],
  ['MaxPool3D', 'x', 'negative numbers', x => tf.maxPool3d(x, 2, 1, 'same'), negative([1, 3, 3, 2, 2]), [1, 3, 3, 2, 2], ['wasm']],
  ['MaxPool3D', 'x', 'windows of another height than width', x => tf.maxPool3d(x, [1, 2, 3], [1, 2, 1], 'valid'), negative([2, 2, 4, 4, 2]), [2, 2, 2, 2, 2], ['cpu']],
  ['MirrorPad', 'x', 'reflect', x => tf.mirrorPad(x, [[2, 1], [0, 2]], 'reflect'), noise([4, 3], 1), [7, 5], ['cpu', 'wasm']],
  ['MirrorPad', 'x', 'symmetric', x => tf.mirrorPad(x, [[2, 1], [0, 2]], 'symmetric'), noise([4, 3], 1), [7, 5], ['cpu', 'wasm']],
];

for (const [kernel, name, what, op, x, shape, backends] of WRONG) {
  for (const backend of backends) {
    test.serial(`defect: the gradient of ${kernel} (${what}) on ${backend}`, async t => {
      const dy = noise(shape, 7);
      const expected = await byDifferences(backend, op, x, dy, 0.25);
      t.true(relativeError(await byTape(backend, op, [x], dy), expected) > 0.05, 'tfjs has mended this: drop our rule');
      t.true(relativeError(await byUs(t, backend, kernel, op, [x], dy, name), expected) < 1e-5);
    });
  }
}

test.serial('average pooling without padding costs nothing more', async t => {
  await tf.setBackend('cpu');
  const x = noise([2, 4, 4, 2], 1);
  t.deepEqual(await byUs(t, 'cpu', 'AvgPool', p => tf.avgPool(p, 2, 2, 'same'), [x], noise([2, 2, 2, 2], 2), 'x'),
      await byTape('cpu', p => tf.avgPool(p, 2, 2, 'same'), [x], noise([2, 2, 2, 2], 2)));
});

test.serial('defect: the gradient of ResizeBilinear on cpu has height and width exchanged', async t => {
  const [x, dy] = [noise([2, 3, 4, 2], 1), noise([2, 5, 7, 2], 2)];
  const op: Op = images => tf.image.resizeBilinear(images, [5, 7]);
  await t.throwsAsync(byTape('cpu', op, [x], dy), {message: /has shape '2,4,3,2'/}, 'tfjs has mended this: drop our rule');
  t.true(relativeError(await byUs(t, 'cpu', 'ResizeBilinear', op, [x], dy, 'images'), await byDifferences('wasm', op, x, dy, 0.25)) < 1e-5);
});

test.serial('defect: ResizeBilinear with halfPixelCenters, Dilation2D on wasm, pooling with sizes rounded up: wrong in tfjs, refused by us', async t => {
  const [x, filter] = [noise([1, 3, 3, 2], 1), noise([2, 2, 2], 3)];
  const resize: Op = images => tf.image.resizeBilinear(images, [5, 5], false, true);
  const dilate: Op = images => tf.dilation2d(tf.sub<tf.Tensor4D>(images, 5), tensor(filter) as tf.Tensor3D, 1, 'valid');
  for (const [backend, kernel, name, op, shape, message] of [
    ['cpu', 'ResizeBilinear', 'images', resize, [1, 5, 5, 2], /wrong with halfPixelCenters/],
    ['wasm', 'Dilation2D', 'x', dilate, [1, 2, 2, 2], /'Dilation2D' is wrong on the WASM backend/],
  ] as Array<[string, string, string, Op, number[], RegExp]>) {
    const dy = noise(shape, 7);
    const expected = await byDifferences(backend, op, x, dy, 1e-3);
    t.true(relativeError(await byTape(backend, op, [x], dy), expected) > 0.05, `${kernel}: tfjs has mended this`);
    await t.throwsAsync(byUs(t, backend, kernel, op, [x], dy, name), {message});
  }
  await t.throwsAsync(byUs(t, 'cpu', 'AvgPool', p => tf.avgPool(p, 3, 2, 1, 'ceil'), [noise([1, 6, 6, 1], 1)], noise([1, 4, 4, 1], 2), 'x'),
      {message: /'AvgPool' is wrong with sizes rounded by 'ceil'/});
});

test.serial('defect: the derivative of a⁰ at a = 0', async t => {
  const [zeroes, dy] = [{shape: [2], values: new Float32Array(2)}, noise([2], 1)];
  for (const backend of ['cpu', 'wasm']) {
    t.true((await byTape(backend, x => tf.pow(x, 0), [zeroes], dy)).every(Number.isNaN), 'tfjs has mended this: drop our rule');
    t.true(zero(await byUs(t, backend, 'Pow', x => tf.pow(x, 0), [zeroes], dy, 'a')));
  }
});

for (const [axis, shape, exclusive, backwards] of [[0, [3, 3], false, false], [1, [2, 3, 4], true, false], [0, [4, 3], false, true]] as const) {
  test.serial(`Cumsum along axis ${axis} of [${shape.join()}]: tfjs's gradient comes out transposed`, async t => {
    const [x, dy] = [noise([...shape], 1), noise([...shape], 2)];
    const op: Op = a => tf.cumsum(a, axis, exclusive, backwards);
    await tf.setBackend('cpu');
    const expected = tf.tidy(() => tf.cumsum(tensor(dy), axis, exclusive, !backwards).dataSync().slice());
    const theirs = await byTape('cpu', op, [x], dy).catch(() => null);  // of another shape: an error
    t.true(theirs === null || relativeError(theirs, expected) > 0.1);
    for (const backend of ['cpu', 'wasm']) {
      t.true(relativeError(await byUs(t, backend, 'Cumsum', op, [x], dy, 'x'), expected) < 1e-6, backend);
    }
  });
}
