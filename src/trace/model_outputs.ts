import type {Scalar, Tensor} from '@tensorflow/tfjs-core';
import {isTensor} from './recorder';
import type {OpenModel} from '../tfjs/internals';
import {activeRecorder} from './capture';

/**
 * The f() of `fit`, which also notes in the trace the outputs of the model, with which `fit` calls
 * the losses. `fit` reads the public `model.lossFunctions` when it calls them, so the property is
 * replaced while f() runs, and put back.
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
