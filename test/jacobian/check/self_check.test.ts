/** The self-check: a wrong Jacobian shows on the first step of a trace, and no step is taken. */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {ggn, type GramGaussNewton} from '../../../src/index';
import {BatchJacobian} from '../../../src/jacobian/sweep/batch_jacobian';
import {selfCheck} from '../../../src/jacobian/check/self_check';
import {MatrixUse} from '../../../src/jacobian/uses/matmul';
import {SharedUse} from '../../../src/jacobian/uses/shared';
import {residualRows, rowWeights} from '../../cases/cases';
import {denseJacobian, referenceStep} from '../../reference/dense_jacobian';
import {normalWeights, variablesOf, weightsOf} from '../../support/models';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {replace} from '../../support/replace';
import {noise} from '../../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const L = tf.layers;

/** One Dense layer used twice: its Gram matrix has cross terms. */
function shared(): tf.LayersModel {
  const inputs = [tf.input({shape: [3]}), tf.input({shape: [3]})];
  const dense = L.dense({units: 4, activation: 'tanh', ...normalWeights(1, 0.6)});
  const joined = L.add().apply(inputs.map(input => dense.apply(input) as tf.SymbolicTensor));
  return tf.model({inputs, outputs: L.dense({units: 2, ...normalWeights(2, 0.6)}).apply(joined) as tf.SymbolicTensor});
}

const sharedBatch = (size = 5): [tf.Tensor[], tf.Tensor] => [[noise([size, 3], 3), noise([size, 3], 4)], noise([size, 2], 5)];

/** The step is refused with this message, nothing has changed, and without the fault the next step is taken. */
async function refused(t: ExecutionContext, message: RegExp, breakIt: () => () => void, start = 'the self-check of the Jacobian failed'): Promise<void> {
  const model = shared();
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const [x, y] = sharedBatch();
  const before = weightsOf(model);
  const {numTensors} = tf.memory();
  const mend = breakIt();
  try {
    const error = await t.throwsAsync(model.trainOnBatch(x, y), {message});
    t.regex(error.message, new RegExp(`^tfjs-ggn: ${start}.*No step was taken`));
  } finally {
    mend();
  }
  t.deepEqual(weightsOf(model), before);
  t.is(tf.memory().numTensors, numTensors);
  t.is(optimizer.lastStep, null);
  t.is(optimizer.iterations, 0);
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.status, 'ok');
  t.notDeepEqual(weightsOf(model), before);
}

// ------------------------------------------------------------------------------------------------------------------------ faults put in

test.serial('forgotten cross terms of a layer that is used twice', async t => {
  await refused(t, /G u differs from J\(Jᵀu\) by \d\.\de-[12] of its norm/, () => replace(SharedUse, 'stack', original => uses => {
    const use = original(uses);
    use.gram = () => ({left: null, right: uses.map(one => {
      const rows = one.rows(0, one.examples) as tf.Tensor2D;
      return tf.matMul(rows, rows, false, true) as tf.Tensor;
    }).reduce((a, b) => tf.add(a, b))});
    use.settled = () => use;
    return use;
  }));
});

test.serial('a Gram matrix of a matrix use that is a little off', async t => {
  await refused(t, /G u differs/, () => replace(MatrixUse.prototype, 'gram', original => function(this: MatrixUse, products) {
    const {left, right} = original.call(this, products);
    return {left, right: tf.mul(right, 1.02)};
  }));
});

test.serial('a Gram matrix that is not a number', async t => {
  await refused(t, /is not finite/, () => replace(BatchJacobian.prototype, 'gram', original => function(this: BatchJacobian, partOf) {
    return original.call(this, partOf).map(gram => tf.mul(gram, NaN));
  }), 'the Jacobian of the batch');
});

test.serial('selfCheck finds fault with what is not a number', async t => {
  const model = shared();
  let looked = false;
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan, jacobian, grams: [gram]}}) => {
    looked = true;
    t.regex(selfCheck(trace, plan, jacobian, gram.map((g, i) => i === 7 ? NaN : g))!, /^G u differs/);
  })});
  await model.trainOnBatch(...sharedBatch());
  t.true(looked);
});

test.serial('J d of the wrong order of rows', async t => {
  await refused(t, /G u differs/, () => replace(BatchJacobian.prototype, 'apply', original => function(this: BatchJacobian, d) {
    return tf.reverse(original.call(this, d));
  }));
});

