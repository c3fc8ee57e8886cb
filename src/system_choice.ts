import {ggnError} from './errors';
import type {PolicyName} from './policy/step_policy';
import type {Scaling} from './solve/scaling';
import {MAX_GRAM_ROWS, MAX_NORMAL_PARAMETERS, mayBeGram, mayBeNormal, smallestSystem} from './solve/system';
import type {SystemName, SystemSize} from './solve/system';

/** The options of a step that say which system it is solved from. */
export interface SystemOptions {
  readonly solver: 'auto' | SystemName;
  readonly scaling: 'auto' | Scaling;
}

/**
 * The system of a step.
 *
 * @throws where the one that is asked for is too large, or none is small enough.
 */
export function chooseSystem(size: SystemSize, {solver, scaling}: SystemOptions): SystemName {
  const chosen = solver !== 'auto' ? solver : scaling === 'marquardt' ? 'normal' : smallestSystem(size);
  if (chosen === 'normal' && !mayBeNormal(size)) {
    const why = solver === 'normal' ? "the solver 'normal'" : "the scaling 'marquardt'";
    throw ggnError(`${why} takes normal equations of as many rows and columns as there are trained parameters, at most ${MAX_NORMAL_PARAMETERS}; this ` +
        `model has ${size.width}. Use ${solver === 'normal' ? "solver 'auto'" : "scaling 'auto'"}, or train fewer variables.`);
  }
  if (chosen === 'gram' && !mayBeGram(size)) {
    throw ggnError(`this step has ${size.rows} rows (examples times outputs), and the Gram matrix of a step has that many rows and columns, at most ` +
        `${MAX_GRAM_ROWS}. Use a smaller batchSize${solver === 'gram' ? ", or solver 'auto'" : ''}.`);
  }
  return chosen;
}

/**
 * The scaling of the damping. `'auto'`: Marquardt's for scalars and vectors in the normal equations under Levenberg-Marquardt; Levenberg's elsewhere.
 *
 * Measured: of 54 runs of NIST's nonlinear regression problems Marquardt's scaling solves 48 and Levenberg's 35; a 1-20-1 network on sinc(10x) comes to a loss of 6e-10
 * with Levenberg's from every start, and with Marquardt's is stuck at 4e-6 from some: the weights of a layer have one unit, and near dead units there is little curvature.
 */
export function chooseScaling(system: SystemName, {scaling}: SystemOptions, policy: PolicyName, variables: ReadonlyArray<{readonly rank: number}>): Scaling {
  return scaling !== 'auto' ? scaling :
    system === 'normal' && policy === 'levenbergMarquardt' && variables.every(({rank}) => rank <= 1) ? 'marquardt' : 'levenberg';
}
