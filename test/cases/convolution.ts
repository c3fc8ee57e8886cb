/** Convolutions: every option that changes which kernels consume their variables. */
import * as tf from '@tensorflow/tfjs';
import {applied, dense, functional, proving, sequential} from './case';
import type {Case} from './case';
import {real} from './data';

const L = tf.layers;
const DILATED = 'dilated convolutions';

/** Options, and the feature they prove. */
type Variants = [string, object, string?][];

const conv1d: Variants = [
  ['linear', {}],
  ['relu, strides 2, same', {strides: 2, padding: 'same', activation: 'relu'}],
  ['elu, strides 2, valid', {strides: 2, activation: 'elu'}],
  ['tanh without bias', {activation: 'tanh', useBias: false}],
  ['one wide', {kernelSize: 1, activation: 'relu'}],
  ['dilated', {kernelSize: 2, dilationRate: 2}, DILATED],
  ['dilated by 3, relu, same', {kernelSize: 2, dilationRate: 3, padding: 'same', activation: 'relu'}, DILATED]
];

const conv2d: Variants = [
  ['linear', {}],
  ['relu, valid', {activation: 'relu'}],
  ['relu6', {activation: 'relu6'}],
  ['tanh, same', {activation: 'tanh', padding: 'same'}],
  ['elu, strides 2, same', {activation: 'elu', strides: 2, padding: 'same'}],
  ['strides 2, valid', {strides: 2, padding: 'valid'}],
  ['sigmoid, strides 2 and 1, same', {strides: [2, 1], padding: 'same', activation: 'sigmoid'}],
  ['softmax over the channels', {activation: 'softmax'}],
  ['relu without bias', {activation: 'relu', useBias: false}],
  ['linear without bias', {useBias: false, padding: 'same'}],
  ['1 x 1', {kernelSize: 1}],
  ['1 x 1, strides 2, relu', {kernelSize: 1, strides: 2, activation: 'relu'}],
  ['as large as the image', {kernelSize: [5, 4]}],
  ['larger strides than kernel', {kernelSize: 2, strides: 3}],
  ['L2 regularizers', {kernelRegularizer: tf.regularizers.l2({l2: 0.03}), biasRegularizer: tf.regularizers.l1l2({l1: 0.02, l2: 0.03}), activation: 'relu'}],
  ['dilated', {kernelSize: 2, dilationRate: 2}, DILATED],
  ['dilated, relu, same', {dilationRate: 2, padding: 'same', activation: 'relu'}, DILATED],
  ['dilated by 2 and 1, tanh without bias', {dilationRate: [2, 1], activation: 'tanh', useBias: false}, DILATED]
];

const conv3d: Variants = [
  ['tanh', {activation: 'tanh'}],
  ['linear without bias, same', {padding: 'same', useBias: false}],
  ['relu, strides 2, padding same', {kernelSize: [2, 1, 2], strides: 2, padding: 'same', activation: 'relu'}],
  ['strides 1 and 2, valid', {kernelSize: [2, 2, 1], strides: [1, 2, 2]}],
  // Not in depth: TensorFlow has no such convolution on CPUs.
  ['dilated, relu', {kernelSize: 2, dilationRate: [1, 2, 2], activation: 'relu'}, DILATED],
  ['dilated, same', {kernelSize: 2, dilationRate: [1, 2, 1], padding: 'same'}, DILATED]
];

const conv2dTranspose: Variants = [
  ['tanh', {kernelSize: 2, activation: 'tanh'}],
  ['relu, strides 2, same', {strides: 2, padding: 'same', activation: 'relu'}],
  ['strides 2, valid, without bias', {kernelSize: 2, strides: 2, useBias: false}],
  ['elu, strides 1 and 2, valid', {kernelSize: [2, 3], strides: [1, 2], activation: 'elu'}],
  ['same', {padding: 'same'}],
  ['larger strides than kernel', {kernelSize: 2, strides: 3}]
];

