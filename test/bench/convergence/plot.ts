/** Losses over epochs and over time, a panel for every task and batch. */
import {writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import type {TopLevelSpec} from 'vega-lite';
import {render} from '../../../docs/examples/shared/figure';
import type {Measure, Quantity} from './comparison';
import type {Run} from './runs';

/** The runs of one panel, and for each family of optimizers the one that is drawn. */
export interface Panel {
  readonly title: string;
  readonly runs: readonly Run[];
  readonly shown: {readonly adam: string; readonly sgd: string};
  readonly measure: Measure;
}

/** Pixels. */
const PNG_WIDTH = 1500;

/** Losses below are cut off: where full batches are fitted to rounding, the rest could not be told apart. */
const LOWEST = 1e-6;

const COLOURS = {ggn: '#d55e00', 'best adam': '#08306b', 'best sgd': '#8a8a8a'};

/** Writes `name`, a PNG beside this file; panels go row by row, `columns` in a row. */
export async function plot(name: string, title: string, xTitle: string, quantity: Quantity, panels: readonly Panel[], columns: number): Promise<void> {
  const {png} = await render(figure(title, xTitle, quantity, panels, columns), PNG_WIDTH);
  writeFileSync(fileURLToPath(new URL(name, import.meta.url)), png);
}

function figure(title: string, xTitle: string, quantity: Quantity, panels: readonly Panel[], columns: number): TopLevelSpec {
  const panel = ({title: name, runs, shown, measure}: Panel, p: number): object => {
    const drawn = {[shown.sgd]: 'best sgd', [shown.adam]: 'best adam', ggn: 'ggn'};
    const values = Object.entries(drawn).flatMap(([optimizer, family]) => runs.filter(run => run.optimizer === optimizer)
        .flatMap(run => run.epoch.map((_, i) => ({family, run: `${family} ${run.seed}`, cost: measure(run, i), loss: run[quantity][i]})).slice(1)));
    return {
      title: {text: name, anchor: 'start', fontSize: 11, fontWeight: 'bold', offset: 4},
      width: 270,
      height: 150,
      data: {values},
      mark: {type: 'line', clip: true, strokeWidth: 1.5, strokeJoin: 'round', opacity: 0.85},
      encoding: {
        x: {field: 'cost', type: 'quantitative', title: p >= panels.length - columns ? xTitle : null, scale: {type: 'log', nice: false},
          axis: {format: '~g', tickCount: 5}},
        y: {field: 'loss', type: 'quantitative', title: null, axis: {format: '~g', tickCount: 4},
          scale: {type: 'log', nice: false, ...values.some(({loss}) => loss < LOWEST) ? {domainMin: LOWEST} : {}}},
        color: {field: 'family', type: 'nominal', scale: {domain: Object.keys(COLOURS), range: Object.values(COLOURS)},
          legend: p === 0 ? {title: null, orient: 'bottom-left', offset: 4} : null},
        detail: {field: 'run'},
      },
    };
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {text: title, subtitle: 'both axes logarithmic; a line for every seed; the rate of adam and of sgd with the lowest loss',
      anchor: 'start', fontSize: 16, subtitleColor: '#555555', subtitleFontSize: 12, subtitlePadding: 4, offset: 14},
    background: 'white',
    padding: 14,
    columns,
    concat: panels.map(panel),
    bounds: 'flush',
    spacing: {row: 48, column: 64},
    resolve: {legend: {color: 'independent'}, scale: {x: 'independent', y: 'independent'}},
    config: {
      font: 'DejaVu Sans, Verdana, Arial, sans-serif',
      view: {stroke: null},
      axis: {grid: false, labelFontSize: 10, titleFontSize: 11, titleFontWeight: 'normal', domainColor: '#333333', tickColor: '#333333'},
      legend: {labelFontSize: 10, rowPadding: 2},
    },
  } as TopLevelSpec;
}
