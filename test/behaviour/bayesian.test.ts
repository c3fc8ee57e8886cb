/** The regularization 'bayesian': its numbers and steps against dense algebra in float64, its end, its refusals, saving and loading. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, stopWhen, type GgnOptions, type GramGaussNewton} from '../../src/index';
import {denseJacobian} from '../reference/dense_jacobian';
import {inverse, logDeterminant} from '../support/dense_algebra';
import {wave} from '../support/numbers';

await tf.setBackend('cpu');

const BAYESIAN: GgnOptions = {regularization: 'bayesian'};

/** Standard normal numbers, the same in every run. */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Friedman's function of six inputs, divided by its standard deviation, with noise of 0.2. */
function friedman(n: number, seed: number): {x: tf.Tensor2D; y: tf.Tensor2D} {
  const normal = gaussian(seed);
  const uniform = (): number => (Math.atan(normal()) / Math.PI) + 0.5;
  const x = Array.from({length: n}, () => Array.from({length: 6}, uniform));
  const y = x.map(([a, b, c, d, e]) => [(10 * Math.sin(Math.PI * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e - 14.4) / 4.9 + 0.2 * normal()]);
  return {x: tf.tensor2d(x.map(row => row.map(value => (value - 0.5) * 3.4))), y: tf.tensor2d(y)};
}

function network(units: readonly number[], inputs: number, options: GgnOptions = BAYESIAN, more: object = {}):
    {model: tf.Sequential; optimizer: GramGaussNewton} {
  const layers = [...units, 1].map((count, i) => tf.layers.dense({units: count, ...(i === 0 ? {inputShape: [inputs]} : {}),
    activation: i < units.length ? 'tanh' : 'linear', kernelInitializer: tf.initializers.glorotUniform({seed: 7 + i}), ...more}));
  const model = tf.sequential({layers});
  const optimizer = ggn(options);
  model.compile({optimizer, loss: 'meanSquaredError'});
  return {model, optimizer};
}

const whole = (x: tf.Tensor, epochs: number): tf.ModelFitArgs => ({batchSize: x.shape[0], epochs, verbose: 0, shuffle: false});

// ---------------------------------------------------------------------------------------------------------------- against dense algebra

/** Loss of the rows as the caller scales it, and s² = 2w of each row. */
const LOSSES: Record<string, {loss: (r: tf.Tensor) => tf.Scalar; weights: (n: number) => number[]}> = {
  mean: {loss: r => r.square().mean(), weights: n => new Array<number>(n).fill(2 / n)},
  '3 x sum': {loss: r => r.square().sum().mul(3), weights: n => new Array<number>(n).fill(6)},
  weighted: {
    loss: r => r.square().mul(tf.tensor2d(Array.from({length: r.size}, (_, i) => [i % 4]))).sum(),
    weights: n => Array.from({length: n}, (_, i) => 2 * (i % 4)),
  },
};

for (const solver of ['gram', 'normal'] as const) {
  for (const [kind, {loss, weights}] of Object.entries(LOSSES)) {
    test.serial(`${solver}, ${kind}: evidence and steps as by dense algebra`, t => {
      const [n, d, h] = [24, 3, 4];
      const x = tf.tensor2d(wave(n * d, 3), [n, d]);
      const y = tf.tensor2d(wave(n, 5), [n, 1]);
      const variables = [tf.variable(tf.tensor2d(wave(d * h, 7), [d, h])), tf.variable(tf.tensor1d(wave(h, 11)).mul(0.1)),
        tf.variable(tf.tensor2d(wave(h, 13), [h, 1])), tf.variable(tf.tensor1d([0]))] as [tf.Variable, tf.Variable, tf.Variable, tf.Variable];
      const [w1, b1, w2, b2] = variables;
      const rows = (): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x, w1 as any).add(b1)), w2 as any).add(b2).sub(y);
      const optimizer = ggn({...BAYESIAN, solver});
      const values = (): Float64Array => Float64Array.from(variables.flatMap(v => [...v.dataSync()]));
      const squares = (v: tf.Variable): number => [...v.dataSync()].reduce((sum, w) => sum + w * w, 0);
      const units = [d * h / squares(w1), h / squares(w2)];
      const unitOf = variables.flatMap((v, i) => new Array<number>(v.size).fill(units[i < 2 ? 0 : 1]));
      const m = unitOf.length;
      const s2 = weights(n);
      const used = s2.filter(s => s > 0);
      const mean = used.reduce((a, b) => a + b) / used.length;
      let [alpha, beta] = [1, 0];
      for (let step = 0; step < 4; step++) {
        const before = values();
        const {jacobian, rows: r} = denseJacobian(rows, variables);
        optimizer.minimize(() => loss(rows()));
        const report = optimizer.lastStep!;
        const evidence = report.evidence!;
        const energy = r.reduce((sum, ri, i) => sum + s2[i] * ri * ri, 0) / mean;
        beta ||= used.length / energy;
        const curvature = Array.from({length: m}, (_, i) => Array.from({length: m}, (_, j) =>
          r.reduce((sum, _, k) => sum + s2[k] * jacobian[k * m + i] * jacobian[k * m + j], 0)));
        const withPrior = (a: number, b: number, more = 0): number[][] =>
          curvature.map((row, i) => row.map((c, j) => c + (i === j ? a * unitOf[i] * mean / b + more : 0)));
        const inverted = inverse(withPrior(alpha, beta));
        const gamma = m - inverted.reduce((sum, row, i) => sum + row[i] * alpha * unitOf[i] * mean / beta, 0);
        const weight = before.reduce((sum, w, i) => sum + unitOf[i] * w * w, 0);
        [alpha, beta] = [(gamma + 4) / (weight + 4), (used.length - gamma) / energy];
        const prior = unitOf.map(unit => alpha * unit * mean / beta);
        const logDet = logDeterminant(withPrior(alpha, beta)) - prior.reduce((sum, p) => sum + Math.log(p), 0);
        const logEvidence = (used.length * Math.log(beta / 2 / Math.PI) + used.reduce((sum, s) => sum + Math.log(s / mean), 0) -
            beta * energy - alpha * weight - logDet) / 2;
        const near = (got: number, wanted: number, name: string): boolean =>
          t.true(Math.abs(got - wanted) <= 3e-5 * Math.abs(wanted), `step ${step}, ${name}: ${got}, ${wanted}`);
        near(evidence.gamma, gamma, 'gamma');
        near(evidence.alpha, alpha, 'alpha');
        near(evidence.beta, beta, 'beta');
        near(evidence.noise, 1 / Math.sqrt(beta), 'noise');
        near(evidence.logEvidence, logEvidence, 'log evidence');
        const gradient = Array.from(before, (w, j) => prior[j] * w + r.reduce((sum, ri, k) => sum + s2[k] * ri * jacobian[k * m + j], 0));
        near(report.gradientNorm, Math.hypot(...gradient), 'gradient');
        const wanted = inverse(withPrior(alpha, beta, report.lambda)).map(row => -row.reduce((sum, a, j) => sum + a * gradient[j], 0));
        const got = values().map((w, i) => w - before[i]);
        t.true(Math.hypot(...wanted.map((x, i) => x - got[i])) <= 1e-3 * Math.hypot(...wanted), `step ${step}: the step`);
        [alpha, beta] = [evidence.alpha, evidence.beta];
      }
      optimizer.dispose();
      tf.dispose([x, y, ...variables]);
    });
  }
}

