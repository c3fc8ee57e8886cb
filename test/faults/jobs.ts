/** Small trainings of every kind, deterministic, for faults to be injected into. */
import * as tf from '@tensorflow/tfjs';
import {ggn, leastSquares, type GgnOptions, type GramGaussNewton} from '../../src/index';
import {glorotUniform} from '../support/models';
import {wave} from '../support/numbers';

export interface Job {
  optimizer: GramGaussNewton;
  /** One step; `broken` is called inside f(), at its end. */
  step(broken?: () => void): Promise<void>;
  /** Everything that a step may write. */
  readonly variables: () => tf.Tensor[];
  /** The variables that the optimizer writes. */
  readonly trained: () => tf.Tensor[];
  dispose(): void;
}

export interface Kind {
  readonly name: string;
  readonly options: GgnOptions;
  readonly make: (options: GgnOptions) => Job;
  /** Whether the faults come into the first step of an optimizer that has loaded the state of the job's own. */
  readonly isLoaded?: boolean;
  /** Whether NaN spares handles: a training that compares its data or weights by their handles takes them for others. */
  readonly sparesHandles?: boolean;
}

/** A model with metrics, whose losses go through `broken`. */
function ofModel(layers: () => tf.LayersModel, shape: number[], outputs: number[][], options: GgnOptions): Job {
  const model = layers();
  const optimizer = ggn(options);
  let broken = (): void => {};
  const loss = (target: tf.Tensor, output: tf.Tensor): tf.Tensor => {
    const value = output.sub(target).square().mean(-1);
    broken();
    return value;
  };
  model.compile({optimizer, loss: outputs.map(() => loss), metrics: ['mae']});
  const x = tf.tensor(wave(tf.util.sizeFromShape(shape), 3), shape);
  const ys = outputs.map((output, i) => tf.tensor(wave(tf.util.sizeFromShape(output), 5 + i), output));
  return {
    optimizer,
    variables: () => model.weights.map(w => w.read()),
    trained: () => model.trainableWeights.map(w => w.read()),
    step: async (breaks = () => {}) => {
      broken = breaks;
      try {
        await model.trainOnBatch(x, ys);
      } finally {
        broken = () => {};
      }
    },
    dispose: () => {
      model.layers.forEach(layer => layer.dispose());
      optimizer.dispose();
      tf.dispose([x, ...ys]);
    },
  };
}

const sequential = (...layers: tf.layers.Layer[]): tf.LayersModel => tf.sequential({layers});

/** A loop of the user's own, whose loss of two terms counts its calls in a variable. */
function loop(options: GgnOptions): Job {
  const optimizer = ggn(options);
  const [x, y] = [tf.tensor1d(wave(12, 3)), tf.tensor1d(wave(12, 7))];
  const [a, b] = [tf.variable(tf.scalar(0.5)), tf.variable(tf.tensor1d([0.2, -0.3]))];
  const calls = tf.variable(tf.scalar(0), false);
  return {
    optimizer,
    variables: () => [a, b, calls],
    trained: () => [a, b],
    step: async (broken = () => {}) => {
      optimizer.minimize(() => {
        calls.assign(calls.add(1));
        const [first, second] = [b.slice(0, 1), b.slice(1, 1)];
        const loss = leastSquares([x.mul(first).tanh().mul(a).sub(y), x.mul(second).add(first).sub(y)]);
        broken();
        return loss;
      });
    },
    dispose: () => {
      optimizer.dispose();
      tf.dispose([x, y, a, b, calls]);
    },
  };
}

/** A loop of the user's own on mini-batches, which moves to the next batch after each step that is taken. */
function miniBatches(options: GgnOptions): Job {
  const [a, b] = [tf.tidy(() => tf.variable(tf.scalar(0.5))), tf.tidy(() => tf.variable(tf.tensor2d([0.2, -0.3, 0.4], [3, 1])))];
  let batch = 0;
  const job: Job = {
    optimizer: ggn(options),
    variables: () => [a, b],
    trained: () => [a, b],
    step: async (broken = () => {}) => {
      const [x, y] = [tf.tensor2d(wave(18, 3 + batch), [6, 3]), tf.tensor2d(wave(6, 7 + batch), [6, 1])];
      try {
        job.optimizer.minimize(() => {
          const loss = tf.losses.meanSquaredError(y, x.matMul(b as unknown as tf.Tensor2D).tanh().mul(a)) as tf.Scalar;
          broken();
          return loss;
        });
        batch++;
      } finally {
        tf.dispose([x, y]);
      }
    },
    dispose: () => {
      job.optimizer.dispose();
      tf.dispose([a, b]);
    },
  };
  return job;
}

