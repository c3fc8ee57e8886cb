import type {Scalar, Tensor} from '@tensorflow/tfjs-core';
import {isTensor} from './recorder';
import type {OpenModel} from '../tfjs/internals';
import {activeRecorder} from './capture';

/**
 * f() as `fit` gives it, noting the outputs of the model in the trace that it is captured in: what the losses are called with. `model.lossFunctions` is
 * public and read when they are called, so it is replaced while f() runs, and put back.
 */
export function notingOutputs(model: OpenModel, f: () => Scalar): () => Scalar {
  return () => {
    const original = model.lossFunctions;
    if (original === undefined) {
      return f();
    }
    model.lossFunctions = original.map(lossFunction => (target: Tensor, output: Tensor) => {
      const recorder = activeRecorder();
      if (recorder !== undefined && isTensor(output)) {
        recorder.trace.outputs.push(recorder.indexOf(output));
      }
      return (lossFunction)(target, output);
    });
    try {
      return f();
    } finally {
      model.lossFunctions = original;
    }
  };
}
