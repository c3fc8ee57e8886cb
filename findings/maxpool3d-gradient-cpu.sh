#!/usr/bin/env bash
# @tensorflow/tfjs-backend-cpu 4.22.0: the gradient of maxPool3d goes to wrong entries where a window is not as high as it is wide.
#
# maxPool3dPositions (dist/utils/pool_utils.js) numbers the entries of a window by "wRow * effectiveFilterHeight + wCol", where the gradient kernel
# (dist/kernels/MaxPool3DGrad.js) reads "wRow * effectiveFilterWidth + wCol". In a window of 2 x 3 the first entry of the second row counts as the
# last of the first row. The WASM backend is right.
#
# Output seen: the input is 1 2 3 / 9 4 5, one window of [1, 2, 3]; its maximum is entry 3.
#   cpu  0,0,1,0,0,0
#   wasm 0,0,0,1,0,0
# Exits with 1 when the gradient on cpu is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat > case.cjs <<'JS'
const tf = require('@tensorflow/tfjs');
require('@tensorflow/tfjs-backend-wasm');
(async () => {
  const seen = {};
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    await tf.ready();
    const x = tf.tensor5d([1, 2, 3, 9, 4, 5], [1, 1, 2, 3, 1]);
    seen[backend] = Array.from(tf.grad(t => tf.maxPool3d(t, [1, 2, 3], 1, 'valid'))(x).dataSync()).join();
    console.log(backend.padEnd(4), seen[backend]);
  }
  process.exit(seen.cpu === '0,0,1,0,0,0' && seen.wasm === '0,0,0,1,0,0' ? 0 : 1);
})();
JS
node case.cjs 2>/dev/null
