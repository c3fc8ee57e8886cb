import type {TraceNode} from '../../trace/trace';
import type {Analysis} from '../../trace/analysis';
import type {Convolution} from '../../derivatives/kernels/convolution_geometry';
import type {RowBlock} from '../../loss/functions/row_block';

/** The kernel name of a site whose parameter is a row itself. */
export const RESIDUAL = 'the residual';

/**
 * The way from the variables to a parameter p, the tensor that meets the data:
 *
 * - `direct`: p is a variable, or reshapes of it;
 * - `selection`: p is entries of one variable, reordered, dropped or repeated (transpose, slice,
 *   split, tile, ...);
 * - `function`: p is anything else that tfjs can differentiate (a mask, weight normalisation, two
 *   variables joined).
 */
export interface Parameter {
  /** Value index of p. */
  readonly value: number;
  readonly kind: 'direct' | 'selection' | 'function';
  /** Indices of the variables that p is made of. */
  readonly variables: readonly number[];
  /** Value indices of those variables. */
  readonly leaves: readonly number[];
  /** The nodes between the variables and p, in order. */
  readonly path: readonly TraceNode[];
  /** By entry of a selection p, the entry of the variable that it is. */
  readonly entries: Float32Array | null;
  /**
   * By variable of a function p, the entry of p that each entry of the variable goes into; null if
   * an entry may go into several.
   */
  readonly reach: ReadonlyMap<number, Int32Array> | null;
}

/** A product kernel read as data x matrix. */
export interface MatrixSite {
  /** The input that holds the data. */
  readonly data: string;
  /** Whether the data are stored as [.., in, rows]; their product needs [.., rows, in]. */
  readonly flipData: boolean;
  /** Whether the cotangents δ are stored as [.., out, rows]; the product needs [.., rows, out]. */
  readonly flipDelta: boolean;
  /** Whether the parameter is stored as [out, in]. */
  readonly transposed: boolean;
}

/**
 * A place at which a parameter enters the sweep: the input `name` of a node, or a row itself
 * (`row`).
 */
export interface Site {
  readonly node: TraceNode;
  readonly name: string;
  readonly kind: 'matrix' | 'convolution' | 'vector' | 'gather' | 'fallback' | 'row';
  /** The product of a site of the kind `matrix`; null for the other kinds. */
  readonly matrix: MatrixSite | null;
  /** The convolution of a site of the kind `convolution`; null for the other kinds. */
  readonly convolution: Convolution | null;
  /**
   * The tensor that enters, or the smaller one that it was tiled from if the use sees through the
   * tiling.
   */
  readonly parameter: Parameter;
  /** Shape of the parameter as it broadcasts. */
  readonly shape: readonly number[];
}

/**
 * One node of the reverse sweep: its inputs that take a cotangent, and those that are parameters.
 */
export interface SweepNode {
  readonly node: TraceNode;
  /** The same node without its fused activation. */
  readonly plain: TraceNode;
  /** Names of the inputs that take a cotangent. */
  readonly names: readonly string[];
  /** Value indices of those inputs. */
  readonly values: readonly number[];
  /** Indices of the sites of the node. */
  readonly sites: readonly number[];
}

/** The start of the sweep of a block of rows. */
export interface SweepStart {
  /**
   * The node from a difference a - b, which has the shape and place of SquaredDifference, to a
   * and b.
   */
  readonly node: SweepNode | null;
  /** For rows that are parameters themselves, without data: their sites. */
  readonly rows: ReadonlyArray<{readonly site: number; readonly value: number; readonly negative: boolean}>;
}

/**
 * The sites of one variable, and the way from them to its Gram matrix. The Gram matrices of the
 * disjoint `bundles` add up; the sites of a bundle share the same entries and are joined before the
 * product. If `bundles` is null, only dense rows of the whole variable give the right Gram matrix.
 */
export interface VariableSites {
  readonly sites: readonly number[];
  readonly bundles: ReadonlyArray<readonly number[]> | null;
}

/** A forward sweep: from the variables that the rows depend on to the rows. */
export interface ForwardSweep {
  /** The nodes on the way, in order. */
  readonly nodes: readonly TraceNode[];
  /** The first direction of each variable. */
  readonly first: ReadonlyMap<number, number>;
  /** Number of directions: one for each entry of those variables. */
  readonly directions: number;
}

/** The sweeps of products: J d by a forward sweep, Jᵀu by a reverse sweep, each for all rows. */
interface ProductSweeps {
  /** Indices of the nodes between the variables and the rows, in order. */
  readonly nodes: readonly number[];
  /**
   * A plan of the rows, by which the batch may be cut; null if its examples cannot be told apart.
   */
  readonly ofRows: Plan | null;
}

/**
 * Everything about a trace that does not depend on numbers. It holds for every trace of the same
 * signature.
 */
export interface Plan {
  readonly analysis: Analysis;
  readonly blocks: readonly RowBlock[];
  /** The rows of each block for one example. */
  readonly perExample: readonly number[];
  /** C, the sum of `perExample`. */
  readonly components: number;
  /** The start of the sweeps of each block. */
  readonly starts: readonly SweepStart[];
  /** The nodes in the order of the reverse sweep. */
  readonly sweep: readonly SweepNode[];
  readonly sites: readonly Site[];
  /** The sites of each variable. */
  readonly bySite: readonly VariableSites[];
  /** The forward sweep that takes the place of the reverse sweeps, if the plan has one. */
  readonly forward?: ForwardSweep;
  /** The sweeps of the products with J and Jᵀ, if the plan forms no rows. */
  readonly products?: ProductSweeps;
}
