/**
 * The mistakes of users, through fit and in a custom loop. Each mistake either works or gets an error that names the remedy; after the
 * error weights, optimizer state, engine and number of tensors are exactly as before, and training goes on as if nothing had happened.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {grad, ggn, type GgnOptions, type GramGaussNewton, type StepReport} from '../../src/index';
import {seededDense} from '../support/models';
import {wave} from '../support/numbers';

await tf.setBackend('cpu');

// -------------------------------------------------------------------------------------------------------------------- what must not change

interface OpenEngine {
  state: {scopeStack: unknown[]; activeScope: unknown; gradientDepth: number; kernelDepth: number};
}

interface Snapshot {
  weights: number[][];
  nonTrainable: number[][];
  state: Array<[string, number[]]>;
  iterations: number;
  lastStep: StepReport | null;
  config: object;
  marks: symbol[];
  engine: {own: string[]; flags: symbol[]; scopes: number; scope: unknown; gradientDepth: number; kernelDepth: number};
  tensors: number;
  buffers: number;
}

/** The state that an error must leave unchanged. f() may write `others`. */
async function snapshot(optimizer: GramGaussNewton, variables: readonly tf.Tensor[], others: readonly tf.Tensor[] = []): Promise<Snapshot> {
  const numbers = (list: readonly tf.Tensor[]): number[][] => list.map(tensor => [...tensor.dataSync()]);
  const state = (await optimizer.getWeights()).map(({name, tensor}): [string, number[]] => [name, [...tensor.dataSync()]]);
  const engine = tf.engine();
  const {scopeStack, activeScope, gradientDepth, kernelDepth} = (engine as unknown as OpenEngine).state;
  const marks = engine as unknown as Record<symbol, unknown>;
  return {
    weights: numbers(variables), nonTrainable: numbers(others), state, iterations: optimizer.iterations, lastStep: optimizer.lastStep,
    config: optimizer.getConfig(),
    marks: Object.getOwnPropertySymbols(optimizer),
    engine: {
      own: ['runKernel', 'runKernelFunc', 'disposeTensor', 'addTapeNode', 'keep'].filter(name => Object.hasOwn(engine, name)),
      flags: Object.getOwnPropertySymbols(engine).filter(symbol => marks[symbol]),
      scopes: scopeStack.length, scope: activeScope, gradientDepth, kernelDepth,
    },
    // After getWeights, which keeps one tensor.
    tensors: tf.memory().numTensors, buffers: tf.memory().numDataBuffers,
  };
}

interface Refusal {
  optimizer: GramGaussNewton;
  variables: readonly tf.Tensor[];
  others?: readonly tf.Tensor[];
  act: () => unknown;
  message: RegExp;
  /** Tensors that tfjs itself leaves behind when the optimizer throws. */
  left?: number;
  /** Whether the error is tfjs's or the user's own. */
  foreign?: boolean;
}

/** act() must fail with this message and change nothing. */
async function refuses(t: ExecutionContext, {optimizer, variables, others, act, message, left = 0, foreign = false}: Refusal): Promise<void> {
  const before = await snapshot(optimizer, variables, others);
  t.deepEqual(before.engine.own, []);
  t.deepEqual([...before.engine.flags, ...before.marks], []);
  const error = await t.throwsAsync(async () => act(), {message});
  t.is(error.message.startsWith('tfjs-ggn: '), !foreign, error.message);
  const after = await snapshot(optimizer, variables, others);
  t.deepEqual({...after, tensors: after.tensors - left, buffers: after.buffers - left}, before);
  t.is(after.lastStep, before.lastStep);
}

/** fit of tfjs leaves its index tensor behind whenever an optimizer throws, whichever that is. */
const LEFT_BY_FIT = await (async () => {
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [1]})]});
  const optimizer = tf.train.sgd(0.1);
  optimizer.minimize = () => {
    throw new Error('control');
  };
  model.compile({optimizer, loss: 'meanSquaredError'});
  const [x, y] = [tf.ones([2, 1]), tf.ones([2, 1])];
  const {numTensors} = tf.memory();
  await model.fit(x, y, {verbose: 0}).catch(() => {});
  return tf.memory().numTensors - numTensors;
})();

// ------------------------------------------------------------------------------------------------------------------------- models and data


const x = tf.tensor2d(wave(24, 3), [8, 3]);
const y = tf.tensor2d(wave(16, 5), [8, 2]);

