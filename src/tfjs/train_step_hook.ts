import type {Optimizer, Tensor} from '@tensorflow/tfjs-core';
import {batchesPerEpoch, wrapTrainFunction} from './internals';
import type {OpenModel} from './internals';

/** What `fit` knows about the batch of the step that it is about to take. */
export interface TrainStep {
  readonly model: OpenModel;
  readonly inputs: readonly Tensor[];
  readonly targets: readonly Tensor[];
  /** Weights of the examples, made of `classWeight`. */
  readonly weights: readonly Tensor[];
  /** Batches in an epoch of the `fit` or `fitDataset` that is going on; null where it does not say, and in `trainOnBatch`. */
  batchesPerEpoch(): number | null;
}

/** Symbols of the registry, so that two copies of this package see the same marks. */
const HOOKED = Symbol.for('tfjs-ggn.trainStepHook');
const TRAIN_STEP = Symbol.for('tfjs-ggn.trainStep');

type Marked = Record<symbol, unknown>;

/**
 * Lets a LayersModel tell our optimizer which batch it trains on, in `fit`, `fitDataset` and `trainOnBatch`.
 * Idempotent, and inert for every other optimizer.
 */
export function hookTrainStep(layersModel: {prototype: unknown}, isOurs: (optimizer: Optimizer) => boolean): void {
  const marks = layersModel.prototype as Marked;
  if (marks[HOOKED] === true) {
    return;
  }
  wrapTrainFunction(layersModel, (model, train) => data => {
    const optimizer = model.optimizer_;
    if (optimizer === undefined || !isOurs(optimizer)) {
      return train(data);
    }
    const inputs = data.slice(0, model.inputs.length);
    const targets = data.slice(inputs.length, inputs.length + model.outputs.length);
    // tfjs leaves null where an output has none.
    const weights = data.slice(inputs.length + targets.length).filter(weight => (weight as Tensor | null) !== null);
    const step: TrainStep = {model, inputs, targets, weights, batchesPerEpoch: () => batchesPerEpoch(model)};
    const holder = optimizer as unknown as Marked;
    holder[TRAIN_STEP] = step;
    try {
      return train(data);
    } finally {
      delete holder[TRAIN_STEP];
    }
  });
  Object.defineProperty(marks, HOOKED, {value: true});
}

/** The batch that `fit` is training on; null in a custom loop. */
export function trainStepOf(optimizer: Optimizer): TrainStep | null {
  return (optimizer as unknown as Marked)[TRAIN_STEP] as TrainStep | undefined ?? null;
}

/** The data of the inputs and targets of a batch: handles share them. */
export const dataOf = (step: TrainStep): Set<object> => new Set([...step.inputs, ...step.targets].map(t => t.dataId));
