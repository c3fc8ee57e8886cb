/**
 * The plan of a trace: where parameters meet the data, and which uses of a variable may be added,
 * joined, or neither.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../../src/trace/capture';
import type {Trace} from '../../../src/trace/trace';
import {BatchAxisLost} from '../../../src/trace/batch_axis';
import {linearize} from '../../../src/jacobian/sweep/linearize';
import type {Plan} from '../../../src/jacobian/plan/plan';
import {readingsOf} from '../../../src/jacobian/plan/readings';
import {findRows} from '../../../src/loss/rows';
import {denseGram, denseJacobian} from '../../reference/dense_jacobian';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 5;

/** Plan of the mean of squares of these rows, by the batch. */
function look(rows: () => tf.Tensor, see: (plan: Plan, trace: Trace) => void,
    loss: (rows: tf.Tensor) => tf.Tensor = r => r.square().mean()): void {
  tf.tidy(() => {
    const {trace} = capture(() => loss(rows()) as tf.Scalar);
    try {
      const rows = findRows(trace, v => v.trainable, null);
      see(readingsOf(trace, rows, rows.groups[0], null, 'gram').readings[0].plan(), trace);
    } finally {
      trace.dispose();
    }
  });
}

interface Use {
  rows: (x: any, w: any, v: any, b: any) => tf.Tensor;
  /** Kinds of w's sites. */
  kinds: string[];
  /** Sizes of w's bundles; null: dense rows. */
  bundles: number[] | null;
}

/** x [B, 3], w [3, 3], v [3, 3], b [3]. */
const uses: Record<string, Use> = {
  'a product': {rows: (x, w) => x.matMul(w), kinds: ['matrix'], bundles: [1]},
  'a product on the left': {rows: (x, w) => tf.matMul(w, x, true, true).transpose(), kinds: ['matrix'], bundles: [1]},
  'a fused product with bias': {rows: (x, w, _v, b) => tf.fused.matMul({a: x, b: w, bias: b, activation: 'relu'}),
    kinds: ['matrix'], bundles: [1]},
  'the bias of a fused product': {rows: (x, w) =>
    tf.fused.matMul({a: x, b: tf.ones([3, 3]), bias: w.reshape([-1]).slice(0, 3)}), kinds: ['vector'], bundles: [1]},
  'a scale': {rows: (x, w) => x.reshape([-1, 1, 3]).mul(w), kinds: ['vector'], bundles: [1]},
  'a divisor': {rows: (x, w) => x.reshape([-1, 1, 3]).div(w.add(3)), kinds: ['vector'], bundles: null},
  'a shift and its opposite': {rows: (x, w) => tf.sub(w, x.reshape([-1, 1, 3]).sub(w)), kinds: ['vector', 'vector'],
    bundles: [2]},
  'a gather by data': {rows: (x, w) => tf.gather(w, x.slice([0, 0], [-1, 1]).reshape([-1]).abs().minimum(2).toInt()),
    kinds: ['gather'], bundles: [1]},
  'two products of one weight': {rows: (x, w) => x.matMul(w).tanh().matMul(w), kinds: ['matrix', 'matrix'],
    bundles: [2]},
  'a product of a weight and of its transpose': {rows: (x, w) => x.matMul(w).tanh().matMul(w.transpose()),
    kinds: ['matrix', 'matrix'], bundles: null},
  'the same by a flag': {rows: (x, w) => x.matMul(w).tanh().matMul(w, false, true), kinds: ['matrix', 'matrix'],
    bundles: null},
  'two slices apart': {rows: (x, w) =>
    x.slice([0, 0], [-1, 2]).matMul(w.slice([0, 0], [2, 3]))
    .add(x.slice([0, 2], [-1, 1]).matMul(w.slice([2, 0], [1, 3]))),
    kinds: ['matrix', 'matrix'], bundles: [1, 1]},
  'two slices that overlap': {rows: (x, w) =>
    x.slice([0, 0], [-1, 2]).matMul(w.slice([0, 0], [2, 3]))
    .add(x.slice([0, 1], [-1, 2]).matMul(w.slice([1, 0], [2, 3]))),
    kinds: ['matrix', 'matrix'], bundles: null},
  'a slice and the whole': {rows: (x, w) => x.matMul(w).add(w.slice([0, 0], [1, 3])), kinds: ['vector', 'matrix'],
    bundles: null},
  'equal slices by two nodes': {rows: (x, w) =>
    x.slice([0, 0], [-1, 2]).matMul(w.slice([0, 0], [2, 3]))
    .add(x.slice([0, 1], [-1, 2]).matMul(w.slice([0, 0], [2, 3]))),
    kinds: ['matrix', 'matrix'], bundles: [2]},
  'a tiled weight': {rows: (x, w) => x.matMul(w.tile([1, 2])), kinds: ['matrix'], bundles: null},
  'a product and a shift': {rows: (x, w) => x.matMul(w).add(w.reshape([9]).slice(0, 3)).reshape([-1, 3]),
    kinds: ['vector', 'matrix'], bundles: null},
  'a function': {rows: (x, w) => x.matMul(w.tanh()), kinds: ['matrix'], bundles: null},
  'two reshapes of one weight': {rows: (x, w) => tf.concat([x, x, x], 1).matMul(w.reshape([9, 1])).add(x.matMul(w)),
    kinds: ['matrix', 'matrix'], bundles: null},
  'a batch of products': {rows: (x, w) =>
    tf.matMul(x.reshape([-1, 1, 3]), tf.tile(w.reshape([1, 3, 3]), [B, 1, 1])).reshape([-1, 3]), kinds: ['matrix'],
    bundles: [1]},
};

