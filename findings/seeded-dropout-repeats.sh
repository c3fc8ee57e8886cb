#!/usr/bin/env bash
# @tensorflow/tfjs-layers 4.22.0: a dropout layer with a seed drops the same units in every call.
#
# The seed goes to tf.dropout as it is in every call, where Keras counts on from it. So a seeded layer is no regularizer: the same
# units of the network are dropped in every step of a training, for batches of the same shape.
#
# Output seen: three calls of dropout({rate: 0.5, seed: 7}) with training: true on twelve ones.
#   000200002022 000200002022 000200002022
# Exits with 1 when the masks differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0
cat > case.cjs <<'JS'
const tf = require('@tensorflow/tfjs');
const layer = tf.layers.dropout({rate: 0.5, seed: 7});
const masks = [0, 1, 2].map(() => Array.from(layer.apply(tf.ones([1, 12]), {training: true}).dataSync()).join(''));
console.log(masks.join(' '));
process.exit(masks.every(mask => mask === masks[0] && mask.includes('0')) ? 0 : 1);
JS
node case.cjs 2>/dev/null
