import {tidy, type Variable} from '@tensorflow/tfjs-core';
import type {Plan} from '../../jacobian/plan/plan';
import {BatchJacobian} from '../../jacobian/sweep/batch_jacobian';
import {FormedBatch, readGrams} from '../../jacobian/whole/formed_batch';
import type {Linearization} from '../../jacobian/whole/linearization';
import {UnitsLinearization} from '../../jacobian/whole/units_linearization';
import type {StepDerivatives} from '../../loss/output_derivatives';
import {SYSTEM_FACTS, takesGram, type SystemName} from '../../solve/system';
import type {Ridge} from '../../systems/ridge';
import type {Trace} from '../../trace/trace';
import {unitsOf, type MeasuredUnits} from './layer_units';

/** The step that units are wanted for. */
interface UnitsFor {
  readonly trace: Trace;
  readonly variables: readonly Variable[];
  readonly plans: readonly Plan[];
  readonly derivatives: StepDerivatives;
  /** Whether the loss is one of residuals alone. */
  readonly areResiduals: boolean;
  readonly ridge: Ridge;
  readonly solver: SystemName;
  /** Number of the step, counted from 1. Steps that failed do not count. */
  readonly iteration: number;
}

const NOTHING: MeasuredUnits = {units: null, idle: null};

/** The step at which the units of a plan were measured last, and whether they differed from one. */
const seen = new WeakMap<Plan, {readonly at: number; readonly isOn: boolean}>();

/** Whether a power of two lies between two steps, or the step is the same one, tried again. */
const isDoubled = (from: number, to: number): boolean =>
  from === to || Math.floor(Math.log2(to)) > Math.floor(Math.log2(from));

/**
 * The linearization of a step in the units of its layers. If all units are one, the result is the
 * plain linearization, without units. Then the units of the plan are measured again when the number
 * of steps has passed a power of two, since a measurement takes a read from the backend for each
 * layer.
 *
 * There are no units for conjugate gradients, for a Gram system in pieces, and for rows with
 * different numbers of examples.
 *
 * @param isWanted false if a metric of the damping is given.
 */
export function linearizationInUnits(step: UnitsFor, plain: Linearization, isWanted: boolean):
    MeasuredUnits & {readonly linearization: Linearization} {
  const {trace, variables, plans, derivatives, areResiduals, ridge: {rhos}, solver, iteration} = step;
  const none = {...NOTHING, linearization: plain};
  if (!isWanted || SYSTEM_FACTS[solver].matrix === null || plans.length > 1 || plans[0].forward !== undefined) {
    return none;
  }
  const [plan] = plans;
  const {at, isOn} = seen.get(plan) ?? {at: 0, isOn: false};
  const isDue = at === 0 || isOn || isDoubled(at, iteration);
  const whole = plain instanceof FormedBatch && plain.whole instanceof BatchJacobian ? plain.whole : null;
  const isGram = takesGram(solver);
  const found: MeasuredUnits[] = [];
  if (isDue && (whole !== null || !isGram)) {
    tidy(() => {
      const part = whole ?? plain.pieces[0].linearize().jacobian;
      if (part instanceof BatchJacobian) {
        found.push(unitsOf({trace, plan, variables, rhos, derivatives, areResiduals, jacobian: part}));
      }
    });
  }
  const [{units, idle}] = [...found, NOTHING];
  if (isDue) {
    seen.set(plan, {at: iteration, isOn: units !== null});
  }
  // A last layer of zeros passes no gradient on before its first step.
  const isIdle = iteration > 1 ? idle : null;
  const linearization = units === null ? plain : new UnitsLinearization(plain, units, isGram ? whole : null, variables,
      trace.values, jacobian => readGrams(jacobian, (plain as FormedBatch).formedFor));
  return {units, idle: isIdle, linearization};
}
