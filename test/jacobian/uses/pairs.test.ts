/**
 * Products of rows by pairs of positions, no row of which is formed, against the dense rows; in one
 * block and in many.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import type {TraceNode} from '../../../src/trace/trace';
import {convolutionOf} from '../../../src/derivatives/kernels/convolution_geometry';
import {withMemoryLimit} from '../../../src/tfjs/memory';
import {isByPairs} from '../../../src/jacobian/uses/pairs';
import {PatchPositions, PlainPositions} from '../../../src/jacobian/uses/positions';
import {SharedUse} from '../../../src/jacobian/uses/shared';
import {OuterProducts} from '../../../src/jacobian/uses/outer_products';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

const [POSITIONS, INNER, OUTER] = [4, 72, 64];

function plain(examples: number, components: number, seed: number): SharedUse {
  return new SharedUse(new PlainPositions(noise([examples * POSITIONS, INNER], seed), examples),
      noise([examples, components, POSITIONS, OUTER], seed + 1), false);
}

/** The filter of a convolution of two images an example: 3 x 3, stride 2, two positions each. */
function patches(examples: number, components: number, seed: number): SharedUse {
  const node: TraceNode = {kernel: 'Conv2D', attrs: {strides: 2, pad: 'same', dataFormat: 'NHWC', dilations: 1},
      inputs: [['x', 0], ['filter', 1]], arrayInputs: false, outputs: [2]};
  const x = noise([2 * examples, 3, 2, 8], seed);
  const c = convolutionOf([x, noise([3, 3, 8, OUTER], 1)], node)!;
  return new SharedUse(new PatchPositions(c, x, examples), noise([examples, components, POSITIONS, OUTER], seed + 1),
      false);
}

/** A Bᵀ of row-major matrices with columns of the size of the parameter. */
function products(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const m = INNER * OUTER;
  const [n, columns] = [a.length / m, b.length / m];
  return Float64Array.from({length: n * columns}, (_, at) => {
    const [i, j] = [Math.floor(at / columns) * m, at % columns * m];
    let sum = 0;
    for (let k = 0; k < m; k++) {
      sum += a[i + k] * b[j + k];
    }
    return sum;
  });
}

for (const backend of ['cpu', 'wasm']) {
  for (const [name, make] of Object.entries({plain, patches})) {
    for (const components of [1, 3]) {
      test.serial(`${backend}: ${name} data, ${components} outputs`, async t => {
        await tf.setBackend(backend);
        const {numTensors} = tf.memory();
        tf.tidy(() => {
          const [use, other] = [make(13, components, 2), make(9, components, 5)];
          const [rows, others] = [use.rows(0, 13).dataSync(), other.rows(0, 9).dataSync()];
          t.true(isByPairs(13 * components, POSITIONS, INNER, OUTER));
          for (const limit of [2 ** 30, 2 ** 20]) {  // the second has blocks of 16,384 floats at most
            withMemoryLimit(limit, () => {
              t.is(use.settled(), use);
              t.true(relativeError(use.gram(new OuterProducts()).right.dataSync(), products(rows, rows)) < 1e-5,
                  `limit ${limit}`);
              t.true(relativeError(use.cross(other)!.dataSync(), products(rows, others)) < 1e-5,
                  `limit ${limit}, of two batches`);
            });
          }
          t.is(use.cross(new SharedUse(other.data, other.cotangents, true)), null);
        });
        t.is(tf.memory().numTensors, numTensors);
      });
    }
  }
}

test('rows are formed where a matrix is small or met at many positions', t => {
  t.true(isByPairs(100, 9, 4608, 512));
  t.false(isByPairs(100, 9, 288, 32));
  t.false(isByPairs(100, 49, 4608, 512));
});
