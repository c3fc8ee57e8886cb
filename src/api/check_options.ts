import {ggnError} from '../errors';
import {LEVENBERG_MARQUARDT} from '../policy/levenberg_marquardt';
import type {LevenbergMarquardtOptions} from '../policy/levenberg_marquardt';
import type {Settings} from '../policy/policy';
import type {Given, PolicyName} from '../policy/step_policy';
import type {Scaling} from '../solve/scaling';
import type {SystemName} from '../solve/system';
import {SYSTEMS} from '../systems/systems';
import {ABOVE_ONE, between, isIn, POSITIVE, SHARE, whole, SETTINGS} from '../policy/ranges';
import type {Range} from '../policy/ranges';
import {shortened, shown} from '../shown';
import type {PolicyFunction, GgnOptions, SettingName} from './options';

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

const SOLVERS = ['auto', ...Object.keys(SYSTEMS) as SystemName[]] as const;

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

/**
 * Checks options again before a step, since the user may have set public fields since.
 *
 * @throws for a value out of its range, and without the function of the policy `'custom'`, which is
 * never saved.
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
