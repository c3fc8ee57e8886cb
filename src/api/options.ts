import {ggnError} from '../errors';
import {LEVENBERG_MARQUARDT} from '../policy/levenberg_marquardt';
import type {LevenbergMarquardtOptions} from '../policy/levenberg_marquardt';
import type {Settings} from '../policy/policy';
import type {Given, PolicyName} from '../policy/step_policy';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';
import {ABOVE_ONE, between, isIn, POSITIVE, SHARE, whole, SETTINGS} from '../policy/ranges';
import type {Range} from '../policy/ranges';
import {shortened, shown} from '../shown';
import type {StepReport} from '../step/step_report';

/**
 * A policy of your own: a function of the report of a step that returns settings for the next one; what it leaves out stays as it was. It starts from
 * the defaults of the policy `'fixed'`. Every step is judged for it (`gainRatio`), and taken unless the loss, as f() computes it in float32, or
 * its derivatives would not be finite: then the status is `'rejected'`.
 * @public
 */
export type PolicyFunction = (report: StepReport) => Partial<Settings> | void;

/**
 * Options of {@link ggn}.
 * @public
 */
export interface GgnOptions {
  /**
   * Share of the solved step that is taken: w ← w + learningRate · d. Above 0, at most 1; 1 is the full
   * Gauss-Newton step. 0.1 is robust to noise in the targets, 0.3 two to three times faster without noise.
   * Default `'auto'`: the policy sets it.
   */
  learningRate?: number | 'auto';
  /**
   * Relative Levenberg damping τ ≥ 0: λ = τ · trace(SᵀGS) / min(n, m), taken anew from every batch, so that τ does
   * not depend on the scale of the data, the loss or the width of the network. More damping means shorter, safer
   * steps. Default `'auto'`: the policy sets it.
   */
  damping?: number | 'auto';
  /**
   * SPRING momentum μ in [0, 1): the step is damped towards μ times the last one (Goldshlager, Abrahamsen, Lin,
   * 2024). Default `'auto'`: the policy sets it.
   */
  momentum?: number | 'auto';
  /**
   * What sets those of the three that are `'auto'`, from step to step. Default `'auto'`.
   *
   * - `'auto'`: `'levenbergMarquardt'` where training goes on with the same data in every step (in `fit` one batch an epoch, elsewhere the same examples in
   *   any order, no dropout or noise), and on batches of three examples and more for each parameter, with shorter steps below 16; `'agreement'` on other mini-batches; `'fixed'` where all three are given.
   * - `'agreement'`: a learning rate between 0.1 and 1 that grows while new batches agree with the last steps and falls where they do not; damping
   *   that falls from 1 to 0.03; momentum 0.9 to 0.96, more for small batches.
   * - `'levenbergMarquardt'`: learning rate 1, no momentum, damping by Nielsen's rule from the gain ratio; a step that does not decrease the loss is
   *   rejected and solved again.
   * - `'fixed'`: learning rate 0.1, damping 0.1, momentum 0.9.
   * - a function of the report of the last step. It is saved as `'custom'` and must be given again after loading.
   */
  policy?: 'auto' | 'agreement' | 'levenbergMarquardt' | 'fixed' | PolicyFunction;
  /** Options of `'levenbergMarquardt'`. */
  levenbergMarquardt?: LevenbergMarquardtOptions;
  /**
   * The system that a step is solved from; `lastStep.solver` says which. With n rows (examples times outputs) and m trained parameters,
   *
   * - `'gram'`: n x n, from the Gram matrix of the rows. At most 8192 rows.
   * - `'normal'`: m x m, from the normal equations, summed over chunks of rows, so that n is not limited. At most 2048 parameters.
   *
   * - `'cg'`: conjugate gradients on products with the Jacobian and its transpose, to a relative residual of 1e-6. For any n and m; where they do not converge in 200
   *   products, the damping is raised. What the products are taken of is held over all of them as far as memoryLimit allows.
   *
   * Each gives the same step, to rounding; the normal equations resolve less damping. Default `'auto'`: the faster of the first two (the normal equations
   * where m < n/2, and where m < n and both are small), `'cg'` with more than 4096 rows and more than 2048 parameters. Where all trained variables are scalars or
   * vectors and the policy is `'levenbergMarquardt'`, `'normal'` whatever n, up to 2048 parameters and 2²⁸ operations n m²/2 + m³/3 (2²⁴ where m > 2n).
   */
  solver?: 'auto' | SystemName;
  /**
   * The metric of the damping term (λ/2) dᵀΣd.
   *
   * - `'levenberg'`: Σ = I, λ = τ · trace(SᵀGS) / min(n, m).
   * - `'marquardt'`: Σ = diag(JᵀHJ), λ = τ: the step does not depend on the units of each parameter. In the normal equations only.
   *
   * Default `'auto'`: Marquardt's in the normal equations under the policy `'levenbergMarquardt'` where all trained variables are scalars or vectors, since
   * such parameters often have a meaning, and a unit, each; Levenberg's elsewhere, since the weights of a layer share theirs. Under that policy Marquardt's Σ is the largest diagonal
   * that each parameter has had, and a step longer than twice the parameters, |d|_Σ > 2|w|_Σ, is rejected unless the loss falls by as much as the model says.
   */
  scaling?: 'auto' | Scaling;
  /**
   * Decoupled weight decay κ in [0, 1]: after each step w ← w - learningRate · κ · w on variables of rank 2 and more (kernels and embeddings, not biases and
   * scales), beside the loss and its Jacobian, as in AdamW (Loshchilov & Hutter 2019). 0.01 was good for noisy data in the bench; without noise
   * it only disturbs. Default 0.
   */
  weightDecay?: number;
  /**
   * Bytes of tensors that a step may hold at once, beside what f() itself holds (weights, activations, the state). Dense rows of the
   * Jacobian that do not fit are formed in blocks, which takes longer; a step that cannot be taken within the limit is refused with
   * an error. At least 2²⁰ (1 MiB). Default 2³⁰ (1 GiB).
   */
  memoryLimit?: number;
}

