import {mul, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {dot, norm, total, totalSize} from '../../arrays/vectors';
import {firstBeta, nextEvidence, NO_EVIDENCE, type Evidence, type EvidenceFacts,
  type EvidenceState} from '../../policy/evidence';
import type {OutputDerivatives} from '../../loss/functions/loss_derivatives';
import {directionsOfPrior, logDeterminant, type RelativeCurvature} from '../../solve/relative_evidence';
import type {Ridge} from '../../systems/ridge';

/**
 * The part of each variable: a layer with its bias. Variables of a layer share the first part of
 * their name, before '/'. Other variables of rank 0 and 1 belong to the variable before them.
 */
export function partsOf(variables: ReadonlyArray<Pick<Variable, 'name' | 'rank'>>): number[] {
  const layers = new Map<string, number>();
  let count = 0;
  return variables.map(({name, rank}) => {
    const [layer, ...rest] = name.split('/');
    if (rest.length > 0) {
      if (!layers.has(layer)) {
        layers.set(layer, count++);
      }
      return layers.get(layer)!;
    }
    return count > 0 && rank < 2 ? count - 1 : count++;
  });
}

/** The rows of a loss of squares. */
type SquaredRows = Pick<OutputDerivatives, 'root'> & {readonly z: Float64Array};

/**
 * A Gaussian prior of the weights w_g of each part g, at 0, beside noise of the targets:
 *
 *     ½|z|² + ½ Σ_g λ_g |w_g|²      λ_g = α α⁰_g s̄²/β,      s̄² the mean of s_i² over the rows
 *
 * α and β have the units of the weights and of the targets. The prior adds ρ_g = λ_g/2 to the loss,
 * as an L2 regularizer does.
 */
export class Prior {
  /** ρ_g for α/β = 1. */
  readonly unitRidge: Ridge;
  private readonly state: EvidenceState;
  private readonly facts: Pick<EvidenceFacts, 'rows' | 'squares' | 'logWeights' | 'weights'>;

  /**
   * @param parts the part of each variable, see {@link partsOf}.
   * @param state the state of the evidence before the step.
   */
  constructor(private readonly variables: readonly Variable[], private readonly parts: readonly number[],
      {z, root}: SquaredRows, state: EvidenceState) {
    const weights = root.apply(new Float64Array(root.n).fill(1)).filter(s => s > 0).map(s => s * s);  // s_i²
    const rows = weights.length;
    const mean = total(weights) / rows;
    const squares = dot(z, z) / mean;
    const isBegun = state.beta > 0 && state.firstAlphas.length === Math.max(...parts) + 1;
    this.state = isBegun ? state : {...NO_EVIDENCE, fingerprint: state.fingerprint,
      firstAlphas: firstAlphasOf(variables, parts), beta: firstBeta(rows, squares)};
    const {firstAlphas} = this.state;
    this.unitRidge = this.ridge(firstAlphas.map(alpha => alpha * mean / 2));
    this.facts = {
      rows, squares, logWeights: weights.reduce((sum, x) => sum + Math.log(x / mean), 0),
      weights: variables.reduce((sum, variable, v) => sum + firstAlphas[parts[v]] * squaresOf(variable), 0),
    };
  }

  /**
   * The evidence of the step, the prior that it is solved with, and the state after it.
   *
   * @param relative the curvature relative to that of `unitRidge`; null if it is not known.
   */
  update(relative: RelativeCurvature | null):
      {readonly penalty: Penalty; readonly evidence: Evidence | null; readonly next: EvidenceState} {
    const {state, facts, variables, unitRidge} = this;
    const {evidence, next} = nextEvidence(state, {
      ...facts,
      directionsOfPrior: lambda => relative === null ? null : directionsOfPrior(relative, facts.rows, lambda),
      logDeterminant: lambda => relative === null ? null : logDeterminant(relative, lambda),
    });
    const lambda = next.alpha / next.beta;
    return {evidence, next, penalty: new Penalty(variables, this.ridge(unitRidge.distinct.map(rho => lambda * rho)))};
  }

  /** @param distinct ρ by part. */
  private ridge(distinct: readonly number[]): Ridge {
    return {distinct, partOf: this.parts, rhos: this.parts.map(g => distinct[g])};
  }
}

/** Σ ρ_v |w_v|², which counts with the loss. */
export class Penalty {
  constructor(private readonly variables: readonly Variable[], readonly ridge: Ridge) {}

  /** The gradient 2ρ_v w_v of the penalty, by variable. */
  gradient(): Tensor[] {
    return this.variables.map((variable, v) => mul(variable, 2 * this.ridge.rhos[v]));
  }

  /** The decrease of the penalty by a move to w̃, in float64. */
  decrease(moved: readonly Tensor[]): number {
    return this.variables.reduce((all, variable, v) => {
      const [before, after] = [variable, moved[v]].map(t => t.dataSync());
      let decrease = 0;
      for (let i = 0; i < before.length; i++) {
        decrease += (before[i] - after[i]) * (before[i] + after[i]);
      }
      return all + this.ridge.rhos[v] * decrease;
    }, 0);
  }
}

/**
 * α⁰ of each part: the number of its weights of rank 2 and more over the sum of their squares.
 * If a part has no such weights, its weights of all ranks count. A part of zeros has the mean α⁰ of
 * the other parts.
 */
function firstAlphasOf(variables: readonly Variable[], parts: readonly number[]): number[] {
  const alphaOf = (members: readonly Variable[]): number => {
    const squares = members.reduce((sum, variable) => sum + squaresOf(variable), 0);
    return squares > 0 ? totalSize(members) / squares : NaN;
  };
  const alphas = Array.from({length: Math.max(...parts) + 1}, (_, g) => {
    const members = variables.filter((_, v) => parts[v] === g);
    const own = alphaOf(members.filter(({rank}) => rank > 1));
    return Number.isNaN(own) ? alphaOf(members) : own;
  });
  const known = alphas.filter(x => x > 0 && x < Infinity);
  const others = known.length === 0 ? 1 : known.reduce((sum, x) => sum + x, 0) / known.length;
  return alphas.map(x => x > 0 && x < Infinity ? x : others);
}

/** Σ w², in float64. */
const squaresOf = (variable: Variable): number => norm(variable.dataSync()) ** 2;
