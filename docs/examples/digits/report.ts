/** What is left of the runs: a table and a figure. */
import {join} from 'node:path';
import {BACKEND_NAMES} from '../shared/backend';
import {curves, figure, writeFigure} from '../shared/figure';
import type {CurvesOptions} from '../shared/figure';
import {last, reached} from '../shared/run';
import type {Run} from '../shared/run';
import {table} from '../shared/table';
import {ANGLE_DEVIATION, MAX_ANGLE} from './data';
import {BATCH_SIZE} from './train';
import type {DigitsPoint} from './train';

/** Errors on held-out digits, in degrees, to which time and epochs are counted. */
const TARGETS = [5, 4];

export function results(runs: Run<DigitsPoint>[]): string {
  const header = ['optimizer', ...TARGETS.flatMap(target => [`epochs to ${target}°`, `s to ${target}°`]),
    'epochs', 'training error', 'held-out error', 'ms per epoch'];
  return table(header, runs.map(run => {
    const end = last(run);
    const targets = TARGETS.flatMap(target => {
      const point = reached(run, ({heldOut}) => heldOut, target);
      return [point?.epoch.toFixed() ?? '-', point?.seconds.toFixed(1) ?? '-'];
    });
    return [run.contestant.name, ...targets, end.epoch.toFixed(), `${(Math.sqrt(end.loss) * ANGLE_DEVIATION).toFixed(2)}°`,
      `${end.heldOut.toFixed(2)}°`, (1000 * end.seconds / end.epoch).toFixed(0)];
  }));
}

/** Writes `digits-<backend>.svg` and `.png` into a folder and returns their paths. */
export async function plot(runs: Run<DigitsPoint>[], backend: 'wasm' | 'tensorflow', folder: string): Promise<string[]> {
  const panel = (x: CurvesOptions<DigitsPoint>['x'], isFirst: boolean): object => curves(runs, {x, targets: TARGETS,
    y: {field: 'heldOut', title: isFirst ? 'error on held-out digits (degrees)' : null, domain: [2.8, 45],
      ticks: [3, 4, 5, 7, 10, 15, 20, 30, 40]}, legend: isFirst ? null : {title: 'learning rate', orient: 'top-right'}});
  return writeFigure(figure(`Angle of a digit turned by up to ±${MAX_ANGLE}°: error on digits not seen in training`,
    [`Convolutional network, batch ${BATCH_SIZE}, same initial weights and batches; a dot marks the end of a run.`,
      `TensorFlow.js, ${BACKEND_NAMES[backend]}${backend === 'wasm' ? ', Adam with a gradient kernel that is missing there' : ''}.`],
    [panel({field: 'epoch', title: 'epochs'}, true), panel({field: 'seconds', title: 'training time (s)'}, false)]), join(folder, `digits-${backend}`));
}
