import type {Tensor} from '@tensorflow/tfjs-core';
import {add, shaped} from '../../tfjs/fast_ops';
import {denseBlocks, denseGram} from './row_blocks';
import type {GramTerm, ParameterUse} from './use';

/**
 * Several uses of one parameter whose rows are not kept: their products add up, cross terms
 * included.
 */
export class SummedUse implements ParameterUse {
  readonly examples: number;
  readonly components: number;
  readonly size: number;

  constructor(private readonly parts: readonly ParameterUse[]) {
    ({examples: this.examples, components: this.components, size: this.size} = parts[0]);
  }

  apply(p: Tensor): Tensor {
    return this.total(part => part.apply(p));
  }

  applyTranspose(u: Tensor): Tensor {
    return this.total(part => shaped(part.applyTranspose(u), [this.size]));
  }

  rows(from: number, to: number): Tensor {
    return this.total(part => part.rows(from, to));
  }

  gram(): GramTerm {
    return {left: null, right: denseGram(this)};
  }

  diagonalBlocks(k: number): Tensor {
    return denseBlocks(k, this);
  }

  get tensors(): Tensor[] {
    return this.parts.flatMap(part => part.tensors);
  }

  private total(f: (part: ParameterUse) => Tensor): Tensor {
    return this.parts.map(f).reduce((a, b) => add(a, b));
  }
}
