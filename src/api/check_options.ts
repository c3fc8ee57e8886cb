import {ggnError} from '../errors';
import {LEVENBERG_MARQUARDT, type LevenbergMarquardtOptions} from '../policy/levenberg_marquardt';
import {SETTINGS, type Settings} from '../policy/policy';
import type {Given} from '../policy/step_policy';
import {POLICY_NAMES, type PolicyName} from '../policy/policies';
import type {Scaling} from '../solve/scaling';
import {SYSTEM_FACTS, type SystemName} from '../solve/system';
import {ABOVE_ONE, between, isIn, POSITIVE, SHARE, whole, type Range} from '../policy/ranges';
import {shortened, shown} from '../shown';
import type {GgnOptions, PolicyFunction, Regularization, SettingName} from './options';

/** Options that have been checked, with the defaults filled in. */
export interface CheckedOptions {
  readonly given: Given;
  readonly policy: 'auto' | PolicyName;
  readonly policyFunction: PolicyFunction | null;
  readonly levenbergMarquardt: Required<LevenbergMarquardtOptions>;
  readonly memoryLimit: number;
  readonly solver: 'auto' | SystemName;
  readonly scaling: 'auto' | Scaling;
  readonly weightDecay: number | 'auto';
  readonly regularization: Regularization;
  readonly averaging: boolean;
  readonly kernels: 'auto' | 'tfjs';
}

/** Bytes of memory that a step may take, and its default. */
const MEMORY_LIMIT = {value: 2 ** 30, valid: (x: number): boolean => x >= 2 ** 20 && x < Infinity,
  range: 'of bytes, 1048576 (1 MiB) or more, and finite'};

const WEIGHT_DECAY = between(0, 1);

const LEVENBERG_MARQUARDT_RANGES: Record<keyof LevenbergMarquardtOptions, Range> = {
  initialDamping: POSITIVE,
  minDamping: POSITIVE,
  maxDamping: POSITIVE,
  decrease: SHARE,
  increase: ABOVE_ONE,
  attempts: whole(1),
};

const POLICIES = ['auto', ...POLICY_NAMES] as const;

/** Names of all options. */
export const OPTIONS: ReadonlyArray<keyof GgnOptions> = ['learningRate', 'damping', 'momentum', 'policy',
  'levenbergMarquardt', 'memoryLimit', 'solver', 'scaling', 'weightDecay', 'regularization', 'averaging',
  'kernels'];

const SOLVERS = ['auto', ...Object.keys(SYSTEM_FACTS) as SystemName[]] as const;

const REGULARIZATIONS = ['none', 'bayesian'] as const;

const KERNELS = ['auto', 'tfjs'] as const;

const SCALINGS = ['auto', 'levenberg', 'marquardt'] as const;

/** Checks a setting, which is a number or `'auto'`, and returns it. */
export function checkSetting(name: SettingName, value: unknown): number | 'auto' {
  return value === 'auto' ? value : checkNumber(name, value, SETTINGS[name], " or 'auto'");
}

/** Checks the limit of memory, in bytes, and returns it. */
export const checkMemoryLimit = (value: unknown): number => checkNumber('memoryLimit', value, MEMORY_LIMIT);

/** Checks the weight decay and returns it. */
const checkWeightDecay = (value: unknown): number | 'auto' =>
  value === 'auto' ? value : checkNumber('weightDecay', value, WEIGHT_DECAY, " or 'auto'");

/** Checks the option `averaging` and returns it. */
function checkAveraging(value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw ggnError(`the option averaging must be true or false; received ${shown(value)}.`);
  }
  return value;
}

/** Checks the option `solver` and returns it. */
const checkSolver = (value: unknown): 'auto' | SystemName => checkChoice('solver', value, SOLVERS);

/** Checks the option `scaling`, which must go with the solver, and returns it. */
function checkScaling(value: unknown, solver: 'auto' | SystemName): 'auto' | Scaling {
  const scaling = checkChoice('scaling', value, SCALINGS);
  if (scaling === 'marquardt' && solver !== 'auto' && !SYSTEM_FACTS[solver].takesMarquardt) {
    const others = SOLVERS.filter(name => name !== 'auto' && SYSTEM_FACTS[name].takesMarquardt).map(shown).join(', ');
    throw ggnError("the option scaling 'marquardt' takes the diagonal of the normal equations, which the solver " +
        `'${solver}' does not form. Use it with solver ${others} or 'auto', or scaling 'levenberg'.`);
  }
  return scaling;
}

