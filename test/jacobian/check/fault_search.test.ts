/** After a failed self-check: each kind of fault, put in on purpose, is found where it is, by kernel and layer. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn} from '../../../src/index';
import {BatchJacobian} from '../../../src/jacobian/sweep/batch_jacobian';
import type {Rule} from '../../../src/derivatives/rules/rule';
import {rulesOf} from '../../../src/derivatives/table';
import {findFault} from '../../../src/jacobian/check/fault_search';
import {MatrixUse} from '../../../src/jacobian/uses/matmul';
import {RowsUse} from '../../../src/jacobian/uses/rows';
import {SharedUse} from '../../../src/jacobian/uses/shared';
import {normalWeights, weightsOf} from '../../support/models';
import {Probe} from '../../support/probe';
import {replace} from '../../support/replace';
import {noise} from '../../support/tensors';

const L = tf.layers;

const dense = (activation: 'tanh' | 'sigmoid' | 'linear' = 'tanh'): tf.LayersModel => tf.sequential({layers: [
  L.dense({name: 'first', units: 4, inputShape: [3], activation, ...normalWeights(1, 0.6)}), L.dense({name: 'second', units: 2, ...normalWeights(2, 0.6)})]});

const twice = (): tf.LayersModel => {
  const inputs = [tf.input({shape: [3]}), tf.input({shape: [3]})];
  const shared = L.dense({name: 'shared', units: 4, activation: 'tanh', ...normalWeights(1, 0.6)});
  const joined = L.add().apply(inputs.map(input => shared.apply(input) as tf.SymbolicTensor));
  return tf.model({inputs, outputs: L.dense({name: 'last', units: 2, ...normalWeights(2, 0.6)}).apply(joined) as tf.SymbolicTensor});
};

/** Two convolutions whose rows are large enough not to be kept, and no product at the end. */
const convolutions = (strides: number): tf.LayersModel => tf.sequential({layers: [
  L.conv2d({name: 'edges', inputShape: [6, 6, 2], filters: 3, kernelSize: 3, padding: 'same', activation: 'tanh', ...normalWeights(1, 0.6)}),
  L.conv2d({name: 'corners', filters: 2, kernelSize: 3, strides, padding: 'same', ...normalWeights(2, 0.6)}), L.globalAveragePooling2d({} as never)]});

interface Fault {
  backend?: 'cpu' | 'wasm';
  model: () => tf.LayersModel;
  data?: (shape: number[], seed: number) => tf.Tensor;
  /** Puts the fault in; the function that is returned takes it out. */
  breakIt: () => () => void;
  message: RegExp[];
}

/** The step is refused with a message that names all of it, nothing has changed, and without the fault the next step is taken. */
async function refused(t: ExecutionContext, {backend = 'cpu', model: make, data = noise, breakIt, message}: Fault): Promise<void> {
  await tf.setBackend(backend);
  const model = make();
  model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  const x = model.inputs.map((input, i) => data([5, ...input.shape.slice(1) as number[]], 3 + i));
  const y = noise([5, ...model.outputs[0].shape.slice(1) as number[]], 9);
  const before = weightsOf(model);
  const {numTensors} = tf.memory();
  const mend = breakIt();
  try {
    const error = await t.throwsAsync(model.trainOnBatch(x, y), {message: /^tfjs-ggn: the self-check of the Jacobian failed:.*No step was taken/});
    message.forEach(part => t.regex(error.message, part));
  } finally {
    mend();
  }
  t.deepEqual(weightsOf(model), before);
  t.is(tf.memory().numTensors, numTensors);
  await model.trainOnBatch(x, y);
  t.notDeepEqual(weightsOf(model), before);
}

/** Replaces a kernel by ops on the output of the original. */
function replaceKernel(name: string, backend: string, make: (run: (params: any) => tf.TensorInfo, params: any) => tf.TensorInfo): () => void {
  const config = tf.getKernel(name, backend);
  const register = (kernelFunc: tf.KernelFunc): void => {
    tf.unregisterKernel(name, backend);
    tf.registerKernel({...config, kernelFunc});
  };
  register(params => make(p => config.kernelFunc(p) as tf.TensorInfo, params));
  return () => register(config.kernelFunc);
}

/** Halves the result of a method. */
const halved = (target: object, name: string): (() => void) => replace(target as Record<string, (...args: any[]) => tf.Tensor>, name,
    original => function(this: unknown, ...args) {
      return tf.mul(original.apply(this, args), 0.5);
    });

