/** The units of a layer, from the sizes of its inputs, weights, outputs and residuals. */
import test from 'ava';
import type {DenseLayer} from '../../../src/jacobian/plan/dense_layers';
import {beyond, layerUnits} from '../../../src/step/model/layer_units';
import type {LayerSizes} from '../../../src/step/model/layer_units';

const LAYER: DenseLayer = {kernel: 0, shape: [2, 3], bias: 1, kernelSite: 0, biasSite: 1, data: 0, output: 1,
  isHidden: false, isLast: false, product: {data: 'a', flipData: false, flipDelta: false, transposed: false}};

const sizes = (means: number[], deviations: number[], more: Partial<LayerSizes> = {}): LayerSizes =>
  ({means: Float32Array.from(means), deviations: Float32Array.from(deviations), products: 1, count: 32, slopes: 1, idle: 0,
    ...more});

test('a size is beyond the normal ones by the logarithm', t => {
  const normal = {least: 1 / 8, most: 4};
  t.deepEqual([0, 0.125, 1, 4].map(size => beyond(size, normal)), [0, 0, 0, 0]);
  t.deepEqual([8, 16, 1e6].map(size => Number(beyond(size, normal).toFixed(6))), [0.5, 1, 1]);
  t.deepEqual([1 / 64, 1e-9].map(size => Number(beyond(size, normal).toFixed(6))), [1, 1]);
});

test('layers of normal sizes have no units', t => {
  t.is(layerUnits(LAYER, sizes([0.1, 2], [1, 0.5]), 1), null);
  t.is(layerUnits({...LAYER, isHidden: true}, sizes([0, 15], [0, 1]), 1), null);
  t.is(layerUnits({...LAYER, isHidden: true, isLast: true}, sizes([0.5, -1], [1, 1], {products: 15}), 4), null);
});

test('an input that is far from normal has the unit of its deviation, and is centred', t => {
  const found = layerUnits(LAYER, sizes([1985, 0.5], [20, 1]), null)!;
  t.deepEqual([[...found.shifts], [...found.weights], found.bias], [[1985, 0], [Math.fround(1 / 20), 1], 1]);
  const tiny = layerUnits(LAYER, sizes([0, 0.5], [1e-6, 1]), null)!;
  t.true(Math.abs(tiny.weights[0] / 1e6 - 1) < 1e-6);
  t.is(tiny.shifts[0], 0);
});

test('without a bias, or on a small batch, an input is scaled by its size and not centred', t => {
  for (const [layer, count] of [[{...LAYER, bias: null, biasSite: null}, 32], [LAYER, 4]] as const) {
    const found = layerUnits(layer, sizes([300, 0], [400, 1], {count}), null)!;
    t.deepEqual([[...found.shifts], [...found.weights]], [[0, 0], [Math.fround(1 / 500), 1]]);
  }
});

test('large residuals are the unit of the last layer, in units of its outputs', t => {
  const last = {...LAYER, isHidden: true, isLast: true};
  const found = layerUnits(last, sizes([0.5, -0.5], [1, 1]), 1e5)!;
  t.deepEqual([[...found.shifts], [...found.weights], found.bias], [[0.5, -0.5], [4e5, 4e5], 4e5]);
  t.is(layerUnits(last, sizes([0.5, -0.5], [1, 1], {slopes: 1e5}), 1e5), null);
  t.is(layerUnits(last, sizes([0.5, -0.5], [1, 1]), null), null);
  t.is(layerUnits(last, sizes([0.5, -0.5], [1, 1], {slopes: 0}), 1e5), null);
});

test('a small batch tells no small inputs', t => {
  t.is(layerUnits(LAYER, sizes([1e-6, 0], [1e-6, 1], {count: 4}), null), null);
});

test('a column without a deviation keeps its unit', t => {
  const found = layerUnits(LAYER, sizes([1e4, 0], [0, 0]), null)!;
  t.deepEqual([[...found.shifts], [...found.weights]], [[1e4, 0], [1, 1]]);
});
