import {tensor} from '@tensorflow/tfjs-core';
import {conjugateProblem, sampleOf, traceOfPieces} from './cg_problem';
import type {Clock} from '../tfjs/clock';
import {ChunkedJacobian} from '../jacobian/whole/chunked_jacobian';
import {heldPieces} from '../jacobian/whole/held_pieces';
import type {PieceOperator} from '../jacobian/whole/operator';
import {ParameterSystem} from './parameter_system';
import {diagonalRoot} from '../solve/curvature_root';
import type {DampedProblem} from '../solve/damped_step';
import type {NormalStep} from '../solve/normal_equations';
import {promised} from '../solve/resolved_decrease';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import type {LocalModelParts} from './step_system';
import {flatten} from './variable_vector';

/** Conjugate gradients on products with J and Jᵀ, piece by piece, of which those that fit into memory are linearized once. */
export class ConjugateGradientSystem extends ParameterSystem {
  /** Made with the system, in the scope of the step: what is made by a product goes with the attempt that the product is taken in. */
  private readonly jacobian: ChunkedJacobian<PieceOperator>;
  private ofRows: Float64Array | null = null;

  constructor(parts: LocalModelParts, clock: Clock) {
    super(parts, clock);
    this.jacobian = clock.time('linearize', () => new ChunkedJacobian(heldPieces(parts.linearization.pieces)));
  }

  problem(momentum: number): DampedProblem<NormalStep> {
    const {loss: {root}, rhos, variables} = this.parts;
    const {jacobian} = this;
    // The first piece stands for all: where examples are in no order, it is a sample like any.
    const {jacobian: first, plan: {components}} = jacobian.pieces[0].linearize();
    const forEachPiece = jacobian.forEach.bind(jacobian);
    const trace = this.clock.time('gram', () => traceOfPieces(forEachPiece, root));
    this.checkProduct([trace]);
    return conjugateProblem({variables, rows: this.rows, forEachPiece, sample: {jacobian: sampleOf(first, components), from: 0}, trace, root,
      gradient: this.gradient(), rhos, previous: momentum === 0 ? null : this.previous, momentum, start: this.previous});
  }

  previousChange(): Float64Array | null {
    const {previous} = this.parts;
    return this.previous === null ? null :
      this.checkProduct(this.clock.time('gram', () => Float64Array.from(this.jacobian.apply(previous).dataSync())));
  }

  traceOfBounds(bounds: Float64Array): number {
    const {jacobian} = this;
    return this.clock.time('gram', () => traceOfPieces(jacobian.forEach.bind(jacobian), diagonalRoot(bounds.map(Math.sqrt))));
  }

  undampedDecrease(): () => UndampedDecrease {
    return () => promised(NaN);
  }

  protected gradientOfRows(): Float64Array {
    const {variables, loss: {q}} = this.parts;
    return this.ofRows ??= this.checkProduct(this.clock.time('gram', () =>
      flatten(this.jacobian.applyTranspose(tensor(Float32Array.from(q), [this.rows])), variables)));
  }

  /** @throws where a product with J is not finite, and so J: the vectors have been checked. */
  private checkProduct<T extends Float64Array | number[]>(product: T): T {
    if (!product.every(Number.isFinite)) {
      throw this.parts.linearization.notFinite();
    }
    return product;
  }
}
