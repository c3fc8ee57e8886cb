import {ggnError} from '../errors';
import {markCallback} from './callback_list';
import {GramGaussNewton} from './gram_gauss_newton';
import {hookOwnLayers} from './hook_layers';

/**
 * Logs that a callback gets: numbers, and scalars that are not read yet if all callbacks of the
 * list are `tf.Callback`s.
 */
export type CallbackLogs = Record<string, number | {data(): Promise<ArrayLike<number>>}>;

/** The part of the trained model that callbacks use. */
export interface TrainedModel {
  optimizer?: unknown;
  stopTraining: boolean;
}

/**
 * A callback of this package for `fit` and `fitDataset`. It may stand alone, or in a list with any
 * others in any order: plain objects such as `fitCallbacks` of tfjs-vis, `tf.Callback` and
 * `tf.CustomCallback`.
 *
 * The callback is a plain object itself. Its functions are its own and need no `this`. It waits for
 * no frame, so `yieldEvery` of `fit` holds as it does without the callback.
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

/** The calls of `fit` that a callback of this package acts on. */
interface CallbackParts {
  setModel?(model: TrainedModel): void;
  onTrainBegin?(): void;
  onEpochBegin?(): void;
  onEpochEnd?(epoch: number, logs: CallbackLogs): void | Promise<void>;
  onBatchEnd?(logs: CallbackLogs): void;
}

/**
 * Checks the optimizer that a callback is made for.
 *
 * @param name the function that the user called, for the error.
 * @param more further arguments of the example in the error.
 * @throws for an optimizer of another kind.
 */
export function checkOptimizer(name: string, optimizer: unknown, more = ''): void {
  if (!(optimizer instanceof GramGaussNewton)) {
    throw ggnError(`${name}() takes the optimizer that ggn() returned, as in ${name}(optimizer${more}); other ` +
        'optimizers report no steps.');
  }
}

/**
 * Makes a callback of functions that need no `this`, since tfjs takes them off the object if the
 * first callback of a list is a plain one.
 *
 * @param name the function that the user called, for the errors.
 */
export function trainingCallback(name: string, optimizer: GramGaussNewton, parts: CallbackParts,
    setParams: TrainingCallback['setParams'] = () => {}): TrainingCallback {
  hookOwnLayers();
  const callback: TrainingCallback = {
    setParams,
    setModel: given => {
      const model = given as TrainedModel;
      if (model.optimizer !== optimizer) {
        throw ggnError(`${name}() was given an optimizer that this model is not trained by: the model was compiled ` +
            'with another. Give both the same, as in const optimizer = ggn(); model.compile({optimizer, ...}); ' +
            `callbacks: ${name}(optimizer).`);
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
