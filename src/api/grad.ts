import {ones, tensor, tidy, util, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor, TensorLike} from '@tensorflow/tfjs-core';
import {isTensor} from '../trace/recorder';
import type {Recorder} from '../trace/recorder';
import {runKernel} from '../tfjs/internals';
import {activeRecorder, record} from '../trace/capture';
import type {Trace} from '../trace/trace';
import {ggnError} from '../errors';
import {passesDerivative} from '../trace/dependence';
import {pullByRules, sweepBack} from '../derivatives/reverse_sweep';

/**
 * The gradient function of f, as `tf.grad` makes it, but right at any depth: `grad(f)(x, dy)` is dyᵀ df/dx, of the shape
 * of x, and may itself be differentiated by another `grad` or by `minimize()` of this package's optimizer around it.
 * (tfjs's own nested gradients throw or are silently wrong for tanh and sigmoid networks.)
 *
 * So derivatives of networks belong into the loss, as in the residual of a differential equation u'' + u = 0. For examples along
 * the leading axis that do not meet in the network, dy of ones gives each example its own derivative:
 *
 * ```ts
 * const u = (x: tf.Tensor) => model.apply(x) as tf.Tensor;      // [B, 1] -> [B, 1]
 * const loss = () => grad(grad(u))(x).add(u(x)).square().mean() as tf.Scalar;
 * ggn().minimize(loss);
 * ```
 *
 * As with `tf.grad`, x counts wherever f reads that tensor, also where f takes it from outside instead of its argument;
 * the value of any other tensor from outside is a constant to f (not to the `grad` or optimizer around it). Relu, step, max and the
 * like have the derivative 0 of a derivative that jumps. An f whose derivative does not depend on x has the second derivative zero.
 * Where a tfjs gradient (`tf.grad`, `tf.train.adam()`) surrounds a single `grad`, it is right, too, as far as tfjs has gradients
 * of the kernels in the first derivative; deeper nesting wants `grad` or this package's optimizer outside.
 *
 * The tensors that f makes are released as in `tf.tidy`; what it keeps by `tf.keep` stays. Works inside `tf.tidy` and outside.
 *
 * @param f - a function of one float32 tensor to a float32 tensor, made of tfjs ops.
 * @returns a function of the point x, and of dy, the cotangent of f(x): float32, of the shape of f(x); by default ones.
 * @throws Error, when the gradient function is called: for an x or f(x) that is no float32 tensor, a dy of another shape,
 * when f(x) does not depend on x, and for a kernel that has no derivative. What f throws is thrown as it is.
 * @public
 */
export function grad<T extends Tensor = Tensor>(f: (x: T) => Tensor): (x: T | TensorLike, dy?: Tensor) => T {
  if (typeof f !== 'function') {
    throw ggnError(`grad() takes a function of one tensor, as in grad(x => tf.square(x)); received ${typeof f}.`);
  }
  return (x, dy) => tidy(() => {
    const point = (isTensor(x) ? x : tensor(x)) as T;
    if (point.dtype !== 'float32') {
      throw ggnError(`grad(f)(x) needs an x of float32, received ${point.dtype}: there is no derivative in integers. Use tf.cast(x, 'float32').`);
    }
    // Inside another grad() or minimize() its trace is ours as well: one recorder, one handle for every value.
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

/** Where f ran: the value indices of x and f(x), and the nodes between. */
interface Run {
  readonly x: number;
  readonly y: number;
  readonly from: number;
  readonly to: number;
}

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
    throw ggnError('the function given to grad() does not depend on x. Check that it computes its result from its argument, with tfjs ops only ' +
        '(dataSync() and tf.tensor() break the chain).');
  }
  const cotangents = dependent.has(y) ?
    sweepBack(trace.values, nodes, new Map([[y, dy ?? ones(shape)]]), value => dependent.has(value), pullByRules) : null;
  const gradient = cotangents?.get(x) ?? zerosLike(point);
  // A tensor of the caller's or a handle of the trace is not ours to give away.
  const result = (gradient === dy || gradient.kept ? runKernel('Identity', {x: gradient}) : gradient) as T;
  const recorder = activeRecorder();
  if (recorder !== undefined) {
    trace.derivatives.set(recorder.indexOf(result), x);
  }
  return result;
}
