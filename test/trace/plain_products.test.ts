/** Sweeps without the reshapes around products of matrices, against the dense reference. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {linearize} from '../../src/jacobian/sweep/linearize';
import type {Plan} from '../../src/jacobian/plan/plan';
import {readingsOf} from '../../src/jacobian/plan/readings';
import {SubBatches} from '../../src/jacobian/sweep/sub_batch';
import {findRows} from '../../src/loss/rows';
import {capture} from '../../src/trace/capture';
import {RESHAPES} from '../../src/trace/kernel_sets';
import type {Trace} from '../../src/trace/trace';
import {denseJacobian} from '../reference/dense_jacobian';
import {relativeError} from '../support/relative_error';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 5;

type Fused = (a: tf.Tensor, b: tf.Tensor, bias?: tf.Tensor) => tf.Tensor;

const fused: Fused = (a, b, bias) => tf.fused.matMul({a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias});

const product = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D);

interface Net {
  /** Rows from the data x [B, 3] and the variables w [3, 4], v [4, 2], b [4]. */
  rows: (x: tf.Tensor, w: tf.Tensor, v: tf.Tensor, b: tf.Tensor) => tf.Tensor;
  /** Reshapes in the sweep. */
  reshapes: number;
}

const NETS: Record<string, Net> = {
  'dense layers': {rows: (x, w, v, b) => fused(fused(x, w).add(b).tanh(), v), reshapes: 0},
  'a fused bias': {rows: (x, w, v, b) => fused(fused(x, w, b).sigmoid(), v), reshapes: 0},
  'one weight twice': {rows: (x, w, v, b) => fused(fused(x, w).tanh().add(fused(x.square(), w)).add(b), v), reshapes: 0},
  // The product of three axes has another reader: its reshape stays.
  'a product with two readers': {rows: (x, w, v, b) => {
    const y = product(tf.reshape(x, [1, B, 3]), tf.reshape(w, [1, 3, 4]));
    return product(tf.reshape(y, [B, 4]).add(b).tanh().add(tf.reshape(y.square(), [B, 4])), v);
  }, reshapes: 2},
  // The reshape behind the product moves entries to other places.
  'a product in another shape': {rows: (x, w, v, b) => {
    const y = product(tf.reshape(x, [1, B, 3]), tf.reshape(w, [1, 3, 4]));
    return product(tf.reshape(tf.reshape(y, [B * 2, 2]).tanh(), [B, 4]).add(b), v);
  }, reshapes: 2},
  // A matrix that is no reshape of a matrix.
  'a batch of matrices': {rows: (x, w, v, b) => {
    const y = product(tf.reshape(x, [1, B, 3]), tf.stack([w]));
    return product(tf.reshape(y, [B, 4]).add(b), v);
  }, reshapes: 1},
  'flags': {rows: (x, w, v, b) => {
    const y = tf.matMul(tf.reshape(x.transpose(), [1, 3, B]), tf.reshape(w.transpose(), [1, 4, 3]), true, true);
    return product(tf.reshape(y, [B, 4]).tanh().add(b), v);
  }, reshapes: 0},
};

function look({rows}: Net, see: (plan: Plan, trace: Trace, run: () => tf.Tensor) => void): void {
  const [w, v, b] = [[3, 4], [4, 2], [4]].map((shape, i) => tf.variable(tf.randomNormal(shape, 0, 1, 'float32', i + 1)));
  const x = tf.randomNormal([B, 3], 0, 1, 'float32', 7);
  tf.tidy(() => {
    const {trace} = capture(() => rows(x, w, v, b).square().mean() as tf.Scalar);
    try {
      const found = findRows(trace, () => true, null);
      see(readingsOf(trace, found, found.groups[0], null, 'gram').readings[0].plan(), trace, () => rows(x, w, v, b));
    } finally {
      trace.dispose();
    }
  });
  tf.dispose([w, v, b, x]);
}

for (const [name, net] of Object.entries(NETS)) {
  test.serial(name, t => {
    look(net, (plan, trace, run) => {
      t.is(plan.sweep.filter(({node}) => RESHAPES.has(node.kernel)).length, net.reshapes);
      const {jacobian: expected, m} = denseJacobian(run, [...plan.analysis.variables]);
      const found = linearize(trace, plan).dense().dataSync();
      t.true(relativeError(found, expected) < 1e-6, `${relativeError(found, expected)}`);
      // Some of the examples by themselves.
      const cut = SubBatches.of(trace, plan);
      if (cut !== null) {
        const part = cut.take(1, 3);
        const own = linearize(part.trace, part.plan).dense().dataSync();
        t.true(relativeError(own, expected.slice(2 * m, 6 * m)) < 1e-6);
      }
    });
  });
}