/** Options with the defaults filled in. */
export interface CheckedOptions {
  readonly given: Given;
  readonly policy: 'auto' | PolicyName;
  readonly policyFunction: PolicyFunction | null;
  readonly levenbergMarquardt: Required<LevenbergMarquardtOptions>;
  readonly memoryLimit: number;
  readonly solver: 'auto' | SystemName;
  readonly scaling: 'auto' | Scaling;
  readonly weightDecay: number;
}

export type SettingName = keyof Settings;
const MEMORY_LIMIT = {value: 2 ** 30, valid: (x: number): boolean => x >= 2 ** 20 && x < Infinity, range: 'of bytes, 1048576 (1 MiB) or more, and finite'};
const WEIGHT_DECAY = between(0, 1);
const LEVENBERG_MARQUARDT_RANGES: Record<keyof LevenbergMarquardtOptions, Range> = {
  initialDamping: POSITIVE,
  minDamping: POSITIVE,
  maxDamping: POSITIVE,
  decrease: SHARE,
  increase: ABOVE_ONE,
  attempts: whole(1),
};
const POLICIES = ['auto', 'agreement', 'levenbergMarquardt', 'fixed'] as const;
const OPTIONS: ReadonlyArray<keyof GgnOptions> = ['learningRate', 'damping', 'momentum', 'policy', 'levenbergMarquardt', 'memoryLimit', 'solver', 'scaling',
  'weightDecay'];
const SOLVERS = ['auto', 'gram', 'normal', 'cg'] as const;
const SCALINGS = ['auto', 'levenberg', 'marquardt'] as const;

/** Checks a setting, a number or `'auto'`, and returns it. */
export function checkSetting(name: SettingName, value: unknown): number | 'auto' {
  return value === 'auto' ? value : checkNumber(name, value, SETTINGS[name], " or 'auto'");
}

/** Checks the limit of memory and returns it. */
export const checkMemoryLimit = (value: unknown): number => checkNumber('memoryLimit', value, MEMORY_LIMIT);

/** Checks the weight decay and returns it. */
export const checkWeightDecay = (value: unknown): number => checkNumber('weightDecay', value, WEIGHT_DECAY);

/** Checks the option `solver` and returns it. */
export const checkSolver = (value: unknown): 'auto' | SystemName => checkChoice('solver', value, SOLVERS);

/** Checks the option `scaling`, which must go with the solver, and returns it. */
export function checkScaling(value: unknown, solver: 'auto' | SystemName): 'auto' | Scaling {
  const scaling = checkChoice('scaling', value, SCALINGS);
  if (scaling === 'marquardt' && solver !== 'auto' && solver !== 'normal') {
    throw ggnError(`the option scaling 'marquardt' takes the diagonal of the normal equations, which the solver '${solver}' does not form. Use it with ` +
        "solver 'normal' or 'auto', or scaling 'levenberg'.");
  }
  return scaling;
}

function checkChoice<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  if (!choices.includes(value as T)) {
    throw ggnError(`the option ${name} must be one of ${choices.map(shown).join(', ')}; received ${shown(value)}.`);
  }
  return value as T;
}

