// What a user does in their first minutes, given their `tf` and our module; the consumers of this folder all run it.
// It is a script for a page and a module for Node at once, and old enough in style for both.
async function train(tf, {ggn, GramGaussNewton, stepMetrics}) {
  await tf.setBackend('cpu');
  const x = tf.tidy(() => tf.linspace(-1, 1, 64).reshape([32, 2]));
  const y = tf.tidy(() => x.mul(2).sin().sum(1, true));
  const layer = (units, seed, more) => tf.layers.dense({units, kernelInitializer: tf.initializers.glorotUniform({seed}), ...more});
  const model = tf.sequential({layers: [layer(16, 1, {inputShape: [2], activation: 'tanh'}), layer(1, 2)]});
  const optimizer = ggn({learningRate: 0.1, damping: 0.1, momentum: 0.5});
  model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
  // Ours among a plain object and a class, as tfjs-vis and early stopping come.
  const drawn = [];
  const others = [{onEpochEnd: (_, logs) => drawn.push(logs.damping)}, tf.callbacks.earlyStopping({monitor: 'loss', patience: 9})];
  const fit = (m, epochs) => m.fit(x, y, {epochs, batchSize: 16, shuffle: false, verbose: 0, callbacks: [stepMetrics(m.optimizer), ...others]});
  const {history} = await fit(model, 5);
  const weights = model.getWeights().flatMap(w => [...w.dataSync()]);
  const lastStepLoss = optimizer.lastStep.loss;

  // Saved with its optimizer, loaded by a tfjs that knows the class by name only, and trained on, beside the original.
  let saved;
  await model.save(tf.io.withSaveHandler(async artifacts => { saved = artifacts; return {modelArtifactsInfo: {}}; }), {includeOptimizer: true});
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved));
  const [on, again] = [await fit(model, 3), await fit(loaded, 3)];
  return {
    tfjs: tf.version.tfjs,
    loss: history.loss,
    damping: history.damping,
    drawn: drawn.slice(0, 5),
    weights,
    lastStepLoss,
    saved: saved.trainingConfig.optimizer_config.class_name,
    loaded: loaded.optimizer.getClassName(),
    ours: loaded.optimizer instanceof GramGaussNewton,
    continued: on.history.loss,
    continuedAfterLoading: again.history.loss,
  };
}
if (typeof module !== 'undefined') module.exports = train;
