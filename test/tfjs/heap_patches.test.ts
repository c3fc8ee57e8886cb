/** Products with patches by kernels of our own, in several parts, against the loops that take their place without them. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {convolve} from '../../src/derivatives/kernels/convolution';
import {depthwiseProduct, patchProduct} from '../../src/derivatives/kernels/patches';
import {shapeOf, type Convolution} from '../../src/derivatives/kernels/convolution_geometry';
import {exampleProducts} from '../../src/jacobian/uses/example_products';
import {PatchPositions, PlainPositions} from '../../src/jacobian/uses/positions';
import {withKernels} from '../../src/kernels/allowed';
import {heapOf} from '../../src/tfjs/heap_ops';
import {useBackend} from '../support/backends';

test.before(() => useBackend('wasm'));

const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** The largest difference of two tensors, over the largest entry. */
const difference = (a: tf.Tensor, b: tf.Tensor): number =>
  tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] / Math.max(1, tf.max(tf.abs(b)).dataSync()[0]));

/** f() with and without kernels of our own: no tensor but the result, and the same numbers. */
function compare(t: import('ava').ExecutionContext, f: () => tf.Tensor, name: string): void {
  const before = tf.memory().numTensors;
  const found = f();
  t.is(tf.memory().numTensors, before + 1, name);
  const expected = withKernels(false, f);
  t.deepEqual(found.shape, expected.shape, name);
  t.true(difference(found, expected) < 3e-6, `${name}: ${difference(found, expected)}`);
  tf.dispose([found, expected]);
}

test('NaN and infinity of a cotangent reach the entries that they meet only', t => {
  const c = CONVOLUTIONS['small images'];
  const entries = normal(shapeOf(c, 'y'), 1).dataSync();
  entries[0] = NaN;
  entries[entries.length - 1] = Infinity;
  const [y, filter] = [tf.tensor(entries, shapeOf(c, 'y')), normal(shapeOf(c, 'filter'), 2)];
  const kinds = (x: tf.Tensor): string[] => [...x.dataSync()].map(value => Number.isFinite(value) ? 'finite' : `${value}`);
  const found = kinds(tf.tidy(() => convolve(c, 'x', {y, filter})));
  t.is(found.filter(kind => kind === 'NaN').length, c.filter[1] * c.filter[2] * c.inChannels - c.filter[2] * c.inChannels);
  t.true(found.includes('Infinity') || found.includes('-Infinity'));
  tf.dispose([y, filter]);
});

type Extent = [number, number, number];

/** A convolution with the padding `before` on both sides. */
function convolution(images: number, inChannels: number, outChannels: number, input: Extent, filter: Extent, strides: Extent,
    dilations: Extent, before: Extent): Convolution {
  const output = input.map((size, i) =>
    Math.floor((size + 2 * before[i] - (filter[i] - 1) * dilations[i] - 1) / strides[i]) + 1) as Extent;
  return {spatial: input[0] > 1 ? 3 : 2, depthwise: false, images, input, inChannels, output, outChannels, filter, strides, dilations, before,
    attrs: {pad: 'valid', dimRoundingMode: undefined}, channelsFirst: false, names: {x: 'x', filter: 'filter', y: null}};
}

const CONVOLUTIONS: Record<string, Convolution> = {
  'small images': convolution(6, 3, 5, [1, 7, 6], [1, 3, 2], [1, 2, 1], [1, 1, 1], [0, 1, 0]),
  'many small images': convolution(300, 2, 3, [1, 4, 4], [1, 3, 3], [1, 1, 1], [1, 1, 1], [0, 0, 0]),
  'large images': convolution(6, 2, 3, [1, 41, 37], [1, 3, 3], [1, 1, 1], [1, 1, 1], [0, 1, 1]),
  'large images with strides and dilations': convolution(6, 1, 4, [1, 95, 70], [1, 4, 3], [1, 3, 2], [1, 2, 3], [0, 3, 2]),
  'a long sequence': convolution(3, 2, 3, [1, 1, 700], [1, 1, 5], [1, 1, 1], [1, 1, 1], [0, 0, 2]),
  'wide images': convolution(3, 2, 2, [1, 2, 540], [1, 1, 5], [1, 1, 1], [1, 1, 1], [0, 0, 2]),
  'negative padding': convolution(6, 2, 2, [1, 40, 40], [1, 3, 3], [1, 1, 1], [1, 1, 1], [0, -2, -1]),
  'volumes': convolution(6, 2, 3, [9, 12, 11], [3, 2, 3], [2, 1, 1], [1, 2, 1], [1, 0, 1]),
};

for (const [name, c] of Object.entries(CONVOLUTIONS)) {
  test(`products of patches: ${name}`, t => {
    const [x, y] = [normal(shapeOf(c, 'x'), 1), normal(shapeOf(c, 'y'), 2)];
    t.not(heapOf(x, y), null);
    const perImage = y.size / c.images / c.outChannels;
    compare(t, () => patchProduct(c, x, y), 'of all images');
    const filter = normal(shapeOf(c, 'filter'), 4);
    compare(t, () => tf.tidy(() => convolve(c, 'x', {y, filter})), 'the input cotangent');
    filter.dispose();
    for (const examples of [c.images, c.images / 3]) {
      const data = new PatchPositions(c, x, examples);
      for (const components of [1, 3]) {
        const delta = normal([examples, components, c.images / examples * perImage, c.outChannels], 3);
        for (const transposed of [false, true]) {
          const title = `${examples} examples, ${components} components, ${transposed ? 'transposed' : 'as stored'}`;
          compare(t, () => exampleProducts(data, delta, transposed, 0, examples), title);
          compare(t, () => exampleProducts(data, delta, transposed, examples - 1, examples), `${title}, one of them`);
        }
        delta.dispose();
      }
    }
    tf.dispose([x, y]);
  });
}

for (const [name, wide] of Object.entries(CONVOLUTIONS).filter(([, c]) => c.spatial === 2)) {
  test(`sums of a depthwise convolution: ${name}`, t => {
    for (const [inChannels, multiplier] of [[1, 1], [11, 1], [2, 3]]) {
      const c: Convolution = {...wide, depthwise: true, inChannels, outChannels: inChannels * multiplier};
      const size = ([depth, height, width]: readonly number[]): number => depth * height * width;
      const [x, y] = [normal([c.images * size(c.input) * inChannels], 1), normal([c.images * size(c.output) * c.outChannels], 2)];
      for (const runs of [1, c.images / 3, c.images]) {
        compare(t, () => depthwiseProduct(c, x, y, runs), `${inChannels} channels, ${multiplier}, ${runs} runs`);
      }
      tf.dispose([x, y]);
    }
  });
}

test('products of matrices at positions of every example', t => {
  for (const [positions, inner, outer] of [[1, 1, 1], [7, 5, 3], [300, 4, 1], [9, 1, 6]]) {
    const data = new PlainPositions(normal([4 * positions, inner], 1), 4);
    for (const components of [1, 3]) {
      const delta = normal([4, components, positions, outer], 2);
      for (const transposed of [false, true]) {
        compare(t, () => exampleProducts(data, delta, transposed, 0, 4), `${positions} ${inner} ${outer} ${components}`);
        compare(t, () => exampleProducts(data, delta, transposed, 2, 4), `${positions} ${inner} ${outer} ${components}`);
      }
      delta.dispose();
    }
    data.a.dispose();
  }
});
