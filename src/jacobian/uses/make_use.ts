import {reshape, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {inputOf} from '../../trace/trace';
import type {BatchStride} from '../../trace/example_axis';
import type {Values} from '../../derivatives/cotangents';
import {channelsLast} from '../../derivatives/kernels/convolution';
import type {Plan, Site} from '../plan/plan';
import {filterDelta, filterRows, filterUse, isByComponent, transposedUse} from './convolution';
import {elementwiseRows} from './elementwise';
import {FallbackUse} from './fallback';
import {gatherUse} from './gather';
import {matrixDelta, matrixUse} from './matmul';
import {RowsUse} from './rows';
import type {ParameterUse} from './use';

/** The cotangents δ of the outputs of a site's node, for all components. */
export interface SiteCotangents {
  /** The dense rows [n, |p|], if they were formed in the place of δ; else null. */
  readonly rows: Tensor | null;
  /**
   * δ by component, then by output of the node; null if the component does not depend on the
   * output. The list is empty if one sweep was of all components.
   */
  readonly byComponent: ReadonlyArray<ReadonlyArray<Tensor | null>>;
  /**
   * A matrix made of δ of the first output, in the order of rows.
   *
   * @param form makes it of the cotangent of some examples: [examples·s, f].
   */
  inRows(form: (delta: Tensor, examples: number) => Tensor): Tensor;
}

/** The use of a site, in the form that its kind of kernel allows. */
export function makeUse(values: Values, {analysis: {examples, strides}, components}: Plan, site: Site,
    found: SiteCotangents): ParameterUse {
  const {node, name, kind, matrix, convolution} = site;
  const [output] = node.outputs;
  if (found.rows !== null) {
    return new RowsUse(found.rows, examples, components, convolution === null);
  }
  if (matrix !== null) {
    const data = inputOf(node, matrix.data);
    const deltas = found.inRows((delta, examples) => matrixDelta(delta, matrix, strides[output]!, examples));
    return matrixUse(values, node, matrix, strides[data]!, examples, deltas, components);
  }
  if (convolution !== null && isByComponent(convolution)) {
    const deltas = found.inRows((delta, examples) => reshape(channelsLast(convolution, delta), [examples, -1]));
    return transposedUse(values, node, convolution, deltas, components, examples);
  }
  if (convolution !== null) {
    const deltas = found.inRows(delta => filterDelta(convolution, delta));
    return filterUse(values, node, convolution, deltas, components, examples);
  }
  if (kind === 'gather') {
    const deltas = found.byComponent.map(([delta]) => delta ?? zerosLike(values[output]));
    return gatherUse(values, node, strides, examples, deltas);
  }
  return new FallbackUse(values, node, name, strides, examples, found.byComponent);
}

/**
 * Whether the rows of a site are formed of its cotangents at once: they are small, or they are
 * those of a filter of which each component needs its own patches.
 */
export const formsRows = ({kind, convolution}: Site): boolean =>
  kind === 'vector' || kind === 'row' || (convolution !== null && isByComponent(convolution));

/** The dense rows of some examples, [examples, |p|], from their cotangents. */
export function formRows(values: Values, strides: readonly BatchStride[], site: Site, delta: Tensor,
    examples: number): Tensor {
  const {node, name, kind, shape, convolution} = site;
  return convolution !== null ? filterRows(values, node, convolution, delta, examples) :
    kind === 'row' ? reshape(delta, [examples, -1]) :
    elementwiseRows(values, node, name, shape, delta, strides[node.outputs[0]]!, examples);
}