for (const [name, {rows, kinds, bundles}] of Object.entries(uses)) {
  test.serial(`sites and bundles: ${name}`, t => {
    const [w, v, b] = [tf.variable(noise([3, 3], 1)), tf.variable(noise([3, 3], 2)), tf.variable(noise([3], 3))];
    const x = noise([B, 3], 4);
    const run = (): tf.Tensor => rows(x, w, v, b).sub(0.1);
    look(run, (plan, trace) => {
      const index = plan.analysis.variables.indexOf(w);
      const {sites, bundles: found} = plan.bySite[index];
      t.deepEqual(sites.map(i => plan.sites[i].kind).sort(), [...kinds].sort());
      t.deepEqual(found?.map(bundle => bundle.length) ?? null, bundles);
      t.deepEqual(found?.flat().sort() ?? [...sites].sort(), [...sites].sort(), 'every site is in a group');
      // And the operator is right, whatever the plan.
      const reference = denseJacobian(run, [...plan.analysis.variables]);
      const jacobian = linearize(trace, plan);
      t.true(relativeError(jacobian.dense().dataSync(), reference.jacobian) < 1e-5, 'J');
      t.true(relativeError(jacobian.gram(plan.analysis.variables.map(() => 0))[0].dataSync(),
          denseGram(reference.jacobian, reference.n, reference.m)) < 1e-5, 'Gram matrix');
    });
    tf.dispose([w, v, b, x]);
  });
}

test.serial('rows per example, components and variables in the order of their first use', t => {
  const [w, v] = [tf.variable(noise([3, 4], 1)), tf.variable(noise([4], 2))];
  const x = noise([B, 3], 3) as tf.Tensor2D;
  look(() => tf.matMul(x, w as tf.Tensor2D).add(v), plan => {
    t.is(plan.components, 5);
    t.deepEqual(plan.perExample, [4, 1]);
    t.deepEqual(plan.analysis.variables, [w, v]);
    t.is(plan.analysis.examples, B);
    t.true(plan.starts.every(start => start.node === null && start.rows.length === 0));
  }, r => r.square().mean().add(r.sum(1).square().mean()));
  tf.dispose([w, v, x]);
});

test.serial('squared differences start the sweep at a - b', t => {
  const w = tf.variable(noise([3, 2], 1));
  const [x, y] = [noise([B, 3], 2) as tf.Tensor2D, noise([B, 2], 3)];
  look(() => tf.matMul(x, w as tf.Tensor2D), (plan, trace) => {
    t.is(plan.starts[0].node!.node.kernel, 'Sub');
    t.deepEqual(plan.starts[0].node!.node.attrs, {});
    t.deepEqual(plan.sweep.map(step => step.node.kernel), ['BatchMatMul'], 'the square itself is not on the way');
    t.is(trace.nodes[plan.blocks[0].difference!].kernel, 'SquaredDifference', 'the trace keeps what ran');
  }, r => tf.squaredDifference(r, y).mean());
  tf.dispose([w, x, y]);
});

test.serial('a variable is a row itself', t => {
  const w = tf.variable(noise([B, 2], 1));
  tf.tidy(() => {
    const {trace} = capture(() => w.square().mean());
    const rows = findRows(trace, v => v.trainable, null);
    const {readings} = readingsOf(trace, rows, rows.groups[0], null, 'gram');
    t.throws(() => readings[0].plan(), {instanceOf: BatchAxisLost});
    const plan = readings.at(-1)!.plan();
    t.deepEqual(plan.sites.map(site => site.kind), ['row']);
    t.deepEqual(plan.starts[0].rows.map(row => ({site: row.site, negative: row.negative})),
        [{site: 0, negative: false}]);
    t.is(plan.components, 2 * B);
    trace.dispose();
  });
  w.dispose();
});

test.serial('rows whose examples are not along the leading axis are lost', t => {
  const w = tf.variable(noise([3, B], 1)) as tf.Variable<tf.Rank.R2>;
  const x = noise([B, 3], 2) as tf.Tensor2D;
  for (const rows of [() => tf.matMul(x, w).transpose(), () => tf.matMul(x, w).sum(0), () => tf.matMul(w, x)]) {
    t.throws(() => look(rows, () => undefined), {instanceOf: BatchAxisLost});
  }
  tf.dispose([w, x]);
});

test.serial('a plan holds for every trace of the same signature', t => {
  const [w, v] = [tf.variable(noise([3, 4], 1)), tf.variable(noise([4, 2], 2))];
  let kept: Plan | null = null;
  let signature = '';
  for (const seed of [10, 20, 30]) {
    const x = noise([B, 3], seed) as tf.Tensor2D;
    w.assign(noise([3, 4], seed + 1));
    const rows = (): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x, w as tf.Tensor2D)), v as tf.Tensor2D);
    look(rows, (plan, trace) => {
      kept ??= plan;
      signature ||= trace.signature;
      t.is(trace.signature, signature);
      const {jacobian} = denseJacobian(rows, [w, v]);
      t.true(relativeError(linearize(trace, kept).dense().dataSync(), jacobian) < 1e-5);
    });
  }
  tf.dispose([w, v]);
});
