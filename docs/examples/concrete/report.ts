/** What is left of the runs: a table and a figure. */
import {join} from 'node:path';
import {BACKEND_NAMES} from '../shared/backend';
import {curves, figure, writeFigure} from '../shared/figure';
import type {CurvesOptions} from '../shared/figure';
import type {EpochPoint} from '../shared/fit';
import {last, reached} from '../shared/run';
import {table} from '../shared/table';
import type {ConcreteRun} from './train';

/** The training losses to which time and epochs are counted. */
const TARGETS = [0.1, 0.03];

export function results(runs: ConcreteRun[]): string {
  const header = ['optimizer', ...TARGETS.flatMap(target => [`epochs to ${target}`, `s to ${target}`]),
    'epochs', 'final loss', 'validation, MPa', 'ms per epoch'];
  return table(header, runs.map(run => {
    const end = last(run);
    const targets = TARGETS.flatMap(target => {
      const point = reached(run, ({loss}) => loss, target);
      return [point?.epoch.toFixed() ?? '-', point?.seconds.toFixed(2) ?? '-'];
    });
    return [run.contestant.name, ...targets, end.epoch.toFixed(), end.loss.toFixed(4), run.validationError.toFixed(2),
      (1000 * end.seconds / end.epoch).toFixed(0)];
  }));
}

/** Writes `concrete-<backend>.svg` and `.png` into a folder and returns their paths. */
export async function plot(runs: ConcreteRun[], backend: 'wasm' | 'cpu', folder: string): Promise<string[]> {
  const panel = (x: CurvesOptions<EpochPoint>['x'], isFirst: boolean): object => curves(runs, {x, targets: TARGETS,
    y: {field: 'loss', title: isFirst ? 'training loss (mean squared error)' : null, domain: [0.015, 2], ticks: [0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2]},
    legend: isFirst ? null : {title: 'learning rate', orient: 'top-right'}});
  return writeFigure(figure('Concrete strength, 8-64-64-1 tanh, batch 128: training loss',
    `TensorFlow.js, ${BACKEND_NAMES[backend]}, same initial weights and batches; a dot marks the end of a run`,
    [panel({field: 'epoch', title: 'epochs'}, true), panel({field: 'seconds', title: 'training time (s)'}, false)]), join(folder, `concrete-${backend}`));
}