/** Checks the option `regularization`, which must go with the others, and returns it. */
function checkRegularization(value: unknown,
    {policy, solver, weightDecay}: Pick<CheckedOptions, 'policy' | 'solver' | 'weightDecay'>): Regularization {
  const regularization = checkChoice('regularization', value, REGULARIZATIONS);
  if (regularization === 'none') {
    return regularization;
  }
  const option = "the option regularization 'bayesian'";
  if (policy !== 'auto' && policy !== 'levenbergMarquardt') {
    throw ggnError(`${option} judges each step on all data, by the policy 'levenbergMarquardt' or 'auto'; ` +
        `received policy '${policy}'. Leave the option policy out, or use regularization 'none'.`);
  }
  if (solver !== 'auto' && !SYSTEM_FACTS[solver].hasEvidence) {
    const others = SOLVERS.filter(name => name !== 'auto' && SYSTEM_FACTS[name].hasEvidence).map(shown).join(', ');
    throw ggnError(`${option} takes the trace of an inverse, which the solver '${solver}' does not have. ` +
        `Use solver ${others} or 'auto', or regularization 'none'.`);
  }
  if (weightDecay !== 'auto' && weightDecay > 0) {
    throw ggnError(`${option} finds the strength of an L2 penalty by itself, and the option weightDecay is ` +
        `${weightDecay}. Leave one of them out.`);
  }
  return regularization;
}

function checkChoice<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  if (!choices.includes(value as T)) {
    throw ggnError(`the option ${name} must be one of ${choices.map(shown).join(', ')}; received ${shown(value)}.`);
  }
  return value as T;
}

/**
 * Checks the settings that a policy function of the user has returned.
 *
 * @param before the settings of the last step, which stand for those that the function left out.
 */
export function checkCustom(returned: unknown, before: Settings): Settings {
  if (returned == null) {
    return before;
  }
  if (typeof returned !== 'object' || Array.isArray(returned) || 'then' in returned ||
      Object.keys(returned).some(name => !Object.hasOwn(SETTINGS, name))) {
    const got = typeof returned !== 'object' ? shown(returned) : 'then' in returned ? 'a promise' :
      `{${shortened(Object.keys(returned).join(', '))}}`;
    throw ggnError('the function given as policy must return settings such as {damping: 0.2}, of ' +
        `${Object.keys(SETTINGS).join(', ')}, or nothing; it returned ${got}.`);
  }
  const settings = returned as Partial<Settings>;
  const read = (name: SettingName): number => settings[name] === undefined ? before[name] :
    checkNumber(`${name} (returned by the function given as policy)`, settings[name], SETTINGS[name]);
  return {learningRate: read('learningRate'), damping: read('damping'), momentum: read('momentum')};
}

function checkNumber(name: string, value: unknown, range: Range, alternative = ''): number {
  if (!isIn(range, value)) {
    const wanted = `${range.range}${alternative === '' ? '' : `,${alternative}`}`;
    throw ggnError(`the option ${name} must be a number ${wanted}; received ${shown(value)}.`);
  }
  return value as number;
}

/** Checks the option `policy`. `'custom'` stands for a function that a saved optimizer had. */
export function checkPolicy(value: unknown): Pick<CheckedOptions, 'policy' | 'policyFunction'> {
  if (typeof value === 'function') {
    return {policy: 'custom', policyFunction: value as PolicyFunction};
  }
  if (value !== 'custom' && !POLICIES.includes(value as 'auto')) {
    throw ggnError(`the option policy must be one of ${POLICIES.map(shown).join(', ')}, or a function of the step ` +
        `report; received ${shown(value)}.`);
  }
  return {policy: value as PolicyName, policyFunction: null};
}

/**
 * Checks all options of a new optimizer, and fills in the defaults.
 *
 * @throws for an unknown option, and for a value out of its range.
 */