// ---------------------------------------------------------------------------------------------------------------------- a whole training

test.serial('on noisy data fit ends at the maximum, with its weights and about the noise of the data', async t => {
  const {x, y} = friedman(150, 1);
  const other = friedman(300, 2);
  const {model, optimizer} = network([8], 6);
  const seen: Array<{logEvidence: number; weights: number[][]}> = [];
  let weights = model.getWeights().map(w => [...w.dataSync()]);
  const noted = new tf.CustomCallback({onEpochEnd: async () => {
    seen.push({logEvidence: optimizer.lastStep!.evidence!.logEvidence, weights});
    weights = model.getWeights().map(w => [...w.dataSync()]);
  }});
  const said: string[] = [];
  const {numTensors} = tf.memory();
  const stop = stopWhen(optimizer, {evidence: 10}, line => void said.push(line));
  const {epoch} = await model.fit(x, y, {...whole(x, 200), callbacks: [noted, stop]});
  t.true(epoch.length < 100, String(epoch.length));
  t.regex(stop.reason!, /^the evidence has had no new maximum for 10 steps, and the weights are those of the maximum$/);
  t.is(said.length, 1);
  const {evidence, status, stepNorm} = optimizer.lastStep!;
  const best = seen.reduce((a, b) => b.logEvidence > a.logEvidence ? b : a);
  t.is(evidence!.logEvidence, best.logEvidence);
  t.is(evidence!.stepsSinceMaximum, 10);
  t.deepEqual([status, stepNorm], ['rejected', 0]);
  t.deepEqual(weights, best.weights, 'the weights of the maximum');
  t.true(evidence!.noise > 0.14 && evidence!.noise < 0.27, String(evidence!.noise));
  t.true(evidence!.gamma > 10 && evidence!.gamma < 65, String(evidence!.gamma));
  t.is(optimizer.convergence().status, 'converged');
  const validation = (model.evaluate(other.x, other.y, {verbose: 0}) as tf.Scalar).dataSync()[0];
  t.true(validation < 0.12, String(validation));
  // Further training stays at the maximum.
  await model.fit(x, y, whole(x, 3));
  t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), weights);
  t.is(optimizer.lastStep!.evidence!.stepsSinceMaximum, 13);
  // Weights of the user begin anew.
  model.setWeights(model.getWeights().map(w => w.mul(0.5)));
  await model.fit(x, y, whole(x, 1));
  t.is(optimizer.lastStep!.evidence!.stepsSinceMaximum, 0);
  t.true(optimizer.lastStep!.stepNorm > 0);
  // So do other data in fit.
  await model.fit(other.x, other.y, whole(other.x, 1));
  t.is(optimizer.lastStep!.evidence!.stepsSinceMaximum, 0);
  optimizer.dispose();
  t.true(tf.memory().numTensors <= numTensors + 8, 'the copies of the weights are gone');
});

