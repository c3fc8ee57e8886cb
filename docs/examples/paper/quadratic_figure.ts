import type {TopLevelSpec} from 'vega-lite';
import {figure} from '../shared/figure';
import type {QuadraticRun} from './quadratic';
import {geometricMean, mean} from './statistics';

/** Widths whose course over the steps is shown: the smallest, the middle and the largest. */
const COLOURS = ['#56b4e9', '#0072b2', '#08306b'];

/** Left: |r_1|/|r_0|² over the width, with the fitted slope and that of the theorem. Right: |r_t| over the steps. */
export function quadraticFigure(runs: QuadraticRun[], slope: number): TopLevelSpec {
  const widths = [...new Set(runs.map(({width}) => width))];
  const panels = [overWidth(runs, widths, slope), overSteps(runs, [widths[0], widths[widths.length >> 1], widths.at(-1)!])];
  return {
    ...figure('Full batches converge quadratically: two-layer relu network, 20 points',
        'No damping, learning rate 1; a dot is one draw of data and weights, a line their geometric mean', panels),
    resolve: {legend: {color: 'independent'}, scale: {color: 'independent'}},
  };
}

function overWidth(runs: QuadraticRun[], widths: number[], slope: number): object {
  const points = runs.map(({width, norms: [before, after]}) => ({width, contraction: after / before ** 2}));
  const centre = Math.exp(mean(widths.map(Math.log)));
  const middle = geometricMean(points.map(({contraction}) => contraction));
  const line = (name: string, exponent: number): object[] =>
    [widths[0], widths.at(-1)!].map(width => ({name, width, contraction: middle * (width / centre) ** exponent}));
  const x = {field: 'width', type: 'quantitative', title: 'width M', scale: {type: 'log', base: 2, nice: false},
    axis: {values: widths, format: 'd', labelFlush: false}};
  const y = {field: 'contraction', type: 'quantitative', title: '|r₁| / |r₀|²', scale: {type: 'log', nice: false},
    axis: {values: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05], format: '~g'}};
  const names = [`fit: slope ${slope.toFixed(3)}`.replace('-', '−'), 'theorem: slope −½'];
  const color = {field: 'name', type: 'nominal', scale: {domain: names, range: ['#d55e00', '#555555']},
    legend: {title: null, labelLimit: 0, orient: 'top-right', symbolType: 'stroke'}};
  return {
    width: 420,
    height: 330,
    layer: [
      {data: {values: points}, mark: {type: 'point', filled: true, size: 22, color: '#0072b2', opacity: 0.55}, encoding: {x, y}},
      {data: {values: line(names[1], -0.5)}, mark: {type: 'line', strokeDash: [6, 4]}, encoding: {x, y, color}},
      {data: {values: line(names[0], slope)}, mark: {type: 'line', strokeWidth: 2.5}, encoding: {x, y, color}},
    ],
  };
}

function overSteps(runs: QuadraticRun[], widths: number[]): object {
  const shown = runs.filter(({width}) => widths.includes(width));
  const each = shown.flatMap(({width, norms}) => norms.map((norm, step) => ({width, step, norm})));
  const means = widths.flatMap(width => shown[0].norms.map((_, step) =>
    ({width, step, norm: geometricMean(shown.filter(run => run.width === width).map(({norms}) => norms[step]))})));
  const x = {field: 'step', type: 'quantitative', title: 'steps t', axis: {tickMinStep: 1, format: 'd', labelFlush: false}};
  const y = {field: 'norm', type: 'quantitative', title: '|rₜ|, flat at 1e-6: float32', scale: {type: 'log', nice: true},
    axis: {format: '~e', tickCount: 8}};
  const color = {field: 'width', type: 'nominal', scale: {domain: widths, range: COLOURS},
    legend: {title: 'width M', orient: 'top-right', symbolType: 'stroke'}};
  return {
    width: 420,
    height: 330,
    layer: [
      {data: {values: each}, mark: {type: 'point', filled: true, size: 18, opacity: 0.45}, encoding: {x, y, color}},
      {data: {values: means}, mark: {type: 'line', strokeWidth: 2.5}, encoding: {x, y, color}},
    ],
  };
}
