/**
 * Physics-informed losses: f takes the derivative of a network in its input, and the step needs the derivative of that in the weights.
 * Against the same network in plain float64 JavaScript, its residuals differentiated by central differences.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn, leastSquares} from '../../src/index';
import {type Activation as ActivationName, dense} from '../cases/case';
import {normals} from '../cases/data';
import type {DenseJacobian} from '../reference/dense_jacobian';
import {ACTIVATIONS} from '../support/activations';
import {follow} from '../support/follow';
import {variablesOf} from '../support/models';
import {repeat, sigmoid, softplus} from '../support/numbers';
import {differences, dx, dy, type Field, type Plane} from '../support/plane';
import {flat, noise, variable} from '../support/tensors';

/** An activation and its derivative in float64. */
interface Activation {
  tfjs: (x: tf.Tensor) => tf.Tensor;
  value: (x: number) => number;
  slope: (x: number) => number;
}

const activations: Record<string, Activation> = {
  tanh: {tfjs: tf.tanh, value: Math.tanh, slope: x => 1 - Math.tanh(x) ** 2},
  sigmoid: {tfjs: tf.sigmoid, value: sigmoid, slope: x => sigmoid(x) * (1 - sigmoid(x))},
  relu: {tfjs: tf.relu, value: x => Math.max(x, 0), slope: x => x > 0 ? 1 : 0},
  leakyRelu: {tfjs: x => tf.leakyRelu(x, 0.2), value: x => x > 0 ? x : 0.2 * x, slope: x => x > 0 ? 1 : 0.2},
  softplus: {tfjs: tf.softplus, value: softplus, slope: sigmoid},
  // tf.elu's own derivative, the kernel EluGrad, has none in tfjs.
  'elu by parts': {tfjs: x => tf.relu(x).add(tf.minimum(x, 0).expm1()), value: x => x > 0 ? x : Math.expm1(x), slope: x => x > 0 ? 1 : Math.exp(x)},
  sin: {tfjs: tf.sin, value: Math.sin, slope: Math.cos},
  swish: {tfjs: x => x.mul(x.sigmoid()), value: x => x * sigmoid(x), slope: x => sigmoid(x) * (1 + x * (1 - sigmoid(x)))},
  'a bump': {tfjs: x => x.square().neg().exp(), value: x => Math.exp(-x * x), slope: x => -2 * x * Math.exp(-x * x)},
};

/** A dense network with one output; weights and biases alternate. */
class Network {
  readonly variables: tf.Variable[];

  constructor(private readonly sizes: readonly number[], private readonly activation: Activation) {
    this.variables = sizes.slice(1).flatMap((outputs, i) => [variable([sizes[i], outputs], 2 * i + 1), variable([outputs], 2 * i + 2)]);
  }

  /** By tfjs. */
  readonly u = (x: tf.Tensor): tf.Tensor => {
    let h = x;
    for (let i = 0; i < this.variables.length; i += 2) {
      h = tf.matMul((i > 0 ? this.activation.tfjs(h) : h) as tf.Tensor2D, this.variables[i] as unknown as tf.Tensor2D).add(this.variables[i + 1]);
    }
    return h;
  };

  /** The value at x and the derivative along `direction`, in float64, for weights given flat. */
  at(weights: Float64Array, x: readonly number[], direction: readonly number[]): {u: number; du: number} {
    const {sizes, activation} = this;
    let [h, dh] = [[...x], [...direction]];
    let offset = 0;
    for (let layer = 1; layer < sizes.length; layer++) {
      if (layer > 1) {
        dh = dh.map((d, i) => d * activation.slope(h[i]));
        h = h.map(activation.value);
      }
      const [inputs, outputs] = [sizes[layer - 1], sizes[layer]];
      const through = (v: number[], o: number): number => v.reduce((sum, value, i) => sum + value * weights[offset + i * outputs + o], 0);
      const bias = offset + inputs * outputs;
      [h, dh] = [Array.from({length: outputs}, (_, o) => through(h, o) + weights[bias + o]), Array.from({length: outputs}, (_, o) => through(dh, o))];
      offset = bias + outputs;
    }
    return {u: h[0], du: dh[0]};
  }

  /** Residuals as a function of the weights, differentiated by central differences. */
  dense(residuals: (weights: Float64Array) => number[]): DenseJacobian {
    const weights = flat(this.variables);
    const rows = Float64Array.from(residuals(weights));
    const [n, m] = [rows.length, weights.length];
    const jacobian = new Float64Array(n * m);
    const h = 1e-6;
    for (let j = 0; j < m; j++) {
      const moved = (step: number): number[] => residuals(weights.map((w, i) => i === j ? w + step : w));
      const [above, below] = [moved(h), moved(-h)];
      above.forEach((value, r) => jacobian[r * m + j] = (value - below[r]) / (2 * h));
    }
    return {jacobian, rows, n, m};
  }

