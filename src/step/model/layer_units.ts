import {abs, cast, concat, lessEqual, max, mean, mul, reshape, square, stack, sub, sum, tidy,
  type Variable} from '@tensorflow/tfjs-core';
import {denseLayers, type DenseLayer} from '../../jacobian/plan/dense_layers';
import type {Plan} from '../../jacobian/plan/plan';
import type {BatchJacobian} from '../../jacobian/sweep/batch_jacobian';
import {matrixData, type MatrixUse} from '../../jacobian/uses/matmul';
import type {SharedUse} from '../../jacobian/uses/shared';
import {Units, type LayerUnits} from '../../jacobian/whole/units';
import type {StepDerivatives} from '../../loss/output_derivatives';
import type {Trace} from '../../trace/trace';

/** The parts of a step that its units are measured on. */
interface UnitParts {
  readonly trace: Trace;
  readonly plan: Plan;
  readonly variables: readonly Variable[];
  /** ρ of each variable. */
  readonly rhos: readonly number[];
  readonly derivatives: StepDerivatives;
  /** Whether the loss is one of residuals alone. */
  readonly areResiduals: boolean;
  /** J of the rows, or of the first of them. */
  readonly jacobian: BatchJacobian;
}

/** Sizes that count as normal. */
interface Normal {
  readonly least: number;
  readonly most: number;
}

/** Root mean squares of the inputs of a network that count as normal. */
const INPUTS: Normal = {least: 1 / 32, most: 4};

/**
 * Sizes of inner activations, and of outputs and residuals, that count as normal. An embedding
 * begins with activations of 0.03.
 */
const INNER: Normal = {least: 2 ** -10, most: 16};

/**
 * The residuals count as so many times their root mean square, beside the spread of the outputs: as
 * long as the residuals are that large, the last layer takes them, and not the units before it.
 */
const PULL = 4;

/** Examples times positions from which on a batch tells mean and deviation of a column. */
const ENOUGH = 8;

/**
 * g in [0, 1]: how far a size is beyond the normal ones. It is 0 for normal sizes, and 1 from the
 * square of their bounds on: beyond 256 for 16.
 *
 *     g = clip(log(size) / log(bound) - 1, 0, 1)
 */
export function beyond(size: number, {least, most}: Normal): number {
  const bound = size > most ? most : size > 0 && size < least ? least : 0;
  return bound === 0 ? 0 : Math.min(1, Math.log(size) / Math.log(bound) - 1);
}

/** The sizes of a layer at the present weights. */
export interface LayerSizes {
  /** Mean and deviation of each input over the batch (in). */
  readonly means: Float32Array;
  readonly deviations: Float32Array;
  /** Deviation of the layer's products, if the inputs were independent of each other. */
  readonly products: number;
  /** Positions that these are taken over. */
  readonly count: number;
  /** The root mean square over the rows of |δ|, the change of a row by that of the products. */
  readonly slopes: number;
  /** Share of the entries of δ below a thousandth of the largest. */
  readonly idle: number;
}

/** A layer that hardly learns. */
export interface IdleLayer {
  /** Name of its kernel's variable. */
  readonly kernel: string;
  /** Share of its neurons and examples that pass on no gradient. */
  readonly share: number;
}

/** The units of the layers in a step, and a layer that hardly learns. */
export interface MeasuredUnits {
  /** null if all units are one. */
  readonly units: Units | null;
  /** The first layer that hardly learns: behind it, neurons are saturated or dead. */
  readonly idle: IdleLayer | null;
}

/** Share of idle entries from which on a layer hardly learns. Half of those of a relu are idle. */
const IDLE = 0.95;

/** Share of the largest |δ| below which an entry is idle. */
const NO_SLOPE = 1e-3;

/**
 * The units of the layers whose inputs, weights, outputs or residuals are not of order one; null if
 * all are. With m_i and s_i, mean and deviation of input i of the layer, and p, the deviation of
 * its products, they are, at sizes far from one,
 *
 *     inputs of the network:          c_i = m_i,   t_i = u / s_i       from rms_i
 *     activations:                    c_i = m_i,   t_i = u / s         from rms, over all inputs
 *     u of a layer before others:     u = p
 *     u of the last layer:            u = max(4 rms(r) / rms(δ), p)    and c_i = m_i
 *                                     with residuals r, whose change by the layer's outputs is δ
 *
 * and at sizes near one c = 0 and t = u = 1. In between, c_i = g m_i, and the others have the power
 * g, see `beyond`. So the step on normalised data is that without units, and the step on raw data
 * that on normalised data nearly: the unit of a weight is the change that has an effect of order
 * one, or, if its layer makes large numbers, the change that counts beside them. As long as the
 * residuals are large, the last layer has the largest unit and takes them, so that the units before
 * it are not driven to saturation.
 *
 * Source: the factors of inputs in K-FAC (Martens & Grosse 2015), restricted to their means and
 * diagonals. The rest has no publication.
 */
