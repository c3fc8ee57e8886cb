import {concat, ones, scalar, slice, stack, tidy, zeros, type Tensor} from '@tensorflow/tfjs-core';
import type {Values} from '../../derivatives/cotangents';
import {plus} from '../../tfjs/accumulate';
import {add, matMul, mul, rowDots, shaped, sumOf} from '../../tfjs/fast_ops';
import {backward, forward, forwardReach, pullRows, pullSelection} from '../plan/parameter_products';
import type {Plan, VariableSites} from '../plan/plan';
import {blocksOf, denseBlocks, denseGram, type FormedRows} from '../uses/row_blocks';
import {sharesDelta, type GramTerm, type ParameterUse} from '../uses/use';
import {ByMatrix, OuterProducts} from '../uses/outer_products';
import {joinUses} from '../uses/join_uses';

/** The Jacobian of the rows of one trace, however it is linearized. */
export type BatchRows =
    Pick<BatchJacobian, 'rows' | 'gram' | 'diagonalBlocks' | 'apply' | 'applyTranspose' | 'dense' | 'tensors'>;

/**
 * The Jacobian J [n, m] of the rows of a batch in the trained variables, as an operator. It has
 * n = B·C rows, ordered (example, component), and m parameters, ordered by variable. J itself is
 * formed only for `dense()`, and block by block for a variable without a structure to use.
 *
 * J = dr/dw of the residuals as they are, without weights, means or halves.
 */
export class BatchJacobian {
  readonly rows: number;
  /** The uses of each variable, each with one of its sites. Uses of the same entries are joined. */
  readonly joined: ReadonlyArray<ReadonlyArray<readonly [ParameterUse, number]>>;

  /**
   * The tensors of the uses, and of the joined uses made here, belong to the caller's scope.
   *
   * @param uses by site of the plan.
   */
  constructor(private readonly values: Values, readonly plan: Plan, readonly uses: readonly ParameterUse[]) {
    this.rows = plan.analysis.examples * plan.components;
    this.joined = plan.bySite.map(({sites, bundles}) =>
      (bundles ?? sites.map(i => [i])).map(bundle => [joinUses(bundle.map(i => uses[i])), bundle[0]] as const));
  }

  /**
   * Gram matrices Σ_v J_v J_vᵀ over the variables of each part of ρ, each [n, n] in float32.
   *
   * @param partOf part of ρ of each variable, counted from 0.
   */
  gram(partOf: readonly number[]): Tensor[] {
    return tidy(() => {
      const outer = new OuterProducts();
      const count = Math.max(...partOf) + 1;
      /**
       * By part: the right factors, by tensor id, each with all left factors that it is multiplied
       * by.
       */
      const terms = Array.from({length: count}, () => new Map<number, {right: Tensor; lefts: Array<Tensor | null>}>());
      this.plan.bySite.forEach((variable, v) => {
        for (const {left, right} of this.termsOf(variable, v, outer)) {
          const known = terms[partOf[v]].get(right.id);
          if (known === undefined) {
            terms[partOf[v]].set(right.id, {right, lefts: [left]});
          } else {
            known.lefts.push(left);
          }
        }
      });
      return terms.map(part => this.total([...part.values()].flatMap(({right, lefts}) => this.hadamard(right, lefts)),
          [this.rows, this.rows]));
    });
  }

  /**
   * The blocks on the diagonal of the Gram matrix over all variables, [n/k, k, k].
   *
   * @param k rows of a block: C for a block of each example, 1 for the squares |J_i|².
   */
  diagonalBlocks(k = this.plan.components): Tensor {
    return tidy(() => this.total(this.plan.bySite.flatMap(({bundles}, v) =>
      bundles !== null ? this.joined[v].map(([use]) => use.diagonalBlocks(k)) : [denseBlocks(k, this.formed(v))]),
    [this.rows / k, k, k]));
  }

  /** The tensors of the uses. No product needs other tensors of this Jacobian. */
  get tensors(): Tensor[] {
    return [...new Set(this.joined.flatMap(uses => uses.flatMap(([use]) => use.tensors)))];
  }