  dispose(): void {
    tf.dispose(this.variables);
  }
}

/** u' + u = 0 inside and u = 1 at the edge, each with its own number of points. */
function decay(t: ExecutionContext, net: Network, derivative: (x: tf.Tensor) => tf.Tensor): void {
  const [inside, edge] = [noise([9, 1], 8), tf.tensor2d([[0], [0.5]])];
  const [xs, edges] = [[...inside.dataSync()], [...edge.dataSync()]];
  follow(t, {variables: net.variables, weights: [...repeat(9, 1 / 9), ...repeat(2, 3)],
    loss: () => derivative(inside).add(net.u(inside)).square().mean().add(net.u(edge).sub(1).square().sum().mul(3)),
    dense: () => net.dense(weights => [
      ...xs.map(x => net.at(weights, [x], [1])).map(({u, du}) => du + u),
      ...edges.map(x => net.at(weights, [x], [0]).u - 1)])});
  tf.dispose([inside, edge]);
  net.dispose();
}

for (const backend of ['cpu', 'wasm']) {
  for (const [name, activation] of Object.entries(activations)) {
    test.serial(`${backend}: the derivative of a network of ${name}, all points in one batch`, async t => {
      await tf.setBackend(backend);
      const net = new Network([1, 5, 4, 1], activation);
      decay(t, net, x => tf.grad(net.u)(x));
    });
  }
}

test.serial('the derivative of a sum over the points, and of their mean', async t => {
  await tf.setBackend('cpu');
  const one = new Network([1, 5, 1], activations.tanh);
  decay(t, one, x => tf.grad(points => one.u(points).sum())(x));
  const other = new Network([1, 5, 1], activations.softplus);
  decay(t, other, x => tf.grad(points => other.u(points).mean())(x).mul(x.shape[0]));
});

test.serial('one backward pass with values and slopes by valueAndGrad', async t => {
  await tf.setBackend('cpu');
  const net = new Network([1, 5, 1], activations.tanh);
  const inside = noise([9, 1], 8);
  const xs = [...inside.dataSync()];
  follow(t, {variables: net.variables, loss: () => {
    const {value, grad} = tf.valueAndGrad(net.u)(inside);
    return grad.mul(value).sub(1).square().mean();
  }, dense: () => net.dense(weights => xs.map(x => net.at(weights, [x], [1])).map(({u, du}) => du * u - 1))});
  tf.dispose(inside);
  net.dispose();
});

test.serial('a partial differential equation: ∂u/∂x + 2 ∂u/∂t = 0 inside, values on two edges', async t => {
  await tf.setBackend('cpu');
  const inside = noise([8, 2], 5);
  const points = inside.arraySync() as number[][];
  const [start, side] = [[-1, 0, 1].map(x => [x, 0]), [0.2, 0.4].map(time => [0, time])];
  const [startPoints, sidePoints] = [tf.tensor2d(start), tf.tensor2d(side)];
  const ways: Record<string, (net: Network) => tf.Tensor> = {
    'columns of one gradient': net => {
      const du = tf.grad(net.u)(inside);
      return du.slice([0, 0], [-1, 1]).add(du.slice([0, 1], [-1, 1]).mul(2));
    },
    'the gradient along a direction': net => tf.grad(net.u)(inside).mul(tf.tensor1d([1, 2])).sum(1),
    'two inputs put together': net => {
      const [x, time] = tf.split(inside, 2, 1);
      const [dx, dt] = tf.grads((a: tf.Tensor, b: tf.Tensor) => net.u(tf.concat([a, b], 1)))([x, time]);
      return dx.add(dt.mul(2));
    },
  };
  for (const equation of Object.values(ways)) {
    const net = new Network([2, 5, 4, 1], activations.tanh);
    follow(t, {variables: net.variables, weights: [...repeat(8, 0.5), ...repeat(3, 5), ...repeat(2, 1)],
      loss: () => leastSquares([equation(net), net.u(startPoints).sub(1), net.u(sidePoints)], {weights: [1, 10, 2]}),
      dense: () => net.dense(weights => [...points.map(point => net.at(weights, point, [1, 2]).du),
        ...start.map(point => net.at(weights, point, [0, 0]).u - 1), ...side.map(point => net.at(weights, point, [0, 0]).u)])});
    net.dispose();
  }
  tf.dispose([inside, startPoints, sidePoints]);
});