test.serial('a loop ends by convergence(), dual and primal at the same maximum', t => {
  const {x, y} = friedman(60, 3);
  const ends = (['gram', 'normal'] as const).map(solver => {
    const {model, optimizer} = network([5], 6, {...BAYESIAN, solver});
    do {
      optimizer.minimize(() => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor));
    } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 150);
    return {...optimizer.lastStep!.evidence!, steps: optimizer.iterations, reason: optimizer.convergence().reason};
  });
  t.regex(ends[0].reason, /^the evidence has had no new maximum for 10 steps; the weights are those of the maximum$/);
  t.true(Math.abs(ends[0].logEvidence - ends[1].logEvidence) < 0.05, JSON.stringify(ends));
  t.true(Math.abs(ends[0].gamma / ends[1].gamma - 1) < 0.01, JSON.stringify(ends));
});

test.serial('without noise the end is the exact fit', t => {
  const x = tf.tensor2d(Array.from({length: 36}, gaussian(9)), [12, 3]);
  const y = tf.matMul(x, tf.tensor2d([[1], [2], [-1]]));
  const w = tf.variable(tf.tensor2d([[0.3], [0.2], [0.1]]));
  for (const solver of ['gram', 'normal'] as const) {
    w.assign(tf.tensor2d([[0.3], [0.2], [0.1]]));
    const optimizer = ggn({...BAYESIAN, solver});
    do {
      optimizer.minimize(() => tf.losses.meanSquaredError(y, tf.matMul(x, w as any)));
    } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 100);
    t.true(optimizer.iterations < 100, String(optimizer.iterations));
    t.true(Math.hypot(...[1, 2, -1].map((wanted, i) => w.dataSync()[i] - wanted)) < 1e-3, w.dataSync().join());
    t.true(optimizer.lastStep!.evidence!.noise < (solver === 'gram' ? 1e-2 : 1e-5), String(optimizer.lastStep!.evidence!.noise));
  }
});

