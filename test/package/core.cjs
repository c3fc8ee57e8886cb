const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
const loop = require('./loop.cjs');

loop(tf, require('tfjs-ggn')).then(result => console.log(JSON.stringify(result)));
