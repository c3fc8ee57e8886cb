/** Cotangents of kernels of one tensor, entry by entry: beside those of tfjs, at the edges too, and of their second derivatives. */
import * as tf from '@tensorflow/tfjs';
import {edges, testMissing, testSecond, testSlow} from '../../support/rule_tests';
import {noise} from '../../support/tensors';

testSlow({
  'leaky relu': [x => tf.leakyRelu(x, 0.3), edges, 'LeakyRelu'],
  'relu6': [x => tf.relu6(x), edges, 'Relu6'],
});

testMissing([
  {kernel: 'EluGrad', inputs: {dy: () => noise([3, 4], 1), y: () => tf.elu(noise([3, 4], 2))}, wanted: ['dy', 'y'], h: 1e-2},
]);

testSecond([
  ['elu', () => noise([12], 1), tf.elu, 1e-3],
]);
