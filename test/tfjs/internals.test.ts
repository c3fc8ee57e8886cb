/** The names of tfjs that are not public API are checked before use, and shadows of them leave no trace. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {isUserCustomGrad, isVariable, openEngine, runKernel, shadow, wrapTrainFunction} from '../../src/tfjs/internals';

const own = (name: string): boolean => Object.prototype.hasOwnProperty.call(tf.engine(), name);

test.before(async () => {
  await tf.setBackend('cpu');
});

test.serial('openEngine() is the engine of tfjs, and names what a version lacks', t => {
  t.is(openEngine() as unknown, tf.engine());
  const open = tf.engine() as unknown as Record<string, unknown>;
  for (const name of ['runKernel', 'runKernelFunc', 'disposeTensor']) {
    open[name] = undefined;
    try {
      t.throws(() => openEngine(), {message: new RegExp(`tfjs-ggn: TensorFlow\\.js 4\\.\\d+\\.\\d+ has no engine\\.${name}.*please report`)});
    } finally {
      delete open[name];
    }
  }
  t.notThrows(() => openEngine());
});

test.serial('runKernel runs a kernel by name', t => {
  const x = tf.tensor1d([1, 2]);
  t.deepEqual([...(runKernel('Square', {x}) as tf.Tensor).dataSync()], [1, 4]);
  t.deepEqual([...(runKernel('Concat', [x, x], {axis: 0}) as tf.Tensor).dataSync()], [1, 2, 1, 2]);
  t.throws(() => runKernel('NoSuchKernel', {x}), {message: /NoSuchKernel/});
});

test.serial('shadows nest and go without a trace', t => {
  const open = openEngine();
  const original = open.runKernel;
  const calls: string[] = [];
  const wrapped = (label: string, inner: typeof original): typeof original => (kernel, inputs, attrs) => {
    calls.push(label);
    return inner.call(open, kernel, inputs, attrs);
  };
  const first = wrapped('first', original);
  const undoFirst = shadow(open, 'runKernel', first);
  const undoSecond = shadow(open, 'runKernel', wrapped('second', open.runKernel));
  tf.square(2).dispose();
  t.deepEqual(calls.slice(0, 2), ['second', 'first']);
  undoSecond();
  t.is(open.runKernel, first);
  t.true(own('runKernel'));
  undoFirst();
  t.is(open.runKernel, original);
  t.false(own('runKernel'));
});

test.serial('Variable.assign calls disposeTensor while the variable still holds its old data', t => {
  const open = openEngine();
  const original = open.disposeTensor;
  const v = tf.variable(tf.tensor1d([1, 2]));
  const seen: Array<readonly [tf.Tensor, number[]]> = [];
  const undo = shadow(open, 'disposeTensor', tensor => {
    seen.push([tensor, [...tensor.dataSync()]]);
    original.call(open, tensor);
  });
  v.assign(tf.tensor1d([3, 4]));
  undo();
  t.deepEqual(seen.filter(([tensor]) => tensor === v).map(([, values]) => values), [[1, 2]]);
  v.dispose();
});

test.serial('variables are told by what they can do, in any copy of tfjs', t => {
  const v = tf.variable(tf.scalar(1));
  const frozen = tf.variable(tf.scalar(1), false);
  t.true(isVariable(v));
  t.true(isVariable(frozen));
  t.false(isVariable(tf.scalar(1)));
  t.true(isVariable({assign: () => undefined, trainable: true, dataId: {}} as unknown as tf.Tensor));
  tf.dispose([v, frozen]);
});

test.serial("a customGrad of the user's is told from tfjs's own", t => {
  const open = openEngine();
  const original = open.runKernelFunc;
  const verdicts: boolean[] = [];
  const undo = shadow(open, 'runKernelFunc', params => {
    verdicts.push(isUserCustomGrad(open, params));
    return original.call(open, params);
  });
  const during = (run: () => unknown): boolean[] => {
    verdicts.length = 0;
    tf.tidy(() => {
      run();
    });
    return [...verdicts];
  };
  const x = tf.tensor2d([[1, 2]]);
  const mine = tf.customGrad(a => ({value: tf.square(a as tf.Tensor), gradFunc: dy => dy as tf.Tensor}));
  try {
    t.true(during(() => mine(x)).includes(true));
    t.true(during(() => tf.tidy('a layer', () => mine(x))).includes(true));
    for (const op of [() => tf.logSoftmax(x), () => tf.logSigmoid(x), () => tf.fused.matMul({a: x, b: tf.ones([2, 2]), activation: 'relu'}), () => tf.tanh(x)]) {
      const seen = during(op);
      t.true(seen.length > 0 && !seen.includes(true));
    }
  } finally {
    undo();
  }
  x.dispose();
});

test.serial('a tfjs-layers without makeTrainFunction is named', t => {
  t.throws(() => wrapTrainFunction({prototype: {}}, () => () => undefined),
      {message: /TensorFlow\.js 4\.\d+\.\d+ has no LayersModel\.makeTrainFunction.*please report/});
});

test.serial('the train function of a model is wrapped with the model and the original', t => {
  class Model {
    makeTrainFunction(): (data: tf.Tensor[]) => unknown {
      return data => [this, ...data];
    }
  }
  const seen: unknown[] = [];
  wrapTrainFunction(Model, (model, train) => {
    seen.push(model);
    return data => ['wrapped', ...train(data) as unknown[]];
  });
  const model = new Model();
  const x = tf.scalar(1);
  t.deepEqual(model.makeTrainFunction()([x]), ['wrapped', model, x]);
  t.deepEqual(seen, [model]);
});
