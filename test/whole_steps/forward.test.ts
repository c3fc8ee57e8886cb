/**
 * Models of many small kernels with few parameters: steps by forward sweeps, against the dense reference, and how many kernels they take.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import test from 'ava';
import {ggn, leastSquares} from '../../src/index';
import {denseJacobian} from '../reference/dense_jacobian';
import {useBackend} from '../support/backends';
import {follow} from '../support/follow';
import {kernelsOf} from '../support/kernels';
import {repeat} from '../support/numbers';
import {Probe} from '../support/probe';
import {relativeError} from '../support/relative_error';
import {noise} from '../support/tensors';
import {testOn} from '../support/test_on';

const scalars = (...values: number[]): tf.Variable[] => values.map(v => tf.variable(tf.scalar(v)));

type State = tf.Tensor[];
type Rates = (state: State) => State;

const moved = (state: State, rates: State, h: number): State => state.map((x, i) => x.add(rates[i].mul(h)));

const euler = (f: Rates) => (state: State, h: number): State => moved(state, f(state), h);

const rungeKutta = (f: Rates) => (state: State, h: number): State => {
  const k1 = f(state);
  const k2 = f(moved(state, k1, h / 2));
  const k3 = f(moved(state, k2, h / 2));
  const k4 = f(moved(state, k3, h));
  return state.map((x, i) => x.add(k1[i].add(k2[i].mul(2)).add(k3[i].mul(2)).add(k4[i]).mul(h / 6)));
};

function solve(step: (state: State, h: number) => State, start: State, count: number, h: number): tf.Tensor[] {
  const path = [tf.stack(start)];
  let state = start;
  for (let i = 1; i < count; i++) {
    state = step(state, h);
    path.push(tf.stack(state));
  }
  return path;
}

interface Model {
  variables: tf.Variable[];
  rows: () => tf.Tensor;
}

/** Each made anew, of few parameters and many kernels. */
const MODELS: Record<string, () => Model> = {
  'predator and prey, Runge-Kutta, targets in a table': () => {
    const [a, b, c, d, u, v] = scalars(0.5, 0.3, 0.9, 0.3, 2, 1);
    const rates: Rates = ([x, y]) => [a.mul(x).sub(b.mul(x.mul(y))), d.mul(x.mul(y)).sub(c.mul(y))];
    const seen = noise([5, 2], 1);
    return {variables: [a, b, c, d, u, v], rows: () => tf.stack(solve(rungeKutta(rates), [u, v], 5, 0.3)).sub(seen)};
  },
  'an epidemic, Euler, one observed state, a row of targets': () => {
    const [beta, gamma, infected] = scalars(1.2, 0.4, 0.05);
    const rates: Rates = ([s, i]) => [tf.neg(beta.mul(s).mul(i)), beta.mul(s).mul(i).sub(gamma.mul(i))];
    const seen = noise([1, 8], 2);
    return {variables: [beta, gamma, infected], rows: () => tf.concat(solve(euler(rates), [tf.sub(1, infected), infected], 8, 0.2).map(x => x.slice(1, 1))).reshape([1, 8]).sub(seen)};
  },
  'rates in a vector, several initial conditions at once': () => {
    const k = tf.variable(tf.tensor1d([0.7, 0.2, 0.4]));
    const start = noise([3], 3).abs();
    const rates: Rates = ([x, y]) => {
      const [k1, k2, k3] = tf.unstack(k);
      return [tf.neg(x.mul(k1)).add(y.mul(k2)), x.mul(k1).sub(y.mul(k2)).sub(y.square().mul(k3))];
    };
    const seen = noise([3, 6], 4);
    return {variables: [k], rows: () => tf.stack(solve(rungeKutta(rates), [start, tf.zerosLike(start)], 6, 0.3).map(x => x.slice([1, 0], [1, 3]).squeeze([0])), 1).sub(seen)};
  },
  'a linear system with a matrix of rates and a start': () => {
    const [m, x0] = [tf.variable(noise([2, 2], 5).mul(0.5)), tf.variable(noise([2, 1], 6))];
    const rows = (): tf.Tensor => {
      let x: tf.Tensor = x0;
      const path = [x];
      for (let i = 0; i < 9; i++) {
        x = x.add(tf.matMul(m as tf.Tensor2D, x as tf.Tensor2D).mul(0.3));
        path.push(x);
      }
      return tf.concat(path, 1).sub(0.5);
    };
    return {variables: [m, x0], rows};
  },
  'the exponential of a matrix by its series': () => {
    const m = tf.variable(noise([2, 2], 7).mul(0.6)) as tf.Variable<tf.Rank.R2>;
    const x = noise([2, 6], 8) as tf.Tensor2D;
    const rows = (): tf.Tensor => {
      let [term, total] = [tf.eye(2), tf.eye(2)];
      for (let k = 1; k < 9; k++) {
        term = tf.matMul(term, m).div(k);
        total = total.add(term);
      }
      return tf.matMul(total, x).transpose().sub(0.3);
    };
    return {variables: [m], rows};
  },
  'exponential smoothing with a clipped gain, and a trend': () => {
    const [gain, trend] = scalars(0.3, 0.1);
    const y = [...noise([14], 9).dataSync()];
    const rows = (): tf.Tensor => {
      let level: tf.Tensor = tf.scalar(y[0]);
      const errors = y.slice(1).map(value => {
        const error = tf.sub(value, level.add(trend));
        level = level.add(trend).add(error.mul(gain.clipByValue(0, 1)));
        return error;
      });
      return tf.stack(errors);
    };
    return {variables: [gain, trend], rows};
  },
  'a tridiagonal system, eliminated in a loop': () => {
    const [diffusion, sink] = scalars(0.8, 0.3);
    const source = [...noise([8], 10).dataSync()];
    const rows = (): tf.Tensor => {
      const off = tf.neg(diffusion);
      const diagonal = diffusion.mul(2).add(sink).add(0.5);
      const [pivots, right]: [tf.Tensor[], tf.Tensor[]] = [[diagonal], [tf.scalar(source[0])]];
      for (let i = 1; i < 8; i++) {
        const factor = off.div(pivots[i - 1]);
        pivots.push(diagonal.sub(factor.mul(off)));
        right.push(tf.sub(source[i], factor.mul(right[i - 1])));
      }
      const solution = [right[7].div(pivots[7])];
      for (let i = 6; i >= 0; i--) {
        solution.unshift(right[i].sub(off.mul(solution[0])).div(pivots[i]));
      }
      return tf.stack(solution).sub(0.2);
    };
    return {variables: [diffusion, sink], rows};
  },
  'a filter along a signal that its own output feeds, with learned taps': () => {
    const taps = tf.variable(noise([3, 1, 1], 11).mul(0.4)) as tf.Variable<tf.Rank.R3>;
    const signal = noise([1, 20, 1], 12) as tf.Tensor3D;
    return {variables: [taps], rows: () => tf.conv1d(tf.conv1d(signal, taps, 1, 'same').tanh() as tf.Tensor3D, taps, 1, 'same').reshape([20]).cumsum().sub(0.1)};
  },
  'a mixture with weights by a softmax, reversed': () => {
    const [logits, centres] = [tf.variable(noise([3], 13)), tf.variable(tf.tensor1d([-1, 0, 1]))];
    const x = tf.linspace(-2, 2, 24).expandDims(1);
    return {variables: [logits, centres], rows: () => x.sub(centres).square().neg().exp().mul(tf.softmax(logits)).sum(1).reverse(0).sub(x.squeeze())};
  },
  'a switch in time, by where, maxima and running products': () => {
    const [rate, at] = scalars(0.9, 1.1);
    const t = tf.linspace(0, 2, 10);
    const rows = (): tf.Tensor => {
      const grown = tf.where(t.less(1.3), t.mul(rate), t.sub(at).maximum(0.1).pow(rate.add(1)));
      return tf.stack(grown.unstack().reduce<tf.Tensor[]>((all, x) => [...all, x.add(all.length === 0 ? 1 : all[all.length - 1].mul(0.5))], [])).sub(1);
    };
    return {variables: [rate, at], rows};
  },
};

