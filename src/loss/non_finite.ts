import {getBackend, scalar, tidy, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD} from '../trace/custom_grad';
import {factsOf} from '../trace/kernel_facts';
import {MEANS} from '../trace/kernel_sets';
import type {Trace, TraceNode} from '../trace/trace';
import type {FitBatch} from '../tfjs/fit_batch_hook';
import {wrongKernel} from '../derivatives/kernels/wrong_kernels';
import {ggnError} from '../errors';
import {layerOf} from '../trace/layer_of';
import {pullByTfjs, sweepBack} from '../derivatives/reverse_sweep';
import {NO_ROWS} from './rows';

/**
 * The first place of numbers that are not finite: a value that f() only reads, a kernel, or the
 * derivative of one.
 */
type Origin = {readonly leaf: number} | {readonly node: TraceNode; readonly isDerivative: boolean};

const ADVICE = 'No step was taken.';

/**
 * An error that names the source of numbers that are not finite: weights, inputs, targets, or the
 * first kernel that makes such numbers of finite ones.
 *
 * @param seen the observation, as 'the loss is NaN'.
 */
export function explainNonFinite(seen: string, trace: Trace, fitBatch: FitBatch | null,
    isTrained: (variable: Variable) => boolean): Error {
  for (const [value, variable] of trace.variables) {
    if (isTrained(variable) && !isFinite(trace.values[value])) {
      return ggnError(`${seen}: the variable '${variable.name}' holds values that are not finite. ${ADVICE}`);
    }
  }
  const named: Array<[string, readonly Tensor[]]> = fitBatch === null ? [] :
    [['inputs', fitBatch.inputs], ['targets', fitBatch.targets], ['class weights', fitBatch.weights]];
  for (const [name, tensors] of named) {
    if (tensors.some(t => !isFinite(t))) {
      return ggnError(`${seen}: the ${name} of this batch hold values that are not finite. Clean the data. ${ADVICE}`);
    }
  }
  // The mean of an empty tensor is 0 on cpu and WASM, and NaN on tfjs-node.
  if (trace.nodes.some(({kernel, inputs}) => MEANS.has(kernel) && trace.values[inputs[0][1]].size === 0)) {
    return ggnError(NO_ROWS);
  }
  const wrong = trace.nodes.map(node => wrongKernel(getBackend(), trace.values, node)).find(error => error !== null);
  if (wrong !== undefined) {
    return wrong;
  }
  const origin = originOf(trace.result, trace) ?? originOfDerivative(trace, isTrained) ?? anyLeaf(trace) ??
      anyKernel(trace);
  const cause = origin === null ?
    ' although weights and data are finite: float32 overflows. Scale inputs and targets.' :
    'leaf' in origin ? `: ${leafAt(origin.leaf, trace)}` :
      kernelAt(origin.node, origin.isDerivative, trace, fitBatch);
  return ggnError(`${seen}${cause} ${ADVICE}`);
}

function leafAt(leaf: number, trace: Trace): string {
  const name = trace.variables.get(leaf)?.name;
  const shape = trace.values[leaf].shape.join();
  return `${name === undefined ? 'a tensor' : `the variable '${name}', a tensor`} of shape [${shape}] that the ` +
      `loss is computed from holds values that are not finite. ${name === undefined ? 'Clean the data.' : ''}`.trim();
}

function kernelAt(node: TraceNode, isDerivative: boolean, trace: Trace, fitBatch: FitBatch | null): string {
  const kernel = (node.kernel === CUSTOM_GRAD ? 'a tf.customGrad op' : `the kernel '${node.kernel}'`) +
      layerOf(node, trace, fitBatch);
  if (isDerivative) {
    return `: the derivative of ${kernel} is not finite at numbers that are (as that of a root or a power is at 0). ` +
        'Keep its inputs away from there.';
  }
  if (hasNaN(node, trace)) {
    return `: ${kernel} makes NaN of numbers that are finite. Keep its inputs in the range in which it is defined.`;
  }
  return isAtPole(node, trace) ? `: ${kernel} makes an infinity of ${factsOf(node.kernel)!.pole!.at} ` +
      '(a division by 0, the logarithm of 0). Keep its inputs away from there.' :
    ` although weights and data are finite: float32 overflows in ${kernel}. Scale inputs and targets.`;
}

