import {getGradient, tidy, transpose, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {sumTo} from '../tfjs/fast_ops';
import {openEngine} from '../tfjs/internals';
import {CUSTOM_GRAD, customCotangents} from '../trace/custom_grad';
import type {TraceNode} from '../trace/trace';
import {beforeActivation, isFused, unfused} from './fused';
import {BackwardNode} from './rules/rule';
import {fastRule, trustedRule} from './table';

/** The handles of a trace, by value index. */
export type Values = readonly Tensor[];

/**
 * Vector-Jacobian products of a kernel: by input name, the cotangent of the input from those of the
 * outputs, when it is asked for.
 */
type Cotangents = Record<string, () => Tensor>;

type OutputCotangents = ReadonlyArray<Tensor | null>;

/**
 * The cotangents of the wanted inputs of a node, by the rules for slow gradients first. δ must have
 * been taken in front of a fused activation already (`withoutActivation`), so that all uses of a
 * node share one δ.
 */
export function cotangents(values: Values, node: TraceNode, dys: OutputCotangents,
    wanted: readonly string[]): Tensor[] {
  const at = new BackwardNode(values, node, dys);
  let tfjs: Cotangents | undefined;
  return wanted.map(input => {
    const rule = fastRule(at, input);
    return rule !== null ? rule.pull(at, input) : cotangentOf(tfjs ??= tfjsCotangents(values, node, dys), node, input);
  });
}

/** One of the cotangents of a node. */
export function cotangentOf(thunks: Cotangents, node: TraceNode, input: string): Tensor {
  if (thunks[input] === undefined) {
    throw ggnError(`tfjs has no gradient of the kernel '${node.kernel}' in its input '${input}'.`);
  }
  return thunks[input]();
}

/**
 * The input cotangents of a node by tfjs's registered gradients, which the self-check trusts. A
 * rule of the table takes the place of a gradient that is useless, wrong or missing.
 */
export function tfjsCotangents(values: Values, node: TraceNode, dys: OutputCotangents): Cotangents {
  if (isFused(node)) {
    return fusedCotangents(values, node, dys[0]!);
  }
  const shapeOf = new Map(node.inputs.map(([input, value]) => [input, values[value].shape]));
  if (node.kernel === CUSTOM_GRAD) {
    const thunks = customCotangents(values, node, dys[0]!);
    return Object.fromEntries(node.inputs.map(([input]) =>
      [input, () => checked(node, input, thunks[input](), shapeOf.get(input)!)]));
  }
  const at = new BackwardNode(values, node, dys);
  const own = node.inputs.flatMap(([input]): Array<[string, () => Tensor]> => {
    const rule = trustedRule(at, input);
    return rule === null ? [] : [[input, () => rule.pull(at, input)]];
  });
  const thunks = own.length === node.inputs.length ? {} : registeredCotangents(values, node, dys);
  if (thunks === null && own.length === 0) {
    throw noGradient(node.kernel);
  }
  const all = {...thunks, ...Object.fromEntries(own)};
  return Object.fromEntries(Object.entries(all).map(([input, thunk]) =>
    [input, () => checked(node, input, explained(node, thunk), shapeOf.get(input)!)]));
}

/**
 * The cotangents of a kernel with a fused bias and activation, by those of the kernel underneath.
 */
function fusedCotangents(values: Values, node: TraceNode, behind: Tensor): Cotangents {
  const dy = tidy(() => beforeActivation(values, node, behind));
  const thunks = tfjsCotangents(values, unfused(node), [dy]);
  const bias = new Map(node.inputs).get('bias');
  const last = (): Tensor => node.attrs['dataFormat'] === 'NCHW' ? transpose(dy, [0, 2, 3, 1]) : dy;
  return bias === undefined ? thunks : {...thunks, bias: () => sumTo(last(), values[bias].shape)};
}

/** The cotangents by tfjs's own gradient; null if it has none of the kernel. */
function registeredCotangents(values: Values, node: TraceNode, dys: OutputCotangents): Cotangents | null {
  const config = getGradient(node.kernel);
  if (config == null) {
    return null;
  }
  const named = new Map(node.inputs);
  const saved = (config.saveAllInputs ? node.inputs.map(([, value]) => value) :
      (config.inputsToSave ?? []).map(name => named.get(name)!))
      .concat(node.outputs.filter((_, i) => config.outputsToSave?.[i]))
      .map(value => values[value]);
  const dy = node.outputs.length === 1 ? dys[0]! : dys.map((d, i) => d ?? zerosLike(values[node.outputs[i]]));
  return explained(node, () => config.gradFunc(dy, saved, node.attrs as never));
}

/**
 * Whether `tfjsCotangents` takes a rule of the table for this input. A comparison with it proves
 * nothing then, and `adjoint_check.ts` tests it against the kernel itself.
 */
export function hasOwnGradient(values: Values, node: TraceNode, input: string): boolean {
  const plain = unfused(node);
  return plain.inputs.some(([name]) => name === input) &&
    trustedRule(new BackwardNode(values, plain, plain.outputs.map(output => values[output])), input) !== null;
}

/**
 * Refuses a cotangent of the wrong shape by name. The error of tfjs itself depends on the op that
 * meets the tensor next.
 */
function checked(node: TraceNode, input: string, cotangent: Tensor, shape: readonly number[]): Tensor {
  if (cotangent.shape.join() !== shape.join()) {
    throw ggnError(`tfjs's gradient of the kernel '${node.kernel}' in its input '${input}' has shape ` +
        `[${cotangent.shape.join()}], the input has [${shape.join()}]: it does not undo broadcasting, and no ` +
        'optimizer can train through it. Give the op operands of one shape, by tile or broadcastTo.');
  }
  return cotangent;
}

/**
 * Runs a gradient. To an error of tfjs, it adds that the forward pass ran and the derivative of one
 * kernel does not.
 */
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

/** The error for a kernel that neither tfjs nor the table has a gradient of. */
function noGradient(kernel: string): Error {
  return getGradient('Multiply') == null ?
    ggnError(`tfjs-core was loaded without its gradients, and that of the kernel '${kernel}' is needed. They come ` +
        "with the layers: npm install @tensorflow/tfjs-layers and import '@tensorflow/tfjs-layers' (@tensorflow/tfjs " +
        "holds both); in a bundle import '@tensorflow/tfjs-core/dist/register_all_gradients' is enough.") :
    ggnError(`the kernel '${kernel}' lies between the weights and the loss and tfjs has no gradient for it: ` +
        'no optimizer can train through it. Replace the layer or op that uses it.');
}
