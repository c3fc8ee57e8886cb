import {add as addTensors, addN, mul as mulTensors, scalar, sum, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import {downstream, upstream} from '../../trace/dependence';
import type {Dependence} from '../../trace/dependence';
import type {Piece, PieceOperator, JacobianOperator} from './operator';
import {add, mul, shaped} from '../../tfjs/fast_ops';
import {collect, pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import type {Plan} from '../plan/plan';

/**
 * f = g - Jᵀq by variable: the part of the gradient of the rows that flows through frozen statistics of the batch. null where
 * none are frozen.
 *
 * Not taken as that difference, which would leave rounding in every variable, but by two sweeps: from the loss back to the
 * statistics, held constant one in the other, then from all of them at once to the variables.
 *
 * @param plans by group of rows, which may differ in what is frozen.
 * @param rowSeeds by group: q as cotangents of the rows, where it is not what the kernels behind the rows say.
 */
export function gradientThroughStatistics(trace: Trace, dependence: Dependence, plans: readonly Plan[],
    rowSeeds: ReadonlyArray<ReadonlyMap<number, Tensor>> | null = null): Array<Tensor | null> | null {
  if (plans.every(plan => plan.analysis.frozen.size === 0)) {
    return null;
  }
  const {dependent, variableOf, variables} = dependence;
  const seeds = new Map<number, Tensor>();
  for (const [value, cotangent] of plans.flatMap((plan, g) => frozenCotangents(trace, dependence, plan, rowSeeds?.[g] ?? null))) {
    const known = seeds.get(value);
    seeds.set(value, known === undefined ? cotangent : add(known, cotangent));
  }
  const gradients = collect(sweepBack(trace.values, trace.nodes, seeds, value => dependent[value], pullByRules), variableOf.keys(), variableOf);
  return variables.map((_, v) => gradients.get(v) ?? null);
}

/** The derivative of the loss, through these rows, in every statistic that is frozen for them, the others held constant. */
function frozenCotangents(trace: Trace, {dependent}: Dependence, {analysis: {frozen}, blocks}: Plan,
    rowSeeds: ReadonlyMap<number, Tensor> | null): Array<[number, Tensor]> {
  if (frozen.size === 0) {
    return [];
  }
  const rows = blocks.map(block => block.value);
  const behind = downstream(trace, frozen);
  const [before, after] = [upstream(trace, rows), rowSeeds === null ? downstream(trace, new Set(rows)) : new Set<number>()];
  const nodes = trace.nodes.filter(node => !node.outputs.some(output => frozen.has(output)) &&
      node.outputs.some(output => before.has(output) || after.has(output)));
  const cotangents = sweepBack(trace.values, nodes, rowSeeds ?? new Map<number, Tensor>([[trace.result, scalar(1)]]), value => behind.has(value) && dependent[value],
      pullByRules);
  return [...cotangents].filter(([value]) => frozen.has(value));
}

/**
 * The Jacobian with the statistics of the batch held constant, but for one direction:
 *
 *     J̃ = J + u fᵀ,   u = S⁻ᵀz / |z|²,   so that J̃ᵀq = Jᵀq + f = g:  the gradient is exact
 *
 * It is the least change of J (in the norm of SᵀJ) that makes the rows say the whole gradient. With f beside the rows, as e of
 * `solve/damped_gram`, its part outside the range of Jᵀ would be divided by λ alone, as if the loss had no curvature there: with
 * batch normalisation such steps were up to a hundred times too long, and training diverged.
 */
export class StatisticsJacobian implements JacobianOperator {
  readonly rows: number;
  protected readonly direction: Tensor;

  /**
   * @param u (n) and f, by variable. Their tensors, and those made here, belong to the caller's scope.
   * @param sizes of the variables.
   */
  constructor(private readonly frozen: JacobianOperator, private readonly u: Float64Array, protected readonly f: ReadonlyArray<Tensor | null>,
      private readonly sizes: readonly number[]) {
    this.rows = frozen.rows;
    this.direction = tensor(Float32Array.from(u), [u.length]);
  }

  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    return tidy(() => addTensors(this.frozen.apply(d), mulTensors(this.direction, dot(this.f, d))));
  }

  applyTranspose(y: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    const scale = sum(mul(this.direction, y));
    return this.frozen.applyTranspose(y, wanted).map((part, v) => {
      const f = this.f[v];
      if (f === null || !wanted(v)) {
        return part;
      }
      const more = mul(f, scale);
      return part === null ? more : add(part, more);
    });
  }

  /** Rows of J̃ from row `first` on in float64, from those of J. */
  dense(rows: Float32Array | Float64Array, first = 0): Float64Array {
    const m = this.sizes.reduce((sum, size) => sum + size, 0);
    const count = rows.length / m;
    const dense = Float64Array.from(rows);
    let from = 0;
    this.f.forEach((t, v) => {
      const size = this.sizes[v];
      t?.dataSync().forEach((x, j) => {
        for (let i = 0; i < count; i++) {
          dense[i * m + from + j] += this.u[first + i] * x;
        }
      });
      from += size;
    });
    return dense;
  }

  /** J̃J̃ᵀ by group of variables, from JJᵀ: G + u(Jf)ᵀ + (Jf)uᵀ + |f|²uuᵀ. */
  grams(grams: readonly Float64Array[], groupOf: readonly number[]): Float64Array[] {
    const {rows: n, u} = this;
    return grams.map((gram, g) => {
      const part = this.f.map((t, v) => groupOf[v] === g ? t : null);
      if (part.every(t => t === null)) {
        return gram;
      }
      const [change, size] = tidy(() => [this.frozen.apply(part).dataSync(), dot(part, part).dataSync()[0]]);
      const corrected = gram.slice();
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          corrected[i * n + j] += u[i] * change[j] + change[i] * u[j] + size * u[i] * u[j];
        }
      }
      return corrected;
    });
  }
}

