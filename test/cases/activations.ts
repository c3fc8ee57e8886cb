/** Layers that only apply a function, and those that draw random numbers. */
import * as tf from '@tensorflow/tfjs';
import {dense, proving, seeded, sequential} from './case';
import type {Case, LayerName} from './case';
import {real} from './data';

const L = tf.layers;

const activations: [LayerName, string, () => tf.layers.Layer][] = [
  ['leakyReLU', 'leaky relu', () => L.leakyReLU({alpha: 0.2})],
  ['leakyReLU', 'leaky relu, default', () => L.leakyReLU()],
  ['elu', 'elu layer', () => L.elu()],
  ['elu', 'elu layer, alpha 1', () => L.elu({alpha: 1})],
  ['softmax', 'softmax layer', () => L.softmax()],
  ['reLU', 'relu layer', () => L.reLU()],
  ['reLU', 'relu layer, at most 1', () => L.reLU({maxValue: 1})],
  ['reLU', 'relu layer, at most 6', () => L.reLU({maxValue: 6})],
  ['thresholdedReLU', 'thresholded relu', () => L.thresholdedReLU({theta: 0.2})],
  ['activation', 'activation layer, tanh', () => L.activation({activation: 'tanh'})],
  ['activation', 'activation layer, softmax', () => L.activation({activation: 'softmax'})],
  ['activation', 'activation layer, hard sigmoid', () => L.activation({activation: 'hardSigmoid'})]
];

const noises: [LayerName, string, () => tf.layers.Layer][] = [
  ['dropout', 'dropout', () => L.dropout({rate: 0.4})],
  ['dropout', 'dropout with a seed', () => L.dropout({rate: 0.4, seed: 3})],
  ['gaussianNoise', 'gaussian noise', () => L.gaussianNoise({stddev: 0.5})],
  ['gaussianDropout', 'gaussian dropout', () => L.gaussianDropout({rate: 0.4})],
  ['alphaDropout', 'alpha dropout', () => L.alphaDropout({rate: 0.4})]
];

export const activationCases: Case[] = [
  ...activations.map(([name, title, layer]) => proving(name)(title, {
    build: () => sequential(dense(4, 'linear', {inputShape: [4]}), layer(), dense(2)), x: real(4), y: real(2), batchSize: 5
  })),
  proving('softmax')('softmax layer over the first axis', {
    build: () => sequential(dense(2, 'linear', {inputShape: [3, 2]}), L.softmax({axis: 2}), L.flatten(), dense(2)), x: real(3, 2), y: real(2)
  }),
  proving('leakyReLU', 'activation', 'elu', 'softmax', 'reLU')('activation layers', {
    build: () => sequential(
      dense(5, 'linear', {inputShape: [4]}), L.leakyReLU({alpha: 0.2}), dense(5), L.activation({activation: 'tanh'}), dense(4), L.elu(),
      dense(3), L.softmax(), dense(2), L.reLU()),
    x: real(4), y: real(2)
  }),
  ...noises.map(([name, title, layer]) => proving(name)(title, {
    build: () => sequential(dense(5, 'tanh', {inputShape: [4]}), seeded(layer()), dense(3, 'tanh'), dense(2)), x: real(4), y: real(2), batchSize: 5
  })),
  proving('dropout')('dropout of whole time steps', {
    build: () => sequential(dense(3, 'tanh', {inputShape: [4, 2]}), seeded(L.dropout({rate: 0.4, noiseShape: [null, null, 1] as never})), L.flatten(), dense(2)),
    x: real(4, 2), y: real(2)
  }),
  proving('spatialDropout1d')('spatial dropout', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3, 2]}), seeded(L.spatialDropout1d({rate: 0.4} as never)), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  proving('alphaDropout')('alpha dropout, selu, with a noise shape', {
    build: () => sequential(dense(3, 'selu', {inputShape: [3, 2]}), seeded(L.alphaDropout({rate: 0.3, noiseShape: [1, 1, 3]})), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  })
];