test.serial('Jᵀu that leaves out a variable, or scales it', async t => {
  for (const fault of [() => null, (part: tf.Tensor | null) => part === null ? null : tf.mul(part, 1.01), (part: tf.Tensor | null) => part === null ? null : tf.mul(part, NaN)]) {
    await refused(t, /Jᵀu from the uses of the variable '.*(kernel|bias).*' differs from an ordinary reverse sweep by/, () =>
      replace(BatchJacobian.prototype, 'applyTranspose', original => function(this: BatchJacobian, u, wanted) {
        return original.call(this, u, wanted).map((part, v) => v === 1 ? fault(part) : part);
      }));
  }
});

test.serial('a derivative that differs from that of tfjs', async t => {
  const tanh = tf.getGradient('Tanh');
  await refused(t, /Jᵀu from the uses of the variable/, () => {
    tf.unregisterGradient('Tanh');
    tf.registerGradient({...tanh, gradFunc: (dy, saved) => ({x: () => tf.mul(dy as tf.Tensor, tf.sub(1, saved[0].abs()))})});
    return () => {
      tf.unregisterGradient('Tanh');
      tf.registerGradient(tanh);
    };
  });
});

test.serial('in a custom loop a fault of the batched way ends row by row, and exact', t => {
  // The Gram matrix of the batched way is broken; the one of a single example is not.
  const w = tf.variable(noise([3, 2], 1)) as tf.Variable<tf.Rank.R2>;
  const [x, y] = [noise([2, 3], 2) as tf.Tensor2D, noise([2, 2], 3)];  // fewer rows than parameters
  const rows = (): tf.Tensor => tf.tanh(tf.matMul(x, w)).sub(y);
  const {jacobian, rows: residual, n, m} = denseJacobian(rows, [w]);
  const expected = referenceStep({jacobian, n, m, residual, weights: new Float64Array(n).fill(1 / n), damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
  const before = w.dataSync().slice();
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  const mend = replace(MatrixUse.prototype, 'gram', original => function(this: MatrixUse, products) {
    const {left, right} = original.call(this, products);
    return {left, right: this.examples > 1 ? tf.mul(right, 2) : right};
  });
  try {
    optimizer.minimize(() => rows().square().mean());
  } finally {
    mend();
  }
  t.is(optimizer.lastStep!.jacobian, 'rowByRow');
  t.true(relativeError(w.dataSync().map((value, i) => value - before[i]), expected.step) < 1e-4);
  tf.dispose([w, x, y]);
});

// ------------------------------------------------------------------------------------------------------------------------ the check itself

test.serial('selfCheck: null for what is right, and a word for each thing that is not', async t => {
  const model = shared();
  let looked = 0;
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan, jacobian, grams}}) => {
    looked++;
    const [gram] = grams;
    const n = jacobian.rows;
    t.is(selfCheck(trace, plan, jacobian, gram), null);
    const {numTensors} = tf.memory();
    t.is(selfCheck(trace, plan, jacobian, gram), null);
    t.is(tf.memory().numTensors, numTensors);
    // Rounding passes, an error of one percent in one row does not.
    t.is(selfCheck(trace, plan, jacobian, gram.map((g, i) => g * (1 + 1e-6 * (i % 3)))), null);
    t.regex(selfCheck(trace, plan, jacobian, gram.map((g, i) => Math.floor(i / n) === 2 ? 1.05 * g : g))!, /^G u differs/);
    t.regex(selfCheck(trace, plan, jacobian, new Float64Array(n * n))!, /^G u differs from J\(Jᵀu\) by 1\.0e\+0/);
    // Rows in the order (component, example).
    const order = Array.from({length: n}, (_, r) => (r % 5) * 2 + Math.floor(r / 5));
    t.regex(selfCheck(trace, plan, jacobian, gram.map((_, i) => gram[order[Math.floor(i / n)] * n + order[i % n]]))!, /^G u differs/);
  })});
  await model.trainOnBatch(...sharedBatch());
  t.is(looked, 1);
});

/** Kernels that a step runs. */
async function kernelsOf(step: () => unknown): Promise<number> {
  const open = tf.engine() as unknown as Record<string, unknown> & {runKernel: (...args: unknown[]) => unknown};
  const original = open.runKernel;
  let count = 0;
  open.runKernel = (...args) => {
    count++;
    return original.apply(open, args);
  };
  try {
    await step();
  } finally {
    delete (open as Record<string, unknown>)['runKernel'];
  }
  return count;
}

