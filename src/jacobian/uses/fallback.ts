import {add, concat, mul, reshape, slice, stack, tensor, tidy, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {inputOf, valuesOf, type TraceNode} from '../../trace/trace';
import {ggnError} from '../../errors';
import {exampleView, type BatchStride} from '../../trace/example_axis';
import {BY_LEADING_ENTRY} from '../../trace/kernel_sets';
import {withOutputShape} from '../../trace/kernel_outputs';
import {tfjsCotangents, type Values} from '../../derivatives/cotangents';
import {matMul} from '../../tfjs/fast_ops';
import {mayKeep} from '../../tfjs/memory';
import {blocksOf, denseBlocks, denseGram} from './row_blocks';
import type {GramTerm, ParameterUse} from './use';

/**
 * The use of a parameter in any kernel that tfjs can differentiate. Its rows are exact: each is one
 * vector-Jacobian product of the node, with the cotangents of the other examples left out. It is
 * slow.
 */
export class FallbackUse implements ParameterUse {
  readonly components: number;
  readonly size: number;
  /** All rows, if they may be kept; else they are formed block by block, at each product again. */
  private readonly kept: Tensor | null;

  /**
   * @param strides of the examples, by value index.
   * @param deltas cotangents of the node's outputs, by component, then by output; null: no
   * influence.
   */
  constructor(private readonly values: Values, private readonly node: TraceNode, private readonly name: string,
      private readonly strides: readonly BatchStride[], readonly examples: number,
      private readonly deltas: ReadonlyArray<ReadonlyArray<Tensor | null>>) {
    this.components = deltas.length;
    this.size = values[inputOf(node, name)].size;
    this.kept = mayKeep(this.size * examples * this.components) ? this.form(0, examples) : null;
  }

  apply(p: Tensor): Tensor {
    const column = reshape(p, [this.size, 1]);
    const parts = blocksOf(this.examples, this.size * this.components)
        .map(([from, to]) => tidy(() => matMul(this.rows(from, to), column)));
    return reshape(concat(parts, 0), [this.examples, this.components]);
  }

  /**
   * One vector-Jacobian product per component, with each example's cotangent times its entry of u.
   */
  applyTranspose(u: Tensor): Tensor {
    const parts = this.deltas.map((dys, c) => {
      const weight = slice(reshape(u, [this.examples, this.components]), [0, c], [this.examples, 1]);
      return this.pullBack(this.values, this.node, dys.map((dy, k) => dy === null ? null : this.weigh(dy, weight, k)));
    });
    return parts.reduce((total, part) => add(total, part));
  }

  rows(from: number, to: number): Tensor {
    return this.kept === null ? this.form(from, to) :
        slice(this.kept, [from * this.components, 0], [(to - from) * this.components, this.size]);
  }

  gram(): GramTerm {
    return {left: null, right: denseGram(this)};
  }

  diagonalBlocks(k: number): Tensor {
    return denseBlocks(k, this);
  }

  get tensors(): Tensor[] {
    const {kept, deltas, node, values} = this;
    return [...kept === null ? [] : [kept], ...deltas.flat().filter(delta => delta !== null),
      ...valuesOf(node).map(value => values[value])];
  }

  private form(from: number, to: number): Tensor {
    return tidy(() => {
      const rows: Tensor[] = [];
      for (let example = from; example < to; example++) {
        for (const dys of this.deltas) {
          rows.push(tidy(() => reshape(this.row(example, dys), [this.size])));
        }
      }
      return stack(rows);
    });
  }

  /** One row, by the example's own slice of the node if possible, else by masked cotangents. */
  private row(example: number, dys: ReadonlyArray<Tensor | null>): Tensor {
    if (BY_LEADING_ENTRY.has(this.node.kernel) && this.isLeading()) {
      const one = sliceExample(this.values, this.node, this.strides, this.examples, example);
      return this.pullBack(one.values, one.node,
          dys.map(dy => dy === null ? null : sliceLeading(dy, this.examples, example)));
    }
    if (this.examples === 1) {
      return this.pullBack(this.values, this.node, dys);
    }
    const isOwn = Float32Array.from({length: this.examples}, (_, b) => b === example ? 1 : 0);
    const mask = tensor(isOwn, [this.examples, 1]);
    return this.pullBack(this.values, this.node, dys.map((dy, k) => dy === null ? null : this.weigh(dy, mask, k)));
  }

  private pullBack(values: Values, node: TraceNode, dys: ReadonlyArray<Tensor | null>): Tensor {
    if (dys.every(dy => dy === null)) {
      return zerosLike(values[inputOf(node, this.name)]);
    }
    const thunk = tfjsCotangents(values, node, dys)[this.name];
    if (thunk === undefined) {
      throw ggnError(`tfjs has no gradient of the kernel '${node.kernel}' in its input '${this.name}'.`);
    }
    return thunk();
  }

  /** A cotangent with the entries of example b times weight[b]; weight [B, 1]. */
  private weigh(dy: Tensor, weight: Tensor, output: number): Tensor {
    const stride = this.strides[this.node.outputs[output]]!;
    const [before, ...view] = exampleView(dy.size, stride, this.examples);
    const blocks = reshape(dy, before === 1 ? view : [before, ...view]);
    return reshape(mul(blocks, weight), dy.shape);
  }

  /** Whether the examples lie along the leading axis of all values of the node. */
  private isLeading(): boolean {
    return valuesOf(this.node).every(value => {
      const stride = this.strides[value];
      const t = this.values[value];
      return stride == null || (stride === t.size / this.examples && t.shape[0] % this.examples === 0);
    });
  }
}

function sliceLeading(t: Tensor, examples: number, example: number): Tensor {
  const count = t.shape[0] / examples;
  const begin = t.shape.map((_, i) => i === 0 ? example * count : 0);
  return slice(t, begin, t.shape.map((d, i) => i === 0 ? count : d));
}

/** The node as it would be in a batch of this one example. */
function sliceExample(values: Values, node: TraceNode, strides: readonly BatchStride[], examples: number,
    example: number): {values: Values; node: TraceNode} {
  const sliced: Tensor[] = [];
  for (const value of valuesOf(node)) {
    sliced[value] = strides[value] == null ? values[value] : sliceLeading(values[value], examples, example);
  }
  return {values: sliced, node: withOutputShape(node, sliced[node.outputs[0]].shape)};
}
