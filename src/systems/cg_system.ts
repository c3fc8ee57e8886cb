import {tensor} from '@tensorflow/tfjs-core';
import {dot} from '../arrays/vectors';
import {conjugateProblem, type Approximation} from './cg_problem';
import {curvatureOf, traceOfPieces, type ForEachPiece} from './cg_products';
import {approximationBySample, sampleOf} from './cg_sample';
import {sketchOf, type Sketch} from './cg_sketch';
import type {Clock} from '../tfjs/clock';
import {inScope} from '../tfjs/memory';
import {ChunkedJacobian} from '../jacobian/whole/chunked_jacobian';
import {heldPieces} from '../jacobian/whole/held_pieces';
import type {PieceOperator} from '../jacobian/whole/operator';
import {ParameterSystem} from './parameter_system';
import {diagonalRoot} from '../solve/curvature_root';
import type {DampedProblem} from '../solve/damped_step';
import type {NormalStep} from '../solve/normal_equations';
import {promised, type UndampedDecrease} from '../solve/resolved_decrease';
import type {LocalModelParts} from './step_system';
import {flatten} from './variable_vector';

/**
 * Conjugate gradients on products with J and Jᵀ, which are taken piece by piece. The pieces that
 * fit into the memory are linearized once, the others for each product.
 */
export class ConjugateGradientSystem extends ParameterSystem {
  /**
   * Made by the constructor, in the scope of the step: tensors that a product makes end with their
   * attempt.
   */
  private readonly jacobian: ChunkedJacobian<PieceOperator>;
  private readonly forEachPiece: ForEachPiece<PieceOperator> = visit => this.jacobian.forEach(visit);
  private ofRows: Float64Array | null = null;
  private known: Sketch | null = null;

  constructor(parts: LocalModelParts, clock: Clock) {
    super(parts, clock);
    this.jacobian = clock.time('linearize', () => new ChunkedJacobian(heldPieces(parts.linearization.pieces)));
  }

  regularized(parts: LocalModelParts): ConjugateGradientSystem {
    return new ConjugateGradientSystem(parts, this.clock);
  }

  problem(momentum: number): DampedProblem<NormalStep> {
    const {derivatives: {root}, ridge, variables} = this.parts;
    const approximation = this.sketch() ?? this.sampled();
    this.checkProduct([approximation.trace]);
    return conjugateProblem({
      variables, curvature: curvatureOf(this.forEachPiece, root, variables), approximation, gradient: this.gradient(),
      ridge, previous: momentum === 0 ? null : this.previous, momentum, start: this.previous,
    });
  }

  previousChange(): Float64Array | null {
    const {previous} = this.parts;
    return this.previous === null ? null : this.checkProduct(
        this.clock.time('gram', () => inScope(() => Float64Array.from(this.jacobian.apply(previous).dataSync()))));
  }

  traceOfBounds(bounds: Float64Array): number {
    const sketch = this.sketch();
    if (sketch !== null) {
      return dot(sketch.squares, bounds);
    }
    return this.clock.time('gram', () => traceOfPieces(this.forEachPiece, diagonalRoot(bounds.map(Math.sqrt))));
  }

  undampedDecrease(): () => UndampedDecrease {
    return () => promised(NaN);
  }

  protected gradientOfRows(): Float64Array {
    const {variables, derivatives: {q}} = this.parts;
    return this.ofRows ??= this.checkProduct(this.clock.time('gram', () => inScope(() =>
      flatten(this.jacobian.applyTranspose(tensor(Float32Array.from(q), [this.rows])), variables))));
  }

  /** JᵀHJ by random vectors, if no form of the rows is made; else null. */
  private sketch(): Sketch | null {
    const {derivatives: {root}, ridge, variables, linearization} = this.parts;
    return !linearization.pieces.some(({isSwept}) => isSwept) ? null :
      this.known ??= this.clock.time('gram', () => sketchOf(this.forEachPiece, root, variables, ridge));
  }

  /** JᵀHJ by a sample of the rows, and its trace by all rows. */
  private sampled(): Approximation {
    const {derivatives: {root}, ridge, variables} = this.parts;
    const {jacobian: {pieces}, rows} = this;
    // The first piece stands for all pieces: if the examples are in no order, it is a sample like
    // any other.
    const sample = this.clock.time('linearize', () => sampleOf(pieces[0], root));
    const trace = this.clock.time('gram', () => traceOfPieces(this.forEachPiece, root));
    return approximationBySample(sample, {rows, trace, ridge, variables});
  }

  /**
   * @throws if a product with J is not finite. J is then not finite either: the vectors have been
   * checked.
   */
  private checkProduct<T extends Float64Array | number[]>(product: T): T {
    if (!product.every(Number.isFinite)) {
      throw this.parts.linearization.notFinite();
    }
    return product;
  }
}
