import {engine, scalar, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {nativeOps, type NativeOp} from '../../tfjs/internals';
import {add, matMul} from '../../tfjs/fast_ops';
import {kernelsFor} from '../../kernels/own_kernels';
import {blockedCholesky, unitScale} from '../../solve/blocked_cholesky';
import {doublePrecision, mixedPrecision, type Factorize, type Precondition} from '../../solve/mixed_precision';

/**
 * Uses the products of WASM, which shares the memory of JavaScript.
 *
 * Measured: WASM has ten times the speed of JavaScript.
 */
const blocked = blockedCholesky((a, b, m, k, n) => {
  const product = tidy(() => matMul(tensor(a, [m, k]), tensor(b, [k, n])));
  const entries = product.dataSync() as Float32Array;
  product.dispose();
  return entries;
});

/**
 * The tensors that matrices were read from. While a tensor exists, it is used instead of a copy.
 */
const readFrom = new WeakMap<Float64Array, Tensor>();

/**
 * Notes the tensor that a symmetric matrix was read from. The tensor belongs to the scope of the
 * step. Nothing may be written into the matrix after this.
 */
export function noteTensor(matrix: Float64Array, from: Tensor): void {
  readFrom.set(matrix, from);
}

/** Largest and, inverted, smallest diagonal entry with which float32 factors a matrix as it is. */
const SAFE = 2 ** 60;

/**
 * C + shift·I, scaled by s_i s_j, as a tensor for the op Cholesky, which reads the lower triangle
 * only. The tensor that C was read from needs no scale if its diagonal is tame.
 */
function scaledTensor(curvature: Float64Array, n: number, scale: Float64Array, op: NativeOp):
    {matrix: Tensor; scale: Float64Array} {
  const known = readFrom.get(curvature);
  const diagonal = scale.map(value => 1 / value ** 2);
  if (known !== undefined && !known.isDisposed && diagonal.every(value => value > 1 / SAFE && value < SAFE)) {
    const matrix = tidy(() => op('MatrixSetDiag', [known, tensor(Float32Array.from(diagonal))]));
    return {matrix, scale: new Float64Array(n).fill(1)};
  }
  const scaled = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0, p = i * n; j < i; j++, p++) {
      scaled[p] = scale[i] * curvature[p] * scale[j];
    }
    scaled[i * n + i] = 1;
  }
  // The sum lies in TensorFlow's own, aligned memory, which the factorization needs for its speed.
  // Measured: from the memory of JavaScript, it takes twice as long.
  return {matrix: tidy(() => add(tensor(scaled, [n, n]), scalar(0))), scale};
}

/** Uses TensorFlow's own factorization. The factor is a tensor of the caller's scope. */
const native: Precondition = (curvature, n, shift) => {
  const unit = unitScale(curvature, n, shift);
  const op = nativeOps();
  if (unit === null || op === null) {
    return null;
  }
  const {matrix, scale} = scaledTensor(curvature, n, unit, op);
  let lower: Tensor;
  try {
    lower = op('Cholesky', [matrix]);
  } catch {
    return null;  // TensorFlow 2.9 throws, and later versions return NaN
  }
  return r => {
    const scaledR = r.map((value, i) => scale[i] * value);
    const unit = scaledR.reduce((most, value) => Math.max(most, Math.abs(value)), 0);  // float32 ends at 1e-45
    const z = tidy(() => {
      const right = tensor(Float32Array.from(scaledR, value => value / unit), [n, 1]);
      const half = op('MatrixTriangularSolve', [lower, right], {lower: true, adjoint: false});
      return op('MatrixTriangularSolve', [lower, half], {lower: true, adjoint: true});
    });
    const entries = z.dataSync();
    z.dispose();
    return Float64Array.from(entries, (value, i) => unit * scale[i] * value);
  };
};

/** The approximate factorization of the current backend, in float32; null if it has none. */
export const preconditionHere = (): Precondition | null => {
  const {backendName} = engine();
  return backendName === 'tensorflow' ? native :
    backendName === 'wasm' || kernelsFor(0) !== null ? blocked : null;
};

/** The solver of damped systems on the current backend. */
export function factorizeHere(): Factorize {
  const precondition = preconditionHere();
  return precondition === null ? doublePrecision : mixedPrecision(precondition);
}
