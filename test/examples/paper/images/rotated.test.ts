import test from 'ava';
import {rotate, rotated} from '../../../../docs/examples/paper/images/rotated';

const turned = (image: number[], size: number, degrees: number): number[] => {
  const result = new Float32Array(image.length);
  rotate(Float32Array.from(image), size, degrees, result);
  return [...result].map(value => Math.round(1000 * value) / 1000);
};

test('images turn clockwise about their centre', t => {
  const image = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  t.deepEqual(turned(image, 3, 0), image);
  t.deepEqual(turned(image, 3, 90), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
  t.deepEqual(turned(image, 3, -90), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
});

test('between pixels their values are interpolated, and black comes in from outside', t => {
  t.deepEqual(turned([1, 1, 1, 1], 2, 45), turned([1, 1, 1, 1], 2, -45));
  t.true(turned([1, 1, 1, 1], 2, 45).every(value => value > 0.5 && value < 1));
});

test('the angle is the target, from -45 to 45 degrees, the same for the same seed', t => {
  const upright = new Float32Array(200 * 9).fill(1);
  const {targets, pixels, size, unit} = rotated('test', 3, upright, 7);
  t.deepEqual([targets.length, pixels.length, size, unit], [200, 1800, 3, 'degrees']);
  t.true(targets.every(angle => Math.abs(angle) <= 45) && Math.min(...targets) < -35 && Math.max(...targets) > 35);
  t.deepEqual(rotated('test', 3, upright, 7).targets, targets);
});
