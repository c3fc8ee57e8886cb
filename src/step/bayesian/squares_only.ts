import {ggnError} from '../../errors';
import type {Plan} from '../../jacobian/plan/plan';
import type {OutputDerivatives} from '../../loss/functions/loss_derivatives';
import {namesOfLosses, type Rows} from '../../loss/rows';
import type {StepDerivatives} from '../../loss/output_derivatives';
import type {FitBatch} from '../../tfjs/fit_batch_hook';

/** The beginning of every refusal. */
const OPTION = "the option regularization 'bayesian'";

/**
 * The derivatives of a loss that has an evidence: a sum of squares and no other terms.
 *
 * @throws for any other loss, with its name or that of the variable.
 */
export function squaresOnly({head, dependence: {variables}}: Rows, plans: readonly Plan[],
    derivatives: StepDerivatives, fitBatch: FitBatch | null):
    Pick<OutputDerivatives, 'root'> & {readonly z: Float64Array} {
  const {z, root} = derivatives;
  if (z === null || head.functions.length > 0 || derivatives.curvature !== 'exact') {
    const names = fitBatch === null ? [] : namesOfLosses(fitBatch.model.loss).filter(name => name !== null);
    const which = names.length === 0 ? 'this loss' : `the loss ${names.map(name => `'${name}'`).join(', ')}`;
    throw ggnError(`${OPTION} finds the noise of the targets from a sum or mean of squares, and ${which} has other ` +
        "terms. Use the loss 'meanSquaredError' or squares of residuals, or regularization 'none'.");
  }
  const regularized = variables.find((_, v) => head.ridge.has(v));
  if (regularized !== undefined || head.others.length > 0) {
    const which = regularized === undefined ? 'a regularizer, a function of the weights alone' :
      `an L2 regularizer of the variable '${regularized.name}'`;
    throw ggnError(`${OPTION} finds the strength of an L2 penalty on all weights by itself, and the loss has ` +
        `${which}. Leave one of them out: the regularizer, or the option.`);
  }
  if (plans.some(({analysis: {frozen}}) => frozen.size > 0)) {
    throw ggnError(`${OPTION} takes the exact Jacobian of each example, and this model couples the examples of the ` +
        'batch by their statistics, as batch normalization does. Leave such layers out, or freeze them, or use ' +
        "regularization 'none'.");
  }
  if (derivatives.weighted === 0) {
    throw ggnError(`${OPTION} needs rows of a weight above 0, and this step has none.`);
  }
  return {z, root};
}
