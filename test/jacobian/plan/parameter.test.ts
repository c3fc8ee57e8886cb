/**
 * The ops between a variable and the kernel at which it meets the data: kind, entries, and the two
 * linear maps.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../../src/trace/capture';
import type {Trace} from '../../../src/trace/trace';
import {analyse} from '../../../src/trace/analysis';
import type {Analysis} from '../../../src/trace/analysis';
import {findDependence} from '../../../src/trace/dependence';
import {findParameter} from '../../../src/jacobian/plan/parameter';
import {backward, forward} from '../../../src/jacobian/plan/parameter_products';
import type {Parameter} from '../../../src/jacobian/plan/plan';
import {collect, sweepBack} from '../../../src/derivatives/reverse_sweep';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 7;

type View = (...variables: any[]) => tf.Tensor;

/** The parameter of data [B] + view(variables). */
function look(view: View, variables: tf.Variable[],
    see: (parameter: Parameter, trace: Trace, analysis: Analysis) => void): void {
  tf.tidy(() => {
    const x = noise([B, 1, 1, 1, 1], 9);
    const {trace} = capture(() => tf.add(x, view(...variables)).sum());
    const dependence = findDependence(trace, v => v.trainable);
    const root = trace.nodes[trace.producer[trace.result]].inputs[0][1];
    const analysis = analyse(trace, dependence, [root], B, v => trace.values[v].shape[0] === B);
    const sum = trace.nodes[trace.producer[root]];
    see(findParameter(trace, analysis, new Map(sum.inputs).get('b')!), trace, analysis);
    trace.dispose();
  });
}

const flat = (t: tf.Tensor): number[] => [...t.dataSync()];

const direct: Record<string, View> = {
  'itself': w => w,
  'a clone': w => w.clone(),
  'a reshape': w => w.reshape([2, 6]),
  'reshapes': w => w.reshape([2, 6]).reshape([-1]).reshape([1, 12]),
  'expandDims': w => w.expandDims(1),
  'a transpose that moves nothing': w => w.transpose([0, 1]),
};

const selections: Record<string, View> = {
  'transpose': w => w.transpose(),
  'slice': w => w.slice([1, 0], [2, 2]),
  'a piece of a split': w => tf.split(w, [1, 3], 0)[1],
  'an element of an unstack': w => tf.unstack(w, 1)[2],
  'tile': w => w.tile([2, 1]),
  'reverse': w => w.reverse(1),
  'concat with itself': w => tf.concat([w, w], 1),
  'stack with itself': w => tf.stack([w, w]),
  'a slice of a transpose, reshaped': w => w.transpose().slice([0, 1], [2, 2]).reshape([-1]),
  'pieces in another order': w => {
    const [a, b] = tf.split(w, 2, 0);
    return tf.concat([b, a], 0);
  },
};

for (const [name, view] of Object.entries(direct)) {
  test.serial(`direct: ${name}`, t => {
    const w = tf.variable(noise([4, 3], 1));
    look(view, [w], (parameter, trace, analysis) => {
      t.is(parameter.kind, 'direct');
      t.is(parameter.entries, null);
      t.deepEqual(parameter.variables.map(v => analysis.variables[v]), [w]);
      t.deepEqual(parameter.leaves.map(v => trace.variables.get(v)), [w]);
      const d = noise([4, 3], 2);
      t.deepEqual(flat(forward(trace.values, parameter, d)), flat(d));
      const g = noise([12], 3);
      const back = backward(trace.values, analysis, parameter, g);
      t.deepEqual([...back.keys()], [0]);
      t.deepEqual(back.get(0)!.shape, [4, 3]);
      t.deepEqual(flat(back.get(0)!), flat(g));
    });
    w.dispose();
  });
}

for (const [name, view] of Object.entries(selections)) {
  test.serial(`selection: ${name}`, t => {
    const w = tf.variable(noise([4, 3], 1));
    look(view, [w], (parameter, trace, analysis) => {
      t.is(parameter.kind, 'selection');
      t.deepEqual([...parameter.entries!], flat(view(tf.range(0, 12).reshape([4, 3]))));
      const d = noise([4, 3], 2);
      const moved = forward(trace.values, parameter, d);
      t.deepEqual(flat(moved), flat(view(d)));
      // (dp/dv)ᵀ g, entry by entry.
      const g = noise([moved.size], 3);
      const expected = new Array<number>(12).fill(0);
      flat(g).forEach((x, i) => expected[parameter.entries![i]] += x);
      const back = backward(trace.values, analysis, parameter, g);
      t.deepEqual(back.get(0)!.shape, [4, 3]);
      t.true(relativeError(back.get(0)!.dataSync(), expected) < 1e-6);
    });
    w.dispose();
  });
}

