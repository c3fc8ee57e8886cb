#!/usr/bin/env bash
# tfjs 4.22.0: on WASM, tf.conv2d with padding 'same' is wrong if its stride is larger than its filter and the last
# window ends before the image does, so that no padding is needed: WASM reads other windows.
#
# For an image of 8 x 8, a stride of 4 and a filter of 3 x 3, the windows begin at the pixels 0 and 4, with both paddings.
# The filter here takes the first pixel of each window. With padding 'valid' WASM is right.
#
# Seen on Node 20.20.2:
#   cpu, same: shape [1,2,2,1], [0,4,32,36]
#   cpu, valid: shape [1,2,2,1], [0,4,32,36]
#   wasm, same: shape [1,2,2,1], [0,0,0,0]
#   wasm, valid: shape [1,2,2,1], [0,4,32,36]
#
# Exits with 1 if WASM gives the outputs of cpu.
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
  const seen = {};
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    const image = tf.range(0, 64).reshape([1, 8, 8, 1]);
    const filter = tf.tensor4d([1, 0, 0, 0, 0, 0, 0, 0, 0], [3, 3, 1, 1]);  // the first pixel of each window
    for (const pad of ['same', 'valid']) {
      const output = tf.conv2d(image, filter, 4, pad);
      seen[`${backend} ${pad}`] = JSON.stringify([...output.dataSync()]);
      console.log(`${backend}, ${pad}: shape [${output.shape}], ${seen[`${backend} ${pad}`]}`);
    }
  }
  process.exitCode = seen['cpu valid'] === seen['wasm valid'] && seen['cpu same'] !== seen['wasm same'] ? 0 : 1;
})();
JS
node show.cjs 2> /dev/null
