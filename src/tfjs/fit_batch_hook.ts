import type {Optimizer, Tensor} from '@tensorflow/tfjs-core';
import {batchesPerEpoch, wrapTrainFunction, type OpenModel} from './internals';

/** The batch that `fit` takes a step on. */
export interface FitBatch {
  readonly model: OpenModel;
  readonly inputs: readonly Tensor[];
  readonly targets: readonly Tensor[];
  /** Weights of the examples, made from `classWeight`. */
  readonly weights: readonly Tensor[];
  /**
   * Batches in an epoch of the present `fit` or `fitDataset`; null in `trainOnBatch`, or if their
   * number is unknown.
   */
  batchesPerEpoch(): number | null;
}

/** Symbols of the global registry, so that two copies of this package see the same marks. */
const HOOKED = Symbol.for('tfjs-ggn.trainStepHook');
const TRAIN_STEP = Symbol.for('tfjs-ggn.trainStep');

type Marked = Record<symbol, unknown>;

/**
 * Hooks the train function of LayersModels, so that our optimizer knows its batch in `fit`,
 * `fitDataset` and `trainOnBatch`. A second call does nothing, and other optimizers see no effect.
 */
export function hookFitBatch(layersModel: {prototype: unknown}, isOurs: (optimizer: Optimizer) => boolean): void {
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
    // tfjs has null for an output without weights.
    const weights = data.slice(inputs.length + targets.length).filter(weight => (weight as Tensor | null) !== null);
    const fitBatch: FitBatch = {model, inputs, targets, weights, batchesPerEpoch: () => batchesPerEpoch(model)};
    const holder = optimizer as unknown as Marked;
    holder[TRAIN_STEP] = fitBatch;
    try {
      return train(data);
    } finally {
      delete holder[TRAIN_STEP];
    }
  });
  Object.defineProperty(marks, HOOKED, {value: true});
}

/** The batch that `fit` trains on now; null in a custom loop. */
export function fitBatchOf(optimizer: Optimizer): FitBatch | null {
  return (optimizer as unknown as Marked)[TRAIN_STEP] as FitBatch | undefined ?? null;
}

/** The data ids of the inputs and targets of a batch. Several tensors may share one of them. */
export const dataOf = ({inputs, targets}: FitBatch): Set<object> =>
  new Set([...inputs, ...targets].map(t => t.dataId));
