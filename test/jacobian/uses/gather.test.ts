/**
 * Embeddings: entries of a table picked by indices of the examples, with repeats, shared tables,
 * masks, several outputs, any axis.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn} from '../../../src/index';
import {READS_ARE_CHEAP} from '../../../src/tfjs/fast_ops';
import {GatherUse} from '../../../src/jacobian/uses/gather';
import {Probe} from '../../support/probe';
import {checkOperator} from '../../support/check_operator';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

test.beforeEach(async () => {
  await tf.setBackend('cpu');
});

const B = 4;
/** Indices below 5 with repeats within examples and between them; entry 3 is never read. */
const indices = (): tf.Tensor => tf.tensor2d([[0, 2, 0], [2, 2, 2], [4, 1, 0], [1, 4, 2]], [B, 3], 'int32');

function check(t: ExecutionContext, rows: () => tf.Tensor, variables: tf.Variable[], kinds: string[],
    bundles?: Array<number[] | null>): void {
  const plan = checkOperator(t, rows, variables, 1e-5);
  t.is(plan.analysis.examples, B);
  t.deepEqual(plan.sites.map(site => site.kind).sort(), [...kinds].sort());
  if (bundles !== undefined) {
    t.deepEqual(plan.bySite.map(({bundles: found}) => found?.map(bundle => bundle.length) ?? null), bundles);
  }
}

type Rows = (table: any, other: any, ids: any) => tf.Tensor;

/**
 * table [5, 2], other [2, 3]; kinds of the sites; sizes of the bundles of the table and of the
 * other.
 */
const networks: Record<string, [Rows, string[], Array<number[] | null>]> = {
  'one index for each example': [(e, w, ids) => tf.gather(e, ids.slice([0, 1], [-1, 1]).reshape([-1])).tanh().matMul(w),
    ['gather', 'matrix'], [[1], [1]]],
  'the entries as rows': [(e, w, ids) => tf.gather(e, ids).reshape([B, -1]).add(w.sum()), ['gather', 'vector'],
    [[1], null]],
  'the mean over positions': [(e, w, ids) => tf.gather(e, ids).mean(1).tanh().matMul(w), ['gather', 'matrix'],
    [[1], [1]]],
  'one output': [(e, w, ids) => tf.gather(e, ids).tanh().sum([1, 2]).add(w.slice([0, 0], [1, 1]).reshape([1])),
    ['gather', 'vector'], [[1], [1]]],
  'a sequence': [(e, w, ids) => tf.gather(e, ids).reshape([-1, 2]).matMul(w).reshape([B, 3, 3]).sin(),
    ['gather', 'matrix'], [[1], [1]]],
  'a mask': [(e, w, ids) => tf.gather(e, ids).mul(tf.notEqual(ids, 0).toFloat().expandDims(2)).sum(1).matMul(w),
    ['gather', 'matrix'], [[1], [1]]],
  'time-major indices': [(e, w, ids) => tf.gather(e, ids.transpose()).tanh().sum(0).matMul(w), ['gather', 'matrix'],
    [[1], [1]]],
  'two gathers from one table': [(e, w, ids) =>
    tf.gather(e, ids).sum(1).sin().matMul(w)
    .add(tf.gather(e, ids.slice([0, 1], [-1, 2])).tanh().sum([1, 2]).reshape([-1, 1])),
    ['gather', 'gather', 'matrix'], [[2], [1]]],
  'entries of entries': [(e, w, ids) =>
    tf.gather(e, tf.gather(tf.tensor1d([3, 1, 0, 2, 4], 'int32'), ids)).sum(1).matMul(w), ['gather', 'matrix'],
    [[1], [1]]],
  'the other axis': [(e, w, ids) => tf.gather(e.reshape([2, 5]), ids, 1).transpose([1, 0, 2]).tanh().sum(2).matMul(w),
    ['gather', 'matrix'], [[1], [1]]],
  'an axis in the middle': [(e, w, ids) =>
    tf.gather(e.reshape([1, 5, 2]), ids, 1).reshape([B, 3, 2]).tanh().sum(1).matMul(w), ['gather', 'matrix'],
    [[1], [1]]],
  'the table by two axes': [(e, w, ids) =>
    tf.gather(e, ids).sum(1).matMul(w)
    .add(tf.gather(e.reshape([2, 5]), ids, 1).transpose([1, 0, 2]).reshape([B, -1]).sin().sum(1, true)),
    ['gather', 'gather', 'matrix'], [null, [1]]],
  'a table of scalars': [(e, w, ids) => tf.gather(e.reshape([-1]), ids).sin().sum(1, true).mul(w.slice([0, 0], [1, 3])),
    ['gather', 'vector'], [[1], [1]]],
  'a table tied to the output': [(e, w, ids) =>
    tf.gather(e, ids).sum(1).matMul(w).slice([0, 0], [-1, 2]).tanh().matMul(e.transpose()),
    ['gather', 'matrix', 'matrix'], [null, [1]]],
  'a part of the table': [(e, w, ids) =>
    tf.gather(e.slice([0, 0], [5, 1]), ids).sum(1).sin().add(tf.gather(e.slice([0, 1], [5, 1]), ids).sum(1))
    .matMul(w.slice([0, 0], [1, 3])),
    ['gather', 'gather', 'matrix'], [[1, 1], [1]]],
  'a table that is a function': [(e, w, ids) => tf.gather(e.tanh(), ids).sum(1).matMul(w), ['gather', 'matrix'],
    [null, [1]]],
};

