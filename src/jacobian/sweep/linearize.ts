import {neg, ones, reshape, stack, tensor, tidy, zeros, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import {BatchJacobian} from './batch_jacobian';
import {forwardJacobian} from './forward_jacobian';
import {jointLinearize} from './joint_linearize';
import {sumTo} from '../../tfjs/fast_ops';
import {checkMemory} from '../../tfjs/memory';
import type {Plan, Site} from '../plan/plan';
import {SubBatches} from './sub_batch';
import {LARGE, plainRules, sweep, type Deltas} from './sweep';
import {filterDelta, filterUse, isSpread} from '../uses/convolution';
import {formRows, formsRows, makeUse, type SiteCotangents} from '../uses/make_use';

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
 * @param large entries from which a cotangent is disposed of before the sweep ends.
 */
export function linearizeByComponent(trace: Trace, all: Plan, from = 0, to = all.components,
    large = LARGE): BatchJacobian {
  const plan = {...all, components: to - from};
  const {examples} = plan.analysis;
  const byRow = new RowOrder(examples);
  /** The cotangents of each site, by component. */
  const found: Array<Array<Found | null>> = plan.sites.map(() => Array<Found | null>(plan.components).fill(null));
  const spread = plan.sites.map(site => isSpread(trace, plan, site));
  let first = -from;
  plan.blocks.forEach((block, b) => {
    const width = plan.perExample[b];
    for (let k = Math.max(0, -first); k < Math.min(width, plan.components - first); k++) {
      const component = first + k;
      const seed = unitCotangent(trace.values[block.value], examples, k);
      const {node, rows} = plan.starts[b];
      for (const {site, value, negative} of rows) {
        const delta = sumTo(seed, trace.values[value].shape);
        const formed = rowsAtOnce(trace, plan, plan.sites[site], negative ? neg(delta) : delta, large)!;
        found[site][component] = {deltas: null, rows: formed};
      }
      if (rows.length === 0) {
        const nodes = node === null ? plan.sweep : [node, ...plan.sweep];
        sweep(nodes, new Map([[block.value, seed]]), plainRules(trace.values), (site, deltas) => {
          const rows = spread[site] ? null : rowsAtOnce(trace, plan, plan.sites[site], deltas[0]!, large);
          found[site][component] = rows === null ? {deltas, rows} : {deltas: null, rows};
          return rows === null || deltas.includes(rows);  // the rows of a bias may be the cotangents themselves
        }, large);
      }
      checkMemory();
    }
    first += width;
  });
  const uses = plan.sites.map((site, i) =>
    makeUse(trace.values, plan, site, joined(trace, plan, site, found[i], byRow, spread[i])));
  checkMemory();
  return new BatchJacobian(trace.values, plan, uses);
}

/**
 * The rows of a site, formed during the sweep, if they are small against the cotangents that they
 * are made of; otherwise null.
 */
function rowsAtOnce(trace: Trace, plan: Plan, site: Site, delta: Tensor, large: number): Tensor | null {
  const {node, convolution} = site;
  const {examples, strides} = plan.analysis;
  if (formsRows(site)) {
    const form = (): Tensor => formRows(trace.values, strides, site, delta, examples);
    return convolution !== null || delta.size >= large ? tidy(form) : form();
  }
  const rows = examples * trace.values[site.parameter.value].size;
  // The patches of the data serve all components: of several components the rows are formed later.
  if (convolution === null || plan.components > 1 || rows > delta.size) {
    return null;
  }
  // Returned in a list: no other tensor of the use may outlive the tidy.
  const [found] = tidy(() => {
    const kept = filterUse(trace.values, node, convolution, filterDelta(convolution, delta), 1, examples).keptRows();
    return kept === null ? [] : [kept];
  });
  return found ?? null;
}

/** The cotangents [B, ...] of some rows with a one at component k of every example. */
function unitCotangent(rows: Tensor, examples: number, k: number): Tensor {
  const perExample = rows.size / examples;
  if (perExample === 1) {
    return ones(rows.shape);
  }
  const data = new Float32Array(rows.size);
  for (let i = k; i < data.length; i += perExample) {
    data[i] = 1;
  }
  return tensor(data, rows.shape);
}

/** The cotangents of a site by component as those of all components. */
function joined({values}: Trace, {analysis: {examples}}: Plan, site: Site, found: ReadonlyArray<Found | null>,
    byRow: RowOrder, isSpread: boolean): SiteCotangents {
  const {node: {outputs}, parameter} = site;
  const isFormed = (formsRows(site) && !isSpread) || found.some(one => one?.rows != null);
  const empty = (): Tensor => zeros([examples, values[parameter.value].size]);
  const byComponent = found.map(one => one?.deltas ?? outputs.map(() => null));
  return {byComponent, rows: isFormed ? byRow.join(found.map(one => one?.rows ?? empty())) : null,
    inRows: form => byRow.join(byComponent.map(([delta]) => form(delta ?? zerosLike(values[outputs[0]]), examples)))};
}

/**
 * Joins one tensor [B·s, f] for each component to one tensor [B·C·s, f] in the order of rows. The
 * same parts give the same tensor, so that its products are shared.
 */
class RowOrder {
  private readonly joined = new Map<string, Tensor>();

  constructor(private readonly examples: number) {}

  join(parts: readonly Tensor[]): Tensor {
    if (parts.length === 1) {
      return parts[0];
    }
    const key = parts.map(part => part.id).join();
    let rows = this.joined.get(key);
    if (rows === undefined) {
      const [positions, features] = [parts[0].shape[0] / this.examples, parts[0].shape[1]!];
      rows = reshape(stack(parts.map(part => reshape(part, [this.examples, positions, features])), 1), [-1, features]);
      this.joined.set(key, rows);
    }
    return rows;
  }
}