const hasNaN = ({outputs}: TraceNode, trace: Trace): boolean =>
  outputs.some(output => trace.values[output].dataSync().some(Number.isNaN));

/** Whether an input of a kernel is at its pole. If so, scaling the data would change nothing. */
function isAtPole(node: TraceNode, trace: Trace): boolean {
  const pole = factsOf(node.kernel)?.pole;
  const input = node.inputs.find(([key]) => key === pole?.input);
  return input !== undefined && trace.values[input[1]].dataSync().some(x => x === pole!.at);
}

/**
 * The first place on the way to a value, through values that are not finite; null if the value is
 * finite.
 */
function originOf(value: number, trace: Trace): Origin | null {
  if (isFinite(trace.values[value])) {
    return null;
  }
  for (let at = value;;) {
    const node = trace.nodes[trace.producer[at]] as TraceNode | undefined;
    if (node === undefined) {
      return {leaf: at};
    }
    const inner = node.kernel === CUSTOM_GRAD ? [node.attrs['inner'] as number] : [];
    const before = [...node.inputs.map(([, input]) => input), ...inner].find(input => !isFinite(trace.values[input]));
    if (before === undefined || before === at) {
      return {node, isDerivative: false};
    }
    at = before;
  }
}

/** The first kernel, from the loss back, whose derivative is not finite; null if there is none. */
function originOfDerivative(trace: Trace, isTrained: (variable: Variable) => boolean): Origin | null {
  const trained = [...trace.variables].filter(([, variable]) => isTrained(variable));
  const dependent = new Set(trained.map(([value]) => value));
  for (const node of trace.nodes) {
    if (node.inputs.some(([, value]) => dependent.has(value))) {
      node.outputs.forEach(output => dependent.add(output));
    }
  }
  let first: TraceNode | null = null;
  try {
    tidy(() => {
      const seeds = new Map([[trace.result, scalar(1)]]);
      sweepBack(trace.values, trace.nodes, seeds, value => dependent.has(value), (values, node, dys, wanted) => {
        const pulled = pullByTfjs(values, node, dys, wanted);
        first ??= pulled.every(isFinite) ? null : node;
        return pulled;
      });
    });
  } catch {
    // tfjs has no gradient of some kernel: the sweep ends there, with the kernel found before it.
  }
  const found = first as TraceNode | null;
  const spoiled = found?.inputs.find(([, value]) => !isFinite(trace.values[value]));
  return found === null ? null :
    spoiled === undefined ? {node: found, isDerivative: true} : originOf(spoiled[1], trace);
}

/** The first value that f() only reads and that is not finite. */
function anyLeaf(trace: Trace): Origin | null {
  const leaf = trace.values.findIndex((value, i) => trace.producer[i] === -1 && !isFinite(value));
  return leaf < 0 ? null : {leaf};
}

/**
 * The first kernel that makes such numbers of finite ones, even if later kernels hide them from the
 * loss: a tanh makes 1 of an infinity.
 */
function anyKernel(trace: Trace): Origin | null {
  const node = trace.nodes.find(({kernel, outputs}) =>
    kernel !== CUSTOM_GRAD && outputs.some(output => !isFinite(trace.values[output])));
  return node === undefined ? null : {node, isDerivative: false};
}

/** Whether all numbers of a tensor are finite. */
function isFinite(t: Tensor): boolean {
  return t.dtype !== 'float32' || (t.dataSync() as Float32Array).every(Number.isFinite);
}
