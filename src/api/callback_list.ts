/** The part of a LayersModel, in any copy of tfjs-layers, that is hooked here. */
interface FittedModel {
  readonly history?: {readonly params?: unknown};
  fit(x: unknown, y: unknown, args?: FitArguments): Promise<unknown>;
  fitDataset(dataset: unknown, args: FitArguments): Promise<unknown>;
}

interface FitArguments {
  callbacks?: unknown;
}

/** A `tf.Callback`, or a callback of this package. */
interface WholeCallback {
  setParams(params: unknown): void;
  setModel(model: unknown): void;
  onTrainBegin(logs?: unknown): unknown;
  onTrainEnd(logs?: unknown): unknown;
  onEpochBegin(epoch: number, logs?: unknown): unknown;
  onEpochEnd(epoch: number, logs?: unknown): unknown;
  onBatchBegin(batch: number, logs?: unknown): unknown;
  onBatchEnd(batch: number, logs?: unknown): unknown;
}

/** Symbols of the registry, so that two copies of this package see the same marks. */
const OURS = Symbol.for('tfjs-ggn.callback');
const HOOKED = Symbol.for('tfjs-ggn.callbackHook');

/** Marks a callback as one of this package. */
export function markCallback<T extends object>(callback: T): T {
  return Object.defineProperty(callback, OURS, {value: true});
}

function isOurs(callback: unknown): boolean {
  return typeof callback === 'object' && callback !== null && OURS in callback;
}

/**
 * Lets `fit` and `fitDataset` take callbacks of this package in a list with any others.
 *
 * tfjs looks only at the first callback of a list. Behind a `tf.Callback` a plain object fails
 * ("setParams is not a function"). Behind a plain object the methods of a `tf.Callback` lose their
 * `this`. Lists without a callback of this package stay as they are. Idempotent.
 */
export function hookCallbacks(layersModel: {prototype: unknown}): void {
  const prototype = layersModel.prototype as FittedModel & Record<symbol, unknown>;
  if (prototype[HOOKED] === true) {
    return;
  }
  const {fit, fitDataset} = prototype;
  prototype.fit = function(x, y, args = {}) {
    return fit.call(this, x, y, withPlainCallbacks(this, args));
  };
  prototype.fitDataset = function(dataset, args) {
    return fitDataset.call(this, dataset, withPlainCallbacks(this, args));
  };
  Object.defineProperty(prototype, HOOKED, {value: true});
}

/** The arguments with a list of plain objects, if a callback of this package is in the list. */
function withPlainCallbacks(model: FittedModel, args: FitArguments): FitArguments {
  const list: unknown[] = Array.isArray(args?.callbacks) ? args.callbacks : [args?.callbacks];
  if (!list.some(isOurs)) {
    return args;
  }
  const plain = list.map(callback => isWhole(callback) ? asPlain(model, callback) : callback);
  // If fit gets no callbacks, it adds an empty plain one, by which it yields to the event loop. To
  // a list without a plain callback fit adds none.
  return {...args, callbacks: list.every(isWhole) ? [{}, ...plain] : plain};
}

function isWhole(callback: unknown): callback is WholeCallback {
  const {setParams, setModel} = (callback ?? {}) as Partial<WholeCallback>;
  return typeof setParams === 'function' && typeof setModel === 'function';
}

/**
 * A callback as the plain object that tfjs wraps. The callback gets the model and the parameters
 * before training begins, as a `tf.Callback` does, and waits for no frame of its own.
 */
function asPlain(model: FittedModel, callback: WholeCallback): object {
  return {
    nextFrameFunc: async () => {},
    onTrainBegin: (logs: unknown) => {
      callback.setParams(model.history?.params);
      callback.setModel(model);
      return callback.onTrainBegin(logs);
    },
    onTrainEnd: (logs: unknown) => callback.onTrainEnd(logs),
    onEpochBegin: (epoch: number, logs: unknown) => callback.onEpochBegin(epoch, logs),
    onEpochEnd: (epoch: number, logs: unknown) => callback.onEpochEnd(epoch, logs),
    onBatchBegin: (batch: number, logs: unknown) => callback.onBatchBegin(batch, logs),
    onBatchEnd: (batch: number, logs: unknown) => callback.onBatchEnd(batch, logs),
  };
}
