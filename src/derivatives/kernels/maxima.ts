import {tensor, util, type Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs} from '../../tfjs/internals';
import {factsOf} from '../../trace/kernel_facts';
import type {TraceNode} from '../../trace/trace';
import {isHost} from './patches';
import {pooledAxes} from './pooling';

/**
 * Routes of the cotangents of kernels that choose entries of their input: pooling by maxima, and
 * the reductions Max and Min. The choice does not depend on the cotangent, so the routes are found
 * once for each output of such a kernel, and every component of the rows takes the same ones.
 *
 * tfjs's kernels look for them anew for each cotangent, on WASM by comparisons that broadcast.
 *
 * Measured: these comparisons take 110 nanoseconds an entry.
 */
interface Routes {
  /** Entries of y, in order. */
  readonly from: Int32Array;
  /** The entry of x that each of them is. */
  readonly to: Int32Array;
}

/** Routes by the output, which the trace of a step holds. */
const known = new WeakMap<Tensor, Routes>();

/**
 * The cotangent of the input of a node that chooses, if tensors can be worked on in this thread.
 *
 * @param dy cotangent of the output; or C cotangents for each example, those of an example one
 * after the other.
 * @param examples number of examples in x and y, one after the other; any number if each has one
 * cotangent.
 * @returns a tensor of C times the entries of x; null if `isChosenHere` is false.
 */
export function chosenCotangent(node: TraceNode, x: Tensor, y: Tensor, dy: Tensor, examples = 1): Tensor | null {
  if (!isChosenHere(node, x)) {
    return null;
  }
  let routes = known.get(y);
  if (routes === undefined) {
    const axes = reducedAxes(node, x);
    routes = axes === null ? pooling(x, y, node.attrs) : reduction(x, y, axes);
    known.set(y, routes);
  }
  return spread(routes, x, y, dy, examples);
}

/**
 * Whether `chosenCotangent` has a cotangent for a node with the input x. It has none if the axes of
 * a reduction are no neighbours.
 */
export function isChosenHere(node: TraceNode, x: Tensor): boolean {
  if (factsOf(node.kernel)?.extremum === undefined || !isHost()) {
    return false;
  }
  const axes = reducedAxes(node, x);
  return axes === null || (axes.length > 0 && axes[axes.length - 1] - axes[0] === axes.length - 1);
}

/** The axes of a reduction, in order; null for windows. */
function reducedAxes({kernel, attrs}: TraceNode, x: Tensor): number[] | null {
  const extremum = factsOf(kernel)!.extremum!;
  return extremum === 'windows' ? null :
    util.parseAxisParam(attrs[extremum.along] as number[], x.shape).sort((a, b) => a - b);
}

function spread({from, to}: Routes, x: Tensor, y: Tensor, dy: Tensor, examples: number): Tensor {
  const copies = dy.size / y.size;
  const [xs, ys] = [x.size / examples, y.size / examples];
  const deltas = dy.dataSync();
  const result = new Float32Array(x.size * copies);
  let first = 0;
  for (let example = 0; example < examples; example++) {
    let last = first;
    while (last < from.length && from[last] < (example + 1) * ys) {
      last++;
    }
    for (let copy = 0; copy < copies; copy++) {
      const ahead = example * (copies - 1) + copy;
      const [source, target] = [ahead * ys, ahead * xs];
      for (let k = first; k < last; k++) {
        const entry = target + to[k];
        result[entry] = result[entry] + deltas[source + from[k]];
      }
    }
    first = last;
  }
  return tensor(result, [x.shape[0] * copies, ...x.shape.slice(1)]);
}

/**
 * The first entry of each window that is its maximum, of volumes the last, as in tfjs. A window
 * without one (NaN) has no route.
 */
function pooling(x: Tensor, y: Tensor, attrs: KernelAttrs): Routes {
  const axes = pooledAxes(x.shape, attrs);
  const isVolume = axes.length === 3;
  const [depth, height, width] = isVolume ? axes : [{size: 1, count: 1, stride: 1, filter: 1, before: 0}, ...axes];
  const channels = x.shape[x.rank - 1];
  const [xs, ys] = [x.dataSync(), y.dataSync()];
  const to = new Int32Array(y.size).fill(-1);
  let window = 0;
  for (let image = 0; image < x.shape[0]; image++) {
    for (let od = 0; od < depth.count; od++) {
      for (let oh = 0; oh < height.count; oh++) {
        for (let ow = 0; ow < width.count; ow++, window += channels) {
          const [d0, h0, w0] = [od * depth.stride - depth.before, oh * height.stride - height.before,
            ow * width.stride - width.before];
          for (let d = Math.max(d0, 0); d < Math.min(d0 + depth.filter, depth.size); d++) {
            for (let h = Math.max(h0, 0); h < Math.min(h0 + height.filter, height.size); h++) {
              for (let w = Math.max(w0, 0); w < Math.min(w0 + width.filter, width.size); w++) {
                const place = (((image * depth.size + d) * height.size + h) * width.size + w) * channels;
                for (let c = 0; c < channels; c++) {
                  if ((isVolume || to[window + c] < 0) && xs[place + c] === ys[window + c]) {
                    to[window + c] = place + c;
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  const from = Int32Array.from({length: to.length}, (_, k) => k);
  return to.includes(-1) ? {from: from.filter(k => to[k] >= 0), to: to.filter(entry => entry >= 0)} : {from, to};
}

/** All entries that are equal to the maximum, as in tfjs. */
function reduction(x: Tensor, y: Tensor, axes: readonly number[]): Routes {
  const reduced = axes.reduce((product, axis) => product * x.shape[axis], 1);
  const after = x.shape.slice(axes[axes.length - 1] + 1).reduce((product, size) => product * size, 1);
  const [xs, ys] = [x.dataSync(), y.dataSync()];
  const [from, to]: [number[], number[]] = [[], []];
  for (let entry = 0; entry < y.size; entry++) {
    const start = Math.floor(entry / after) * reduced * after + entry % after;
    for (let at = start; at < start + reduced * after; at += after) {
      if (xs[at] === ys[entry]) {
        from.push(entry);
        to.push(at);
      }
    }
  }
  return {from: Int32Array.from(from), to: Int32Array.from(to)};
}
