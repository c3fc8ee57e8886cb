import {addN, broadcastTo, div, neg, reshape, sub, sum, transpose} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../trace/trace';
import {tfjsCotangents} from '../../derivatives/cotangents';
import type {Values} from '../../derivatives/cotangents';
import {inverseDeviation} from '../../derivatives/rules/normalization';
import {matMul, mul, shaped, sumTo} from '../../tfjs/fast_ops';
import {sliceRows} from '../../tfjs/slices';
import {blockProducts} from './use';
import type {DeltaUse, GramTerm, OuterProducts} from './use';
import {exampleAxis} from '../../trace/batch_axis';
import {padded} from '../plan/site';

/** A use whose rows are small enough to be kept as they are: biases, elementwise scales. Rows [n, |p|]. */
export class VectorUse implements DeltaUse {
  readonly size: number;

  constructor(private readonly all: Tensor, readonly examples: number, readonly components: number) {
    this.size = all.shape[1]!;
  }

  get delta(): Tensor | null {
    return this.components === 1 ? this.all : null;
  }

  preactivation(p: Tensor): Tensor {
    return shaped(p, [1, this.size]);
  }

  /** The sum over rows as a product: the layer's kernel multiplies with the same matrix, which WASM packs once for both. */
  pullWeighted(weighted: Tensor, ones: () => Tensor): Tensor {
    return matMul(ones(), weighted);
  }

  /** Several uses of the same entries: their rows add up. */
  static sum(uses: readonly VectorUse[]): VectorUse {
    const {examples, components} = uses[0];
    return new VectorUse(addN(uses.map(use => use.all)), examples, components);
  }

  apply(p: Tensor): Tensor {
    return shaped(matMul(this.all, shaped(p, [this.size, 1])), [this.examples, this.components]);
  }

  applyTranspose(u: Tensor): Tensor {
    return matMul(shaped(u, [1, this.examples * this.components]), this.all);
  }

  rows(from: number, to: number): Tensor {
    return sliceRows(this.all, from * this.components, to * this.components);
  }

  gram(products: OuterProducts): GramTerm {
    return {left: null, right: products.of(this.all)};
  }

  exampleGrams(): Tensor {
    return blockProducts(this.all, this.examples, this.components);
  }

  get tensors(): Tensor[] {
    return [this.all];
  }
}

/** Rows of one component, [B, |p|]: δ times the derivative of each element, summed to the parameter's shape. */
export function elementwiseRows(values: Values, node: TraceNode, name: string, shape: readonly number[], dy: Tensor, stride: number,
    batch: number): Tensor {
  const elements = elementsOf(values, node, name, dy);
  const size = shape.reduce((a, b) => a * b, 1);
  if (elements.size === batch * size && stride === size) {
    return shaped(elements, [batch, size]);
  }
  const out = elements.shape;
  const full = padded(shape, out.length);
  if (batch === 1) {
    return shaped(sumTo(elements, full), [1, size]);
  }
  const {axis, before, inner} = exampleAxis(out, stride, batch)!;
  // Neighbouring axes of one kind taken together: those that are summed, the examples, those of the parameter.
  const axes: Array<{size: number; kind: 'summed' | 'examples' | 'kept'}> = [];
  const push = (size: number, kind: 'summed' | 'examples' | 'kept'): void => {
    const last = axes[axes.length - 1];
    if (size > 1 && last?.kind === kind) {
      last.size *= size;
    } else if (size > 1) {
      axes.push({size, kind});
    }
  };
  out.forEach((d, i) => {
    if (i === axis) {
      push(before, 'summed');
      push(batch, 'examples');
      push(inner, 'summed');
    } else {
      push(d, full[i] === 1 ? 'summed' : 'kept');
    }
  });
  const over = axes.map((_, i) => i).filter(i => axes[i].kind === 'summed');
  const all = reshape(elements, axes.map(({size: d}) => d));
  const summed = over.length === 0 ? all : sum(all, over);
  const at = axes.filter(({kind}) => kind !== 'summed').findIndex(({kind}) => kind === 'examples');
  const others = [...Array(summed.rank).keys()].filter(i => i !== at);
  return shaped(at === 0 ? summed : transpose(summed, [at, ...others]), [batch, size]);
}

/** δ times the derivative of each element of the output in the element of the parameter that it was made with. */
function elementsOf(values: Values, node: TraceNode, name: string, dy: Tensor): Tensor {
  const operand = (n: string): Tensor => values[node.inputs.find(([key]) => key === n)![1]];
  if (name === 'bias' || name === 'offset' || node.kernel === 'Add') {
    return dy;
  }
  if (node.kernel === 'Sub') {
    return name === 'a' ? dy : neg(dy);
  }
  if (node.kernel === 'Multiply') {
    return mul(dy, operand(name === 'a' ? 'b' : 'a'));
  }
  if (node.kernel === 'RealDiv' && name === 'a') {
    return div(dy, operand('b'));
  }
  if (node.kernel === 'FusedBatchNorm' && name === 'scale') {
    return mul(dy, mul(sub(operand('x'), operand('mean')), inverseDeviation({values, node})));
  }
  // With all its operands broadcast beforehand, tfjs's own gradient has nothing to sum.
  const {shape} = values[node.outputs[0]];
  const full: Tensor[] = [];
  node.outputs.forEach(output => full[output] = values[output]);
  for (const [n, value] of node.inputs) {
    full[value] = n === 'condition' ? values[value] : shaped(broadcastTo(values[value], shape), shape);
  }
  return tfjsCotangents(full, node, [dy])[name]();
}
