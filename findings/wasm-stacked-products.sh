#!/usr/bin/env bash
# Behaviour: on the WASM backend of tfjs 4.22.0, tf.matMul takes many times as long for stacked matrices, and for one matrix
# with transposeB, as for the same product of plain matrices one by one.
#
# Versions: @tensorflow/tfjs-core, tfjs-backend-wasm 4.22.0, Node 20.20.2, x86-64 with SIMD, one thread.
#
# Output seen (medians of three, milliseconds, 4 products of 400 x 400 with 400 x 400):
#   one by one, transposed before: 69; one by one, transposeB: 504; stacked: 470   (on a busy machine)
#
# Why it matters: a product written with broadcasting or batch axes, as attention and losses by example have it, runs outside of
# the fast kernel. A loop over the matrices, each transposed by tf.transpose first, is the faster program.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0
cat >measure.cjs <<'JS'
const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-wasm');

const median = times => times.sort((a, b) => a - b)[1];
const milliseconds = run => median([1, 2, 3].map(() => {
  const start = performance.now();
  tf.tidy(() => [run()].flat().forEach(t => t.dataSync()));
  return performance.now() - start;
}));

tf.setBackend('wasm').then(() => tf.ready()).then(() => {
  const size = 400;
  const plain = Array.from({length: 4}, (_, seed) => tf.randomNormal([size, size], 0, 1, 'float32', seed + 1));
  const stacked = tf.stack(plain);
  const one = milliseconds(() => plain.map(a => tf.matMul(a, tf.transpose(a))));
  const flagged = milliseconds(() => plain.map(a => tf.matMul(a, a, false, true)));
  const all = milliseconds(() => tf.matMul(stacked, tf.transpose(stacked, [0, 2, 1])));
  console.log(`one by one, transposed before: ${one.toFixed(0)}; one by one, transposeB: ${flagged.toFixed(0)}; stacked: ${all.toFixed(0)}`);
  if (flagged < 3 * one || all < 3 * one) {
    console.error('The products take about as long as each other: tfjs has changed.');
    process.exit(1);
  }
});
JS
node measure.cjs
