import {totalSize} from '../arrays/vectors';
import {ggnError} from '../errors';
import {rootsOf} from '../loss/functions/row_block';
import type {Rows} from '../loss/rows';
import {DETERMINED} from '../policy/determined_batch';
import type {LossKind} from '../policy/policy';
import type {StepPolicy, StepSize} from '../policy/step_policy';
import {EVIDENCE_ROWS} from '../solve/evidence_iteration';
import type {Scaling} from '../solve/scaling';
import {SYSTEM_FACTS, SYSTEM_OF_EVIDENCE, SYSTEM_OF_FITS, takesGram, type SystemName,
  type SystemSize} from '../solve/system';
import {derivativePaths} from '../trace/derivative_paths';
import type {Trace} from '../trace/trace';
import {chooseScaling, chooseSystem, isFit, type SystemOptions} from './system_choice';

/** The options and the policies that the choice depends on. */
export interface ChosenBy extends SystemOptions {
  /** The policy of this step, by its numbers B of examples and m of parameters. */
  readonly policyFor: (size: StepSize) => StepPolicy;
}

/** The system of a step, and the policy, which depends on the size of the step. */
interface SystemOfStep {
  /** B of all groups of rows. */
  readonly examples: number;
  /** m, trained parameters that the rows depend on. */
  readonly parameters: number;
  readonly policy: StepPolicy;
  readonly chosen: SystemName;
  /** Whether another system may be taken if the Jacobian cannot be formed for the chosen one. */
  readonly mayChange: boolean;
  readonly scaling: Scaling;
  /** See `isFit`. */
  readonly isOfFit: boolean;
}

/**
 * Chooses the policy of a step, the system and its scaling.
 *
 * @param hasPrior whether the step has the regularization `'bayesian'`, which takes an evidence.
 * @throws if the system that is asked for is too large, or if no system is small enough.
 */
export function systemOfStep(trace: Trace, rows: Rows, options: ChosenBy, hasPrior: boolean): SystemOfStep {
  const {variables} = rows.dependence;
  const {parameters} = derivativePaths(trace, rows.dependence, rootsOf(trace, rows.blocks));
  const examples = rows.groups.reduce((sum, group) => sum + group.examples, 0);
  const width = totalSize(variables);
  // An evidence needs a matrix, so that the number of outputs does not count.
  const outputs = hasPrior ? 1 : Math.max(...rows.groups.map(group => group.count / group.examples));
  const size = {rows: rows.count, parameters, width, outputs};
  const policy = options.policyFor({examples, parameters, kind: kindOf(rows),
    mayDampByEvidence: !hasPrior && mayDampByEvidence(rows, size, options)});
  const chosenFor = {policy: policy.name, variables};
  const fastest = chooseSystem(size, options, chosenFor);
  const chosen = hasPrior ? systemWithEvidence(fastest, size) : fastest;
  const scaling = chooseScaling(chosen, options, chosenFor);
  const mayChange = options.solver === 'auto' && !hasPrior && scaling === 'levenberg';
  return {examples, parameters, policy, chosen, mayChange, scaling, isOfFit: isFit(chosenFor)};
}

/** See `LossKind`. */
function kindOf({head: {outputTerms}}: Rows): LossKind {
  const isLikelihood = outputTerms.some(term => term.kind === 'function' && !term.isResidual) &&
    outputTerms.every(({kind}) => kind === 'function');
  return outputTerms.length === 0 ? 'squares' : isLikelihood ? 'likelihood' : 'other';
}

/**
 * Whether the evidence of the rows gives a damping, see `StepSize`. A regularizer is a prior of its
 * own. With three rows a parameter and more, Levenberg-Marquardt fits hardly any noise. One matrix
 * alone is a linear fit or a system of equations, whose solution is wanted.
 *
 * Measured: with 9 rows a parameter the evidence led to a validation loss of 0.055, and
 * Levenberg-Marquardt to 0.048.
 */
function mayDampByEvidence({head, dependence: {variables}}: Rows, sizes: SystemSize,
    options: SystemOptions): boolean {
  const isOfRows = head.functions.length + head.extra.size + head.ridge.size === 0 &&
    head.outputTerms.every(term => term.kind === 'function' && !term.isResidual);
  const areFew = sizes.rows < DETERMINED * sizes.parameters && sizes.rows <= EVIDENCE_ROWS;
  return isOfRows && areFew && variables.filter(({rank}) => rank > 1).length > 1 &&
    takesGram(chooseSystem(sizes, options, {policy: 'evidenceDamping', variables}));
}

/**
 * The system of a step with an evidence: the fastest system if it has one, else that of the Gram
 * matrix.
 *
 * @throws if both matrices are too large.
 */
function systemWithEvidence(chosen: SystemName, {rows, width}: SystemSize): SystemName {
  if (SYSTEM_FACTS[chosen].hasEvidence) {
    return chosen;
  }
  const {most} = SYSTEM_FACTS[SYSTEM_OF_EVIDENCE];
  if (rows > most) {
    throw ggnError("the option regularization 'bayesian' takes a matrix of as many rows and columns as there are " +
        `rows (examples times outputs), at most ${most}, or trained parameters, at most ` +
        `${SYSTEM_FACTS[SYSTEM_OF_FITS].most}; this step has ${rows} rows and ${width} parameters. Use fewer of ` +
        "either, or regularization 'none'.");
  }
  return SYSTEM_OF_EVIDENCE;
}
