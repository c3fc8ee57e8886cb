/** The rows of the table of speeds: networks, goals, and the figures from which the goals were set. */
import * as tf from '@tensorflow/tfjs';
import type {NodeBackend} from '../../support/backends';
import {BATCH} from '../networks';

export type Activation = 'relu' | 'tanh';

export const ACTIVATIONS: readonly Activation[] = ['relu', 'tanh'];

export const BACKENDS: readonly NodeBackend[] = ['wasm', 'cpu', 'tensorflow'];

/** A ratio to reach, and the ratio at f7c065b on an otherwise idle machine, if it was measured. */
export interface Goal {
  readonly atMost: number;
  readonly before?: string;
}

export interface SpeedNetwork {
  readonly title: string;
  /** Of one example. */
  readonly input: readonly number[];
  readonly outputs: number;
  layers(activation: Activation): tf.layers.Layer[];
  /** A step of ggn beside a step of Adam on the same backend. */
  readonly goals: Readonly<Record<NodeBackend, Goal>>;
  /** If Adam cannot train the network on a backend, a forward pass takes its place. */
  readonly beside?: Partial<Record<NodeBackend, 'forward'>>;
}

const seeded = (seed: number): ReturnType<typeof tf.initializers.glorotNormal> => tf.initializers.glorotNormal({seed});

function dense(widths: readonly number[], goals: Record<NodeBackend, Goal>): SpeedNetwork {
  return {
    title: widths.join('-'), input: [widths[0]], outputs: widths.at(-1)!, goals,
    layers: activation => widths.slice(1).map((units, i) => tf.layers.dense({
      units, activation: i < widths.length - 2 ? activation : 'linear', kernelInitializer: seeded(7 + i),
      ...(i === 0 ? {inputShape: [widths[0]]} : {})})),
  };
}

const conv = (filters: number, strides: number, activation: Activation, seed: number): tf.layers.Layer =>
  tf.layers.conv2d({filters, strides, kernelSize: 3, activation, padding: 'same', kernelInitializer: seeded(seed),
    ...(strides === 1 ? {inputShape: [28, 28, 1]} : {})});

export const SPEED_NETWORKS = {
  W1: dense([16, 64, 64, 1], {wasm: {atMost: 0.6, before: '1.05'}, cpu: {atMost: 0.5, before: '1.3'},
    tensorflow: {atMost: 1.3, before: '1.95'}}),
  W2: dense([64, 256, 256, 1], {wasm: {atMost: 0.22, before: '.38'}, cpu: {atMost: 0.15, before: '.87'},
    tensorflow: {atMost: 0.9, before: '1.7'}}),
  W3: dense([784, 512, 512, 1], {wasm: {atMost: 0.11, before: '.19'}, cpu: {atMost: 0.15, before: '.83'},
    tensorflow: {atMost: 0.8, before: '1.36'}}),
  W4: dense([64, 1024, 1024, 1], {wasm: {atMost: 0.05, before: '.08'}, cpu: {atMost: 0.15},
    tensorflow: {atMost: 0.8, before: '1.3'}}),
  W5: dense([784, 256, 10], {wasm: {atMost: 1.5, before: '2.1 to 4.6'}, cpu: {atMost: 1},
    tensorflow: {atMost: 4, before: '8.5'}}),
  CNN: {
    title: '28x28: 16, 32 s2, 64 s2, 1', input: [28, 28, 1], outputs: 1,
    layers: activation => [conv(16, 1, activation, 7), conv(32, 2, activation, 8), conv(64, 2, activation, 9),
      tf.layers.flatten(), tf.layers.dense({units: 1, kernelInitializer: seeded(10)})],
    goals: {wasm: {atMost: 8, before: '15'}, cpu: {atMost: 1}, tensorflow: {atMost: 1.5, before: '2.75'}},
    beside: {wasm: 'forward'},
  },
} satisfies Record<string, SpeedNetwork>;

export type NetworkName = keyof typeof SPEED_NETWORKS;

export const NETWORK_NAMES = Object.keys(SPEED_NETWORKS) as NetworkName[];

export const networkNamed = (name: NetworkName): SpeedNetwork => SPEED_NETWORKS[name];

/** Networks and backends whose first steps count, and the largest ratio of the first steps to those of Adam. */
export const FIRST = {networks: ['W1', 'W2'] as readonly NetworkName[], backends: ['wasm', 'cpu'] as readonly NodeBackend[],
  steps: 25, atMost: 0.8};

/** Networks and backends whose kernels are counted. */
export const COUNTED = {networks: ['W1', 'W2', 'CNN'] as readonly NetworkName[],
  backends: ['wasm', 'tensorflow'] as readonly NodeBackend[]};

export interface Pair {
  readonly x: tf.Tensor;
  readonly y: tf.Tensor;
}

/** Batches that training goes through, in turn: one alone would be fitted to the last digit. */
const BATCHES = 16;

export const batchesOf = ({input, outputs}: SpeedNetwork): Pair[] => Array.from({length: BATCHES}, (_, i) => ({
  x: tf.randomNormal([BATCH, ...input], 0, 1, 'float32', 2 * i + 1),
  y: tf.randomNormal([BATCH, outputs], 0, 1, 'float32', 2 * i + 2),
}));

export function modelOf(network: SpeedNetwork, activation: Activation, optimizer: tf.Optimizer): tf.LayersModel {
  const model = tf.sequential({layers: network.layers(activation)});
  model.compile({optimizer, loss: 'meanSquaredError'});
  return model;
}
