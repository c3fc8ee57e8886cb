/** Steps of several attempts: the tensors that the systems keep outlive each attempt, and the step is that of the last damping. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GgnOptions, type GramGaussNewton} from '../../src/index';
import {seededDense, variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat, noise} from '../support/tensors';

const init = (seed: number): ReturnType<typeof tf.initializers.glorotUniform> => tf.initializers.glorotUniform({seed});
const examples = 100;

interface Network {
  readonly layers: () => tf.layers.Layer[];
  readonly x: () => tf.Tensor;
  readonly isClassifier?: boolean;
}

const plain = (): tf.Tensor => noise([examples, 6], 1);
const images = (): tf.Tensor => noise([examples, 6, 6, 1], 1);

const networks: Record<string, Network> = {
  dense: {layers: () => [seededDense(12, 1, {activation: 'tanh', inputShape: [6]}), seededDense(2, 2)], x: plain},
  convolution: {layers: () => [tf.layers.conv2d({filters: 3, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 1], kernelInitializer: init(1)}), tf.layers.flatten(), seededDense(2, 2)],
    x: images},
  'transposed and depthwise convolution': {layers: () => [
    tf.layers.depthwiseConv2d({kernelSize: 3, depthMultiplier: 2, inputShape: [6, 6, 1], depthwiseInitializer: init(1), activation: 'tanh'} as never),
    tf.layers.conv2dTranspose({filters: 2, kernelSize: 3, kernelInitializer: init(2)}), tf.layers.averagePooling2d({poolSize: 2}), tf.layers.flatten(), seededDense(2, 3)], x: images},
  'batch normalisation': {layers: () => [seededDense(10, 1, {inputShape: [6]}), tf.layers.batchNormalization(), tf.layers.activation({activation: 'tanh'}), seededDense(2, 2)], x: plain},
  embedding: {layers: () => [tf.layers.embedding({inputDim: 9, outputDim: 4, inputLength: 3, embeddingsInitializer: init(1)}), tf.layers.flatten(), seededDense(6, 2, {activation: 'tanh'}), seededDense(2, 3)],
    x: () => tf.randomUniform([examples, 3], 0, 9, 'int32', 1)},
  recurrent: {layers: () => [tf.layers.simpleRNN({units: 6, inputShape: [4, 3], kernelInitializer: init(1), recurrentInitializer: init(2)}), seededDense(2, 3)], x: () => noise([examples, 4, 3], 1)},
  classifier: {layers: () => [seededDense(8, 1, {activation: 'relu', inputShape: [6]}), seededDense(3, 2)], x: plain, isClassifier: true},
};

/**
 * Outputs may leave those of the start by so much: beyond, the loss rises a thousand times as fast as it falls. The Jacobian does not see
 * it.
 */
const FAR = 0.5;

/** Trains and looks after every step. @returns the tensors that are left over. */
function train({layers, x: inputs, isClassifier = false}: Network, options: GgnOptions, steps: number, look: (optimizer: GramGaussNewton, change: Float64Array) => void): number {
  const {numTensors} = tf.memory();
  const model = tf.sequential({layers: layers()});
  const variables = variablesOf(model);
  const x = inputs();
  const outputs = (): tf.Tensor => model.apply(x, {training: true}) as tf.Tensor;
  const first = tf.tidy(outputs);
  const y = tf.tidy(() => isClassifier ? tf.oneHot(tf.randomUniform([examples], 0, 3, 'int32', 2), 3) : noise(first.shape, 2).mul(5));
  const optimizer = ggn(options);
  const loss = (): tf.Scalar => {
    const f = outputs();
    const walled = f.add(f.sub(first).abs().sub(FAR).relu().mul(1000));
    return isClassifier ? tf.losses.softmaxCrossEntropy(y, walled) : tf.losses.meanSquaredError(y, walled);
  };
  let tensors = 0;
  for (let step = 0; step < steps; step++) {
    const before = flat(variables);
    optimizer.minimize(loss);
    look(optimizer, flat(variables).map((w, i) => w - before[i]));
    if (step > 0 && tf.memory().numTensors !== tensors) {
      throw new Error(`step ${step} leaves ${tf.memory().numTensors - tensors} tensors`);
    }
    tensors = tf.memory().numTensors;
  }
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y, first]);
  return tf.memory().numTensors - numTensors;
}

