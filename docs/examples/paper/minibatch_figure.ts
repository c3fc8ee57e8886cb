import type {TopLevelSpec} from 'vega-lite';
import {figure} from '../shared/figure';
import type {MinibatchRun} from './minibatch';

const COLOURS = ['#9ecae1', '#56a0d3', '#1f6db0', '#08306b'];

/** log |r| over the epochs, a line for each run. */
export function minibatchFigure(runs: MinibatchRun[]): TopLevelSpec {
  const sizes = [...new Set(runs.map(({batchSize}) => batchSize))];
  const values = runs.flatMap(({batchSize, seed, norms}) => norms.map((norm, epoch) => ({batchSize, seed, epoch, norm})));
  return figure('Mini-batches: a constant factor per epoch', 'A line is one draw; flat at the end: float32', [{
    width: 520,
    height: 340,
    data: {values},
    mark: {type: 'line', strokeWidth: 1.8},
    encoding: {
      x: {field: 'epoch', type: 'quantitative', title: 'epochs', scale: {nice: false}, axis: {labelFlush: false}},
      y: {field: 'norm', type: 'quantitative', title: '|r| over all data', scale: {type: 'log', nice: true}, axis: {format: '~e', tickCount: 8}},
      color: {field: 'batchSize', type: 'nominal', scale: {domain: sizes, range: COLOURS.slice(-sizes.length)},
        legend: {title: 'batch size', orient: 'top-right', symbolType: 'stroke'}},
      detail: {field: 'seed'},
    },
  }]);
}
