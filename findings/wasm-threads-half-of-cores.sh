#!/usr/bin/env bash
# tfjs-backend-wasm 4.22.0: setThreadsCount(n) gives at most half as many threads as the machine has logical cores.
#
# The documentation of setThreadsCount says that it sets the number of threads, by default to the number of logical cores. On a machine of two logical
# cores setThreadsCount(2) gives one thread, and on one of four it gives two, as does the default. getThreadsCount tells the number in truth. The
# script calls the functions of the threaded module behind the two, in Node, with a number of cores that it makes up.
#
# Seen (threads by default, and for a wish of 1, 2, 3 and 4):
#   2 cores: 1, 1, 1, 1, 1
#   4 cores: 2, 1, 2, 2, 2
#
# Exits with 0 while it is so.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --legacy-peer-deps @tensorflow/tfjs-backend-wasm@4.22.0 >/dev/null
cat > main.cjs <<'JS'
const fs = require('fs');
const os = require('os');
const out = `${__dirname}/node_modules/@tensorflow/tfjs-backend-wasm/wasm-out/`;
const name = 'tfjs-backend-wasm-threaded-simd';
const cores = Number(process.argv[2]);
os.cpus = () => new Array(cores).fill({});
setInterval(() => {}, 1000);   // the workers alone do not keep the process alive
fs.writeFileSync('worker.js', require(`${out}${name}.worker.js`).wasmWorkerContents.replace(/\n/g, '\\n'));
require(`${out}${name}.js`)({locateFile: file => file.endsWith('.worker.js') ? `${__dirname}/worker.js` : out + file}).then(module => {
  const counts = [-1, 1, 2, 3, 4].map(wish => {
    module._init_with_threads_count(wish);
    return module._get_threads_count();
  });
  console.log(`${cores} cores: ${counts.join(', ')}`);
  process.exit(0);
});
JS
seen=$(for cores in 2 4; do timeout 60 node main.cjs $cores; done)
echo "$seen"
test "$seen" = $'2 cores: 1, 1, 1, 1, 1\n4 cores: 2, 1, 2, 2, 2'
