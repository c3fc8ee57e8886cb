import type {TopLevelSpec} from 'vega-lite';
import {BACKEND_NAMES} from '../shared/backend';
import {curves, figure} from '../shared/figure';
import type {CurvesOptions} from '../shared/figure';
import type {Run} from '../shared/run';
import type {NodeBackend} from '../../../test/support/backends';
import type {ImageSet} from './images/image_set';
import {BATCH_SIZE} from './training';
import type {ImagePoint} from './training';

type Axis = CurvesOptions<ImagePoint>['x'];

const TICKS = [1, 2, 5].flatMap(digit => [0.0001, 0.001, 0.01, 0.1, 1, 10, 100].map(power => digit * power));

/** Training loss above, validation error below; over epochs to the left, over time to the right. */
export function curvesFigure(runs: Run<ImagePoint>[], {title, unit}: ImageSet, backend: NodeBackend, targets: number[]): TopLevelSpec {
  const domain = (field: 'loss' | 'error'): [number, number] => {
    const values = runs.flatMap(({points}) => points.map(point => point[field]));
    return [0.9 * Math.min(...values), 1.1 * Math.max(...values)];
  };
  const column = (x: Axis, isFirst: boolean): object => ({
    vconcat: [
      curves(runs, {x, y: {field: 'loss', title: isFirst ? 'training loss (mean squared error)' : null, domain: domain('loss'), ticks: TICKS},
        targets: targets.filter(loss => loss > domain('loss')[0]), legend: null}),
      curves(runs, {x, y: {field: 'error', title: isFirst ? `validation error, ${unit}` : null, domain: domain('error'), ticks: TICKS},
        targets: [], legend: isFirst ? null : {title: 'learning rate', orient: 'top-right'}}),
    ],
    resolve: {legend: {color: 'independent'}},
  });
  return figure(`${title}: residual network without batch normalisation, batch ${BATCH_SIZE}`,
      `TensorFlow.js, ${BACKEND_NAMES[backend]}, same initial weights and batches; a dot marks the end of a run`,
      [column({field: 'epoch', title: 'epochs'}, true), column({field: 'seconds', title: 'training time (s)'}, false)]);
}
