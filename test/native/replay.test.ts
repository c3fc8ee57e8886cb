/** Replays on tfjs-node, which make no reshapes around products, against f() at the other weights. */
import * as tf from '@tensorflow/tfjs';
import {plainProducts} from '../../src/trace/plain_products';
import {capture} from '../../src/trace/capture';
import {replayAll} from '../../src/trace/replay';
import {useBackend} from '../support/backends';
import {testOn} from '../support/test_on';

const native = testOn('tensorflow');

const fused = (a: tf.Tensor, b: tf.Tensor, bias?: tf.Tensor): tf.Tensor =>
  tf.fused.matMul({a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias});

type Rows = (x: tf.Tensor, w: tf.Tensor, v: tf.Tensor, b: tf.Tensor) => tf.Tensor;

const NETS: Record<string, Rows> = {
  'dense layers': (x, w, v, b) => fused(fused(x, w).add(b).tanh(), v),
  'a fused bias': (x, w, v, b) => fused(fused(x, w, b).sigmoid(), v),
  'a product with two readers': (x, w, v, b) => {
    const y = tf.matMul(tf.reshape(x, [1, 5, 3]), tf.reshape(w, [1, 3, 4]));
    return tf.matMul(tf.reshape(y, [5, 4]).add(b).tanh().add(tf.reshape(y.square(), [5, 4])) as tf.Tensor2D, v as tf.Tensor2D);
  },
};

for (const [name, rows] of Object.entries(NETS)) {
  native(name, async t => {
    await useBackend('tensorflow');
    const [w, v, b] = [[3, 4], [4, 2], [4]].map((shape, i) => tf.variable(tf.randomNormal(shape, 0, 1, 'float32', i + 1)));
    const x = tf.randomNormal([5, 3], 0, 1, 'float32', 7);
    const f = (): tf.Scalar => rows(x, w, v, b).square().mean() as tf.Scalar;
    const {cost, trace} = capture(f);
    const moved = new Map([...trace.variables].map(([value, variable]) => [value, tf.tidy(() => variable.mul(1.5).add(0.1))]));
    // Every value of the trace, the products of three axes included, and the loss alone.
    const all = trace.values.map((_, value) => value).filter(value => trace.producer[value] >= 0);
    const {numTensors} = tf.memory();
    const [[loss], every] = [[trace.result], all].map(wanted => tf.tidy(() =>
      replayAll(trace, moved, wanted).map(value => ({shape: value.shape, entries: [...value.dataSync()]})) as never) as unknown as
      Array<{shape: number[]; entries: number[]}>);
    t.is(tf.memory().numTensors, numTensors);
    trace.variables.forEach((variable, value) => variable.assign(moved.get(value)!));
    const expected = capture(f);
    t.deepEqual(loss.entries, [...expected.cost.dataSync()]);
    all.forEach((value, i) => {
      const own = expected.trace.values[value];
      t.deepEqual(every[i], {shape: own.shape, entries: [...own.dataSync()]});
    });
    // Given in the place of a reshape, a tensor is read.
    const reshape = trace.nodes.find(({kernel}) => kernel === 'Reshape')!.outputs[0];
    const read = new Set(plainProducts(trace, trace.nodes, new Set([reshape])).flatMap(node => node.inputs.map(([, value]) => value)));
    t.true(read.has(reshape));
    trace.dispose();
    expected.trace.dispose();
    tf.dispose([cost, expected.cost, w, v, b, x, [...moved.values()]]);
  });
}
