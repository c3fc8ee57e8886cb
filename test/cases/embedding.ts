/** Embeddings and masks. */
import * as tf from '@tensorflow/tfjs';
import {applied, dense, functional, proving, sequential} from './case';
import type {Case} from './case';
import {integers, padded, real} from './data';

const L = tf.layers;

export const embeddingCases: Case[] = [
  proving('embedding')('embedding, flattened', {
    build: () => sequential(L.embedding({inputDim: 5, outputDim: 3, inputLength: 4}), L.flatten(), dense(4, 'tanh'), dense(2)),
    x: integers(5, 4), y: real(2), batchSize: 5
  }),
  proving('embedding')('embedding, global average', {
    build: () => sequential(L.embedding({inputDim: 6, outputDim: 3, inputLength: 5}), L.globalAveragePooling1d({}), dense(3, 'relu'), dense(1)),
    x: integers(6, 5), y: real(1), batchSize: 5
  }),
  proving('embedding')('embedding as the output', {
    build: () => sequential(L.embedding({inputDim: 4, outputDim: 2, inputLength: 3})),
    x: integers(4, 3), y: real(3, 2)
  }),
  proving('embedding')('embedding of one index', {
    build: () => sequential(L.embedding({inputDim: 4, outputDim: 3, inputLength: 1}), L.flatten(), dense(2)),
    x: integers(4, 1), y: real(2), batchSize: 6
  }),
  proving('embedding')('embedding of a table of indices', {
    build: () => sequential(L.embedding({inputDim: 4, outputDim: 2, inputLength: [2, 2]}), L.flatten(), dense(2)),
    x: integers(4, 2, 2), y: real(2)
  }),
  proving('embedding', 'masking')('embedding with mask, GRU', {
    build: () => sequential(L.embedding({inputDim: 6, outputDim: 2, inputLength: 3, maskZero: true}), L.gru({units: 3}), dense(2)),
    x: padded(integers(6, 3)), y: real(2), batchSize: 5
  }),
  proving('embedding')('embedding with mask, LSTM', {
    build: () => sequential(L.embedding({inputDim: 6, outputDim: 2, inputLength: 3, maskZero: true}), L.lstm({units: 2}), dense(1)),
    x: padded(integers(6, 3)), y: real(1), batchSize: 5
  }),
  proving('embedding')('embedding, L2 regularizer', {
    build: () => sequential(L.embedding({inputDim: 5, outputDim: 2, inputLength: 3, embeddingsRegularizer: tf.regularizers.l2({l2: 0.03})}), L.flatten(), dense(2)),
    x: integers(5, 3), y: real(2)
  }),
  proving('embedding')('embedding, conv1d', {
    build: () => sequential(L.embedding({inputDim: 5, outputDim: 2, inputLength: 4}), L.conv1d({filters: 2, kernelSize: 2, activation: 'relu'}), L.flatten(), dense(1)),
    x: integers(5, 4), y: real(1)
  }),
  proving('embedding')('embedding shared by two inputs', {
    build: () => functional([[3], [2]], ([a, b]) => {
      const words = L.embedding({inputDim: 5, outputDim: 3});
      const mean = L.globalAveragePooling1d({});
      return applied(dense(2), applied(L.concatenate(), applied(dense(2, 'tanh'), applied(mean, applied(words, a))), applied(mean, applied(words, b))));
    }),
    x: [integers(5, 3), integers(5, 2)], y: real(2), feature: 'shared layers'
  }),
  proving('embedding', 'dot')('embeddings of two inputs, dot', {
    build: () => functional([[1], [1]], ([a, b]) =>
      applied(L.dot({axes: 1}), applied(L.flatten(), applied(L.embedding({inputDim: 5, outputDim: 3}), a)), applied(L.flatten(), applied(L.embedding({inputDim: 4, outputDim: 3}), b)))),
    x: [integers(5, 1), integers(4, 1)], y: real(1), batchSize: 6
  }),
  proving('masking')('masking and LSTM', {
    build: () => sequential(L.masking({maskValue: 0, inputShape: [3, 2]}), L.lstm({units: 3}), dense(2)),
    x: padded(real(3, 2)), y: real(2), batchSize: 5
  }),
  proving('masking')('masking and simple RNN with sequences', {
    build: () => sequential(L.masking({maskValue: 0, inputShape: [3, 2]}), L.simpleRNN({units: 2, returnSequences: true}), L.timeDistributed({layer: dense(1)})),
    x: padded(real(3, 2)), y: real(3, 1), batchSize: 5
  }),
  proving('masking')('masking of activations', {
    build: () => sequential(dense(2, 'relu', {inputShape: [3, 2]}), L.masking({maskValue: 0}), L.gru({units: 2}), dense(2)),
    x: padded(real(3, 2)), y: real(2), batchSize: 5
  })
];
