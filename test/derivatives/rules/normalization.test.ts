/** Cotangents of normalisations. */
import * as tf from '@tensorflow/tfjs';
import {testMissing, testSecond} from '../../support/rule_tests';
import {noise} from '../../support/tensors';

testMissing([
  {kernel: 'LRNGrad', inputs: {x: () => noise([2, 2, 2, 5], 1), y: () => tf.localResponseNormalization(noise([2, 2, 2, 5], 1) as tf.Tensor4D, 1, 1.3, 0.7, 0.6),
    dy: () => noise([2, 2, 2, 5], 2)}, attrs: {depthRadius: 1, bias: 1.3, alpha: 0.7, beta: 0.6}, wanted: ['dy'], total: ['x']},
]);

testSecond([
  ['local response normalisation', () => noise([1, 2, 2, 5], 1), x => tf.localResponseNormalization(x as tf.Tensor4D, 1, 1.3, 0.7, 0.6), 1e-3],
]);
