/** Recurrent layers, and layers around layers. */
import * as tf from '@tensorflow/tfjs';
import {applied, dense, functional, proving, seeded, sequential} from './case';
import type {Case} from './case';
import {padded, real} from './data';

const L = tf.layers;
const kinds = ['simpleRNN', 'lstm', 'gru'] as const;

type Variants = [string, object][];

/** Options of every recurrent layer; the data are 3 steps of 2 features. (tfjs reads `unroll` and does not use it.) */
const variants: Variants = [
  ['', {}],
  [' without bias', {useBias: false}],
  [' relu', {activation: 'relu'}],
  [' backwards', {goBackwards: true}],
  [' sigmoid for hard sigmoid, elu for tanh', {recurrentActivation: 'sigmoid', activation: 'elu'}],
  [' implementation 1', {implementation: 1}],
  [' L2 regularizers', {kernelRegularizer: tf.regularizers.l2({l2: 0.03}), recurrentRegularizer: tf.regularizers.l2({l2: 0.03}), biasRegularizer: tf.regularizers.l2({l2: 0.03})}],
  [' frozen', {trainable: false}]
];

const convLstm: Variants = [
  ['same', {padding: 'same'}],
  ['valid, tanh', {}],
  ['relu, strides 2', {strides: 2, activation: 'relu'}],
  ['without bias, sigmoid', {useBias: false, padding: 'same', recurrentActivation: 'sigmoid'}],
  ['backwards', {goBackwards: true}],
  ['dilated', {dilationRate: 2}]
];

