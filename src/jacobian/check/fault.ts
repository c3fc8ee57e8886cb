import type {TraceNode} from '../../trace/trace';

/**
 * A part of a Jacobian that is wrong:
 *
 * - `rule`: our cotangent rule of a kernel differs from tfjs's gradient of it;
 * - `own`: a gradient of ours, for which tfjs has none or a wrong one, is no derivative of the
 *   kernel;
 * - `nonlinear`: the gradient function of a `tf.customGrad` is not linear in dy;
 * - `couples`: a kernel lets one example have an influence on the rows of another;
 * - `use`: a product with the rows of a variable in one kernel is wrong;
 * - `joined`: each use of a variable is right, the products of all of them together are not.
 */
export interface Fault {
  readonly kind: 'rule' | 'own' | 'nonlinear' | 'couples' | 'use' | 'joined';
  /** The kernel; of `joined` all kernels that use the variable. */
  readonly nodes: readonly TraceNode[];
  /** Name of the kernel's input. */
  readonly input: string | null;
  /** Index in `analysis.variables`. */
  readonly variable: number | null;
  /** The product that is wrong. */
  readonly product: 'Jᵀu' | 'J d' | 'G u' | 'rows' | null;
  /** The size of the error, relative to the norm. */
  readonly difference: number;
}
