/** What is left of the runs: a table and a figure. */
import {join} from 'node:path';
import {BACKEND_NAMES} from '../shared/backend';
import {curves, figure, writeFigure} from '../shared/figure';
import type {CurvesOptions} from '../shared/figure';
import {last, reached} from '../shared/run';
import type {Run} from '../shared/run';
import {table} from '../shared/table';
import {BATCH_SIZE} from './train';
import type {ClassificationPoint} from './train';

/** Training losses to which time and epochs are counted. */
const TARGETS = [0.1, 0.03];

export function results(runs: Run<ClassificationPoint>[]): string {
  const header = ['optimizer', ...TARGETS.flatMap(target => [`epochs to ${target}`, `s to ${target}`]),
    'epochs', 'training loss', 'held-out loss, best', 'held-out accuracy, best', 'ms per epoch'];
  return table(header, runs.map(run => {
    const end = last(run);
    const targets = TARGETS.flatMap(target => {
      const point = reached(run, ({loss}) => loss, target);
      return [point?.epoch.toFixed() ?? '-', point?.seconds.toFixed(1) ?? '-'];
    });
    const best = Math.min(...run.points.map(({heldOut}) => heldOut));
    const accuracy = Math.max(...run.points.map(point => point.accuracy));
    return [run.contestant.name, ...targets, end.epoch.toFixed(), end.loss.toPrecision(2), best.toFixed(3), `${(100 * accuracy).toFixed(1)} %`,
      (1000 * end.seconds / end.epoch).toFixed(0)];
  }));
}

/** Writes `classification-<backend>.svg` and `.png` into a folder and returns their paths. */
export async function plot(runs: Run<ClassificationPoint>[], backend: 'wasm' | 'tensorflow', folder: string): Promise<string[]> {
  const panel = (x: CurvesOptions<ClassificationPoint>['x'], isFirst: boolean): object => curves(runs, {x, targets: TARGETS,
    y: {field: 'loss', title: isFirst ? 'cross-entropy of the training digits' : null, domain: [0.0005, 4],
      ticks: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]}, legend: isFirst ? null : {title: 'learning rate', orient: 'top-right'}});
  return writeFigure(figure('Handwritten digits, ten classes: training loss',
    [`Network 64-32-10 with softmax, batch ${BATCH_SIZE}, same initial weights and batches; a dot marks the end of a run.`,
      `TensorFlow.js, ${BACKEND_NAMES[backend]}.`],
    [panel({field: 'epoch', title: 'epochs'}, true), panel({field: 'seconds', title: 'training time (s)'}, false)]), join(folder, `classification-${backend}`));
}
