/**
 * The table of input cotangents, the rules that serve if tfjs-core was loaded without its gradients: each beside tfjs's; and a curve, a
 * network and losses trained by them alone.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../src/trace/capture';
import {hasOwnGradient, tfjsCotangents} from '../../src/derivatives/cotangents';
import {ggn} from '../../src/index';
import {relativeError} from '../support/relative_error';
import {noise} from '../support/tensors';

const kernels = [...new Set(tf.getKernelsForBackend('cpu').map(({kernelName}) => kernelName))];
const registered = new Map(kernels.map(kernel => [kernel, tf.getGradient(kernel)] as const).filter(([, gradient]) => gradient != null));

/** Runs f where tfjs has no gradients. */
function alone<T>(f: () => T): T {
  registered.forEach((_, kernel) => tf.unregisterGradient(kernel));
  try {
    return f();
  } finally {
    registered.forEach(gradient => tf.registerGradient(gradient));
  }
}

const inside = (shape: number[], seed: number): tf.Tensor => tf.randomUniform(shape, 0.1, 0.9, 'float32', seed);
const above = (shape: number[], seed: number): tf.Tensor => tf.randomUniform(shape, 1.1, 2, 'float32', seed);

const captured = (f: () => tf.Scalar): ReturnType<typeof capture> =>
  tf.tidy(() => capture(f) as unknown as tf.TensorContainer) as unknown as ReturnType<typeof capture>;

type Op = (...inputs: any[]) => tf.Tensor | tf.Tensor[];
const unary = (name: string, of: (shape: number[], seed: number) => tf.Tensor): [string, Op, tf.Tensor[]] =>
  [name, (tf as unknown as Record<string, Op>)[name[0].toLowerCase() + name.slice(1)], [of([3, 4], 1)]];

const OPS: Array<[string, Op, tf.Tensor[]]> = [
  ...['Abs', 'Asinh', 'Atan', 'Ceil', 'Cos', 'Cosh', 'Elu', 'Erf', 'Exp', 'Expm1', 'Floor', 'Neg', 'Round', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Softplus', 'Square',
    'Step', 'Tan', 'Tanh', 'Relu', 'Relu6', 'LeakyRelu'].map(name => unary(name, noise)),
  ...['Acos', 'Asin', 'Atanh', 'Log', 'Log1p', 'Reciprocal', 'Rsqrt', 'Sqrt'].map(name => unary(name, inside)),
  unary('Acosh', above),
  ['ClipByValue', x => tf.clipByValue(x, -0.5, 0.5), [noise([3, 4], 1)]],
  ['Sub', tf.sub, [noise([3, 4], 1), noise([4], 2)]],
  ['Add', tf.add, [noise([3, 1], 1), noise([1, 4], 2)]],
  ['Multiply', tf.mul, [noise([], 1), noise([3, 4], 2)]],
  ['AddN', (a, b) => tf.addN([a, b]), [noise([3, 4], 1), noise([3, 4], 2)]],
  ['RealDiv', tf.div, [noise([3, 4], 1), above([4], 2)]],
  ['SquaredDifference', tf.squaredDifference, [noise([3, 4], 1), noise([3, 4], 2)]],
  ['Maximum', tf.maximum, [noise([3, 4], 1), noise([3, 4], 2)]],
  ['Minimum', tf.minimum, [noise([3, 4], 1), noise([3, 4], 2)]],
  ['Atan2', tf.atan2, [noise([3, 4], 1), noise([3, 4], 2)]],
  ['Pow', tf.pow, [above([3, 4], 1), noise([4], 2)]],
  ['Pow', tf.pow, [tf.tensor([0, 1, -2, 3]), tf.tensor([2, 0, 3, 1])]],
  ['Transpose', x => tf.transpose(x, [2, 0, 1]), [noise([2, 3, 4], 1)]],
  ['Reshape', x => tf.reshape(x, [2, 6]), [noise([3, 4], 1)]],
  ['ExpandDims', x => tf.expandDims(x, 1), [noise([3, 4], 1)]],
  ['Slice', x => tf.slice(x, [1, 0], [2, -1]), [noise([4, 3], 1)]],
  ['PadV2', x => tf.pad(x, [[1, 2], [0, 1]]), [noise([2, 3], 1)]],
  ['Concat', (a, b) => tf.concat([a, b], -1), [noise([2, 3], 1), noise([2, 2], 2)]],
  ['Cumsum', x => tf.cumsum(x, 1), [noise([2, 5], 1)]],
  ['Cumsum', x => tf.cumsum(x, 1, true, true), [noise([2, 5], 1)]],
  ['Select', (a, b) => tf.where(tf.greater(tf.tensor([1, -1, 1]), 0), a, b), [noise([3], 1), noise([3], 2)]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b), [noise([2, 3, 4], 1), noise([2, 4, 5], 2)]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b, true, false), [noise([4, 3], 1), noise([4, 5], 2)]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b, false, true), [noise([3, 4], 1), noise([5, 4], 2)]],
  ['BatchMatMul', (a, b) => tf.matMul(a, b, true, true), [noise([4, 3], 1), noise([5, 4], 2)]],
  ['Sum', x => tf.sum(x, [0, 2]), [noise([2, 3, 4], 1)]],
  ['Mean', x => tf.mean(x, -1, true), [noise([3, 4], 1)]],
  ['Pack', (a, b) => tf.stack([a, b], 1), [noise([3, 4], 1), noise([3, 4], 2)]],
  ['Unpack', x => tf.unstack(x, 1), [noise([2, 3, 2], 1)]],
  ['SplitV', x => tf.split(x, [1, 2, 1], 1), [noise([2, 4], 1)]],
  ['Softmax', x => tf.softmax(x), [noise([3, 4], 1)]],
];

