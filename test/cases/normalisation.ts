/** Normalisation and PReLU. */
import * as tf from '@tensorflow/tfjs';
import {applied, dense, functional, proving, sequential} from './case';
import type {Case} from './case';
import {real} from './data';

const L = tf.layers;

// scale: false and center: false are not in the table: tfjs cannot train with them, nor on another axis than the last.
const batchNormalisation: [string, object][] = [
  ['', {}], [', epsilon 0.1', {epsilon: 0.1, momentum: 0.5}], [', L2 regularizers', {gammaRegularizer: tf.regularizers.l2({l2: 0.03}), betaRegularizer: tf.regularizers.l2({l2: 0.03})}]
];

export const normalisationCases: Case[] = [
  proving('layerNormalization')('layer normalisation', {
    build: () => sequential(dense(5, 'linear', {inputShape: [4]}), L.layerNormalization(), L.activation({activation: 'tanh'}), dense(2)),
    x: real(4), y: real(2)
  }),
  // scale: false and center: false are not in the table: tfjs cannot differentiate them.
  proving('layerNormalization')('layer normalisation on a sequence', {
    build: () => sequential(dense(4, 'linear', {inputShape: [3, 2]}), L.layerNormalization(), dense(2)),
    x: real(3, 2), y: real(3, 2), batchSize: 3
  }),
  proving('layerNormalization')('layer normalisation over two axes', {
    build: () => sequential(dense(4, 'linear', {inputShape: [3, 2]}), L.layerNormalization({axis: [1, 2]}), dense(2, 'tanh'), L.flatten(), dense(1)),
    x: real(3, 2), y: real(1)
  }),
  proving('layerNormalization')('layer normalisation on an image, epsilon 0.1', {
    build: () => sequential(dense(3, 'linear', {inputShape: [2, 2, 2]}), L.layerNormalization({epsilon: 0.1}), dense(2, 'tanh'), L.flatten(), dense(1)),
    x: real(2, 2, 2), y: real(1)
  }),
  proving('layerNormalization')('layer normalisation of the inputs, L2 regularizers', {
    build: () => sequential(L.layerNormalization({inputShape: [4], gammaRegularizer: tf.regularizers.l2({l2: 0.03}), betaRegularizer: tf.regularizers.l2({l2: 0.03})}), dense(3, 'tanh'), dense(2)),
    x: real(4), y: real(2)
  }),
  proving('layerNormalization')('layer normalisation shared by two inputs', {
    build: () => functional([[4], [4]], ([a, b]) => {
      const norm = L.layerNormalization();
      return applied(dense(2), applied(L.add(), applied(norm, applied(dense(4), a)), applied(L.activation({activation: 'tanh'}), applied(norm, b))));
    }),
    x: [real(4), real(4)], y: real(2), feature: 'shared layers'
  }),
  proving('prelu')('PReLU', {
    build: () => sequential(dense(5, 'linear', {inputShape: [4]}), L.prelu(), dense(2)),
    x: real(4), y: real(2)
  }),
  proving('prelu')('PReLU on a sequence', {
    build: () => sequential(dense(3, 'linear', {inputShape: [3, 2]}), L.prelu(), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  proving('prelu')('PReLU with a shared axis', {
    build: () => sequential(dense(3, 'linear', {inputShape: [3, 2]}), L.prelu({sharedAxes: [1]}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  proving('prelu')('PReLU with all axes shared', {
    build: () => sequential(dense(3, 'linear', {inputShape: [3, 2]}), L.prelu({sharedAxes: [1, 2]}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  proving('prelu')('PReLU after conv2d, image axes shared', {
    build: () => sequential(L.conv2d({filters: 2, kernelSize: 2, inputShape: [3, 4, 1]}), L.prelu({sharedAxes: [1, 2]}), L.flatten(), dense(2)),
    x: real(3, 4, 1), y: real(2)
  }),
  proving('prelu')('PReLU applied twice', {
    build: () => functional([[4]], ([x]) => {
      const again = L.prelu();
      return applied(dense(2), applied(again, applied(dense(3), applied(again, applied(dense(3), x)))));
    }),
    x: real(4), y: real(2), feature: 'shared layers'
  }),
  proving('batchNormalization')('batch normalisation of the inputs', {
    build: () => sequential(L.batchNormalization({inputShape: [4]}), dense(5, 'tanh'), dense(2)),
    x: real(4), y: real(2), batchSize: 6
  }),
  ...batchNormalisation.map(([options, more]) => proving('batchNormalization')(`batch normalisation after dense${options}`, {
    build: () => sequential(dense(5, 'linear', {inputShape: [4]}), L.batchNormalization(more), L.activation({activation: 'tanh'}), dense(2)),
    x: real(4), y: real(2), batchSize: 6, kind: 'frozen'
  })),
  proving('batchNormalization')('batch normalisation on a sequence', {
    build: () => sequential(dense(3, 'linear', {inputShape: [3, 2]}), L.batchNormalization(), L.activation({activation: 'tanh'}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2), batchSize: 4, kind: 'frozen'
  }),
  proving('batchNormalization')('batch normalisation twice', {
    build: () => sequential(
      dense(4, 'linear', {inputShape: [4]}), L.batchNormalization(), L.activation({activation: 'relu'}), dense(3), L.batchNormalization(), L.activation({activation: 'tanh'}),
      dense(2)),
    x: real(4), y: real(2), batchSize: 6, kind: 'frozen'
  }),
  proving('batchNormalization')('batch normalisation as the output', {
    build: () => sequential(dense(3, 'tanh', {inputShape: [4]}), dense(2), L.batchNormalization()),
    x: real(4), y: real(2), batchSize: 6, kind: 'frozen'
  }),
  proving('batchNormalization')('batch normalisation after conv2d', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 2, inputShape: [4, 4, 1]}), L.batchNormalization({axis: -1}), L.activation({activation: 'relu'}), L.flatten(), dense(2)),
    x: real(4, 4, 1), y: real(2), kind: 'frozen'
  }),
  proving('batchNormalization')('batch normalisation frozen, after dense', {
    build: () => sequential(dense(4, 'linear', {inputShape: [4]}), L.batchNormalization({trainable: false}), L.activation({activation: 'tanh'}), dense(2)),
    x: real(4), y: real(2), batchSize: 6, kind: 'frozen'
  }),
  proving('batchNormalization')('batch normalisation shared by two inputs', {
    build: () => functional([[4], [4]], ([a, b]) => {
      const norm = L.batchNormalization();
      return applied(dense(2), applied(L.concatenate(), applied(norm, applied(dense(3), a)), applied(norm, applied(dense(3, 'tanh'), b))));
    }),
    x: [real(4), real(4)], y: real(2), batchSize: 5, kind: 'frozen', feature: 'shared layers'
  }),
  proving('batchNormalization')('batch normalisation in a model inside, applied to two inputs', {
    build: () => {
      const tower = sequential(L.conv2d({filters: 2, kernelSize: 2, inputShape: [3, 3, 1], activation: 'tanh'}), L.batchNormalization(), L.flatten(), dense(3, 'tanh'));
      return functional([[3, 3, 1], [3, 3, 1]], ([a, b]) => applied(dense(1), applied(L.multiply(), ...[a, b].map(x => tower.apply(x) as tf.SymbolicTensor))));
    },
    x: [real(3, 3, 1), real(3, 3, 1)], y: real(1), kind: 'frozen'
  }),
  proving('batchNormalization')('batch normalisation in a residual block of convolutions', {
    build: () => functional([[4, 4, 2]], ([x]) => {
      const half = (input: tf.SymbolicTensor, strides: number): tf.SymbolicTensor =>
        applied(L.batchNormalization(), applied(L.conv2d({filters: 3, kernelSize: 3, strides, padding: 'same', useBias: false}), input));
      const inner = half(applied(L.activation({activation: 'relu'}), half(x, 2)), 1);
      const skip = applied(L.batchNormalization(), applied(L.conv2d({filters: 3, kernelSize: 1, strides: 2, useBias: false}), x));
      return applied(dense(1), applied(L.globalAveragePooling2d({}), applied(L.activation({activation: 'relu'}), applied(L.add(), inner, skip))));
    }),
    x: real(4, 4, 2), y: real(1), kind: 'frozen'
  })
];