test.serial('a condition at one point, on the value and on the slope', async t => {
  await tf.setBackend('cpu');
  const net = new Network([1, 5, 1], activations.tanh);
  const [inside, start] = [noise([9, 1], 8), tf.tensor2d([[0.3]])];
  const xs = [...inside.dataSync()];
  const at = start.dataSync()[0];
  follow(t, {variables: net.variables, weights: [...repeat(9, 0.5), 0.5, 2],
    loss: () => leastSquares([tf.grad(net.u)(inside).add(net.u(inside)), net.u(start).sub(1), tf.grad(net.u)(start)], {weights: [1, 1, 4]}),
    dense: () => net.dense(weights => [...xs.map(x => net.at(weights, [x], [1])).map(({u, du}) => du + u),
      net.at(weights, [at], [0]).u - 1, net.at(weights, [at], [1]).du])});
  tf.dispose([inside, start]);
  net.dispose();
});

test.serial('a layers model inside, fused activations and all', async t => {
  await tf.setBackend('cpu');
  const net = new Network([1, 5, 4, 1], activations.tanh);
  const model = tf.sequential({layers: [tf.layers.dense({units: 5, inputShape: [1], activation: 'tanh'}), tf.layers.dense({units: 4, activation: 'tanh'}), tf.layers.dense({units: 1})]});
  model.setWeights(net.variables);
  const variables = variablesOf(model);
  const mirrored = Object.assign(Object.create(Network.prototype) as Network, net, {variables});
  decay(t, Object.assign(mirrored, {u: (x: tf.Tensor) => model.apply(x) as tf.Tensor, dispose: () => undefined}), x => tf.grad(p => model.apply(p) as tf.Tensor)(x));
  model.dispose();
  net.dispose();
});

test.serial("the second derivative: u'' + 0.4u' + 4u = 0 with u and u' given at one point", async t => {
  await tf.setBackend('cpu');
  const net = new Network([1, 5, 1], activations.tanh);
  const [w, b, v] = net.variables as unknown as [tf.Tensor2D, tf.Tensor1D, tf.Tensor2D];
  const [inside, start] = [noise([9, 1], 8), tf.tensor2d([[0.3]])];
  const [xs, at] = [[...inside.dataSync()], start.dataSync()[0]];
  // u' by its formula and u'' as its gradient: tfjs's own gradients do not nest.
  const slope = (x: tf.Tensor): tf.Tensor =>
    tf.matMul(tf.sub(1, tf.matMul(x as tf.Tensor2D, w).add(b).tanh().square()).mul(v.reshape([1, 5])) as tf.Tensor2D, w, false, true);
  const curvature = (weights: Float64Array, x: number): number => Array.from({length: 5}, (_, i) => {
    const y = Math.tanh(weights[i] * x + weights[5 + i]);
    return -2 * y * (1 - y * y) * weights[i] ** 2 * weights[10 + i];
  }).reduce((p, q) => p + q);
  follow(t, {variables: [w, v, b, net.variables[3]] as unknown as tf.Variable[], weights: [...repeat(9, 0.5), 5, 5],
    loss: () => leastSquares([tf.grad(slope)(inside).add(slope(inside).mul(0.4)).add(net.u(inside).mul(4)), net.u(start).sub(1), slope(start)], {weights: [1, 10, 10]}),
    dense: () => {
      const {jacobian, rows, n, m} = net.dense(weights => [
        ...xs.map(x => curvature(weights, x) + 0.4 * net.at(weights, [x], [1]).du + 4 * net.at(weights, [x], [1]).u),
        net.at(weights, [at], [0]).u - 1, net.at(weights, [at], [1]).du]);
      // In the order of the variables above.
      const order = [0, 10, 5, 15].flatMap(from => Array.from({length: from === 15 ? 1 : 5}, (_, i) => from + i));
      return {jacobian: jacobian.map((_, i) => jacobian[Math.floor(i / m) * m + order[i % m]]), rows, n, m};
    }});
  tf.dispose([inside, start]);
  net.dispose();
});

// -------------------------------------------------------------------------------------------------------------- derivatives of derivatives

/** A layers model 2-4-4-1 and the same function in float64, of weights given flat. */
function layersNetwork(activation: ActivationName): {model: tf.LayersModel; variables: tf.Variable[]; u: Field; at: (weights: Float64Array) => Plane} {
  const model = tf.sequential({layers: [dense(4, activation, {inputShape: [2]}), dense(4, activation), dense(1)]});
  const variables = variablesOf(model);
  tf.tidy(() => variables.forEach((w, i) => w.assign(tf.tensor(normals(`inside ${i}`, w.size, 0.8), w.shape))));
  const at = (weights: Float64Array): Plane => (x, y) => {
    let [h, offset] = [[x, y], 0];
    variables.filter((_, i) => i % 2 === 0).forEach(({shape}, layer) => {
      const [inputs, outputs] = shape as [number, number];
      const from = layer === 0 ? h : ACTIVATIONS[activation](h);
      const bias = offset + inputs * outputs;
      h = Array.from({length: outputs}, (_, o) => from.reduce((sum, value, i) => sum + value * weights[offset + i * outputs + o], weights[bias + o]));
      offset = bias + outputs;
    });
    return h[0];
  };
  return {model, variables, u: p => model.apply(p) as tf.Tensor, at};
}

