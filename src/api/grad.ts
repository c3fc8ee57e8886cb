import {ones, tensor, tidy, util, zerosLike, type Tensor, type TensorLike} from '@tensorflow/tfjs-core';
import {isTensor, type Recorder} from '../trace/recorder';
import {runKernel} from '../tfjs/internals';
import {activeRecorder, record} from '../trace/capture';
import type {Trace} from '../trace/trace';
import {ggnError} from '../errors';
import {passesDerivative} from '../trace/dependence';
import {pullByRules, sweepBack} from '../derivatives/reverse_sweep';

/**
 * The gradient function of f, as `tf.grad` makes it, but right at any depth: `grad(f)(x, dy)` is
 * dyᵀ df/dx, of the shape of x. Another `grad`, or `minimize()` of this package's optimizer, may
 * differentiate it again. (Nested gradients of tfjs throw or are silently wrong for tanh and
 * sigmoid networks.)
 *
 * So derivatives of networks may be part of a loss, as in the residual of a differential equation
 * u'' + u = 0. If the examples along the leading axis do not meet in the network, then dy of ones
 * gives each example its own derivative:
 *
 * ```ts
 * const u = (x: tf.Tensor) => model.apply(x) as tf.Tensor;      // [B, 1] -> [B, 1]
 * const loss = () => grad(grad(u))(x).add(u(x)).square().mean() as tf.Scalar;
 * ggn().minimize(loss);
 * ```
 *
 * As with `tf.grad`, every use of the tensor x in f counts, also if f takes it from outside instead
 * of its argument. Any other tensor from outside is a constant to f, but not to the `grad` or the
 * optimizer around f. A derivative that jumps (of relu, step, max and the like) has the derivative
 * 0. If the derivative of f does not depend on x, then the second derivative is zero.
 *
 * A tfjs gradient (`tf.grad`, `tf.train.adam()`) around a single `grad` is right, too, as far as
 * tfjs has gradients of the kernels in the first derivative. For deeper nesting, the outermost
 * derivative must be `grad` or this package's optimizer.
 *
 * The tensors that f makes are released as in `tf.tidy`; those that f keeps by `tf.keep` stay. The
 * gradient function works inside `tf.tidy` and outside.
 *
 * @param f - a function of one float32 tensor to a float32 tensor, made of tfjs ops.
 * @returns a function of the point x, and of dy, the cotangent of f(x): float32, of the shape of
 * f(x); by default ones.
 * @throws Error, when the gradient function is called: for an x or f(x) that is no float32 tensor,
 * for a dy of another shape, for an f(x) that does not depend on x, and for a kernel that has no
 * derivative. An error of f itself is thrown as it is.
 * @public
 */
export function grad<T extends Tensor = Tensor>(f: (x: T) => Tensor): (x: T | TensorLike, dy?: Tensor) => T {
  if (typeof f !== 'function') {
    throw ggnError(`grad() takes a function of one tensor, as in grad(x => tf.square(x)); received ${typeof f}.`);
  }
  return (x, dy) => tidy(() => {
    const point = (isTensor(x) ? x : tensor(x)) as T;
    if (point.dtype !== 'float32') {
      throw ggnError(`grad(f)(x) needs an x of float32, received ${point.dtype}: there is no derivative in integers. ` +
          "Use tf.cast(x, 'float32').");
    }
    // Inside another grad() or minimize() this call records into the trace of the outer one: one
    // recorder, one handle for every value.
    const active = activeRecorder();
    if (active !== undefined) {
      return pullBack(active.trace, run(active, f, point), point, dy);
    }
    const {result, trace} = record(recorder => run(recorder, f, point));
    try {
      return pullBack(trace, result, point, dy);
    } finally {
      trace.dispose();
    }
  });
}

/** One run of f in a trace: the values x and y = f(x), and the nodes from `from` up to `to`. */
interface Run {
  readonly x: number;
  readonly y: number;
  readonly from: number;
  readonly to: number;
}

/** Runs f and records it. */
function run<T extends Tensor>(recorder: Recorder, f: (x: T) => Tensor, point: T): Run {
  const {nodes} = recorder.trace;
  const x = recorder.indexOf(point);
  const from = nodes.length;
  return tidy(() => {
    const result: unknown = f(point);
    if (!isTensor(result) || result.dtype !== 'float32') {
      const got = isTensor(result) ? `a tensor of dtype ${result.dtype}` :
          typeof (result as {then?: unknown} | null)?.then === 'function' ? 'a promise' : String(result);
      throw ggnError(`the function given to grad() must return a float32 tensor, it returned ${got}.`);
    }
    return {x, y: recorder.indexOf(result), from, to: nodes.length};
  });
}

/** dyᵀ df/dx by a reverse sweep over the nodes of the run. */
function pullBack<T extends Tensor>(trace: Trace, {x, y, from, to}: Run, point: T, dy: Tensor | undefined): T {
  const {shape} = trace.values[y];
  if (dy !== undefined && !(isTensor(dy) && dy.dtype === 'float32' && util.arraysEqual(dy.shape, shape))) {
    throw ggnError(`dy in grad(f)(x, dy) must be a float32 tensor of the shape of f(x), [${shape.join()}]; received ` +
        `${isTensor(dy) ? `${dy.dtype} of shape [${dy.shape.join()}]` : String(dy)}.`);
  }
  const nodes = trace.nodes.slice(from, to);
  const dependent = new Set([x]);
  const touched = new Set([x]);
  const isTouched = (value: number): boolean =>
    touched.has(value) || (trace.derivatives.has(value) && isTouched(trace.derivatives.get(value)!));
  for (const node of nodes) {
    if (node.inputs.some(([, value]) => isTouched(value))) {
      node.outputs.forEach(output => touched.add(output));
    }
    if (node.inputs.some(([, value]) => dependent.has(value))) {
      node.outputs.filter(output => passesDerivative(trace, node, output)).forEach(output => dependent.add(output));
    }
  }
  if (!isTouched(y)) {
    throw ggnError('the function given to grad() does not depend on x. Check that it computes its result from its ' +
        'argument, with tfjs ops only (dataSync() and tf.tensor() break the chain).');
  }
  const seeds = new Map([[y, dy ?? ones(shape)]]);
  const cotangents = dependent.has(y) ?
    sweepBack(trace.values, nodes, seeds, value => dependent.has(value), pullByRules) : null;
  const gradient = cotangents?.get(x) ?? zerosLike(point);
  // A tensor of the caller and a handle of the trace belong to others, who may dispose of them.
  const result = (gradient === dy || gradient.kept ? runKernel('Identity', {x: gradient}) : gradient) as T;
  const recorder = activeRecorder();
  if (recorder !== undefined) {
    trace.derivatives.set(recorder.indexOf(result), x);
  }
  return result;
}
