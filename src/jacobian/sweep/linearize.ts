import {neg, ones, reshape, stack, tensor, tidy, zeros, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import {BatchJacobian} from './batch_jacobian';
import {channelsLast} from '../../derivatives/kernels/convolution';
import {forwardJacobian} from './forward_jacobian';
import {jointLinearize} from './joint_linearize';
import {sumTo} from '../../tfjs/fast_ops';
import {checkMemory} from '../../tfjs/memory';
import type {Plan, Site} from '../plan/plan';
import {SubBatches} from './sub_batch';
import {LARGE, plainRules, sweep} from './sweep';
import type {Deltas} from './sweep';
import {filterDelta, filterRows, filterUse, isByComponent, isSpread, transposedUse} from '../uses/convolution';
import {FallbackUse} from '../uses/fallback';
import {gatherUse} from '../uses/gather';
import {matrixDelta, matrixUse} from '../uses/matmul';
import {RowsUse} from '../uses/rows';
import type {ParameterUse} from '../uses/use';
import {elementwiseRows, VectorUse} from '../uses/vector';

/**
 * The result of the sweep of one component at a site: the cotangents of the outputs of its node, or
 * the rows that were made of the cotangents during the sweep.
 */
type Found = {readonly deltas: Deltas; readonly rows: null} | {readonly deltas: null; readonly rows: Tensor};

/**
 * Linearizes the rows of a trace by reverse sweeps through the activations, one for each component,
 * or one for all components if the layers are dense. A sweep ends at the sites, at which parameters
 * join the data. The cotangents at the sites are the batch Jacobian. If the plan says so, forward
 * sweeps take the place of the reverse sweeps.
 *
 * All tensors belong to the caller's scope.
 */
export function linearize(trace: Trace, plan: Plan): BatchJacobian {
  if (plan.forward !== undefined) {
    return forwardJacobian(trace, plan);
  }
  const isDense = plan.sites.every(({kind}) => kind === 'matrix' || kind === 'vector');
  const cut = plan.components > 1 && isDense ? SubBatches.of(trace, plan) : null;
  return cut === null ? linearizeByComponent(trace, plan) : jointLinearize(cut, {trace, plan});
}

/**
 * Linearizes the rows by one reverse sweep for each component. A sweep holds no more cotangents
 * than those of one component, beside the cotangents that the sites keep.
 *
 * @param from the first component of the rows that are wanted.
 * @param to the component behind the last.
 */
export function linearizeByComponent(trace: Trace, all: Plan, from = 0, to = all.components): BatchJacobian {
  const plan = {...all, components: to - from};
  const {batch} = plan.analysis;
  const byRow = new RowOrder(batch);
  /** By site, then component. */
  const found: Array<Array<Found | null>> = plan.sites.map(() => Array<Found | null>(plan.components).fill(null));
  const spread = plan.sites.map(site => isSpread(trace, plan, site));
  let first = -from;
  plan.blocks.forEach((block, b) => {
    const width = plan.perExample[b];
    for (let k = Math.max(0, -first); k < Math.min(width, plan.components - first); k++) {
      const component = first + k;
      const seed = unitCotangent(trace.values[block.value], batch, k);
      const {step, rows} = plan.starts[b];
      for (const {site, value, negative} of rows) {
        const delta = sumTo(seed, trace.values[value].shape);
        found[site][component] = {deltas: [negative ? neg(delta) : delta], rows: null};
      }
      if (rows.length === 0) {
        const steps = step === null ? plan.steps : [step, ...plan.steps];
        sweep(steps, new Map([[block.value, seed]]), plainRules(trace.values), (site, deltas) => {
          const rows = spread[site] ? null : rowsAtOnce(trace, plan, plan.sites[site], deltas);
          found[site][component] = rows === null ? {deltas, rows} : {deltas: null, rows};
          return rows === null || deltas.includes(rows);  // the rows of a bias may be the cotangents themselves
        });
      }
      checkMemory();
    }
    first += width;
  });
  const uses = plan.sites.map((site, i) => makeUse(trace, plan, site, found[i], byRow, spread[i]));
  checkMemory();
  return new BatchJacobian(trace.values, plan, uses);
}

/**
 * The rows of a site, formed during the sweep, if they are small against the cotangents that they
 * are made of; otherwise null.
 */
function rowsAtOnce(trace: Trace, plan: Plan, site: Site, deltas: Deltas): Tensor | null {
  const {node, name, kind, convolution} = site;
  const {batch, strides} = plan.analysis;
  if (kind === 'vector') {
    const stride = strides[node.outputs[0]]!;
    const form = (): Tensor => elementwiseRows(trace.values, node, name, site.shape, deltas[0]!, stride, batch);
    return deltas[0]!.size >= LARGE ? tidy(form) : form();
  }
  if (convolution === null) {
    return null;
  }
  if (isByComponent(convolution)) {
    return tidy(() => filterRows(trace.values, node, convolution, deltas[0]!, batch));
  }
  if (plan.components > 1) {
    return null;  // the patches of the data serve all components
  }
  const rows = batch * trace.values[site.parameter.value].size;
  if (rows > deltas[0]!.size) {
    return null;
  }
  // Returned in a list: no other tensor of the use may outlive the tidy.
  const [found] = tidy(() => {
    const kept = filterUse(trace.values, node, convolution, filterDelta(convolution, deltas[0]!), 1, batch).keptRows();
    return kept === null ? [] : [kept];
  });
  return found ?? null;
}

/** The cotangents [B, ...] of some rows with a one at component k of every example. */
function unitCotangent(rows: Tensor, batch: number, k: number): Tensor {
  const perExample = rows.size / batch;
  if (perExample === 1) {
    return ones(rows.shape);
  }
  const data = new Float32Array(rows.size);
  for (let i = k; i < data.length; i += perExample) {
    data[i] = 1;
  }
  return tensor(data, rows.shape);
}

function makeUse(trace: Trace, plan: Plan, site: Site, found: ReadonlyArray<Found | null>, byRow: RowOrder, isSpread: boolean): ParameterUse {
  const {batch, strides} = plan.analysis;
  const {node, name, convolution} = site;
  const output = node.outputs[0];
  const size = trace.values[site.parameter.value].size;
  const rowsOf = (f: Found | null): Tensor => f?.rows ?? zeros([batch, size]);
  const deltas = found.map(f => f?.deltas ?? null);
  if (site.kind === 'fallback') {
    return new FallbackUse(trace.values, node, name, strides, batch, deltas.map(d => d ?? node.outputs.map(() => null)));
  }
  if (site.kind === 'vector') {
    return new VectorUse(byRow.join(found.map(rowsOf)), batch, plan.components);
  }
  if (convolution !== null && isSpread) {
    const cotangents = deltas.map(d => channelsLast(convolution, d?.[0] ?? zerosLike(trace.values[output])));
    return transposedUse(trace.values, node, convolution, byRow.join(cotangents.map(d => reshape(d, [batch, d.size / batch]))), plan.components, batch);
  }
  if (convolution !== null) {
    return isByComponent(convolution) || found[0]?.rows != null ? new RowsUse(byRow.join(found.map(rowsOf)), batch, plan.components) :
        filterUse(trace.values, node, convolution, byRow.join(deltas.map(d => filterDelta(convolution, d?.[0] ?? zerosLike(trace.values[output])))),
            plan.components, batch);
  }
  const first = deltas.map(d => d?.[0] ?? zerosLike(trace.values[output]));
  if (site.kind === 'matrix') {
    const data = node.inputs.find(([n]) => n === site.matrix!.data)![1];
    return matrixUse(trace.values, node, site.matrix!, strides[data]!, batch, byRow.join(first.map(d => matrixDelta(d, site.matrix!, strides[output]!, batch))),
        plan.components);
  }
  if (site.kind === 'gather') {
    return gatherUse(trace.values, node, strides, batch, first);
  }
  return new VectorUse(byRow.join(first.map(d => reshape(d, [batch, -1]))), batch, plan.components);
}

/**
 * Joins one tensor [B·s, f] for each component to one tensor [B·C·s, f] in the order of rows. The
 * same parts give the same tensor, so that its products are shared.
 */
class RowOrder {
  private readonly joined = new Map<string, Tensor>();

  constructor(private readonly batch: number) {}

  join(parts: readonly Tensor[]): Tensor {
    if (parts.length === 1) {
      return parts[0];
    }
    const key = parts.map(part => part.id).join();
    let rows = this.joined.get(key);
    if (rows === undefined) {
      const [positions, features] = [parts[0].shape[0] / this.batch, parts[0].shape[1]!];
      rows = reshape(stack(parts.map(part => reshape(part, [this.batch, positions, features])), 1), [-1, features]);
      this.joined.set(key, rows);
    }
    return rows;
  }
}