function net(): tf.Sequential {
  return tf.sequential({layers: [seededDense(4, 1, {inputShape: [3], activation: 'tanh'}), seededDense(2, 2)]});
}

const LOSS = 'meanSquaredError';
const trainable = (model: tf.LayersModel): tf.Tensor[] => model.trainableWeights.map(w => w.read());
const nonTrainable = (model: tf.LayersModel): tf.Tensor[] => model.nonTrainableWeights.map(w => w.read());

/** A model that has taken a few steps with metrics, so that there is momentum and a plan to be kept. */
async function started(make: () => tf.LayersModel = net, options?: GgnOptions): Promise<{model: tf.LayersModel; optimizer: GramGaussNewton}> {
  const model = make();
  const optimizer = ggn({policy: 'fixed', ...options});
  model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  await model.fit(x, y, {epochs: 2, batchSize: 4, shuffle: false, verbose: 0});
  return {model, optimizer};
}

/** Trains both for some epochs: the same losses, metrics and weights, bit for bit. */
async function goOnAlike(t: ExecutionContext, a: tf.LayersModel, b: tf.LayersModel): Promise<void> {
  const results: unknown[] = [];
  for (const model of [a, b]) {
    model.compile({optimizer: model.optimizer, loss: LOSS, metrics: ['mae']});
    const {history} = await model.fit(x, y, {epochs: 2, batchSize: 4, shuffle: false, verbose: 0});
    results.push({history, weights: model.getWeights().map(w => [...w.dataSync()])});
  }
  t.deepEqual(results[0], results[1]);
}

// ----------------------------------------------------------------------------------------------------------------------------- through fit

interface FitFault {
  name: string;
  message: RegExp;
  loss?: unknown;
  x?: () => tf.Tensor;
  y?: () => tf.Tensor;
  foreign?: boolean;
}

/** Replaces one value of a tensor. */
const spoiled = (tensor: tf.Tensor, value: number): tf.Tensor => {
  const values = Float32Array.from(tensor.dataSync());
  values[values.length - 1] = value;
  return tf.tensor(values, tensor.shape);
};

const FIT_FAULTS: FitFault[] = [
  {name: "loss 'cosineProximity'", loss: 'cosineProximity', message: /the loss 'cosineProximity' is not supported/},
  {name: 'loss: a function that couples the examples', loss: (target: tf.Tensor, output: tf.Tensor) => tf.log(tf.mean(tf.exp(tf.sub(target, output)))),
    message: /couples the examples of the batch/},
  {name: 'loss: squares with a negative weight', loss: (target: tf.Tensor, output: tf.Tensor) => tf.neg(tf.mean(tf.square(tf.sub(target, output)), -1)),
    message: /squares with a negative weight/},
  {name: 'loss: does not depend on the weights', loss: (target: tf.Tensor) => tf.mean(tf.square(target), -1), message: /does not depend on any variable/},
  {name: 'loss: a function that throws', loss: () => {
    throw new Error('my loss is broken');
  }, message: /^my loss is broken$/, foreign: true},
  {name: 'NaN in an input', x: () => spoiled(x, NaN), message: /the inputs of this batch hold values that are not finite/},
  {name: 'Infinity in an input, behind a tanh', x: () => spoiled(x, Infinity), message: /the inputs of this batch hold values that are not finite/},
  {name: 'NaN in a target', y: () => spoiled(y, NaN), message: /the targets of this batch hold values that are not finite/},
  {name: 'Infinity in a target', y: () => spoiled(y, -Infinity), message: /the targets of this batch hold values that are not finite/},
  {name: 'overflow of the loss', y: () => spoiled(y, 1e30), message: /float32 overflows/},
  {name: 'a second minimize inside f()', message: /minimize\(\) was called inside the function that minimize\(\) or grad\(\) is running/,
    loss: (target: tf.Tensor, output: tf.Tensor) => {
      const w = tf.tidy(() => tf.variable(tf.scalar(1)));
      try {
        ggn().minimize(() => tf.square(w), false, [w]);
      } finally {
        w.dispose();
      }
      return tf.mean(tf.square(tf.sub(target, output)), -1);
    }},
];

for (const fault of FIT_FAULTS) {
  test.serial(`fit: ${fault.name}`, async t => {
    const {model, optimizer} = await started();
    const {model: twin} = await started();
    model.compile({optimizer, loss: (fault.loss ?? LOSS) as string, metrics: ['mae']});
    const [badX, badY] = [fault.x?.() ?? x, fault.y?.() ?? y];
    const common = {optimizer, variables: trainable(model), message: fault.message, foreign: fault.foreign};
    await refuses(t, {...common, act: () => model.fit(badX, badY, {batchSize: 8, verbose: 0}), left: LEFT_BY_FIT});
    await refuses(t, {...common, act: () => model.trainOnBatch(badX, badY)});
    await refuses(t, {...common, act: () => model.trainOnBatch(badX, badY)});
    await goOnAlike(t, model, twin);
  });
}

