import type {Tensor} from '@tensorflow/tfjs-core';
import {downstream, upstream, type Dependence} from '../../trace/dependence';
import {blockOf} from '../functions/row_block';
import {closedFormOf, type FunctionTerm, type OutputTerm} from '../functions/output_term';
import {ClosedTerms} from './closed_terms';
import {fallsWithoutEnd} from './lower_bound';
import type {OtherTerm, Square, Weight} from './terms';
import {CutFinder, type OutputCut} from './output_cut';
import type {Trace} from '../../trace/trace';

/** The functions of outputs in a loss. */
interface OutputTerms<S> {
  readonly outputTerms: readonly OutputTerm[];
  /** Squares that became part of them: those of values behind their outputs, as in Huber's loss. */
  readonly taken: readonly S[];
  /** Terms that are linear in outputs and part of no function of them. */
  readonly linear: readonly OtherTerm[];
  /** A term (value index) behind whose outputs a variable enters; null if there is none. */
  readonly unknown: number | null;
}

/**
 * Makes functions of outputs from the terms of a loss that are no squares. Terms of the kinds in
 * `CLOSED_KINDS` become closed forms in their outputs. All other terms become general functions,
 * one for all terms that share outputs.
 */
export function readOutputTerms<S extends Pick<Square, 'value' | 'block' | 'weight' | 'inner'>>(trace: Trace,
    dependence: Dependence, terms: readonly OtherTerm[], squares: readonly S[],
    asTensor: (weight: Weight, value: number) => Tensor): OutputTerms<S> {
  if (terms.length === 0) {
    return {outputTerms: [], taken: [], linear: [], unknown: null};
  }
  const finder = new CutFinder(trace, dependence, trace.outputs.length > 0 ? trace.outputs : null);
  const known = new ClosedTerms(trace, dependence, finder);
  const parts = partsOf(known.take(terms), finder);
  if ('unknown' in parts) {
    return {outputTerms: [], taken: [], linear: [], unknown: parts.unknown};
  }
  const closed = known.joined();
  const taken: S[] = [];
  const linear: OtherTerm[] = [];
  const weighted = (some: readonly OtherTerm[]): Array<readonly [number, Tensor]> =>
    some.map(({value, weight}) => [value, asTensor(weight, value)]);
  const functionOf = (cut: OutputCut, own: readonly OtherTerm[], beside: readonly OtherTerm[]): FunctionTerm => {
    const all = weighted(own);
    for (const square of squares) {
      const isCut = square.block.difference === null && cut.outputs.includes(square.block.value);
      if (!isCut && square.inner === 0 && !taken.includes(square) &&
          finder.reachedFrom([square.value], cut.outputs) !== null) {
        taken.push(square);
        all.push([square.value, asTensor(square.weight, square.value)]);
      }
    }
    return {kind: 'function', blocks: cut.outputs.map(blockOf), terms: all, beside: weighted(beside),
      isResidual: cut.isResidual, residual: cut.residual,
      areLogits: cut.outputs.every(output => known.shared.has(output))};
  };
  const isCurved = ({outputs, terms: all}: Part): boolean => !all.every(({value}) => finder.isLinearIn(outputs, value));
  const hasOthers = squares.length + closed.length > 0 || parts.some(isCurved);
  // The trace clips the probabilities of logits, and the step does not. So a replay of the trace
  // does not tell whether a loss falls without end beside them.
  const areBesideLogits = (outputs: readonly number[]): boolean => {
    const related = new Set([...downstream(trace, outputs), ...upstream(trace, outputs)]);
    return closed.some(term => closedFormOf(term).areLogits && term.blocks.some(({value}) => related.has(value)));
  };
  const functions = parts.flatMap(({outputs, terms: all}): FunctionTerm[] => {
    // Terms that are linear in outputs have a gradient and no curvature, and stay beside the rows.
    // If they belong to a function, as the residual in log cosh r = r + softplus(-2r) - log 2, they
    // are part of it.
    const curved = all.filter(({value}) => !finder.isLinearIn(outputs, value));
    const cutOf = (some: readonly OtherTerm[]): OutputCut => finder.refine(outputs, some.map(({value}) => value));
    if (curved.length === 0) {
      // If they fall without end beside other terms, they need rows, whose curvature bounds the
      // step.
      if (hasOthers && !areBesideLogits(outputs) &&
          fallsWithoutEnd(trace, dependence, weighted(all), outputs) !== null) {
        return [functionOf({outputs, isResidual: false, residual: null}, all, [])];
      }
      linear.push(...all);
      return [];
    }
    // If only the curved terms have residuals, the linear terms must not hide them.
    const isBeside = curved.length < all.length && !cutOf(all).isResidual && cutOf(curved).isResidual;
    const beside = all.filter(term => isBeside && !curved.includes(term));
    linear.push(...beside);
    return [functionOf(cutOf(isBeside ? curved : all), isBeside ? curved : all, beside)];
  });
  return {outputTerms: [...closed, ...functions], taken, linear, unknown: null};
}

/** Terms that share outputs. */
interface Part {
  readonly outputs: readonly number[];
  readonly terms: readonly OtherTerm[];
}

/**
 * Collects terms by the outputs that they share; or `unknown`, a term (value index) without
 * outputs.
 */
function partsOf(terms: readonly OtherTerm[], finder: CutFinder): Part[] | {readonly unknown: number} {
  const parts: Part[] = [];
  for (const term of terms) {
    const outputs = finder.outputsOf(term.value);
    if (outputs === null) {
      return {unknown: term.value};
    }
    const shared = parts.filter(part => part.outputs.some(output => outputs.includes(output)));
    shared.forEach(part => parts.splice(parts.indexOf(part), 1));
    parts.push({outputs: [...new Set([...shared.flatMap(part => part.outputs), ...outputs])].sort((a, b) => a - b),
      terms: [...shared.flatMap(part => part.terms), term]});
  }
  return parts;
}