test.serial('the noise has the unit of the targets, whatever the loss is multiplied by', t => {
  const {x, y} = friedman(60, 3);
  const [plain, scaled] = [1, 250].map(factor => {
    const {model, optimizer} = network([5], 6);
    for (let i = 0; i < 5; i++) {
      optimizer.minimize(() => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor).mul(factor) as tf.Scalar);
    }
    return optimizer.lastStep!.evidence!;
  });
  t.true(Math.abs(plain.noise / scaled.noise - 1) < 1e-3, `${plain.noise}, ${scaled.noise}`);
  t.true(Math.abs(plain.logEvidence - scaled.logEvidence) < 0.05, `${plain.logEvidence}, ${scaled.logEvidence}`);
});

// ----------------------------------------------------------------------------------------------------------------------------- refusals

test.serial('refused: options that do not go with it', t => {
  for (const [more, message] of [
    [{policy: 'agreement'}, /judges each step on all data.*received policy 'agreement'\. Leave the option policy out/],
    [{policy: () => undefined}, /received policy 'custom'/],
    [{solver: 'cg'}, /which the solver 'cg' does not have\. Use solver 'gram', 'normal' or 'auto'/],
    [{weightDecay: 0.01}, /the option weightDecay is 0\.01\. Leave one of them out/],
  ] as Array<[GgnOptions, RegExp]>) {
    t.throws(() => ggn({...BAYESIAN, ...more}), {message});
  }
  t.throws(() => ggn({regularization: 'l2'} as any), {message: /the option regularization must be one of 'none', 'bayesian'; received 'l2'/});
  const optimizer = ggn(BAYESIAN);
  optimizer.solver = 'cg';
  t.throws(() => optimizer.minimize(() => tf.scalar(0)), {message: /the solver 'cg' does not have/});
});

test.serial('refused: mini-batches, other losses, regularizers, batch normalisation; nothing is changed', async t => {
  const {x, y} = friedman(40, 4);
  const refused = async (model: tf.LayersModel, args: tf.ModelFitArgs, message: RegExp): Promise<void> => {
    const before = model.getWeights().map(w => [...w.dataSync()]);
    await t.throwsAsync(model.fit(x, y, args), {message});
    t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), before);
  };
  await refused(network([3], 6).model, {batchSize: 10, epochs: 1, verbose: 0}, /takes all data in every step, and this epoch of fit has 4 batches\. Set batchSize/);
  const l1 = network([3], 6);
  l1.model.compile({optimizer: l1.optimizer, loss: 'meanAbsoluteError'});
  await refused(l1.model, whole(x, 1), /from a sum or mean of squares, and the loss 'meanAbsoluteError' has other terms\. Use the loss 'meanSquaredError'/);
  await refused(network([3], 6, BAYESIAN, {kernelRegularizer: tf.regularizers.l2()}).model, whole(x, 1), /the loss has an L2 regularizer of the variable 'dense_\w+\/kernel'\. Leave one of them out/);
  await refused(network([3], 6, BAYESIAN, {kernelRegularizer: tf.regularizers.l1()}).model, whole(x, 1), /the loss has a regularizer, a function of the weights alone\. Leave one/);
  const normalised = tf.sequential({layers: [tf.layers.dense({units: 3, inputShape: [6]}), tf.layers.batchNormalization(), tf.layers.dense({units: 1})]});
  normalised.compile({optimizer: ggn(BAYESIAN), loss: 'meanSquaredError'});
  await refused(normalised, whole(x, 1), /as batch normalization does\. Leave such layers out, or freeze them/);
  await t.throwsAsync((async () => {
    const {model} = network([3], 6, {});
    await model.fit(x, y, {...whole(x, 1), callbacks: stopWhen(model.optimizer as GramGaussNewton, {evidence: 10})});
  })(), {message: /was given \{evidence\}, which the regularization 'bayesian' has; this optimizer has 'none'/});
  t.throws(() => stopWhen(ggn(BAYESIAN), {evidence: 5}), {message: /evidence 10 or more/});
});