for (const [i, [kernel, op, inputs]] of OPS.entries()) {
  test(`${i}: ${kernel}, ${inputs.map(({shape}) => `[${shape.join()}]`).join(' and ')}, as tfjs has it`, t => {
    const variables = inputs.map(x => tf.variable(x));
    const {trace} = captured(() => {
      const y = op(...variables);
      return tf.addN((Array.isArray(y) ? y : [y]).map(part => tf.sum(tf.cast(part, 'float32')))).asScalar();
    });
    const node = trace.nodes.find(each => each.kernel === kernel)!;
    tf.tidy(() => {
      const dys = node.outputs.map((output, place) => noise(trace.values[output].shape, 7 + place));
      const theirs = tf.grads((...xs: tf.Tensor[]) => {
        const y = op(...xs);
        return tf.addN((Array.isArray(y) ? y : [y]).map((part, place) => tf.sum(tf.mul(part, dys[place]))));
      })(inputs);
      const ours = alone(() => tfjsCotangents(trace.values, node, dys));
      // The condition of a Select comes first, and has no gradient.
      node.inputs.filter(([name]) => name !== 'condition').forEach(([name], place) => {
        const cotangent = ours[name]();
        t.deepEqual(cotangent.shape, inputs[place].shape, name);
        const distance = tf.max(tf.abs(tf.sub(cotangent, theirs[place]))).dataSync()[0];
        t.true(distance < 1e-5 || relativeError(cotangent.dataSync() as Float32Array, theirs[place].dataSync() as Float32Array) < 1e-5, `${name}: ${distance}`);
      });
    });
    trace.dispose();
  });
}

test('where tfjs has gradients, they are taken', t => {
  const w = tf.variable(tf.scalar(1));
  const {trace} = captured(() => tf.exp(w).asScalar());
  const node = trace.nodes.find(({kernel}) => kernel === 'Exp')!;
  t.false(hasOwnGradient(trace.values, node, 'x'));
  t.true(alone(() => hasOwnGradient(trace.values, node, 'x')));
  trace.dispose();
});

