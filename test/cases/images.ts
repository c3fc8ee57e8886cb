/** Layers that pool, pad, crop or resize. */
import * as tf from '@tensorflow/tfjs';
import {applied, dense, functional, proving, sequential} from './case';
import type {Activation, Backend, Case, LayerName} from './case';
import {integers, real} from './data';

const L = tf.layers;
const channelsFirst = {dataFormat: 'channelsFirst' as const};

/** tfjs-node has no DenseBincount. */
const WITH_BINCOUNT: Backend[] = ['cpu', 'wasm', 'webgl'];

/**
 * In front of a layer that would change the shape of the model's input: CenterCrop and CategoryEncoding write into the shape they are
 * given.
 */
const first = (inputShape: number[]): tf.layers.Layer => L.reshape({targetShape: inputShape, inputShape});

/** Between two dense layers over the channels, so that cotangents pass through it. */
function between(layer: () => tf.layers.Layer, inputShape: number[], activation: Activation = 'tanh'): () => tf.LayersModel {
  return () => sequential(dense(2, activation, {inputShape}), layer(), dense(2, 'tanh'), L.flatten(), dense(2));
}

/** The same where the channels stand first: dense layers would mix the last axis of the image. */
function betweenFirst(layer: () => tf.layers.Layer, inputShape: number[]): () => tf.LayersModel {
  return () => sequential(dense(inputShape[inputShape.length - 1], 'tanh', {inputShape}), layer(), L.flatten(), dense(2));
}

const pooling1d: [string, object][] = [
  ['2', {poolSize: 2}], ['3, strides 1', {poolSize: 3, strides: 1}], ['2, strides 3, same', {poolSize: 2, strides: 3, padding: 'same'}],
  ['3, strides 2, same', {poolSize: 3, strides: 2, padding: 'same'}]
];
const pooling2d: [string, object][] = [
  ['2', {poolSize: 2}], ['2 x 3, strides 1', {poolSize: [2, 3], strides: [1, 1]}], ['3, strides 2, same', {poolSize: [3, 3], strides: [2, 2], padding: 'same'}],
  ['2, strides 2, same', {poolSize: 2, strides: 2, padding: 'same'}]
];
const pooling3d: [string, object][] = [['2', {poolSize: 2}], ['2, strides 1, same', {poolSize: 2, strides: 1, padding: 'same'}]];