const FAULTS: Record<string, Fault> = {
  'a cotangent rule of ours': {
    model: () => dense('sigmoid'),
    breakIt: () => replace(rulesOf('Sigmoid').find(({why}) => why === 'slow') as {pull: Rule['pull']}, 'pull',
        original => (...args) => tf.mul(original(...args), 1.1)),
    message: [/the gradient that tfjs-ggn has of the kernel 'Sigmoid' in its input 'x' \(in or behind the layer 'first', Dense\) differs from that of tfjs by \d\.\de-[12] of its norm/i,
      /please report the model/],
  },
  'a gradient that a user has registered in the place of one that is ours as well': {
    model: dense,
    breakIt: () => {
      const tanh = tf.getGradient('Tanh');
      tf.unregisterGradient('Tanh');
      tf.registerGradient({...tanh, gradFunc: (dy, saved) => ({x: () => tf.mul(dy as tf.Tensor, tf.sub(1, saved[0].abs()))})});
      return () => {
        tf.unregisterGradient('Tanh');
        tf.registerGradient(tanh);
      };
    },
    message: [/kernel 'Tanh' in its input 'x'.*'first'/, /If you have registered a gradient of your own for 'Tanh', mend it/],
  },
  'Jᵀu of a matrix': {
    model: dense,
    breakIt: () => halved(MatrixUse.prototype, 'applyTranspose'),
    message: [/The product Jᵀu of the variable '(first|second)\/kernel(_\d+)?', the input 'b' of the kernel '(BatchMatMul|_FusedMatMul)' \(in the layer '(first|second)', Dense\)/],
  },
  'Jᵀu of a matrix, by the product that it shares with its bias': {
    model: () => tf.sequential({layers: [L.dense({name: 'first', units: 4, inputShape: [3], activation: 'tanh', ...normalWeights(1, 0.6)}), L.dense({name: 'second', units: 1, ...normalWeights(2, 0.6)})]}),
    breakIt: () => halved(MatrixUse.prototype, 'pullWeighted'),
    message: [/The product Jᵀu of the variable '(first|second)\/kernel(_\d+)?', the input 'b' of the kernel '(BatchMatMul|_FusedMatMul)' \(in the layer '(first|second)', Dense\)/],
  },
  'J d of a bias': {
    model: dense,
    breakIt: () => halved(RowsUse.prototype, 'apply'),
    message: [/G u differs from J\(Jᵀu\)/, /The product J d of the variable '(first|second)\/bias(_\d+)?', the input '(b|bias)' of the kernel '(Add|_FusedMatMul)'/],
  },
  'the Gram matrix of a matrix': {
    model: dense,
    breakIt: () => replace(MatrixUse.prototype, 'gram', original => function(this: MatrixUse, products) {
      const {left, right} = original.call(this, products);
      return {left, right: tf.mul(right, 1.02)};
    }),
    message: [/G u differs from J\(Jᵀu\)/, /The product G u of the variable '(first|second)\/kernel(_\d+)?', the input 'b' of the kernel/],
  },
  'dense rows of time steps': {
    model: () => tf.sequential({layers: [L.simpleRNN({name: 'memory', units: 4, inputShape: [3, 2], ...normalWeights(1, 0.6)}), L.dense({name: 'second', units: 2, ...normalWeights(2, 0.6)})]}),
    breakIt: () => halved(SharedUse.prototype, 'rows'),
    message: [/the variable 'memory\/(kernel|recurrent_kernel)(_\d+)?'/, /in the layer 'memory', SimpleRNN/],
  },
  'J d of kept rows': {
    model: () => tf.sequential({layers: [L.simpleRNN({name: 'memory', units: 4, inputShape: [3, 2], ...normalWeights(1, 0.6)}), L.dense({name: 'second', units: 2, ...normalWeights(2, 0.6)})]}),
    breakIt: () => halved(RowsUse.prototype, 'apply'),
    message: [/the product J d of all of them together|The product J d of the variable/, /'memory\/(kernel|recurrent_kernel)(_\d+)?'/],
  },
  'forgotten cross terms of a layer that is used twice': {
    model: twice,
    breakIt: () => replace(SharedUse, 'stack', original => uses => {
      const use = original(uses);
      use.gram = () => ({left: null, right: uses.map(one => {
        const rows = one.rows(0, one.examples) as tf.Tensor2D;
        return tf.matMul(rows, rows, false, true) as tf.Tensor;
      }).reduce((a, b) => tf.add(a, b))});
      use.settled = () => use;
      return use;
    }),
    message: [/Each use of the variable 'shared\/kernel(_\d+)?' in the kernel '.*' \(in the layer 'shared', Dense\) is right, but the product G u of all of them together is wrong/,
      /cross terms/],
  },
  'a variable that the joined Jᵀu leaves out': {
    model: dense,
    breakIt: () => replace(BatchJacobian.prototype, 'applyTranspose', original => function(this: BatchJacobian, u, wanted) {
      return original.call(this, u, wanted).map((part, v) => v === 1 ? null : part);
    }),
    message: [/Each use of the variable 'first\/bias(_\d+)?' .* is right, but the product Jᵀu of all of them together is wrong/],
  },
  'a kernel that mixes the examples, of which the rule says that it does not': {
    model: () => {
      class Wave extends L.Layer {
        static className = 'TestWave';
        override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
          return tf.sin(Array.isArray(inputs) ? inputs[0] : inputs);
        }
      }
      return tf.sequential({layers: [L.dense({name: 'first', units: 4, inputShape: [3], ...normalWeights(1, 0.6)}), new Wave({}), L.dense({name: 'second', units: 2, ...normalWeights(2, 0.6)})]});
    },
    breakIt: () => {
      const sin = tf.getGradient('Sin');
      tf.unregisterGradient('Sin');
      tf.registerGradient({...sin, gradFunc: dy => ({x: () => tf.reverse(dy as tf.Tensor, 0)})});
      const reverse = tf.getKernel('Reverse', 'cpu').kernelFunc;
      const mend = replaceKernel('Sin', 'cpu', (_, {inputs: {x}, backend}) => reverse({inputs: {x}, attrs: {dims: [0]}, backend}) as tf.TensorInfo);
      return () => {
        mend();
        tf.unregisterGradient('Sin');
        tf.registerGradient(sin);
      };
    },
    message: [/The kernel 'Sin' \(in or behind the layer 'first', Dense\) mixes the examples of the batch/],
  },
  'the gradient of a convolution in its input, which WASM lacks': {
    backend: 'wasm',
    model: () => convolutions(1),
    // Only the gradient turns a filter around.
    breakIt: () => replaceKernel('Reverse', 'wasm', (_, {inputs: {x}, backend}) =>
      tf.getKernel('Identity', 'wasm').kernelFunc({inputs: {x}, attrs: {}, backend}) as tf.TensorInfo),
    message: [/the gradient that tfjs-ggn has of the kernel 'Conv2D' in its input 'x' \(in the layer 'corners', Conv2D\) differs from the kernel itself by \d\.\de[+-]\d of its norm; tfjs has none/i],
  },
  'the same with strides': {
    backend: 'wasm',
    model: () => convolutions(2),
    breakIt: () => replaceKernel('Reverse', 'wasm', (_, {inputs: {x}, backend}) =>
      tf.getKernel('Identity', 'wasm').kernelFunc({inputs: {x}, attrs: {}, backend}) as tf.TensorInfo),
    message: [/kernel 'Conv2D' in its input 'x' \(in the layer 'corners', Conv2D\)/],
  },
  'the gradient of a convolution in its filter, which WASM lacks': {
    backend: 'wasm',
    model: () => tf.sequential({layers: [L.conv2d({name: 'edges', inputShape: [6, 6, 2], filters: 3, kernelSize: 3, padding: 'same', ...normalWeights(1, 0.6)}), L.globalAveragePooling2d({} as never)]}),
    // The model runs FusedConv2D: its gradient is compared with the plain kernel.
    breakIt: () => replaceKernel('Conv2D', 'wasm', (run, {inputs, attrs, backend}) => {
      const filter = inputs.filter as tf.Tensor;
      const mask = tf.tensor(Float32Array.from({length: filter.size}, (_, i) => i < 6 ? 1.5 : 1), filter.shape);
      return run({inputs: {...inputs, filter: tf.mul(filter, mask)}, attrs, backend});
    }),
    message: [/kernel 'Conv2D' in its input 'filter' \(in the layer 'edges', Conv2D\) differs from the kernel itself/],
  },
  'the gradient of a gather, which is ours on cpu': {
    model: () => tf.sequential({layers: [L.embedding({name: 'words', inputDim: 6, outputDim: 3, inputLength: 4}), L.flatten(), L.dense({name: 'second', units: 2, ...normalWeights(2, 0.6)})]}),
    data: (shape, seed) => tf.randomUniform(shape, 0, 6, 'int32', seed),
    breakIt: () => replaceKernel('GatherV2', 'cpu', (run, {inputs, attrs, backend}) =>
      run({inputs: {...inputs, indices: tf.clone(tf.mod(tf.add(inputs.indices, 1), 6)).cast('int32')}, attrs, backend})),
    message: [/kernel 'GatherV2' in its input 'x' \(in the layer 'words', Embedding\)/],
  },
  'the gradient of a maximum, which is ours on WASM': {
    backend: 'wasm',
    model: () => tf.sequential({layers: [L.conv2d({name: 'edges', inputShape: [6, 6, 2], filters: 3, kernelSize: 3, ...normalWeights(1, 0.6)}),
      L.maxPooling2d({poolSize: 2}), L.flatten(), L.dense({name: 'second', units: 2, ...normalWeights(2, 0.6)})]}),
    // No entry of a window is its maximum.
    breakIt: () => replaceKernel('MaxPool', 'wasm', (run, params) => run({...params, inputs: {x: tf.mul(params.inputs.x, 1.5)}})),
    message: [/kernel 'MaxPool' in its input 'x' \(in or behind the layer 'edges', Conv2D\)/],
  },
};

