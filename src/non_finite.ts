import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {ggnError} from './errors';
import {NO_ROWS} from './rows';

/**
 * Says where numbers that are not finite come from: weights, inputs, targets, or the computation itself.
 *
 * @param what what is not finite, as in 'the loss is NaN'.
 */
export function explainNonFinite(what: string, trace: Trace, step: TrainStep | null, isTrained: (variable: Variable) => boolean): Error {
  const advice = 'No step was taken.';
  for (const [value, variable] of trace.variables) {
    if (isTrained(variable) && !isFinite(trace.values[value])) {
      return ggnError(`${what}: the variable '${variable.name}' holds values that are not finite. ${advice}`);
    }
  }
  const named: Array<[string, readonly Tensor[]]> = step === null ? [] : [['inputs', step.inputs], ['targets', step.targets]];
  for (const [name, tensors] of named) {
    if (tensors.some(t => !isFinite(t))) {
      return ggnError(`${what}: the ${name} of this batch hold values that are not finite. Clean the data. ${advice}`);
    }
  }
  for (let value = 0; value < trace.values.length; value++) {
    if (trace.producer[value] === -1 && !isFinite(trace.values[value])) {
      return ggnError(`${what}: a tensor of shape [${trace.values[value].shape.join()}] that the loss is computed from ` +
          `holds values that are not finite. Clean the data. ${advice}`);
    }
  }
  // The mean of nothing is 0 on cpu and WASM, and not a number on tfjs-node.
  if (trace.nodes.some(({kernel, inputs}) => kernel === 'Mean' && trace.values[inputs[0][1]].size === 0)) {
    return ggnError(NO_ROWS);
  }
  return ggnError(`${what} although weights and data are finite: float32 overflows. Scale inputs and targets. ${advice}`);
}

function isFinite(t: Tensor): boolean {
  return t.dtype !== 'float32' || (t.dataSync() as Float32Array).every(Number.isFinite);
}
