/** Layers of the user's own. */
import * as tf from '@tensorflow/tfjs';
import {dense, proving, sequential} from './case';
import type {Case, Description} from './case';
import {BatchedMatMul, BroadcastScale, GatheredWeight, LeftOperand, LeftOperandByFlags, Scale, SlicedWeight, Standardize, TiedAutoencoder, TiedByFlag,
  WeightNormDense} from './custom_layers';
import {real} from './data';

const L = tf.layers;
const describe = (name: string, description: Description): Case => proving()(name, {feature: 'custom layers and raw ops', ...description});

export const customCases: Case[] = [
  describe('custom: tied autoencoder', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [5]}), new TiedAutoencoder({})),
    x: real(5), y: real(5)
  }),
  describe('custom: tied autoencoder by a transpose flag', {
    build: () => sequential(dense(5, 'tanh', {inputShape: [5]}), new TiedByFlag({})),
    x: real(5), y: real(5)
  }),
  describe('custom: scale and shift', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new Scale({}), dense(2), new Scale({})),
    x: real(3), y: real(2)
  }),
  describe('custom: scale and shift on a sequence', {
    build: () => sequential(dense(3, 'tanh', {inputShape: [3, 2]}), new Scale({}), dense(2)),
    x: real(3, 2), y: real(3, 2), batchSize: 3
  }),
  describe('custom: scales that broadcast', {
    build: () => sequential(dense(2, 'linear', {inputShape: [3, 2]}), new BroadcastScale({}), L.flatten(), dense(2)),
    x: real(3, 2), y: real(2)
  }),
  describe('custom: difference and quotient', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new Standardize({}), dense(2)),
    x: real(3), y: real(2)
  }),
  describe('custom: weight normalisation', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new WeightNormDense({})),
    x: real(3), y: real(3)
  }),
  describe('custom: weight as the left operand', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new LeftOperand({})),
    x: real(3), y: real(3)
  }),
  describe('custom: weight as the left operand, by flags', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new LeftOperandByFlags({})),
    x: real(3), y: real(3)
  }),
  describe('custom: batched product with a tiled weight', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3, 2]}), new BatchedMatMul({})),
    x: real(3, 2), y: real(3, 2), batchSize: 3
  }),
  describe('custom: gathered rows of a weight', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new GatheredWeight({})),
    x: real(3), y: real(3)
  }),
  describe('custom: two slices of one weight', {
    build: () => sequential(dense(4, 'tanh', {inputShape: [3]}), new SlicedWeight({})),
    x: real(3), y: real(3)
  })
];
