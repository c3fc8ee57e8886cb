/** Whether tfjs's own optimizers can train a case: adam's gradient against the reference. */
import * as tf from '@tensorflow/tfjs';
import {disposeBatch} from '../cases/cases';
import type {Case} from '../cases/cases';
import {referenceWholeStep} from '../reference/whole_step';
import {variablesOf} from './models';
import {relativeError} from './relative_error';

/** 'yes', 'wrong gradients', or 'no: ' and the missing op. */
export type TfjsOutcome = string;

/** Sums of a few hundred float32 products; a wrong gradient is off by more than a hundredth. */
const TOLERANCE = 1e-3;

/** @param use makes a backend the current one. */
export async function tfjsTrains(c: Case, backend: string, use: (backend: string) => Promise<unknown>): Promise<TfjsOutcome> {
  await use('cpu');
  const model = c.model();
  const batch = c.batch();
  const variables = variablesOf(model);
  const {gradient} = referenceWholeStep(model, batch, variables, {damping: 0.1, momentum: 0, previous: null});
  let found: Float64Array | null = null;
  const adam = tf.train.adam(0.001);
  adam.applyGradients = gradients => {
    const by = new Map((gradients as {name: string; tensor: tf.Tensor}[]).map(({name, tensor}) => [name, tensor]));
    found = Float64Array.from(variables.flatMap(v => by.get(v.name) == null ? new Array<number>(v.size).fill(0) : [...by.get(v.name)!.dataSync()]));
  };
  const depth = tf.engine().state.gradientDepth;
  try {
    model.compile({optimizer: adam, loss: c.loss});
    await use(backend);
    await model.trainOnBatch(batch.x, batch.y);
    return found !== null && relativeError(found, gradient) < TOLERANCE ? 'yes' : 'wrong gradients';
  } catch (error) {
    return `no: ${missing((error as Error).message)}`;
  } finally {
    tf.engine().state.gradientDepth = depth;   // a failed sweep of tfjs leaves its tape open
    if (depth === 0) {
      tf.engine().state.activeTape = null as never;
    }
    await use('cpu');
    adam.dispose();
    model.dispose();
    disposeBatch(batch);
  }
}

/** The missing op by tfjs's error, in few words. */
function missing(message: string): string {
  const found = /Kernel '(\w+)' not registered/.exec(message)?.[1] ?? /gradient function not found for (\w+)/.exec(message)?.[1] ??
    /gradient for op (\w+)\. The gradient of input/.exec(message)?.[1];
  return found !== undefined ? found : /dilation rates greater than 1/.test(message) ? 'dilation' : message.split('\n')[0];
}
