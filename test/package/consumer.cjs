const tf = require('@tensorflow/tfjs');
const train = require('./train.cjs');

train(tf, require('tfjs-ggn')).then(result => console.log(JSON.stringify(result)));
