import {div, getGradient, neg, rsqrt, scalar, slice, step, transpose, util, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD, customCotangents} from '../trace/custom_grad';
import {runKernel, openEngine} from '../tfjs/internals';
import type {TraceNode} from '../trace/trace';
import {ggnError} from '../errors';
import {CELL_RULES} from './cell_rules';
import {add, broadcast, matricesIn, mul, multiplyTransposed, shaped, sub, sumTo, transposeMultiply} from '../tfjs/fast_ops';
import {chosenCotangent} from './maxima';
import {convolutionCotangent, ownConvolution, ownGradients} from './own_gradients';
import {missingCotangents} from './missing_gradients';
import {noGradient, plainCotangents} from './plain_gradients';
import {mendedCotangents} from './tfjs_defects';

/** The handles of a trace, by value index. */
export type Values = readonly Tensor[];

/**
 * Vector-Jacobian products of single kernels: from the cotangents δ of a node's outputs to those of its inputs.
 *
 * `tfjsCotangents` asks tfjs's own registered gradients and is what the self-check trusts; `cotangents` puts our
 * rules before them where tfjs is slow.
 */
export type Cotangents = Record<string, () => Tensor>;

type OutputCotangents = ReadonlyArray<Tensor | null>;

/** Kernels with a fused bias and activation: the kernel underneath, whose gradient tfjs has. */
const FUSED: Record<string, string> = {
  _FusedMatMul: 'BatchMatMul', FusedConv2D: 'Conv2D', FusedDepthwiseConv2D: 'DepthwiseConv2dNative'};

/** Input cotangents by tfjs's registered gradients, lazily by input name. */
export function tfjsCotangents(values: Values, node: TraceNode, dys: OutputCotangents): Cotangents {
  if (FUSED[node.kernel] !== undefined) {
    const dy = beforeActivation(values, node, dys[0]!);
    const thunks = tfjsCotangents(values, unfused(node), [dy]);
    const bias = new Map(node.inputs).get('bias');
    const last = (): Tensor => node.attrs['dataFormat'] === 'NCHW' ? transpose(dy, [0, 2, 3, 1]) : dy;
    return bias === undefined ? thunks : {...thunks, bias: () => sumTo(last(), values[bias].shape)};
  }
  const convolution = ownConvolution(values, node, dys[0]);
  if (convolution !== null) {
    return convolution;
  }
  const named = new Map(node.inputs);
  if (node.kernel === CUSTOM_GRAD) {
    const thunks = customCotangents(values, node, dys[0]!);
    return Object.fromEntries(node.inputs.map(([name, value]) => [name, () => checked(node, name, thunks[name](), values[value])]));
  }
  const config = getGradient(node.kernel);
  if (config == null) {
    const own = missingCotangents(openEngine().backendName, node, name => values[named.get(name)!], dys[0]!);
    if (own !== null) {
      return own;
    }
    const plain = mendedOrOwn(values, node, dys);
    if (Object.keys(plain).length === 0) {
      throw noGradient(node.kernel);
    }
    return plain as Cotangents;
  }
  const saved = (config.saveAllInputs ? node.inputs.map(([, value]) => value) :
      (config.inputsToSave ?? []).map(name => named.get(name)!))
      .concat(node.outputs.filter((_, i) => config.outputsToSave?.[i]))
      .map(value => values[value]);
  const mended = mendedOrOwn(values, node, dys);
  const dy = node.outputs.length === 1 ? dys[0]! : dys.map((d, i) => d ?? zerosLike(values[node.outputs[i]]));
  const thunks: Cotangents = explained(node, () => config.gradFunc(dy, saved, node.attrs as never));
  return Object.fromEntries(Object.entries(thunks).map(([name, thunk]) =>
    [name, () => checked(node, name, explained(node, mended[name] ?? thunk), values[named.get(name)!])]));
}