for (const [name, [rows, kinds, bundles]] of Object.entries(networks)) {
  test.serial(`cpu: ${name}`, t => {
    const [e, w] = [tf.variable(noise([5, 2], 1)), tf.variable(noise([2, 3], 2))];
    const ids = indices();
    check(t, () => rows(e, w, ids).add(0.1), [e, w], kinds, bundles);
    tf.dispose([e, w, ids]);
  });
}

/** J, Gram matrix, Jᵀu and J d of rows, in plain arrays. */
function operator(rows: () => tf.Tensor): number[][] {
  let found: number[][] = [];
  new Probe(({checked: {jacobian, grams}, variables}) => {
    const u = tf.tensor1d(Float32Array.from({length: jacobian.rows}, (_, i) => Math.cos(1 + 2 * i)));
    const d = variables.map((v, i) => noise(v.shape, 7 + i));
    found = [[...jacobian.dense().dataSync()], [...grams[0]],
      jacobian.applyTranspose(u).flatMap(part => [...part!.dataSync()]), [...jacobian.apply(d).dataSync()]];
  }).minimize(() => rows().square().mean());
  return found;
}

for (const [name, [rows]] of Object.entries(networks)) {
  test.serial(`wasm, where tfjs has no gradient of a gather, as on cpu: ${name}`, async t => {
    const [table, matrix] = [noise([5, 2], 1).arraySync(), noise([2, 3], 2).arraySync()];
    const results: number[][][] = [];
    for (const backend of ['cpu', 'wasm']) {
      await tf.setBackend(backend);
      const [e, w] = [tf.variable(tf.tensor(table)), tf.variable(tf.tensor(matrix))];
      const ids = indices();
      results.push(operator(() => rows(e, w, ids).add(0.1)));
      tf.dispose([e, w, ids]);
    }
    results[1].forEach((numbers, i) => t.true(relativeError(numbers, results[0][i]) < 1e-5));
  });
}

