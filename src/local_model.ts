import {mul, sum, tensor, tidy, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {conjugateProblem, sampleOf, traceOfPieces} from './cg_problem';
import type {Clock} from './clock';
import {ggnError} from './errors';
import {factorizeHere} from './factorize';
import {ChunkedJacobian} from './jacobian/chunked_jacobian';
import type {Piece} from './jacobian/chunked_jacobian';
import type {JacobianOperator} from './jacobian/frozen_statistics';
import {add, addScaled} from './jacobian/kernels';
import type {OutputDerivatives} from './losses/squared_error';
import {formNormalParts} from './normal_parts';
import type {ForEachRows, NormalParts} from './normal_parts';
import {diagonalRoot} from './solve/curvature_root';
import {gramProblem} from './solve/damped_gram';
import type {DampedGramStep, GramGroup} from './solve/damped_gram';
import {dampedStep} from './solve/damped_step';
import type {DampedProblem, DampedStepResult, Solution} from './solve/damped_step';
import {traceOf} from './solve/damping';
import {normalProblem} from './solve/normal_equations';
import type {NormalProblem, NormalStep} from './solve/normal_equations';
import {addProduct} from './solve/product';
import type {Scaling} from './solve/scaling';
import type {SystemName} from './solve/system';
import {flatten, split, sumOfSquares} from './variable_vector';

/** |J d - predicted| over |predicted| above which a step with little damping counts as lost to float32. */
const PRECISION = 0.02;

/** Share of trace(G)|q|² below which |g|² from a float32 Gram matrix is what rounding left over. */
const CANCELLATION = 1e-5;

/** Share of the curvature that a loss could have, by which λ is scaled at least: cross-entropies come to it at probabilities of 2.4e-4. */
const LEAST_CURVATURE = 2 ** -10;

/** The Jacobian that a step is solved with. */
export interface Linearization {
  readonly jacobian: JacobianOperator;
  /** Σ J_v J_vᵀ by group of variables, n x n; formed when asked for. */
  grams(): readonly Float64Array[];
  /** The rows of J [n, m], m over all variables, in chunks; formed when asked for. */
  readonly forEachRows: ForEachRows;
  /** The rows as operators, for conjugate gradients. */
  readonly pieces: readonly Piece[];
}

/** What a local model is made of. */
export interface LocalModelParts {
  readonly variables: readonly Variable[];
  /** Trained parameters that the rows depend on. */
  readonly parameters: number;
  /** ρ of each variable. */
  readonly rhos: readonly number[];
  readonly linearization: Linearization;
  readonly loss: OutputDerivatives;
  /** L. */
  readonly value: number;
  /** e by variable: the gradient of everything in the loss that is not a row. */
  readonly extra: ReadonlyArray<Tensor | null>;
  /** d_prev by variable. */
  readonly previous: ReadonlyArray<Tensor | null>;
  readonly solver: SystemName;
  /** Of the damping, in the normal equations; the Gram system has Levenberg's. */
  readonly scaling: Scaling;
}

/** A solved step d, by variable. */
export interface ModelStep {
  readonly d: readonly Tensor[];
  /** qᵀJd: what the rows make of the slope. */
  readonly slope: number;
  /** dᵀJᵀHJd. */
  readonly curvature: number;
  /** |d|; not finite only where a trial decides on the step. */
  readonly norm: number;
}

/**
 * The quadratic model of the loss at the weights,
 *
 *     L(w + s) ≈ L(w) + gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s,        g = Jᵀq + e,   H = S Sᵀ
 *
 * and its damped minimisers, in the space of the rows (`gram`) or in that of the parameters (`normal`).
 *
 * All tensors belong to the caller's scope.
 */
export class LocalModel {
  readonly rows: number;
  private readonly distinct: readonly number[];
  private readonly groupOf: readonly number[];
  /** Whether the system is of the size of the parameters. */
  private readonly isNormal: boolean;
  private previousByGroup: Array<Float64Array | null> | null = null;
  private extraByGroup: Array<Float64Array | null> | null = null;
  private normal: (NormalParts & OfParameters) | null = null;
  private operator: OfParameters | null = null;
  private problem: {readonly momentum: number; readonly damped: DampedProblem<Solution>} | null = null;
  private readonly formed = new Map<Solution, Tensor[]>();

  constructor(private readonly parts: LocalModelParts, private readonly clock: Clock) {
    const {linearization, rhos, solver} = parts;
    this.rows = linearization.jacobian.rows;
    this.distinct = [...new Set(rhos)];
    this.groupOf = rhos.map(rho => this.distinct.indexOf(rho));
    this.isNormal = solver !== 'gram';
  }

  /** The part of the loss that the rows make: ½|z|² for squares, else all of it. */
  get lossOfRows(): number {
    const {loss: {z}, value} = this.parts;
    return z === null ? Math.abs(value) : dot(z, z) / 2;
  }

  /** Group of each variable: those with the same ρ. */
  static groups(rhos: readonly number[]): number[] {
    const distinct = [...new Set(rhos)];
    return rhos.map(rho => distinct.indexOf(rho));
  }

  /** m over all variables. */
  private get width(): number {
    return this.parts.variables.reduce((m, variable) => m + variable.size, 0);
  }

  /**
   * a = -⟨z, SᵀJ d_prev⟩ / (|z| |SᵀJ d_prev|), see `Policy.observe`; null where there is no last step, or one of the two vectors is zero. Without z,
   * a = -⟨q, J d_prev⟩ / (|q| |J d_prev|), which is the same where S is a multiple of the identity.
   */
  agreement(): number | null {
    const change = this.parts.solver === 'normal' ? this.normalParts().previousChange : this.previousChange().reduce<Float64Array | null>((total, part) => total === null ? part : part === null ? total :
      total.map((x, i) => x + part[i]), null);
    if (change === null) {
      return null;
    }
    const {z, q, root} = this.parts.loss;
    const [pull, moved] = z === null ? [q, change] : [z, root.applyTranspose(change)];
    const scale = Math.sqrt(dot(pull, pull)) * Math.sqrt(dot(moved, moved));
    return scale > 0 && scale < Infinity ? -dot(pull, moved) / scale : null;
  }

  /**
   * The damped minimiser d, with more damping than asked where less does not work; d is null where none does.
   *
   * @param isTried whether a trial decides on the step. Then it is not compared with its prediction: near a minimum, J d is a small rest of large
   * terms, and to be right to 2 % of it takes so much damping that training stops, long before the loss stops falling. And a step that overflows float32 is for the
   * trial to refuse, which costs more damping and no exception.
   */
  solve(damping: number, momentum: number, isTried: boolean): DampedStepResult<Solution> & {readonly step: ModelStep | null} {
    const {parameters, loss, linearization} = this.parts;
    const verify = (solution: Solution): boolean => agrees(linearization.jacobian.apply(this.form(solution)).dataSync(), (solution as DampedGramStep).change);
    const result = this.clock.time('solve', () => dampedStep(this.problemOf(momentum),
        {damping, rows: loss.weighted, parameters, leastTrace: LEAST_CURVATURE * this.mostTrace(), ...(this.isNormal || isTried ? {} : {verify})}));
    if (result.solution === null) {
      const status = result.status === 'flat' && this.gradientNorm() > 0 ? 'noCurvature' : result.status;
      return {...result, status, step: null};
    }
    const d = this.form(result.solution);
    const norm = this.clock.time('update', () => Math.sqrt(sumOfSquares(d)));
    if (!Number.isFinite(norm) && !isTried) {
      throw ggnError(`the step is not finite (norm ${norm}): float32 overflowed. The weights are unchanged; scale the data, or use ` +
          'more damping.');
    }
    return {...result, step: {d, norm, ...this.alongRows(result.solution)}};
  }

  private alongRows(solution: Solution): Pick<ModelStep, 'slope' | 'curvature'> {
    const {loss: {q, root}} = this.parts;
    if ('groups' in solution) {
      const {change} = solution as DampedGramStep;
      const curved = root.applyTranspose(change);
      return {slope: dot(q, change), curvature: dot(curved, curved)};
    }
    const {step, curvature} = solution as NormalStep;
    return {slope: dot(this.ofParameters().gradient, step), curvature};
  }

  /** -(gᵀs + ½ sᵀ(JᵀHJ + 2ρ)s) for s = scale · d: what the model says the loss decreases by. Without λ, which is no part of the loss. */
  predictedDecrease({d, slope, curvature}: ModelStep, scale: number): number {
    const {extra, rhos} = this.parts;
    d.forEach((t, v) => {
      const e = extra[v];
      slope += e === null ? 0 : sum(mul(e, t)).dataSync()[0];
      curvature += rhos[v] === 0 ? 0 : 2 * rhos[v] * sumOfSquares([t]);
    });
    return -scale * (slope + scale * curvature / 2);
  }

  /** |g|, without a product of the size of the weights where the Gram matrix is at hand: g² = qᵀGq + 2 qᵀJe + |e|². */
  gradientNorm(): number {
    const {loss: {q}, extra, linearization} = this.parts;
    if (this.isNormal) {
      const whole = this.wholeGradient();
      return Math.sqrt(dot(whole, whole));
    }
    const ofRows = new Float64Array(q.length);  // J(Jᵀq + 2e)
    linearization.grams().forEach(gram => addProduct(1, gram, q, ofRows));
    for (const product of this.extraChange()) {
      product?.forEach((x, i) => ofRows[i] += 2 * x);
    }
    const present = extra.filter(t => t !== null);
    const squared = dot(q, ofRows) + (present.length === 0 ? 0 : sumOfSquares(present));
    const scale = linearization.grams().reduce((bound, gram) => bound + traceOf(gram, this.rows), 0) * dot(q, q);
    return squared > CANCELLATION * scale ? Math.sqrt(squared) : Math.sqrt(sumOfSquares(this.gradient()));
  }

  /** g by variable. */
  private gradient(): Tensor[] {
    const {linearization: {jacobian}, loss: {q}, extra, variables} = this.parts;
    return jacobian.applyTranspose(tensor(Float32Array.from(q), [this.rows])).map((part, v) => {
      const e = extra[v];
      return part === null ? e ?? zerosLike(variables[v]) : e === null ? part : add(part, e);
    });
  }

  /**
   * The trace that the curvature of the loss can reach over what it has, at least 1; null for losses that keep theirs.
   *
   * @param momentum of the coming step, as far as it is known: its system is formed once.
   */
  headroom(momentum: number): number | null {
    const most = this.mostTrace();
    if (most === 0) {
      return null;
    }
    const {trace} = this.problemOf(momentum);
    return !(trace >= 0) ? null : Math.max(1, most / Math.max(trace, LEAST_CURVATURE * most));
  }

  /**
   * The trace that the curvature of the loss could reach. Where all examples are saturated on the wrong side, cross-entropies pull with full
   * force and have no curvature left: λ = τ · trace would go to zero with it, and the step to infinity. So a share of this counts as the trace at least.
   */
  private mostTrace(): number {
    const {loss: {most}, linearization} = this.parts;
    if (most === undefined || most === null) {
      return 0;
    }
    if (this.parts.solver === 'normal') {
      return this.normalParts().most.reduce((sum, x) => sum + x, 0);
    }
    if (this.parts.solver === 'cg') {
      const chunked = new ChunkedJacobian(linearization.pieces);
      return this.clock.time('gram', () => traceOfPieces(chunked.forEach.bind(chunked), diagonalRoot(most.map(Math.sqrt)), this.groupOf));
    }
    let trace = 0;
    linearization.grams().forEach(gram => most.forEach((bound, i) => trace += bound * gram[i * (this.rows + 1)]));
    return trace;
  }

  /** trace(C(C + λI)⁻¹), C = SᵀJJᵀS; on demand. Holds on to the system of the last solve, and to nothing else of the model. */
  effectiveDimension(lambda: number): () => number {
    const {damped} = this.problem!;
    return () => damped.trace === 0 ? 0 : damped.effectiveDimension(lambda);
  }

  /**
   * What the model says that the loss would decrease by without damping, ½ gᵀ(JᵀHJ + 2ρ)⁻¹g, or with as little as float32 allows; on demand. NaN where no system
   * could be solved, with conjugate gradients, and in the Gram system with regularizers. Holds on to what `effectiveDimension` does, and to vectors.
   */
  undampedDecrease(): () => number {
    const {damped} = this.problem!;
    const {parameters, loss: {q, root, weighted: rows}, extra, rhos} = this.parts;
    const ofRows = (change: Float64Array): number => {
      const curved = root.applyTranspose(change);
      return -dot(q, change) - dot(curved, curved) / 2;
    };
    if (!this.isNormal) {
      const isOfRows = extra.every(t => t === null) && rhos.every(rho => rho === 0);
      return () => {
        const {solution, status} = withoutTensors(() => dampedStep(damped, {damping: 0, rows, parameters}));
        return !isOfRows ? NaN : solution === null ? status === 'flat' ? 0 : NaN : ofRows((solution as DampedGramStep).change);
      };
    }
    if (this.parts.solver === 'cg') {
      return () => NaN;
    }
    const [gradient, rho] = [this.wholeGradient(), this.rhoOfAll()];
    return () => {
      const solution = withoutTensors(() => (damped as NormalProblem).undamped());
      return !solution.ok ? NaN : solution.step.reduce((decrease, d, j) => decrease - gradient[j] * d - rho[j] * d * d, -solution.curvature / 2);
    };
  }

  /** ρ by parameter. */
  private rhoOfAll(): Float64Array {
    const rho = new Float64Array(this.width);
    let from = 0;
    this.parts.variables.forEach(({size}, v) => {
      rho.fill(this.parts.rhos[v], from, from += size);
    });
    return rho;
  }

  private problemOf(momentum: number): DampedProblem<Solution> {
    if (this.problem?.momentum !== momentum) {
      this.problem = {momentum, damped: (!this.isNormal ? this.gramOf(momentum) : this.parts.solver === 'cg' ? this.conjugateOf(momentum) : this.normalOf(momentum))};
    }
    return this.problem.damped;
  }

  private gramOf(momentum: number): DampedProblem<DampedGramStep> {
    const {linearization, loss: {root, z, q}} = this.parts;
    const previous = momentum === 0 ? null : this.previousChange();
    const extra = this.extraChange();
    const grams = linearization.grams();
    const groups = this.distinct.map((rho, g): GramGroup => ({rho, gram: grams[g], previous: previous?.[g] ?? null, extra: extra[g]}));
    return gramProblem({n: this.rows, groups, root, residual: z === null ? {q} : {z}, momentum, factorize: factorizeHere()});
  }

  private normalOf(momentum: number): DampedProblem<NormalStep> {
    const {previous, scaling, variables} = this.parts;
    const {matrix, isFloat32, most} = this.normalParts();
    const leastDiagonal = most.map(x => LEAST_CURVATURE * x);
    const last = momentum === 0 || previous.every(t => t === null) ? null : flatten(previous, variables);
    return normalProblem({m: this.width, matrix, gradient: this.wholeGradient(), rho: this.rhoOfAll(), previous: last, momentum, scaling, leastDiagonal, isFloat32,
      ...(isFloat32 ? {factorize: factorizeHere()} : {})});
  }

  private conjugateOf(momentum: number): DampedProblem<NormalStep> {
    const {linearization: {pieces}, loss: {root}, rhos, variables} = this.parts;
    const chunked = new ChunkedJacobian(pieces);
    const forEachPiece = chunked.forEach.bind(chunked);
    const {previous} = this.ofParameters();
    // The first piece stands for all: where examples are in no order, it is a sample like any.
    const sample = this.clock.time('linearize', () => {
      const {jacobian, plan} = pieces[0].linearize();
      return {jacobian: sampleOf(jacobian, plan.components), from: 0};
    });
    const trace = this.clock.time('gram', () => traceOfPieces(forEachPiece, root, this.groupOf));
    return conjugateProblem({variables, rows: this.rows, forEachPiece, sample, trace, root, gradient: this.wholeGradient(), rhos,
      previous: momentum === 0 ? null : previous, momentum, start: previous});
  }

  /** The gradient and the vectors beside the rows, in the space of the parameters. */
  private ofParameters(): OfParameters {
    if (this.parts.solver === 'normal') {
      return this.normalParts();
    }
    const {variables, linearization: {jacobian}, loss: {q}} = this.parts;
    return this.operator ??= {...this.beside(), gradient: this.clock.time('gram', () =>
      flatten(jacobian.applyTranspose(tensor(Float32Array.from(q), [this.rows])), variables))};
  }

  private beside(): Pick<OfParameters, 'extra' | 'previous'> {
    const {extra: e, variables, previous: d} = this.parts;
    const previous = d.every(t => t === null) ? null : flatten(d, variables);
    checkFinite(previous === null ? [] : [previous], BAD_PREVIOUS);
    const extra = e.every(t => t === null) ? null : flatten(e, variables);
    checkFinite(extra === null ? [] : [extra], BAD_EXTRA);
    return {extra, previous};
  }

  private normalParts(): NormalParts & OfParameters {
    if (this.normal === null) {
      const {linearization, loss: {q, root, most}} = this.parts;
      const beside = this.beside();
      this.normal = {...beside, ...this.clock.time('gram', () => formNormalParts(linearization.forEachRows, this.rows, this.width, root, q, beside.previous, most ?? null))};
    }
    return this.normal;
  }

  /** g (m). */
  private wholeGradient(): Float64Array {
    const {gradient, extra} = this.ofParameters();
    return extra === null ? gradient : gradient.map((x, j) => x + extra[j]);
  }

  /** J_g d_prev by group of variables. */
  private previousChange(): Array<Float64Array | null> {
    return this.previousByGroup ??= this.applyByGroup(this.parts.previous, BAD_PREVIOUS);
  }

  /** J_g e by group of variables. */
  private extraChange(): Array<Float64Array | null> {
    return this.extraByGroup ??= this.applyByGroup(this.parts.extra, BAD_EXTRA);
  }

  /** J_g x for each group of variables; null where x is zero on the whole group. */
  private applyByGroup(x: ReadonlyArray<Tensor | null>, message: string): Array<Float64Array | null> {
    const products = this.clock.time('gram', () => this.distinct.map((_, g) => {
      const part = x.map((t, v) => this.groupOf[v] === g ? t : null);
      return part.every(t => t === null) ? null : Float64Array.from(this.parts.linearization.jacobian.apply(part).dataSync());
    }));
    checkFinite(products, message);
    return products;
  }

  private form(solution: Solution): Tensor[] {
    if (!this.formed.has(solution)) {
      this.formed.set(solution, this.clock.time('update', () => 'groups' in solution ? this.pull(solution as DampedGramStep) :
        split((solution as NormalStep).step, this.parts.variables)));
    }
    return this.formed.get(solution)!;
  }

  /** d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients. */
  private pull(solution: DampedGramStep): Tensor[] {
    const {groupOf} = this;
    const {linearization: {jacobian}, variables, previous, extra} = this.parts;
    const pulled: Array<Tensor | null> = groupOf.map(() => null);
    solution.groups.forEach((group, g) => {
      const u = tensor(Float32Array.from(group.coefficients, x => -x), [this.rows]);
      jacobian.applyTranspose(u, v => groupOf[v] === g).forEach((part, v) => pulled[v] = part ?? pulled[v]);
    });
    const hasExtra = extra.some(t => t !== null);
    const adds = solution.groups.map(group =>
      ({previous: group.previousScale === 0 ? null : addScaled(group.previousScale), extra: hasExtra ? addScaled(group.extraScale) : null}));
    return variables.map((variable, v) => {
      const more = adds[groupOf[v]];
      let d = pulled[v];
      for (const [t, addTo] of [[previous[v], more.previous], [extra[v], more.extra]] as const) {
        if (t !== null && addTo !== null) {
          d = addTo(d, t);
        }
      }
      return d ?? zerosLike(variable);
    });
  }
}

const BAD_PREVIOUS = 'the last step in the state of the optimizer is not finite. Load another checkpoint, or compile the model with a new ggn()';

interface OfParameters {
  /** Jᵀq (m). */
  readonly gradient: Float64Array;
  /** e (m); null where it is zero. */
  readonly extra: Float64Array | null;
  /** d_prev (m); null where there is none. */
  readonly previous: Float64Array | null;
}

const BAD_EXTRA = 'the gradient of a regularizer is not finite. Check its strength, and that it has a derivative at ' +
    'these weights (a norm has none at 0)';

function checkFinite(vectors: ReadonlyArray<Float64Array | null>, message: string): void {
  if (vectors.some(vector => vector !== null && !vector.every(Number.isFinite))) {
    throw ggnError(`${message}. No step was taken.`);
  }
}

/** What run() returns, which holds no tensors: a factorization may be one, of a scope that a call from outside a step lacks. */
function withoutTensors<T>(run: () => T): T {
  let result!: T;
  tidy(() => void (result = run()));
  return result;
}

function agrees(change: ArrayLike<number>, predicted: Float64Array): boolean {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < predicted.length; i++) {
    difference += (change[i] - predicted[i]) ** 2;
    size += predicted[i] ** 2;
  }
  return difference <= PRECISION ** 2 * size;
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) {
    total += a[i] * b[i];
  }
  return total;
}
