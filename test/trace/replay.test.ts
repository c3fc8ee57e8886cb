/** Replaying a trace: the same loss to the last bit, the loss at other weights, and nothing else. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {replayAll} from '../../src/trace/replay';
import {openEngine, shadow} from '../../src/tfjs/internals';
import {capture} from '../../src/trace/capture';
import type {Trace} from '../../src/trace/trace';

/** An optimizer that shows the trace of a step to `see` and takes none. */
class Onlooker extends tf.Optimizer {
  constructor(private readonly see: (trace: Trace, loss: number) => void) {
    super();
  }

  override minimize(f: () => tf.Scalar): tf.Scalar {
    const {cost, trace} = capture(f);
    try {
      tf.tidy(() => this.see(trace, cost.dataSync()[0]));
    } finally {
      trace.dispose();
    }
    return cost;
  }

  override applyGradients(): void {
    throw new Error('not used');
  }

  getConfig(): tf.serialization.ConfigDict {
    return {};
  }
}

/** One value, by default the result of f(); see `replayAll`. */
const replay = (trace: Trace, substitutes: ReadonlyMap<number, tf.Tensor>, wanted = trace.result): tf.Tensor =>
  replayAll(trace, substitutes, [wanted])[0];

/** Other tensors for the trained variables of a trace: `change` of their values. */
function substitutes(trace: Trace, change: (value: tf.Tensor) => tf.Tensor): Map<number, tf.Tensor> {
  return new Map([...trace.variables].filter(([, variable]) => variable.trainable).map(([value]) => [value, change(trace.values[value])]));
}

const L = tf.layers;
const normal = (seed: number) => ({kernelInitializer: tf.initializers.randomNormal({stddev: 0.4, seed})});

function everything(): tf.LayersModel {
  return tf.sequential({layers: [
    L.inputLayer({inputShape: [3, 4]}), L.gaussianNoise({stddev: 0.3}), L.lstm({units: 5, ...normal(1), recurrentInitializer: 'glorotNormal'}),
    L.batchNormalization(), L.dense({units: 6, activation: 'relu', ...normal(2)}), L.dropout({rate: 0.4}), L.dense({units: 2, ...normal(3),
      kernelRegularizer: tf.regularizers.l2({l2: 0.01})})]});
}

function deterministic(): tf.LayersModel {
  return tf.sequential({layers: [
    L.inputLayer({inputShape: [3, 4]}), L.lstm({units: 5, ...normal(1), recurrentInitializer: 'glorotNormal', returnSequences: true}),
    L.batchNormalization(), L.flatten(), L.dense({units: 6, activation: 'elu', ...normal(2)}), L.dense({units: 2, ...normal(3)})]});
}

