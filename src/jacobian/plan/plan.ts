import type {TraceNode} from '../../trace/trace';
import type {Analysis} from '../../trace/dependence';
import type {Convolution} from '../../derivatives/kernels/convolution_geometry';
import type {Parameter} from './parameter';
import type {MatrixSite} from './site';
import type {RowBlock} from '../../loss/functions/row_block';

/** Stands for a kernel where the rows themselves are meant. */
export const RESIDUAL = 'the residual';

/** A place where a parameter enters the sweep: input `name` of a step's node, or a row itself (`row`). */
export interface Site {
  readonly node: TraceNode;
  readonly name: string;
  readonly kind: 'matrix' | 'convolution' | 'vector' | 'gather' | 'fallback' | 'row';
  readonly matrix: MatrixSite | null;
  readonly convolution: Convolution | null;
  /** What enters, or what was tiled to it where the use sees through that. */
  readonly parameter: Parameter;
  /** Shape of the parameter as it broadcasts. */
  readonly shape: readonly number[];
}

/** One node of the reverse sweep: which of its inputs take a cotangent, and which are parameters. */
export interface SweepStep {
  readonly node: TraceNode;
  /** The same node behind its fused activation. */
  readonly plain: TraceNode;
  readonly names: readonly string[];
  readonly values: readonly number[];
  readonly sites: readonly number[];
}

/** Where the sweep of a block of rows starts. */
export interface SweepStart {
  /** For differences: the step from a - b, whose shape and place SquaredDifference has, to a and b. */
  readonly step: SweepStep | null;
  /** For rows that are parameters themselves, with no data in them: their sites. */
  readonly rows: ReadonlyArray<{readonly site: number; readonly value: number; readonly negative: boolean}>;
}

/**
 * How the sites of one variable make its Gram matrix: disjoint `groups` add up, the sites of a group share the
 * same entries and are joined before the product; `null`: only dense rows of the whole variable are right.
 */
export type VariableSites = {readonly sites: readonly number[]; readonly groups: ReadonlyArray<readonly number[]> | null};

/** Everything about a trace that does not depend on numbers: valid for every trace of the same signature. */
export interface Plan {
  readonly analysis: Analysis;
  readonly blocks: readonly RowBlock[];
  /** Rows per example of each block, and their sum C. */
  readonly perExample: readonly number[];
  readonly components: number;
  /** Where the sweeps start, by block. */
  readonly starts: readonly SweepStart[];
  /** In the order of the reverse sweep. */
  readonly steps: readonly SweepStep[];
  readonly sites: readonly Site[];
  readonly bySite: readonly VariableSites[];
  /** Where the rows are linearized by forward sweeps instead. */
  readonly forward?: ForwardSweep;
}

/** A forward sweep: from the variables that the rows depend on to the rows. */
export interface ForwardSweep {
  /** The nodes on the way, in order. */
  readonly nodes: readonly TraceNode[];
  /** The variables by index, with their first direction. */
  readonly first: ReadonlyMap<number, number>;
  /** Number of directions: their entries. */
  readonly directions: number;
}
