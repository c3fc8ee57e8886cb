/** The loss over epochs and over time, as SVG and PNG: vega-lite makes the figure, resvg the pixels; nothing native is built. */
import {Resvg} from '@resvg/resvg-js';
import {mkdirSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {parse, View} from 'vega';
import {compile} from 'vega-lite';
import type {TopLevelSpec} from 'vega-lite';
import {TARGETS} from './report';
import type {Run} from './train';

/** Pixels. */
const PNG_WIDTH = 1800;

/** The range of the loss axis. */
const LOSSES = [0.015, 2];

/** Shipped by a package, so that the PNG has its text on machines without fonts. */
const FONTS = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map(name => createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}`));

/** Writes `concrete-<backend>.svg` and `.png` into a folder and returns their paths. */
export async function plot(runs: Run[], backend: string, folder: string): Promise<string[]> {
  const svg = await new View(parse(compile(figure(runs, backend)).spec), {renderer: 'none'}).toSVG();
  const font = {fontFiles: FONTS, loadSystemFonts: false, defaultFontFamily: 'DejaVu Sans'};
  const png = new Resvg(svg, {background: 'white', fitTo: {mode: 'width', value: PNG_WIDTH}, font}).render().asPng();
  mkdirSync(folder, {recursive: true});
  const path = join(folder, `concrete-${backend}`);
  writeFileSync(`${path}.svg`, svg);
  writeFileSync(`${path}.png`, png);
  return [`${path}.svg`, `${path}.png`];
}

function figure(runs: Run[], backend: string): TopLevelSpec {
  const values = [...runs].reverse().flatMap(({contestant: {name}, points}) => points.map(point => ({name, ...point})));
  const ends = runs.map(({contestant: {name}, points}) => ({name, ...points.at(-1)!}));
  const scale = {domain: runs.map(run => run.contestant.name), range: runs.map(run => run.contestant.colour)};
  const panel = (field: 'epoch' | 'seconds', title: string, first: boolean): object => {
    const x = {field, type: 'quantitative', title, scale: {nice: false}, axis: {tickCount: 8, labelFlush: false}};
    const y = {
      field: 'loss', type: 'quantitative', title: first ? 'training loss (mean squared error)' : null,
      scale: {type: 'log', domain: LOSSES, nice: false}, axis: {values: [0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2], format: '~g'},
    };
    const color = {field: 'name', type: 'nominal', scale, legend: first ? null : {title: 'learning rate', labelLimit: 0}};
    const strokeWidth = {condition: {test: "indexof(datum.name, 'ggn') === 0", value: 3.2}, value: 1.6};
    return {
      width: 440,
      height: 330,
      layer: [
        {data: {values: TARGETS.map(loss => ({loss}))}, mark: {type: 'rule', stroke: '#555555', strokeDash: [2, 4]}, encoding: {y}},
        {data: {values}, mark: {type: 'line', clip: true, strokeCap: 'round', strokeJoin: 'round'}, encoding: {x, y, color, strokeWidth}},
        {data: {values: ends}, mark: {type: 'point', filled: true, size: 55, opacity: 1}, encoding: {x, y, color}},
      ],
    };
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: 'Concrete strength, 8-64-64-1 tanh, batch 128: training loss',
      subtitle: `TensorFlow.js ${backend} backend, same initial weights and batches; a dot marks the end of a run`,
      anchor: 'start', fontSize: 16, fontWeight: 'bold', subtitleColor: '#555555', subtitleFontSize: 12, subtitlePadding: 4, offset: 14,
    },
    background: 'white',
    padding: 16,
    hconcat: [panel('epoch', 'epochs', true), panel('seconds', 'training time (s)', false)],
    spacing: 24,
    resolve: {legend: {color: 'independent'}},
    config: {
      font: 'DejaVu Sans, Verdana, Arial, sans-serif',
      view: {stroke: null},
      axis: {grid: false, labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', domainColor: '#333333', tickColor: '#333333'},
      legend: {labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', rowPadding: 5, orient: 'top-right', offset: 0},
    },
  } as TopLevelSpec;
}