for (const [name, weight, message] of [['negative', -1, /squares with a negative weight.*class weights/], ['NaN', NaN, /the loss is NaN/]] as const) {
  test.serial(`fit: a class weight that is ${name}`, async t => {
    const {model, optimizer} = await started();
    const {model: twin} = await started();
    await refuses(t, {optimizer, variables: trainable(model), message,
      // fit of tfjs leaves its sample weights behind as well.
      act: () => model.fit(x, y, {batchSize: 8, verbose: 0, classWeight: {0: weight, 1: 1}}), left: LEFT_BY_FIT});
    await goOnAlike(t, model, twin);
  });
}

test.serial('fit: every layer frozen', async t => {
  const {model, optimizer} = await started();
  const {model: twin} = await started();
  const variables = trainable(model);
  const freeze = (isFrozen: boolean): void => {
    for (const layer of model.layers) {
      layer.trainable = !isFrozen;
    }
    model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  };
  freeze(true);
  await refuses(t, {optimizer, variables, act: () => model.trainOnBatch(x, y), message: /none of the 0 variables given to minimize\(\) is trainable/});
  freeze(false);
  await goOnAlike(t, model, twin);
});

test.serial('fit: weights that are not finite', async t => {
  const {model, optimizer} = await started();
  const {model: twin} = await started();
  const good = model.getWeights().map(w => w.clone());
  model.setWeights(good.map((w, i) => i === 2 ? spoiled(w, NaN) : w));
  await refuses(t, {optimizer, variables: trainable(model), act: () => model.trainOnBatch(x, y), message: /the variable '.*kernel.*' holds values that are not finite/});
  model.setWeights(good);
  await goOnAlike(t, model, twin);
});

test.serial('fit: an error in the middle of an epoch keeps the steps before it', async t => {
  const {model, optimizer} = await started();
  const {model: twin} = await started();
  await twin.fit(x.slice([0], [4]), y.slice([0], [4]), {batchSize: 4, shuffle: false, verbose: 0});
  await t.throwsAsync(model.fit(x, spoiled(y, NaN), {batchSize: 4, shuffle: false, verbose: 0}), {message: /the targets/});
  t.is(optimizer.iterations, 5);
  t.is(optimizer.lastStep!.iteration, 5);
  await goOnAlike(t, model, twin);
});

test.serial('fit on wasm: an error leaves nothing behind there either', async t => {
  await tf.setBackend('wasm');
  try {
    const {model, optimizer} = await started();
    const {model: twin} = await started();
    const badY = spoiled(y, NaN);
    await refuses(t, {optimizer, variables: trainable(model), act: () => model.trainOnBatch(x, badY), message: /the targets/});
    model.compile({optimizer, loss: 'cosineProximity', metrics: ['mae']});
    await refuses(t, {optimizer, variables: trainable(model), act: () => model.trainOnBatch(x, y), message: /'cosineProximity'/});
    await goOnAlike(t, model, twin);
  } finally {
    await tf.setBackend('cpu');
  }
});

test.serial('fitDataset: an error leaves nothing of ours behind', async t => {
  const {model, optimizer} = await started();
  const {model: twin} = await started();
  const dataset = tf.data.generator(function* () {
    yield {xs: spoiled(x, 0.5), ys: spoiled(y, NaN)};
  });
  // fitDataset of tfjs disposes of inputs and targets only after a step that succeeded.
  await refuses(t, {optimizer, variables: trainable(model), act: () => model.fitDataset(dataset, {epochs: 1, verbose: 0}), message: /the targets/, left: 2});
  await goOnAlike(t, model, twin);
});

// ------------------------------------------------------------------------------------------------------------- models that it cannot train