  /** J d, shape [n]; d by variable, null for no change. */
  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    return tidy(() => {
      const changes: Tensor[] = [];
      const shared = new ByMatrix<{delta: Tensor; sum: Tensor | null}>();
      this.plan.bySite.forEach((variable, v) => {
        const change = d[v];
        if (change == null) {
          return;
        }
        const parameters = variable.sites.map(i => this.plan.sites[i].parameter);
        if (parameters.some(({kind, reach}) => kind === 'function' && reach === null)) {
          changes.push(shaped(this.blockwise(v, rows => matMul(rows, shaped(change, [change.size, 1]))), [this.rows]));
          return;
        }
        for (const [use, site] of this.joined[v]) {
          const {parameter} = this.plan.sites[site];
          const p = parameter.kind !== 'function' ? forward(this.values, parameter, change) :
            forwardReach(this.values, this.plan.analysis, parameter, v, change);
          if (!sharesDelta(use)) {
            changes.push(shaped(use.apply(p), [this.rows]));
            continue;
          }
          const known = shared.of(use.delta, () => ({delta: use.delta, sum: null}));
          known.sum = plus(known.sum, use.preactivation(p));
        }
      });
      changes.push(...shared.all().map(known => rowDots(known.delta, known.sum!)));
      return this.total(changes, [this.rows]);
    });
  }

  /**
   * Jᵀ u for u of shape [n]: by variable, of the variable's shape; null if the variable is not
   * wanted.
   */
  applyTranspose(u: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    const {analysis, components, sites} = this.plan;
    const entries = shaped(u, [analysis.examples, components]);
    const weighted = new ByMatrix<Tensor>();
    let row: Tensor | undefined;
    const onesRow = (): Tensor => row ??= ones([1, this.rows]);
    const pull = (use: ParameterUse): Tensor => sharesDelta(use) ?
      use.pullWeighted(weighted.of(use.delta, () => mul(use.delta, entries)), onesRow) : use.applyTranspose(entries);
    const gradients: Array<Tensor | null> = analysis.variables.map(() => null);
    const done = new Set<ParameterUse>();
    this.joined.forEach((uses, v) => {
      if (!wanted(v)) {
        return;
      }
      for (const [use, site] of uses) {
        // A parameter that is made of several variables gives the gradients of all at once.
        if (done.has(use)) {
          continue;
        }
        done.add(use);
        for (const [w, part] of backward(this.values, analysis, sites[site].parameter, pull(use))) {
          if (wanted(w)) {
            gradients[w] = plus(gradients[w], part);
          }
        }
      }
    });
    return gradients;
  }

  /** The dense Jacobian [n, m]: for small problems and tests. */
  dense(): Tensor {
    return tidy(() => concat(this.plan.bySite.map((_, v) => this.blockwise(v, rows => rows)), 1));
  }

  /** The sum of some tensors; zeros for none: a variable may be read by a regularizer only. */
  private total(terms: readonly Tensor[], shape: number[]): Tensor {
    return terms.length === 0 ? zeros(shape) : sumOf(terms);
  }

  private termsOf(variable: VariableSites, v: number, outer: OuterProducts): GramTerm[] {
    return variable.bundles !== null ? this.joined[v].map(([use]) => use.gram(outer)) :
      [{left: null, right: denseGram(this.formed(v))}];
  }

  /** The dense rows of a variable, formed when they are asked for. */
  private formed(v: number): FormedRows {
    const {analysis: {examples, variables}, components} = this.plan;
    return {examples, components, size: variables[v].size, rows: (from, to) => this.rowsOf(v, from, to)};
  }

  /**
   * The summands of (Σ lefts) ∘ right; a left factor [B, B] counts for all pairs of components.
   */
  private hadamard(right: Tensor, lefts: ReadonlyArray<Tensor | null>): Tensor[] {
    const {analysis: {examples}, components} = this.plan;
    const matrices = lefts.filter(left => left !== null);
    const constant = lefts.length - matrices.length;
    const multiple = (): Tensor => constant === 1 ? right : mul(right, scalar(constant));
    if (matrices.length === 0) {
      return [multiple()];
    }
    const left = matrices.reduce((total, matrix) => add(total, matrix));
    if (components > 1) {
      // The ones are added to the smaller factor.
      const all = constant === 0 ? left : add(left, scalar(constant));
      const entries = shaped(right, [examples, components, examples, components]);
      return [shaped(mul(shaped(all, [examples, 1, examples, 1]), entries), [this.rows, this.rows])];
    }
    return [mul(left, right), ...constant === 0 ? [] : [multiple()]];
  }

  /** f of the dense rows of a variable, taken by blocks of examples and joined along the rows. */
  private blockwise(v: number, f: (rows: Tensor) => Tensor): Tensor {
    const parts = this.blocks(v).map(([from, to]) => tidy(() => f(this.rowsOf(v, from, to))));
    return parts.length === 1 ? parts[0] : concat(parts, 0);
  }

  /** The ranges of examples whose dense rows of a variable fit into a block. */
  blocks(v: number): ReturnType<typeof blocksOf> {
    const {analysis, components} = this.plan;
    return blocksOf(analysis.examples, analysis.variables[v].size * components);
  }

  /** Dense rows of one variable for the examples from..to-1, [(to - from)·C, |v|]. */
  rowsOf(v: number, from: number, to: number): Tensor {
    const {analysis, components, bySite} = this.plan;
    const size = analysis.variables[v].size;
    if (bySite[v].sites.length === 0) {
      return zeros([(to - from) * components, size]);
    }
    return tidy(() => this.joined[v].map(([use, site]) => {
      const {parameter} = this.plan.sites[site];
      const rows = use.rows(from, to);
      if (parameter.kind === 'direct') {
        return rows;
      }
      if (parameter.entries !== null) {
        return pullSelection(parameter.entries, rows, size);
      }
      if (parameter.reach !== null) {
        return pullRows(this.values, analysis, parameter, v, rows);
      }
      const count = rows.shape[0];
      return stack(Array.from({length: count}, (_, r) => tidy(() =>
        shaped(backward(this.values, analysis, parameter, slice(rows, [r, 0], [1, -1])).get(v)!, [size]))));
    }).reduce((partial, rows) => add(partial, rows)));
  }
}
