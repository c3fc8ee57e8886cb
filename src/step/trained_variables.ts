import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {Trace} from '../trace/trace';
import {ggnError} from '../errors';

/** The trainable variables of varList; null for all that f() uses. */
export function trainedVariables(varList: Variable[] | undefined): Set<Variable> | null {
  if (varList == null) {
    return null;
  }
  if (!Array.isArray(varList)) {
    throw ggnError('varList must be an array of variables, as in optimizer.minimize(f, false, [w, b]).');
  }
  if (varList.some(variable => typeof variable?.assign !== 'function')) {
    throw ggnError('varList holds something that is no tf.Variable. Give variables; for the weights of a layer or ' +
        'model, model.trainableWeights.map(weight => weight.read()).');
  }
  const trained = varList.filter(variable => variable.trainable);
  if (trained.length === 0) {
    throw ggnError(`none of the ${varList.length} variables given to minimize() is trainable. Give at least one, or ` +
        'leave varList out to train all trainable variables that the loss uses.');
  }
  return new Set(trained);
}

/** @throws if f() has disposed of a variable that the step would train. */
export function checkDisposed(trace: Trace, isTrained: (variable: Variable) => boolean): void {
  for (const variable of trace.variables.values()) {
    if (variable.isDisposed && isTrained(variable)) {
      throw ggnError(`the variable '${variable.name}' was disposed of by the function given to minimize(), so that ` +
          'it cannot be trained. Dispose of variables after the step.');
    }
  }
}

/**
 * Assigns new values to all variables, or, after an error, to none. The trace has the old values.
 */
export function assignAll(variables: readonly Variable[], values: readonly Tensor[], trace: Trace): void {
  let assigned = 0;
  try {
    for (; assigned < variables.length; assigned++) {
      variables[assigned].assign(values[assigned]);
    }
  } catch (error) {
    const moved = variables.slice(0, assigned);
    for (const [value, variable] of trace.variables) {
      if (moved.includes(variable)) {
        variable.assign(trace.values[value]);
      }
    }
    throw error;
  }
}
