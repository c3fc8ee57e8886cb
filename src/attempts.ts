import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {ggnError} from './errors';
import type {Dependence} from './jacobian/analysis';
import type {BatchAxisLost} from './jacobian/batch_axis';
import {makePlan, RESIDUAL} from './jacobian/plan';
import type {Plan, RowBlock} from './jacobian/plan';

/** Rows up to which a batch goes row by row, with a reverse sweep for each. */
const MAX_ROW_BY_ROW = 1024;

/** A way to linearize rows. */
export interface Attempt {
  readonly batch: number;
  /** What must have been wrong with the attempts before: anything, or only that a kernel has no rule. */
  readonly after: 'any' | 'unknown';
  plan(): Plan;
}

/**
 * The ways to linearize blocks of rows with `examples` entries along their leading axes, the best first. The last
 * may be with B = 1, which goes row by row.
 */
export function attemptsFor(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], examples: number,
    step: TrainStep | null): Attempt[] {
  const shapeOf = (value: number): number[] => trace.values[value].shape;
  const isLeading = (value: number): boolean => shapeOf(value)[0] === examples;
  const attempt = (batch: number, isBatched: (value: number) => boolean, after: Attempt['after'] = 'any'): Attempt =>
    ({batch, after, plan: () => makePlan(trace, dependence, blocks, batch, isBatched)});
  const attempts: Attempt[] = [];
  if (step !== null && blocks.every(block => isLeading(block.value))) {
    const data = dataOf(step);
    // A constant of the model may happen to have as many rows as the batch: then only the data themselves count.
    attempts.push(attempt(examples, value => isLeading(value) && !trace.variables.has(value)),
        attempt(examples, value => data.has(trace.values[value].dataId)));
  } else if (step === null && examples > 1) {
    attempts.push(attempt(examples, isLeading));
  }
  const count = blocks.reduce((n, block) => n + trace.values[block.value].size, 0);
  if (count <= MAX_ROW_BY_ROW) {
    // In fit only where a rule is missing: a model that couples the examples is to be known as such.
    attempts.push(attempt(1, value => shapeOf(value).length > 0, step !== null && attempts.length > 0 ? 'unknown' : 'any'));
  }
  return attempts;
}

/** The data of the inputs and targets of a batch: handles share them. */
export const dataOf = (step: TrainStep): Set<object> => new Set([...step.inputs, ...step.targets].map(t => t.dataId));

/** Why no attempt was possible, said to the user. */
export function explainLostAxis(error: BatchAxisLost, step: TrainStep | null, rows: number): Error {
  if (step === null || error.reason === 'unknown') {
    const where = error.kernel === RESIDUAL ? 'in the residuals of the loss' : `behind the kernel '${error.kernel}'`;
    return ggnError(`the examples of the batch cannot be told apart ${where}, and a step of ${rows} rows is too large to go row by ` +
        `row (at most ${MAX_ROW_BY_ROW}). Use a smaller batch.`);
  }
  const normalising = step.model.layers.filter(layer => layer.getClassName() === 'BatchNormalization').map(layer => `'${layer.name}'`);
  if (normalising.length > 0) {
    return ggnError(`batch normalisation couples the examples of a batch (layer ${normalising.join(', ')}), so the rows of ` +
        'its Jacobian are not those of single examples; this version does not train such a model. Use ' +
        'tf.layers.layerNormalization, or leave the layer out.');
  }
  return ggnError(`the model couples the examples of a batch: behind the kernel '${error.kernel}' they cannot be told apart. ` +
      'Keep the examples along the leading axis and apart from each other, or use another optimizer for this model.');
}
