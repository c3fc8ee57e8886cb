import {addN, getBackend, square, sum, tensor, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {checkedJacobian, total} from './checked_jacobian';
import type {CheckedJacobian} from './checked_jacobian';
import type {Clock} from './clock';
import {ggnError} from './errors';
import {gradientThroughStatistics, StatisticsJacobian} from './jacobian/frozen_statistics';
import type {JacobianOperator} from './jacobian/frozen_statistics';
import {addScaled, READS_ARE_CHEAP} from './jacobian/kernels';
import {collect, sweepBack} from './jacobian/parameter';
import type {Plan} from './jacobian/plan';
import type {PlanCache} from './jacobian/plan_cache';
import {squaredError} from './losses/squared_error';
import {findRows, readResiduals} from './rows';
import type {Rows} from './rows';
import type {DampedGramStep, GramGroup} from './solve/damped_gram';
import {dampedStep} from './solve/damped_step';
import {addProduct} from './solve/product';
import type {StepReport} from './step_report';

/** A solved step, not yet taken. All tensors belong to the caller's scope. */
export interface SolvedStep {
  readonly variables: readonly Variable[];
  /** d by variable, before the learning rate; null where no step is to be taken. */
  readonly step: readonly Tensor[] | null;
  /** |d|. */
  readonly norm: number;
  readonly report: Pick<StepReport, 'rows' | 'parameters' | 'damping' | 'lambda' | 'gradientNorm' | 'status' | 'jacobian'>;
}

export interface StepSettings {
  readonly damping: number;
  readonly momentum: number;
  readonly isTrained: (variable: Variable) => boolean;
  /** The last accepted d of each variable; null if there is none. */
  readonly previous: (variables: readonly Variable[]) => Array<Tensor | null>;
}

/** A Jacobian and its Gram matrices by group of variables. */
interface Linearized {
  readonly jacobian: JacobianOperator;
  readonly grams: readonly Float64Array[];
}

/** |J d - predicted| over |predicted| above which a step with little damping counts as lost to float32. */
const PRECISION = 0.02;

/**
 * The damped Gram-Gauss-Newton step of a traced loss: rows, batch Jacobian, Gram matrix and the one formula of
 * `solve/damped_gram`, with e the gradient of regularizers and d_prev the last accepted step.
 *
 * @throws for a loss, model or numbers that no exact step can be taken from; nothing has been changed then.
 */
export function solveStep(trace: Trace, context: TrainStep | null, settings: StepSettings, cache: PlanCache, clock: Clock): SolvedStep {
  const rows = clock.time('linearize', () => findRows(trace, settings.isTrained, context));
  const {variables} = rows.dependence;
  const rhos = variables.map((_, v) => rows.head.ridge.get(v) ?? 0);
  const distinct = [...new Set(rhos)];
  const groupOf = rhos.map(rho => distinct.indexOf(rho));
  const checked = checkedJacobian(trace, rows, groupOf, context, cache, clock);
  const {plans} = checked;

  const {residual, weight} = clock.time('gram', () => readResiduals(trace, rows, plans));
  if (weight.some(w => w < 0)) {
    throw ggnError('the loss has squares with a negative weight: it is not a sum of squares. Check class weights and signs.');
  }
  const loss = squaredError(residual, weight);
  const linearized = clock.time('linearize', () =>
    withStatistics(checked, gradientThroughStatistics(trace, rows.dependence, plans), residual, loss.z, groupOf));
  const {jacobian, grams} = linearized;
  const extra = clock.time('linearize', () => extraGradient(trace, rows));
  const last = settings.previous(variables);
  const previous = settings.momentum === 0 ? last.map(() => null) : last;
  const products = clock.time('gram', () => ({
    previous: applyByGroup(linearized, groupOf, distinct.length, previous),
    extra: applyByGroup(linearized, groupOf, distinct.length, extra),
  }));
  checkProducts(products.extra, 'the gradient of a regularizer is not finite. Check its strength, and that it has a derivative at ' +
      'these weights (a norm has none at 0)');
  checkProducts(products.previous, 'the last step in the state of the optimizer is not finite. Load another checkpoint, or compile the ' +
      'model with a new ggn()');
  const groups: GramGroup[] = distinct.map((rho, g) =>
    ({rho, gram: grams[g], previous: products.previous[g], extra: products.extra[g]}));
  const parameters = variables.reduce((size, variable, v) => size + (plans.some(plan => plan.bySite[v].sites.length > 0) ? variable.size : 0), 0);

  const formed = new Map<DampedGramStep, Tensor[]>();
  const form = (solution: DampedGramStep): Tensor[] => {
    if (!formed.has(solution)) {
      formed.set(solution, clock.time('update', () => formStep(linearized, variables, solution, groupOf, previous, extra)));
    }
    return formed.get(solution)!;
  };
  const result = clock.time('solve', () => dampedStep({n: jacobian.rows, groups, root: loss.root,
    residual: {z: loss.z}, momentum: settings.momentum}, {damping: settings.damping, rows: loss.weighted, parameters,
    verify: solution => agrees(jacobian.apply(form(solution)).dataSync(), solution.change)}));
  const step = result.solution === null ? null : form(result.solution);
  const norm = step === null ? 0 : clock.time('update', () => Math.sqrt(sumOfSquares(step)));
  if (!Number.isFinite(norm)) {
    throw ggnError(`the step is not finite (norm ${norm}): float32 overflowed. The weights are unchanged; scale the data, or use ` +
        'more damping.');
  }
  return {variables, step, norm, report: {
    rows: jacobian.rows, parameters, damping: result.damping, lambda: result.lambda, status: result.status,
    gradientNorm: gradientNorm(loss.q, grams, products.extra, extra),
    jacobian: describe(rows, plans)}};
}

function describe({groups}: Rows, plans: readonly Plan[]): StepReport['jacobian'] {
  return plans.some(plan => plan.analysis.frozen.size > 0) ? 'frozenStatistics' :
    groups.some(({examples}, g) => plans[g].analysis.batch < examples) ? 'rowByRow' : 'batch';
}

/** e by variable: the gradient of everything in the loss that is not a row. */
function extraGradient(trace: Trace, {head, dependence}: Rows): Array<Tensor | null> {
  if (head.extra.size === 0) {
    return dependence.variables.map(() => null);
  }
  const cotangents = sweepBack(trace.values, trace.nodes, head.extra, value => dependence.dependent[value]);
  const gradients = collect(cotangents, dependence.variableOf.keys(), dependence.variableOf);
  return dependence.variables.map((_, v) => gradients.get(v) ?? null);
}

/** What the step is solved with: the checked Jacobian, made to say the whole gradient where it holds statistics constant. */
function withStatistics(checked: CheckedJacobian, f: ReadonlyArray<Tensor | null> | null, residual: Float64Array, z: Float64Array,
    groupOf: readonly number[]): Linearized {
  const size = z.reduce((sum, x) => sum + x * x, 0);
  if (f === null || size === 0) {
    return checked;
  }
  if (f.some(t => t !== null && !Number.isFinite(sum(t).dataSync()[0]))) {
    throw ggnError('the gradient through a statistic of the batch is not finite. No step was taken.');
  }
  // S⁻ᵀz is the residual; what has no weight is 0 in it.
  const jacobian = new StatisticsJacobian(checked.jacobian, residual.map(r => r / size), f);
  return {jacobian, grams: jacobian.grams(checked.grams, groupOf)};
}

function checkProducts(products: ReadonlyArray<Float64Array | null>, message: string): void {
  if (products.some(product => product !== null && !product.every(Number.isFinite))) {
    throw ggnError(`${message}. No step was taken.`);
  }
}

/** J_g x for each group of variables; null where x is zero on the whole group. */
function applyByGroup({jacobian}: Linearized, groupOf: readonly number[], groups: number,
    x: ReadonlyArray<Tensor | null>): Array<Float64Array | null> {
  return Array.from({length: groups}, (_, g) => {
    const part = x.map((t, v) => groupOf[v] === g ? t : null);
    return part.every(t => t === null) ? null : Float64Array.from(jacobian.apply(part).dataSync());
  });
}

/** d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients. */
function formStep({jacobian}: Linearized, variables: readonly Variable[], solution: DampedGramStep, groupOf: readonly number[],
    previous: ReadonlyArray<Tensor | null>, extra: ReadonlyArray<Tensor | null>): Tensor[] {
  const pulled: Array<Tensor | null> = groupOf.map(() => null);
  solution.groups.forEach((group, g) => {
    const u = tensor(Float32Array.from(group.coefficients, x => -x), [jacobian.rows]);
    jacobian.applyTranspose(u, v => groupOf[v] === g).forEach((part, v) => pulled[v] = part ?? pulled[v]);
  });
  const hasExtra = extra.some(t => t !== null);
  const adds = solution.groups.map(group =>
    ({previous: addScaled(group.previousScale), extra: hasExtra ? addScaled(group.extraScale) : null}));
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

function agrees(change: ArrayLike<number>, predicted: Float64Array): boolean {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < predicted.length; i++) {
    difference += (change[i] - predicted[i]) ** 2;
    size += predicted[i] ** 2;
  }
  return difference <= PRECISION ** 2 * size;
}

/** |Jᵀq + e| from qᵀGq + 2 qᵀJe + |e|²: no product of the size of the weights. */
function gradientNorm(q: Float64Array, grams: readonly Float64Array[], productsOfExtra: ReadonlyArray<Float64Array | null>,
    extra: ReadonlyArray<Tensor | null>): number {
  const gradientOfRows = new Float64Array(q.length);  // J(Jᵀq + 2e)
  addProduct(1, total(grams), q, gradientOfRows);
  for (const product of productsOfExtra) {
    product?.forEach((x, i) => gradientOfRows[i] += 2 * x);
  }
  const squaredNorm = gradientOfRows.reduce((sum, x, i) => sum + q[i] * x, 0);
  const present = extra.filter(t => t !== null);
  return Math.sqrt(Math.max(0, squaredNorm + (present.length === 0 ? 0 : sumOfSquares(present))));
}

/** Where reads are cheap, the sum is taken here, in float64; elsewhere on the device. */
function sumOfSquares(tensors: readonly Tensor[]): number {
  if (!READS_ARE_CHEAP.has(getBackend())) {
    return addN(tensors.map(t => sum(square(t)))).dataSync()[0];
  }
  let total = 0;
  for (const t of tensors) {
    const entries = t.dataSync();
    for (let i = 0; i < entries.length; i++) {
      total += entries[i] * entries[i];
    }
  }
  return total;
}