test.serial('refused at the second step of a loop: other data, and dropout in fit', async t => {
  const [{x, y}, other] = [friedman(40, 4), friedman(40, 5)];
  const {model, optimizer} = network([3], 6);
  const step = (data: {x: tf.Tensor; y: tf.Tensor}): void =>
    void optimizer.minimize(() => tf.losses.meanSquaredError(data.y, model.apply(data.x) as tf.Tensor));
  step({x, y});
  const before = model.getWeights().map(w => [...w.dataSync()]);
  t.throws(() => step(other), {message: /the data of this step are not those of the last one.*call optimizer\.dispose\(\) first/});
  t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), before);
  optimizer.dispose();
  step(other);
  t.is(optimizer.lastStep!.evidence!.stepsSinceMaximum, 0);
  const dropout = tf.sequential({layers: [tf.layers.dense({units: 8, inputShape: [6]}), tf.layers.dropout({rate: 0.5}), tf.layers.dense({units: 1})]});
  dropout.compile({optimizer: ggn(BAYESIAN), loss: 'meanSquaredError'});
  await t.throwsAsync(dropout.fit(x, y, whole(x, 5)), {message: /mini-batches, dropout, noise or new data/});
});

// -------------------------------------------------------------------------------------------------------------------- saving and loading

test.serial('a saved training goes on bit for bit, back to weights from before it was saved', async t => {
  const {x, y} = friedman(60, 3);
  const steps = async (model: tf.LayersModel, epochs: number): Promise<void> => void await model.fit(x, y, whole(x, epochs));
  const first = network([5], 6);
  let at = 0;
  do {
    await steps(first.model, 1);
    at++;
  } while (first.optimizer.lastStep!.evidence!.stepsSinceMaximum < 4 && at < 100);
  let saved: tf.io.ModelArtifacts | null = null;
  await first.model.save(tf.io.withSaveHandler(async artifacts => {
    saved = JSON.parse(JSON.stringify({...artifacts, weightData: null}));
    saved = {...saved!, weightData: artifacts.weightData};
    return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
  }), {includeOptimizer: true});
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved!));
  const weightsOf = (model: tf.LayersModel): number[][] => model.getWeights().map(w => [...w.dataSync()]);
  for (let i = 0; i < 7; i++) {
    await steps(first.model, 1);
    await steps(loaded, 1);
    t.deepEqual(weightsOf(loaded), weightsOf(first.model), `step ${at + i + 1}`);
  }
  const {evidence} = (loaded.optimizer as GramGaussNewton).lastStep!;
  t.deepEqual(evidence, first.optimizer.lastStep!.evidence);
  t.is(evidence!.stepsSinceMaximum, 11);
});

test.serial('a state without best weights loads, and one whose entries are missing does not', async t => {
  const {x, y} = friedman(40, 3);
  const {model, optimizer} = network([3], 6);
  await model.fit(x, y, whole(x, 2));
  const state = await optimizer.getWeights();
  t.deepEqual(state.map(({name}) => name), ['iter', ...[0, 1, 2, 3].map(i => `ggn/1/previousStep/${i}`), ...[0, 1, 2, 3].map(i => `ggn/1/bestWeights/${i}`)]);
  const fresh = ggn(BAYESIAN);
  await fresh.setWeights(state.slice(0, 5));
  t.is((await fresh.getWeights()).length, 5);
  await fresh.setWeights(state);
  t.is((await fresh.getWeights()).length, 9);
  await t.throwsAsync(fresh.setWeights(state.filter((_, i) => i !== 6)), {message: /entry 6 of the saved state is 'ggn\/1\/bestWeights\/2' in place of 'ggn\/1\/bestWeights\/1'/});
  await t.throwsAsync(fresh.setWeights([...state.slice(0, 5), ...state.slice(5), state[5]]), {message: /in place of/});
  await t.throwsAsync(fresh.setWeights(state.slice(0, 8)), {message: /3 of the 4 best weights/});
});
