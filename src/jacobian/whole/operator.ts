import type {BatchJacobian, BatchRows} from '../sweep/batch_jacobian';
import type {Trace} from '../../trace/trace';
import type {Plan} from '../plan/plan';

/** The Jacobian J [n, m] of the rows of a step as an operator; see {@link BatchJacobian}. */
export type Jacobian = Pick<BatchJacobian, 'rows' | 'gram' | 'apply' | 'applyTranspose' | 'dense'>;

/** J [n, m] as an operator. */
export type JacobianOperator = Pick<Jacobian, 'rows' | 'apply' | 'applyTranspose'>;

/** What is asked of the rows of a piece for conjugate gradients. */
export type PieceOperator = Pick<BatchJacobian, 'rows' | 'gram' | 'exampleGrams' | 'apply' | 'applyTranspose' | 'tensors'>;

/** Some rows of J, one behind the other. */
export interface Piece<J extends PieceOperator = BatchRows> {
  readonly rows: number;
  /** Linearizes them; what it makes belongs to the caller's scope. */
  linearize(): Linearized<J>;
  /** This piece and one that follows it as one, where they are of one batch; else null. */
  joined(next: Piece<J>): Piece<J> | null;
}

/** A piece of a batch of which some examples can be had by themselves. */
export interface BatchPiece<J extends PieceOperator = BatchRows> extends Piece<J> {
  /** Its first examples, of at most so many rows (but one example at least), where it can be cut; else itself. */
  head(rows: number): Piece<J>;
}

export interface Linearized<J extends PieceOperator = BatchRows> {
  readonly trace: Trace;
  readonly plan: Plan;
  readonly jacobian: J;
}
