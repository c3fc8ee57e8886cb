#!/usr/bin/env bash
# @tensorflow/tfjs-core 4.22.0: the gradient of cumsum along any axis but the last comes out transposed.
#
# Cumsum_grad.js sums along the last axis after a permutation of the axes and does not undo that permutation. On a square
# tensor the gradient is wrong without a word; on others the shapes differ, and tf.grad throws.
#
# Output seen: the loss is sum(c * cumsum(x, 0)) with c = [[1, 2], [3, 4]]; its gradient is [[4, 6], [3, 4]].
#   square     4,3,6,4
#   not square Error in gradient for op Cumsum. The gradient of input 'x' has shape '3,2', which does not match the shape
#              of the input '2,3'
# Exits with 1 when either changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0
cat > case.cjs <<'JS'
const tf = require('@tensorflow/tfjs');
const c = tf.tensor2d([[1, 2], [3, 4]]);
const square = Array.from(tf.grad(x => tf.cumsum(x, 0).mul(c).sum())(tf.zeros([2, 2])).dataSync()).join();
let other = 'no error';
try {
  tf.grad(x => tf.cumsum(x, 0).sum())(tf.zeros([2, 3]));
} catch (error) {
  other = error.message;
}
console.log('square    ', square);
console.log('not square', other);
process.exit(square === '4,3,6,4' && other.includes("'3,2'") ? 0 : 1);
JS
node case.cjs 2>/dev/null
