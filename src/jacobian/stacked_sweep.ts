import {concat, neg, ones, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../capture/trace';
import {beforeActivation, cotangents, matricesIn} from './cotangents';
import {add, mul, multiplyTransposed, shaped} from './kernels';
import type {Plan, Site, SweepStep} from './plan';

/** Kernels that give each element of their output from the elements at its place: a cotangent passes them times a slope of that shape. */
const ELEMENTWISE = new Set(['Add', 'Sub', 'Neg', 'Multiply', 'Tanh', 'Sigmoid', 'Relu', 'LeakyRelu', 'Elu', 'Selu', 'Softplus']);

/** Kernels that keep the elements and their order. */
const RESHAPES = new Set(['Reshape', 'Identity', 'ExpandDims']);

const PRODUCTS = new Set(['BatchMatMul', '_FusedMatMul']);

/**
 * Whether all components can be swept at once: dense layers and activations, in which the examples lie along the leading axis and
 * a bias has one element for each of an example's. That leaves one block of rows, so the components have their order.
 */
export function isStackable(trace: Trace, plan: Plan): boolean {
  const {analysis: {batch, strides}, blocks, starts, steps, sites, components} = plan;
  const leads = (value: number): boolean => strides[value] != null && strides[value] * batch === trace.values[value].size;
  const passes = ({plain, names, values}: SweepStep): boolean => {
    const {kernel, outputs: [output]} = plain;
    if (plain.outputs.length !== 1 || ![output, ...values].every(leads)) {
      return false;
    }
    const named = new Map(plain.inputs);
    const isPlainProduct = (): boolean => !plain.attrs['transposeA'] && !plain.attrs['transposeB'] && strides[named.get('b')!] == null &&
        matricesIn(trace.values[named.get('b')!]) === 1;
    return RESHAPES.has(kernel) ? true : PRODUCTS.has(kernel) ? isPlainProduct() && names.every(name => name === 'a') :
        ELEMENTWISE.has(kernel) && values.every(value => trace.values[value].size === trace.values[output].size);
  };
  const isSimple = ({kind, matrix, node, name, shape}: Site): boolean => kind === 'matrix' ? !matrix!.flipData && !matrix!.flipDelta :
    kind === 'vector' && (name === 'bias' || node.kernel === 'Add') && shape.reduce((a, b) => a * b, 1) === strides[node.outputs[0]];
  return components > 1 && batch > 1 && blocks.length === 1 && starts[0].rows.length === 0 &&
      [...starts[0].step === null ? [] : [starts[0].step], ...steps].every(passes) && sites.every(isSimple);
}

/**
 * The reverse sweeps of all components as one, of B·C rows in their order (example, component). Each cotangent is [B·C, elements of an
 * example], so that a layer's kernel and bias have one tensor, already in the order of the rows.
 *
 * All tensors that are returned belong to the caller's scope; the others are gone.
 *
 * @param plan one that `isStackable`.
 * @returns by site the cotangent of its node's output; null for a site that the rows do not depend on.
 */
export function stackedSweep(trace: Trace, plan: Plan): Array<Tensor | null> {
  const {analysis: {batch, strides}, components, blocks: [{value: root}], starts: [{step: first}], sites} = plan;
  const {values} = trace;
  const rows = batch * components;
  const found: Array<Tensor | null> = sites.map(() => null);
  const known = new Map([[root, unitCotangents(batch, components)]]);
  const isHeld = (delta: Tensor): boolean => found.includes(delta) || [...known.values()].includes(delta);
  /** δ ∘ slope, for a slope that all components of an example have in common. */
  const times = (delta: Tensor, slope: Tensor): Tensor => {
    const perExample = shaped(slope, [batch, slope.size / batch]);
    return mul(delta, shaped(concat(Array<Tensor>(components).fill(perExample), 1), delta.shape));
  };
  for (const step of first === null ? plan.steps : [first, ...plan.steps]) {
    const {node, plain, names, sites: ofStep} = step;
    const [output] = node.outputs;
    const arriving = known.get(output);
    if (arriving === undefined) {
      continue;
    }
    known.delete(output);
    const {shape} = values[output];
    const isActivated = (node.attrs['activation'] ?? 'linear') !== 'linear';
    const delta = !isActivated ? arriving : tidy(() => times(arriving, beforeActivation(values, node, ones(shape))));
    ofStep.forEach(site => found[site] = delta);
    names.forEach((name, i) => {
      const value = step.values[i];
      const passed = RESHAPES.has(node.kernel) || node.kernel === 'Add' || (node.kernel === 'Sub' && name === 'a') ? delta : tidy(() => {
        if (node.kernel === 'Sub' || node.kernel === 'Neg') {
          return neg(delta);
        }
        if (!PRODUCTS.has(node.kernel)) {
          return times(delta, cotangents(values, plain, [ones(shape)], [name])[0]);
        }
        const matrix = values[new Map(node.inputs).get('b')!];
        const [inner, outer] = matrix.shape.slice(-2) as [number, number];
        return shaped(multiplyTransposed(shaped(delta, [delta.size / outer, outer]), shaped(matrix, [inner, outer])), [rows, strides[value]!]);
      });
      const before = known.get(value);
      known.set(value, before === undefined ? passed : add(before, passed));
      [before, passed].forEach(part => part !== undefined && part !== delta && !isHeld(part) && part.dispose());
    });
    [arriving, delta].forEach(part => !part.isDisposed && !isHeld(part) && part.dispose());
  }
  return found;
}

/** One for each row at its own component, [B·C, C]. */
function unitCotangents(batch: number, components: number): Tensor {
  const entries = new Float32Array(batch * components * components);
  for (let row = 0; row < batch * components; row++) {
    entries[row * components + row % components] = 1;
  }
  return tensor(entries, [batch * components, components]);
}
