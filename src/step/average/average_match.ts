import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../../errors';
import {fingerprintOf} from '../data/fingerprint';

/** A saved average: it belongs to the variables whose weights have these fingerprints. */
export interface SavedAverage {
  readonly count: number;
  /** The fingerprints of the average x, by variable, as signed numbers of 32 bits. */
  readonly fingerprints: readonly number[];
  /** The training points y, by variable. The tensors are kept. */
  readonly points: readonly Tensor[];
}

/**
 * Distance of a training point from the weights, relative to the largest weight or 1, beyond which
 * no training has saved it. In an average of k steps
 *
 *     y - x = (k/9) (x - x_before)
 *
 * so that the distance is of the size of the weights times k/9.
 */
const FAR = 2 ** 20;

/** A training point of a loaded average, and the variables that it may belong to. */
export interface Match {
  readonly point: Tensor;
  /** The variables with the weights of the average: the one that it goes to comes first. */
  readonly variables: readonly Variable[];
}

/**
 * The variables of a loaded average, by their weights; none if a training point has no variable.
 *
 * @param candidates the variables among which they are looked for, the preferred ones first.
 * @throws for training points that no training has saved.
 */
export function matchAverage(saved: SavedAverage, candidates: readonly Variable[]): Match[] {
  const {fingerprints, points} = saved;
  const shapes = new Set(points.map(({shape}) => shape.join()));
  const keyed = new Map<string, Variable[]>();
  for (const candidate of candidates) {
    if (candidate.trainable && !candidate.isDisposed && shapes.has(candidate.shape.join())) {
      const key = keyOf(candidate, fingerprintOf(candidate) | 0);
      keyed.set(key, [...keyed.get(key) ?? [], candidate]);
    }
  }
  const wanted = points.map((point, i) => keyOf(point, fingerprints[i]));
  const matches = points.map((point, i): Match => {
    const all = keyed.get(wanted[i]) ?? [];
    const place = wanted.slice(0, i).filter(key => key === wanted[i]).length;
    const isAlone = wanted.filter(key => key === wanted[i]).length === 1;
    return {point, variables: isAlone ? all : all.slice(place, place + 1)};
  });
  if (matches.some(({variables}) => variables.length === 0)) {
    return [];
  }
  checkPoints(saved, matches.map(({variables}) => variables[0]));
  return matches;
}

/**
 * The variable that a training point goes to, of those that it may belong to: the one that f()
 * reads, or the first if f() reads none.
 *
 * @throws if f() reads several. It has then read the training point in all of them.
 */
export function chosenOf({variables}: Match, read: ReadonlySet<Variable>): Variable {
  const used = variables.filter(variable => read.has(variable));
  if (used.length > 1) {
    const names = used.map(({name}) => `'${name}'`).join(', ');
    throw ggnError(`the loaded optimizer state holds an average of weights, and the variables ${names} all have ` +
        'these weights, as a network and its copy do. No step was taken. Say which ones are trained: ' +
        'minimize(f, false, varList).');
  }
  return used[0] ?? variables[0];
}

const keyOf = ({shape, dtype}: Tensor, fingerprint: number): string => `${dtype} ${shape.join()} ${fingerprint}`;

function checkPoints({count, points}: SavedAverage, variables: readonly Variable[]): void {
  const largest = Math.max(1, ...variables.map(sizeOf));
  const bound = FAR * (1 + count / 9) * largest;
  const far = points.findIndex(point => !(sizeOf(point) <= bound));
  if (far >= 0) {
    throw ggnError(`the loaded optimizer state is damaged: a training point of the variable '${variables[far].name}' ` +
        `has the size ${sizeOf(points[far]).toExponential(0)}, and the largest weight is ` +
        `${sizeOf(variables[far]).toPrecision(2)}. No step was taken. Load another checkpoint, or compile the model ` +
        'with a new ggn().');
  }
}

/** The largest size of an entry. */
const sizeOf = (t: Tensor): number =>
  (t.dataSync() as Float32Array).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
