import {neg, ones, reshape, stack, tensor, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../capture/trace';
import {BatchJacobian} from './batch_jacobian';
import {beforeActivation, cotangents, sumTo} from './cotangents';
import {add} from './kernels';
import type {Plan, Site, SweepStep} from './plan';
import {FallbackUse} from './uses/fallback';
import {gatherUse} from './uses/gather';
import {matrixUse} from './uses/matmul';
import type {ParameterUse} from './uses/use';
import {elementwiseRows, VectorUse} from './uses/vector';

type Deltas = ReadonlyArray<Tensor | null>;

/**
 * Linearizes the rows of a trace: one reverse sweep per output component, through activations only, stopping
 * where a parameter joins the data. What the sweeps leave at those sites is the batch Jacobian.
 *
 * All tensors belong to the caller's scope.
 */
export function linearize(trace: Trace, plan: Plan): BatchJacobian {
  /** By site, then component: the cotangents of the outputs of the site's node. */
  const found: Array<Array<Deltas | null>> = plan.sites.map(() => Array<Deltas | null>(plan.components).fill(null));
  let component = 0;
  plan.blocks.forEach((block, b) => {
    for (let k = 0; k < plan.perExample[b]; k++, component++) {
      const seed = unitCotangent(trace.values[block.value], plan.analysis.batch, k);
      const {step, rows} = plan.starts[b];
      for (const {site, value, negative} of rows) {
        const delta = sumTo(seed, trace.values[value].shape);
        found[site][component] = [negative ? neg(delta) : delta];
      }
      if (rows.length === 0) {
        const steps = step === null ? plan.steps : [step, ...plan.steps];
        sweep(trace, steps, block.value, seed, (site, deltas) => found[site][component] = deltas);
      }
    }
  });
  const byRow = new RowOrder(plan.analysis.batch);
  const uses = plan.sites.map((site, i) => makeUse(trace, plan, site, found[i], byRow));
  return new BatchJacobian(trace.values, plan, uses);
}

/** δ with a one at component k of every example, of the shape of the rows [B, ...]. */
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

function sweep(trace: Trace, steps: readonly SweepStep[], root: number, seed: Tensor, found: (site: number, deltas: Deltas) => void): void {
  const known = new Map([[root, seed]]);
  for (const {node, plain, names, values, sites} of steps) {
    let deltas: Deltas = node.outputs.map(output => known.get(output) ?? null);
    if (deltas.every(delta => delta === null)) {
      continue;
    }
    if (plain !== node) {
      deltas = [beforeActivation(trace.values, node, deltas[0]!)];
    }
    sites.forEach(site => found(site, deltas));
    if (names.length > 0) {
      cotangents(trace.values, plain, deltas, names).forEach((cotangent, i) => {
        const before = known.get(values[i]);
        known.set(values[i], before === undefined ? cotangent : add(before, cotangent));
      });
    }
    // Held by the sites that need it; the tensor itself goes with the caller's scope.
    node.outputs.forEach(output => known.delete(output));
  }
}

function makeUse(trace: Trace, plan: Plan, site: Site, deltas: ReadonlyArray<Deltas | null>, byRow: RowOrder): ParameterUse {
  const {batch, strides} = plan.analysis;
  const {node, name} = site;
  const output = node.outputs[0];
  const zeros = (): Tensor => zerosLike(trace.values[output]);
  if (site.kind === 'fallback') {
    return new FallbackUse(trace.values, node, name, strides, batch, deltas.map(d => d ?? node.outputs.map(() => null)));
  }
  const first = deltas.map(d => d === null ? zeros() : d[0]!);
  if (site.kind === 'matrix') {
    const data = node.inputs.find(([n]) => n === site.matrix!.data)![1];
    return matrixUse(trace.values, node, site.matrix!, strides[data]!, strides[output]!, batch, first,
        parts => byRow.join(parts));
  }
  if (site.kind === 'gather') {
    return gatherUse(trace.values, node, strides, batch, first);
  }
  const rows = site.kind === 'row' ? first.map(d => reshape(d, [batch, -1])) :
      first.map(d => elementwiseRows(trace.values, node, name, site.shape, d, strides[output]!, batch));
  return new VectorUse(byRow.join(rows), batch, plan.components);
}

/**
 * Brings one tensor [B·s, f] per component into the order of rows, [B·C·s, f]; the same parts give the same
 * tensor, so that products of it are shared.
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
