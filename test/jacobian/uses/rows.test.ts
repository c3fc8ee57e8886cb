/** Uses that keep their dense rows: sums, products, Gram matrices, and the products shared by δ. */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {OuterProducts} from '../../../src/jacobian/uses/outer_products';
import {RowsUse} from '../../../src/jacobian/uses/rows';
import {sharesDelta} from '../../../src/jacobian/uses/use';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

function near(t: ExecutionContext, a: tf.Tensor, b: tf.Tensor): void {
  t.true(relativeError(a.dataSync(), b.dataSync()) < 1e-6);
}

for (const isShort of [true, false]) {
  test.serial(`${isShort ? 'short' : 'long'} rows kept, summed, pulled back`, t => {
    const rows = [noise([6, 4], 1), noise([6, 4], 2)];
    const uses = rows.map(all => new RowsUse(all, 3, 2, isShort));
    const sum = tf.add(rows[0], rows[1]) as tf.Tensor2D;
    const both = RowsUse.sum(uses);
    t.is(both.size, 4);
    t.deepEqual([both.examples, both.components], [3, 2]);
    near(t, both.rows(1, 3), sum.slice([2, 0], [4, 4]));
    t.deepEqual(both.rows(1, 3).shape, [4, 4]);
    const {left, right} = both.gram(new OuterProducts());
    t.is(left, null);
    near(t, right, tf.matMul(sum, sum, false, true));
    const blocks = sum.reshape([3, 2, 4]) as tf.Tensor3D;
    near(t, both.diagonalBlocks(2), tf.matMul(blocks, blocks, false, true));
    near(t, both.diagonalBlocks(1), sum.square().sum(1));
    const p = noise([2, 2], 3);
    t.deepEqual(both.apply(p).shape, [3, 2]);
    near(t, both.apply(p), tf.matMul(sum, p.reshape([4, 1]) as tf.Tensor2D));
    const u = noise([3, 2], 4);
    near(t, both.applyTranspose(u), tf.matMul(u.reshape([1, 6]) as tf.Tensor2D, sum));
    t.false(sharesDelta(both), 'several components');
  });
}

test.serial('short rows of one component are δ themselves', t => {
  const rows = noise([6, 4], 1);
  t.false(sharesDelta(new RowsUse(rows, 6, 1)));
  const use = RowsUse.sum([new RowsUse(rows, 6, 1, true)]);
  t.true(sharesDelta(use));
  near(t, use.delta!, rows);
  const [p, u] = [noise([4], 2), noise([6, 1], 3)];
  near(t, use.delta!.mul(use.preactivation(p)).sum(1), use.apply(p));
  near(t, use.pullWeighted(use.delta!.mul(u), () => tf.ones([1, 6])), use.applyTranspose(u));
});
