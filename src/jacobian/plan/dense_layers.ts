import {RESHAPES, SUMS} from '../../trace/kernel_sets';
import {isLinear} from '../../trace/dependence';
import {inputOf} from '../../trace/trace';
import type {MatrixSite, Plan} from './plan';

/** A dense layer of a plan: a kernel W [in, out] that meets data a once, a W + b. */
export interface DenseLayer {
  /** Index of the kernel's variable. */
  readonly kernel: number;
  /** Shape of the kernel: [in, out], or [out, in] if `product` says so. */
  readonly shape: readonly [number, number];
  /** Index of the bias' variable; null without a bias [out] that is used once. */
  readonly bias: number | null;
  /** Indices of their sites. */
  readonly kernelSite: number;
  readonly biasSite: number | null;
  readonly product: MatrixSite;
  /** Value index of a. */
  readonly data: number;
  /** Whether a depends on trained variables. */
  readonly isHidden: boolean;
  /** Whether the rows are linear in the outputs of the layer, as those of the last layer are. */
  readonly isLast: boolean;
  /** Value index of the product a W. */
  readonly output: number;
}

/** The layers of each plan, found once. */
const known = new WeakMap<Plan, DenseLayer[]>();

/**
 * The dense layers whose kernels and biases are variables themselves, used once each. Other layers
 * (recurrent ones, shared ones, convolutions) are not among them.
 */
export function denseLayers(plan: Plan): DenseLayer[] {
  const layers = known.get(plan) ?? findLayers(plan);
  known.set(plan, layers);
  return layers;
}

function findLayers(plan: Plan): DenseLayer[] {
  const {sites, bySite, analysis: {variables, dependent}} = plan;
  /** The variable of a site that is its only one, with so many axes; null for other sites. */
  const variableAt = (site: number, rank: number): number | null => {
    const {kind, variables: [v]} = sites[site].parameter;
    return kind === 'direct' && bySite[v].sites.length === 1 && variables[v].rank === rank ? v : null;
  };
  return sites.flatMap((site, kernelSite): DenseLayer[] => {
    const kernel = site.matrix === null ? null : variableAt(kernelSite, 2);
    if (site.matrix === null || kernel === null) {
      return [];
    }
    const found = biasOf(plan, kernelSite);
    const [output] = site.node.outputs;
    const bias = found === null ? null : variableAt(found, 1);
    const biasSite = bias === null ? null : found;
    const data = inputOf(site.node, site.matrix.data);
    const last = biasSite === null ? output : sites[biasSite].node.outputs[0];
    return [{
      kernel, shape: variables[kernel].shape as [number, number], bias, kernelSite, biasSite, product: site.matrix,
      data, output, isHidden: dependent[data], isLast: isLinearFrom(plan, [output, last]),
    }];
  });
}

/** The site of the bias that is added to the product of a site, by the same node or behind it. */
function biasOf({sites, sweep}: Plan, product: number): number | null {
  const {node} = sites[product];
  const outputs = new Set(node.outputs);
  for (const {node: other} of [...sweep].reverse()) {
    if (RESHAPES.has(other.kernel) && outputs.has(other.inputs[0][1])) {
      other.outputs.forEach(output => outputs.add(output));
    }
  }
  const found = sites.findIndex(({kind, node: other, name}) => kind === 'vector' && (other === node ? name === 'bias' :
    SUMS.has(other.kernel) && other.inputs.some(([, value]) => outputs.has(value))));
  return found < 0 ? null : found;
}

/** Whether the rows are linear in some values, a product and its sum with the bias. */
function isLinearFrom({sweep, analysis}: Plan, values: readonly number[]): boolean {
  const reached = new Set(values);
  return [...sweep].reverse().every(({node}) => {
    const isOwn = node.outputs.some(value => values.includes(value));
    if (!isOwn && !node.inputs.some(([, value]) => reached.has(value))) {
      return true;
    }
    node.outputs.forEach(output => reached.add(output));
    return (node.attrs['activation'] ?? 'linear') === 'linear' && (isOwn || isLinear(node, analysis));
  });
}
