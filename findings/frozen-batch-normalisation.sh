#!/usr/bin/env bash
# @tensorflow/tfjs-layers 4.22.0: a batch normalisation layer with trainable: false still moves its averages in fit().
#
# In Keras such a layer runs in inference mode. In TensorFlow.js it normalises by the statistics of the batch, and its moving
# mean and variance, which are saved with the model, go on moving. Who freezes a pretrained network changes its predictions.
#
# Output seen: inputs 5, 7, 9, 11 (mean 8), momentum 0.99, one step.
#   moving mean of the frozen layer: 0.08
# Exits with 1 when the average stays at 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0
cat > case.cjs <<'JS'
const tf = require('@tensorflow/tfjs');
(async () => {
  const layers = [tf.layers.batchNormalization({inputShape: [1], trainable: false}), tf.layers.dense({units: 1})];
  const model = tf.sequential({layers});
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  await model.fit(tf.tensor2d([5, 7, 9, 11], [4, 1]), tf.ones([4, 1]), {epochs: 1, verbose: 0});
  const mean = layers[0].getWeights()[2].dataSync()[0].toFixed(2);
  console.log('moving mean of the frozen layer:', mean);
  process.exit(mean === '0.08' ? 0 : 1);
})();
JS
node case.cjs 2>/dev/null