/** Puts an optimizer that has loaded the state of the job's own in its place. */
export async function reload({options}: Kind, job: Job): Promise<void> {
  const old = job.optimizer;
  job.optimizer = ggn(options);
  const saved = await old.getWeights();
  if (!saved.some(({name}) => name.endsWith('average'))) {
    throw new Error('no average was saved');
  }
  await job.optimizer.setWeights(saved);
  old.dispose();
}

const {layers: L} = tf;

export const KINDS: Kind[] = [
  {name: 'dense, agreement', options: {policy: 'agreement'}, make: options => ofModel(() =>
    sequential(L.dense({units: 4, inputShape: [3], activation: 'tanh', ...glorotUniform(1)}), L.dense({units: 2, ...glorotUniform(2)})), [6, 3], [[6, 2]], options)},
  {name: 'batch normalisation, Gram system', options: {policy: 'levenbergMarquardt', solver: 'gram'}, make: options => ofModel(() =>
    sequential(L.dense({units: 3, inputShape: [3], ...glorotUniform(1)}), L.batchNormalization(), L.dense({units: 1, ...glorotUniform(2)})), [6, 3], [[6, 1]], options)},
  {name: 'convolution, conjugate gradients', options: {policy: 'agreement', solver: 'cg'}, make: options => ofModel(() =>
    sequential(L.conv2d({filters: 2, kernelSize: 2, inputShape: [4, 4, 1], activation: 'relu', ...glorotUniform(1)}), L.flatten(), L.dense({units: 1, ...glorotUniform(2)})),
  [4, 4, 4, 1], [[4, 1]], options)},
  {name: 'recurrent, normal equations', options: {policy: 'levenbergMarquardt', solver: 'normal'}, make: options => ofModel(() =>
    sequential(L.simpleRNN({units: 2, inputShape: [3, 2], recurrentInitializer: tf.initializers.glorotUniform({seed: 3}), ...glorotUniform(1)}), L.dense({units: 1, ...glorotUniform(2)})),
  [5, 3, 2], [[5, 1]], options)},
  {name: 'dropout, fixed', options: {policy: 'fixed'}, make: options => ofModel(() =>
    sequential(L.dense({units: 4, inputShape: [3], activation: 'tanh', ...glorotUniform(1)}), L.dropout({rate: 0.3, seed: 5}), L.dense({units: 1, ...glorotUniform(2)})), [6, 3], [[6, 1]], options)},
  {name: 'two losses, policy of a function', options: {policy: () => ({damping: 0.2})}, make: options => ofModel(() => {
    const input = tf.input({shape: [3]});
    const hidden = L.dense({units: 3, activation: 'tanh', ...glorotUniform(1)}).apply(input) as tf.SymbolicTensor;
    const outputs = [2, 3].map(seed => L.dense({units: 1, ...glorotUniform(seed)}).apply(hidden) as tf.SymbolicTensor);
    return tf.model({inputs: input, outputs});
  }, [6, 3], [[6, 1], [6, 1]], options)},
  {name: 'custom loop', options: {}, make: loop},
  {name: 'evidence', options: {regularization: 'bayesian'}, sparesHandles: true, make: options => ofModel(() =>
    sequential(L.dense({units: 3, inputShape: [2], activation: 'tanh', ...glorotUniform(1)}), L.dense({units: 1, ...glorotUniform(2)})), [5, 2], [[5, 1]], options)},
  {name: 'loaded average', options: {policy: 'agreement'}, make: miniBatches, isLoaded: true, sparesHandles: true},
];
