import type {ImageSet} from './images/image_set';
import {BATCH_SIZE} from './training';
import type {Run} from './training';

/** Training loss above, validation error below; over epochs to the left, over time to the right. */
export function curvesFigure(runs: Run[], {title, unit}: ImageSet, backend: string): object {
  const scale = {domain: runs.map(run => run.contestant.name), range: runs.map(run => run.contestant.colour)};
  const panel = (xField: string, xTitle: string | null, yField: string, yTitle: string | null, legend: boolean): object => ({
    width: 430,
    height: 270,
    mark: {type: 'line', strokeCap: 'round', strokeJoin: 'round', clip: true},
    encoding: {
      x: {field: xField, type: 'quantitative', title: xTitle, scale: {nice: false}, axis: {tickCount: 8, tickMinStep: 1, labelFlush: false}},
      y: {field: yField, type: 'quantitative', title: yTitle, scale: {type: 'log', nice: false, padding: 6}, axis: {tickCount: 6, format: '~g'}},
      color: {field: 'name', type: 'nominal', scale, legend: legend ? {title: 'learning rate', labelLimit: 0, orient: 'right', symbolType: 'stroke'} : null},
      strokeWidth: {condition: {test: "indexof(datum.name, 'ggn') === 0", value: 3}, value: 1.6},
    },
  });
  return {
    title: {
      text: `${title}: residual network without batch normalisation, batch ${BATCH_SIZE}`,
      subtitle: `TensorFlow.js ${backend} backend, same initial weights and batches`,
    },
    data: {values: [...runs].reverse().flatMap(({contestant: {name}, points}) => points.map(point => ({name, ...point})))},
    vconcat: [
      {hconcat: [panel('epoch', null, 'loss', 'training loss', false), panel('seconds', null, 'loss', null, true)], spacing: 24, resolve: {legend: {color: 'independent'}}},
      {hconcat: [panel('epoch', 'epochs', 'error', `validation error, ${unit}`, false), panel('seconds', 'training time (s)', 'error', null, false)], spacing: 24, resolve: {legend: {color: 'independent'}}},
    ],
    spacing: 16,
    resolve: {legend: {color: 'independent'}},
  };
}