/** Residuals in float64 and their Jacobian by central differences in the weights. */
function byDifferences(variables: tf.Variable[], residuals: (weights: Float64Array) => number[], h: number): DenseJacobian {
  const weights = flat(variables);
  const rows = Float64Array.from(residuals(weights));
  const jacobian = new Float64Array(rows.length * weights.length);
  weights.forEach((_, j) => {
    const moved = (step: number): number[] => residuals(weights.map((w, i) => i === j ? w + step : w));
    const [above, below] = [moved(h), moved(-h)];
    above.forEach((value, r) => jacobian[r * weights.length + j] = (value - below[r]) / (2 * h));
  });
  return {jacobian, rows, n: rows.length, m: weights.length};
}

/** The first `count` of some random points where second differences do not cross a kink of the network. */
function smoothPoints(f: Plane, count: number): number[][] {
  const candidates = Array.from({length: 60}, (_, i) => [...normals(`point ${i}`, 2, 0.8)]);
  const smooth = candidates.filter(([x, y]) => ['xx', 'xy', 'yy'].every(order =>
    Math.abs(differences(order, 4e-2)(f)(x, y) - differences(order, 1e-2)(f)(x, y)) < 1e-4));
  return smooth.slice(0, count);
}

for (const backend of ['cpu', 'wasm']) {
  for (const activation of Object.keys(ACTIVATIONS) as ActivationName[]) {
    test.serial(`${backend}: u_xx + u u_y = 1 inside, u and u_x on edges, by grad: ${activation}`, async t => {
      await tf.setBackend(backend);
      const {model, variables, u, at} = layersNetwork(activation);
      const inside = smoothPoints(at(flat(variables)), 7);
      t.is(inside.length, 7);
      const [p, edge, corner] = [inside, inside.slice(0, 3), inside.slice(3, 4)].map(points => tf.tensor2d(points));
      follow(t, {variables, weights: [...repeat(7, 1 / 14), ...repeat(3, 2), 0.5],
        loss: () => leastSquares([dx(dx(u))(p).add(u(p).mul(dy(u)(p))).sub(1), u(edge), dx(u)(corner)], {weights: [1 / 7, 4, 1]}),
        dense: () => byDifferences(variables, weights => {
          const f = at(weights);
          const [fx, fy, fxx] = ['x', 'y', 'xx'].map(order => differences(order, 5e-3)(f));
          return [...inside.map(([x, y]) => fxx(x, y) + f(x, y) * fy(x, y) - 1), ...inside.slice(0, 3).map(([x, y]) => f(x, y)),
            ...inside.slice(3, 4).map(([x, y]) => fx(x, y))];
        }, 1e-4)}, 1);
      tf.dispose([p, edge, corner]);
      model.dispose();
    });
  }
}

test.serial('a third derivative in the loss: u_y + 6 u u_x + u_xxx = 0', async t => {
  await tf.setBackend('cpu');
  const {model, variables, u, at} = layersNetwork('tanh');
  const inside = smoothPoints(at(flat(variables)), 8);
  const p = tf.tensor2d(inside);
  follow(t, {variables, loss: () => dy(u)(p).add(u(p).mul(dx(u)(p)).mul(6)).add(dx(dx(dx(u)))(p)).square().mean(),
    dense: () => byDifferences(variables, weights => {
      const f = at(weights);
      const [fx, fy, fxxx] = ['x', 'y', 'xxx'].map(order => differences(order, 2e-2)(f));
      return inside.map(([x, y]) => fy(x, y) + 6 * f(x, y) * fx(x, y) + fxxx(x, y));
    }, 1e-3)}, 2);
  tf.dispose(p);
  model.dispose();
});

test.serial("solves u' + u = 0, u(0) = 1 to 1e-4 in 60 steps", async t => {
  await tf.setBackend('wasm');
  const net = new Network([1, 8, 8, 1], activations.tanh);
  const [inside, start] = [tf.linspace(0, 2, 40).reshape([40, 1]), tf.tensor2d([[0]])];
  const optimizer = ggn({learningRate: 1, damping: 1e-3, momentum: 0});
  for (let i = 0; i < 60; i++) {
    optimizer.minimize(() => leastSquares([tf.grad(net.u)(inside).add(net.u(inside)), net.u(start).sub(1)], {weights: [1 / 40, 1]}));
  }
  const error = tf.tidy(() => net.u(inside).sub(inside.neg().exp()).abs().max().dataSync() as never)[0] as number;
  t.true(error < 1e-4, `error ${error}`);
  tf.dispose([inside, start]);
  net.dispose();
});