for (const backend of ['cpu', 'wasm']) {
  for (const [name, network] of Object.entries(networks).filter(([name]) => backend === 'wasm' || ['dense', 'convolution'].includes(name))) {
    for (const solver of ['gram', 'normal', 'cg'] as const) {
      test.serial(`${backend}: ${name} by ${solver}, rejected attempts`, async t => {
        await tf.setBackend(backend);
        // Of the pieces of conjugate gradients, some are held, and some are linearized for each product. Batch normalisation has one piece.
        const given: GgnOptions = {solver, scaling: 'levenberg', learningRate: 1, ...(solver === 'cg' && name !== 'batch normalisation' ? {memoryLimit: 2 ** 21} : {})};
        let first: {change: Float64Array; damping: number; momentum: number} | null = null;
        const left = train(network, {...given, policy: 'levenbergMarquardt', damping: 1e-3, momentum: 0.3}, 2, (optimizer, change) => {
          const {status, attempts, damping, momentum} = optimizer.lastStep!;
          t.is(status, 'ok');
          t.true(attempts >= 2 || first !== null, `${attempts} attempts`);
          const [dimension, decrease] = [optimizer.effectiveDimension(), optimizer.remainingDecrease()];
          t.is(dimension === null, solver === 'cg');
          t.true(solver === 'cg' ? Number.isNaN(decrease) : decrease >= 0 && decrease < 1.001, `${decrease}`);
          first ??= {change, damping, momentum};
        });
        t.is(left, 0);
        const {change, damping, momentum} = first!;
        train(network, {...given, policy: 'fixed', damping, momentum}, 1, (optimizer, alone) => {
          t.is(optimizer.lastStep!.attempts, 1);
          const error = relativeError(change, alone);
          t.true(error < (solver === 'cg' ? 1e-4 : 1e-6), `step: ${error}`);
        });
      });
    }
  }
}

for (const solver of ['gram', 'normal', 'cg'] as const) {
  test.serial(`wasm: by ${solver}, an exception in a later attempt leaves the weights and no tensors`, async t => {
    await tf.setBackend('wasm');
    const engine = tf.engine() as unknown as {runKernel: (...args: unknown[]) => unknown};
    const {runKernel} = engine;
    /** @returns kernels run, and attempts. */
    const run = (fails: number): [kernels: number, attempts: number] => {
      const {numTensors} = tf.memory();
      const x = noise([examples, 5], 1);
      const [w, v] = tf.tidy(() => [noise([5, 8], 2), noise([8, 2], 3)].map(start => tf.variable(start)));
      const outputs = (): tf.Tensor => x.matMul(w as never).tanh().matMul(v as never);
      const first = tf.tidy(outputs);
      const y = noise(first.shape, 4);
      const optimizer = ggn({solver, policy: 'levenbergMarquardt', damping: 1e-3, momentum: 0});
      const before = flat([w, v]);
      let kernels = 0;
      engine.runKernel = (...args) => {
        if (++kernels === fails) {
          throw new Error('the device is gone');
        }
        return runKernel.apply(engine, args);
      };
      const inStep = tf.memory().numTensors;
      const step = (): void => void optimizer.minimize(() => {
        const f = outputs();
        return tf.losses.meanSquaredError(y, f.add(f.sub(first).abs().sub(0.1).relu().mul(1000)));
      });
      try {
        if (fails === Infinity) {
          step();
        } else {
          t.throws(step, {message: /the device is gone/}, `kernel ${fails}`);
        }
      } finally {
        engine.runKernel = runKernel;
      }
      if (fails < Infinity) {
        t.deepEqual(flat([w, v]), before);
        t.is(tf.memory().numTensors, inStep);
      }
      const attempts = optimizer.lastStep?.attempts ?? 0;
      optimizer.dispose();
      tf.dispose([x, w, v, first, y]);
      t.is(tf.memory().numTensors, numTensors);
      return [kernels, attempts];
    };
    const [kernels, attempts] = run(Infinity);
    t.true(attempts > 2, `${attempts}`);
    for (const share of [0.5, 0.7, 0.85, 0.95]) {
      run(Math.round(share * kernels));
    }
  });
}