const batch = (): [tf.Tensor, tf.Tensor] => [tf.randomNormal([6, 3, 4], 0, 1, 'float32', 7), tf.randomNormal([6, 2], 0, 1, 'float32', 8)];

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: at the same weights the loss comes back to the last bit, noise and all`, async t => {
    await tf.setBackend(backend);
    const [x, y] = batch();
    const model = everything();
    const losses: number[] = [];
    model.compile({loss: 'meanSquaredError', metrics: ['mae'], optimizer: new Onlooker((trace, loss) => {
      losses.push(loss);
      const again = replay(trace, substitutes(trace, value => value.clone()));
      t.is(again.dataSync()[0], loss);
      t.not(again.dataId, trace.values[trace.result].dataId, 'computed anew');
      t.is(replay(trace, substitutes(trace, value => value.mul(1))).dataSync()[0], loss, 'as often as one likes');
    })});
    await model.trainOnBatch(x, y);
    await model.trainOnBatch(x, y);
    t.is(losses.length, 2);
    t.not(losses[0], losses[1], 'the noise does differ between steps');
    tf.dispose([x, y]);
  });

  test.serial(`${backend}: at other weights it is what a fresh evaluation gives`, async t => {
    await tf.setBackend(backend);
    const [x, y] = batch();
    const model = deterministic();
    let predicted = NaN;
    let moved: Array<readonly [tf.Variable, tf.Tensor]> = [];
    let fresh = NaN;
    const look = new Onlooker((trace, loss) => {
      if (moved.length > 0) {
        fresh = loss;
        return;
      }
      const others = substitutes(trace, value => value.mul(1.3).add(0.05));
      predicted = replay(trace, others).dataSync()[0];
      t.not(predicted, loss);
      moved = [...others].map(([value, other]) => [trace.variables.get(value)!, tf.keep(other)] as const);
    });
    model.compile({loss: 'meanSquaredError', optimizer: look});
    await model.trainOnBatch(x, y);
    moved.forEach(([variable, other]) => variable.assign(other));
    await model.trainOnBatch(x, y);
    t.is(fresh, predicted);
    tf.dispose([x, y, ...moved.map(([, other]) => other)]);
  });
}

test.serial('dropout masks are those of the step, at any weights', async t => {
  await tf.setBackend('cpu');
  const model = tf.sequential({layers: [L.dense({units: 20, inputShape: [2], useBias: false, ...normal(1)}), L.dropout({rate: 0.5})]});
  const x = tf.ones([3, 2]);
  model.compile({loss: 'meanSquaredError', optimizer: new Onlooker(trace => {
    const prediction = trace.nodes.find(node => node.kernel === 'Sub' && node.outputs.some(v => trace.values[v].shape.join() === '3,20'))!;
    const output = prediction.inputs.map(([, value]) => value).find(value => trace.producer[value] !== -1)!;
    const zeros = (values: tf.Tensor): boolean[] => [...values.dataSync()].map(p => p === 0);
    const first = zeros(trace.values[output]);
    t.true(first.includes(true) && first.includes(false));
    t.deepEqual(zeros(replay(trace, substitutes(trace, value => value.mul(-2)), output)), first);
    const doubled = replay(trace, substitutes(trace, value => value.mul(2)), output);
    t.deepEqual([...doubled.dataSync()], [...trace.values[output].dataSync()].map(p => 2 * p));
  })});
  await model.trainOnBatch(x, tf.zeros([3, 20]));
  x.dispose();
});

test.serial('no side effects: moving averages, metrics, random numbers, tensors', async t => {
  await tf.setBackend('cpu');
  const [x, y] = batch();
  const model = everything();
  let metrics = 0;
  let looked = 0;
  model.compile({loss: 'meanSquaredError', metrics: [(a: tf.Tensor, b: tf.Tensor) => {
    metrics++;
    return tf.metrics.meanAbsoluteError(a, b);
  }], optimizer: new Onlooker(trace => {
    looked++;
    const before = metrics;
    const weights = model.weights.map(weight => [...weight.read().dataSync()]);
    const {numTensors} = tf.memory();
    const seen: string[] = [];
    const open = openEngine();
    const {runKernel} = open;
    const undo = shadow(open, 'runKernel', (kernel, inputs, attrs) => {
      seen.push(kernel);
      return runKernel.call(open, kernel, inputs, attrs);
    });
    try {
      tf.tidy(() => {
        replay(trace, substitutes(trace, value => value.add(1)));
      });
    } finally {
      undo();
    }
    t.is(tf.memory().numTensors, numTensors);
    t.is(metrics, before);
    t.deepEqual(model.weights.map(weight => [...weight.read().dataSync()]), weights);
    t.false(seen.some(kernel => kernel.startsWith('Random')));
  })});
  await model.trainOnBatch(x, y);
  t.is(looked, 1);
  t.is(metrics, 1);
  tf.dispose([x, y]);
});

test.serial('what no later kernel reads is given back on the way', async t => {
  await tf.setBackend('cpu');
  const [x, y] = batch();
  const model = everything();
  let looked = false;
  model.compile({loss: 'meanSquaredError', optimizer: new Onlooker(trace => {
    looked = true;
    const others = substitutes(trace, value => value.mul(1.1));
    const {numTensors} = tf.memory();
    let most = 0;
    const open = openEngine();
    const {runKernel} = open;
    const undo = shadow(open, 'runKernel', (kernel, inputs, attrs) => {
      const result = runKernel.call(open, kernel, inputs, attrs);
      most = Math.max(most, tf.memory().numTensors - numTensors);
      return result;
    });
    const again = replay(trace, others);
    undo();
    t.is(tf.memory().numTensors, numTensors + 1, 'the loss alone is left');
    t.true(most < trace.nodes.length / 4, `${most} tensors at once in ${trace.nodes.length} kernels`);
    t.false(again.isDisposed);
    t.true([...others.values(), ...trace.values].every(value => !value.isDisposed));
  })});
  await model.trainOnBatch(x, y);
  t.true(looked);
  tf.dispose([x, y]);
});

test.serial('only what depends on a substitute runs again; any value can be asked for', async t => {
  await tf.setBackend('cpu');
  const w = tf.variable(tf.tensor2d([[1, 2, 3, 4]]));
  const v = tf.variable(tf.scalar(2));
  const {cost, trace} = capture(() => {
    const constant = tf.exp(tf.tensor2d([[0, 1], [1, 0]]));
    const [a, b] = tf.split(w, 2, 1) as tf.Tensor2D[];
    const joined = tf.concat([b, a], 0);
    return tf.matMul(joined, constant).mul(v.square()).sum().asScalar();
  });
  tf.tidy(() => {
    const [[value]] = [...trace.variables].filter(([, variable]) => variable === v);
    const seen: string[] = [];
    const open = openEngine();
    const {runKernel} = open;
    const undo = shadow(open, 'runKernel', (kernel, inputs, attrs) => {
      seen.push(kernel);
      return runKernel.call(open, kernel, inputs, attrs);
    });
    const tripled = replay(trace, new Map([[value, tf.scalar(6)]]));
    undo();
    t.deepEqual(seen, ['Square', 'Multiply', 'Sum', 'Reshape']);
    t.true(Math.abs(tripled.dataSync()[0] / (9 * cost.dataSync()[0]) - 1) < 1e-6);

    const [[weights]] = [...trace.variables].filter(([, variable]) => variable === w);
    const concat = trace.nodes.find(node => node.kernel === 'Concat')!.outputs[0];
    const other = replay(trace, new Map([[weights, tf.tensor2d([[5, 6, 7, 8]])]]), concat);
    t.deepEqual(other.arraySync(), [[7, 8], [5, 6]]);
    t.is(replay(trace, new Map(), concat), trace.values[concat], 'nothing to substitute: the recorded value');
    // Any value can be replaced, not only a variable.
    t.is(replay(trace, new Map([[concat, tf.zeros([2, 2])]])).dataSync()[0], 0);
  });
  trace.dispose();
  tf.dispose([cost, w, v]);
});
