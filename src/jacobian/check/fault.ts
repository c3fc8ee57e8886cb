import type {TraceNode} from '../../trace/trace';

/**
 * What is wrong with a Jacobian:
 *
 * - `rule`: our cotangent rule of a kernel differs from tfjs's gradient of it;
 * - `own`: a gradient of ours, where tfjs has none or a wrong one, differs from what the kernel itself does;
 * - `nonlinear`: the gradient function of a `tf.customGrad` is not linear in dy;
 * - `couples`: a kernel lets one example have an influence on the rows of another;
 * - `use`: a product with the rows of a variable in one kernel is wrong;
 * - `joined`: each use of a variable is right, the products of all of them together are not.
 */
export interface Fault {
  readonly kind: 'rule' | 'own' | 'nonlinear' | 'couples' | 'use' | 'joined';
  /** The kernels; of `joined` all that use the variable. */
  readonly nodes: readonly TraceNode[];
  /** Name of the kernel's input. */
  readonly input: string | null;
  /** Index in `analysis.variables`. */
  readonly variable: number | null;
  /** Which product is wrong. */
  readonly product: 'Jᵀu' | 'J d' | 'G u' | 'rows' | null;
  /** Relative to the norm. */
  readonly difference: number;
}