/** f() writes the moving averages of a batch normalisation. */
test.serial('batch normalisation inside the model: moving averages put back after an error', async t => {
  const model = tf.sequential({layers: [seededDense(4, 1, {inputShape: [3]}), tf.layers.batchNormalization(), seededDense(2, 2)]});
  const optimizer = ggn();
  model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  const common = {optimizer, variables: trainable(model), others: nonTrainable(model)};
  t.is(common.others.length, 2);
  const [badX, badY] = [spoiled(x, Infinity), spoiled(y, NaN)];
  await refuses(t, {...common, act: () => model.fit(x, badY, {verbose: 0}), message: /the targets/, left: LEFT_BY_FIT});
  await refuses(t, {...common, act: () => model.trainOnBatch(badX, y), message: /the inputs/});
  const before = nonTrainable(model).map(v => [...v.dataSync()]);
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.jacobian, 'frozenStatistics');
  t.notDeepEqual(nonTrainable(model).map(v => [...v.dataSync()]), before);
});

test.serial('moving averages of the raw inputs, before the part that fails: put back', async t => {
  const input = tf.input({shape: [3]});
  const normal = tf.layers.batchNormalization({trainable: false}).apply(input) as tf.SymbolicTensor;
  const model = tf.model({inputs: input, outputs: seededDense(2, 2).apply(seededDense(4, 1, {activation: 'tanh'}).apply(normal)) as tf.SymbolicTensor});
  const optimizer = ggn();
  const common = {optimizer, variables: trainable(model), others: nonTrainable(model)};
  t.is(common.others.length, 4);
  model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  const badY = spoiled(y, NaN);
  await refuses(t, {...common, act: () => model.trainOnBatch(x, badY), message: /the targets/});
  model.compile({optimizer, loss: 'cosineProximity', metrics: ['mae']});
  await refuses(t, {...common, act: () => model.trainOnBatch(x, y), message: /'cosineProximity'/});
  model.compile({optimizer, metrics: ['mae'], loss: () => {
    throw new Error('after the forward pass');
  }});
  await refuses(t, {...common, act: () => model.trainOnBatch(x, y), message: /^after the forward pass$/, foreign: true});
  // Nothing that is trained lies before the normalisation, so this model's rows are those of single examples.
  model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.status, 'ok');
  t.notDeepEqual(nonTrainable(model).map(v => [...v.dataSync()])[2], [0, 0, 0], 'the averages move in a step that succeeds');
});

class Largest extends tf.layers.Layer {
  static className = 'BadInputLargest';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.topk(Array.isArray(inputs) ? inputs[0] : inputs, 2).values;
  }
}

test.serial('a layer without a gradient in tfjs', async t => {
  const model = tf.sequential({layers: [seededDense(2, 1, {inputShape: [3]}), new Largest({}), seededDense(2, 2)]});
  const optimizer = ggn();
  model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  await refuses(t, {optimizer, variables: trainable(model), act: () => model.trainOnBatch(x, y), message: /'TopK' lies between the weights/});
});

class Reversed extends tf.layers.Layer {
  static className = 'BadInputReversed';
  override computeOutputShape(shape: tf.Shape): tf.Shape {
    return shape;
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const input = Array.isArray(inputs) ? inputs[0] : inputs;
      return tf.reverse(input, 0);
    });
  }
}

test.serial('a layer of the user that couples the examples of a batch too large to go row by row', async t => {
  const model = tf.sequential({layers: [seededDense(180, 1, {inputShape: [3]}), new Reversed({}), seededDense(2, 2)]});  // more than 1,024 parameters
  const optimizer = ggn({solver: 'gram'});
  model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  const [manyX, manyY] = [tf.tensor2d(wave(1800, 3), [600, 3]), tf.tensor2d(wave(1200, 5), [600, 2])];
  await refuses(t, {optimizer, variables: trainable(model), act: () => model.trainOnBatch(manyX, manyY),
    message: /cannot be told apart behind the kernel 'Reverse', and a step of 1200 rows is too large/});
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.jacobian, 'rowByRow');
});

// ------------------------------------------------------------------------------------------------------------------------ in a custom loop

interface Loop {
  w: tf.Variable;
  frozen: tf.Variable;
  written: tf.Variable;
  optimizer: GramGaussNewton;
}

interface LoopFault {
  name: string;
  f: (loop: Loop) => unknown;
  varList?: (loop: Loop) => unknown;
  message: RegExp;
  foreign?: boolean;
}

const rows = ({w}: Loop): tf.Tensor => tf.sub(tf.matMul(x, w), y);