for (const backend of ['cpu', 'wasm', 'tensorflow'] as const) {
  // The reference runs the model once for each row, and a kernel takes tfjs-node 50 microseconds.
  for (const [name, make] of Object.entries(MODELS).slice(backend === 'tensorflow' ? -3 : 0)) {
    if (backend === 'wasm' && name.startsWith('a filter')) {
      continue;  // tfjs has no gradient there to compare with
    }
    testOn(backend)(`${backend}: ${name}`, async t => {
      await useBackend(backend);
      const {variables, rows} = make();
      const n = tf.tidy(() => rows().size);
      follow(t, {variables, rows, loss: () => leastSquares(rows()), weights: repeat(n, 0.5), jacobian: 'forward'}, 2).dispose();
      tf.dispose(variables);
    });
  }
}

test.serial('a step of m parameters takes the kernels of 3 m forward passes at most, and the first one of twice that', async t => {
  await tf.setBackend('cpu');
  for (const [name, make] of Object.entries(MODELS)) {
    const {variables, rows} = make();
    const optimizer = ggn();
    const m = variables.reduce((sum, v) => sum + v.size, 0);
    const pass = await kernelsOf(() => tf.tidy(() => void leastSquares(rows())));
    let calls = 0;
    const step = (): Promise<number> => kernelsOf(() => void optimizer.minimize(() => {
      calls++;
      return leastSquares(rows());
    }));
    const [first, second] = [await step(), await step()];
    t.is(calls, 2);
    const most = (3 * m + 4) * pass;  // capture and trials beside the Jacobian
    t.true(second <= most, `${name}: ${second} kernels, ${pass} in a forward pass, ${m} parameters`);
    t.true(first <= 2 * most + 100, `${name}: ${first} kernels in the first step, ${pass} in a forward pass, ${m} parameters`);
    optimizer.dispose();
    tf.dispose(variables);
  }
});

