/** One training run: `model.fit` from fixed initial weights over fixed batches, with the losses of all rows on a fixed grid of epochs. */
import * as tf from '@tensorflow/tfjs';
import {withSeed} from '../../../docs/examples/shared/random';
import type {StepReport} from '../../../src/index';
import {useBackend} from '../../support/backends';
import {dataOf, networkOf, taskNamed} from './tasks';
import type {Batch, Part, Task} from './tasks';

/** Where a run is after some epochs, a fraction in the first two; the first point of a run is the start. */
export interface Point {
  readonly epoch: number;
  /** Mean squared error over all training rows, at these weights. */
  readonly training: number;
  readonly validation: number;
  /** Wall time of the batches so far, without these evaluations. */
  readonly milliseconds: number;
  /** What the optimizer's own clock says of the same (`lastStep.milliseconds`); 0 for those without. */
  readonly reported: number;
  /** Solves beyond the first of a step, so far: steps that were rejected and tried again. */
  readonly retries: number;
}

export interface Curve {
  readonly points: Point[];
  /** Why the run counts as diverged; null where it does not. */
  readonly diverged: string | null;
}

export interface Budget {
  readonly epochs: number;
  /** Ends the run early. */
  stop?(point: Point): boolean;
}

/** A loss so many times that of the start ends a run as diverged. */
const DIVERGED = 10;

/** Epochs between evaluations grow as 1/50 of the epochs so far: epochs to a loss are known to 3 %. */
const RESOLUTION = 50;

/** The batches after which a run is evaluated: every quarter of the first two epochs, then at ends of epochs, the last among them. */
export function evaluationSteps(stepsPerEpoch: number, epochs: number): number[] {
  const steps = new Set<number>();
  for (let quarter = 1; quarter <= 8; quarter++) {
    steps.add(Math.max(1, Math.round(quarter * stepsPerEpoch / 4)));
  }
  for (let epoch = 1; epoch <= epochs; epoch += Math.max(1, Math.round(epoch / RESOLUTION))) {
    steps.add(epoch * stepsPerEpoch);
  }
  steps.add(epochs * stepsPerEpoch);
  return [...steps].filter(step => step <= epochs * stepsPerEpoch).sort((a, b) => a - b);
}

export const batchSize = (task: Task, batch: Batch): number => batch === 'full' ? task.training : batch;

export const stepsPerEpoch = (task: Task, batch: Batch): number => Math.ceil(task.training / batchSize(task, batch));

/**
 * Trains the network of a seed with an optimizer. Every optimizer starts from the same weights and sees the same batches in the same order.
 *
 * ```ts
 * const curve = await runTask('concrete', 128, 0, () => ggn({learningRate: 0.3}), {epochs: 40});
 * curve.points.at(-1)!.training;
 * ```
 */
export async function runTask(task: Task | string, batch: Batch, seed: number, makeOptimizer: () => tf.Optimizer, budget: Budget): Promise<Curve> {
  const definition = typeof task === 'string' ? taskNamed(task) : task;
  await useBackend(definition.backend);
  const data = dataOf(definition, seed);
  const model = networkOf(definition, seed);
  const optimizer = makeOptimizer();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const losses = (): Losses => ({training: meanSquaredError(model, data.training), validation: meanSquaredError(model, data.validation)});
  const run = new Recorder(model, optimizer, losses, stepsPerEpoch(definition, batch), budget);
  try {
    await withSeed(seed + 1, () => model.fit(data.training.x, data.training.y,
        {epochs: budget.epochs, batchSize: batchSize(definition, batch), callbacks: run.callbacks(), verbose: 0, yieldEvery: 'never'}));
  } catch (error) {
    run.fail((error as Error).message);
  } finally {
    model.dispose();
    optimizer.dispose();
    tf.dispose([data.training.x, data.training.y, data.validation.x, data.validation.y]);
  }
  return run.curve();
}

type Losses = Pick<Point, 'training' | 'validation'>;

/** Follows a run by callbacks of `fit`. */
class Recorder {
  private readonly points: Point[] = [];
  private readonly due: Set<number>;
  private failure: string | null = null;
  private step = 0;
  private started = 0;
  private milliseconds = 0;
  private reported = 0;
  private retries = 0;

  constructor(private readonly model: tf.LayersModel, private readonly optimizer: tf.Optimizer, private readonly losses: () => Losses,
      private readonly perEpoch: number, private readonly budget: Budget) {
    this.due = new Set(evaluationSteps(perEpoch, budget.epochs));
  }

  callbacks(): tf.CustomCallback {
    return new tf.CustomCallback({
      onTrainBegin: async () => this.add(),
      onBatchBegin: async () => {
        this.started = performance.now();
      },
      onBatchEnd: async () => this.afterStep(),
    });
  }

  fail(message: string): void {
    this.failure = message;
  }

  curve(): Curve {
    const [first, last] = [this.points[0], this.points.at(-1)!];
    return {points: this.points, diverged: this.failure ?? (last.training > first.training ? 'ends above the loss of the start' : null)};
  }

  private afterStep(): void {
    this.milliseconds += performance.now() - this.started;
    this.step++;
    this.reported += Object.values(reportOf(this.optimizer)?.milliseconds ?? {}).reduce((sum, value) => sum + value, 0);
    this.retries += retriesOf(this.optimizer);
    if (this.due.has(this.step)) {
      this.add();
    }
  }

  private add(): void {
    const {training, validation} = this.losses();
    const epoch = this.step / this.perEpoch;
    if (!(training <= DIVERGED * (this.points[0]?.training ?? Infinity)) || !Number.isFinite(training + validation)) {
      this.failure = `training loss ${training.toPrecision(3)} after ${epoch} epochs`;
      this.model.stopTraining = true;
      return;
    }
    const point = {epoch, training, validation, milliseconds: this.milliseconds, reported: this.reported, retries: this.retries};
    this.points.push(point);
    if (this.budget.stop?.(point) === true) {
      this.model.stopTraining = true;
    }
  }
}

/** Of ggn's last step; undefined for other optimizers. */
function reportOf(optimizer: tf.Optimizer): StepReport | null | undefined {
  return (optimizer as {lastStep?: StepReport | null}).lastStep;
}

/** Solves beyond the first in the last step. */
export const retriesOf = (optimizer: tf.Optimizer): number => Math.max(0, (reportOf(optimizer)?.attempts ?? 1) - 1);

/** Over all rows, in one batch. */
export function meanSquaredError(model: tf.LayersModel, {x, y}: Part): number {
  return tf.tidy(() => tf.losses.meanSquaredError(y, model.predict(x, {batchSize: x.shape[0]}) as tf.Tensor).dataSync()[0]);
}
