/** What is left of the runs: a table and a figure. */
import {join} from 'node:path';
import {BACKEND_NAMES} from '../shared/backend';
import {curves, figure, writeFigure} from '../shared/figure';
import type {CurvesOptions} from '../shared/figure';
import {last, reached} from '../shared/run';
import {table} from '../shared/table';
import type {ConcretePoint, ConcreteRun} from './train';

/** The training losses to which time and epochs are counted. */
const TARGETS = [0.1, 0.03];

export function results(runs: ConcreteRun[]): string {
  const header = ['optimizer', ...TARGETS.flatMap(target => [`epochs to ${target}`, `s to ${target}`]),
    'epochs', 'final loss', 'validation, MPa', 'lowest, MPa', 'at epoch', 'ms per epoch'];
  return table(header, runs.map(run => {
    const end = last(run);
    const targets = TARGETS.flatMap(target => {
      const point = reached(run, ({loss}) => loss, target);
      return [point?.epoch.toFixed() ?? '-', point?.seconds.toFixed(2) ?? '-'];
    });
    const lowest = run.points.slice(1).reduce((a, b) => b.validation < a.validation ? b : a);
    return [run.contestant.name, ...targets, end.epoch.toFixed(), end.loss.toFixed(4), end.validation.toFixed(2),
      lowest.validation.toFixed(2), lowest.epoch.toFixed(),
      (1000 * end.seconds / end.epoch).toFixed(0)];
  }));
}

/** Writes `concrete-<backend>.svg` and `.png` into a folder and returns their paths. */
export async function plot(runs: ConcreteRun[], backend: 'wasm' | 'cpu', folder: string): Promise<string[]> {
  type Axes = CurvesOptions<ConcretePoint>;
  const loss: Axes['y'] = {field: 'loss', title: 'training loss (mean squared error)', domain: [0.015, 2],
    ticks: [0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2]};
  const validation: Axes['y'] = {field: 'validation', title: 'validation error (MPa)', domain: [3.5, 20], ticks: [4, 5, 6, 8, 10, 15, 20]};
  const epochs: Axes['x'] = {field: 'epoch', title: 'epochs'};
  const panel = (x: Axes['x'], y: Axes['y'], targets: number[], legend: Axes['legend'] = null): object =>
    curves(runs, {x, y, targets, legend, width: 330});
  return writeFigure(figure('Concrete strength, 8-64-64-1 tanh, batch 128: training and validation',
    `TensorFlow.js, ${BACKEND_NAMES[backend]}, same initial weights and batches; a dot marks the end of a run`,
    [panel(epochs, loss, TARGETS), panel(epochs, validation, [], {title: 'learning rate', orient: 'top-right'}),
      panel({field: 'seconds', title: 'training time (s)'}, validation, [])]), join(folder, `concrete-${backend}`));
}
