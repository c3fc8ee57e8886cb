import test from 'ava';
import {segmentedRoot} from '../../src/solve/segmented_root';

/** Rows 0 and 3 diagonal, 1 and 2 a block, 4 to 6 another, 7 diagonal. */
const s = Float64Array.of(2, 0, 0, 3, 0, 0, 0, 0.5);
const blocks = [
  {first: 1, k: 2, entries: Float64Array.of(1, 2, 0, -1)},
  {first: 4, k: 3, entries: Float64Array.of(1, 0, 2, 0, 0, 0, -1, 1, 3)},
];
const N = 8;

function dense(): Float64Array {
  const full = new Float64Array(N * N);
  s.forEach((x, i) => full[i * N + i] = x);
  for (const {first, k, entries} of blocks) {
    entries.forEach((x, i) => full[(first + Math.floor(i / k)) * N + first + i % k] = x);
  }
  return full;
}

const u = Float64Array.from({length: N}, (_, i) => Math.sin(i + 1));

test('S u and Sᵀu are those of the dense matrix', t => {
  const root = segmentedRoot(s, blocks);
  const full = dense();
  for (let i = 0; i < N; i++) {
    let [plain, transposed] = [0, 0];
    for (let j = 0; j < N; j++) {
      plain += full[i * N + j] * u[j];
      transposed += full[j * N + i] * u[j];
    }
    t.true(Math.abs(root.apply(u)[i] - plain) < 1e-14);
    t.true(Math.abs(root.applyTranspose(u)[i] - transposed) < 1e-14);
  }
});

for (const [name, list] of [['blocks and diagonal', blocks], ['diagonal alone', []]] as const) {
  test(`out += weight Sᵀ G S, ${name}`, t => {
    const gram = Float64Array.from({length: N * N}, (_, i) => Math.cos(Math.floor(i / N) * (i % N) + (i % N) + Math.floor(i / N)));
    const out = new Float64Array(N * N).fill(1);
    const root = segmentedRoot(s, list);
    root.addCongruence(gram, 0.7, out);
    const unit = (j: number): Float64Array => Float64Array.from({length: N}, (_, i) => i === j ? 1 : 0);
    for (let i = 0; i < N; i++) {
      const left = root.apply(unit(i));
      for (let j = 0; j < N; j++) {
        const right = root.apply(unit(j));
        let sum = 0;
        left.forEach((a, r) => right.forEach((b, c) => sum += a * gram[r * N + c] * b));
        t.true(Math.abs(out[i * N + j] - 1 - 0.7 * sum) < 1e-12);
      }
    }
  });
}

test('a part is the root of its rows; a cut through a block is refused', t => {
  const part = segmentedRoot(s, blocks).part(3, 7);
  t.is(part.n, 4);
  const whole = Float64Array.from({length: N}, (_, i) => i >= 3 && i < 7 ? u[i] : 0);
  t.deepEqual([...part.apply(u.slice(3, 7))], [...segmentedRoot(s, blocks).apply(whole).slice(3, 7)]);
  t.throws(() => segmentedRoot(s, blocks).part(2, 7), {instanceOf: RangeError});
});

test('tiles: blocks of one size side by side, or the diagonal', t => {
  const pair = [blocks[0].entries, Float64Array.of(5, 6, 7, 8)].map((entries, i) => ({first: 2 * i, k: 2, entries}));
  t.deepEqual(segmentedRoot(new Float64Array(4), pair).tiles(), {k: 2, entries: Float64Array.of(1, 2, 0, -1, 5, 6, 7, 8)});
  t.deepEqual(segmentedRoot(s, []).tiles(), {k: 1, entries: s});
  t.is(segmentedRoot(s, blocks).tiles(), null);
  t.is(segmentedRoot(new Float64Array(5), pair).tiles(), null, 'a row without a block');
});

test('z with S z = q, for blocks with orthogonal columns; the part of q that S does not reach is left out', t => {
  const orthogonal = [{first: 1, k: 2, entries: Float64Array.of(3, -4, 4, 3)}, {first: 4, k: 2, entries: Float64Array.of(0, 1, 0, 2)}];
  const root = segmentedRoot(Float64Array.of(2, 0, 0, 0, 0, 0, 0.5), orthogonal);
  const z = Float64Array.of(1, -2, 3, 0, 0, 4, -5);
  t.true(root.preimage(root.apply(z))!.every((x, i) => Math.abs(x - z[i]) < 1e-14));
  t.deepEqual([...root.preimage(Float64Array.of(0, 0, 0, 7, 2, -1, 0))!], [0, 0, 0, 0, 0, 0, 0], 'row 3 has no curvature, and (2, -1) is orthogonal to (1, 2)');
  t.is(segmentedRoot(s, blocks).preimage(u), null, 'columns that are not orthogonal');
});
