/** Cotangents of kernels whose operands broadcast. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {relativeError} from '../../support/relative_error';
import {byTape, byUs, edges, isZero, testSlow, uniform} from '../../support/rule_tests';
import type {Numbers, Op} from '../../support/rule_tests';

testSlow({
  'prelu, a slope for each channel': [x => tf.prelu(x, tf.tensor([0.1, -2, 0])), edges, 'Prelu'],
  'prelu, a slope for each entry': [x => tf.prelu(x, tf.randomNormal([2, 3], 0, 1, 'float32', 2)), edges, 'Prelu'],
  ...Object.fromEntries([[], [3], [2, 1], [1, 3], [2, 3], [1, 1, 1], [2, 2, 3]].map((shape): [string, [Op, () => tf.Tensor, string]] =>
    [`the slopes [${shape.join()}] of prelu`, [alpha => tf.prelu(edges(), alpha), () => tf.randomNormal(shape, 0, 1, 'float32', 2), 'Prelu']])),
});

test.serial('defect: the derivative of a⁰ at a = 0', async t => {
  const [zeroes, dy] = [{shape: [2], values: new Float32Array(2)}, uniform([2], 1)];
  for (const backend of ['cpu', 'wasm']) {
    t.true((await byTape(backend, x => tf.pow(x, 0), [zeroes], dy)).every(Number.isNaN), 'tfjs has mended this: drop our rule');
    t.true(isZero(await byUs(t, backend, 'Pow', x => tf.pow(x, 0), [zeroes], dy, 'a')));
  }
});

const spread: Record<string, [Op, (x: number, y: number) => [number, number]]> = {
  Maximum: [tf.maximum, (x, y) => x >= y ? [1, 0] : [0, 1]],
  Minimum: [tf.minimum, (x, y) => x <= y ? [1, 0] : [0, 1]],
  SquaredDifference: [tf.squaredDifference, (x, y) => [2 * (x - y), 2 * (y - x)]],
};

for (const [kernel, [op, slopes]] of Object.entries(spread)) {
  test.serial(`defect: the gradient of ${kernel} does not undo broadcasting`, async t => {
    const [wide, narrow, dy]: Numbers[] = [{shape: [2, 3], values: Float32Array.of(1, -2, 0, 0.5, 3, -1)},
      {shape: [3], values: Float32Array.of(1, 1, -0.5)}, uniform([2, 3], 3)];
    for (const [inputs, name, place] of [[[wide, narrow], 'b', 1], [[narrow, wide], 'a', 0]] as const) {
      const expected = Float32Array.from(narrow.values, (y, column) => [0, 1].reduce((sum, row) => {
        const [x, d] = [wide.values[3 * row + column], dy.values[3 * row + column]];
        return sum + d * (place === 1 ? slopes(x, y) : slopes(y, x))[place];
      }, 0));
      for (const backend of ['cpu', 'wasm']) {
        await t.throwsAsync(byTape(backend, op, [...inputs], dy, place), {message: /The gradient of input '.' has shape/}, 'tfjs has mended this: drop our rule');
        t.true(relativeError(await byUs(t, backend, kernel, op, [...inputs], dy, name), expected) < 1e-6, `${name} on ${backend}`);
      }
    }
  });
}
