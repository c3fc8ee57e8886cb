#!/usr/bin/env bash
# @tensorflow/tfjs-layers 4.22.0: fit() leaves tensors behind when its loss function throws.
#
# fit() disposes of the slices of a batch only after the step has come back. A training that is tried again after an error
# (a loss that refuses a batch, say) grows by the same number of tensors every time.
#
# Output seen: three trainings of two batches each, whose loss throws in the first batch.
#   tensors left behind: 7 14 21
# Exits with 1 when the counts change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0
cat > case.cjs <<'JS'
const tf = require('@tensorflow/tfjs');
(async () => {
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [1]})]});
  model.compile({optimizer: 'sgd', loss: () => { throw new Error('refused'); }});
  const [x, y] = [tf.ones([8, 1]), tf.ones([8, 1])];
  const before = tf.memory().numTensors;
  const left = [];
  for (let i = 0; i < 3; i++) {
    await model.fit(x, y, {epochs: 1, batchSize: 4, verbose: 0}).catch(() => {});
    left.push(tf.memory().numTensors - before);
  }
  console.log('tensors left behind:', left.join(' '));
  process.exit(left.join(' ') === '7 14 21' ? 0 : 1);
})();
JS
node case.cjs 2>/dev/null
