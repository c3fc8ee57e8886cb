import {ggnError} from '../errors';
import type {PolicyName} from '../policy/policies';
import type {Scaling} from '../solve/scaling';
import {isQuickNormal, smallestSystem, SYSTEM_FACTS, SYSTEM_OF_FITS, type SystemName,
  type SystemSize} from '../solve/system';

/** The options of the optimizer that the system of a step depends on. */
export interface SystemOptions {
  readonly solver: 'auto' | SystemName;
  readonly scaling: 'auto' | Scaling;
}

/** The properties of a step, beside its size, that the choice depends on. */
interface ChosenFor {
  readonly policy: PolicyName;
  readonly variables: ReadonlyArray<{readonly rank: number}>;
}

/**
 * Whether scalars and vectors are fitted by judged steps: a curve, a calibration, equations to be
 * solved. Such parameters often have a meaning, and a unit, each.
 */
export const isFit = ({policy, variables}: ChosenFor): boolean =>
  policy === 'levenbergMarquardt' && variables.every(({rank}) => rank <= 1);

/**
 * The system of a step. If the solver is 'auto', a fit of scalars and vectors takes the normal
 * equations for any number of rows, unless they take long: with as many parameters as rows,
 * or more, a Gram matrix in float32 does not resolve the directions that the residuals are most
 * sensitive to, and the fit ends somewhere else.
 *
 * @throws if the system that is asked for is too large, or if no system is small enough.
 */
export function chooseSystem(size: SystemSize, {solver, scaling}: SystemOptions, chosenFor: ChosenFor): SystemName {
  const isOfFits = scaling === 'marquardt' || (scaling === 'auto' && isFit(chosenFor) && isQuickNormal(size));
  const chosen = solver !== 'auto' ? solver : isOfFits ? SYSTEM_OF_FITS : smallestSystem(size);
  const {matrix, matrixName, most} = SYSTEM_FACTS[chosen];
  if (matrix === 'parameters' && size.width > most) {
    const why = solver !== 'auto' ? `the solver '${solver}'` : "the scaling 'marquardt'";
    throw ggnError(`${why} takes ${matrixName} of as many rows and columns as there are trained parameters, ` +
        `at most ${most}; this model has ${size.width}. ` +
        `Use ${solver !== 'auto' ? "solver 'auto'" : "scaling 'auto'"}, or train fewer variables.`);
  }
  if (matrix === 'rows' && size.rows > most) {
    throw ggnError(`this step has ${size.rows} rows (examples times outputs), and ${matrixName} of a step has that ` +
        `many rows and columns, at most ${most}. Use a smaller batchSize, or solver 'auto'.`);
  }
  return chosen;
}

/**
 * The scaling of the damping. `'auto'`: Marquardt's for scalars and vectors in the normal equations
 * under Levenberg-Marquardt, Levenberg's otherwise. The weights of a layer have one unit, and near
 * dead neurons there is little curvature, which Marquardt's scaling divides by.
 *
 * Measured: of 54 runs of NIST's nonlinear regression problems Marquardt's scaling solves 48 and
 * Levenberg's 35. A 1-20-1 network on sinc(10x) comes to a loss of 6e-10 with Levenberg's from
 * every start, and with Marquardt's is stuck at 4e-6 from some.
 */
export function chooseScaling(system: SystemName, {scaling}: SystemOptions, chosenFor: ChosenFor): Scaling {
  const isMarquardt = SYSTEM_FACTS[system].takesMarquardt && isFit(chosenFor);
  return scaling !== 'auto' ? scaling : isMarquardt ? 'marquardt' : 'levenberg';
}
