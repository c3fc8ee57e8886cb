/** How layers are put together: merges, shared layers, several heads, layers that move entries. */
import * as tf from '@tensorflow/tfjs';
import {applied, dense, functional, proving, sequential} from './case';
import type {Case, Description, LayerName} from './case';
import {real} from './data';

/** A case of how a model is built rather than of a layer. */
function shaped(feature: string, name: string, description: Description): Case {
  return proving('dense')(name, {...description, feature});
}

const L = tf.layers;

export const graphCases: Case[] = [
  shaped('shared layers', 'shared dense layer, two inputs', {
    build: () => functional([[3], [3]], ([a, b]) => {
      const tower = dense(4, 'tanh');
      return applied(dense(2), applied(L.concatenate(), applied(tower, a), applied(tower, b)));
    }),
    x: [real(3), real(3)], y: real(2)
  }),
  shaped('shared layers', 'shared relu layer, product of two inputs', {
    build: () => functional([[3], [3]], ([a, b]) => {
      const tower = dense(4, 'relu');
      return applied(dense(2), applied(L.multiply(), applied(tower, a), applied(tower, b)));
    }),
    x: [real(3), real(3)], y: real(2)
  }),
  shaped('shared layers', 'same layer twice in sequence', {
    build: () => functional([[4]], ([x]) => {
      const again = dense(4, 'tanh');
      return applied(dense(2), applied(again, applied(again, x)));
    }),
    x: real(4), y: real(2)
  }),
  shaped('shared layers', 'shared layer with an L2 regularizer', {
    build: () => functional([[4]], ([x]) => {
      const again = dense(4, 'tanh', {kernelRegularizer: tf.regularizers.l2({l2: 0.03})});
      return applied(dense(2), applied(again, applied(again, x)));
    }),
    x: real(4), y: real(2)
  }),
  shaped('models inside models', 'sequential inside functional', {
    build: () => functional([[4]], ([x]) => {
      const inner = sequential(dense(4, 'tanh', {inputShape: [4]}), dense(3, 'relu'));
      return applied(dense(2), inner.apply(x) as tf.SymbolicTensor);
    }),
    x: real(4), y: real(2)
  }),
  shaped('skip connections', 'skip connection: add', {
    build: () => functional([[4]], ([x]) => applied(dense(2), applied(L.add(), x, applied(dense(4, 'tanh'), x)))),
    x: real(4), y: real(2)
  }),
  ...([
    ['add', 'add', () => L.add()], ['multiply', 'multiply', () => L.multiply()], ['average', 'average', () => L.average()],
    ['maximum', 'maximum', () => L.maximum()], ['minimum', 'minimum', () => L.minimum()], ['concatenate', 'concatenate', () => L.concatenate()],
    ['concatenate', 'concatenate, axis 1', () => L.concatenate({axis: 1})], ['dot', 'dot', () => L.dot({axes: 1})],
    ['dot', 'dot, normalized', () => L.dot({axes: 1, normalize: true})]
  ] as [LayerName, string, () => tf.layers.Layer][]).map(([name, merge, layer]) => proving(name)(`merge of two inputs: ${merge}`, {
    build: () => functional([[3], [2]], ([a, b]) => applied(dense(2), applied(layer(), applied(dense(4, 'tanh'), a), applied(dense(4, 'sigmoid'), b)))),
    x: [real(3), real(2)], y: real(2)
  })),
  ...([['add', () => L.add()], ['multiply', () => L.multiply()], ['average', () => L.average()], ['maximum', () => L.maximum()],
    ['minimum', () => L.minimum()], ['concatenate', () => L.concatenate({axis: 1})]] as [LayerName, () => tf.layers.Layer][])
    .map(([merge, layer]) => proving(merge)(`merge of three sequences: ${merge}`, {
      build: () => functional([[2, 2]], ([x]) => applied(dense(1), applied(layer(), ...(['tanh', 'sigmoid', 'softplus'] as const).map(a => applied(dense(2, a), x))))),
      x: real(2, 2), y: real(merge === 'concatenate' ? 6 : 2, 1), batchSize: 3
    })),
  proving('multiply')('merge with broadcasting: a sequence and one step', {
    build: () => functional([[2, 3], [3]], ([a, b]) =>
      applied(dense(2), applied(L.flatten(), applied(L.multiply(), applied(dense(3, 'tanh'), a), applied(L.repeatVector({n: 1}), applied(dense(3, 'tanh'), b)))))),
    x: [real(2, 3), real(3)], y: real(2)
  }),
  proving('dot')('merge: dot of a sequence and a vector', {
    build: () => functional([[3, 2], [2]], ([a, b]) =>
      applied(dense(2), applied(L.dot({axes: [2, 1]}), applied(dense(3, 'tanh'), a), applied(dense(3, 'tanh'), b)))),
    x: [real(3, 2), real(2)], y: real(2)
  }),
  proving('dot')('merge: dot of two sequences', {
    build: () => functional([[3, 2], [2, 2]], ([a, b]) =>
      applied(dense(2), applied(L.flatten(), applied(L.dot({axes: 2}), applied(dense(3, 'tanh'), a), applied(dense(3, 'tanh'), b))))),
    x: [real(3, 2), real(2, 2)], y: real(2)
  }),
  shaped('several inputs and outputs', 'two heads, 3 and 1 outputs', {
    build: () => functional([[4]], ([x]) => {
      const trunk = applied(dense(5, 'tanh'), x);
      return [applied(dense(3), trunk), applied(dense(1, 'sigmoid'), trunk)];
    }),
    x: real(4), y: [real(3), real(1)]
  }),
  shaped('several inputs and outputs', 'two inputs, two heads that share nothing', {
    build: () => functional([[3], [2]], ([a, b]) => [applied(dense(2), applied(dense(3, 'relu'), a)), applied(dense(1), applied(dense(3, 'tanh'), b))]),
    x: [real(3), real(2)], y: [real(2), real(1)]
  }),
  shaped('several inputs and outputs', 'two heads with a time axis', {
    build: () => functional([[3, 2]], ([x]) => {
      const trunk = applied(dense(3, 'tanh'), x);
      return [applied(dense(2), trunk), applied(dense(1), trunk)];
    }),
    x: real(3, 2), y: [real(3, 2), real(3, 1)], batchSize: 3
  }),
  proving('reshape', 'permute', 'flatten')('reshape, permute, flatten', {
    build: () => sequential(
      dense(6, 'tanh', {inputShape: [4]}), L.reshape({targetShape: [2, 3]}), L.permute({dims: [2, 1]}), dense(2, 'tanh'), L.flatten(), dense(2)),
    x: real(4), y: real(2)
  }),
  proving('flatten')('flatten, channels first', {
    build: () => sequential(dense(3, 'tanh', {inputShape: [2, 2, 2]}), L.flatten({dataFormat: 'channelsFirst'}), dense(2)),
    x: real(2, 2, 2), y: real(2)
  }),
  proving('reshape')('reshape with an open dimension', {
    build: () => sequential(dense(6, 'tanh', {inputShape: [4]}), L.reshape({targetShape: [-1, 2]}), dense(2)),
    x: real(4), y: real(3, 2)
  }),
  proving('inputLayer')('an input layer of its own', {
    build: () => sequential(L.inputLayer({inputShape: [3]}), dense(3, 'tanh'), dense(2)),
    x: real(3), y: real(2)
  }),
  proving('repeatVector')('repeat vector, then RNN', {
    build: () => sequential(dense(3, 'tanh', {inputShape: [4]}), L.repeatVector({n: 2}), L.simpleRNN({units: 3, returnSequences: true}), dense(1)),
    x: real(4), y: real(2, 1)
  })
];
