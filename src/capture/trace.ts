import {dispose, tidy} from '@tensorflow/tfjs-core';
import type {Scalar, Tensor, Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {isUserCustomGrad, isVariable, openEngine, shadow} from './tfjs_internals';
import type {KernelAttrs, KernelInputs} from './tfjs_internals';

/** (input name, value index); names are '0', '1', ... where the kernel takes an array. */
export type NamedValue = readonly [string, number];

/** One recorded kernel call. Inputs and outputs are indices into `Trace.values`. */
export interface TraceNode {
  readonly kernel: string;
  readonly attrs: KernelAttrs;
  readonly inputs: readonly NamedValue[];
  readonly arrayInputs: boolean;
  readonly outputs: readonly number[];
}

/** A variable that f() wrote, with the value it had before. */
interface OverwrittenVariable {
  readonly variable: Variable;
  readonly before: Tensor;
}

const CAPTURING = Symbol.for('tfjs-ggn.capturing');

/**
 * What f() computed: every kernel call in order, and a handle on every tensor that took part.
 *
 * Handles are clones (one more reference to the same data), kept out of every scope's reach and released by
 * `dispose()`; the tensors of f() itself live and die exactly as they would without the capture.
 */
export class Trace {
  readonly nodes: TraceNode[] = [];
  /** Handles by value index. */
  readonly values: Tensor[] = [];
  /** Value index -> the variable it was read from (its value at that moment). */
  readonly variables = new Map<number, Variable>();
  /** Value index -> index of the node that computed it; -1 for what f() only read. */
  readonly producer: number[] = [];
  /** Index of the value that f() returned; -1 until it has. */
  result = -1;
  /** By value index, the tensors of f() themselves: only to find what it kept when a step fails. */
  readonly originals: Tensor[] = [];
  private readonly overwritten = new Map<number, OverwrittenVariable>();
  private readonly parts: string[] = [];

  /** Equal for two traces exactly when the same kernels ran on the same shapes, wired the same way to the loss. */
  get signature(): string {
    return `${this.parts.join('\n')}\nloss ${this.result}`;
  }

  addValue(handle: Tensor, producer: number): number {
    this.producer.push(producer);
    return this.values.push(handle) - 1;
  }

  addNode(node: TraceNode): void {
    this.nodes.push(node);
    let part = node.kernel;
    for (const [name, value] of node.inputs) {
      part += ` ${name}=${value}`;
    }
    for (const value of node.outputs) {
      part += ` >${value}[${this.values[value].shape.join()}]`;
    }
    for (const name in node.attrs) {
      const attr = node.attrs[name];
      part += ` ${name}:${typeof attr === 'number' || typeof attr === 'string' ? attr : JSON.stringify(attr)}`;
    }
    this.parts.push(part);
  }

  addLeaf(index: number, original: Tensor): void {
    const handle = this.values[index];
    this.parts.push(`${isVariable(original) ? `v${original.id}` : handle.dtype} ${index}[${handle.shape.join()}]`);
  }

  noteOverwritten(variable: Variable, before: () => Tensor): void {
    if (!this.overwritten.has(variable.id)) {
      this.overwritten.set(variable.id, {variable, before: before()});
    }
  }

  /** Puts back the variables that f() wrote (moving averages, counters): for a step that failed. */
  restoreVariables(): void {
    for (const {variable, before} of this.overwritten.values()) {
      if (!variable.isDisposed) {
        const value = before.clone();
        variable.assign(value);
        value.dispose();
      }
    }
  }

  /**
   * Drops the metrics that `fit` keeps for its logs and nobody will read now: kept scalar means of what is made
   * with the targets. Other kept tensors belong to layers or to the user.
   */
  disposeMetrics(targets: readonly Tensor[]): void {
    const data = new Set<object>(targets.map(target => target.dataId));
    const ofTargets = this.values.map((value, i) => this.producer[i] === -1 && data.has(value.dataId));
    for (const node of this.nodes) {
      if (!node.inputs.some(([, value]) => ofTargets[value])) {
        continue;
      }
      node.outputs.forEach(output => ofTargets[output] = true);
      const original = this.originals[node.outputs[0]];
      if (node.kernel === 'Mean' && original.rank === 0 && original.kept && !original.isDisposed) {
        original.dispose();
      }
    }
  }

  dispose(): void {
    dispose(this.values);
    dispose([...this.overwritten.values()].map(o => o.before));
    this.values.length = 0;
    this.overwritten.clear();
  }
}

/**
 * Runs f() exactly once, inside one tidy as `tf.variableGrads` does, and records every kernel call.
 *
 * All tfjs ops end in `engine.runKernel`; it is shadowed on the engine instance while f() runs and restored in
 * `finally`. Only outermost calls are recorded: what a kernel calls inside is its own affair. An `Identity` is
 * no call but an alias, also inside another kernel, where the gradient tape of a `tf.grad` within f() clones
 * the outputs it saves before their producer is known.
 *
 * @param targets in `fit`, the targets of the batch: what it keeps for metrics is made with them.
 * @returns the cost that f() returned, tracked by the caller's scope, and the trace, owned by the caller.
 * @throws what f() throws; when f() does not return a scalar of float32; when f() calls `tf.customGrad` or
 * minimizes with this optimizer. The trace is released then and every variable that f() wrote is put back.
 */
export function capture(f: () => Scalar, targets: readonly Tensor[] = []): {cost: Scalar; trace: Trace} {
  const open = openEngine();
  const marks = open as unknown as Record<symbol, boolean | undefined>;
  if (marks[CAPTURING]) {
    throw ggnError('minimize() was called inside the function that minimize() is running. ' +
        'Take the steps one after the other.');
  }
  const trace = new Trace();
  const recorder = new Recorder(trace);
  marks[CAPTURING] = true;
  const restore = [
    shadow(open, 'runKernel', recorder.runKernel),
    shadow(open, 'runKernelFunc', recorder.runKernelFunc),
    shadow(open, 'disposeTensor', recorder.disposeTensor),
  ];
  let cost: Scalar | undefined;
  try {
    cost = tidy(() => {
      const value = f();
      trace.result = recorder.resultIndex(value);
      return value;
    });
  } catch (error) {
    restore.splice(0).reverse().forEach(undo => undo());
    discard(trace, targets);
    throw error;
  } finally {
    restore.splice(0).reverse().forEach(undo => undo());
    marks[CAPTURING] = false;
  }
  return {cost, trace};
}

/** After a failed step: everything that f() changed and that can be taken back. */
export function discard(trace: Trace, targets: readonly Tensor[]): void {
  trace.restoreVariables();
  trace.disposeMetrics(targets);
  trace.dispose();
}

class Recorder {
  private readonly open = openEngine();
  private readonly run = this.open.runKernel;
  private readonly runFunc = this.open.runKernelFunc;
  private readonly drop = this.open.disposeTensor;
  /** Tensor id -> value index. A variable keeps its id when its data change, so its data id joins in. */
  private readonly index = new Map<number, number>();
  private readonly variableData = new Map<number, object>();
  private readonly aliases = new Map<number, number>();
  private depth = 0;

  constructor(private readonly trace: Trace) {}

  readonly runKernel = (kernel: string, inputs: KernelInputs, attrs?: KernelAttrs): Tensor | Tensor[] => {
    const outermost = this.depth === 0;
    // Before the kernel runs: an op may dispose of its inputs when it has them.
    const named = outermost && kernel !== 'Identity' ? this.indexInputs(inputs) : [];
    this.depth++;
    let result: Tensor | Tensor[];
    try {
      result = this.run.call(this.open, kernel, inputs, attrs);
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
      this.record(kernel, named, Array.isArray(inputs), attrs ?? {}, Array.isArray(result) ? result : [result]);
    }
    return result;
  };

  readonly runKernelFunc = (params: {kernelName?: string; backwardsFunc?: unknown}): Tensor | Tensor[] => {
    if (isUserCustomGrad(this.open, params)) {
      throw ggnError('tf.customGrad inside the loss is not supported: the Jacobian of the batch cannot be told from ' +
          'a gradient of your own. Write the op with tfjs ops, or train this model with a first-order optimizer.');
    }
    return this.runFunc.call(this.open, params);
  };

  readonly disposeTensor = (t: Tensor): void => {
    if (isVariable(t) && !t.isDisposed) {
      this.trace.noteOverwritten(t, () => this.hold(t));
    }
    this.drop.call(this.open, t);
  };

  resultIndex(value: unknown): number {
    if (!isTensor(value) || value.rank !== 0 || value.dtype !== 'float32') {
      const got = isTensor(value) ? `a tensor of shape [${value.shape.join()}] and dtype ${value.dtype}` :
          typeof (value as {then?: unknown} | null)?.then === 'function' ? 'a promise' : String(value);
      throw ggnError(`the function given to minimize() must return the loss as a scalar tensor of float32, it returned ${got}.`);
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

  private record(kernel: string, named: readonly NamedValue[], arrayInputs: boolean, attrs: KernelAttrs, results: Tensor[]): void {
    const trace = this.trace;
    const producer = trace.nodes.length;
    const outputs = results.map(output => {
      const index = trace.addValue(this.hold(output), producer);
      this.index.set(output.id, index);
      trace.originals[index] = output;
      return index;
    });
    trace.addNode({kernel, attrs, inputs: named, arrayInputs, outputs});
  }

  private indexOf(t: Tensor): number {
    let id = t.id;
    while (!this.index.has(id) && this.aliases.has(id)) {
      id = this.aliases.get(id)!;
    }
    let index = this.index.get(id);
    const variable = isVariable(t) ? t : null;
    if (index === undefined || (variable !== null && this.variableData.get(id) !== variable.dataId)) {
      index = this.trace.addValue(this.hold(t), -1);
      this.index.set(id, index);
      if (variable !== null) {
        this.trace.variables.set(index, variable);
        this.variableData.set(id, variable.dataId);
      }
      this.trace.addLeaf(index, t);
    }
    return index;
  }

  /**
   * One more reference to the same data, beyond the reach of every scope. On WASM by Reshape: Identity copies there,
   * and a step would pay for a second set of weights; on tfjs-node it is Reshape that makes new data.
   */
  private hold(t: Tensor): Tensor {
    const kernel = this.open.backendName === 'wasm' ? 'Reshape' : 'Identity';
    return this.open.keep(this.run.call(this.open, kernel, {x: t}, kernel === 'Reshape' ? {shape: t.shape} : {}) as Tensor);
  }
}

function isTensor(value: unknown): value is Tensor {
  return value != null && (value as Tensor).dataId !== undefined && Array.isArray((value as Tensor).shape);
}
