import {mul, sum, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {addTo} from '../../tfjs/accumulate';
import {allFinite} from '../../tfjs/all_finite';
import {CUSTOM_GRAD, keepBackward, savedBy} from '../../trace/custom_grad';
import {factsOf} from '../../trace/kernel_facts';
import {TAME} from '../../trace/kernel_sets';
import {replayAll} from '../../trace/replay';
import {valuesOf, type Trace, type TraceNode} from '../../trace/trace';
import {isNonFinite} from '../../errors';
import {upstream} from '../../trace/dependence';
import {pseudoRandom} from '../../arrays/pseudo_random';
import {collect, pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import {outputFunction} from '../../loss/functions/output_function';
import type {FunctionTerm} from '../../loss/functions/output_term';
import {rootsOf} from '../../loss/functions/row_block';
import type {Rows} from '../../loss/rows';
import {substitutesFor} from './decrease';

/**
 * Whether the rows and the rest of the loss have finite derivatives at other weights, as the next
 * step needs them. At a pole they do not, or at x^c with x near 0, although the loss is finite.
 *
 * One reverse sweep of the trace at those weights tells it. The sweep starts from random cotangents
 * of the rows, from 1 to 2 in size, so that no derivative is hidden behind a small residual. Losses
 * that are functions of outputs need two derivatives in the outputs. If every kernel of the trace
 * is tame, then nothing is computed.
 *
 * @param moved the other weights of each variable.
 * @param isSquared whether the sum of the squares of the derivatives must be finite, too, as in a
 * Gram matrix of float32.
 */
export function isDifferentiable(trace: Trace, rows: Rows, moved: readonly Tensor[], isSquared: boolean): boolean {
  const {dependence: {dependent, variables, variableOf}} = rows;
  const functions = functionsOf(rows);
  const all = nodesOfDerivatives(trace, rows);
  if (areTame(all, dependent)) {
    return true;
  }
  const nodes = onTheWay(trace, rows, seedsOf(trace, rows).map(([value]) => value));
  const isOnce = (values: readonly Tensor[]): boolean => {
    const seeds = new Map<number, Tensor>();
    seedsOf(trace, rows).forEach(([value, seed]) => addTo(seeds, value, seed()));
    const cotangents = sweepBack(values, nodes, seeds, value => dependent[value], pullByRules);
    const gradient = [...collect(cotangents, variableOf.keys(), variableOf).values()];
    return allFinite(isSquared ? gradient.map(t => sum(mul(t, t))) : gradient);
  };
  let isFinite = false;
  tidy(() => {
    const wanted = [...new Set(all.flatMap(node => [...valuesOf(node), ...savedBy(node)]))];
    const values = [...trace.values];
    replayAll(trace, substitutesFor(trace, variables, moved), wanted).forEach((t, i) => values[wanted[i]] = t);
    for (const {outputs: [output]} of all.filter(({kernel}) => kernel === CUSTOM_GRAD)) {
      keepBackward(trace.values[output], values[output]);
    }
    isFinite = functions.every(term => isTwice(trace, values, dependent, term)) &&
        (areTame(nodes, dependent) || isOnce(values));
  });
  return isFinite;
}

/**
 * Whether the loss may be finite at weights at which its derivatives are not. It is not, but for
 * overflow, if every kernel of the trace is tame.
 */
export const mayLackDerivatives = (trace: Trace, rows: Rows): boolean =>
  !areTame(nodesOfDerivatives(trace, rows), rows.dependence.dependent);

/** All nodes that the derivatives of the loss go through. */
const nodesOfDerivatives = (trace: Trace, rows: Rows): TraceNode[] => onTheWay(trace, rows,
    [...seedsOf(trace, rows), ...functionsOf(rows).flatMap(({terms}) => terms)].map(([value]) => value));

/** The nodes that lead from the weights to values of the trace. */
function onTheWay(trace: Trace, {dependence: {dependent}}: Rows, values: readonly number[]): TraceNode[] {
  const needed = upstream(trace, values);
  return trace.nodes.filter(node => node.outputs.some(output => needed.has(output) && dependent[output]));
}

const functionsOf = ({head: {outputTerms}}: Rows): FunctionTerm[] =>
  outputTerms.filter(term => term.kind === 'function');

/**
 * Whether a function of outputs has two finite derivatives in the outputs, at other values of the
 * trace.
 */
function isTwice(trace: Trace, values: readonly Tensor[], dependent: readonly boolean[], term: FunctionTerm): boolean {
  const moved = Object.create(trace, {values: {value: values}}) as Trace;
  try {
    outputFunction(moved, dependent, term, values[term.blocks[0].value].shape[0] ?? 1);
  } catch (error) {
    if (isNonFinite(error)) {
      return false;
    }
    throw error;
  }
  return true;
}

const areTame = (nodes: readonly TraceNode[], dependent: readonly boolean[]): boolean =>
  nodes.every(node => isTame(node, dependent));

/**
 * Whether a node has finite derivatives. A quotient has them if its divisor does not depend on the
 * weights.
 */
function isTame({kernel, inputs}: TraceNode, dependent: readonly boolean[]): boolean {
  const factors = factsOf(kernel)?.factors;
  return TAME.has(kernel) ||
      (factors !== undefined && inputs.every(([name, value]) => factors.includes(name) || !dependent[value]));
}

/**
 * Seeds of the sweep, by value: of the values that the rows are read from, of the terms that
 * are functions of outputs, and of the terms that are no rows.
 */
function seedsOf(trace: Trace, {blocks, head, dependence: {dependent}}: Rows): Array<readonly [number, () => Tensor]> {
  const noise = (value: number): Tensor =>
    tensor(pseudoRandom(trace.values[value].size).map(x => x < 0 ? x - 1 : x + 1), trace.values[value].shape);
  // At a residual of 0 a loss may have a corner, whose derivative only `outputFunction` knows.
  const terms = head.outputTerms.flatMap(term => term.kind === 'function' && !term.isResidual ? term.terms : []);
  return [
    ...rootsOf(trace, blocks).filter(value => dependent[value]).map(value => [value, () => noise(value)] as const),
    ...[...terms, ...head.extra].map(([value, seed]) => [value, () => seed] as const),
  ];
}
