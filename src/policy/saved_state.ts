import {ggnError} from '../errors';
import type {PolicyState} from './step_policy';

/**
 * The state of the policies from a saved config.
 *
 * @param initial gives the shape; a part that was not saved starts anew.
 * @throws Error where a value is of another kind, or not finite.
 */
export function readPolicyState(saved: unknown, initial: PolicyState): PolicyState {
  return read(saved, initial, 'policyState') as PolicyState;
}

function read(saved: unknown, initial: unknown, name: string): unknown {
  if (saved === undefined) {
    return initial;
  }
  if (typeof initial === 'object' && initial !== null) {
    if (typeof saved !== 'object' || saved === null) {
      throw wrong(name, saved);
    }
    return Object.fromEntries(Object.entries(initial).map(([key, value]) => [key, read((saved as Record<string, unknown>)[key], value, `${name}.${key}`)]));
  }
  // A fingerprint is null before the first step, and a number later.
  const isOfKind = initial === null ? saved === null || isFinite(saved) :
    typeof initial === 'number' ? isFinite(saved) : typeof saved === typeof initial;
  if (!isOfKind) {
    throw wrong(name, saved);
  }
  return saved;
}

const isFinite = (saved: unknown): boolean => typeof saved === 'number' && Number.isFinite(saved);

const wrong = (name: string, saved: unknown): Error =>
  ggnError(`${name} of the saved optimizer is ${JSON.stringify(saved)}, which this optimizer did not save. Load another checkpoint, or compile the model with a new ggn().`);
