import {add as addTensors, addN, mul as mulTensors, scalar, sum, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../capture/trace';
import {downstream} from './analysis';
import type {Analysis, Dependence} from './analysis';
import {add, mul} from './kernels';
import {collect, pullByRules, sweepBack} from './parameter';

/** J [n, m] as an operator; see BatchJacobian. */
export interface JacobianOperator {
  readonly rows: number;
  /** J d, shape [n]; d by variable, null for no change. */
  apply(d: ReadonlyArray<Tensor | null>): Tensor;
  /** Jᵀu by variable; null where a variable is not wanted. */
  applyTranspose(u: Tensor, wanted?: (variable: number) => boolean): Array<Tensor | null>;
}

/**
 * f = g - Jᵀq by variable: the part of the gradient of the rows that flows through frozen statistics of the batch. null where
 * none are frozen.
 *
 * Not taken as that difference, which would leave rounding in every variable, but by two sweeps: from the loss back to the
 * statistics, held constant one in the other, then from all of them at once to the variables.
 */
export function gradientThroughStatistics(trace: Trace, {dependent, variableOf, variables}: Dependence, {frozen}: Analysis): Array<Tensor | null> | null {
  if (frozen.size === 0) {
    return null;
  }
  const behind = downstream(trace, frozen);
  const nodes = trace.nodes.filter(node => !node.outputs.some(output => frozen.has(output)));
  const arriving = sweepBack(trace.values, nodes, new Map([[trace.result, scalar(1)]]), value => behind.has(value) && dependent[value],
      pullByRules);
  const seeds = new Map([...arriving].filter(([value]) => frozen.has(value)));
  const gradients = collect(sweepBack(trace.values, trace.nodes, seeds, value => dependent[value], pullByRules), variableOf.keys(), variableOf);
  return variables.map((_, v) => gradients.get(v) ?? null);
}

/**
 * The Jacobian with the statistics of the batch held constant, but for one direction:
 *
 *     J̃ = J + u fᵀ,   u = S⁻ᵀz / |z|²,   so that J̃ᵀq = Jᵀq + f = g:  the gradient is exact
 *
 * It is the least change of J (in the norm of SᵀJ) that makes the rows say the whole gradient. With f beside the rows, as e of
 * `solve/damped_gram`, its part outside the range of Jᵀ would be divided by λ alone, as if the loss had no curvature there: with
 * batch normalisation such steps were up to a hundred times too long, and training diverged.
 */
export class StatisticsJacobian implements JacobianOperator {
  readonly rows: number;
  private readonly direction: Tensor;

  /** @param u (n) and f, by variable. Their tensors, and those made here, belong to the caller's scope. */
  constructor(private readonly frozen: JacobianOperator, private readonly u: Float64Array, private readonly f: ReadonlyArray<Tensor | null>) {
    this.rows = frozen.rows;
    this.direction = tensor(Float32Array.from(u), [u.length]);
  }

  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    return tidy(() => addTensors(this.frozen.apply(d), mulTensors(this.direction, dot(this.f, d))));
  }

  applyTranspose(y: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    const scale = sum(mul(this.direction, y));
    return this.frozen.applyTranspose(y, wanted).map((part, v) => {
      const f = this.f[v];
      if (f === null || !wanted(v)) {
        return part;
      }
      const more = mul(f, scale);
      return part === null ? more : add(part, more);
    });
  }

  /** J̃J̃ᵀ by group of variables, from JJᵀ: G + u(Jf)ᵀ + (Jf)uᵀ + |f|²uuᵀ. */
  grams(grams: readonly Float64Array[], groupOf: readonly number[]): Float64Array[] {
    const {rows: n, u} = this;
    return grams.map((gram, g) => {
      const part = this.f.map((t, v) => groupOf[v] === g ? t : null);
      if (part.every(t => t === null)) {
        return gram;
      }
      const [change, size] = tidy(() => [this.frozen.apply(part).dataSync(), dot(part, part).dataSync()[0]]);
      const corrected = gram.slice();
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          corrected[i * n + j] += u[i] * change[j] + change[i] * u[j] + size * u[i] * u[j];
        }
      }
      return corrected;
    });
  }
}

/** Σ_v a_v · b_v over the variables that both have. */
function dot(a: ReadonlyArray<Tensor | null>, b: ReadonlyArray<Tensor | null>): Tensor {
  const parts = a.flatMap((t, v) => t === null || b[v] === null ? [] : [sum(mul(t, b[v]))]);
  return parts.length === 0 ? scalar(0) : addN(parts);
}