/** The input cotangents that are ours in the place of tfjs's, but for convolutions: on WASM also of products, where tfjs's run at a tenth of the speed. */
function mendedOrOwn(values: Values, node: TraceNode, dys: OutputCotangents): Partial<Cotangents> {
  const {backendName} = openEngine();
  const named = new Map(node.inputs);
  const value = (name: string): Tensor => values[named.get(name)!];
  if (backendName === 'wasm' && node.kernel === 'BatchMatMul' && isPlainProduct(values, node)) {
    const rule = matMulRule(values, node, dys[0]!);
    return {a: () => rule('a')!, b: () => rule('b')!};
  }
  return node.outputs.length > 1 ? plainCotangents(values, node, dys) : {...plainCotangents(values, node, dys), ...ownGradients(backendName, node, value, dys[0]!),
    ...mendedCotangents(backendName, node, value, values[node.outputs[0]], dys[0]!)};
}

/**
 * Whether `tfjsCotangents` gives a gradient of ours in this input, since tfjs has none or a wrong one: comparing with it proves
 * nothing then, and `adjoint_check.ts` tests it against the kernel itself.
 */
export function hasOwnGradient(values: Values, node: TraceNode, name: string): boolean {
  const plain = unfused(node);
  const y = values[plain.outputs[0]];
  return plain.inputs.some(([input]) => input === name) && (ownConvolution(values, plain, y) ?? mendedOrOwn(values, plain, [y]))[name] !== undefined;
}

/** Kernels whose gradients in tfjs do not undo broadcasting, and would be right if they did. */
const UNSUMMED = new Set(['Maximum', 'Minimum', 'SquaredDifference']);

/** What tfjs itself says of a cotangent of the wrong shape depends on where the tensor ends up. */
function checked(node: TraceNode, name: string, cotangent: Tensor, input: Tensor): Tensor {
  if (UNSUMMED.has(node.kernel)) {
    return sumTo(cotangent, input.shape);
  }
  if (cotangent.shape.join() !== input.shape.join()) {
    throw ggnError(`tfjs's gradient of the kernel '${node.kernel}' in its input '${name}' has shape [${cotangent.shape.join()}], the ` +
        `input has [${input.shape.join()}]: it does not undo broadcasting, and no optimizer can train through it. Give the op ` +
        'operands of one shape, by tile or broadcastTo.');
  }
  return cotangent;
}

/** tfjs's message, with what it means here: the forward pass ran, the derivative of one kernel can't. */
function explained<T>(node: TraceNode, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const message = (error as Error).message;
    if (message.startsWith('tfjs-ggn')) {
      throw error;
    }
    throw ggnError(`tfjs cannot differentiate the kernel '${node.kernel}' of this model on the backend ` +
        `'${openEngine().backendName}': ${message} — train on another backend (cpu, webgl, tfjs-node) or replace the ` +
        `layer that uses it.`);
  }
}

/**
 * The cotangents of the wanted inputs of a node, by our rules first. A fused activation must be behind us
 * already (`withoutActivation`), so that all uses of a node share one δ.
 */
export function cotangents(values: Values, node: TraceNode, dys: OutputCotangents, wanted: readonly string[]): Tensor[] {
  const cell = CELL_RULES[node.kernel];
  if (cell !== undefined) {
    return [cell(values, node, dys)];
  }
  const own = OWN[node.kernel]?.(values, node, dys[0]!);
  let tfjs: Cotangents | undefined;
  return wanted.map(name => {
    const mine = own?.(name);
    if (mine != null) {
      return mine;
    }
    tfjs ??= tfjsCotangents(values, node, dys);
    if (tfjs[name] === undefined) {
      throw ggnError(`tfjs has no gradient of the kernel '${node.kernel}' in its input '${name}'.`);
    }
    return tfjs[name]();
  });
}

type OwnRule = (values: Values, node: TraceNode, dy: Tensor) => (name: string) => Tensor | null;

const valueOf = (values: Values, node: TraceNode, name: string): Tensor =>
  values[node.inputs.find(([n]) => n === name)![1]];