const LOOP_FAULTS: LoopFault[] = [
  {name: 'outputs themselves', f: loop => tf.mean(tf.matMul(x, loop.w)), message: /has a term 'BatchMatMul' that is no square.*leastSquares\(\)/},
  {name: 'logarithm of a mean of exponentials', f: loop => tf.log(tf.mean(tf.exp(rows(loop)))), message: /couples the examples/},
  {name: 'minus the squares', f: loop => tf.neg(tf.mean(tf.square(rows(loop)))), message: /squares with a negative weight/},
  {name: 'no scalar', f: loop => tf.square(rows(loop)), message: /must return the loss as a scalar tensor of float32, it returned a tensor of shape \[8,2\] and dtype float32/},
  {name: 'a scalar of shape [1]', f: loop => tf.mean(tf.square(rows(loop))).reshape([1]), message: /it returned a tensor of shape \[1\]/},
  {name: 'a number', f: loop => tf.mean(tf.square(rows(loop))).dataSync()[0], message: /scalar tensor of float32, it returned \d/},
  {name: 'a tensor that it disposed of', f: loop => {
    const loss = tf.mean(tf.square(rows(loop)));
    loss.dispose();
    return loss;
  }, message: /scalar tensor of float32, it returned a tensor that was disposed of/},
  {name: 'nothing', f: loop => void tf.mean(tf.square(rows(loop))), message: /scalar tensor of float32, it returned undefined/},
  {name: 'null', f: () => null, message: /scalar tensor of float32, it returned null/},
  {name: 'no trained variable', f: ({frozen}) => tf.mean(tf.square(frozen)), message: /does not depend on any variable that is being trained/},
  {name: 'no variable at all', f: () => tf.scalar(1), message: /does not depend on any variable that is being trained/},
  {name: 'a constant computed outside of tfjs', f: loop => tf.scalar(tf.mean(tf.square(rows(loop))).dataSync()[0]), message: /does not depend on any variable.*tfjs ops/},
  {name: 'varList without a trainable variable', f: loop => tf.mean(tf.square(rows(loop))), varList: ({frozen}) => [frozen],
    message: /none of the 1 variables given to minimize\(\) is trainable/},
  {name: 'an empty varList', f: loop => tf.mean(tf.square(rows(loop))), varList: () => [], message: /none of the 0 variables/},
  {name: 'varList without the variables of the loss', f: loop => tf.mean(tf.square(rows(loop))), varList: ({written}) => [written], message: /does not depend on any variable/},
  {name: 'f() throws a tensor op error', f: loop => tf.matMul(loop.w, loop.w), message: /matMul/, foreign: true},
  {name: 'f() throws inside a tidy, after a kernel', f: loop => tf.tidy(() => {
    rows(loop);
    throw new Error('mine');
  }), message: /^mine$/, foreign: true},
  {name: 'f() throws inside a gradient of its own', f: loop => tf.grad(() => {
    throw new Error('inner');
  })(loop.w), message: /^inner$/, foreign: true},
  {name: 'f() throws inside nested gradients', f: loop => grad(grad(p => {
    tf.square(p);
    throw new Error('inner');
  }))(loop.w), message: /^inner$/, foreign: true},
  {name: 'NaN in the data', f: ({w}) => tf.mean(tf.square(tf.sub(tf.matMul(spoiled(x, NaN), w), y))), message: /a tensor of shape \[8,3\].*not finite/},
  {name: 'minimize inside f()', f: loop => {
    loop.optimizer.minimize(() => tf.mean(tf.square(rows(loop))));
    return tf.mean(tf.square(rows(loop)));
  }, message: /minimize\(\) was called inside the function/},
  {name: 'tf.customGrad whose gradient throws', f: loop => {
    const square = tf.customGrad((a: tf.Tensor | tf.GradSaveFunc) => ({value: tf.square(a as tf.Tensor), gradFunc: () => {
      throw new Error('mine.');
    }}));
    return tf.mean(tf.square(square(rows(loop))));
  }, message: /the gradient function of a tf\.customGrad op with output \[8,2\] failed: mine\. .*save\(\[\.\.\.\]\)/},
  {name: 'tf.customGrad whose gradient has another shape', f: loop => {
    const sum = tf.customGrad((a: tf.Tensor | tf.GradSaveFunc) => ({value: tf.mul(a as tf.Tensor, 2), gradFunc: (dy: tf.Tensor) => tf.sum(dy)}));
    return tf.mean(tf.square(sum(rows(loop))));
  }, message: /gradient of the kernel 'CustomGrad' in its input '0' has shape \[\], the input has \[8,2\]/},
];

