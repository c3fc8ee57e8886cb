import test from 'ava';
import {addInto, dot, norm} from '../../src/arrays/vectors';

test('products, norms and sums', t => {
  const [a, b] = [Float64Array.of(3, -4), Float64Array.of(2, 0.5)];
  t.is(dot(a, b), 4);
  t.is(norm(a), 5);
  t.is(dot(new Float64Array(0), new Float64Array(0)), 0);
  t.is(addInto(b, 2, a), b, 'in place');
  t.deepEqual(b, Float64Array.of(8, -7.5));
  t.deepEqual(a, Float64Array.of(3, -4));
});
