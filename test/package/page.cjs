// A page with script tags and no module system: node page.cjs TFJS_FILE TFJS_GGN_FILE, both below node_modules.
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const page = vm.createContext({
  console, performance, setTimeout, clearTimeout, setInterval, clearInterval, TextEncoder, TextDecoder,
  navigator: {userAgent: 'a page'},
  document: {createElement: () => ({getContext: () => null})},   // no WebGL here
  location: {search: ''},
  addEventListener() {},
});
vm.runInContext('var window = globalThis, self = globalThis;', page);
for (const script of [...process.argv.slice(2).map(file => path.join(__dirname, 'node_modules', file)), path.join(__dirname, 'train.cjs')]) {
  vm.runInContext(fs.readFileSync(script, 'utf8'), page, {filename: script});
}
vm.runInContext('train(tf, tfggn)', page).then(result => console.log(JSON.stringify(result)));
