import {ggnError} from '../errors';
import {FINITE, isIn, whole, type Range} from './ranges';
import {shortened} from '../shown';
import {EVIDENCE_RANGES} from './evidence';
import {LEVENBERG_MARQUARDT, type LevenbergMarquardtOptions} from './levenberg_marquardt';
import {ofPolicies} from './policies';
import {DETOUR, type PolicyState} from './policy_state';

/**
 * The ranges hold every value that the policies can reach, and none that they cannot go on from.
 */
const rangesOf = (options: Required<LevenbergMarquardtOptions>): Ranges => ({
  history: {fingerprint: {orNull: FINITE}, repeats: whole(0), changed: 'boolean', isFull: 'boolean'},
  determination: {examples: whole(0), isShort: 'boolean'},
  hasEvidence: 'boolean',
  ...ofPolicies(options, ({ranges}): Ranges => ranges),
  detour: whole(0, DETOUR),
  evidence: EVIDENCE_RANGES,
});

/**
 * Reads the state of the policies from a saved config. All entries are checked before any is
 * returned. Entries that the state does not have are ignored.
 *
 * @param initial a state, which gives the shape. An entry that was not saved keeps its value of
 *   this state.
 * @param options options of Levenberg-Marquardt, which bound its damping.
 * @throws Error with the name of an entry whose value is of another kind, or out of its range.
 */
export function readPolicyState(saved: unknown, initial: PolicyState,
    options: Required<LevenbergMarquardtOptions> = LEVENBERG_MARQUARDT): PolicyState {
  return read(saved, initial, rangesOf(options), 'policyState') as PolicyState;
}

type Ranges = Range | 'boolean' | {readonly orNull: Range} | {readonly each: Range} | {readonly [key: string]: Ranges};

function read(saved: unknown, initial: unknown, ranges: Ranges, name: string): unknown {
  if (saved === undefined) {
    return initial;
  }
  if (ranges === 'boolean') {
    return checked(saved, typeof saved === 'boolean', name, 'true or false');
  }
  if (isRange(ranges)) {
    return checked(saved, isIn(ranges, saved), name, `a number ${ranges.range}`);
  }
  if ('orNull' in ranges) {
    const range = ranges.orNull as Range;
    return checked(saved, saved === null || isIn(range, saved), name, `null or a number ${range.range}`);
  }
  if ('each' in ranges) {
    const range = ranges.each as Range;
    const isList = Array.isArray(saved) && saved.every(entry => isIn(range, entry));
    return [...checked(saved, isList, name, `a list of numbers ${range.range}`) as number[]];
  }
  checked(saved, typeof saved === 'object' && saved !== null && !Array.isArray(saved), name, 'an object');
  // Only names of the state are read, and only own properties: an entry `__proto__` of a file is
  // ignored.
  const own = (key: string): unknown =>
    Object.hasOwn(saved as object, key) ? (saved as Record<string, unknown>)[key] : undefined;
  return Object.fromEntries(Object.entries(initial as object).map(([key, value]) =>
    [key, read(own(key), value, ranges[key], `${name}.${key}`)]));
}

const isRange = (ranges: Exclude<Ranges, 'boolean'>): ranges is Range =>
  typeof (ranges as Partial<Range>).valid === 'function';

function checked(saved: unknown, isRight: boolean, name: string, wanted: string): unknown {
  if (!isRight) {
    throw ggnError(`${name} of the saved optimizer is ${inJson(saved)}, which this optimizer did not save. ` +
        `Load another checkpoint, or compile the model with a new ggn(). It must be ${wanted}.`);
  }
  return saved;
}

/**
 * A value in the words of the file, shortened. Only the names of an object's entries are shown,
 * since it may be of any depth.
 */
function inJson(saved: unknown): string {
  if (typeof saved === 'object' && saved !== null) {
    const names = shortened(Object.keys(saved).slice(0, 20).join(', '));
    return Array.isArray(saved) ? `an array of ${saved.length}` : names === '' ? '{}' : `{${names}}`;
  }
  return typeof saved === 'string' ? JSON.stringify(shortened(saved)) :
      typeof saved === 'number' ? JSON.stringify(saved) : shortened(String(saved));
}
