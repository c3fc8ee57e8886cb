import {tensor, tidy} from '@tensorflow/tfjs-core';
import {addProduct} from '../../arrays/symmetric';
import {matMul, shaped} from '../../tfjs/fast_ops';
import {inScope} from '../../tfjs/memory';
import type {StackedJacobian} from '../whole/stacked_jacobian';
import {relativeDifference} from './compare';
import {TOLERANCE} from './self_check';

/**
 * Tests the blocks J_p J_qᵀ, p ≠ q, that the self-checks of the batches do not see: for a fixed u,
 * G u equals J(Jᵀu) on the rows of each batch.
 *
 * @param gram the Gram matrix G = J Jᵀ over all variables, n x n.
 * @param parts the name of the batches in the message.
 * @returns the difference in words; null if there is none.
 */
export function checkStack(jacobian: StackedJacobian, gram: Float64Array, parts = 'terms of different sizes'):
    string | null {
  const n = jacobian.rows;
  const u = Float64Array.from({length: n}, (_, i) => Math.cos(1 + 2 * i));
  const result = tidy(() => jacobian.apply(jacobian.applyTranspose(tensor(Float32Array.from(u), [n]))).clone());
  const direct = result.dataSync();
  result.dispose();
  const product = new Float64Array(n);
  addProduct(1, gram, u, product);
  const total = Math.hypot(...direct);
  let from = 0;
  for (const {rows} of jacobian.pieces) {
    const [a, b] = [direct, product].map(x => Float64Array.from(x.subarray(from, from + rows)));
    const difference = Math.hypot(...a.map((x, i) => x - b[i]));
    const size = Math.max(Math.hypot(...a), Math.hypot(...b));
    if (!(difference <= TOLERANCE * size + 1e-2 * TOLERANCE * total)) {
      const relative = (difference / total).toExponential(1);
      return `G u differs from J(Jᵀu) by ${relative} of its norm between ${parts}${findVariable(jacobian, u)}`;
    }
    from += rows;
  }
  return null;
}

/** The variable whose blocks are wrong, in words, for the error of a failed check. */
function findVariable(jacobian: StackedJacobian, u: Float64Array): string {
  const plans = jacobian.pieces.map(piece => inScope(() => piece.linearize().plan));
  const {variables} = plans[0].analysis;
  const uTensor = tensor(Float32Array.from(u), [u.length]);
  let found = '';
  tidy(() => {
    const pulled = jacobian.applyTranspose(uTensor);
    const grams = jacobian.gram(variables.map((_, v) => v));
    for (const [v, variable] of variables.entries()) {
      const direct = jacobian.apply(pulled.map((part, w) => w === v ? part : null)).dataSync();
      const product = matMul(grams[v], shaped(uTensor, [u.length, 1])).dataSync();
      if (!(relativeDifference(direct, product) <= TOLERANCE)) {
        const kernels = plans.flatMap(plan => plan.bySite[v].sites.map(i => `'${plan.sites[i].node.kernel}'`));
        found = `, in the variable '${variable.name}', which the kernels ${[...new Set(kernels)].join(', ')} use`;
        return;
      }
    }
  });
  uTensor.dispose();
  return found;
}
