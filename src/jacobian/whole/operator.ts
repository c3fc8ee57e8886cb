import type {BatchJacobian, BatchRows} from '../sweep/batch_jacobian';
import type {Trace} from '../../trace/trace';
import type {Plan} from '../plan/plan';

/** The Jacobian J [n, m] of the rows of a step as an operator; see {@link BatchJacobian}. */
export type Jacobian = Pick<BatchJacobian, 'rows' | 'gram' | 'apply' | 'applyTranspose' | 'dense'>;

/** The products J d and Jᵀu. */
export type JacobianOperator = Pick<Jacobian, 'rows' | 'apply' | 'applyTranspose'>;

/** The products that conjugate gradients take with the rows of a piece. */
export type PieceOperator = JacobianOperator & Pick<BatchJacobian, 'gram' | 'diagonalBlocks' | 'tensors'>;

/** Some rows of J, which follow each other. */
export interface Piece<J extends PieceOperator = BatchRows> {
  /** Number of the rows. */
  readonly rows: number;
  /** Whether each product with the rows is a sweep, and no form of them is made. */
  readonly isSwept?: boolean;
  /** Linearizes the rows. The tensors that it makes belong to the caller's scope. */
  linearize(): Linearized<J>;
  /**
   * The rows of the first `count` components of each example, linearized by themselves. The tensors
   * belong to the caller's scope.
   */
  components(count: number): BatchRows;
  /** This piece and the next piece as one piece; null if they are not of one batch. */
  joined(next: Piece<J>): Piece<J> | null;
}

/** A piece that gives its first examples by themselves. */
export interface BatchPiece<J extends PieceOperator = BatchRows> extends Piece<J> {
  /**
   * The first examples of the piece, with at most this many rows, but one example at least. The
   * piece itself if it cannot be cut.
   */
  head(rows: number): Piece<J>;
}

/** Linearized rows, with the trace and the plan that they were linearized from. */
export interface Linearized<J extends PieceOperator = BatchRows> {
  readonly trace: Trace;
  readonly plan: Plan;
  readonly jacobian: J;
}
