/**
 * Linearizations that are held: the same products as those of the whole batch, from nothing but the tensors that a Jacobian lists; over all
 * cases.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import type {BatchJacobian} from '../../../src/jacobian/sweep/batch_jacobian';
import {ChunkedJacobian} from '../../../src/jacobian/whole/chunked_jacobian';
import {heldPieces} from '../../../src/jacobian/whole/held_pieces';
import type {Piece} from '../../../src/jacobian/whole/operator';
import {piecesOf} from '../../../src/jacobian/whole/pieces';
import {inScope, withMemoryLimit} from '../../../src/tfjs/memory';
import {lookAtCases} from '../../support/case_looks';
import {relativeError} from '../../support/relative_error';

/** The same sums of the same float32 numbers, in another order where a product is of another size. */
const TOLERANCE = 2e-6;

/** A width of dense rows with which two examples make a piece. */
const widthFor = (components: number): number => Math.floor(2 ** 24 / (2 * components));

let possible = 0;

for (const backend of ['cpu', 'wasm'] as const) {
  lookAtCases(backend, (t, {trace, checked: {plan, jacobian}}) => {
    const {components, analysis: {examples, variables}} = plan;
    const pieces = piecesOf(trace, plan, widthFor(components));
    if (pieces === null) {
      return;
    }
    possible++;
    const held = new ChunkedJacobian(heldPieces(pieces));
    t.true(held.pieces.length <= 2, 'the first, and the others as one');
    const n = held.rows;
    const d = variables.map((v, i) => tf.sin(tf.range(i, i + v.size)).reshape(v.shape));
    const u = tf.cos(tf.range(1, n + 1));
    const {numTensors} = tf.memory();
    const [change, expected] = [held.apply(d), jacobian.apply(d)];
    t.true(relativeError(change.dataSync(), expected.dataSync()) < TOLERANCE, 'J d');
    tf.dispose([change, expected]);
    const pulled = held.applyTranspose(u);
    t.is(tf.memory().numTensors, numTensors + pulled.filter(part => part !== null).length, 'nothing is left over');
    const flat = (parts: ReadonlyArray<tf.Tensor | null>): number[] => parts.flatMap(part => [...part?.dataSync() ?? []]);
    t.true(relativeError(flat(pulled), flat(jacobian.applyTranspose(u))) < TOLERANCE, 'Jᵀu');
    const [gram] = jacobian.gram(variables.map(() => 0));
    const [blocks, squares]: number[][] = [[], []];
    held.forEach(part => {
      blocks.push(...part.diagonalBlocks().dataSync());
      squares.push(...part.diagonalBlocks(1).dataSync());
    });
    const entries = gram.dataSync();
    const diagonal = Array.from({length: examples * components ** 2}, (_, i) => {
      const [b, r, s] = [Math.floor(i / components ** 2), Math.floor(i / components) % components, i % components];
      return entries[(b * components + r) * n + b * components + s];
    });
    const error = relativeError(blocks, diagonal);
    t.true(error < TOLERANCE, `blocks of the Gram matrix: ${error}`);
    t.true(relativeError(squares, Array.from({length: n}, (_, i) => entries[i * n + i])) < TOLERANCE, 'squares of the rows');
  });
}

test.serial('most networks can be held', t => {
  t.log(`${possible} held`);
  t.true(possible > 300);
});

/** A piece of so many floats that counts how often it is linearized. */
function counting(rows: number, floats: number): Piece & {count: number} {
  const piece = {rows, count: 0, components: (): never => { throw new Error('not asked for'); }, joined: () => null, linearize: () => {
    piece.count++;
    tf.zeros([3]);  // left over
    const tensors = [tf.zeros([floats])];
    return {plan: {}, jacobian: {rows, tensors, apply: () => tf.zeros([rows])} as unknown as BatchJacobian} as never;
  }};
  return piece;
}

test.serial('held are as many as fit into half of the limit; the others are linearized for each product', async t => {
  await tf.setBackend('cpu');
  const limit = 2 ** 20;
  for (const [floats, expected] of [[100, [1, 1, 1, 1]], [2 ** 15, [1, 1, 1, 1]], [3 * 2 ** 14, [1, 1, 3, 3]], [3 * 2 ** 15, [1, 3, 3, 3]]] as const) {
    const pieces = Array.from({length: 4}, () => counting(10, floats));
    const {numTensors} = tf.memory();
    withMemoryLimit(limit, () => {
      const before = tf.memory().numTensors;
      const jacobian = new ChunkedJacobian(heldPieces(pieces));
      t.is(tf.memory().numTensors - before, expected.filter(count => count === 1).length, 'what is left over is gone');
      for (let i = 0; i < 3; i++) {
        jacobian.apply([]).dispose();
      }
      t.is(tf.memory().numTensors - before, expected.filter(count => count === 1).length);
    });
    t.deepEqual(pieces.map(({count}) => count), expected as never, `${floats} floats`);
    t.is(tf.memory().numTensors, numTensors);
  }
});

test.serial('what uses keep counts as long as the scope they are in', t => {
  withMemoryLimit(2 ** 20, () => {
    for (let i = 0; i < 8; i++) {
      const kept = inScope(() => heldPieces([counting(1, 2 ** 16), counting(1, 2 ** 16), counting(1, 2 ** 16)]).length);
      t.is(kept, 3);
    }
    const [first, second, third] = [1, 2, 3].map(() => counting(1, 2 ** 16));
    const held = heldPieces([first, second, third]);
    for (let i = 0; i < 2; i++) {
      held.forEach(piece => inScope(() => void piece.linearize()));
    }
    t.deepEqual([first.count, second.count, third.count], [1, 1, 2]);
  });
});
