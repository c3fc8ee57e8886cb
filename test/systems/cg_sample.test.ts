/** The rows that stand for all rows in the preconditioner of conjugate gradients. */
import test from 'ava';
import type {Piece, PieceOperator} from '../../src/jacobian/whole/operator';
import {diagonalRoot} from '../../src/solve/curvature_root';
import {segmentedRoot} from '../../src/solve/segmented_root';
import {sampleOf} from '../../src/systems/cg_sample';

/** A piece of B examples with C rows each. */
const piece = (examples: number, components: number): Piece<PieceOperator> => ({
  linearize: () => ({jacobian: {rows: examples * components}, plan: {components, analysis: {examples}}}),
  components: (count: number) => ({rows: examples * count}),
}) as unknown as Piece<PieceOperator>;

/** S = diag(0, 1, 2, ...). */
const numbered = (rows: number) => diagonalRoot(Float64Array.from({length: rows}, (_, i) => i));

const sampled = (examples: number, components: number, root = numbered(examples * components)): number[] => {
  const {jacobian, root: own} = sampleOf(piece(examples, components), root);
  if (jacobian.rows !== own.n) {
    throw new Error(`${jacobian.rows} rows, ${own.n} entries of S`);
  }
  return [...own.apply(new Float64Array(own.n).fill(1))];
};

const upTo = (count: number): number[] => Array.from({length: count}, (_, i) => i);

test('all rows of a small piece, and the first whole examples of a large piece', t => {
  t.deepEqual(sampled(200, 4), upTo(800));
  t.deepEqual(sampled(1500, 1), upTo(1024));
  t.deepEqual(sampled(150, 10), upTo(1020));
});

test('the first rows of each example if one has more than 1024', t => {
  t.deepEqual(sampled(1, 4500), upTo(1024));
  t.deepEqual(sampled(3, 1500), [0, 1500, 3000].flatMap(first => upTo(341).map(i => first + i)));
});

test('a whole example if the loss couples its rows', t => {
  const k = 1100;
  const entries = new Float64Array(k * k);
  upTo(k).forEach(i => entries[i * k + i] = i);
  t.deepEqual(sampled(1, k, segmentedRoot(new Float64Array(k), [{first: 0, k, entries}])), upTo(k));
});