export const recurrentCases: Case[] = [
  ...kinds.flatMap(kind => variants.map(([options, more]) => proving(kind)(`${kind}${options}`, {
    build: () => sequential(L[kind]({units: 3, inputShape: [3, 2], ...more}), dense(2)),
    x: real(3, 2), y: real(2)
  }))),
  ...kinds.flatMap(kind => ([['', {}], [' backwards, without bias', {goBackwards: true, useBias: false}]] as Variants)
    .map(([options, more]) => proving(kind)(`${kind}${options}, output with a time axis`, {
      build: () => sequential(L[kind]({units: 3, inputShape: [3, 2], returnSequences: true, ...more}), dense(2)),
      x: real(3, 2), y: real(3, 2), batchSize: 3
    }))),
  ...kinds.map(kind => proving(kind)(`${kind} twice`, {
    build: () => sequential(L[kind]({units: 3, inputShape: [3, 2], returnSequences: true}), L[kind]({units: 2}), dense(1)),
    x: real(3, 2), y: real(1)
  })),
  ...kinds.map(kind => proving(kind)(`${kind} stateful`, {
    build: () => sequential(L[kind]({units: 3, stateful: true, batchInputShape: [4, 3, 2]}), dense(2)),
    x: real(3, 2), y: real(2), batchSize: 4
  })),
  ...kinds.map(kind => proving(kind)(`${kind} with its states as outputs`, {
    build: () => functional([[3, 2]], ([x]) => {
      const [last, ...states] = L[kind]({units: 2, returnState: true}).apply(x) as tf.SymbolicTensor[];
      return applied(dense(2), applied(L.concatenate(), last, ...states.map(state => applied(dense(2, 'tanh'), state))));
    }),
    x: real(3, 2), y: real(2)
  })),
  ...kinds.map(kind => proving(kind)(`${kind} with an initial state from the model`, {
    build: () => functional([[3, 2], [4]], ([x, start]) => {
      const states = Array.from({length: kind === 'lstm' ? 2 : 1}, () => applied(dense(2, 'tanh'), start));
      return applied(dense(2), L[kind]({units: 2}).apply(x, {initialState: states}) as tf.SymbolicTensor);
    }),
    x: [real(3, 2), real(4)], y: real(2)
  })),
  ...kinds.map(kind => proving(kind)(`${kind}, encoder and decoder`, {
    build: () => functional([[3, 2], [2, 2]], ([x, out]) => {
      const [, ...states] = L[kind]({units: 2, returnState: true}).apply(x) as tf.SymbolicTensor[];
      return applied(dense(1), L[kind]({units: 2, returnSequences: true}).apply(out, {initialState: states}) as tf.SymbolicTensor);
    }),
    x: [real(3, 2), real(2, 2)], y: real(2, 1)
  })),
  ...kinds.map(kind => proving(kind)(`${kind} with dropout`, {
    build: () => sequential(seeded(L[kind]({units: 3, inputShape: [3, 2], dropout: 0.3, recurrentDropout: 0.3})), dense(2)),
    x: real(3, 2), y: real(2)
  })),
  ...kinds.map(kind => proving(kind)(`${kind} shared by two inputs`, {
    build: () => functional([[3, 2], [2, 2]], ([a, b]) => {
      const tower = L[kind]({units: 2});
      return applied(dense(2), applied(L.concatenate(), applied(tower, a), applied(tower, b)));
    }),
    x: [real(3, 2), real(2, 2)], y: real(2), feature: 'shared layers'
  })),
  proving('lstm')('lstm without the forget bias', {
    build: () => sequential(L.lstm({units: 2, unitForgetBias: false, inputShape: [3, 2]}), dense(1)), x: real(3, 2), y: real(1)
  }),
  proving('rnn', 'stackedRNNCells', 'lstmCell', 'gruCell', 'simpleRNNCell')('stacked RNN cells', {
    build: () => sequential(
      L.rnn({cell: [L.lstmCell({units: 3}), L.gruCell({units: 2}), L.simpleRNNCell({units: 2})], inputShape: [3, 2]}),
      dense(1)),
    x: real(3, 2), y: real(1)
  }),
  ...(['simpleRNNCell', 'lstmCell', 'gruCell'] as const).map(cell => proving('rnn', cell)(`rnn of one ${cell}`, {
    build: () => sequential(L.rnn({cell: L[cell]({units: 2}), inputShape: [3, 2], returnSequences: true}), dense(1)),
    x: real(3, 2), y: real(3, 1), batchSize: 3
  })),
  proving('stackedRNNCells', 'rnn')('stacked cells as a cell, backwards', {
    build: () => sequential(
      L.rnn({cell: L.stackedRNNCells({cells: [L.gruCell({units: 2}), L.lstmCell({units: 2})]}), inputShape: [3, 2], goBackwards: true} as never), dense(1)),
    x: real(3, 2), y: real(1)
  }),
  ...kinds.flatMap(kind => (['concat', 'sum', 'mul', 'ave'] as const).map(mergeMode => proving('bidirectional')(`bidirectional ${kind}, ${mergeMode}`, {
    build: () => sequential(L.bidirectional({layer: L[kind]({units: 2}) as never, mergeMode, inputShape: [3, 2]}), dense(2)),
    x: real(3, 2), y: real(2)
  }))),
  proving('bidirectional')('bidirectional lstm, sequences, then flattened', {
    build: () => sequential(
      L.bidirectional({layer: L.lstm({units: 2, returnSequences: true}) as never, mergeMode: 'concat', inputShape: [3, 2]}), L.flatten(), dense(1)),
    x: real(3, 2), y: real(1)
  }),
  proving('bidirectional', 'masking')('bidirectional gru, masked', {
    build: () => sequential(L.masking({maskValue: 0, inputShape: [3, 2]}), L.bidirectional({layer: L.gru({units: 2}) as never, mergeMode: 'sum'}), dense(2)),
    x: padded(real(3, 2)), y: real(2), batchSize: 5
  }),
  proving('timeDistributed')('time-distributed dense', {
    build: () => sequential(L.timeDistributed({layer: dense(3, 'tanh'), inputShape: [3, 2]}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  proving('timeDistributed')('time-distributed conv2d', {
    build: () => sequential(L.timeDistributed({layer: L.conv2d({filters: 2, kernelSize: 2, activation: 'relu'}), inputShape: [2, 3, 3, 1]}), L.flatten(), dense(1)),
    x: real(2, 3, 3, 1), y: real(1), batchSize: 3
  }),
  proving('timeDistributed')('time-distributed dilated conv1d', {
    build: () => sequential(L.timeDistributed({layer: L.conv1d({filters: 2, kernelSize: 2, dilationRate: 2}), inputShape: [2, 4, 1]}), L.flatten(), dense(1)),
    x: real(2, 4, 1), y: real(1), batchSize: 3, feature: 'dilated convolutions'
  }),
  proving('timeDistributed')('time-distributed PReLU', {
    build: () => sequential(dense(3, 'linear', {inputShape: [2, 2]}), L.timeDistributed({layer: L.prelu()}), L.flatten(), dense(2)),
    x: real(2, 2), y: real(2)
  }),
  ...convLstm.map(([options, more]) => proving('convLstm2d')(`ConvLSTM2D ${options}`, {
    build: () => sequential(L.convLstm2d({filters: 2, kernelSize: 2, inputShape: [2, 3, 3, 1], ...more} as never), L.flatten(), dense(1)),
    x: real(2, 3, 3, 1), y: real(1), batchSize: 3, ...(options === 'dilated' ? {feature: 'dilated convolutions'} : {}),
    ...(options === 'backwards' ? {backends: ['cpu', 'wasm', 'tensorflow']} : {})   // webgl reverses at most four axes
  })),
  proving('convLstm2d')('ConvLSTM2D, output with time and image axes', {
    build: () => sequential(L.convLstm2d({filters: 1, kernelSize: 2, inputShape: [2, 3, 3, 1], returnSequences: true} as never)),
    x: real(2, 3, 3, 1), y: real(2, 2, 2, 1), batchSize: 3
  }),
  proving('convLstm2d')('ConvLSTM2D, channels first', {
    build: () => sequential(L.convLstm2d({filters: 1, kernelSize: 2, inputShape: [2, 1, 3, 3], dataFormat: 'channelsFirst'} as never), L.flatten(), dense(1)),
    x: real(2, 1, 3, 3), y: real(1), batchSize: 3, backends: ['cpu', 'webgl']   // the others have no forward kernel for it
  }),
  proving('convLstm2dCell', 'rnn')('rnn of one ConvLSTM2D cell', {
    build: () => sequential(L.convLstm2d({filters: 1, kernelSize: 2, inputShape: [2, 3, 2, 1], padding: 'same', returnSequences: true} as never),
      L.timeDistributed({layer: L.flatten()}), dense(1)),
    x: real(2, 3, 2, 1), y: real(2, 1), batchSize: 3
  })
];