export function unitsOf(parts: UnitParts): MeasuredUnits {
  const {plan, rhos, variables, derivatives, areResiduals} = parts;
  const isFree = ({kernel, bias}: DenseLayer): boolean => rhos[kernel] === 0 && (bias === null || rhos[bias] === 0);
  const layers = denseLayers(plan).filter(isFree);
  // Newton's step in an output is its residual for squares and majorizing curvatures only.
  const isNewton = derivatives.z !== null || derivatives.curvature === 'majorized';
  const residual = areResiduals && isNewton ? sizeOfResiduals(derivatives) : null;
  const sizes = layers.map(layer => sizesOf(layer, parts));
  const found = layers.map((layer, i) => layerUnits(layer, sizes[i], residual)).filter(units => units !== null);
  const idle = layers.findIndex(({isLast}, i) => !isLast && sizes[i].count >= ENOUGH && sizes[i].idle > IDLE);
  return {units: found.length === 0 ? null : new Units(found),
    idle: idle < 0 ? null : {kernel: variables[layers[idle].kernel].name, share: sizes[idle].idle}};
}

/**
 * The units of one layer, see {@link unitsOf}; null if all are one.
 *
 * @param residual root mean square of the residuals; null for a loss without residuals, whose
 *   outputs have a scale of their own.
 */
export function layerUnits(layer: DenseLayer, sizes: LayerSizes, residual: number | null): LayerUnits | null {
  const {isHidden, isLast} = layer;
  const {means, deviations, products, count, slopes} = sizes;
  const isEnough = count >= ENOUGH;
  const rms = means.map((m, i) => Math.hypot(m, deviations[i]));
  const isUnscaled = residual === null || slopes === 0;
  const size = isLast ? isUnscaled ? 1 : Math.max(PULL * residual / slopes, products) : Math.max(1, products);
  const ofOutputs = beyond(size, INNER);
  const bias = size ** ofOutputs;
  const ofActivations = isHidden ? beyond(meanSquare(rms), INNER) : 0;
  const spread = meanSquare(deviations);
  const shifts = new Float32Array(means.length);
  const weights = new Float32Array(means.length).fill(bias);
  means.forEach((m, i) => {
    // One example may well be small by chance.
    const own = !isEnough && rms[i] < 1 ? 0 : isHidden ? ofActivations : beyond(rms[i], INPUTS);
    const centred = Math.max(own, isLast ? ofOutputs : 0);
    const deviation = isEnough && layer.bias !== null ? isHidden ? spread : deviations[i] : rms[i];
    shifts[i] = isEnough && layer.bias !== null ? centred * m : 0;
    weights[i] *= deviation > 0 ? deviation ** -own : 1;
  });
  const isPlain = bias === 1 && shifts.every(c => c === 0) && weights.every(t => t === 1);
  // If squares of the inputs overflow float32, then J itself says so.
  const isFinite = [bias, ...weights].every(t => t > 0 && t < Infinity) && shifts.every(Number.isFinite);
  return isPlain || !isFinite ? null : {layer, shifts, weights, bias};
}

/** Root mean square. */
const meanSquare = (x: Float32Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);

/** The root mean square of the residuals, weighted as in the loss: Σ q²/h over Σ h, h = diag(H). */
function sizeOfResiduals({q, root}: StepDerivatives): number | null {
  if (!root.isDiagonal) {
    return null;
  }
  const s = root.applyTranspose(new Float64Array(q.length).fill(1));
  const [squares, weight] = s.reduce(([a, b], x, i) => x === 0 ? [a, b] : [a + (q[i] / x) ** 2, b + x * x], [0, 0]);
  return weight > 0 && squares < Infinity ? Math.sqrt(squares / weight) : null;
}

/** One read from the backend. */
function sizesOf(layer: DenseLayer, {trace, plan, variables, jacobian}: UnitParts): LayerSizes {
  const {analysis: {examples, strides}, sites} = plan;
  const {kernel, kernelSite, data, product} = layer;
  const {cotangents} = jacobian.uses[kernelSite] as MatrixUse | SharedUse;
  return tidy(() => {
    const a = matrixData(trace.values, sites[kernelSite].node, product, strides[data]!, examples);
    const means = mean(a, 0);
    const variances = mean(square(sub(a, means)), 0);
    const [inner] = variances.shape;
    const column = reshape(variances, product.transposed ? [1, inner] : [inner, 1]);
    const total = sum(mul(square(variables[kernel]), column));
    const pull = sum(square(cotangents));
    const slopes = abs(cotangents);
    const idle = mean(cast(lessEqual(slopes, mul(max(slopes), NO_SLOPE)), 'float32'));
    const all = concat([means, variances, stack([total, pull, idle])], 0).dataSync() as Float32Array;
    const outer = variables[kernel].size / inner;
    return {means: all.slice(0, inner), deviations: all.slice(inner, 2 * inner).map(Math.sqrt),
      products: Math.sqrt(all[2 * inner] / outer), count: a.shape[0],
      slopes: Math.sqrt(all[2 * inner + 1] / jacobian.rows), idle: all[2 * inner + 2]};
  });
}