/** Checks what a function of the user's has returned, and fills in what it left out. */
export function checkCustom(returned: unknown, before: Settings): Settings {
  if (returned == null) {
    return before;
  }
  if (typeof returned !== 'object' || Array.isArray(returned) || 'then' in returned || Object.keys(returned).some(name => !Object.hasOwn(SETTINGS, name))) {
    throw ggnError(`the function given as policy must return settings such as {damping: 0.2}, of ${Object.keys(SETTINGS).join(', ')}, or nothing; it ` +
        `returned ${typeof returned !== 'object' ? shown(returned) : 'then' in returned ? 'a promise' : `{${shortened(Object.keys(returned).join(', '))}}`}.`);
  }
  const settings = returned as Partial<Settings>;
  const read = (name: SettingName): number => settings[name] === undefined ? before[name] :
    checkNumber(`${name} (returned by the function given as policy)`, settings[name], SETTINGS[name]);
  return {learningRate: read('learningRate'), damping: read('damping'), momentum: read('momentum')};
}

function checkNumber(name: string, value: unknown, range: Range, alternative = ''): number {
  if (!isIn(range, value)) {
    throw ggnError(`the option ${name} must be a number ${range.range}${alternative === '' ? '' : `,${alternative}`}; received ${shown(value)}.`);
  }
  return value as number;
}

/** Checks the option `policy`; `'custom'` stands for a function that a saved optimizer had. */
export function checkPolicy(value: unknown): Pick<CheckedOptions, 'policy' | 'policyFunction'> {
  if (typeof value === 'function') {
    return {policy: 'custom', policyFunction: value as PolicyFunction};
  }
  if (value !== 'custom' && !POLICIES.includes(value as 'auto')) {
    throw ggnError(`the option policy must be one of ${POLICIES.map(shown).join(', ')}, or a function of the step report; received ${shown(value)}.`);
  }
  return {policy: value as PolicyName, policyFunction: null};
}

/** Fills in the defaults and refuses what it does not know. */
export function checkOptions(options: unknown): CheckedOptions {
  const given = checkNames(options, OPTIONS, 'ggn() takes an object of options, as in ggn({learningRate: 0.3})', 'option');
  const solver = checkSolver(given['solver'] === undefined ? 'auto' : given['solver']);
  const read = (name: SettingName): number | 'auto' => checkSetting(name, given[name] ?? (given[name] === null ? null : 'auto'));
  return {
    given: {learningRate: read('learningRate'), damping: read('damping'), momentum: read('momentum')},
    ...checkPolicy(given['policy'] === undefined ? 'auto' : given['policy']),
    levenbergMarquardt: checkLevenbergMarquardt(given['levenbergMarquardt'] === undefined ? {} : given['levenbergMarquardt']),
    memoryLimit: checkMemoryLimit(given['memoryLimit'] === undefined ? MEMORY_LIMIT.value : given['memoryLimit']),
    solver,
    scaling: checkScaling(given['scaling'] === undefined ? 'auto' : given['scaling'], solver),
    weightDecay: checkWeightDecay(given['weightDecay'] === undefined ? 0 : given['weightDecay']),
  };
}

function checkLevenbergMarquardt(options: unknown): Required<LevenbergMarquardtOptions> {
  const names = Object.keys(LEVENBERG_MARQUARDT) as Array<keyof LevenbergMarquardtOptions>;
  const given = checkNames(options, names, 'the option levenbergMarquardt is an object, as in {initialDamping: 1e-3}', 'option of levenbergMarquardt');
  const check = (name: keyof LevenbergMarquardtOptions): number | 'auto' => {
    const value = given[name] === undefined ? LEVENBERG_MARQUARDT[name] : given[name];
    return name === 'initialDamping' && value === 'auto' ? value :
      checkNumber(`levenbergMarquardt.${name}`, value, LEVENBERG_MARQUARDT_RANGES[name], name === 'initialDamping' ? " or 'auto'" : '');
  };
  const checked = Object.fromEntries(names.map(name => [name, check(name)])) as unknown as Required<LevenbergMarquardtOptions>;
  if (checked.minDamping > checked.maxDamping) {
    throw ggnError(`the option levenbergMarquardt.minDamping must not exceed maxDamping; received ${checked.minDamping} and ${checked.maxDamping}.`);
  }
  return checked;
}

function checkNames(options: unknown, names: readonly string[], what: string, kind: string): Record<string, unknown> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw ggnError(`${what}; received ${shown(options)}.`);
  }
  const unknown = Object.keys(options).find(name => !names.includes(name));
  if (unknown !== undefined) {
    throw ggnError(`unknown ${kind} '${shortened(unknown)}'. Known options: ${names.join(', ')}.`);
  }
  return options as Record<string, unknown>;
}
