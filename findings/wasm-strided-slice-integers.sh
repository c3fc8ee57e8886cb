#!/usr/bin/env bash
# tfjs 4.22.0: on WASM, tf.stridedSlice of integers or booleans returns the bits of the integers as float32.
#
# The kernel StridedSlice of the WASM backend makes its output as 'float32' whatever the type of its input, and copies
# the bytes. A slice with all strides 1 takes another way and is right.
# The cpu backend keeps type and values.
#
# Seen on Node 20.20.2:
#   cpu: int32 [1,3,5,7]
#   wasm: float32 [1.401298464324817e-45,4.203895392974451e-45,7.006492321624085e-45,9.80908925027372e-45]
#
# Exits with 1 if the kernel keeps the type.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-fund --no-audit @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat > show.cjs <<'JS'
const tf = require('@tensorflow/tfjs');
require('@tensorflow/tfjs-backend-wasm');
(async () => {
  const types = [];
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [2, 4], 'int32');
    const part = tf.stridedSlice(x, [0, 0], [2, 4], [1, 2]);
    types.push(part.dtype);
    console.log(`${backend}: ${part.dtype} ${JSON.stringify([...part.dataSync()])}`);
  }
  process.exitCode = types[0] === 'int32' && types[1] === 'float32' ? 0 : 1;
})();
JS
node show.cjs 2> /dev/null