const sameShape = (a: Tensor, b: Tensor): boolean =>
  a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);

const addRule: OwnRule = (values, node, dy) => name => sameShape(dy, valueOf(values, node, name)) ? dy : null;

const subRule: OwnRule = (values, node, dy) => name =>
  !sameShape(dy, valueOf(values, node, name)) ? null : name === 'a' ? dy : neg(dy);

const mulRule: OwnRule = (values, node, dy) => name =>
  sameShape(dy, valueOf(values, node, name)) ? mul(dy, valueOf(values, node, name === 'a' ? 'b' : 'a')) : null;

const reluRule: OwnRule = (values, node, dy) => () => mul(dy, step(valueOf(values, node, 'x')));

/** dy·(1 - y²) without the scalar: dy - (dy·y)·y. */
const tanhRule: OwnRule = (values, node, dy) => () => {
  const y = values[node.outputs[0]];
  return sub(dy, mul(mul(dy, y), y));
};

/** By broadcasting: tfjs tiles 1/σ to the shape of x, which takes WASM twenty times as long as the product. */
const batchNormRule: OwnRule = (values, node, dy) => name => {
  if (name !== 'x') {
    return null;
  }
  const factor = inverseDeviation(values, node);
  return mul(dy, node.inputs.some(([n]) => n === 'scale') ? mul(factor, valueOf(values, node, 'scale')) : factor);
};

/** 1/σ of a FusedBatchNorm. */
export const inverseDeviation = (values: Values, node: TraceNode): Tensor =>
  rsqrt(add(valueOf(values, node, 'variance'), scalar(node.attrs['varianceEpsilon'] as number)));

const isPlainProduct = (values: Values, node: TraceNode): boolean =>
  !node.attrs['transposeA'] && !node.attrs['transposeB'] && matricesIn(valueOf(values, node, 'b')) === 1;

/**
 * A product with a plain matrix: δ Wᵀ and aᵀδ without transpose flags, which run at a tenth of the speed on WASM
 * (its batch_mat_mul_impl takes XNNPACK only without flags and with one matrix).
 */
const matMulRule: OwnRule = (values, node, dy) => {
  return name => {
    if (name === 'bias') {
      return sumTo(dy, valueOf(values, node, 'bias').shape);
    }
    const x = valueOf(values, node, name);
    const w = valueOf(values, node, name === 'a' ? 'b' : 'a');
    const b = valueOf(values, node, 'b');
    if (!isPlainProduct(values, node)) {
      return null;
    }
    if (name === 'b') {
      const [inner, outer] = b.shape.slice(-2) as [number, number];
      return shaped(transposeMultiply(shaped(w, [w.size / inner, inner]), shaped(dy, [dy.size / outer, outer])), b.shape);
    }
    const [inner, outer] = w.shape.slice(-2) as [number, number];
    if (outer === 1) {
      return shaped(mul(shaped(dy, [dy.size, 1]), shaped(w, [1, inner])), x.shape);
    }
    return shaped(multiplyTransposed(shaped(dy, [dy.size / outer, outer]), shaped(w, [inner, outer])), x.shape);
  };
};

/** x where mask = x > 0 and αx elsewhere: tfjs compares and selects, which takes WASM ten times as long as a product with 1 and α. */
const leakyReluRule: OwnRule = (values, node, dy) => () => mul(dy, step(valueOf(values, node, 'x'), node.attrs['alpha'] as number));

const preluRule: OwnRule = (values, node, dy) => name => {
  if (name !== 'x') {
    return null;
  }
  const positive = step(valueOf(values, node, 'x'));
  return mul(dy, add(positive, mul(sub(scalar(1), positive), valueOf(values, node, 'alpha'))));
};

/** 1 where 0 < x <= 6. */
const relu6Rule: OwnRule = (values, node, dy) => () => {
  const x = valueOf(values, node, 'x');
  return mul(dy, sub(step(x), step(sub(x, scalar(6)))));
};

