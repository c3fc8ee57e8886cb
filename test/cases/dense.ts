/** Dense layers: activations, frozen layers, regularizers, inputs with further axes. */
import * as tf from '@tensorflow/tfjs';
import {dense, proving, sequential} from './case';
import type {Activation, Case, Description} from './case';
import {real} from './data';

const L = tf.layers;
const describe = proving('dense');
const regularized = (name: string, description: Description): Case => describe(name, {...description, feature: 'L1 and L2 regularizers'});

export const denseCases: Case[] = [
  ...(['linear', 'relu', 'elu', 'tanh', 'sigmoid', 'softplus', 'selu', 'softmax', 'relu6', 'hardSigmoid', 'softsign', 'swish', 'mish', 'gelu', 'gelu_new',
    'logSoftmax'] as Activation[]).map(activation =>
    describe(`dense ${activation}, one output`, {
      build: () => sequential(dense(5, activation, {inputShape: [4]}), dense(1)),
      x: real(4), y: real(1), batchSize: 6
    })),
  describe('dense linear alone, 3 outputs', {
    build: () => sequential(dense(3, 'linear', {inputShape: [4]})),
    x: real(4), y: real(3)
  }),
  ...(['relu', 'elu', 'sigmoid', 'softmax', 'logSoftmax', 'gelu'] as Activation[]).map(activation =>
    describe(`dense ${activation} as the output, 3 outputs`, {
      build: () => sequential(dense(4, 'tanh', {inputShape: [4]}), dense(3, activation)),
      x: real(4), y: real(3)
    })),
  describe('dense without biases, tanh, 3 outputs', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [4], useBias: false}), dense(3, 'linear', {useBias: false})),
    x: real(4), y: real(3)
  }),
  describe('dense without biases, relu', {
    build: () => sequential(dense(5, 'relu', {inputShape: [4], useBias: false}), dense(1, 'linear', {useBias: false})),
    x: real(4), y: real(1)
  }),
  describe('deep tanh, 3 hidden layers', {
    build: () => sequential(dense(6, 'tanh', {inputShape: [4]}), dense(5, 'tanh'), dense(4, 'tanh'), dense(2)),
    x: real(4), y: real(2), batchSize: 5
  }),
  describe('more rows than parameters', {
    build: () => sequential(dense(2, 'tanh', {inputShape: [2]}), dense(3)),
    x: real(2), y: real(3), batchSize: 6
  }),
  describe('first layer frozen', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [4], trainable: false}), dense(3, 'tanh'), dense(2)),
    x: real(4), y: real(2)
  }),
  describe('middle layer frozen', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [4]}), dense(3, 'tanh', {trainable: false}), dense(2)),
    x: real(4), y: real(2)
  }),
  describe('dense without a bias, frozen in the middle', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [4], useBias: false}), dense(4, 'relu', {useBias: false, trainable: false}), dense(2)),
    x: real(4), y: real(2)
  }),
  describe('dense with constraints', {
    build: () => sequential(
      dense(4, 'tanh', {inputShape: [4], kernelConstraint: tf.constraints.unitNorm({axis: 0}), biasConstraint: tf.constraints.nonNeg()}), dense(2)),
    x: real(4), y: real(2)
  }),
  describe('dense relu with 3 axes, then flattened', {
    build: () => sequential(dense(4, 'relu', {inputShape: [3, 2]}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('dense tanh and linear on a sequence, output with a time axis', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3, 2]}), dense(2)),
    x: real(3, 2), y: real(3, 2)
  }),
  describe('dense relu without biases on a sequence, output with a time axis', {
    build: () => sequential(dense(4, 'relu', {inputShape: [3, 2], useBias: false}), dense(2, 'linear', {useBias: false})),
    x: real(3, 2), y: real(3, 2)
  }),
  describe('dense on an image, output with image axes', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [2, 3, 2]}), dense(1, 'relu')),
    x: real(2, 3, 2), y: real(2, 3, 1)
  }),
  regularized('dense, L2 regularizers', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l2({l2: 0.03}), biasRegularizer: tf.regularizers.l2({l2: 0.05})}),
      dense(2, 'linear', {kernelRegularizer: tf.regularizers.l2({l2: 0.01})})),
    x: real(4), y: real(2)
  }),
  regularized('dense, L1 regularizers', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l1({l1: 0.03}), biasRegularizer: tf.regularizers.l1({l1: 0.05})}),
      dense(2)),
    x: real(4), y: real(2)
  }),
  regularized('dense, L1L2 regularizers, a batch of one', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l1l2({l1: 0.02, l2: 0.03})}),
      dense(2, 'linear', {biasRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.02})})),
    x: real(4), y: real(2), batchSize: 1
  }),
  regularized('dense, L1L2 regularizers', {
    build: () => sequential(
      dense(5, 'tanh', {inputShape: [4], kernelRegularizer: tf.regularizers.l1l2({l1: 0.02, l2: 0.03})}),
      dense(2, 'linear', {kernelRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.04}), biasRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.02})})),
    x: real(4), y: real(2)
  })
];
