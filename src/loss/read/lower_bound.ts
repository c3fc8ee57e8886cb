import {tidy} from '@tensorflow/tfjs-core';
import type {Dependence} from '../../trace/dependence';
import type {Trace} from '../../trace/trace';
import {MovableOutputs, type Terms} from './movable_outputs';

/**
 * Distances by which outputs are moved, the longest first. They are beyond the unit of any output:
 * a loss that levels off is level there. If the loss at a distance is NaN, as exp(z) / exp(z) is,
 * or has overflowed downwards, as -log cosh z has, then the next distance counts.
 */
const FAR = [1e12, 1e8, 1e4, 1e3, 100, 30];

/**
 * A loss that falls without end falls by at most a seventh in the first tenth of the way. log t
 * falls by 11 parts of 12 there.
 */
const EARLY = 7;

/**
 * Least fall of the loss for each unit of the distance, as a share of the weight of an example. A
 * smaller fall is the rounding of terms that cancel.
 */
const ROUNDING = 1e-3;

/** If an example has at most so many outputs, they are also moved one by one. */
const MAX_COMPONENTS = 16;

/**
 * The outputs f along which terms of the loss fall without end. They fall in proportion to the
 * distance or faster, and the loss has no lower bound. Two directions are tried: the steepest
 * descent in one output of each example, which finds a policy gradient with a squared error beside
 * it, and the steepest descent in all outputs. A loss that falls like a logarithm (a likelihood
 * whose variance goes to 0) does not count.
 *
 * The loss is replayed from the last values behind which no variable enters, even if the outputs of
 * the model are known: these values are free to move, and outputs behind a sigmoid are not. The
 * whole loss must fall with the terms, so a square beside them is a bound. If no term is negative
 * at f, nothing is replayed.
 *
 * @param outputs f, by value index.
 * @returns 1 for each output that falls without end, in the order (example, component) (B·C). If
 * the moved values are not the outputs, 1 for each example (B). null if nothing falls without end,
 * or if a term has no values to move.
 */
export function fallsWithoutEnd(trace: Trace, dependence: Dependence, terms: Terms,
    outputs: readonly number[]): Uint8Array | null {
  let found: Uint8Array | null = null;
  tidy(() => {
    const isNegative = terms.some(([value, weight]) => {
      const w = weight.dataSync();
      return trace.values[value].dataSync().some((x, i) => x * w[i] < 0);
    });
    const outputsOfTerms = isNegative ? MovableOutputs.of(trace, dependence, terms, outputs) : null;
    found = outputsOfTerms === null ? null : endless(trace, terms, outputsOfTerms);
  });
  return found;
}

/** See `fallsWithoutEnd`. */
function endless(trace: Trace, terms: Terms, movable: MovableOutputs): Uint8Array | null {
  const {examples, lanes, components, slopes, isOutputs} = movable;
  const found = new Uint8Array(slopes.length);
  const singles = lanes > 1 && components <= MAX_COMPONENTS ?
    Array.from({length: components}, (_, c) => (i: number) => i % components === c) : [];
  for (const isMoved of [...singles, () => true]) {
    const way = unit(slopes.map((s, i) => isMoved(i) && found[i] === 0 ? -s : 0), components);
    const ends = endsOf(terms, movable, way);
    if (ends.some(end => end > 0) && lossFalls(trace, terms, movable, way, ends)) {
      found.forEach((_, i) => found[i] ||= way[i] !== 0 && ends[Math.floor(i / components)] > 0 ? 1 : 0);
    }
  }
  if (!found.some(x => x === 1)) {
    return null;
  }
  if (lanes > 1 && isOutputs) {
    return found;
  }
  const isFound = (b: number): boolean => found.subarray(b * components, (b + 1) * components).some(x => x === 1);
  return Uint8Array.from({length: examples}, (_, b) => lanes === 1 || isFound(b) ? 1 : 0);
}

/** Scales a vector (G·C) in place so that the largest entry of each lane has the size 1. */
function unit(x: Float64Array, components: number): Float64Array {
  for (let first = 0; first < x.length; first += components) {
    const lane = x.subarray(first, first + components);
    const most = lane.reduce((size, entry) => Math.max(size, Math.abs(entry)), 0);
    lane.forEach((entry, i) => lane[i] = most > 0 && most < Infinity ? entry / most : 0);
  }
  return x;
}

/**
 * The distance by which each lane was moved if its terms fall without end; else 0 (G).
 *
 * @param way the direction of the move (G·C).
 */
function endsOf(terms: Terms, movable: MovableOutputs, way: Float64Array): Float64Array {
  const {lanes, components, weights, before} = movable;
  const values = terms.map(([value]) => value);
  const ends = new Float64Array(lanes);
  const open = ends.map((_, g) => way.subarray(g * components, (g + 1) * components).some(x => x !== 0) ? 1 : 0);
  for (const far of FAR) {
    if (!open.some(x => x === 1)) {
      break;
    }
    const after = movable.sumsAt(movable.move(way, open.map(x => x * far), values));
    const falling = after.map((sum, g) => open[g] === 1 && isFar(before[g], sum, weights[g] * far) ? far : 0);
    if (falling.some(x => x > 0)) {
      const early = movable.sumsAt(movable.move(way, falling.map(x => x / 10), values));
      falling.forEach((x, g) => {
        ends[g] = x > 0 && isWithoutEnd(before[g] - early[g], before[g] - after[g]) ? x : ends[g];
      });
    }
    open.forEach((x, g) => open[g] = x === 1 && (Number.isNaN(after[g]) || after[g] === -Infinity) ? 1 : 0);
  }
  return ends;
}

/** Whether terms have fallen by more than rounding, and as far below 0 as they were above it. */
function isFar(before: number, after: number, scale: number): boolean {
  const fall = before - after;
  return Number.isFinite(fall) && fall > ROUNDING * scale && -after >= fall / 2;
}

/** Whether the whole loss falls with the terms, if each lane is moved to its end. */
function lossFalls(trace: Trace, terms: Terms, movable: MovableOutputs, way: Float64Array,
    ends: Float64Array): boolean {
  const wanted = [...terms.map(([value]) => value), trace.result];
  const [before] = trace.values[trace.result].dataSync();
  const [late, early] = [1, 10].map(share => {
    const moved = movable.move(way, ends.map(end => end / share), wanted);
    const own = movable.sumsAt(moved.slice(0, -1))
        .reduce((fall, sum, g) => fall + (ends[g] > 0 ? movable.before[g] - sum : 0), 0);
    return {own, all: before - moved[moved.length - 1].dataSync()[0]};
  });
  return late.all >= late.own / 2 && isWithoutEnd(early.all, late.all);
}

/**
 * Whether a loss that fell by `late` fell by at most a seventh of that in the first tenth of the
 * way.
 */
const isWithoutEnd = (early: number, late: number): boolean => late > 0 && late < Infinity && EARLY * early <= late;