export function checkOptions(options: unknown): CheckedOptions {
  const usage = 'ggn() takes an object of options, as in ggn({learningRate: 0.3})';
  const given = checkNames(options, OPTIONS, usage, 'option');
  const or = (name: keyof GgnOptions, value: unknown): unknown => given[name] === undefined ? value : given[name];
  const read = (name: SettingName): number | 'auto' => checkSetting(name, or(name, 'auto'));
  const solver = checkSolver(or('solver', 'auto'));
  const policy = checkPolicy(or('policy', 'auto'));
  const weightDecay = checkWeightDecay(or('weightDecay', 'auto'));
  return {
    given: {learningRate: read('learningRate'), damping: read('damping'), momentum: read('momentum')},
    ...policy,
    levenbergMarquardt: checkLevenbergMarquardt(or('levenbergMarquardt', {})),
    memoryLimit: checkMemoryLimit(or('memoryLimit', MEMORY_LIMIT.value)),
    solver,
    scaling: checkScaling(or('scaling', 'auto'), solver),
    weightDecay,
    regularization: checkRegularization(or('regularization', 'none'), {...policy, solver, weightDecay}),
    averaging: checkAveraging(or('averaging', true)),
    kernels: checkChoice('kernels', or('kernels', 'auto'), KERNELS),
  };
}

/**
 * Checks options again before a step, since the user may have set public fields meanwhile.
 *
 * @throws for a value out of its range, and for the policy `'custom'` without its function, which
 * is never saved.
 */
export function checkAgain(options: CheckedOptions): CheckedOptions {
  const {given, policy, policyFunction} = options;
  const read = (name: SettingName): number | 'auto' => checkSetting(name, given[name]);
  const checked = {
    ...options,
    given: {learningRate: read('learningRate'), damping: read('damping'), momentum: read('momentum')},
    memoryLimit: checkMemoryLimit(options.memoryLimit),
    scaling: checkScaling(options.scaling, checkSolver(options.solver)),
    weightDecay: checkWeightDecay(options.weightDecay),
    regularization: checkRegularization(options.regularization, options),
    averaging: checkAveraging(options.averaging),
    kernels: checkChoice('kernels', options.kernels, KERNELS),
  };
  if (policy === 'custom' && policyFunction === null) {
    throw ggnError('this optimizer was saved with a function as its policy, and functions are not saved. Give it ' +
        'again, as in optimizer.policy = report => ({damping: ...}), or choose another policy, as in ' +
        "optimizer.policy = 'auto'.");
  }
  return checked;
}

function checkLevenbergMarquardt(options: unknown): Required<LevenbergMarquardtOptions> {
  const names = Object.keys(LEVENBERG_MARQUARDT) as Array<keyof LevenbergMarquardtOptions>;
  const usage = 'the option levenbergMarquardt is an object, as in {initialDamping: 1e-3}';
  const given = checkNames(options, names, usage, 'option of levenbergMarquardt');
  const check = (name: keyof LevenbergMarquardtOptions): number | 'auto' => {
    const value = given[name] === undefined ? LEVENBERG_MARQUARDT[name] : given[name];
    const mayBeAuto = name === 'initialDamping';
    return mayBeAuto && value === 'auto' ? value :
      checkNumber(`levenbergMarquardt.${name}`, value, LEVENBERG_MARQUARDT_RANGES[name], mayBeAuto ? " or 'auto'" : '');
  };
  const entries = names.map(name => [name, check(name)]);
  const checked = Object.fromEntries(entries) as unknown as Required<LevenbergMarquardtOptions>;
  const {minDamping, maxDamping} = checked;
  if (minDamping > maxDamping) {
    throw ggnError('the option levenbergMarquardt.minDamping must not exceed maxDamping; received ' +
        `${minDamping} and ${maxDamping}.`);
  }
  return checked;
}

/**
 * Checks that options are an object of known names, and returns them.
 *
 * @param usage the beginning of the error for another value.
 * @param kind the kind of option, for the error about an unknown name.
 */
function checkNames(options: unknown, names: readonly string[], usage: string, kind: string): Record<string, unknown> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw ggnError(`${usage}; received ${shown(options)}.`);
  }
  const unknown = Object.keys(options).find(name => !names.includes(name));
  if (unknown !== undefined) {
    throw ggnError(`unknown ${kind} '${shortened(unknown)}'. Known options: ${names.join(', ')}.`);
  }
  return options as Record<string, unknown>;
}
