/**
 * The two losses of the oscillator example against the same one in float64, its derivatives in time by differences: they are one loss, and
 * the gradient that Adam gets is right.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {lossByFormulas, lossByGrad, network} from '../../docs/examples/oscillator/network';
import {exact, times} from '../../docs/examples/oscillator/problem';
import {variablesOf} from '../support/models';

/** The loss of the example for weights given flat, for any u(t). */
function lossOf(u: (t: number) => number): number {
  const h = 1e-3;
  const du = (t: number): number => (u(t + h) - u(t - h)) / (2 * h);
  const d2u = (t: number): number => (u(t + h) - 2 * u(t) + u(t - h)) / h ** 2;
  const residuals = Array.from({length: 200}, (_, i) => 5 * (i + 1) / 200).map(t => d2u(t) + 0.4 * du(t) + 4 * u(t));
  return residuals.reduce((sum, r) => sum + r * r, 0) / 400 + 5 * (u(0) - 1) ** 2 + 5 * du(0) ** 2;
}

/** The network of the example in float64. */
function networkOf(weights: ArrayLike<number>): (t: number) => number {
  return t => {
    let h = [0.4 * t - 1];
    let offset = 0;
    [24, 24, 1].forEach((outputs, layer) => {
      const bias = offset + h.length * outputs;
      const x = Array.from({length: outputs}, (_, o) => h.reduce((sum, value, i) => sum + value * weights[offset + i * outputs + o], weights[bias + o]));
      h = layer < 2 ? x.map(Math.tanh) : x;
      offset = bias + outputs;
    });
    return h[0];
  };
}

/** Weights that are not those of the start, where the biases are 0. */
function movedNetwork(): {model: tf.LayersModel; variables: tf.Variable[]; weights: Float64Array} {
  const model = network(0);
  const variables = variablesOf(model);
  variables.forEach((variable, v) => tf.tidy(() => variable.assign(variable.add(tf.randomNormal(variable.shape, 0, 0.3, 'float32', v + 1)))));
  return {model, variables, weights: Float64Array.from(variables.flatMap(variable => [...variable.dataSync()]))};
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: the loss by grad and the loss by formulas are the one in float64`, async t => {
    await tf.setBackend(backend);
    const {model, weights} = movedNetwork();
    const wanted = lossOf(networkOf(weights));
    for (const loss of [lossByGrad, lossByFormulas]) {
      const value = tf.tidy(() => loss(model, times()).dataSync()[0]);
      t.true(Math.abs(value - wanted) <= 1e-5 * wanted, `${loss.name}: ${value}, not ${wanted}`);
    }
    model.dispose();
  });

  test.serial(`${backend}: the gradient of the loss by formulas, as Adam gets it, agrees with differences`, async t => {
    await tf.setBackend(backend);
    const {model, variables, weights} = movedNetwork();
    const gradient = tf.tidy(() => {
      const {grads} = tf.variableGrads(() => lossByFormulas(model, times()), variables);
      return variables.flatMap(variable => [...grads[variable.name].dataSync()]);
    });
    const largest = Math.max(...gradient.map(Math.abs));
    for (let i = 3; i < weights.length; i += 23) {
      const h = 1e-4;
      const at = (step: number): number => lossOf(networkOf(weights.map((w, j) => j === i ? w + step : w)));
      const wanted = (at(h) - at(-h)) / (2 * h);
      t.true(Math.abs(gradient[i] - wanted) <= 1e-4 * largest, `weight ${i}: ${gradient[i]}, not ${wanted}`);
    }
    model.dispose();
  });
}

test('the exact solution solves the equation and its conditions', t => {
  t.true(lossOf(exact) < 1e-10);
});
