/** The parameters that some values have a derivative in. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../src/trace/capture';
import {findDependence} from '../../src/trace/dependence';
import {derivativePaths} from '../../src/trace/derivative_paths';
import {ggn} from '../../src/index';

test.before(async () => {
  await tf.setBackend('cpu');
});

const w = tf.variable(tf.tensor1d([1, 2, 3]), true, 'w');
const v = tf.variable(tf.tensor1d([-1, 1, 2, 3, 4]).slice([0], [3]), true, 'v');
const u = tf.variable(tf.tensor1d([1, 2]), true, 'u');

/** The names of the variables on the way to the loss, and m. */
function pathsOf(f: () => tf.Tensor): [string[], number] {
  const {cost, trace} = capture(f as () => tf.Scalar);
  const dependence = findDependence(trace, () => true);
  const {leafOf, parameters} = derivativePaths(trace, dependence, [trace.result]);
  const names = dependence.variables.filter((_, i) => leafOf.has(i)).map(({name}) => name);
  cost.dispose();
  trace.dispose();
  return [names, parameters];
}

test.serial('a variable behind a comparison does not count', t => {
  t.deepEqual(pathsOf(() => w.mul(v.greater(0).toFloat()).sum()), [['w'], 3]);
  t.deepEqual(pathsOf(() => w.mul(v.mul(2).tanh().greater(0).toFloat()).sum()), [['w'], 3]);
  t.deepEqual(pathsOf(() => tf.where(v.greater(0), w, w.mul(2)).sum()), [['w'], 3]);
});

test.serial('a variable beside a comparison counts once', t => {
  t.deepEqual(pathsOf(() => tf.where(v.greater(0), w, v).sum()), [['v', 'w'], 6]);
  t.deepEqual(pathsOf(() => w.mul(v).mul(v).sum().add(u.sum())), [['w', 'v', 'u'], 8]);
  t.deepEqual(pathsOf(() => w.mul(w.floor()).sum()), [['w'], 3]);
});

test.serial('a variable behind a comparison takes no direction of a forward sweep', t => {
  const before = [w, v].map(variable => variable.arraySync());
  const step = (mask: () => tf.Tensor): [string, number, number[]] => {
    const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
    optimizer.minimize(() => tf.mean(tf.square(tf.cumsum(w.mul(w).mul(mask())))) as tf.Scalar, false, [w, v]);
    const {jacobian, parameters} = optimizer.lastStep!;
    const found = [...w.dataSync()];
    t.deepEqual(v.arraySync(), before[1]);
    w.assign(tf.tensor(before[0]));
    return [jacobian, parameters, found];
  };
  const mask = tf.tensor1d([0, 1, 1]);
  t.deepEqual(step(() => v.greater(0).toFloat()), step(() => mask));
  t.is(step(() => v.greater(0).toFloat())[0], 'forward');
});
