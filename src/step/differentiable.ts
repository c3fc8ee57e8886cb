import {add, mul, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {allFinite} from '../tfjs/all_finite';
import {CUSTOM_GRAD, keepBackward, savedBy} from '../trace/custom_grad';
import {kernelsThat} from '../trace/kernel_facts';
import {replayAll} from '../trace/replay';
import type {Trace, TraceNode} from '../trace/trace';
import {isNonFinite} from '../errors';
import {upstream} from '../trace/dependence';
import {pseudoRandom} from '../arrays/pseudo_random';
import {collect, pullByRules, sweepBack} from '../derivatives/reverse_sweep';
import {outputFunction} from '../loss/functions/output_function';
import type {FunctionLoss} from '../loss/functions/output_loss';
import type {Rows} from '../loss/rows';
import {substitutesFor} from './decrease';

const TAME = kernelsThat('tame');

/**
 * Whether the rows and the rest of the loss have a derivative at other weights, as the next step will need it: false at a pole, or where x^c is 0 with x near 0 although the loss is finite
 * there. One reverse sweep of the trace at those weights, from random numbers in the place of the rows, so that no derivative is hidden behind a residual of 0. Losses that are
 * functions of outputs need two derivatives in these.
 *
 * Nothing is computed where every kernel of the trace is tame.
 *
 * @param moved the other weights of each variable.
 * @param isSquared whether squares of the derivatives must be finite, too, as in a Gram matrix of float32.
 */
export function isDifferentiable(trace: Trace, rows: Rows, moved: readonly Tensor[], isSquared: boolean): boolean {
  const {head, dependence: {dependent, variables, variableOf}} = rows;
  const onTheWay = (values: readonly number[]): TraceNode[] => {
    const needed = upstream(trace, values);
    return trace.nodes.filter(node => node.outputs.some(output => needed.has(output) && dependent[output]));
  };
  const isRisky = (some: readonly TraceNode[]): boolean => some.some(node => !isTame(node, dependent));
  const functions = head.losses.filter(loss => loss.kind === 'function');
  const nodes = onTheWay(seedsOf(trace, rows).map(([value]) => value));
  const all = onTheWay([...seedsOf(trace, rows), ...functions.flatMap(({terms}) => terms)].map(([value]) => value));
  if (!isRisky(all)) {
    return true;
  }
  const isOnce = (values: readonly Tensor[]): boolean => {
    const seeds = new Map<number, Tensor>();
    for (const [value, seed] of seedsOf(trace, rows)) {
      seeds.set(value, seeds.has(value) ? add(seeds.get(value)!, seed()) : seed());
    }
    const gradient = [...collect(sweepBack(values, nodes, seeds, value => dependent[value], pullByRules), variableOf.keys(), variableOf).values()];
    return allFinite(isSquared ? gradient.map(t => mul(t, t)) : gradient);
  };
  let isFinite = false;
  tidy(() => {
    const wanted = [...new Set(all.flatMap(node => [...node.inputs.map(([, value]) => value), ...node.outputs, ...savedBy(node)]))];
    const values = [...trace.values];
    replayAll(trace, substitutesFor(trace, variables, moved), wanted).forEach((t, i) => values[wanted[i]] = t);
    all.forEach(node => node.kernel === CUSTOM_GRAD && keepBackward(trace.values[node.outputs[0]], values[node.outputs[0]]));
    isFinite = functions.every(loss => isTwice(trace, values, dependent, loss)) && (!isRisky(nodes) || isOnce(values));
  });
  return isFinite;
}

/** Whether a function of outputs has two finite derivatives in them at other values of the trace. */
function isTwice(trace: Trace, values: readonly Tensor[], dependent: readonly boolean[], loss: FunctionLoss): boolean {
  const moved = Object.create(trace, {values: {value: values}}) as Trace;
  try {
    outputFunction(moved, dependent, loss, values[loss.blocks[0].value].shape[0] ?? 1);
  } catch (error) {
    if (isNonFinite(error)) {
      return false;
    }
    throw error;
  }
  return true;
}

function isTame({kernel, inputs}: TraceNode, dependent: readonly boolean[]): boolean {
  return TAME.has(kernel) || (kernel === 'RealDiv' && inputs.every(([name, value]) => name === 'a' || !dependent[value]));
}

/** Cotangents of what the rows are read from, of the terms of losses that are functions of outputs, and of what is no row. */
function seedsOf(trace: Trace, {blocks, head, dependence: {dependent}}: Rows): Array<readonly [number, () => Tensor]> {
  const sources = blocks.flatMap(({value, difference}) => difference === null ? [value] : trace.nodes[difference].inputs.map(([, input]) => input));
  // At a residual of 0 a loss may have a corner: `outputFunction` knows its derivative.
  const terms = head.losses.flatMap(loss => loss.kind === 'function' && !loss.isResidual ? loss.terms : []);
  return [
    ...sources.filter(value => dependent[value]).map(value => [value, () => tensor(pseudoRandom(trace.values[value].size), trace.values[value].shape)] as const),
    ...[...terms, ...head.extra].map(([value, seed]) => [value, () => seed] as const),
  ];
}
