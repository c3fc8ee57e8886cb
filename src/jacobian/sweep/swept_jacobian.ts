import {concat, stack, tensor, tidy, zeros, type Tensor} from '@tensorflow/tfjs-core';
import {collect, pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import {shaped} from '../../tfjs/fast_ops';
import {checkMemory} from '../../tfjs/memory';
import type {Trace, TraceNode} from '../../trace/trace';
import type {Plan} from '../plan/plan';
import {RowsUse} from '../uses/rows';
import {BatchJacobian, type BatchRows} from './batch_jacobian';
import {pushTangents} from './forward_sweep';
import {seedsByValue} from './row_seeds';

/**
 * The Jacobian J [n, m] of the rows of a trace as products alone. J d is one forward sweep in the
 * direction d, and Jᵀu is one reverse sweep from u. Each takes about as long as two forward passes,
 * for any n and m, and holds a few activations. Nothing is kept between the products.
 *
 * The other forms of the rows take a reverse sweep for each row: they are for small problems and
 * tests.
 */
export class SweptJacobian implements BatchRows {
  readonly rows: number;
  private readonly nodes: readonly TraceNode[];

  /** @param tensors those of the trace that were made for this Jacobian. */
  constructor(private readonly trace: Trace, private readonly plan: Plan, readonly tensors: Tensor[] = []) {
    this.rows = plan.analysis.examples * plan.components;
    this.nodes = plan.products!.nodes.map(i => trace.nodes[i]);
  }

  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    const {trace, nodes, plan: {analysis: {examples, variableOf}, perExample}} = this;
    const change = tidy(() => {
      const tangents = new Map<number, Tensor>();
      for (const [value, v] of variableOf) {
        const direction = d[v];
        if (direction !== null && direction !== undefined) {
          tangents.set(value, shaped(direction, [1, ...direction.shape]));
        }
      }
      const blocks = pushTangents(trace, this.plan, nodes, tangents, 1);
      const parts = blocks.map((block, b) => shaped(block, [examples, perExample[b]]));
      return shaped(parts.length === 1 ? parts[0] : concat(parts, 1), [this.rows]);
    });
    checkMemory();
    return change;
  }

  applyTranspose(u: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    const {trace, nodes, plan: {analysis: {dependent, variableOf, variables}}} = this;
    let gradients: Array<Tensor | null> = [];
    tidy(() => {
      const seeds = seedsByValue(trace, this.plan, u);
      const cotangents = sweepBack(trace.values, nodes, seeds, value => dependent[value], pullByRules);
      const found = collect(cotangents, variableOf.keys(), variableOf);
      gradients = variables.map((_, v) => wanted(v) ? found.get(v) ?? null : null);
      return gradients.filter(t => t !== null);
    });
    checkMemory();
    return gradients;
  }

  gram(partOf: readonly number[]): Tensor[] {
    return tidy(() => this.formed().gram(partOf));
  }

  diagonalBlocks(k?: number): Tensor {
    return tidy(() => this.formed().diagonalBlocks(k));
  }

  dense(): Tensor {
    return tidy(() => this.formed().dense());
  }

  /** The rows, by a reverse sweep for each. */
  private formed(): BatchJacobian {
    const {trace, plan, rows} = this;
    const {analysis: {examples, variables}, components, sites} = plan;
    const pulled = Array.from({length: rows}, (_, i) =>
      this.applyTranspose(tensor(Float32Array.from({length: rows}, (_, j) => i === j ? 1 : 0))));
    return new BatchJacobian(trace.values, plan, sites.map(({parameter: {variables: [v]}}) => {
      const {size} = variables[v];
      return new RowsUse(stack(pulled.map(parts => shaped(parts[v] ?? zeros([size]), [size]))), examples, components);
    }));
  }
}
