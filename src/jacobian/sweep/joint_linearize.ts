import {exampleView} from '../../trace/example_axis';
import {ones, reshape, tensor, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {AFFINE, ENTRYWISE, RESHAPES, SHAPE_ONLY, SHIFTS, UNBROADCAST} from '../../trace/kernel_sets';
import {withOutputShape} from '../../trace/kernel_outputs';
import {valuesOf, type TraceNode} from '../../trace/trace';
import {BatchJacobian} from './batch_jacobian';
import {convolutionOf} from '../../derivatives/kernels/convolution_geometry';
import {cotangents} from '../../derivatives/cotangents';
import {beforeActivation} from '../../derivatives/fused';
import {addTo} from '../../tfjs/accumulate';
import {broadcast, mul, shaped} from '../../tfjs/fast_ops';
import {chosenCotangent} from '../../derivatives/kernels/maxima';
import {checkMemory} from '../../tfjs/memory';
import type {Plan, Site} from '../plan/plan';
import type {SubBatch, SubBatches} from './sub_batch';
import {LARGE, sweep, type Deltas, type SweepRules} from './sweep';
import {isSpread} from '../uses/convolution';
import {formRows, formsRows, makeUse, type SiteCotangents} from '../uses/make_use';
import type {ParameterUse} from '../uses/use';

/** Whether the rows of a plan can be linearized by `jointLinearize`. */
export const isJoint = ({components, sites}: Plan): boolean =>
  components > 1 && sites.every(({kind}) => kind === 'matrix' || kind === 'convolution' || kind === 'vector');

/**
 * The same Jacobian as that of `linearize`, by one reverse sweep for all C components at once, as
 * if the batch had each of its examples C times, with another component each time. So the
 * cotangents are in the order of rows from the start, and kernels are few and large. All tensors
 * belong to the caller's scope.
 *
 * @param large see `sweep`.
 *
 * Measured: on tfjs-node a kernel costs 50 microseconds, and a small convolution little more.
 * Chunks of a small CNN with ten outputs take a fifth of the time.
 */
export function jointLinearize(cut: SubBatches, {trace, plan}: SubBatch, large = LARGE): BatchJacobian {
  const repeated = new Repeated(cut, {trace, plan});
  const deltas: Array<Tensor | null> = plan.sites.map(() => null);
  const nodes = [...plan.starts.flatMap(({node}) => node ?? []), ...plan.sweep];
  sweep(nodes, repeated.seeds(), repeated, (site, [delta]) => {
    deltas[site] = delta;
    return true;
  }, large);
  checkMemory();
  const flat = new Map<Tensor, Tensor>();
  const uses = plan.sites.map((site, i) => {
    const delta = deltas[i] ?? zerosLike(repeated.of(site.node.outputs[0]));
    const use = (own: Tensor): ParameterUse =>
      makeUse(trace.values, plan, site, cotangentsOf(repeated, site, own));
    if (delta.size !== repeated.rows * delta.shape[delta.rank - 1] || !(site.kind === 'matrix' || isAdded(site))) {
      return use(delta);
    }
    // The kernel and the bias of a layer have one tensor, also with a reshape between them, so that
    // its products are shared.
    const origin = repeated.originOf(delta);
    if (!flat.has(origin)) {
      flat.set(origin, shaped(delta, [repeated.rows, delta.size / repeated.rows]));
    }
    return use(flat.get(origin)!);
  });
  checkMemory();
  return new BatchJacobian(trace.values, plan, uses);
}

/**
 * y = f(a, ..), element by element: the cotangents are δ ∘ ∂f/∂a, with one ∂f/∂a for all
 * components.
 */

/**
 * The values of a sub-batch as if it had each example C times in a row. They are made on demand.
 */
class Repeated implements SweepRules {
  /** n: the repeated examples. */
  readonly rows: number;
  /**
   * By value index: tensors without entries, which have the shapes of the repeated values. Values
   * that all examples share are the tensors themselves.
   */
  private readonly shapes: readonly Tensor[];
  private readonly made = new Map<number, Tensor>();
  /** Cotangents by the reshaped cotangents that were made of them. */
  private readonly origins = new Map<Tensor, Tensor>();

  constructor(private readonly cut: SubBatches, readonly part: SubBatch) {
    const {trace, plan} = part;
    this.rows = plan.analysis.examples * plan.components;
    this.shapes = trace.values.map((t, value) => cut.has(value) ? emptyOf(cut.shapeOf(value, this.rows), t) : t);
  }

  get values(): readonly Tensor[] {
    return this.part.trace.values;
  }

  of(value: number): Tensor {
    const {trace, plan: {analysis: {examples, strides}, components}} = this.part;
    const t = trace.values[value];
    if (!this.cut.has(value)) {
      return t;
    }
    let known = this.made.get(value);
    // A tensor that was made in the scope of a node of the sweep ends with that node.
    if (known === undefined || known.isDisposed) {
      const stride = strides[value]!;
      const [before] = exampleView(t.size, stride, examples);
      const repeated = broadcast(reshape(t, [before, examples, 1, stride]), [before, examples, components, stride]);
      known = reshape(repeated, this.shapes[value].shape);
      this.made.set(value, known);
    }
    return known;
  }

  /** Some values, with the inputs and outputs of a node repeated. */
  around(node: TraceNode, values = this.values): Tensor[] {
    const own = [...values];
    valuesOf(node).forEach(value => own[value] = this.of(value));
    return own;
  }

  /** The cotangents of row (b, c) of each block: a one at component c. */
  seeds(): Map<number, Tensor> {
    const {plan} = this.part;
    const seeds = new Map<number, Tensor>();
    let first = 0;
    plan.blocks.forEach(({value}, b) => {
      const width = plan.perExample[b];
      const data = new Float32Array(this.rows * width);
      for (let example = 0; example < plan.analysis.examples; example++) {
        for (let k = 0; k < width; k++) {
          data[(example * plan.components + first + k) * width + k] = 1;
        }
      }
      first += width;
      addTo(seeds, value, tensor(data, this.shapes[value].shape));  // several terms may have one residual
    });
    return seeds;
  }

  /** The first cotangent with the same elements. */
  originOf(delta: Tensor): Tensor {
    return this.origins.get(delta) ?? delta;
  }

  beforeActivation(node: TraceNode, delta: Tensor): Tensor {
    if ((node.attrs['activation'] ?? 'linear') === 'linear') {
      return delta;
    }
    const y = this.values[node.outputs[0]];
    return this.scaled(delta, beforeActivation(this.values, node, ones(y.shape)), node.outputs[0]);
  }

  cotangents(node: TraceNode, deltas: Deltas, names: readonly string[]): Tensor[] {
    const {cut, values, shapes} = this;
    const isData = (value: number): boolean => cut.has(value);
    const operands = node.inputs.filter(([, value]) => isData(value));
    const here = withOutputShape(node, shapes[node.outputs[0]].shape);
    const isSum = UNBROADCAST.has(node.kernel) ? AFFINE.has(node.kernel) :
      SHIFTS.has(node.kernel) && operands.every(([, value]) => sameShape(shapes[value], deltas[0]!));
    if (isSum || (SHAPE_ONLY.has(node.kernel) && operands.length === 1)) {
      const passed = cotangents(shapes, here, deltas, names);
      if (RESHAPES.has(node.kernel)) {
        this.origins.set(passed[0], this.originOf(deltas[0]!));
      }
      return passed;
    }
    const output = node.outputs[0];
    const isFull = ([name, value]: TraceNode['inputs'][number]): boolean =>
      !names.includes(name) || sameShape(values[value], values[output]);
    if (ENTRYWISE.has(node.kernel) && node.inputs.every(isFull)) {
      return cotangents(values, node, [ones(values[output].shape)], names)
          .map(factor => this.scaled(deltas[0]!, factor, output));
    }
    const chosen = this.chosen(node, deltas[0]);
    if (chosen !== null) {
      return [chosen];
    }
    return cotangents(this.around(node, shapes), here, deltas, names);
  }

  /**
   * The cotangent of the input of a kernel that chooses entries of it, by the choices, which are
   * the same for all components; null for other kernels.
   */
  private chosen(node: TraceNode, delta: Tensor | null): Tensor | null {
    const {analysis: {examples, strides}} = this.part.plan;
    const [x, y] = [node.inputs[0][1], node.outputs[0]];
    const isLeading = [x, y].every(value => strides[value]! * examples === this.values[value].size);
    return delta === null || !isLeading ? null : chosenCotangent(node, this.values[x], this.values[y], delta, examples);
  }

  /** δ ∘ f with one factor f for all components of an example, of the shape of a value. */
  private scaled(delta: Tensor, factor: Tensor, value: number): Tensor {
    const {analysis: {examples, strides}, components} = this.part.plan;
    const stride = strides[value]!;
    const [before] = exampleView(factor.size, stride, examples);
    const all = shaped(delta, [before, examples, components, stride]);
    const one = shaped(factor, [before, examples, 1, stride]);
    return shaped(mul(all, one), delta.shape);
  }
}

const sameShape = (a: Tensor, b: Tensor): boolean => a.shape.join() === b.shape.join();

/** A tensor of which only the shape is read. */
const emptyOf = (shape: number[], {dtype}: Tensor): Tensor =>
  ({shape, dtype, rank: shape.length, size: shape.reduce((a, b) => a * b, 1)}) as Tensor;

/** Whether a parameter is added to the data. The values of the data do not matter then. */
const isAdded = ({name, node}: Site): boolean => name === 'bias' || SHIFTS.has(node.kernel);

/**
 * The cotangents of a site of all components at once.
 *
 * @param delta in front of a fused activation.
 */
function cotangentsOf(repeated: Repeated, site: Site, delta: Tensor): SiteCotangents {
  const {part: {trace, plan}, rows: all} = repeated;
  const rows = (): Tensor => {
    const values = isAdded(site) ? trace.values : repeated.around(site.node);
    const convolution = site.convolution === null ? null : convolutionOf(values, site.node);
    return formRows(values, plan.analysis.strides, {...site, convolution}, delta, all);
  };
  return {byComponent: [], rows: formsRows(site) && !isSpread(trace, plan, site) ? rows() : null,
    inRows: form => form(delta, all)};
}
