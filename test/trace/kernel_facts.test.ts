/** The facts of the kernels, by running these: each fact of each kernel that runs on float32 tensors here. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {runKernel} from '../../src/tfjs/internals';
import {factsOf, kernelsWith} from '../../src/trace/kernel_facts';
import type {Fact} from '../../src/trace/kernel_fact';

test.before(async () => {
  await tf.setBackend('cpu');
});

type Inputs = Record<string, tf.Tensor>;
interface Call {
  /** The shapes of the inputs, by name; '0', '1', ... for a list. */
  shapes: Record<string, number[]>;
  attrs?: Record<string, unknown>;
  /** Inputs that are the same in every call. */
  fixed?: () => Inputs;
}

const ONE = {x: [3, 4]};
const TWO = {a: [3, 4], b: [4]};
const IMAGES = {x: [2, 4, 6, 2]};
const window = {filterSize: 2, strides: 1, pad: 'same'};
const window3D = {filterSize: [2, 2, 2], strides: [1, 1, 1], pad: 'same', dataFormat: 'NDHWC'};
const local = {depthRadius: 1, bias: 1.3, alpha: 0.7, beta: 0.6};
const condition = (): Inputs => ({condition: tf.tensor2d([[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], [3, 4], 'bool')});
const image = (): tf.Tensor => tf.randomUniform([2, 4, 6, 2], 0.1, 0.9, 'float32', 4);

const ATTRS: Record<string, Record<string, unknown>> = {ClipByValue: {clipValueMin: 0.3, clipValueMax: 0.6}, LeakyRelu: {alpha: 0.3},
  Step: {alpha: 0}, Cast: {dtype: 'float32'}};

const CALLS: Record<string, Call> = {
  ...Object.fromEntries(['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Cast', 'Ceil', 'ClipByValue', 'Cos', 'Cosh', 'Elu', 'Erf', 'Exp',
    'Expm1', 'Floor', 'IsFinite', 'IsInf', 'IsNan', 'LeakyRelu', 'Log', 'Log1p', 'Neg', 'OnesLike', 'Reciprocal', 'Relu', 'Relu6', 'Round', 'Rsqrt', 'Selu',
    'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Softplus', 'Sqrt', 'Square', 'Step', 'Tan', 'Tanh', 'ZerosLike'].map(kernel => [kernel, {shapes: ONE, attrs: ATTRS[kernel]}])),
  ...Object.fromEntries(['Add', 'Atan2', 'Equal', 'FloorDiv', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Maximum', 'Minimum', 'Mod', 'Multiply',
    'NotEqual', 'Pow', 'RealDiv', 'SquaredDifference', 'Sub'].map(kernel => [kernel, {shapes: TWO}])),
  EluGrad: {shapes: {dy: [3, 4], y: [3, 4]}},
  AddN: {shapes: {0: [3, 4], 1: [3, 4]}},
  Prelu: {shapes: {x: [3, 4], alpha: [4]}},
  Select: {shapes: {t: [3, 4], e: [3, 4]}, fixed: condition},
  FusedBatchNorm: {shapes: {x: [3, 4], mean: [4], variance: [4], offset: [4], scale: [4]}, attrs: {varianceEpsilon: 0.01}},
  Concat: {shapes: {0: [3, 4], 1: [3, 2]}, attrs: {axis: 1}},
  Pack: {shapes: {0: [3, 4], 1: [3, 4]}, attrs: {axis: 1}},
  ExpandDims: {shapes: {input: [3, 4]}, attrs: {dim: 1}},
  Reshape: {shapes: ONE, attrs: {shape: [2, 6]}},
  Reverse: {shapes: ONE, attrs: {dims: [1]}},
  Transpose: {shapes: ONE, attrs: {perm: [1, 0]}},
  Slice: {shapes: ONE, attrs: {begin: [1, 0], size: [2, 3]}},
  StridedSlice: {shapes: ONE, attrs: {begin: [0, 3], end: [3, 0], strides: [2, -1], beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0}},
  SplitV: {shapes: ONE, attrs: {numOrSizeSplits: [1, 3], axis: 1}},
  Unpack: {shapes: {value: [3, 4]}, attrs: {axis: 1}},
  Tile: {shapes: ONE, attrs: {reps: [2, 3]}},
  PadV2: {shapes: ONE, attrs: {paddings: [[1, 0], [0, 2]], constantValue: 0}},
  GatherV2: {shapes: ONE, attrs: {axis: 1, batchDims: 0}, fixed: () => ({indices: tf.tensor1d([3, 0, 3], 'int32')})},
  FlipLeftRight: {shapes: {image: [2, 4, 6, 2]}},
  Cumsum: {shapes: ONE, attrs: {axis: 1}},
  Sum: {shapes: ONE, attrs: {axis: [1]}},
  Mean: {shapes: ONE, attrs: {axis: [1]}},
  Max: {shapes: ONE, attrs: {reductionIndices: [1]}},
  Min: {shapes: ONE, attrs: {axis: [1]}},
  BatchMatMul: {shapes: {a: [3, 4], b: [4, 2]}, attrs: {transposeA: false, transposeB: false}},
  AvgPool: {shapes: IMAGES, attrs: window},
  MaxPool: {shapes: IMAGES, attrs: window},
  AvgPool3D: {shapes: {x: [1, 3, 4, 2, 2]}, attrs: window3D},
  MaxPool3D: {shapes: {x: [1, 3, 4, 2, 2]}, attrs: window3D},
  AvgPoolGrad: {shapes: {dy: [2, 4, 6, 2]}, attrs: window, fixed: () => ({input: image()})},
  AvgPool3DGrad: {shapes: {dy: [1, 3, 4, 2, 2]}, attrs: window3D, fixed: () => ({input: tf.ones([1, 3, 4, 2, 2])})},
  LRNGrad: {shapes: {dy: [2, 4, 6, 2]}, attrs: local,
    fixed: () => ({x: image(), y: tf.localResponseNormalization(image() as tf.Tensor4D, 1, 1.3, 0.7, 0.6)})},
  ResizeBilinear: {shapes: {images: [2, 4, 6, 2]}, attrs: {size: [5, 7], alignCorners: false, halfPixelCenters: false}},
  ResizeNearestNeighbor: {shapes: {images: [2, 4, 6, 2]}, attrs: {size: [8, 3], alignCorners: false, halfPixelCenters: false}},
};

/** Kernels that this backend lacks, or whose inputs are no numbers. */
const LEFT_OUT = ['BroadcastTo', 'LogicalAnd', 'LogicalNot', 'LogicalOr'];

const kernelsOf = (fact: Fact): string[] =>
  [...kernelsWith(({facts}) => facts.includes(fact))].filter(kernel => !LEFT_OUT.includes(kernel));

/** Numbers in (0.1, 0.9), and in (1.1, 1.9) for Acosh; all different. */
function inputsOf(kernel: string, seed: number): Inputs {
  const shift = kernel === 'Acosh' ? 1 : 0;
  return Object.fromEntries(Object.entries(CALLS[kernel].shapes).map(([name, shape], i) =>
    [name, tf.randomUniform(shape, 0.1 + shift, 0.9 + shift, 'float32', 10 * seed + i)]));
}

function run(kernel: string, inputs: Inputs): tf.Tensor[] {
  const {attrs = {}, fixed} = CALLS[kernel];
  const all = {...fixed?.(), ...inputs};
  const result = runKernel(kernel, '0' in all ? Object.values(all) : all, attrs);
  return [result].flat();
}

const numbers = (kernel: string, inputs: Inputs): number[] => run(kernel, inputs).flatMap(t => [...t.dataSync()]);

const map = (inputs: Inputs, f: (x: number, name: string, i: number) => number): Inputs => Object.fromEntries(Object.entries(inputs).map(([name, t]) =>
  [name, tf.tensor([...t.dataSync()].map((x, i) => f(x, name, i)), t.shape)]));

const close = (a: readonly number[], b: readonly number[], tolerance = 1e-5): boolean =>
  a.length === b.length && a.every((x, i) => Math.abs(x - b[i]) <= tolerance * (1 + Math.abs(x)));

const plus = (a: Inputs, b: Inputs, factor: number): Inputs => map(a, (x, name, i) => x + factor * b[name].dataSync()[i]);

const zeros = (inputs: Inputs): Inputs => map(inputs, () => 0);

for (const kernel of kernelsOf('entrywise')) {
  test.serial(`${kernel} works entry by entry`, t => {
    const inputs = inputsOf(kernel, 1);
    const [output] = run(kernel, inputs);
    const before = [...output.dataSync()];
    for (const [name, {shape, size}] of Object.entries(inputs)) {
      for (let at = 0; at < size; at++) {
        const after = numbers(kernel, map(inputs, (x, n, i) => n === name && i === at ? x + 0.07 : x));
        // Numbered from behind, as broadcasting does.
        t.true(after.every((y, i) => y === before[i] || i % size === at), `${name}[${shape.join()}]`);
      }
    }
  });
}

for (const kernel of kernelsOf('affine')) {
  test.serial(`${kernel} is affine in all inputs`, t => {
    const [x, z] = [inputsOf(kernel, 1), inputsOf(kernel, 2)];
    const [atZero, atX, atZ, both] = [zeros(x), x, z, plus(x, z, 2)].map(inputs => numbers(kernel, inputs));
    t.true(close(both.map((y, i) => y - atZero[i]), atX.map((y, i) => y - atZero[i] + 2 * (atZ[i] - atZero[i]))));
  });
}

for (const kernel of kernelsOf('selection')) {
  test.serial(`${kernel} takes the same entries whatever they are`, t => {
    const [x, z] = [inputsOf(kernel, 1), inputsOf(kernel, 2)];
    const [from, to] = [x, z].map(inputs => Object.values(inputs).flatMap(input => [...input.dataSync()]));
    t.deepEqual(numbers(kernel, z), numbers(kernel, x).map(y => to[from.indexOf(y)]));
  });
}

for (const fact of ['reshape', 'sameEntries'] as const) {
  test.serial(`the order is kept: ${fact}`, t => {
    kernelsOf(fact).forEach(kernel => t.deepEqual(numbers(kernel, inputsOf(kernel, 1)), [...Object.values(inputsOf(kernel, 1))[0].dataSync()], kernel));
  });
}

for (const kernel of kernelsOf('magnitude')) {
  test.serial(`${kernel} is |u| or max(0, u), beside an operand of 0`, t => {
    const x = [-2, -0.5, 0, 0.5, 2];
    const [first, ...others] = Object.keys(CALLS[kernel].shapes);
    const y = numbers(kernel, {[first]: tf.tensor1d(x), ...Object.fromEntries(others.map(name => [name, tf.scalar(0)]))});
    t.true([x.map(Math.abs), x.map(u => Math.max(0, u))].some(sizes => sizes.every((size, i) => size === y[i])));
  });
}

test.serial('each kernel with a pole makes an infinity there, and not elsewhere', t => {
  const kernels = [...kernelsWith(({pole}) => pole !== undefined)];
  t.true(kernels.length > 4);
  for (const kernel of kernels) {
    const {input, at} = factsOf(kernel)!.pole!;
    const inputs = (x: number): Inputs => Object.fromEntries(Object.keys(CALLS[kernel].shapes).map(name =>
      [name, tf.tensor1d([name === input ? x : kernel === 'Pow' ? -1 : 1])]));
    t.is(Math.abs(numbers(kernel, inputs(at))[0]), Infinity, kernel);
    t.true(Number.isFinite(numbers(kernel, inputs(at + 0.5))[0]), kernel);
  }
});

test.serial('an extremum is an entry of its input, and no other entry of the window or along the axes is beyond it', t => {
  const kernels = [...kernelsWith(({extremum}) => extremum !== undefined)];
  t.deepEqual(kernels.sort(), ['Max', 'MaxPool', 'MaxPool3D', 'Min']);
  for (const kernel of kernels) {
    const {extremum} = factsOf(kernel)!;
    const x = inputsOf(kernel, 1);
    const entries = [...x['x'].dataSync()];
    const y = numbers(kernel, x);
    t.true(y.every(entry => entries.includes(entry)), kernel);
    t.true(y.includes(kernel === 'Min' ? Math.min(...entries) : Math.max(...entries)), kernel);
    t.true(extremum === 'windows' || (CALLS[kernel].attrs![(extremum as {along: string}).along] as number[]).length === 1, kernel);
  }
});

test.serial('the attribute that holds the shape of the output', t => {
  const conv = {strides: 1, pad: 'same', dataFormat: 'NHWC'};
  const [image, volume] = [tf.ones([2, 4, 6, 2]), tf.ones([2, 4, 4, 4, 2])];
  const called: Record<string, [Inputs, Record<string, unknown>]> = {
    Reshape: [{x: tf.ones([3, 4])}, {shape: [2, 6]}],
    BroadcastTo: [{x: tf.ones([1, 4])}, {shape: [3, 4]}],
    Slice: [{x: tf.ones([3, 4])}, {begin: [1, 0], size: [2, 3]}],
    Conv2DBackpropInput: [{dy: image, filter: tf.ones([2, 3, 2, 2])}, {...conv, inputShape: [2, 4, 6, 2]}],
    DepthwiseConv2dNativeBackpropInput: [{dy: image, filter: tf.ones([2, 3, 2, 1])}, {...conv, dilations: 1, inputShape: [2, 4, 6, 2]}],
    Conv3DBackpropInputV2: [{dy: volume, filter: tf.ones([2, 2, 2, 2, 2])}, {...conv, inputShape: [2, 4, 4, 4, 2]}],
  };
  t.deepEqual([...kernelsWith(({outputShape}) => outputShape !== undefined)].sort(), Object.keys(called).sort());
  for (const [kernel, [inputs, attrs]] of Object.entries(called).filter(([kernel]) => !LEFT_OUT.includes(kernel))) {
    t.deepEqual((runKernel(kernel, inputs, attrs) as tf.Tensor).shape, attrs[factsOf(kernel)!.outputShape!] as number[], kernel);
  }
});

test.serial('the sum, the difference, the mean and the square of a difference', t => {
  const [a, b] = [tf.tensor2d([[1, 2], [4, 8]]), tf.tensor1d([3, 5])];
  const wanted: Record<string, number[]> = {Add: [4, 7, 7, 13], Sub: [-2, -3, 1, 3], SquaredDifference: [4, 9, 1, 9]};
  for (const [kernel, y] of Object.entries(wanted)) {
    t.deepEqual([...(runKernel(kernel, {a, b}) as tf.Tensor).dataSync()], y, kernel);
  }
  t.deepEqual([...(runKernel('Mean', {x: a}, {axis: [1]}) as tf.Tensor).dataSync()], [1.5, 6]);
  t.deepEqual([kernelsOf('sum'), kernelsOf('difference'), kernelsOf('mean')], [['Add'], ['Sub'], ['Mean']]);
  const squares = [...kernelsWith(({squareOf}) => squareOf !== undefined)];
  t.deepEqual(squares.map(kernel => [kernel, factsOf(kernel)!.squareOf]), [['SquaredDifference', 'Sub']]);
});

test.serial('the attributes with the order of the axes, the copies along them, and the filling', t => {
  const x = tf.tensor2d([[1, 2, 3], [4, 5, 6]]);
  const y = (kernel: string, by: 'axesBy' | 'copiesBy' | 'filledWith', attr: unknown, others = {}): [number[], number[]] => {
    t.deepEqual([...kernelsWith(facts => facts[by] !== undefined)], [kernel]);
    const result = runKernel(kernel, {x}, {...others, [factsOf(kernel)![by]!]: attr}) as tf.Tensor;
    return [result.shape, [...result.dataSync()]];
  };
  t.deepEqual(y('Transpose', 'axesBy', [1, 0]), [[3, 2], [1, 4, 2, 5, 3, 6]]);
  t.deepEqual(y('Tile', 'copiesBy', [1, 2]), [[2, 6], [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]]);
  t.deepEqual(y('PadV2', 'filledWith', 7, {paddings: [[0, 0], [1, 0]]}), [[2, 4], [7, 1, 2, 3, 7, 4, 5, 6]]);
});

test.serial('kernels that do not broadcast their operands', t => {
  const operands = tf.ones([3, 4]);
  for (const [kernel, inputs, attrs] of [['Concat', [operands, tf.ones([4])], {axis: 0}], ['Pack', [operands, tf.ones([4])], {axis: 0}]] as const) {
    t.true(kernelsOf('unbroadcast').includes(kernel));
    t.throws(() => runKernel(kernel, inputs as never, attrs), undefined, kernel);
  }
  // A condition of one axis belongs to the leading axis.
  const [y] = [runKernel('Select', {condition: tf.tensor1d([1, 0, 1], 'bool'), t: operands, e: tf.zeros([3, 4])}, {}) as tf.Tensor];
  t.deepEqual([...y.sum(1).dataSync()], [4, 0, 4]);
});

for (const kernel of kernelsOf('shift')) {
  test.serial(`${kernel} has derivatives of 1 or -1`, t => {
    const inputs = inputsOf(kernel, 1);
    const before = numbers(kernel, inputs);
    for (const name of Object.keys(inputs)) {
      const change = numbers(kernel, map(inputs, (x, n) => n === name ? x + 0.25 : x)).map((y, i) => y - before[i]);
      t.true(close(change, change.map(() => 0.25)) || close(change, change.map(() => -0.25)));
    }
  });
}

for (const kernel of kernelsOf('exact')) {
  test.serial(`${kernel} rounds nothing`, t => {
    const inputs = inputsOf(kernel, 1);
    const given = new Set(Object.values(inputs).flatMap(input => [...input.dataSync()]).map(Math.abs)).add(0);
    t.true(numbers(kernel, inputs).every(y => given.has(Math.abs(y))));
  });
}

for (const kernel of kernelsOf('constant')) {
  test.serial(`${kernel} does not change with its input`, t => {
    const inputs = inputsOf(kernel, 1);
    t.deepEqual(numbers(kernel, map(inputs, x => x + 1e-4)), numbers(kernel, inputs));
  });
}

for (const kernel of kernelsOf('slope')) {
  test.serial(`${kernel} changes with its input`, t => {
    const inputs = inputsOf(kernel, 1);
    t.notDeepEqual(numbers(kernel, map(inputs, x => x + 1e-2)), numbers(kernel, inputs));
  });
}

for (const kernel of kernelsOf('monotone')) {
  test.serial(`${kernel} is monotone where nothing is negative`, t => {
    const grid = tf.linspace(0.05, 9, 50);
    for (const constant of [-1.5, 0.4, 2]) {
      const isPair = 'b' in CALLS[kernel].shapes;
      const y = numbers(kernel, !isPair ? {x: grid} : kernel === 'RealDiv' ? {a: tf.scalar(constant), b: grid} : {a: grid, b: tf.scalar(constant)});
      const steps = y.slice(1).map((value, i) => value - y[i]);
      t.true(steps.every(step => step >= 0) || steps.every(step => step <= 0), String(constant));
    }
  });
}

for (const kernel of kernelsOf('tame').filter(one => factsOf(one)!.facts.includes('slope'))) {
  test.serial(`${kernel} has finite values and differences at usual numbers`, t => {
    const at = (x: number): number => numbers(kernel, {x: tf.tensor1d([x])})[0];
    for (const x of [-1e4, -30, -1, -1e-7, 0, 1e-7, 1, 30, 1e4]) {
      const h = Math.max(1e-6, Math.abs(x) * 1e-3);
      t.true(Number.isFinite(at(x)) && Math.abs((at(x + h) - at(x)) / h) < 1e5, String(x));
    }
  });
}

for (const kernel of Object.keys(CALLS)) {
  const {linearIn = [], factors = []} = factsOf(kernel)!;
  for (const name of [...linearIn, ...factors]) {
    test.serial(`${kernel} is linear in ${name}`, t => {
      const [x, z] = [inputsOf(kernel, 1), inputsOf(kernel, 2)];
      const wanted = (t: Inputs): number[] => numbers(kernel, {...x, [name]: t[name]});
      const [atX, atZ] = [wanted(x), wanted(z)];
      t.true(close(wanted(plus(x, z, -2)), atX.map((y, i) => y - 2 * atZ[i])));
    });
  }
  for (const name of factsOf(kernel)!.homogeneousIn ?? []) {
    test.serial(`${kernel} scales with ${name}`, t => {
      const x = inputsOf(kernel, 1);
      t.true(close(numbers(kernel, {...x, [name]: tf.mul(x[name], 3)}), numbers(kernel, x).map(y => 3 * y)));
    });
  }
}

test.serial('an input that chooses leaves the kernel linear in the others', t => {
  for (const kernel of ['Select', 'GatherV2']) {
    const [x, z] = [inputsOf(kernel, 1), inputsOf(kernel, 2)];
    const [atX, atZ] = [x, z].map(inputs => numbers(kernel, inputs));
    t.true(close(numbers(kernel, plus(x, z, 2)), atX.map((y, i) => y + 2 * atZ[i])));
    t.true(factsOf(kernel)!.chosenBy! in CALLS[kernel].fixed!());
  }
});

test('a kernel that nobody knows has no facts', t => {
  t.is(factsOf('constructor'), null);
  t.is(factsOf('NoKernel'), null);
});
