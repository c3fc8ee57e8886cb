import {concat, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {addProduct} from '../../arrays/symmetric';
import {ChunkedJacobian} from './chunked_jacobian';
import {crossGrams} from './components_jacobian';
import {relativeDifference} from '../check/compare';
import {matMul, shaped, transposed} from '../../tfjs/fast_ops';
import {inScope} from '../../tfjs/memory';
import {TOLERANCE} from '../check/self_check';
import type {Jacobian} from './operator';

/**
 * Batches of different numbers of examples, one above the other: J = [J_1; J_2; ...], in the same variables.
 *
 *     J Jᵀ = [J_p J_qᵀ]_pq      the diagonal blocks from each batch, the others variable by variable:
 *     J_p J_qᵀ = (a a'ᵀ) ∘ (δ δ'ᵀ) for a matrix that both use once, by pairs of positions or from dense rows otherwise
 *
 * Batches that are no more than pieces of one are linearized when they are asked for, two at a time at most beside those that are held.
 */
export class StackedJacobian extends ChunkedJacobian implements Jacobian {
  /** Gram matrices Σ_v J_v J_vᵀ over groups of variables, each [n, n]. */
  gram(groupOf: readonly number[]): Tensor[] {
    return tidy(() => {
      const {pieces} = this;
      /** By piece, the blocks of its rows up to the diagonal, then by group. */
      const blocks = pieces.map((piece, p) => inScope(() => {
        const {jacobian} = piece.linearize();
        return [...pieces.slice(0, p).map(other => inScope(() => crossGrams(jacobian, other.linearize().jacobian, groupOf), grams => grams)), jacobian.gram(groupOf)];
      }, found => found.flat()));
      return blocks[0][0].map((_, g) => concat(pieces.map((_, p) => concat(pieces.map((_, q) => q <= p ? blocks[p][q][g] : transposed(blocks[q][p][g])), 1)), 0));
    });
  }

  /** The dense Jacobian [n, m]: for small problems and tests. */
  dense(): Tensor {
    return tidy(() => concat(this.pieces.map(piece => inScope(() => piece.linearize().jacobian.dense(), rows => [rows])), 0));
  }
}

/**
 * Tests the blocks that the self-checks of the parts do not see: G u equals J(Jᵀu) for a fixed u, on the rows of each part.
 *
 * @param gram the Gram matrix J Jᵀ over all variables, n x n.
 * @param parts what the batches are, for the message.
 * @returns null, or what is wrong.
 */
export function checkStack(jacobian: StackedJacobian, gram: Float64Array, parts = 'terms of different sizes'): string | null {
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
    if (!(difference <= TOLERANCE * Math.max(Math.hypot(...a), Math.hypot(...b)) + 1e-2 * TOLERANCE * total)) {
      return `G u differs from J(Jᵀu) by ${(difference / total).toExponential(1)} of its norm between ${parts}${findVariable(jacobian, u)}`;
    }
    from += rows;
  }
  return null;
}

/** After a failure: the variable whose blocks are wrong. */
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
        const kernels = new Set(plans.flatMap(plan => plan.bySite[v].sites.map(i => `'${plan.sites[i].node.kernel}'`)));
        found = `, in the variable '${variable.name}', which the kernels ${[...kernels].join(', ')} use`;
        return;
      }
    }
  });
  uTensor.dispose();
  return found;
}
