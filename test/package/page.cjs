// A page with script tags and no module system: node page.cjs SCRIPT FILE..., the files below node_modules, the script one of this folder, which defines a function of its name.
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
const [script, ...files] = process.argv.slice(2);
for (const file of [...files.map(file => path.join(__dirname, 'node_modules', file)), path.join(__dirname, script)]) {
  vm.runInContext(fs.readFileSync(file, 'utf8'), page, {filename: file});
}
vm.runInContext(`${path.parse(script).name}(tf, tfggn)`, page).then(result => console.log(JSON.stringify(result)));
