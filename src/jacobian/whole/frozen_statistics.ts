import {add as addTensors, addN, mul as mulTensors, scalar, sum, tensor, tidy,
  type Tensor} from '@tensorflow/tfjs-core';
import {plus} from '../../tfjs/accumulate';
import {add, mul, shaped} from '../../tfjs/fast_ops';
import {once, type ForEachRows, type Linearization} from './linearization';
import type {JacobianOperator, Piece, PieceOperator} from './operator';

/** One tensor of the shape of each variable; null stands for zeros. */
type ByVariable = ReadonlyArray<Tensor | null>;

/**
 * The Jacobian with the statistics of the batch held constant, corrected in one direction:
 *
 *     J̃ = J + u fᵀ,   u = S⁻ᵀz / |z|²,   so that J̃ᵀq = Jᵀq + f = g:  the gradient is exact
 *
 * This is the least change of J (in the norm of SᵀJ) with which the rows give the whole gradient.
 * If f stood beside the rows, as e of `solve/damped_gram` does, its part outside the range of Jᵀ
 * would be divided by λ alone, as if the loss had no curvature there.
 *
 * Measured: with batch normalisation such steps were up to a hundred times too long, and training
 * diverged.
 */
class StatisticsJacobian<J extends JacobianOperator = JacobianOperator> implements JacobianOperator {
  readonly rows: number;
  protected readonly direction: Tensor;

  /**
   * The tensors of f, and the tensor made here, belong to the caller's scope.
   *
   * @param frozen J.
   * @param u (n).
   */
  constructor(protected readonly frozen: J, private readonly u: Float64Array, protected readonly f: ByVariable) {
    this.rows = frozen.rows;
    this.direction = tensor(Float32Array.from(u), [u.length]);
  }

  apply(d: ByVariable): Tensor {
    return tidy(() => addTensors(this.frozen.apply(d), mulTensors(this.direction, innerProduct(this.f, d))));
  }

  applyTranspose(y: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    const scale = sum(mul(this.direction, y));
    return this.frozen.applyTranspose(y, wanted).map((part, v) => {
      const f = this.f[v];
      if (f === null || !wanted(v)) {
        return part;
      }
      return plus(part, mul(f, scale));
    });
  }

  /**
   * Rows of J̃ in float64, from those of J.
   *
   * @param first index of the first row.
   * @param sizes of the variables.
   */
  dense(rows: Float32Array | Float64Array, first: number, sizes: readonly number[]): Float64Array {
    const m = widthOf(sizes);
    const count = rows.length / m;
    const dense = Float64Array.from(rows);
    let from = 0;
    this.f.forEach((t, v) => {
      t?.dataSync().forEach((x, j) => {
        for (let i = 0; i < count; i++) {
          dense[i * m + from + j] += this.u[first + i] * x;
        }
      });
      from += sizes[v];
    });
    return dense;
  }

  /** J̃J̃ᵀ by part of ρ, from JJᵀ: G + u(Jf)ᵀ + (Jf)uᵀ + |f|²uuᵀ. */
  grams(grams: readonly Float64Array[], partOf: readonly number[]): Float64Array[] {
    const {rows: n, u} = this;
    return grams.map((gram, g) => {
      const part = this.f.map((t, v) => partOf[v] === g ? t : null);
      if (part.every(t => t === null)) {
        return gram;
      }
      const [change, size] = tidy(() => [this.frozen.apply(part).dataSync(), innerProduct(part, part).dataSync()[0]]);
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
class StatisticsRows extends StatisticsJacobian<PieceOperator> implements PieceOperator {
  gram(partOf: readonly number[]): Tensor[] {
    const {rows} = this;
    return tidy(() => this.frozen.gram(partOf).map((gram, g) =>
      add(gram, shaped(this.change(1, v => partOf[v] === g), [rows, rows]))));
  }

  diagonalBlocks(k?: number): Tensor {
    return tidy(() => {
      const blocks = this.frozen.diagonalBlocks(k);
      return add(blocks, this.change(blocks.shape[0], () => true));
    });
  }

  get tensors(): Tensor[] {
    return [...this.frozen.tensors, this.direction, ...this.f.filter(t => t !== null)];
  }

  /** u(Jf)ᵀ + (Jf)uᵀ + |f|²uuᵀ in this many blocks on the diagonal, for the f of some variables. */
  private change(blocks: number, counts: (v: number) => boolean): Tensor {
    const {frozen, direction, rows} = this;
    const part = this.f.map((t, v) => counts(v) ? t : null);
    const half = add(frozen.apply(part), mul(direction, mul(innerProduct(part, part), scalar(0.5))));
    const column = (x: Tensor): Tensor => shaped(x, [blocks, rows / blocks, 1]);
    const row = (x: Tensor): Tensor => shaped(x, [blocks, 1, rows / blocks]);
    return add(mul(column(direction), row(half)), mul(column(half), row(direction)));
  }
}

/** A linearization of J as one of J̃. See {@link StatisticsJacobian} for u and f. */
export class StatisticsLinearization implements Linearization {
  readonly jacobian: StatisticsJacobian;
  readonly grams: () => readonly Float64Array[];

  /** @param sizes of the variables. */
  constructor(private readonly frozen: Linearization, private readonly u: Float64Array, private readonly f: ByVariable,
      partOf: readonly number[], private readonly sizes: readonly number[]) {
    this.jacobian = new StatisticsJacobian(frozen.jacobian, u, f);
    this.grams = once(() => this.jacobian.grams(frozen.grams(), partOf));
  }

  get pieces(): Array<Piece<PieceOperator>> {
    let next = 0;
    return this.frozen.pieces.map(piece => {
      const {rows, isSwept = false} = piece;
      const from = next;
      next += rows;
      return {rows, isSwept, components: count => piece.components(count), joined: () => null, linearize: () => {
        const {jacobian, ...linearized} = piece.linearize();
        return {...linearized, jacobian: new StatisticsRows(jacobian, this.u.subarray(from, from + rows), this.f)};
      }};
    });
  }

  readonly forEachRows: ForEachRows = visit => this.frozen.forEachRows((rows, from, count) => {
    const read = (): Float64Array => this.jacobian.dense(rows.read(), from, this.sizes);
    visit({read, tensor: () => tensor(Float32Array.from(read()), [count, widthOf(this.sizes)])}, from, count);
  });

  notFinite(): Error {
    return this.frozen.notFinite();
  }
}

const widthOf = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0);

/** Σ_v a_v · b_v over the variables that both have. */
function innerProduct(a: ByVariable, b: ByVariable): Tensor {
  const parts = a.flatMap((t, v) => t === null || b[v] === null ? [] : [sum(mul(t, b[v]))]);
  return parts.length === 0 ? scalar(0) : addN(parts);
}