/** Some rows of J̃, for conjugate gradients. */
class StatisticsRows extends StatisticsJacobian implements PieceOperator {
  constructor(private readonly piece: PieceOperator, u: Float64Array, f: ReadonlyArray<Tensor | null>, sizes: readonly number[]) {
    super(piece, u, f, sizes);
  }

  gram(groupOf: readonly number[]): Tensor[] {
    const {rows} = this;
    return tidy(() => this.piece.gram(groupOf).map((gram, g) => add(gram, shaped(this.change(1, v => groupOf[v] === g), [rows, rows]))));
  }

  exampleGrams(): Tensor {
    return tidy(() => {
      const grams = this.piece.exampleGrams();
      return add(grams, this.change(grams.shape[0], () => true));
    });
  }

  get tensors(): Tensor[] {
    return [...this.piece.tensors, this.direction, ...this.f.filter(t => t !== null)];
  }

  /** u(Jf)ᵀ + (Jf)uᵀ + |f|²uuᵀ in as many blocks on the diagonal, for the f of some variables. */
  private change(blocks: number, counts: (v: number) => boolean): Tensor {
    const {piece, direction, rows} = this;
    const part = this.f.map((t, v) => counts(v) ? t : null);
    const half = add(piece.apply(part), mul(direction, mul(dot(part, part), scalar(0.5))));
    const column = (x: Tensor): Tensor => shaped(x, [blocks, rows / blocks, 1]);
    const row = (x: Tensor): Tensor => shaped(x, [blocks, 1, rows / blocks]);
    return add(mul(column(direction), row(half)), mul(column(half), row(direction)));
  }
}

/** Pieces of J as pieces of J̃. @param u and f as of `StatisticsJacobian`. */
export function statisticsPieces(pieces: readonly Piece[], u: Float64Array, f: ReadonlyArray<Tensor | null>, sizes: readonly number[]): Array<Piece<PieceOperator>> {
  let next = 0;
  return pieces.map(piece => {
    const {rows} = piece;
    const from = next;
    next += rows;
    return {rows, joined: () => null, linearize: () => {
      const {jacobian, ...linearized} = piece.linearize();
      return {...linearized, jacobian: new StatisticsRows(jacobian, u.subarray(from, from + rows), f, sizes)};
    }};
  });
}

/** Σ_v a_v · b_v over the variables that both have. */
function dot(a: ReadonlyArray<Tensor | null>, b: ReadonlyArray<Tensor | null>): Tensor {
  const parts = a.flatMap((t, v) => t === null || b[v] === null ? [] : [sum(mul(t, b[v]))]);
  return parts.length === 0 ? scalar(0) : addN(parts);
}
