/** What is left of the runs: a table and a figure. */
import {join} from 'node:path';
import {BACKEND_NAMES} from '../shared/backend';
import {curves, figure, writeFigure} from '../shared/figure';
import type {CurvesOptions} from '../shared/figure';
import {last, reached} from '../shared/run';
import type {Run} from '../shared/run';
import {table} from '../shared/table';
import {exact} from './problem';
import {GRID} from './train';
import type {OscillatorPoint} from './train';

/** Deviations from the exact solution to which time and steps are counted. */
const NEAR = 1e-3;
const TARGETS = [1e-2, NEAR, 1e-4];

export function results(runs: Run<OscillatorPoint>[]): string {
  const header = ['optimizer', ...TARGETS.map(target => target.toExponential()).flatMap(target => [`steps to ${target}`, `s to ${target}`]),
    'steps', 'final loss', 'max deviation', 'ms per step'];
  return table(header, runs.map(run => {
    const end = last(run);
    const targets = TARGETS.flatMap(target => {
      const point = reached(run, ({deviation}) => deviation, target);
      return [point?.step.toFixed() ?? '-', point?.seconds.toFixed(1) ?? '-'];
    });
    return [run.contestant.name, ...targets, end.step.toFixed(), end.loss.toExponential(1), end.deviation.toExponential(1),
      (1000 * end.seconds / end.step).toFixed(1)];
  }));
}

/** Writes `oscillator-<backend>.svg` and `.png` into a folder and returns their paths. The first run is that of ggn. */
export async function plot(runs: Run<OscillatorPoint>[], backend: keyof typeof BACKEND_NAMES, folder: string): Promise<string[]> {
  // The figure needs no copy of u at every point.
  const lean = runs.map(run => ({...run, points: run.points.map(({step, seconds, loss, deviation}) => ({step, seconds, loss, deviation}))}));
  type Lean = (typeof lean)[number]['points'][number];
  const panel = (x: CurvesOptions<Lean>['x'], isFirst: boolean): object => curves(lean, {x: {...x, log: true}, targets: [], width: 340,
    y: {field: 'loss', title: isFirst ? 'loss' : null, domain: [1e-8, 30], ticks: [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10], powers: true},
    legend: isFirst ? {title: 'learning rate', orient: 'bottom-left'} : null});
  return writeFigure(figure("Damped oscillator u'' + 0.4u' + 4u = 0 by a 1-24-24-1 tanh network, 200 points in every step",
    [`TensorFlow.js, ${BACKEND_NAMES[backend]}, same initial weights; a dot marks the end of a run.`,
      `On the right the solutions at the time when that of ggn is within ${NEAR} of the exact one.`],
    [panel({field: 'step', title: 'steps'}, true), panel({field: 'seconds', title: 'training time (s)'}, false), solutions(runs)]),
  join(folder, `oscillator-${backend}`));
}

/** The exact solution, and where the runs are when that of ggn has come near it, or else ends. */
function solutions(runs: Run<OscillatorPoint>[]): object {
  const {seconds} = reached(runs[0], ({deviation}) => deviation, NEAR) ?? last(runs[0]);
  const shown = runs.map(run => ({run, point: run.points.filter(point => point.seconds <= seconds).at(-1)!}));
  const values = shown.reverse().flatMap(({run, point}) => GRID.map((t, i) => ({t, u: point.u[i], name: run.contestant.name})));
  const truth = GRID.map(t => ({t, u: exact(t)}));
  const color = {field: 'name', type: 'nominal', legend: null,
    scale: {domain: runs.map(run => run.contestant.name), range: runs.map(run => run.contestant.colour)}};
  const x = {field: 't', type: 'quantitative', title: 'time t'};
  const y = {field: 'u', type: 'quantitative', title: 'u(t)', scale: {zero: false}};
  return {
    width: 300,
    height: 330,
    layer: [
      {data: {values: truth}, mark: {type: 'line', stroke: '#cccccc', strokeWidth: 9, strokeCap: 'round'}, encoding: {x, y}},
      {data: {values}, mark: {type: 'line', strokeCap: 'round'}, encoding: {x, y, color,
        strokeWidth: {condition: {test: "indexof(datum.name, 'ggn') === 0", value: 2.4}, value: 1.6}}},
      {data: {values: [{t: 2.1, u: 0.62, text: 'grey: exact'}]}, mark: {type: 'text', align: 'left', fontSize: 12, color: '#777777'},
        encoding: {x, y, text: {field: 'text'}}},
    ],
  };
}
