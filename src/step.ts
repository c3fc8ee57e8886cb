import {addN, getBackend, scalar, square, sum, tensor, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {checkedJacobian, total} from './checked_jacobian';
import type {CheckedJacobian} from './checked_jacobian';
import type {Clock} from './clock';
import {ggnError} from './errors';
import {downstream, upstream} from './jacobian/analysis';
import type {Dependence} from './jacobian/analysis';
import {add, addScaled, READS_ARE_CHEAP} from './jacobian/kernels';
import {collect, pullByRules, sweepBack} from './jacobian/parameter';
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

/** |J d - predicted| over |predicted| above which a step with little damping counts as lost to float32. */
const PRECISION = 0.02;

/**
 * The damped Gram-Gauss-Newton step of a traced loss: rows, batch Jacobian, Gram matrix and the one formula of
 * `solve/damped_gram`, with e the gradient of regularizers and of what flows through statistics of the batch, and d_prev the last
 * accepted step.
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
  const {plans, grams} = checked;

  const {residual, weight} = clock.time('gram', () => readResiduals(trace, rows, plans));
  if (weight.some(w => w < 0)) {
    throw ggnError('the loss has squares with a negative weight: it is not a sum of squares. Check class weights and signs.');
  }
  const loss = squaredError(residual, weight);
  const extra = clock.time('linearize', () => extraGradient(trace, rows, plans));
  const last = settings.previous(variables);
  const previous = settings.momentum === 0 ? last.map(() => null) : last;
  const products = clock.time('gram', () => ({
    previous: applyByGroup(checked, groupOf, distinct.length, previous),
    extra: applyByGroup(checked, groupOf, distinct.length, extra),
  }));
  checkProducts(products.extra, `the gradient of a regularizer${plans.some(plan => plan.analysis.frozen.size > 0) ? ' or of a statistic of the batch' : ''} ` +
      'is not finite. Check the strength of the regularizer, and that it has a derivative at these weights (a norm has none at 0)');
  checkProducts(products.previous, 'the last step in the state of the optimizer is not finite. Load another checkpoint, or compile the ' +
      'model with a new ggn()');
  const groups: GramGroup[] = distinct.map((rho, g) =>
    ({rho, gram: grams[g], previous: products.previous[g], extra: products.extra[g]}));
  const parameters = variables.reduce((size, variable, v) => size + (plans.some(plan => plan.bySite[v].sites.length > 0) ? variable.size : 0), 0);

  const formed = new Map<DampedGramStep, Tensor[]>();
  const form = (solution: DampedGramStep): Tensor[] => {
    if (!formed.has(solution)) {
      formed.set(solution, clock.time('update', () => formStep(checked, variables, solution, groupOf, previous, extra)));
    }
    return formed.get(solution)!;
  };
  const result = clock.time('solve', () => dampedStep({n: checked.jacobian.rows, groups, root: loss.root,
    residual: {z: loss.z}, momentum: settings.momentum}, {damping: settings.damping, rows: loss.weighted, parameters,
    verify: solution => agrees(checked.jacobian.apply(form(solution)).dataSync(), solution.change)}));
  const step = result.solution === null ? null : form(result.solution);
  const norm = step === null ? 0 : clock.time('update', () => Math.sqrt(sumOfSquares(step)));
  if (!Number.isFinite(norm)) {
    throw ggnError(`the step is not finite (norm ${norm}): float32 overflowed. The weights are unchanged; scale the data, or use ` +
        'more damping.');
  }
  return {variables, step, norm, report: {
    rows: checked.jacobian.rows, parameters, damping: result.damping, lambda: result.lambda, status: result.status,
    gradientNorm: gradientNorm(loss.q, grams, products.extra, extra),
    jacobian: describe(rows, plans)}};
}

function describe({groups}: Rows, plans: readonly Plan[]): StepReport['jacobian'] {
  return plans.some(plan => plan.analysis.frozen.size > 0) ? 'frozenStatistics' :
    groups.some(({examples}, g) => plans[g].analysis.batch < examples) ? 'rowByRow' : 'batch';
}

/**
 * e = g - Jᵀq by variable: the gradient of everything in the loss that is not a row, and of what reaches the rows through frozen
 * statistics of the batch. Found by a sweep of its own, not as that difference, which would leave rounding in every variable.
 */
function extraGradient(trace: Trace, {head, dependence}: Rows, plans: readonly Plan[]): Array<Tensor | null> {
  const seeds = new Map(head.extra);
  for (const [value, cotangent] of plans.flatMap(plan => frozenCotangents(trace, dependence, plan))) {
    const known = seeds.get(value);
    seeds.set(value, known === undefined ? cotangent : add(known, cotangent));
  }
  if (seeds.size === 0) {
    return dependence.variables.map(() => null);
  }
  const cotangents = sweepBack(trace.values, trace.nodes, seeds, value => dependence.dependent[value], pullByRules);
  const gradients = collect(cotangents, dependence.variableOf.keys(), dependence.variableOf);
  return dependence.variables.map((_, v) => gradients.get(v) ?? null);
}

/** The derivative of the loss, through these rows, in every statistic that is frozen for them, the others held constant. */
function frozenCotangents(trace: Trace, {dependent}: Dependence, {analysis: {frozen}, blocks}: Plan): Array<[number, Tensor]> {
  if (frozen.size === 0) {
    return [];
  }
  const rows = blocks.map(block => block.value);
  const behind = downstream(trace, frozen);
  const [before, after] = [upstream(trace, rows), downstream(trace, new Set(rows))];
  const nodes = trace.nodes.filter(node => !node.outputs.some(output => frozen.has(output)) &&
      node.outputs.some(output => before.has(output) || after.has(output)));
  const cotangents = sweepBack(trace.values, nodes, new Map([[trace.result, scalar(1)]]), value => behind.has(value) && dependent[value],
    pullByRules);
  return [...cotangents].filter(([value]) => frozen.has(value));
}

function checkProducts(products: ReadonlyArray<Float64Array | null>, message: string): void {
  if (products.some(product => product !== null && !product.every(Number.isFinite))) {
    throw ggnError(`${message}. No step was taken.`);
  }
}

/** J_g x for each group of variables; null where x is zero on the whole group. */
function applyByGroup({jacobian}: CheckedJacobian, groupOf: readonly number[], groups: number,
    x: ReadonlyArray<Tensor | null>): Array<Float64Array | null> {
  return Array.from({length: groups}, (_, g) => {
    const part = x.map((t, v) => groupOf[v] === g ? t : null);
    return part.every(t => t === null) ? null : Float64Array.from(jacobian.apply(part).dataSync());
  });
}

/** d_v = previousScale · d_prev,v + extraScale · e_v - J_vᵀ coefficients. */
function formStep({jacobian}: CheckedJacobian, variables: readonly Variable[], solution: DampedGramStep, groupOf: readonly number[],
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
