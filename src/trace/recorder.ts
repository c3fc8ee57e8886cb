import type {Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {CUSTOM_GRAD, setBackward} from './custom_grad';
import {isUserCustomGrad, isVariable, openEngine, type CustomGradInvocation, type KernelAttrs,
  type KernelInputs} from '../tfjs/internals';
import {forwardKernel} from '../tfjs/forward_kernels';
import type {NamedValue, Trace} from './trace';

/**
 * Writes kernel calls into a trace while it stands in the place of the engine's methods.
 *
 * Only outermost calls are recorded, and not the calls that a kernel makes inside. An `Identity` is
 * an alias and no call, also inside another kernel: there the gradient tape of a `tf.grad` within
 * f() clones the outputs that it saves, before their producer is known. A handle of the trace is
 * known as the value that it holds. So kernels that run on handles during the capture, those of
 * derivatives above all, join the trace at the right places.
 */
export class Recorder {
  private readonly open = openEngine();
  private readonly run = this.open.runKernel;
  private readonly runFunc = this.open.runKernelFunc;
  private readonly drop = this.open.disposeTensor;
  /** Whether somebody else had taken the place of the method, who has to see every kernel. */
  private readonly isWatched = Object.hasOwn(this.open, 'runKernel');
  /**
   * Tensor id -> value index. A variable keeps its id when its data change, so its data id joins
   * in.
   */
  private readonly index = new Map<number, number>();
  private readonly variableData = new Map<number, object>();
  private readonly aliases = new Map<number, number>();
  private depth = 0;

  constructor(readonly trace: Trace) {}

  readonly runKernel = (kernel: string, inputs: KernelInputs, attrs?: KernelAttrs): Tensor | Tensor[] => {
    const outermost = this.depth === 0;
    // The inputs are looked up before the kernel runs, as an op may dispose of them afterwards.
    const named = outermost && kernel !== 'Identity' ? this.indexInputs(inputs) : [];
    const own = outermost && !this.isWatched ? forwardKernel(kernel, inputs, attrs ?? {}) : null;
    this.depth++;
    let result: Tensor | Tensor[];
    try {
      result = own ?? this.run.call(this.open, kernel, inputs, attrs);
    } finally {
      this.depth--;
    }
    if (kernel === 'Identity') {
      const source = (inputs as {x: Tensor}).x;
      if (outermost) {
        this.index.set((result as Tensor).id, this.indexOf(source));
      } else {
        this.aliases.set((result as Tensor).id, source.id);
      }
    } else if (outermost) {
      this.record(kernel, named, inputs, attrs ?? {}, Array.isArray(result) ? result : [result], own !== null);
    }
    return result;
  };

  /**
   * Records a `tf.customGrad` of the user's as one node, after the kernels of its forward pass. Its
   * output is a value of its own, which leads back to the inputs of the op by the user's gradient
   * and not to those kernels. `replayAll` runs the kernels, and derivatives of the tensors that the
   * op saves lead through them.
   */
  readonly runKernelFunc = (params: CustomGradInvocation): Tensor | Tensor[] => {
    if (this.depth > 0 || !isUserCustomGrad(this.open, params)) {
      return this.runFunc.call(this.open, params);
    }
    const named = this.indexInputs(params.inputs);
    const known = this.trace.values.length;
    let inner = -1;
    let saved: number[] = [];
    const output = this.runFunc.call(this.open, {...params, forwardFunc: (backend, save) => {
      const value = params.forwardFunc(backend, tensors => {
        saved = tensors.map(t => this.indexOf(t));
        save(tensors);
      }) as Tensor;
      inner = this.indexOf(value);
      // The op may return a tensor from outside, such as its input. The output must be another
      // tensor.
      return inner < known ? this.run.call(this.open, 'Identity', {x: value}) : value;
    }}) as Tensor;
    const result = this.trace.values.length;
    saved = saved.map(value => value === inner && inner >= known ? result : value);
    this.record(CUSTOM_GRAD, named, {}, {inner, saved}, [output]);
    setBackward(this.trace.values[result], params.backwardsFunc);
    return output;
  };

  readonly disposeTensor = (t: Tensor): void => {
    if (isVariable(t) && !t.isDisposed) {
      this.trace.noteOverwritten(t, () => this.hold(t));
    }
    this.drop.call(this.open, t);
  };

  resultIndex(value: unknown): number {
    if (!isTensor(value) || value.isDisposed || value.rank !== 0 || value.dtype !== 'float32') {
      throw ggnError('the function given to minimize() must return the loss as a scalar tensor of float32, ' +
          `it returned ${returned(value)}.`);
    }
    return this.indexOf(value);
  }

  private indexInputs(inputs: KernelInputs): NamedValue[] {
    const named: NamedValue[] = [];
    for (const [name, input] of Object.entries(inputs)) {
      if (isTensor(input)) {
        named.push([name, this.indexOf(input)]);
      }
    }
    return named;
  }

  private record(kernel: string, named: readonly NamedValue[], inputs: KernelInputs, attrs: KernelAttrs,
      results: Tensor[], isOwn = false): void {
    const trace = this.trace;
    const producer = trace.nodes.length;
    const outputs = results.map(output => {
      const index = this.addValue(output, producer);
      trace.originals[index] = output;
      return index;
    });
    const hasOthers = Object.values(inputs).some(input => input != null && !isTensor(input));
    trace.addNode({kernel, attrs, inputs: named, arrayInputs: Array.isArray(inputs), outputs,
      ...(hasOthers ? {hasOthers} : {}), ...(isOwn ? {isOwn} : {})});
  }

  private addValue(t: Tensor, producer: number): number {
    const handle = this.hold(t);
    const index = this.trace.addValue(handle, producer);
    this.index.set(t.id, index);
    this.index.set(handle.id, index);
    return index;
  }

  /**
   * The index of a tensor's value. A tensor that is not known yet becomes a value that f() only
   * reads.
   */
  indexOf(t: Tensor): number {
    let id = t.id;
    while (!this.index.has(id) && this.aliases.has(id)) {
      id = this.aliases.get(id)!;
    }
    let index = this.index.get(id);
    const variable = isVariable(t) ? t : null;
    if (index === undefined || (variable !== null && this.variableData.get(id) !== variable.dataId)) {
      index = this.addValue(t, -1);
      if (variable !== null) {
        this.trace.variables.set(index, variable);
        this.variableData.set(id, variable.dataId);
      }
      this.trace.addLeaf(index, t);
    }
    return index;
  }

  /**
   * One more reference to the same data, beyond the reach of every scope. WASM takes Reshape:
   * Identity copies there, and a step would pay for a second set of weights. On tfjs-node it is
   * Reshape that makes new data.
   */
  private hold(t: Tensor): Tensor {
    const clone = this.open.backendName === 'wasm' ? this.run.call(this.open, 'Reshape', {x: t}, {shape: t.shape}) :
      this.run.call(this.open, 'Identity', {x: t}, {});
    return this.open.keep(clone as Tensor);
  }
}

export function isTensor(value: unknown): value is Tensor {
  return value != null && (value as Tensor).dataId !== undefined && Array.isArray((value as Tensor).shape);
}

/** The return value of f(), in words. */
function returned(value: unknown): string {
  if (!isTensor(value)) {
    return typeof (value as {then?: unknown} | null)?.then === 'function' ? 'a promise' : String(value);
  }
  return value.isDisposed ? 'a tensor that was disposed of' :
    `a tensor of shape [${value.shape.join()}] and dtype ${value.dtype}`;
}