const functions: Record<string, View> = {
  // Indices are data: the next trace of the same signature may have other indices.
  'gather': w => w.gather(tf.tensor1d([3, 0], 'int32')),
  'gather with repetitions': w => w.gather(tf.tensor1d([3, 0, 3], 'int32'), 0),
  'a factor': w => w.mul(2),
  'a square': w => w.square(),
  'a mask': w => w.mul(tf.tensor2d([[1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0]])),
  'padding': w => w.pad([[1, 0], [0, 2]]),
  'weight normalisation': w => w.div(w.square().sum(0).sqrt()),
  'a sum of slices': w => w.slice([0, 0], [2, 3]).add(w.slice([2, 0], [2, 3])),
  'two variables joined': (w, v) => tf.concat([w, v], 0),
  'two variables multiplied': (w, v) => w.mul(v.tanh()),
  'concat with a constant': w => tf.concat([w, tf.ones([4, 1])], 1),
};

for (const [name, view] of Object.entries(functions)) {
  test.serial(`function: ${name}`, t => {
    const [w, v] = [tf.variable(noise([4, 3], 1)), tf.variable(noise([4, 3], 2))];
    const variables = view.length === 2 ? [w, v] : [w];
    look(view, variables, (parameter, trace, analysis) => {
      t.is(parameter.kind, 'function');
      t.is(parameter.entries, null);
      t.deepEqual(new Set(parameter.variables.map(k => analysis.variables[k])), new Set(variables));
      const g = noise([trace.values[parameter.value].size], 3);
      const back = backward(trace.values, analysis, parameter, g);
      const expected = tf.grads(view)(variables, g.reshape(trace.values[parameter.value].shape));
      t.is(back.size, variables.length);
      variables.forEach((variable, k) => {
        const mine = back.get(analysis.variables.indexOf(variable))!;
        t.deepEqual(mine.shape, variable.shape);
        t.true(relativeError(mine.dataSync(), expected[k].dataSync()) < 1e-6);
      });
    });
    tf.dispose([w, v]);
  });
}

test.serial('a frozen variable in a view is a constant', t => {
  const [w, v] = [tf.variable(noise([4, 3], 1)), tf.variable(noise([4, 3], 2), false)];
  look((a, b) => a.mul(b), [w, v], (parameter, _trace, analysis) => {
    t.deepEqual(analysis.variables, [w]);
    t.deepEqual(parameter.variables, [0]);
    t.is(parameter.kind, 'function');
  });
  tf.dispose([w, v]);
});

test.serial('sweepBack is a reverse sweep that stops where nothing passes; collect sums the values of variables', t => {
  const w = tf.variable(noise([3, 2], 1));
  const x = noise([4, 3], 2);
  tf.tidy(() => {
    const f = (variable: any): tf.Tensor =>
        tf.matMul(x as tf.Tensor2D, variable).tanh().add(variable.slice([0, 0], [1, 2])).square();
    const {trace} = capture(() => f(w).sum());
    const root = trace.nodes.find(node => node.kernel === 'Square')!.outputs[0];
    const dependence = findDependence(trace, v => v.trainable);
    const seed = noise([4, 2], 3);
    const all = sweepBack(trace.values, trace.nodes, new Map([[root, seed]]), value => dependence.dependent[value]);
    const gradient = collect(all, dependence.variableOf.keys(), dependence.variableOf).get(0)!;
    t.true(relativeError(gradient.dataSync(), tf.grad(f)(w, seed).dataSync()) < 1e-6);
    const none = sweepBack(trace.values, trace.nodes, new Map([[root, seed]]), () => false);
    t.deepEqual([...none.keys()], [root]);
    t.is(collect(none, dependence.variableOf.keys(), dependence.variableOf).size, 0);
    // Two values of one variable.
    const two = collect(new Map([[5, tf.tensor1d([1, 2])], [6, tf.tensor1d([10, 20])], [7, tf.tensor1d([5, 5])]]),
        [5, 6], new Map([[5, 3], [6, 3], [7, 4]]));
    t.deepEqual([...two].map(([v, sum]) => [v, flat(sum)]), [[3, [11, 22]]]);
    trace.dispose();
  });
  tf.dispose([w, x]);
});