test.serial('more rows than can go row by row: exact with few parameters, in the loop and in fit', async t => {
  await tf.setBackend('wasm');
  const [a, b] = scalars(0.7, 0.2);
  const x = tf.linspace(0, 1, 5000);
  const rows = (): tf.Tensor => x.mul(a).sin().cumsum().mul(0.001).add(b).reverse(0).sub(x);
  const optimizer = ggn({damping: 1e-6});
  const before = tf.memory().numTensors;
  for (let i = 0; i < 6; i++) {
    optimizer.minimize(() => leastSquares(rows()));
  }
  t.is(optimizer.lastStep!.jacobian, 'forward');
  t.is(optimizer.lastStep!.rows, 5000);
  t.is(optimizer.lastStep!.solver, 'normal');
  const gradients = tf.tidy(() => Object.values(tf.variableGrads(() => rows().square().mean() as tf.Scalar, [a, b]).grads).map(g => g.dataSync()[0]));
  t.true(Math.hypot(...gradients) < 1e-4, String(gradients));
  t.true(tf.memory().numTensors - before <= 2 + 6, 'the last step of each variable');
  optimizer.dispose();
  tf.dispose([a, b, x]);
});

test.serial('a user gradient on the way: row by row, and exact', async t => {
  await tf.setBackend('cpu');
  const [a, b] = scalars(0.7, 0.2);
  const own = tf.customGrad(x => ({value: tf.sin(x as tf.Tensor), gradFunc: (dy: tf.Tensor) => dy.mul(tf.cos(x as tf.Tensor))}));
  const x = tf.linspace(0, 1, 9);
  const rows = (wave: (x: tf.Tensor) => tf.Tensor) => (): tf.Tensor => wave(x.mul(a)).add(b).reverse(0).sub(x);
  follow(t, {variables: [a, b], rows: rows(tf.sin), loss: () => leastSquares(rows(own)()), weights: repeat(9, 0.5), jacobian: 'rowByRow'}, 2).dispose();
  tf.dispose([a, b, x]);
});

// ------------------------------------------------------------------------------------------------------------------- random graphs

/** Those whose gradients tfjs has right. */
const OPS: Array<(a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = [
  (a, b) => a.add(b), (a, b) => a.sub(b), (a, b) => a.mul(b), (a, b) => a.div(b.square().add(1)), a => tf.maximum(a, a.mul(-2).add(0.2)), a => tf.squaredDifference(a, a.sin()),
  a => a.sin(), a => a.tanh(), a => a.abs().add(1).log(), a => a.sigmoid(), a => a.square().add(0.5).sqrt(), a => a.mean(), a => a.reverse(0), a => a.sum(0, true).mul(0.3),
  (a, b) => a.relu().add(b.elu()), a => a.mul(1.5), (a, b) => tf.stack([a.add(b), a.sub(b)]).min(0), a => a.reshape([-1]).cumsum().reshape(a.shape),
];

test.serial('random graphs of small kernels: J by forward sweeps is that of the reference', async t => {
  await tf.setBackend('cpu');
  let forward = 0;
  const node = fc.tuple(fc.nat({max: OPS.length - 1}), fc.nat(), fc.nat());
  fc.assert(fc.property(fc.array(node, {minLength: 3, maxLength: 14}), fc.nat(1000), (nodes, seed) => {
    const [s, v, w] = [[], [4], [4, 1]].map((shape, i) => tf.variable(tf.randomNormal(shape, 0, 1, 'float32', seed + i)));
    const data = noise([3, 4, 4], seed + 9);
    const rows = (): tf.Tensor => tf.tidy(() => {
      const made: tf.Tensor[] = [s.add(0), v.mul(1.1), w.sin(), data.slice(0, 1).squeeze([0])];
      for (const [op, i, j] of nodes) {
        const [a, b] = [made[i % made.length], made[j % made.length]];
        made.push(a.rank === 0 && [12, 13].includes(op) ? a.neg() : OPS[op](a, b));
      }
      return tf.concat(made.slice(-4).map(x => x.add(s).mul(v.sum()).add(w.mean()).reshape([-1])));
    });
    try {
      const expected = denseJacobian(rows, [s, v, w]);
      let seen: Float32Array | null = null;
      new Probe(({checked: {plan, jacobian}, variables}) => {
        forward += plan.forward === undefined ? 0 : 1;
        t.is(variables.length, 3);
        seen = tf.tidy(() => tf.concat([s, v, w].map(one => jacobian.dense().slice([0, offset(variables, one)], [expected.n, one.size])), 1).dataSync()) as Float32Array;
      }).minimize(() => leastSquares(rows()));
      t.true(relativeError(seen!, expected.jacobian) < 1e-4, `${relativeError(seen!, expected.jacobian)}`);
    } finally {
      tf.dispose([s, v, w, data]);
    }
  }), {numRuns: 8, seed: 11});
  t.true(forward >= 6, `${forward} by forward sweeps`);
});

function offset(variables: readonly tf.Variable[], one: tf.Variable): number {
  return variables.slice(0, variables.indexOf(one)).reduce((sum, {size}) => sum + size, 0);
}