for (const [name, fault] of Object.entries(FAULTS)) {
  test.serial(name, t => refused(t, fault));
}

test.serial('in a custom loop only variables are named', async t => {
  await tf.setBackend('cpu');
  const w = tf.variable(noise([1100, 1], 1), true, 'slope') as tf.Variable<tf.Rank.R2>;
  // More rows and parameters than may go one by one.
  const [x, y] = [noise([1030, 1100], 2).div(30) as tf.Tensor2D, noise([1030, 1], 3)];
  const mend = halved(MatrixUse.prototype, 'pullWeighted');
  try {
    const error = t.throws(() => ggn({solver: 'gram'}).minimize(() => tf.tanh(tf.matMul(x, w)).sub(y).square().mean()));
    t.regex(error.message, /The product Jᵀu of the variable 'slope', the input 'b' of the kernel 'BatchMatMul', is wrong/);
    t.notRegex(error.message, /layer/);
  } finally {
    mend();
  }
  tf.dispose([w, x, y]);
});

test.serial('a gradient that a user registered for a kernel without a rule of ours is taken as it is, as by every optimizer', async t => {
  await tf.setBackend('cpu');
  const softplus = tf.getGradient('Softplus');
  tf.unregisterGradient('Softplus');
  tf.registerGradient({...softplus, gradFunc: dy => ({x: () => (dy as tf.Tensor).clone()})});
  try {
    const model = tf.sequential({layers: [L.dense({units: 4, inputShape: [3], activation: 'softplus', ...normalWeights(1, 0.6)}), L.dense({units: 2, ...normalWeights(2, 0.6)})]});
    const optimizer = ggn();
    model.compile({optimizer, loss: 'meanSquaredError'});
    await model.trainOnBatch(noise([5, 3], 3), noise([5, 2], 4));
    t.is(optimizer.lastStep!.status, 'ok');
  } finally {
    tf.unregisterGradient('Softplus');
    tf.registerGradient(softplus);
  }
});

for (const backend of ['cpu', 'wasm'] as const) {
  test.serial(`${backend}: the search finds nothing where all is right, leaves no tensor and does not throw`, async t => {
    await tf.setBackend(backend);
    for (const make of [dense, twice, () => convolutions(2)]) {
      const model = make();
      let looked = false;
      model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan, jacobian}}) => {
        looked = true;
        const {numTensors} = tf.memory();
        t.is(findFault(trace, plan, jacobian), null);
        t.is(tf.memory().numTensors, numTensors);
        t.is(findFault(trace, plan, {} as BatchJacobian), null);
        t.is(tf.memory().numTensors, numTensors);
      })});
      await model.trainOnBatch(model.inputs.map((input, i) => noise([5, ...input.shape.slice(1) as number[]], 3 + i)), noise([5, 2], 9));
      t.true(looked);
    }
  });
}
