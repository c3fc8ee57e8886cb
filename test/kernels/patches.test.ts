import test from 'ava';
import {patchArguments, type PatchGeometry} from '../../src/kernels/kernels';
import {KernelSpace, builds, numbers} from '../support/kernel_space';

const axes = [0, 1, 2] as const;

/** The output extent of a convolution with padding on both sides. */
function geometry(inChannels: number, input: [number, number, number], filter: [number, number, number], strides: [number, number, number],
    dilations: [number, number, number], before: [number, number, number]): PatchGeometry {
  const output = axes.map(axis =>
    Math.max(0, Math.floor((input[axis] + 2 * before[axis] - (filter[axis] - 1) * dilations[axis] - 1) / strides[axis]) + 1)) as [number, number, number];
  return {inChannels, input, output, filter, strides, dilations, before};
}

/** All places of a box, in order. */
const places = ([depth, height, width]: readonly [number, number, number]): number[][] =>
  Array.from({length: depth * height * width}, (_, i) => [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width]);

function plain(g: PatchGeometry, x: Float32Array, images: number): number[] {
  const out: number[] = [];
  for (let image = 0; image < images; image++) {
    for (const o of places(g.output)) {
      for (const k of places(g.filter)) {
        const [z, y, column] = axes.map(axis => o[axis] * g.strides[axis] + k[axis] * g.dilations[axis] - g.before[axis]);
        const isInside = [z, y, column].every((at, axis) => at >= 0 && at < g.input[axis]);
        for (let channel = 0; channel < g.inChannels; channel++) {
          out.push(isInside ? x[(((image * g.input[0] + z) * g.input[1] + y) * g.input[2] + column) * g.inChannels + channel] : 0);
        }
      }
    }
  }
  return out;
}

/** x plus the entries of the patches, each at its place, in float64. */
function plainSum(g: PatchGeometry, x: Float32Array, patches: Float32Array, images: number): Float64Array {
  const out = Float64Array.from(x);
  const places = plain(g, Float32Array.from(x, (_, i) => i + 1), images);
  places.forEach((place, i) => {
    if (place > 0) {
      out[place - 1] += patches[i];
    }
  });
  return out;
}

const geometries: PatchGeometry[] = [
  geometry(1, [1, 5, 5], [1, 3, 3], [1, 1, 1], [1, 1, 1], [0, 1, 1]),
  geometry(3, [1, 7, 5], [1, 3, 2], [1, 2, 1], [1, 1, 1], [0, 0, 0]),
  geometry(5, [1, 4, 9], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]),
  geometry(4, [1, 6, 6], [1, 3, 3], [1, 2, 2], [1, 1, 1], [0, 1, 1]),
  geometry(2, [1, 9, 8], [1, 3, 3], [1, 1, 2], [1, 2, 3], [0, 2, 3]),
  geometry(2, [1, 3, 2], [1, 5, 7], [1, 1, 1], [1, 1, 1], [0, 4, 6]),
  geometry(3, [4, 5, 3], [2, 3, 2], [2, 1, 1], [1, 2, 1], [1, 2, 1]),
  geometry(1, [1, 1, 6], [1, 1, 4], [1, 1, 3], [1, 1, 1], [0, 0, 2]),
];

for (const build of builds) {
  test(`${build}: patches of images and of volumes`, t => {
    const space = new KernelSpace(build);
    for (const [i, g] of geometries.entries()) {
      for (const images of [1, 3]) {
        space.clear();
        const x = numbers(images * g.inChannels * g.input.reduce((a, b) => a * b), i);
        x[x.length >> 1] = NaN;
        x[x.length - 1] = Infinity;
        const expected = plain(g, x, images);
        t.true(expected.length > 0);
        const [at, out] = [space.put(x), space.area(4 * expected.length)];
        space.kernels.patches(at, out, images, ...patchArguments(g));
        t.deepEqual([...space.read(out, expected.length)], expected, JSON.stringify(g));
        space.check(t, JSON.stringify(g));
      }
    }
  });
}

for (const build of builds) {
  test(`${build}: sums of patches where they overlap`, t => {
    const space = new KernelSpace(build);
    for (const [i, g] of geometries.entries()) {
      for (const images of [1, 3]) {
        space.clear();
        const size = (extent: readonly number[]): number => extent.reduce((a, b) => a * b);
        const x = numbers(images * g.inChannels * size(g.input), i);
        const patches = numbers(images * size(g.output) * size(g.filter) * g.inChannels, i + 1);
        const expected = plainSum(g, x, patches, images);
        const [at, rows] = [space.put(x), space.put(patches)];
        space.kernels.addPatches(at, rows, images, ...patchArguments(g));
        space.read(at, x.length).forEach((value, j) => t.true(Math.abs(value - expected[j]) < 1e-5, JSON.stringify(g)));
        t.deepEqual(space.read(rows, patches.length), patches);
        space.check(t, JSON.stringify(g));
      }
    }
  });
}

for (const build of builds) {
  test(`${build}: sums of depthwise convolutions`, t => {
    const space = new KernelSpace(build);
    for (const [positions, filter, channels, multiplier] of [[1, 1, 1, 1], [5, 9, 3, 1], [127, 2, 8, 1], [3, 4, 19, 1], [129, 3, 3, 2], [0, 2, 9, 1]]) {
      space.clear();
      const outer = channels * multiplier;
      const [rows, y] = [numbers(positions * filter * channels, 1), numbers(positions * outer, 2)];
      const out = numbers(filter * outer, 3);
      const expected = Array.from(out, (value, at) => {
        const [k, i] = [Math.floor(at / outer), at % outer];
        return Array.from({length: positions}).reduce((sum: number, _, p) =>
          sum + rows[(p * filter + k) * channels + Math.floor(i / multiplier)] * y[p * outer + i], value);
      });
      const [a, b, c] = [space.put(rows), space.put(y), space.put(out)];
      space.kernels.depthwiseSums(a, b, c, positions, filter, channels, multiplier);
      const name = `${positions} ${filter} ${channels} ${multiplier}`;
      space.read(c, out.length).forEach((value, at) => t.true(Math.abs(value - expected[at]) < 2e-5, name));
      t.deepEqual(space.read(a, rows.length), rows);
      space.check(t, name);
    }
  });
}
