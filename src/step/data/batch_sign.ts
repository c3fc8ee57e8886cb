import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {findDependence} from '../../trace/dependence';
import {RESHAPES} from '../../trace/kernel_sets';
import type {BatchSign} from '../../policy/full_batch';
import type {FitBatch} from '../../tfjs/fit_batch_hook';
import type {Trace} from '../../trace/trace';
import {fingerprintOf, mix} from './fingerprint';

/**
 * The sign by which a step recognises the data of the last step: a fingerprint of the tensors that
 * meet the trained weights without depending on them (inputs, slices of inputs, targets, points,
 * masks). It is the same in any order of the examples. Dropout masks and noise are such tensors,
 * too, so training with them is never full batch.
 *
 * In `fit` with several batches an epoch, nothing is read.
 */
export function batchSign(trace: Trace, fitBatch: FitBatch | null,
    isTrained: (variable: Variable) => boolean): BatchSign {
  const batches = fitBatch?.batchesPerEpoch() ?? null;
  if (batches !== null && batches > 1) {
    return {fingerprint: null, isWhole: false};
  }
  const data = dataBeside(trace, isTrained);
  const arrays = data.filter(t => t.size > 1);
  let fingerprint = 0;
  for (const t of arrays.length > 0 ? arrays : data) {
    fingerprint = mix(fingerprint, fingerprintOf(t));
  }
  const leaves = trace.values.filter((t, i) => trace.producer[i] === -1 && !trace.variables.has(i) && t.size > 1);
  const variables = [...trace.variables.values()];
  const isCurve = fitBatch === null && variables.every(variable => variable.rank <= 1 || !isTrained(variable));
  const isWhole = batches === 1 && fitBatch !== null && leaves.every(leaf => isData(leaf, fitBatch) || isUniform(leaf));
  return {fingerprint, isCurve, isWhole};
}

/**
 * The values that do not depend on the trained weights, and enter a kernel beside one that does.
 */
function dataBeside(trace: Trace, isTrained: (variable: Variable) => boolean): Tensor[] {
  const {dependent} = findDependence(trace, isTrained);
  const found = new Set<number>();
  for (const {inputs} of trace.nodes) {
    if (inputs.some(([, value]) => dependent[value])) {
      inputs.filter(([, value]) => !dependent[value]).forEach(([, value]) => found.add(value));
    }
  }
  return [...new Set([...found].map(value => unshaped(trace, value)))].map(value => trace.values[value]);
}

/**
 * The value before it was reshaped. Its leading axis is that of the examples, although a product
 * may have put another axis in front.
 */
function unshaped(trace: Trace, value: number): number {
  const node = trace.nodes[trace.producer[value]];
  return node !== undefined && RESHAPES.has(node.kernel) ? unshaped(trace, node.inputs[0][1]) : value;
}

const isData = (leaf: Tensor, {inputs, targets}: FitBatch): boolean =>
  [...inputs, ...targets].some(t => t.dataId === leaf.dataId);

function isUniform(leaf: Tensor): boolean {
  const entries = leaf.dataSync();
  return entries.every(x => x === entries[0]);
}
