/**
 * One training run: fixed initial weights and batches, with the figures of all parts on a fixed
 * grid of epochs.
 */
import * as tf from '@tensorflow/tfjs';
import {withSeed} from '../../../docs/examples/shared/random';
import type {StepReport} from '../../../src/index';
import {useBackend} from '../../support/backends';
import {batchSize, dataOf, PARTS, stepsPerEpoch} from './data';
import type {Data, Part} from './data';
import {figuresOf, ofConstant} from './figures';
import type {Figures} from './figures';
import {networkOf} from './networks';
import {taskNamed} from './tasks';
import type {Batch, Task} from './tasks';

/** A run after some epochs, a fraction in the first two; the first point of a run is the start. */
export interface Point extends Figures {
  readonly epoch: number;
  /** Solves beyond the first of a step, so far: steps that were rejected and tried again. */
  readonly retries: number;
}

export interface Curve {
  readonly points: Point[];
  /** Why the run ended early; null if it did not. */
  readonly diverged: string | null;
}

/**
 * Epochs between evaluations grow as 1/12 of the epochs so far: epochs to a loss are known to 8 %.
 */
const RESOLUTION = 12;

/**
 * The batches after which a run is evaluated: every quarter of the first two epochs, then at ends
 * of epochs, the last among them.
 */
export function evaluationSteps(perEpoch: number, epochs: number): number[] {
  const steps = new Set<number>();
  for (let quarter = 1; quarter <= 8; quarter++) {
    steps.add(Math.max(1, Math.round(quarter * perEpoch / 4)));
  }
  for (let epoch = 1; epoch <= epochs; epoch += Math.max(1, Math.round(epoch / RESOLUTION))) {
    steps.add(epoch * perEpoch);
  }
  steps.add(epochs * perEpoch);
  return [...steps].filter(step => step <= epochs * perEpoch).sort((a, b) => a - b);
}

/** Follows a run. */
export class Recorder {
  private readonly points: Point[] = [];
  private readonly due: Set<number>;
  private readonly constant: number;
  private failure: string | null = null;
  private step = 0;
  private retries = 0;

  /** `outputs` are those of the network for all rows of the parts, one part after the other. */
  constructor(private readonly task: Task, private readonly data: Data, private readonly perEpoch: number,
      epochs: number, private readonly outputs: () => ArrayLike<number>) {
    this.due = new Set(evaluationSteps(perEpoch, epochs));
    this.constant = ofConstant(task.loss, data.training);
    this.add();
  }

  /**
   * To be called after every step. False when the run is at its end: its losses are numbers no
   * more.
   */
  afterStep(retries = 0): boolean {
    this.step++;
    this.retries += retries;
    return !this.due.has(this.step) || this.add();
  }

  fail(message: string): void {
    this.failure = message;
  }

  curve(): Curve {
    return {points: this.points, diverged: this.failure};
  }

  private add(): boolean {
    const epoch = this.step / this.perEpoch;
    const figures = figuresOf(this.task.loss, this.data, this.outputs(), this.constant);
    if (PARTS.some(part => !Number.isFinite(figures[part]))) {
      this.fail(`no number after ${Number(epoch.toPrecision(3))} epochs`);
      return false;
    }
    this.points.push({epoch, ...figures, retries: this.retries});
    return true;
  }
}

/**
 * tfjs wants targets of as many columns as the network has outputs: zeros stand behind the target.
 */
export function partTensors({shape, loss: {outputs}}: Task, {x, y}: Part,
    columns: number): {x: tf.Tensor; y: tf.Tensor} {
  const targets = y.flatMap(target => [target, 0].slice(0, outputs));
  return {x: tf.tensor(x, [y.length, ...shape ?? [columns]]), y: tf.tensor(targets, [y.length, outputs])};
}

/**
 * Trains the network of a split by `model.fit`. Every optimizer starts from the same weights and
 * sees the same batches in the same order.
 *
 * ```ts
 * const curve = await runTask('concrete', 128, 0, () => ggn({learningRate: 0.3}), 40);
 * curve.points.at(-1)!.validation;
 * ```
 */
export async function runTask(task: Task | string, batch: Batch, split: number, makeOptimizer: () => tf.Optimizer,
    epochs: number): Promise<Curve> {
  const definition = typeof task === 'string' ? taskNamed(task) : task;
  await useBackend(definition.backend);
  const data = dataOf(definition, split);
  const model = networkOf(definition, split, data.columns);
  const {x, y} = partTensors(definition, data.training, data.columns);
  const all = tf.tidy(() => tf.concat(PARTS.map(part => partTensors(definition, data[part], data.columns).x)));
  const optimizer = makeOptimizer();
  model.compile({optimizer, loss: definition.loss.compiled as 'meanSquaredError'});
  const run = new Recorder(definition, data, stepsPerEpoch(definition, batch), epochs,
      () => tf.tidy(() => (model.predict(all, {batchSize: all.shape[0]}) as tf.Tensor).dataSync()));
  const follow = new tf.CustomCallback({
    onBatchEnd: async () => {
      model.stopTraining ||= !run.afterStep(retriesOf(optimizer));
    },
  });
  try {
    await withSeed(split + 1, () => model.fit(x, y, {epochs, batchSize: batchSize(definition, batch), callbacks: follow,
      verbose: 0, yieldEvery: 'never'}));
  } catch (error) {
    run.fail((error as Error).message);
  } finally {
    model.dispose();
    optimizer.dispose();
    tf.dispose([x, y, all]);
  }
  return run.curve();
}

/** Solves beyond the first in ggn's last step; 0 for other optimizers. */
export function retriesOf(optimizer: tf.Optimizer): number {
  const report = (optimizer as {lastStep?: StepReport | null}).lastStep;
  return Math.max(0, (report?.attempts ?? 1) - 1);
}
