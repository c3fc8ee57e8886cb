/** Writes a vega-lite figure as SVG and PNG: vega makes the figure, resvg the pixels; nothing native is built. */
import {Resvg} from '@resvg/resvg-js';
import {mkdirSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname} from 'node:path';
import {parse, View} from 'vega';
import {compile} from 'vega-lite';
import type {Config, TopLevelSpec} from 'vega-lite';

/** Pixels. */
const PNG_WIDTH = 1800;

/** Shipped by a package, so that the PNG has its text on machines without fonts. */
const FONTS = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map(name => createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}`));

const CONFIG: Config = {
  font: 'DejaVu Sans, Verdana, Arial, sans-serif',
  view: {stroke: null},
  title: {anchor: 'start', fontSize: 16, fontWeight: 'bold', subtitleColor: '#555555', subtitleFontSize: 12, subtitlePadding: 4, offset: 14},
  axis: {grid: false, labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', domainColor: '#333333', tickColor: '#333333'},
  legend: {labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', rowPadding: 5},
};

/** Writes `<path>.svg` and `<path>.png` and returns their paths. */
export async function writeFigure(figure: object, path: string): Promise<string[]> {
  const spec = {$schema: 'https://vega.github.io/schema/vega-lite/v5.json', background: 'white', padding: 16, config: CONFIG, ...figure} as TopLevelSpec;
  const svg = await new View(parse(compile(spec).spec), {renderer: 'none'}).toSVG();
  const font = {fontFiles: FONTS, loadSystemFonts: false, defaultFontFamily: 'DejaVu Sans'};
  mkdirSync(dirname(path), {recursive: true});
  writeFileSync(`${path}.svg`, svg);
  writeFileSync(`${path}.png`, new Resvg(svg, {background: 'white', fitTo: {mode: 'width', value: PNG_WIDTH}, font}).render().asPng());
  return [`${path}.svg`, `${path}.png`];
}
