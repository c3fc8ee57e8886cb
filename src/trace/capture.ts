import {tidy, type Scalar, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {MEANS} from './kernel_sets';
import {Recorder} from './recorder';
import {mergeRepeats} from './repeats';
import {openEngine, shadow} from '../tfjs/internals';
import {Trace} from './trace';

/** The property that marks the engine during a capture. */
const RECORDER = Symbol.for('tfjs-ggn.recorder');

/**
 * Runs f() exactly once, inside one tidy as `tf.variableGrads` does, and records every kernel call.
 *
 * @param targets in `fit`, the targets of the batch, by which the tensors that `fit` keeps for
 * metrics are found.
 * @returns the cost that f() returned, tracked by the caller's scope, and the trace, owned by the
 * caller.
 * @throws the errors of f(); an error if f() does not return a scalar of float32, or minimizes with
 * this optimizer. Then the trace is released, and every variable that f() wrote is put back.
 */
export function capture(f: () => Scalar, targets: readonly Tensor[] = []): {cost: Scalar; trace: Trace} {
  if (activeRecorder() !== undefined) {
    throw ggnError('minimize() was called inside the function that minimize() or grad() is running. ' +
        'Take the steps one after the other.');
  }
  const {result, trace} = record(recorder => tidy(() => {
    const value = f();
    recorder.trace.result = recorder.resultIndex(value);
    return value;
  }), targets);
  try {
    mergeRepeats(trace);
  } catch (error) {
    discard(trace, targets);
    result.dispose();
    throw error;
  }
  return {cost: result, trace};
}

/** The recorder of the capture that is going on, if any, by this copy of the package or another. */
export function activeRecorder(): Recorder | undefined {
  return (openEngine() as unknown as Record<symbol, Recorder | undefined>)[RECORDER];
}

/**
 * Records the kernel calls of a function. All tfjs ops end in `engine.runKernel`, which is shadowed
 * on the engine instance during the call and restored in `finally`.
 *
 * @returns the result of the function, and the trace, owned by the caller.
 */
export function record<T>(run: (recorder: Recorder) => T, targets: readonly Tensor[] = []): {result: T; trace: Trace} {
  const open = openEngine();
  const marks = open as unknown as Record<symbol, Recorder | undefined>;
  const trace = new Trace();
  const recorder = new Recorder(trace);
  marks[RECORDER] = recorder;
  const restore = [
    shadow(open, 'runKernel', recorder.runKernel),
    shadow(open, 'runKernelFunc', recorder.runKernelFunc),
    shadow(open, 'disposeTensor', recorder.disposeTensor),
  ];
  const stop = (): void => {
    restore.splice(0).reverse().forEach(undo => undo());
    delete marks[RECORDER];
  };
  try {
    return {result: run(recorder), trace};
  } catch (error) {
    stop();
    discard(trace, targets);
    throw error;
  } finally {
    stop();
  }
}

/**
 * Takes back the changes that f() made in a failed step. Each part runs even if the part before it
 * throws.
 */
export function discard(trace: Trace, targets: readonly Tensor[]): void {
  try {
    trace.restoreVariables();
  } finally {
    try {
      disposeMetrics(trace, targets);
    } finally {
      trace.dispose();
    }
  }
}

/**
 * Disposes of the metrics that `fit` keeps for its logs, which it does not read after a failed
 * step: kept scalar means of values that are made with the targets. Other kept tensors belong to
 * layers or to the user.
 */
function disposeMetrics({nodes, values, producer, originals}: Trace, targets: readonly Tensor[]): void {
  const data = new Set<object>(targets.map(target => target.dataId));
  const ofTargets = values.map((value, i) => producer[i] === -1 && data.has(value.dataId));
  for (const node of nodes) {
    if (!node.inputs.some(([, value]) => ofTargets[value])) {
      continue;
    }
    node.outputs.forEach(output => ofTargets[output] = true);
    const original = originals[node.outputs[0]];
    if (MEANS.has(node.kernel) && original.rank === 0 && original.kept && !original.isDisposed) {
      original.dispose();
    }
  }
}