const conv3dTranspose: Variants = [
  ['linear', {}],
  ['relu, same', {padding: 'same', activation: 'relu'}],
  ['tanh, strides 2, without bias', {strides: 2, useBias: false, activation: 'tanh'}],
  ['strides 2, same', {kernelSize: 3, strides: [1, 2, 2], padding: 'same'}]
];

const depthwise: Variants = [
  ['tanh, multiplier 2', {depthMultiplier: 2, activation: 'tanh'}],
  ['relu, same, strides 2', {kernelSize: 3, strides: 2, padding: 'same', activation: 'relu'}],
  ['linear without bias', {useBias: false}],
  ['elu, strides 2, valid, multiplier 3', {strides: 2, depthMultiplier: 3, activation: 'elu'}],
  ['L2 regularizer', {depthwiseRegularizer: tf.regularizers.l2({l2: 0.03}), padding: 'same'}]
];

const separable: Variants = [
  ['tanh, multiplier 2', {depthMultiplier: 2, activation: 'tanh'}],
  ['relu, same, without bias', {kernelSize: 3, padding: 'same', activation: 'relu', useBias: false}],
  ['linear, strides 2', {strides: 2}],
  ['strides 2, same, multiplier 2', {strides: 2, padding: 'same', depthMultiplier: 2}],
  ['dilated, relu', {dilationRate: 2, activation: 'relu'}, DILATED],
  ['dilated, same, multiplier 2', {dilationRate: [1, 2], padding: 'same', depthMultiplier: 2}, DILATED]
];

/**
 * tfjs's forward kernel of Conv3DTranspose on WASM is wrong: it leaves entries out with strides, and adds to memory that it has not
 * cleared.
 */
const WRONG_ON_WASM = {wasm: /'Conv3DBackpropInputV2' \(conv3dTranspose\) computes wrong values on the WASM backend/};

const channelsFirst = {dataFormat: 'channelsFirst' as const};