test.serial('it runs once for every trace: first step, smaller last batch, another model, another kind of call', async t => {
  let sweeps = 0;
  const count = replace(BatchJacobian.prototype, 'apply', original => function(this: BatchJacobian, d) {
    sweeps++;
    return original.call(this, d);
  });
  try {
    const model = shared();
    const optimizer = ggn({momentum: 0, policy: 'fixed', scaling: 'levenberg'});  // units of layers take kernels now and then
    model.compile({optimizer, loss: 'meanSquaredError'});
    const [full, rest] = [sharedBatch(5), sharedBatch(3)];
    const train = (batch: [tf.Tensor[], tf.Tensor]) => kernelsOf(() => model.trainOnBatch(...batch));
    const counts: Array<readonly [number, number]> = [];
    for (const batch of [full, full, full, rest, rest, full]) {
      sweeps = 0;
      const kernels = await train(batch);
      counts.push([kernels, sweeps]);
    }
    const [first, second, third, smaller, smallerAgain, back] = counts;
    t.deepEqual(third, second);
    t.deepEqual(back, second);
    t.deepEqual(smallerAgain[1], second[1]);
    const more = 1 + model.trainableWeights.length;
    t.is(first[1], second[1] + more, 'one product J(Jᵀu) more, and one for each variable');
    t.is(smaller[1], smallerAgain[1] + more);
    t.true(first[0] > second[0] + 20 && smaller[0] > smallerAgain[0] + 20, counts.join(' '));

    const other = shared();
    other.compile({optimizer, loss: 'meanSquaredError'});
    sweeps = 0;
    await other.trainOnBatch(...full);
    t.is(sweeps, first[1], 'other variables: another trace');
    sweeps = 0;
    await train(full);
    t.is(sweeps, second[1], 'the first model is still known');
  } finally {
    count();
  }
});

test.serial('another optimizer checks for itself', t => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  let sweeps = 0;
  const mend = replace(BatchJacobian.prototype, 'apply', original => function(this: BatchJacobian, d) {
    sweeps++;
    return original.call(this, d);
  });
  const step = (optimizer: GramGaussNewton): number => {
    sweeps = 0;
    optimizer.minimize(() => tf.mul(w, [[1, 2], [3, 4], [5, 6]]).sub(1).square().mean());
    return sweeps;
  };
  try {
    const [a, b] = [ggn({momentum: 0, policy: 'fixed'}), ggn({momentum: 0, policy: 'fixed'})];
    const first = step(a);
    const second = step(a);
    t.is(first, second + 2);
    t.is(step(b), first);
    t.is(step(b), second);
  } finally {
    mend();
  }
});

// ---------------------------------------------------------------------------------------------------- layers that move or mix the examples

/** A layer [B, 4] -> [B, 4] from a function. */
class Mixing extends L.Layer {
  static className = 'TestMixing';

  constructor(private readonly f: (x: tf.Tensor) => tf.Tensor) {
    super({});
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => this.f(Array.isArray(inputs) ? inputs[0] : inputs));
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }
}

/** A full step of fit against the reference, whose J holds the influence of every example on every row. */
async function exactInFit(t: ExecutionContext, model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor, way: 'batch' | 'forward' | 'rowByRow' = 'rowByRow'): Promise<void> {
  const variables = variablesOf(model);
  const {jacobian, rows, n, m} = denseJacobian(() => residualRows(model, {x, y}), variables);
  const {step} = referenceStep({jacobian, n, m, residual: rows, weights: rowWeights(model, {x, y}), damping: 0.1, momentum: 0, previous: null,
    ridge: null, extraGradient: null});
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const before = weightsOf(model);
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.jacobian, way);
  t.true(relativeError(weightsOf(model).map((w, i) => w - before[i]), step) < 2e-4);
}

const mixing: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  'reads the batch as [4, B] and turns it': x => x.reshape([4, -1]).transpose(),
  'rolls the batch': x => tf.concat([x.slice([1, 0]), x.slice([0, 0], [1, 4])], 0),
  'reverses the batch': x => x.reverse(0),
  'reverses all axes': x => x.reverse(),
  'sums along the batch': x => x.transpose().cumsum(1).transpose(),  // tfjs's gradient of cumsum(0) is wrong
  'attends to the other examples': x => tf.matMul(tf.softmax(tf.matMul(x, x, false, true)), x),
  'permutes the batch': x => x.gather(tf.tensor1d([3, 1, 2, 0], 'int32')),
  'multiplies by the transpose': x => x.mul(x.transpose()),
  'goes along the edges of a graph': x => tf.matMul(tf.tensor2d([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]), x),
  'adds up examples by segment': x => tf.unsortedSegmentSum(x, tf.tensor1d([0, 0, 2, 3], 'int32'), 4),
};

