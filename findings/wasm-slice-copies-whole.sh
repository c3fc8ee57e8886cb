#!/usr/bin/env bash
# tfjs-backend-wasm 4.22.0: tf.slice copies all of its operand out of the WASM heap, whatever part of it is asked for.
#
# `slice` calls backend.readSync(x.dataId) without a range, which is HEAPU8.slice of the whole tensor, and then takes the part from that copy. So one
# row of a matrix costs as much as all of them: working through a matrix in n blocks takes n copies of it. `backend.readSync(dataId, start, end)`
# reads the same entries alone.
#
# Seen (rows of 10,000 floats; milliseconds for one row, median of 9):
#   tf.slice of 1 row of 10: 0.44, of 4,000 rows: 331.61; readSync of that row of 4,000: 0.01 (on a busy machine)
#
# Exits with 0 while it is so: one row of 4,000 takes more than 20 times as long as one of 10, and more than 20 times as long as its own read.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --legacy-peer-deps @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 >/dev/null
cat > main.cjs <<'JS'
const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-wasm');
const median = f => Array.from({length: 9}, () => { const t = performance.now(); f(); return performance.now() - t; }).sort((a, b) => a - b)[4];
(async () => {
  await tf.setBackend('wasm');
  const row = x => median(() => tf.slice(x, [3, 0], [1, 10000]).dispose());
  const [few, many] = [tf.ones([10, 10000]), tf.ones([4000, 10000])];
  row(few);
  const [small, large, read] = [row(few), row(many), median(() => tf.backend().readSync(many.dataId, 30000, 40000))];
  console.log(`tf.slice of 1 row of 10: ${small.toFixed(2)}, of 4,000 rows: ${large.toFixed(2)}; readSync of that row of 4,000: ${read.toFixed(2)}`);
  process.exit(large > 20 * small && large > 20 * read ? 0 : 1);
})();
JS
node main.cjs 2>/dev/null