const x = tf.linspace(0, 2, 25);
const column = x.reshape([25, 1]);

/** Losses of curves, of a network and of kinds that take a second derivative. */
const JOBS: Record<string, {shapes: number[][]; loss: (w: tf.Variable[]) => tf.Tensor}> = {
  'a curve': {shapes: [[], []], loss: ([a, b]) => tf.mean(tf.square(tf.sub(tf.mul(a, tf.exp(tf.mul(b, x))), tf.exp(tf.mul(x, -1.5)))))},
  'a peak by powers and quotients': {shapes: [[], [], []], loss: ([a, b, c]) =>
    tf.mean(tf.squaredDifference(tf.div(a, tf.add(1, tf.pow(tf.div(tf.sub(x, b), tf.add(1, tf.square(c))), 2))), tf.sin(x)))},
  'a root of the mean square': {shapes: [[], []], loss: ([a, b]) => tf.sqrt(tf.mean(tf.square(tf.sub(tf.add(tf.mul(a, x), tf.sin(tf.add(x, b))), x))))},
  'a network': {shapes: [[1, 6], [6], [6, 1], [1]], loss: ([v, b, u, c]) =>
    tf.mean(tf.square(tf.sub(tf.add(tf.matMul(tf.tanh(tf.add(tf.matMul(column, v), b)), u), c), tf.sin(column))))},
  'classes by softmax, of sigmoids and clipped lines': {shapes: [[1, 6], [6], [6, 2]], loss: ([v, b, u]) => {
    const classes = tf.oneHot(tf.cast(tf.greater(tf.sin(tf.mul(x, 3)), 0), 'int32'), 2);
    const lines = tf.matMul(column, v);
    return tf.losses.softmaxCrossEntropy(classes, tf.matMul(tf.add(tf.sigmoid(tf.add(lines, b)), tf.relu(lines)), u));
  }},
  'a loss of its own': {shapes: [[], []], loss: ([a, b]) => tf.mean(tf.log(tf.cosh(tf.sub(tf.add(tf.mul(a, x), b), tf.square(x)))))},
  'a Poisson regression': {shapes: [[], []], loss: ([a, b]) => {
    const eta = tf.add(tf.mul(a, x), b);
    return tf.mean(tf.sub(tf.exp(eta), tf.mul(eta, tf.square(x))));
  }},
};

for (const [name, {shapes, loss}] of Object.entries(JOBS)) {
  test(`${name} is trained without tfjs's gradients as with them, and nothing is leaked`, t => {
    const trained = (): number[][] => {
      const w = tf.tidy(() => shapes.map((shape, i) => tf.variable(tf.randomNormal(shape, 0.5, 0.3, 'float32', i + 1))));
      const optimizer = ggn();
      const losses = [0, 1, 2, 3].map(() => tf.tidy(() => optimizer.minimize(() => loss(w) as tf.Scalar, true)!.dataSync()[0]));
      const ends = w.map(each => [...each.dataSync()]);
      w.forEach(each => each.dispose());
      optimizer.dispose();
      return [losses, ...ends];
    };
    const tensors = tf.memory().numTensors;
    const [theirs, ours] = [trained(), alone(trained)];
    t.is(tf.memory().numTensors, tensors);
    theirs.forEach((numbers, i) => numbers.forEach((number, k) =>
      t.true(Math.abs(number - ours[i][k]) < 1e-4 * (1 + Math.abs(number)), `${i}: ${number} and ${ours[i][k]}`)));
    t.true(ours[0][3] < ours[0][0]);
  });
}

test('the gradient of a kernel that is not among them: what to import', t => {
  const w = tf.variable(tf.tensor1d([1, 2, 3]));
  const error = alone(() => t.throws(() => ggn().minimize(() => tf.mean(tf.square(tf.prod(w))).asScalar())));
  t.regex(error!.message, /tfjs-core was loaded without its gradients, and that of the kernel 'Prod' is needed.*npm install @tensorflow\/tfjs-layers/);
});
