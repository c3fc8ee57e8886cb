/** What this needs of a LayersModel, in any copy of tfjs-layers. */
interface FittedModel {
  readonly history?: {readonly params?: unknown};
  fit(x: unknown, y: unknown, args?: FitArguments): Promise<unknown>;
  fitDataset(dataset: unknown, args: FitArguments): Promise<unknown>;
}

interface FitArguments {
  callbacks?: unknown;
}

/** A `tf.Callback`, or one of ours. */
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
 * Lets `fit` and `fitDataset` take callbacks of ours in a list with any others. tfjs looks at the first of a list only: behind a `tf.Callback` a plain object
 * fails ("setParams is not a function"), and behind a plain object the methods of a `tf.Callback` lose their `this`. Inert for lists without one of ours, and idempotent.
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

function withPlainCallbacks(model: FittedModel, args: FitArguments): FitArguments {
  const list: unknown[] = Array.isArray(args?.callbacks) ? args.callbacks : [args?.callbacks];
  if (!list.some(isOurs)) {
    return args;
  }
  const plain = list.map(callback => isWhole(callback) ? asPlain(model, callback) : callback);
  // Without callbacks fit yields by an empty one; plain ones of the user's own yield anyway.
  return {...args, callbacks: list.every(isWhole) ? [{}, ...plain] : plain};
}

function isWhole(callback: unknown): callback is WholeCallback {
  const {setParams, setModel} = (callback ?? {}) as Partial<WholeCallback>;
  return typeof setParams === 'function' && typeof setModel === 'function';
}

/** A callback as the plain object that tfjs wraps; it is told of model and parameters, as a `tf.Callback` is, before training begins, and waits for no frame of its own. */
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
