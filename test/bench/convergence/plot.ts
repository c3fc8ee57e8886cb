/** Validation beside training loss over epochs: a row for every batch of a task. */
import {writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import type {TopLevelSpec} from 'vega-lite';
import {render} from '../../../docs/examples/shared/figure';
import {pickOf} from './comparison';
import type {Quantity} from './comparison';
import type {Run} from './runs';
import type {Batch} from './tasks';

/** The runs of one row of panels. */
export interface Row {
  readonly batch: Batch;
  readonly adam: readonly Run[];
  readonly ggn: readonly Run[];
}

/** Pixels. */
const PNG_WIDTH = 1500;

const COLOURS = {ggn: '#d55e00', 'tuned adam': '#08306b'};

const QUANTITIES: readonly Quantity[] = ['training', 'validation'];

/** Writes `name`, a PNG beside this file. */
export async function plot(name: string, title: string, rows: readonly Row[]): Promise<void> {
  const {png} = await render(figure(title, rows), PNG_WIDTH);
  writeFileSync(fileURLToPath(new URL(name, import.meta.url)), png);
}

interface Curve {
  readonly family: keyof typeof COLOURS;
  readonly run: Run;
}

/** Of every split: ggn, and the Adam that validation picks. */
function curvesOf({adam, ggn}: Row): Curve[] {
  const tuned = ggn.map(({split}) => pickOf(adam.filter(run => run.split === split)).run);
  return [...tuned.map(run => ({family: 'tuned adam', run}) as const),
    ...ggn.map(run => ({family: 'ggn', run}) as const)];
}

function figure(title: string, rows: readonly Row[]): TopLevelSpec {
  const x = {field: 'epoch', type: 'quantitative', title: 'epochs', scale: {type: 'log', nice: false},
    axis: {format: '~g', tickCount: 5}};
  const y = {field: 'loss', type: 'quantitative', title: null, scale: {type: 'log', nice: false},
    axis: {format: '~g', tickCount: 4}};
  const colour = (isFirst: boolean): object => ({field: 'family', type: 'nominal',
    scale: {domain: Object.keys(COLOURS), range: Object.values(COLOURS)},
    legend: isFirst ? {title: null, orient: 'bottom-left', offset: 4} : null});
  const panel = (row: Row, quantity: Quantity, isFirst: boolean): object => {
    const curves = curvesOf(row);
    const values = curves.flatMap(({family, run}) => run.epoch.map((epoch, i) =>
      ({family, run: `${family} ${run.split}`, epoch, loss: run[quantity][i]})).slice(1));
    const picks = curves.map(({family, run}) => {
      const {point} = pickOf([run]);
      return {family, epoch: run.epoch[point], loss: run[quantity][point]};
    });
    const encoding = {x, y, color: colour(isFirst)};
    return {
      title: {text: `${quantity}, batch ${row.batch}`, anchor: 'start', fontSize: 11, fontWeight: 'bold', offset: 4},
      width: 330,
      height: 190,
      layer: [
        {data: {values}, mark: {type: 'line', strokeWidth: 1.5, strokeJoin: 'round', opacity: 0.8},
          encoding: {...encoding, detail: {field: 'run'}}},
        {data: {values: picks}, mark: {type: 'point', filled: true, size: 40, opacity: 1}, encoding},
      ],
    };
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {text: title, anchor: 'start', fontSize: 16, offset: 14,
      subtitle: 'both axes logarithmic; a line for every split; a point where the validation loss is lowest',
      subtitleColor: '#555555', subtitleFontSize: 12, subtitlePadding: 4},
    background: 'white',
    padding: 14,
    columns: QUANTITIES.length,
    concat: rows.flatMap((row, r) =>
      QUANTITIES.map(quantity => panel(row, quantity, r === 0 && quantity === 'training'))),
    bounds: 'flush',
    spacing: {row: 48, column: 64},
    resolve: {legend: {color: 'independent'}, scale: {x: 'independent', y: 'independent'}},
    config: {
      font: 'DejaVu Sans, Verdana, Arial, sans-serif',
      view: {stroke: null},
      axis: {grid: false, labelFontSize: 10, titleFontSize: 11, titleFontWeight: 'normal',
        domainColor: '#333333', tickColor: '#333333'},
      legend: {labelFontSize: 10, rowPadding: 2},
    },
  } as TopLevelSpec;
}
