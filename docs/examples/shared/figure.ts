/** Figures as SVG and PNG: vega-lite makes the figure, resvg the pixels; nothing native is built. */
import {Resvg} from '@resvg/resvg-js';
import {mkdirSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname} from 'node:path';
import {parse, View} from 'vega';
import {compile} from 'vega-lite';
import type {TopLevelSpec} from 'vega-lite';
import {last} from './run';
import type {Point, Run} from './run';

/** Pixels. */
const PNG_WIDTH = 1800;

/** Shipped by a package, so that the PNG has its text on machines without fonts. */
const FONTS = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map(name => createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}`));

export async function render(figure: TopLevelSpec, width = PNG_WIDTH): Promise<{svg: string; png: Uint8Array}> {
  const svg = await new View(parse(compile(figure).spec), {renderer: 'none'}).toSVG();
  const font = {fontFiles: FONTS, loadSystemFonts: false, defaultFontFamily: 'DejaVu Sans'};
  return {svg, png: new Resvg(svg, {background: 'white', fitTo: {mode: 'width', value: width}, font}).render().asPng()};
}

/** Writes `<path>.svg` and `<path>.png` and returns their paths. */
export async function writeFigure(figure: TopLevelSpec, path: string): Promise<string[]> {
  const {svg, png} = await render(figure);
  mkdirSync(dirname(path), {recursive: true});
  writeFileSync(`${path}.svg`, svg);
  writeFileSync(`${path}.png`, png);
  return [`${path}.svg`, `${path}.png`];
}

/** Panels side by side under a title. A subtitle too long for the panels gets lines of its own: the figure would grow with it. */
export function figure(title: string, subtitle: string | string[], panels: object[]): TopLevelSpec {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: title, subtitle, anchor: 'start', fontSize: 16, fontWeight: 'bold', subtitleColor: '#555555', subtitleFontSize: 12,
      subtitlePadding: 4, offset: 14,
    },
    background: 'white',
    padding: 16,
    hconcat: panels,
    spacing: 24,
    resolve: {legend: {color: 'independent'}},
    config: {
      font: 'DejaVu Sans, Verdana, Arial, sans-serif',
      view: {stroke: null},
      axis: {grid: false, labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', domainColor: '#333333', tickColor: '#333333'},
      legend: {labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', rowPadding: 5, offset: 0},
    },
  } as TopLevelSpec;
}

/** The label of a tick that is a power of ten, as 10⁻³. */
const POWER = "'10' + (datum.value < 1 ? '⁻' : '') + slice('⁰¹²³⁴⁵⁶⁷⁸⁹', abs(round(log(datum.value) / LN10)), abs(round(log(datum.value) / LN10)) + 1)";

export interface CurvesOptions<P extends Point> {
  x: {field: keyof P & string; title: string; log?: boolean};
  /** On a logarithmic scale; null for no title. `powers`: the ticks are powers of ten and written as such. */
  y: {field: keyof P & string; title: string | null; domain: [number, number]; ticks: number[]; powers?: boolean};
  /** Dotted lines across. */
  targets: number[];
  /** Its title, and the corner where it is; null for none. */
  legend: {title: string; orient: 'top-right' | 'bottom-left'} | null;
  width?: number;
}

/** A panel with a curve for each run and a dot at its end; those of ggn are thicker and on top. */
export function curves<P extends Point>(runs: Run<P>[], {x, y, targets, legend, width = 440}: CurvesOptions<P>): object {
  const shown = (point: P): boolean => x.log !== true || (point[x.field] as number) > 0;
  const values = [...runs].reverse().flatMap(({contestant: {name}, points}) => points.filter(shown).map(point => ({name, ...point})));
  const ends = runs.map(run => ({name: run.contestant.name, ...last(run)}));
  const scale = {domain: runs.map(run => run.contestant.name), range: runs.map(run => run.contestant.colour)};
  const horizontal = {field: x.field, type: 'quantitative', title: x.title,
    ...(x.log === true ? {scale: {type: 'log', nice: false}, axis: {format: '~g'}} :
      {scale: {nice: false}, axis: {tickCount: 8, labelFlush: false}})};
  const vertical = {field: y.field, type: 'quantitative', title: y.title, scale: {type: 'log', domain: y.domain, nice: false},
    axis: {values: y.ticks, ...(y.powers === true ? {labelExpr: POWER} : {format: '~g'})}};
  const color = {field: 'name', type: 'nominal', scale,
    legend: legend === null ? null : {...legend, offset: legend.orient === 'bottom-left' ? 12 : 0, labelLimit: 0}};
  const strokeWidth = {condition: {test: "indexof(datum.name, 'ggn') === 0", value: 3.2}, value: 1.6};
  return {
    width,
    height: 330,
    layer: [
      {data: {values: targets.map(target => ({[y.field]: target}))}, mark: {type: 'rule', stroke: '#555555', strokeDash: [2, 4]},
        encoding: {y: vertical}},
      {data: {values}, mark: {type: 'line', clip: true, strokeCap: 'round', strokeJoin: 'round'},
        encoding: {x: horizontal, y: vertical, color, strokeWidth}},
      {data: {values: ends}, mark: {type: 'point', filled: true, size: 55, opacity: 1}, encoding: {x: horizontal, y: vertical, color}},
    ],
  };
}
