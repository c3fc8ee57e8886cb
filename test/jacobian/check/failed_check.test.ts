/** The error of a failed self-check names the layer of a kernel. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import type {OpenModel} from '../../../src/tfjs/internals';
import {failedCheck} from '../../../src/jacobian/check/failed_check';
import {layerOf} from '../../../src/trace/layer_of';
import {Probe} from '../../support/probe';

const L = tf.layers;

test.before(async () => {
  await tf.setBackend('cpu');
});

test.serial('by the variable that enters at a kernel or most closely before it', async t => {
  const inner = tf.sequential({layers: [L.dense({name: 'deep', units: 3, inputShape: [4], activation: 'tanh'})]});
  const model = tf.sequential({layers: [L.bidirectional({name: 'both', layer: L.simpleRNN({units: 2}), mergeMode: 'concat', inputShape: [2, 3]} as never), inner,
    L.dense({name: 'last', units: 1, activation: 'sigmoid'})]});
  const step = {model: model as unknown as OpenModel, inputs: [], targets: [], weights: [], batchesPerEpoch: () => null};
  let looked = false;
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan}}) => {
    looked = true;
    const layers = plan.sweep.map(({node}) => `${node.kernel}${layerOf(node, trace, step)}`);
    t.true(layers.includes("Sigmoid (in or behind the layer 'last', Dense)"), layers.join('\n'));
    t.true(layers.includes("_FusedMatMul (in the layer 'last', Dense)"), layers.join('\n'));
    t.true(layers.includes("Tanh (in or behind the layer 'deep')"), layers.join('\n'));
    t.true(layers.includes("Concat (in or behind the layer 'both', Bidirectional)"), layers.join('\n'));
    // In a loop there are no layers.
    t.regex(layerOf(plan.sweep.find(({node}) => node.kernel === 'Sigmoid')!.node, trace, null), /^ \(behind the variable 'last\/bias/);
    t.is(layerOf(trace.nodes[plan.analysis.activations.find(i => trace.nodes[i].kernel === 'Add')!], trace, null), '');
    t.is(layerOf({...plan.sweep[0].node, inputs: []}, trace, step), '');
    t.regex(failedCheck('this and that', null, trace, plan, step).message,
        /^tfjs-ggn: the self-check of the Jacobian failed: this and that\. No single kernel was found to be wrong.*please report the model\. No step was taken; another optimizer/i);
  })});
  await model.trainOnBatch(tf.randomNormal([4, 2, 3]), tf.randomNormal([4, 1]));
  t.true(looked);
});
