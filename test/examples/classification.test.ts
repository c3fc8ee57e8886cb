/**
 * The parts of the classification example on which its comparison rests: the split, the common start of all runs, the reported losses, the
 * table.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {CLASSES, loadData, PIXELS} from '../../docs/examples/classification/data';
import {results} from '../../docs/examples/classification/report';
import {network, train} from '../../docs/examples/classification/train';
import type {ClassificationContestant, ClassificationPoint} from '../../docs/examples/classification/train';
import {ggn} from '../../src/index';

test.before(async () => {
  await tf.setBackend('wasm');
});

const contestant = (name: string, make: () => tf.Optimizer): ClassificationContestant => ({name, colour: '#000000', epochs: 1, make});

test.serial('every digit is either trained on or held out, and the same seed holds out the same', t => {
  const keysOf = ({x, y}: {x: tf.Tensor; y: tf.Tensor}): string[] => {
    const images = x.arraySync() as number[][];
    return (y.arraySync() as number[][]).map((classes, i) => `${classes.indexOf(1)} ${images[i].join()}`);
  };
  const [first, again, other] = [0, 0, 1].map(seed => loadData(seed));
  t.deepEqual([first.training, first.heldOut].map(({x, y}) => [x.shape, y.shape]), [[[1437, PIXELS], [1437, CLASSES]], [[360, PIXELS], [360, CLASSES]]]);
  const all = [first.training, first.heldOut].flatMap(keysOf).sort();
  t.deepEqual([other.training, other.heldOut].flatMap(keysOf).sort(), all);
  t.deepEqual(keysOf(again.heldOut), keysOf(first.heldOut));
  t.notDeepEqual(keysOf(other.heldOut), keysOf(first.heldOut));
  t.true((first.training.y.sum(1).arraySync() as number[]).every(sum => sum === 1));
});

test.serial('runs share their start; a run of ggn falls by more than one of Adam in an epoch, and leaves no tensors', async t => {
  const data = loadData(0);
  const tensors = tf.memory().numTensors;
  const points: ClassificationPoint[] = [];
  const run = await train(contestant('ggn', () => ggn()), data, point => points.push(point));
  t.is(tf.memory().numTensors, tensors);
  const adam = await train(contestant('adam', () => tf.train.adam(1e-2)), data, () => {});
  t.deepEqual(run.points, points);
  t.deepEqual(points.map(({epoch}) => epoch), [0, 1]);
  const start = ({loss, heldOut, accuracy}: ClassificationPoint): number[] => [loss, heldOut, accuracy];
  t.deepEqual(start(points[0]), start(adam.points[0]));
  t.true(points[1].loss < adam.points[1].loss && points[1].loss < 0.4, `${points[1].loss}, Adam ${adam.points[1].loss}`);
  t.true(points[1].accuracy > 0.85, String(points[1].accuracy));
});

test.serial('the loss of a point is the cross-entropy of the training digits', async t => {
  const {training, heldOut} = loadData(0);
  const {points: [start]} = await train({...contestant('none', () => tf.train.sgd(0)), epochs: 1}, {training, heldOut}, () => {});
  const model = network();
  const expected = tf.tidy(() => tf.metrics.categoricalCrossentropy(training.y, model.predict(training.x) as tf.Tensor).mean().dataSync()[0]);
  t.true(Math.abs(start.loss - expected) < 1e-5 * expected, `${start.loss}, not ${expected}`);
  model.dispose();
});

test('the table counts epochs and seconds to each loss, and the best of the held-out digits', t => {
  const points = [[0, 0, 2.3, 2.3, 0.1], [1, 1, 0.09, 0.2, 0.96], [2, 2, 0.02, 0.3, 0.95]].map(([epoch, seconds, loss, heldOut, accuracy]) =>
    ({epoch, seconds, loss, heldOut, accuracy}));
  const lines = results([{contestant: contestant('ggn', () => ggn()), points}, {contestant: contestant('adam', () => tf.train.adam()), points: points.slice(0, 2)}]).split('\n');
  const cells = lines.slice(-2).map(line => line.split('|').map(cell => cell.trim()).filter(cell => cell !== ''));
  t.deepEqual(cells, [
    ['ggn', '1', '1.0', '2', '2.0', '2', '0.020', '0.200', '96.0 %', '1000'],
    ['adam', '1', '1.0', '-', '-', '1', '0.090', '0.200', '96.0 %', '1000'],
  ]);
});
