import type {TopLevelSpec} from 'vega-lite';
import type {NodeBackend} from '../../../test/support/backends';
import {BACKEND_NAMES} from '../shared/backend';
import {figure} from '../shared/figure';
import type {Cost} from './cost';

const NAMES = ['ggn', 'sgd', 'ggn: Gram matrix', 'ggn: inverse'];
const COLOURS = ['#d55e00', '#777777', '#0072b2', '#56b4e9'];

/** A row for each network; over B to the left, over m to the right. */
export function costFigure(costs: Cost[], backend: NodeBackend): TopLevelSpec {
  const values = costs.flatMap(({network, over, batchSize, parameters, ggn, sgd, parts}) =>
    [ggn, sgd, parts.gram, parts.solve].map((milliseconds, i) => ({network, over, batchSize, parameters, milliseconds, name: NAMES[i]})))
    .filter(({milliseconds}) => milliseconds > 0);
  const networks = [...new Set(costs.map(({network}) => network))];
  const panel = (network: string, over: Cost['over'], hasLegend: boolean): object => {
    const shown = costs.filter(cost => cost.network === network && cost.over === over);
    const [field, title, fixed] = over === 'B' ?
        ['batchSize', 'batch size B', `m = ${shown[0].parameters.toLocaleString('en')}`] :
        ['parameters', 'parameters m', `B = ${shown[0].batchSize}`];
    return {
      title: {text: `${network}, ${fixed}`, fontSize: 13, fontWeight: 'normal', anchor: 'start', offset: 6},
      width: 400,
      height: 240,
      transform: [{filter: {field: 'network', equal: network}}, {filter: {field: 'over', equal: over}}],
      mark: {type: 'line', point: {size: 40}, strokeWidth: 2},
      encoding: {
        x: {field, type: 'quantitative', title, scale: {type: 'log', base: 2, nice: false},
          axis: {values: shown.map(cost => over === 'B' ? cost.batchSize : cost.parameters), format: over === 'B' ? 'd' : '.2s', labelFlush: false}},
        y: {field: 'milliseconds', type: 'quantitative', title: over === 'B' ? 'ms per step' : null, scale: {type: 'log', nice: true},
          axis: {tickCount: 5, format: '~g'}},
        color: {field: 'name', type: 'nominal', scale: {domain: NAMES, range: COLOURS},
          legend: hasLegend ? {title: null, labelLimit: 0, orient: 'right', offset: 16, symbolType: 'stroke'} : null},
      },
    };
  };
  const row = (network: string, i: number): object => ({
    hconcat: [panel(network, 'B', false), panel(network, 'm', i === 0)],
    resolve: {legend: {color: 'independent'}, scale: {y: 'shared'}},
  });
  return figure('Time of a step, ggn and SGD', `TensorFlow.js, ${BACKEND_NAMES[backend]}; steps in turn, medians`,
      [{data: {values}, vconcat: networks.map(row)}]);
}
