import {backend, engine, version_core, type DataType, type Optimizer, type Tensor,
  type Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';

/**
 * The names of tfjs that are not public API. All of them are in this file and checked before use:
 *
 * - `engine.runKernelFunc` receives a `tf.customGrad` op, without a kernel name, with
 *   `forwardFunc`, `backwardsFunc` and `inputs`.
 * - `engine.state.activeScope.name` tells tfjs's own customGrad ops from the user's.
 * - `engine.disposeTensor` (public, shadowed) is called by `Variable.assign` before the old value
 *   is dropped.
 * - `engine.trackTensor` and `engine.removeDataId` (private, shadowed) see every new handle and
 *   every buffer that is released; `engine.state.tensorInfo` has the buffers that exist. Without
 *   these names a memory limit is kept by the count of handles, between the parts of a step.
 * - `engine.makeTensorFromTensorInfo` (private) makes tensors without entries, and `incRef` of a
 *   backend (public) the handles that share data. Without them no step is rehearsed.
 * - `NodeJSKernelBackend.executeSingleOutput` (public) and the constants in `binding`, of
 *   tfjs-node, run any op of TensorFlow by its name. Without them large systems are factored by
 *   other means.
 * - `LayersModel.prototype.makeTrainFunction` and `optimizer_` (protected) are one training step of
 *   `fit`.
 * - `LayersModel.isTraining` and `history.params` (protected) give the number of batches in an
 *   epoch. Without them the batches are told apart by their data.
 *
 * `runKernel` and `getGradient` are public.
 */

export type KernelInputs = Record<string, Tensor | null | undefined> | Tensor[];
export type KernelAttrs = Record<string, unknown>;

/**
 * Input cotangents by input name, from the cotangent of the output and the tensors that the op has
 * saved.
 */
export type Backward = (dy: Tensor, saved: Tensor[]) => Record<string, () => Tensor>;

/** The call of the engine by an op with a gradient of its own (`tf.customGrad`). */
export interface CustomGradInvocation {
  kernelName?: string;
  forwardFunc(backend: unknown, save: (tensors: Tensor[]) => void): Tensor | Tensor[];
  backwardsFunc: Backward;
  inputs: Record<string, Tensor>;
  /** Of a kernel. */
  attrs?: KernelAttrs;
}

/** The members of a backend that the data of tensors without entries need. */
interface DataBackend {
  incRef(dataId: object): void;
}

/** A tensor without its handle. */
interface TensorInfo {
  readonly dataId: object;
  readonly shape: readonly number[];
  readonly dtype: DataType;
}

/** The engine of tfjs with the names above. */
export interface OpenEngine {
  runKernel(kernelName: string, inputs: KernelInputs, attrs?: KernelAttrs): Tensor | Tensor[];
  runKernelFunc(params: CustomGradInvocation): Tensor | Tensor[];
  disposeTensor(t: Tensor): void;
  trackTensor?(t: Tensor, backend: unknown): void;
  removeDataId?(dataId: object, backend: unknown): void;
  makeTensorFromTensorInfo?(info: TensorInfo, backend: DataBackend): Tensor;
  keep<T extends Tensor>(t: T): T;
  backendName: string;
  state: {
    activeScope?: {name?: string} | null;
    tensorInfo?: {has(dataId: object): boolean; get(dataId: object): {readonly backend: DataBackend} | undefined};
  };
}

/** The engine of this page or process; all copies of tfjs in a realm share it. */
export function openEngine(): OpenEngine {
  const open = engine() as unknown as OpenEngine;
  for (const name of ['runKernel', 'runKernelFunc', 'disposeTensor'] as const) {
    if (typeof open[name] !== 'function') {
      throw ggnError(`TensorFlow.js ${version_core} has no engine.${name}, which the capture of a step needs. ` +
          `Versions 4.0 to 4.22 are known to work; please report this version.`);
    }
  }
  return open;
}

/** Runs a kernel by its registered name. */
export function runKernel(kernelName: string, inputs: KernelInputs, attrs: KernelAttrs = {}): Tensor | Tensor[] {
  return (engine() as unknown as OpenEngine).runKernel(kernelName, inputs, attrs);
}

/**
 * Replaces a method on the engine *instance*.
 *
 * @returns a function that puts back exactly the former method, so that shadows nest and the shadow
 *   of another library survives.
 */
export function shadow<K extends 'runKernel' | 'runKernelFunc' | 'disposeTensor' | 'trackTensor' | 'removeDataId'>(
    open: OpenEngine, name: K, replacement: OpenEngine[K]): () => void {
  const own = Object.prototype.hasOwnProperty.call(open, name);
  const previous = open[name];
  open[name] = replacement;
  return () => {
    if (own) {
      open[name] = previous;
    } else {
      delete (open as unknown as Record<string, unknown>)[name];
    }
  };
}

/** Whether a capture, a gradient tape or another library records the kernels that run now. */
export function isObserved(): boolean {
  const open = engine();
  return Object.prototype.hasOwnProperty.call(open, 'runKernel') || open.isTapeOn();
}

/** The ops of tfjs that use customGrad. The kernels inside them have gradients of their own. */
const OWN_CUSTOM_GRADS = new Set(['fusedMatMul__op', 'fusedConv2d__op', 'fusedDepthwiseConv2d__op', 'logSigmoid__op',
  'logSoftmax__op', 'softmaxCrossEntropy__op']);

/** Whether a call of `runKernelFunc` is a `tf.customGrad` of the user's, and not an op of tfjs. */
export function isUserCustomGrad(open: OpenEngine, params: CustomGradInvocation): boolean {
  if (params.kernelName != null || OWN_CUSTOM_GRADS.has(open.state?.activeScope?.name ?? '')) {
    return false;
  }
  if (typeof params.forwardFunc !== 'function' || typeof params.backwardsFunc !== 'function') {
    throw ggnError(`tf.customGrad of TensorFlow.js ${version_core} is not as in versions 4.0 to 4.22, ` +
        'which are known to work: please report this version.');
  }
  return true;
}

/**
 * Whether t is a variable, told by its members: several copies of tfjs-core may run, each with its
 * own class.
 */
export function isVariable(t: Tensor): t is Variable {
  return typeof (t as Variable).assign === 'function' && typeof (t as Variable).trainable === 'boolean';
}

/** The members of a LayersModel that the train-step hook uses, in any copy of tfjs-layers. */
export interface OpenModel {
  readonly inputs: readonly unknown[];
  readonly outputs: readonly unknown[];
  readonly layers: ReadonlyArray<{name: string; getClassName(): string}>;
  readonly loss: unknown;
  /** One for each output, made by `compile`. */
  lossFunctions?: ReadonlyArray<(target: Tensor, output: Tensor) => Tensor>;
  optimizer_?: Optimizer;
  readonly isTraining?: boolean;
  readonly history?: {readonly params?: FitParams};
  makeTrainFunction(): (data: Tensor[]) => unknown;
}

/** The parameters of a `fit` (samples, batchSize) or a `fitDataset` (steps). */
interface FitParams {
  readonly samples?: number | null;
  readonly batchSize?: number | null;
  readonly steps?: number | null;
}

/**
 * Wraps the train function of every model of one copy of tfjs-layers. It is called once for each
 * copy.
 */
export function wrapTrainFunction(layersModel: {prototype: unknown},
    wrap: (model: OpenModel, train: (data: Tensor[]) => unknown) => (data: Tensor[]) => unknown): void {
  const prototype = layersModel.prototype as OpenModel;
  const original = prototype.makeTrainFunction;
  if (typeof original !== 'function') {
    throw ggnError(`TensorFlow.js ${version_core} has no LayersModel.makeTrainFunction, which the train-step ` +
        `hook wraps. Versions 4.0 to 4.22 are known to work; please report this version.`);
  }
  prototype.makeTrainFunction = function(this: OpenModel) {
    return wrap(this, original.call(this));
  };
}

/**
 * The class that defines the train function, `LayersModel`, given that class or one derived from
 * it; null if there is none.
 */
export function definingClass(registered: unknown): {prototype: object} | null {
  let cls = registered as {prototype: object} | undefined;
  while (typeof cls === 'function') {
    const {prototype} = cls as {prototype: object};
    if (Object.hasOwn(prototype, 'makeTrainFunction')) {
      return {prototype};
    }
    cls = Object.getPrototypeOf(cls) as {prototype: object};
  }
  return null;
}

/**
 * Batches in an epoch of the `fit` or `fitDataset` that a model is in; null if it is in none, or if
 * their number is unknown.
 */
export function batchesPerEpoch(model: OpenModel): number | null {
  const params = model.isTraining === true ? model.history?.params : undefined;
  const {samples, batchSize, steps} = params ?? {};
  if (typeof samples === 'number' && typeof batchSize === 'number') {
    return Math.ceil(samples / batchSize);
  }
  // A dataset of one batch in an epoch may have another batch in the next epoch.
  return typeof steps === 'number' && steps > 1 ? steps : null;
}

/**
 * Runs an op of TensorFlow on float32 tensors, with attributes that are flags, texts or integers.
 */
export type NativeOp =
    (name: string, inputs: Tensor[], attrs?: Record<string, boolean | string | readonly number[]>) => Tensor;

/** The members of the backend of tfjs-node that `nativeOps` and `isNativeHost` use. */
interface NodeBackend {
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: {readonly TF_ATTR_TYPE?: number; readonly TF_ATTR_BOOL?: number; readonly TF_ATTR_INT?: number;
    readonly TF_ATTR_STRING?: number; readonly TF_FLOAT?: number};
  executeSingleOutput?(name: string, attrs: readonly NodeAttr[], inputs: Tensor[]): Tensor;
}

interface NodeAttr {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** Whether the backend is tfjs-node and its tensors lie in the memory of the process. */
export const isNativeHost = (): boolean =>
  engine().backendName === 'tensorflow' && (backend() as unknown as NodeBackend).isUsingGpuDevice === false;

/**
 * The ops of TensorFlow, also those without a kernel in tfjs; null if the current backend is not
 * tfjs-node.
 */
export function nativeOps(): NativeOp | null {
  const node = backend() as unknown as NodeBackend;
  const {TF_ATTR_TYPE: type, TF_ATTR_BOOL: bool, TF_ATTR_INT: int, TF_ATTR_STRING: text, TF_FLOAT: float} =
    node.binding ?? {};
  if (typeof node.executeSingleOutput !== 'function' || type === undefined || bool === undefined ||
      int === undefined || text === undefined || float === undefined) {
    return null;
  }
  return (name, inputs, given = {}) => {
    const attrs = Object.entries(given).map(([key, value]) =>
      ({name: key, type: typeof value === 'boolean' ? bool : typeof value === 'string' ? text : int, value}));
    return node.executeSingleOutput!(name, [{name: 'T', type, value: float}, ...attrs], inputs);
  };
}
