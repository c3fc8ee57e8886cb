import {tidy, type Variable} from '@tensorflow/tfjs-core';
import {randomSigns} from '../arrays/pseudo_random';
import {addInto, totalSize} from '../arrays/vectors';
import type {CurvatureRoot} from '../solve/curvature_root';
import {approximate, inverseOf} from '../solve/nystrom';
import type {Approximation} from './cg_problem';
import {changeOf, hessianTimes, pulled, type ForEachPiece} from './cg_products';
import type {Ridge} from './ridge';
import {split, spread} from './variable_vector';

/** Vectors that JᵀHJ is multiplied with before conjugate gradients begin. */
const VECTORS = 40;

/** Entries of all vectors together: 64 MiB in float64. */
const MAX_ENTRIES = 2 ** 23;

/** JᵀHJ by its products with some random vectors. */
export interface Sketch extends Approximation {
  /** |J_i|² (n), estimated from the same vectors. */
  readonly squares: Float64Array;
}

/**
 * JᵀHJ by its products with a few fixed random vectors, which need no form of the rows. The trace
 * is an estimate, and so is λ = τ · trace / min(n, m). The step is exact for that λ, which the
 * report states.
 */
export function sketchOf(forEachPiece: ForEachPiece, root: CurvatureRoot, variables: readonly Variable[], ridge: Ridge):
    Sketch {
  const m = totalSize(variables);
  const count = Math.max(2, Math.min(VECTORS, m, Math.floor(MAX_ENTRIES / m)));
  const squares = new Float64Array(root.n);
  const imageOf = (vector: Float64Array): Float64Array => {
    const image = new Float64Array(m);
    tidy(() => {
      const d = split(vector, variables);
      forEachPiece((part, from) => {
        const change = changeOf(part, d);
        change.forEach((x, i) => squares[from + i] += x * x / count);
        addInto(image, 1, pulled(part, hessianTimes(root.part(from, from + part.rows), change), variables));
      });
    });
    return image;
  };
  const vectors = Array.from({length: count}, (_, i) => randomSigns(m, 1 + i));
  const {columns, trace, norm} = approximate(vectors, vectors.map(imageOf));
  const rhoOf = spread(ridge.rhos, variables);
  return {
    trace, norm: Math.max(norm, trace / Math.min(m, root.n)), squares,
    preconditioner: lambda => inverseOf(columns, rhoOf.map(rho => lambda + 2 * rho)),
  };
}