export const imageCases: Case[] = [
  proving('maxPooling2d', 'averagePooling2d')('pooling: max and average', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 2, padding: 'same', inputShape: [6, 6, 1], activation: 'tanh'}), L.maxPooling2d({poolSize: 2, strides: 2}),
      L.conv2d({filters: 2, kernelSize: 2, padding: 'same', activation: 'tanh'}), L.averagePooling2d({poolSize: 2, strides: 1}), L.flatten(), dense(2)),
    x: real(6, 6, 1), y: real(2)
  }),
  ...(['maxPooling1d', 'averagePooling1d'] as const).flatMap(name => pooling1d.map(([options, more]) => proving(name)(`${name}: ${options}`, {
    build: between(() => L[name](more), [7, 2]), x: real(7, 2), y: real(2)
  }))),
  ...(['maxPooling2d', 'averagePooling2d'] as const).flatMap(name => pooling2d.map(([options, more]) => proving(name)(`${name}: ${options}`, {
    build: between(() => L[name](more as {poolSize: number}), [5, 4, 1]), x: real(5, 4, 1), y: real(2)
  }))),
  ...(['maxPooling2d', 'averagePooling2d'] as const).map(name => proving(name)(`${name}: channels first`, {
    build: betweenFirst(() => L[name]({poolSize: 2, strides: 1, ...channelsFirst} as {poolSize: number}), [2, 3, 4]), x: real(2, 3, 4), y: real(2)
  })),
  // Sigmoid keeps every maximum positive: MaxPool3D of the WASM backend gives 0 for a window of negative numbers.
  ...(['maxPooling3d', 'averagePooling3d'] as const).flatMap(name => pooling3d.map(([options, more]) => proving(name)(`${name}: ${options}`, {
    build: between(() => L[name](more), [3, 4, 2, 1], 'sigmoid'), x: real(3, 4, 2, 1), y: real(2), batchSize: 3
  }))),
  proving('maxPooling3d', 'averagePooling3d')('pooling: three axes', {
    build: () => sequential(
      dense(2, 'sigmoid', {inputShape: [4, 4, 4, 1]}), L.maxPooling3d({poolSize: 2, strides: 1}), L.averagePooling3d({poolSize: 2, strides: 1}), L.flatten(),
      dense(2)),
    x: real(4, 4, 4, 1), y: real(2), batchSize: 3
  }),
  proving('globalMaxPooling2d', 'globalAveragePooling2d')('pooling: global, images', {
    build: () => functional([[4, 3, 2]], ([x]) => {
      const pixels = applied(dense(3, 'tanh'), x);
      return applied(dense(2), applied(L.concatenate(), applied(L.globalMaxPooling2d({}), pixels), applied(L.globalAveragePooling2d({}), pixels)));
    }),
    x: real(4, 3, 2), y: real(2)
  }),
  proving('globalMaxPooling2d', 'globalAveragePooling2d')('pooling: global, images, channels first', {
    build: () => functional([[2, 4, 3]], ([x]) => {
      const pixels = applied(dense(3, 'tanh'), x);
      return applied(dense(2), applied(L.concatenate(), applied(L.globalMaxPooling2d(channelsFirst), pixels), applied(L.globalAveragePooling2d(channelsFirst), pixels)));
    }),
    x: real(2, 4, 3), y: real(2)
  }),
  proving('globalMaxPooling1d', 'globalAveragePooling1d')('pooling: global, sequences', {
    build: () => functional([[4, 2]], ([x]) => {
      const steps = applied(dense(3, 'tanh'), x);
      return applied(dense(2), applied(L.concatenate(), applied(L.globalMaxPooling1d({}), steps), applied(L.globalAveragePooling1d({}), steps)));
    }),
    x: real(4, 2), y: real(2)
  }),
  ...([['1', {padding: 1}], ['one side', {padding: [[1, 0], [0, 2]]}]] as [string, object][]).map(([options, more]) =>
    proving('zeroPadding2d')(`zero padding: ${options}`, {build: between(() => L.zeroPadding2d(more), [2, 3, 1]), x: real(2, 3, 1), y: real(2)})),
  proving('zeroPadding2d')('zero padding: channels first', {
    build: betweenFirst(() => L.zeroPadding2d({padding: [1, 2], ...channelsFirst}), [2, 2, 3]), x: real(2, 2, 3), y: real(2)
  }),
  ...([['1', {cropping: 1}], ['one side', {cropping: [[1, 0], [0, 2]]}]] as [string, {cropping: number}][]).map(([options, more]) =>
    proving('cropping2D')(`cropping: ${options}`, {build: between(() => L.cropping2D(more), [4, 5, 1]), x: real(4, 5, 1), y: real(2)})),
  proving('cropping2D')('cropping: channels first', {
    build: betweenFirst(() => L.cropping2D({cropping: [[1, 1], [0, 1]], ...channelsFirst}), [2, 4, 3]), x: real(2, 4, 3), y: real(2)
  }),
  ...([['nearest', {}], ['nearest, 3 and 1', {size: [3, 1]}], ['bilinear', {interpolation: 'bilinear'}], ['bilinear, 1 and 3', {interpolation: 'bilinear', size: [1, 3]}]] as
    [string, object][]).map(([options, more]) =>
    proving('upSampling2d')(`upsampling: ${options}`, {build: between(() => L.upSampling2d(more), [2, 3, 1]), x: real(2, 3, 1), y: real(2)})),
  proving('upSampling2d')('upsampling: nearest, channels first', {
    build: betweenFirst(() => L.upSampling2d({size: [2, 2], ...channelsFirst}), [2, 2, 3]), x: real(2, 2, 3), y: real(2)
  }),
  proving('upSampling2d', 'zeroPadding2d', 'cropping2D')('upsampling, zero padding, cropping', {
    build: () => sequential(
      dense(2, 'tanh', {inputShape: [2, 2, 2]}), L.upSampling2d({size: [2, 2], interpolation: 'bilinear'}), dense(2, 'tanh'), L.zeroPadding2d({padding: [[1, 0], [0, 2]]}),
      dense(2, 'tanh'), L.cropping2D({cropping: [[1, 1], [1, 0]]}), L.flatten(), dense(2)),
    x: real(2, 2, 2), y: real(2)
  }),
  proving('rescaling')('rescaling of the inputs', {
    build: () => sequential(L.rescaling({scale: 0.5, offset: -0.2, inputShape: [4]} as never), dense(3, 'tanh'), dense(2)), x: real(4), y: real(2)
  }),
  proving('centerCrop')('center crop of the inputs', {
    build: () => sequential(first([4, 4, 2]), L.centerCrop({height: 2, width: 2}), dense(3, 'tanh'), L.flatten(), dense(2)), x: real(4, 4, 2), y: real(2)
  }),
  proving('rescaling')('rescaling of activations', {build: between(() => L.rescaling({scale: 0.5, offset: 0.3}), [2, 2, 1]), x: real(2, 2, 1), y: real(2)}),
  proving('categoryEncoding')('category encoding, multi-hot', {
    build: () => sequential(first([3]), L.categoryEncoding({numTokens: 5, outputMode: 'multiHot'}), dense(3, 'tanh'), dense(2)),
    x: integers(5, 3), y: real(2), backends: WITH_BINCOUNT
  }),
  proving('categoryEncoding')('category encoding, one-hot', {
    build: () => sequential(first([1]), L.categoryEncoding({numTokens: 4, outputMode: 'oneHot'}), dense(3, 'tanh'), dense(2)),
    x: integers(4, 1), y: real(2), backends: WITH_BINCOUNT
  })
];

/** Layers that tfjs cannot run inside a model: they take their list of inputs for a tensor. */
export const brokenLayers: [LayerName, () => tf.layers.Layer][] = [
  ['resizing', () => L.resizing({height: 3, width: 3, inputShape: [4, 4, 2]} as never)],
  ['randomWidth', () => L.randomWidth({factor: 0.5, inputShape: [4, 4, 2]} as never)]
];
