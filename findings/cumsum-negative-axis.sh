#!/usr/bin/env bash
# @tensorflow/tfjs 4.22.0, cpu backend: cumsum and cumprod along axis -1 give a tensor without a size, and no error.
#
# Other ops of tfjs (sum, concat, softmax, gather) count a negative axis from the last one. Cumsum and cumprod pass the
# axis on as it is, and the kernel of the cpu backend permutes the axes by it. The result has an undefined length, its
# size is NaN, and reading it gives no numbers. The same axis named 1 gives the right values.
#
# Output seen:
#   sum     axis -1: shape 2, size 2, values 6,15
#   cumsum  axis  1: shape 2,3, size 6, values 1,3,6,4,9,15
#   cumsum  axis -1: shape undefined,2, size NaN, values none
#   cumprod axis -1: shape undefined,2, size NaN, values none
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0
cat > case.cjs <<'JS'
const tf = require('@tensorflow/tfjs');
tf.setBackend('cpu').then(() => {
  const x = tf.tensor2d([[1, 2, 3], [4, 5, 6]]);
  const show = t => `shape ${t.shape.map(String).join()}, size ${t.size}, values ${Array.from(t.dataSync()).join() || 'none'}`;
  const lines = {'sum     axis -1': tf.sum(x, -1), 'cumsum  axis  1': tf.cumsum(x, 1), 'cumsum  axis -1': tf.cumsum(x, -1),
    'cumprod axis -1': tf.cumprod(x, -1)};
  const seen = Object.values(lines).map(show);
  Object.keys(lines).forEach((name, i) => console.log(`${name}: ${seen[i]}`));
  const broken = 'shape undefined,2, size NaN, values none';
  process.exit(seen[1].endsWith('1,3,6,4,9,15') && seen[2] === broken && seen[3] === broken ? 0 : 1);
});
JS
node case.cjs 2>/dev/null