export const convolutionCases: Case[] = [
  ...conv1d.map(([options, more, feature]) => proving('conv1d')(`conv1d ${options}`, {
    build: () => sequential(L.conv1d({filters: 3, kernelSize: 3, inputShape: [6, 2], ...more}), L.flatten(), dense(2)),
    x: real(6, 2), y: real(2), feature
  })),
  proving('conv1d')('conv1d tanh, output with a time axis', {
    build: () => sequential(L.conv1d({filters: 2, kernelSize: 2, inputShape: [5, 2], activation: 'tanh', padding: 'same'})),
    x: real(5, 2), y: real(5, 2), batchSize: 3
  }),
  ...conv2d.map(([options, more, feature]) => proving('conv2d')(`conv2d ${options}`, {
    build: () => sequential(L.conv2d({filters: 2, kernelSize: [2, 3], inputShape: [5, 4, 2], ...more}), L.flatten(), dense(2)),
    x: real(5, 4, 2), y: real(2), feature
  })),
  ...([['tanh', {activation: 'tanh'}], ['relu, strides 2, same', {activation: 'relu', strides: 2, padding: 'same'}], ['dilated', {dilationRate: 2}, DILATED]] as Variants)
    .map(([options, more, feature]) => proving('conv2d')(`conv2d ${options}, channels first`, {
      build: () => sequential(L.conv2d({filters: 3, kernelSize: 2, inputShape: [2, 4, 4], ...channelsFirst, ...more}), L.flatten(), dense(2)),
      x: real(2, 4, 4), y: real(2), feature
    })),
  proving('conv2d')('conv2d twice, output with image axes', {
    build: () => sequential(L.conv2d({filters: 3, kernelSize: 2, inputShape: [4, 4, 1], activation: 'tanh'}), L.conv2d({filters: 2, kernelSize: 2})),
    x: real(4, 4, 1), y: real(2, 2, 2)
  }),
  proving('conv2d')('conv2d with strides, relu, three times', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 3, inputShape: [7, 6, 1], padding: 'same', activation: 'relu'}),
      L.conv2d({filters: 3, kernelSize: 3, strides: 2, padding: 'same', activation: 'elu'}),
      L.conv2d({filters: 2, kernelSize: 2, strides: 2, padding: 'valid', activation: 'relu'}), L.flatten(), dense(1)),
    x: real(7, 6, 1), y: real(1)
  }),
  proving('conv2d')('conv2d dilated after conv2d', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 2, inputShape: [6, 5, 1], activation: 'tanh'}), L.conv2d({filters: 2, kernelSize: 2, dilationRate: 2, activation: 'tanh'}),
      L.flatten(), dense(2)),
    x: real(6, 5, 1), y: real(2), feature: DILATED
  }),
  proving('conv2d')('shared conv2d, two inputs', {
    build: () => functional([[3, 4, 1], [3, 4, 1]], ([a, b]) => {
      const tower = L.conv2d({filters: 2, kernelSize: 2, activation: 'tanh'});
      return applied(dense(2), applied(L.flatten(), applied(L.concatenate(), applied(tower, a), applied(tower, b))));
    }),
    x: [real(3, 4, 1), real(3, 4, 1)], y: real(2), feature: 'shared layers'
  }),
  proving('conv2d')('shared conv2d, images of two sizes', {
    build: () => functional([[3, 4, 1], [4, 5, 1]], ([a, b]) => {
      const tower = L.conv2d({filters: 2, kernelSize: 2, activation: 'relu', padding: 'same'});
      return applied(dense(2), applied(L.concatenate(), applied(L.globalAveragePooling2d({}), applied(tower, a)), applied(L.globalAveragePooling2d({}), applied(tower, b))));
    }),
    x: [real(3, 4, 1), real(4, 5, 1)], y: real(2), feature: 'shared layers'
  }),
  proving('conv2d')('same conv2d twice in sequence', {
    build: () => functional([[3, 3, 2]], ([x]) => {
      const again = L.conv2d({filters: 2, kernelSize: 2, activation: 'tanh', padding: 'same'});
      return applied(dense(2), applied(L.flatten(), applied(again, applied(again, x))));
    }),
    x: real(3, 3, 2), y: real(2), feature: 'shared layers'
  }),
  ...conv3d.map(([options, more, feature]) => proving('conv3d')(`conv3d ${options}`, {
    build: () => sequential(L.conv3d({filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 2], ...more}), L.flatten(), dense(2)),
    x: real(3, 3, 3, 2), y: real(2), batchSize: 3, feature
  })),
  proving('conv3d')('conv3d tanh, channels first', {
    build: () => sequential(L.conv3d({filters: 2, kernelSize: 2, inputShape: [2, 3, 2, 3], activation: 'tanh', ...channelsFirst}), L.flatten(), dense(2)),
    x: real(2, 3, 2, 3), y: real(2), batchSize: 3
  }),
  proving('conv3d')('conv3d dilated in depth', {
    build: () => sequential(L.conv3d({filters: 2, kernelSize: 2, dilationRate: 2, inputShape: [3, 3, 3, 2], activation: 'tanh'}), L.flatten(), dense(2)),
    x: real(3, 3, 3, 2), y: real(2), batchSize: 3, backends: ['cpu', 'wasm', 'webgl'], feature: DILATED
  }),
  proving('conv3d')('conv3d twice', {
    build: () => sequential(
      L.conv3d({filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 1], activation: 'relu', padding: 'same'}), L.conv3d({filters: 1, kernelSize: 2, strides: 2}), L.flatten(), dense(2)),
    x: real(3, 3, 3, 1), y: real(2), batchSize: 3
  }),
  ...conv2dTranspose.map(([options, more]) => proving('conv2dTranspose')(`conv2d transposed, ${options}`, {
    build: () => sequential(L.conv2dTranspose({filters: 2, kernelSize: 3, inputShape: [2, 3, 3], ...more}), L.flatten(), dense(1)),
    x: real(2, 3, 3), y: real(1)
  })),
  proving('conv2dTranspose')('conv2d transposed, relu, strides 2, channels first', {
    build: () => sequential(L.conv2dTranspose({filters: 2, kernelSize: 2, strides: 2, inputShape: [3, 2, 3], activation: 'relu', ...channelsFirst}), L.flatten(), dense(1)),
    x: real(3, 2, 3), y: real(1)
  }),
  proving('conv2dTranspose')('conv2d transposed after conv2d', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 2, inputShape: [4, 4, 1], strides: 2, activation: 'tanh'}), L.conv2dTranspose({filters: 2, kernelSize: 2, strides: 2, activation: 'tanh'}),
      L.conv2dTranspose({filters: 1, kernelSize: 2, padding: 'same'}), L.flatten(), dense(2)),
    x: real(4, 4, 1), y: real(2)
  }),
  ...conv3dTranspose.map(([options, more]) => proving('conv3dTranspose')(`conv3d transposed, ${options}`, {
    build: () => sequential(L.conv3dTranspose({filters: 2, kernelSize: 2, inputShape: [2, 1, 2, 2], ...more}), L.flatten(), dense(1)),
    x: real(2, 1, 2, 2), y: real(1), refusedOn: WRONG_ON_WASM
  })),
  proving('conv3dTranspose')('conv3d transposed, channels first', {
    build: () => sequential(L.conv3dTranspose({filters: 1, kernelSize: 2, inputShape: [2, 2, 1, 2], activation: 'tanh', ...channelsFirst}), L.flatten(), dense(1)),
    x: real(2, 2, 1, 2), y: real(1), refusedOn: WRONG_ON_WASM
  }),
  proving('conv3dTranspose')('conv3d transposed after conv3d', {
    build: () => sequential(
      L.conv3d({filters: 2, kernelSize: 2, inputShape: [2, 2, 3, 1], activation: 'tanh'}), L.conv3dTranspose({filters: 1, kernelSize: 2, activation: 'tanh'}), L.flatten(), dense(1)),
    x: real(2, 2, 3, 1), y: real(1), refusedOn: WRONG_ON_WASM
  }),
  ...depthwise.map(([options, more]) => proving('depthwiseConv2d')(`depthwise conv2d ${options}`, {
    build: () => sequential(L.depthwiseConv2d({kernelSize: 2, inputShape: [4, 3, 2], ...more}), L.flatten(), dense(2)),
    x: real(4, 3, 2), y: real(2)
  })),
  proving('depthwiseConv2d')('depthwise conv2d tanh, channels first', {
    build: () => sequential(
      L.depthwiseConv2d({kernelSize: 2, depthMultiplier: 2, inputShape: [2, 3, 4], activation: 'tanh', useBias: false, ...channelsFirst}), L.flatten(), dense(2)),
    x: real(2, 3, 4), y: real(2)
  }),
  proving('depthwiseConv2d')('depthwise conv2d after conv2d, then 1 x 1', {
    build: () => sequential(
      L.conv2d({filters: 2, kernelSize: 2, inputShape: [4, 4, 1], activation: 'tanh'}), L.depthwiseConv2d({kernelSize: 2, activation: 'relu', padding: 'same'}),
      L.conv2d({filters: 2, kernelSize: 1}), L.flatten(), dense(1)),
    x: real(4, 4, 1), y: real(1)
  }),
  ...separable.map(([options, more, feature]) => proving('separableConv2d')(`separable conv2d ${options}`, {
    build: () => sequential(L.separableConv2d({filters: 2, kernelSize: 2, inputShape: [4, 3, 2], ...more}), L.flatten(), dense(2)),
    x: real(4, 3, 2), y: real(2), feature
  })),
  proving('separableConv2d')('separable conv2d relu without bias, channels first', {
    build: () => sequential(
      L.separableConv2d({filters: 2, kernelSize: 2, depthMultiplier: 2, inputShape: [2, 3, 4], activation: 'relu', useBias: false, ...channelsFirst}), L.flatten(), dense(2)),
    x: real(2, 3, 4), y: real(2)
  }),
  proving('separableConv2d')('separable conv2d twice', {
    build: () => sequential(
      L.separableConv2d({filters: 2, kernelSize: 2, inputShape: [4, 4, 1], activation: 'tanh'}), L.separableConv2d({filters: 1, kernelSize: 2, activation: 'tanh', padding: 'same'}),
      L.flatten(), dense(1)),
    x: real(4, 4, 1), y: real(1)
  })
];
