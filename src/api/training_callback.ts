import {markCallback} from './callback_list';
import {ggnError} from '../errors';
import type {GramGaussNewton} from './gram_gauss_newton';
import {hookOwnLayers} from './hook_layers';

/** What a callback may get as logs: numbers, and in lists of `tf.Callback` only, scalars that nobody has read yet. */
export type CallbackLogs = Record<string, number | {data(): Promise<ArrayLike<number>>}>;

/** The model that a callback is told of. */
export interface TrainedModel {
  optimizer?: unknown;
  stopTraining: boolean;
}

/**
 * A callback of this package for `fit` and `fitDataset`, alone or in a list with any others, in any order: plain objects, such as tfjs-vis's `fitCallbacks`,
 * `tf.Callback` and `tf.CustomCallback`. A plain object itself, whose functions are its own and need no `this`. It waits for no frame: `yieldEvery` of `fit` holds as it does without it.
 * @public
 */
export interface TrainingCallback {
  /** Called by `fit` with the number of epochs. */
  setParams(params: unknown): void;
  /**
   * Called by `fit` with the model.
   * @throws Error for a model that is trained by another optimizer.
   */
  setModel(model: unknown): void;
  /** Called when training begins. */
  onTrainBegin(logs?: unknown): Promise<void>;
  /** Called when training ends. */
  onTrainEnd(logs?: unknown): Promise<void>;
  /** Called when an epoch begins. */
  onEpochBegin(epoch: number, logs?: unknown): Promise<void>;
  /** Called when an epoch ends. */
  onEpochEnd(epoch: number, logs?: unknown): Promise<void>;
  /** Called before the step of a batch. */
  onBatchBegin(batch: number, logs?: unknown): Promise<void>;
  /** Called after the step of a batch. */
  onBatchEnd(batch: number, logs?: unknown): Promise<void>;
}

/** The parts that a callback of ours has something to do in. */
export interface CallbackParts {
  setModel?(model: TrainedModel): void;
  onTrainBegin?(): void;
  onEpochBegin?(): void;
  onEpochEnd?(epoch: number, logs: CallbackLogs): void | Promise<void>;
  onBatchEnd?(logs: CallbackLogs): void;
}

/**
 * Makes a callback of functions that need no `this`: tfjs takes them off the object where the first of a list is a plain one.
 *
 * @param name - of the function that the user called, for the errors.
 */
export function trainingCallback(name: string, optimizer: GramGaussNewton, parts: CallbackParts, setParams: TrainingCallback['setParams'] = () => {}): TrainingCallback {
  hookOwnLayers();
  const callback: TrainingCallback = {
    setParams,
    setModel: given => {
      const model = given as TrainedModel;
      if (model.optimizer !== optimizer) {
        throw ggnError(`${name}() was given an optimizer that this model is not trained by: the model was compiled with another. ` +
            `Give both the same, as in const optimizer = ggn(); model.compile({optimizer, ...}); callbacks: ${name}(optimizer).`);
      }
      parts.setModel?.(model);
    },
    onTrainBegin: async () => parts.onTrainBegin?.(),
    onTrainEnd: async () => {},
    onEpochBegin: async () => parts.onEpochBegin?.(),
    onEpochEnd: async (epoch, logs) => parts.onEpochEnd?.(epoch, (logs ?? {}) as CallbackLogs),
    onBatchBegin: async () => {},
    onBatchEnd: async (_, logs) => parts.onBatchEnd?.((logs ?? {}) as CallbackLogs),
  };
  return markCallback(callback);
}