/** δ goes to each of the entries that were summed: by a product with as many ones as those of one sum, where tfjs makes ones of the whole input. */
const sumRule = (isMean: boolean): OwnRule => (values, node, dy) => () => {
  const {shape} = valueOf(values, node, 'x');
  const axes = util.parseAxisParam(node.attrs['axis'] as number[], shape);
  const kept = shape.map((size, axis) => axes.includes(axis) ? 1 : size);
  const each = shaped(dy, kept);
  const count = axes.reduce((product, axis) => product * shape[axis], 1);
  return broadcast(isMean ? div(each, scalar(count)) : each, shape);
};

/** A slice of three axes for each input: tfjs's Unpack slices all axes, five of them on WASM at 1,100 nanoseconds an entry. */
const packRule: OwnRule = (values, node, dy) => name => {
  const axis = util.parseAxisParam(node.attrs['axis'] as number, dy.shape)[0];
  const [before, after] = [dy.shape.slice(0, axis), dy.shape.slice(axis + 1)].map(shape => shape.reduce((a, b) => a * b, 1));
  const place = node.inputs.findIndex(([input]) => input === name);
  return shaped(slice(shaped(dy, [before, dy.shape[axis], after]), [0, place, 0], [before, 1, after]), valueOf(values, node, name).shape);
};

const chosenRule: OwnRule = (values, node, dy) => () => chosenCotangent(node, valueOf(values, node, 'x'), values[node.outputs[0]], dy);

const convolutionRule: OwnRule = (values, node, dy) => name =>
  name === 'bias' ? null : convolutionCotangent(values, node, dy, name);

const OWN: Record<string, OwnRule> = {Add: addRule, Sub: subRule, Multiply: mulRule, Relu: reluRule, Tanh: tanhRule,
  BatchMatMul: matMulRule, _FusedMatMul: matMulRule, FusedBatchNorm: batchNormRule, LeakyRelu: leakyReluRule, Prelu: preluRule, Relu6: relu6Rule,
  Sum: sumRule(false), Mean: sumRule(true), Pack: packRule, MaxPool: chosenRule, MaxPool3D: chosenRule, Max: chosenRule, Min: chosenRule};
for (const kernel of ['Conv2D', 'FusedConv2D', 'Conv2DBackpropInput', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2D', 'Conv3D',
  'Conv3DBackpropInputV2']) {
  OWN[kernel] = convolutionRule;
}

/** The node as if its fused activation were an op of its own: goes with δ from `beforeActivation`. */
export function withoutActivation(node: TraceNode): TraceNode {
  return FUSED[node.kernel] === undefined ? node : {...node, attrs: {...node.attrs, activation: 'linear'}};
}

/** The kernel underneath a fused bias and activation. */
export function unfused(node: TraceNode): TraceNode {
  return FUSED[node.kernel] === undefined ? node :
    {...node, kernel: FUSED[node.kernel], inputs: node.inputs.filter(([name]) => name !== 'bias')};
}

/** δ in front of the fused activation of a node, from δ behind it. */
export function beforeActivation(values: Values, node: TraceNode, dy: Tensor): Tensor {
  const activation = node.attrs['activation'] as string | null | undefined;
  if (activation == null || activation === 'linear' || FUSED[node.kernel] === undefined) {
    return dy;
  }
  const y = values[node.outputs[0]];
  switch (activation) {
    case 'relu':
      return mul(dy, step(y));
    case 'relu6':
      return mul(dy, mul(step(y), step(sub(scalar(6), y))));
    case 'sigmoid':
      return mul(dy, mul(y, sub(scalar(1), y)));
    case 'elu':
      return runKernel('EluGrad', {dy, y}) as Tensor;
    case 'leakyrelu':
      return mul(dy, step(y, node.attrs['leakyreluAlpha'] as number));
    default:
      throw ggnError(`no derivative is known for the activation '${activation}' fused into '${node.kernel}'. ` +
          `Apply the activation as an op of its own.`);
  }
}