for (const fault of LOOP_FAULTS) {
  test.serial(`custom loop: ${fault.name}`, async t => {
    const variable = (values: number[], shape: number[], isTrainable = true): tf.Variable => tf.tidy(() => tf.variable(tf.tensor(values, shape), isTrainable));
    const make = (): Loop => ({w: variable(wave(6, 2), [3, 2]), frozen: variable([1, 2], [2], false), written: variable([5], []), optimizer: ggn()});
    const [loop, twin] = [make(), make()];
    const good = ({optimizer, w}: Loop): void => void optimizer.minimize(() => tf.mean(tf.square(tf.tanh(tf.sub(tf.matMul(x, w), y)))), false, [w]);
    good(loop);
    good(twin);
    for (const returnCost of [false, true]) {
      await refuses(t, {optimizer: loop.optimizer, variables: [loop.w, loop.frozen], others: [loop.written], message: fault.message, foreign: fault.foreign,
        act: () => loop.optimizer.minimize(() => {
          loop.written.assign(tf.add(loop.written, 1));  // a step counter, say
          return fault.f(loop) as tf.Scalar;
        }, returnCost, (fault.varList?.(loop) ?? (fault.name.includes('trained variable') ? undefined : [loop.w])) as tf.Variable[] | undefined)});
    }
    good(loop);
    good(twin);
    t.deepEqual([...loop.w.dataSync()], [...twin.w.dataSync()]);
    for (const {w, frozen, written, optimizer} of [loop, twin]) {
      tf.dispose([w, frozen, written]);
      optimizer.dispose();
    }
  });
}

test.serial('custom loop: an async function', async t => {
  const w = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
  const optimizer = ggn();
  await refuses(t, {optimizer, variables: [w], message: /must return the loss as a scalar tensor of float32, it returned a promise/,
    act: () => optimizer.minimize((async () => 1) as unknown as () => tf.Scalar, false, [w])});
  w.dispose();
});

test.serial('fit: too many rows', async t => {
  const model = tf.sequential({layers: [seededDense(3, 1, {inputShape: [1]})]});
  const optimizer = ggn({solver: 'gram'});
  model.compile({optimizer, loss: LOSS, metrics: ['mae']});
  const [many, targets] = [tf.ones([3000, 1]), tf.ones([3000, 3])];
  await refuses(t, {optimizer, variables: trainable(model), act: () => model.trainOnBatch(many, targets), message: /has 9000 rows \(examples times outputs\)/});
});

// ------------------------------------------------------------------------------------------------------------------- legitimate, and works

test.serial('a batch of one', async t => {
  const {model, optimizer} = await started();
  await model.fit(x, y, {epochs: 1, batchSize: 1, verbose: 0});
  t.is(optimizer.iterations, 4 + 8);
  t.is(optimizer.lastStep!.rows, 2);
  t.is(optimizer.lastStep!.status, 'ok');
  const w = tf.variable(tf.tensor2d(wave(6, 2), [3, 2]));
  const loop = ggn();
  loop.minimize(() => tf.losses.meanSquaredError(y.slice([0], [1]), tf.matMul(x.slice([0], [1]), w)));
  t.is(loop.lastStep!.rows, 2);
  t.is(loop.lastStep!.status, 'ok');
  w.dispose();
});

test.serial('a last batch that is smaller', async t => {
  const {model, optimizer} = await started();
  const seen: number[] = [];
  const {history} = await model.fit(x, y, {epochs: 2, batchSize: 3, verbose: 0, callbacks: {onBatchEnd: async () => void seen.push(optimizer.lastStep!.rows)}});
  t.deepEqual(seen, [6, 6, 4, 6, 6, 4]);
  t.true(history.loss[1] < history.loss[0]);
});

test.serial('class weights of 0 for every example: no step, no error', async t => {
  const {model, optimizer} = await started();
  const before = model.getWeights().map(w => [...w.dataSync()]);
  const {warn} = console;
  console.warn = () => {};
  try {
    await model.fit(x, y, {epochs: 1, verbose: 0, classWeight: {0: 0, 1: 0}});
  } finally {
    console.warn = warn;
  }
  t.is(optimizer.lastStep!.status, 'flat');
  t.is(optimizer.lastStep!.loss, 0);
  t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), before);
});

test.serial('residuals that are all zero: a step of momentum only', async t => {
  const {model, optimizer} = await started(net, {momentum: 0});
  const before = model.getWeights().map(w => [...w.dataSync()]);
  await model.trainOnBatch(x, model.predict(x));
  t.is(optimizer.lastStep!.status, 'ok');
  t.is(optimizer.lastStep!.loss, 0);
  t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), before);
});
