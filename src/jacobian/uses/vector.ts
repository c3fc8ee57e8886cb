import {addN, div, neg, reshape, slice, sum} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../capture/trace';
import type {Values} from '../cotangents';
import {matMul, mul, shaped} from '../kernels';
import type {DeltaUse, GramTerm, OuterProducts} from './use';

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
    return slice(this.all, [from * this.components, 0], [(to - from) * this.components, this.size]);
  }

  gram(products: OuterProducts): GramTerm {
    return {left: null, right: products.of(this.all)};
  }
}

/** Kernels that combine a parameter with data element by element, or add it as a fused bias. */
const ELEMENTWISE = new Set(['Add', 'Sub', 'Multiply', 'RealDiv', '_FusedMatMul', 'FusedConv2D', 'FusedDepthwiseConv2D']);

/**
 * Whether the rows of an elementwise use are sums over positions of what stands behind an example: p repeats
 * along the leading axes only (a bias [out] on [B, T, out]; [1, H, W, C] on [B, H, W, C]).
 */
export function isElementwise(values: Values, node: TraceNode, name: string, stride: number): boolean {
  if (!ELEMENTWISE.has(node.kernel) || (node.kernel.includes('Fused') && name !== 'bias') ||
      (node.kernel === 'RealDiv' && name !== 'a')) {
    return false;
  }
  const shape = values[node.inputs.find(([n]) => n === name)![1]].shape;
  const out = values[node.outputs[0]].shape;
  const trimmed = shape.slice(shape.findIndex(d => d !== 1) < 0 ? shape.length : shape.findIndex(d => d !== 1));
  const size = trimmed.reduce((a, b) => a * b, 1);
  return trimmed.every((d, i) => d === out[out.length - trimmed.length + i]) && stride % size === 0;
}

/** Rows of one component, [B, |p|]: δ, times the other operand, summed over positions. */
export function elementwiseRows(values: Values, node: TraceNode, name: string, dy: Tensor, stride: number,
    batch: number): Tensor {
  const operand = (n: string): Tensor => values[node.inputs.find(([key]) => key === n)![1]];
  const size = operand(name).size;
  let elements: Tensor;
  switch (node.kernel) {
    case 'Multiply':
      elements = mul(dy, operand(name === 'a' ? 'b' : 'a'));
      break;
    case 'RealDiv':
      elements = div(dy, operand('b'));
      break;
    case 'Sub':
      elements = name === 'a' ? dy : neg(dy);
      break;
    default:
      elements = dy;
  }
  const before = elements.size / (batch * stride);
  const positions = stride / size;
  if (before === 1 && positions === 1) {
    return shaped(elements, [batch, size]);
  }
  return sum(reshape(elements, [before, batch, positions, size]), [0, 2]);
}