for (const [name, f] of Object.entries(mixing)) {
  test.serial(`fit: a layer that ${name} is trained exactly, row by row`, t => exactInFit(t,
      tf.sequential({layers: [L.dense({units: 4, inputShape: [3], activation: 'tanh', ...normalWeights(1, 0.6)}), new Mixing(f), L.dense({units: 2, ...normalWeights(2, 0.6)})]}),
      noise([4, 3], 3), noise([4, 2], 4)));
}

const harmless: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  'turns there and back': x => x.transpose().mul(2).transpose(),
  'splits an axis and joins it': x => x.reshape([-1, 2, 2]).transpose([0, 2, 1]).reshape([-1, 4]),
  'goes features first through a product': x => tf.matMul(tf.ones([4, 4]), x.transpose()).transpose().add(x),
  'puts an axis in front': x => x.expandDims(0).squeeze([0]),
  'looks at every example alone': x => tf.stack(tf.unstack(x, 1).map(column => column.tanh()), 1),
};

for (const [name, f] of Object.entries(harmless)) {
  test.serial(`fit: a layer that ${name} is trained exactly`, async t => {
    const model = tf.sequential({layers: [L.dense({units: 4, inputShape: [3], activation: 'tanh', ...normalWeights(1, 0.6)}), new Mixing(f), L.dense({units: 2, ...normalWeights(2, 0.6)})]});
    const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const [x, y] = [noise([5, 3], 3), noise([5, 2], 4)];
    const variables = variablesOf(model);
    const {jacobian, rows, n, m} = denseJacobian(() => tf.sub(model.apply(x) as tf.Tensor, y), variables);
    const {step} = referenceStep({jacobian, n, m, residual: rows, weights: new Float64Array(n).fill(1 / n), damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
    const before = weightsOf(model);
    await model.trainOnBatch(x, y);
    t.true(relativeError(weightsOf(model).map((w, i) => w - before[i]), step) < 2e-4);
  });
}

/** Examples interleaved by SpaceToBatchND, for whose kernel there is no rule, a variable in between, and put back. */
const interleaved = (x: tf.Tensor, w: tf.Tensor): tf.Tensor => {
  const apart = tf.spaceToBatchND(x.reshape([-1, 2, 2, 1]), [2, 2], [[0, 0], [0, 0]]);
  return tf.batchToSpaceND(tf.tanh(tf.matMul(apart.reshape([-1, 1]), w as tf.Tensor2D)).reshape([-1, 1, 1, 2]), [2, 2], [[0, 0], [0, 0]]).reshape([-1, 8]);
};

test.serial('a kernel without a rule for its examples: exact in fit and in a loop', async t => {
  class Interleaved extends L.Layer {
    static className = 'TestInterleaved';
    private w!: tf.LayerVariable;
    override build(): void {
      this.w = this.addWeight('w', [1, 2], 'float32', tf.initializers.randomNormal({stddev: 0.5, seed: 3}));
      this.built = true;
    }
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
      return tf.tidy(() => interleaved(Array.isArray(inputs) ? inputs[0] : inputs, this.w.read()));
    }
    override computeOutputShape([batch]: tf.Shape): tf.Shape {
      return [batch, 8];
    }
  }
  const model = tf.sequential({layers: [L.inputLayer({inputShape: [4]}), new Interleaved({})]});
  const [x, y] = [noise([3, 4], 3), noise([3, 8], 4)];
  const before = weightsOf(model);
  // The output of the kernel for data alone is constant, whatever the kernel does with the examples.
  await exactInFit(t, model, x, y, 'batch');
  t.notDeepEqual(weightsOf(model), before);

  const w = tf.variable(noise([1, 2], 5));
  const rows = (): tf.Tensor => interleaved(x, w).sub(y);
  const {jacobian, rows: residual, n, m} = denseJacobian(rows, [w]);
  const expected = referenceStep({jacobian, n, m, residual, weights: new Float64Array(n).fill(1 / n), damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
  const start = w.dataSync().slice();
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  optimizer.minimize(() => rows().square().mean());
  t.is(optimizer.lastStep!.jacobian, 'batch');
  t.true(relativeError(w.dataSync().map((value, i) => value - start[i]), expected.step) < 2e-4);
});
