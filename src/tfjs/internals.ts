import {backend, engine, version_core} from '@tensorflow/tfjs-core';
import type {Optimizer, Tensor, Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';

/**
 * The few names of tfjs that are not public API, all in this file and checked before use:
 *
 * - `engine.runKernelFunc`: a `tf.customGrad` op reaches the engine there, without a kernel name, with `forwardFunc`,
 *   `backwardsFunc` and `inputs`;
 * - `engine.state.activeScope.name`: tells tfjs's own customGrad ops from the user's;
 * - `engine.disposeTensor` (public, shadowed): called by `Variable.assign` before the old value is dropped;
 * - `engine.trackTensor` and `engine.removeDataId` (private, shadowed) and `engine.state.tensorInfo`: every new handle, every buffer that is
 *   released, and the buffers that there are. Without them a memory limit is kept by the count of handles, between the parts of a step.
 *
 * - `NodeJSKernelBackend.executeSingleOutput` (public) and `binding` (its constants), of tfjs-node: any op of TensorFlow by its name. Without them
 *   large systems are factored by other means.
 * - `LayersModel.prototype.makeTrainFunction` and `optimizer_` (protected): one training step of `fit`;
 * - `LayersModel.isTraining` and `history.params` (protected): how many batches an epoch has. Without them the data tell.
 *
 * `runKernel` and `getGradient` are public.
 */

export type KernelInputs = Record<string, Tensor | null | undefined> | Tensor[];
export type KernelAttrs = Record<string, unknown>;

/** Input cotangents by input name, from the cotangent of the output and what the op has saved. */
export type Backward = (dy: Tensor, saved: Tensor[]) => Record<string, () => Tensor>;

/** How an op with a gradient of its own (`tf.customGrad`) reaches the engine. */
export interface CustomGradInvocation {
  kernelName?: string;
  forwardFunc(backend: unknown, save: (tensors: Tensor[]) => void): Tensor | Tensor[];
  backwardsFunc: Backward;
  inputs: Record<string, Tensor>;
}

export interface OpenEngine {
  runKernel(kernelName: string, inputs: KernelInputs, attrs?: KernelAttrs): Tensor | Tensor[];
  runKernelFunc(params: CustomGradInvocation): Tensor | Tensor[];
  disposeTensor(t: Tensor): void;
  trackTensor?(t: Tensor, backend: unknown): void;
  removeDataId?(dataId: object, backend: unknown): void;
  keep<T extends Tensor>(t: T): T;
  backendName: string;
  state: {activeScope?: {name?: string} | null; tensorInfo?: {has(dataId: object): boolean}};
}

/** The engine of this page or process (one per realm, shared by every copy of tfjs). */
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
 * Replaces a method on the engine *instance*; the returned function puts back exactly what was there, so that
 * shadows nest and another library's shadow survives.
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

/** Whether a capture, a gradient tape or another library follows the kernels that run now. */
export function isObserved(): boolean {
  const open = engine();
  return Object.prototype.hasOwnProperty.call(open, 'runKernel') || open.isTapeOn();
}

/** The ops of tfjs that are made by customGrad: the kernels inside them have gradients of their own. */
const OWN_CUSTOM_GRADS = new Set(['fusedMatMul__op', 'fusedConv2d__op', 'fusedDepthwiseConv2d__op', 'logSigmoid__op',
  'logSoftmax__op', 'softmaxCrossEntropy__op']);

/** True when a `runKernelFunc` call is a `tf.customGrad` of the user's, not one of tfjs's own ops. */
export function isUserCustomGrad(open: OpenEngine, params: CustomGradInvocation): boolean {
  if (params.kernelName != null || OWN_CUSTOM_GRADS.has(open.state?.activeScope?.name ?? '')) {
    return false;
  }
  if (typeof params.forwardFunc !== 'function' || typeof params.backwardsFunc !== 'function') {
    throw ggnError(`tf.customGrad of TensorFlow.js ${version_core} is not as in versions 4.0 to 4.22, which are known to work: ` +
        'please report this version.');
  }
  return true;
}

/** Variables are duck typed: several copies of tfjs-core may be about, each with its own class. */
export function isVariable(t: Tensor): t is Variable {
  return typeof (t as Variable).assign === 'function' && typeof (t as Variable).trainable === 'boolean';
}

/** What the train-step hook needs of a LayersModel, in any copy of tfjs-layers. */
export interface OpenModel {
  readonly inputs: readonly unknown[];
  readonly outputs: readonly unknown[];
  readonly layers: ReadonlyArray<{name: string; getClassName(): string}>;
  readonly loss: unknown;
  /** One for each output, as `compile` found them. */
  lossFunctions?: ReadonlyArray<(target: Tensor, output: Tensor) => Tensor>;
  optimizer_?: Optimizer;
  readonly isTraining?: boolean;
  readonly history?: {readonly params?: {readonly samples?: number | null; readonly batchSize?: number | null; readonly steps?: number | null}};
  makeTrainFunction(): (data: Tensor[]) => unknown;
}

/** Wraps the train function of every model of one copy of tfjs-layers: called once per copy. */
export function wrapTrainFunction(layersModel: {prototype: unknown},
    wrap: (model: OpenModel, train: (data: Tensor[]) => unknown) => (data: Tensor[]) => unknown): void {
  const prototype = layersModel.prototype as OpenModel;
  const original = prototype.makeTrainFunction;
  if (typeof original !== 'function') {
    throw ggnError(`TensorFlow.js ${version_core} has no LayersModel.makeTrainFunction, which the train-step hook wraps. ` +
        `Versions 4.0 to 4.22 are known to work; please report this version.`);
  }
  prototype.makeTrainFunction = function(this: OpenModel) {
    return wrap(this, original.call(this));
  };
}

/** The class that defines the train function: `LayersModel`, from itself or a class derived from it. */
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

/** Batches in an epoch of the `fit` or `fitDataset` that a model is in; null where it is in none, or that does not say. */
export function batchesPerEpoch(model: OpenModel): number | null {
  const params = model.isTraining === true ? model.history?.params : undefined;
  const {samples, batchSize, steps} = params ?? {};
  if (typeof samples === 'number' && typeof batchSize === 'number') {
    return Math.ceil(samples / batchSize);
  }
  // One batch in an epoch of a dataset need not be the same in the next.
  return typeof steps === 'number' && steps > 1 ? steps : null;
}

/** Runs an op of TensorFlow on one float32 type, with boolean attributes. */
export type NativeOp = (name: string, inputs: Tensor[], flags?: Record<string, boolean>) => Tensor;

interface NodeBackend {
  readonly binding?: {readonly TF_ATTR_TYPE?: number; readonly TF_ATTR_BOOL?: number; readonly TF_FLOAT?: number};
  executeSingleOutput?(name: string, attrs: ReadonlyArray<{name: string; type: number; value: unknown}>, inputs: Tensor[]): Tensor;
}

/** The ops of TensorFlow that tfjs has no kernels for, where the current backend is tfjs-node; null elsewhere. */
export function nativeOps(): NativeOp | null {
  const node = backend() as unknown as NodeBackend;
  const {TF_ATTR_TYPE: type, TF_ATTR_BOOL: bool, TF_FLOAT: float} = node.binding ?? {};
  if (typeof node.executeSingleOutput !== 'function' || type === undefined || bool === undefined || float === undefined) {
    return null;
  }
  return (name, inputs, flags = {}) => node.executeSingleOutput!(name,
      [{name: 'T', type, value: float}, ...Object.entries(flags).map(([flag, value]) => ({name: flag, type: bool, value}))], inputs);
}