test.serial('a gather from what the examples made of other weights: its cotangent on wasm', async t => {
  await tf.setBackend('wasm');
  const w = tf.variable(noise([3, 4], 1)) as tf.Variable<tf.Rank.R2>;
  const x = noise([B, 3], 2) as tf.Tensor2D;
  const pick = tf.tensor1d([3, 1, 3], 'int32');
  const asProduct = tf.oneHot(pick, 4).toFloat().transpose() as tf.Tensor2D;
  const [gathered, multiplied] = [operator(() => tf.gather(x.matMul(w).sin(), pick, 1)),
      operator(() => x.matMul(w).sin().matMul(asProduct))];
  gathered.forEach((numbers, i) => t.true(relativeError(numbers, multiplied[i]) < 1e-5));
  tf.dispose([w, x, pick, asProduct]);
});

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: an Embedding trains as the one-hot matrix product does, with no tensor left behind`,
      async t => {
    await tf.setBackend(backend);
    const table = noise([50, 4], 1);
    const ids = tf.randomUniform([16, 6], 0, 50, 'int32', 3);
    const y = noise([16, 1], 4);
    const L = tf.layers;
    const head = (): tf.layers.Layer[] =>
        [L.globalAveragePooling1d({} as never),
        L.dense({units: 3, activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({seed: 1})}),
      L.dense({units: 1, kernelInitializer: tf.initializers.glorotNormal({seed: 2})})];
    const embedded = tf.sequential({layers: [L.embedding({inputDim: 50, outputDim: 4, inputLength: 6}), ...head()]});
    embedded.layers[0].setWeights([table]);
    const oneHot = tf.sequential({layers: [L.dense({units: 4, useBias: false, inputShape: [6, 50]}), ...head()]});
    oneHot.layers[0].setWeights([table]);
    for (const model of [embedded, oneHot]) {
      model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
    }
    const hot = tf.oneHot(ids.toInt(), 50).toFloat();
    let tensors = 0;
    for (let i = 0; i < 5; i++) {
      const losses = [await embedded.trainOnBatch(ids, y) as number, await oneHot.trainOnBatch(hot, y) as number];
      t.true(Math.abs(losses[0] - losses[1]) < 1e-4 * losses[1]);
      t.is(tf.memory().numTensors, i === 0 ? tensors = tf.memory().numTensors : tensors);
    }
    t.true(relativeError(embedded.layers[0].getWeights()[0].dataSync(),
        oneHot.layers[0].getWeights()[0].dataSync()) < 1e-4);
    embedded.dispose();
    oneHot.dispose();
    tf.dispose([table, ids, y, hot]);
  });
}

test.serial('on a device only the entries that are read come back', t => {
  const [e, w] = [tf.variable(noise([5, 2], 1)), tf.variable(noise([2, 3], 2))];
  const ids = indices();
  READS_ARE_CHEAP.delete('cpu');
  try {
    for (const name of ['the mean over positions', 'the other axis', 'two gathers from one table']) {
      const [rows, kinds, bundles] = networks[name];
      check(t, () => rows(e, w, ids).add(0.1), [e, w], kinds, bundles);
    }
  } finally {
    READS_ARE_CHEAP.add('cpu');
  }
  tf.dispose([e, w, ids]);
});

test.serial('GatherUse: two outputs, positions of two readings side by side, indices outside of the table left out',
    t => {
  const sizes = {examples: 2, components: 2, before: 1, entries: 3, after: 1};
  const reading = (ids: number[], deltas: number[][]): GatherUse =>
    new GatherUse([{indices: ids, exampleOf: s => Math.floor(s / 2), deltas: deltas.map(d => Float32Array.from(d))}],
        sizes);
  const use = GatherUse.stack([reading([0, 2, 2, 2], [[1, 2, 3, 4], [5, 6, 7, 8]]),
      reading([2, -1, 1, 3], [[10, 99, 20, 99], [30, 99, 40, 99]])]);
  const rows = [[1, 0, 12], [5, 0, 36], [0, 20, 7], [0, 40, 15]];
  t.deepEqual(use.rows(0, 2).arraySync(), rows);
  t.deepEqual(use.rows(1, 2).arraySync(), rows.slice(2));
  t.deepEqual(use.gram().right.arraySync(), rows.map(a => rows.map(b => a.reduce((sum, x, i) => sum + x * b[i], 0))));
  t.is(use.gram().left, null);
  t.deepEqual([...use.apply(tf.tensor2d([[1], [10], [100]])).dataSync()],
      rows.map(([a, b, c]) => a + 10 * b + 100 * c));
  t.deepEqual([...use.applyTranspose(tf.tensor2d([[1, 2], [3, 4]])).dataSync()],
      [0, 1, 2].map(i => rows.reduce((sum, row, r) => sum + (r + 1) * row[i], 0)));
  t.is(use.size, 3);
});
