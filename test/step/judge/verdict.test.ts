/** The table of verdicts. */
import test from 'ava';
import {trustIn, verdict, type VerdictFacts, type Verdict} from '../../../src/step/judge/verdict';

/** A step that nothing stands against, at a resolution of 1. */
const GOOD: VerdictFacts = {rejects: true, trust: null, predictedDecrease: 10, actualDecrease: 5, isWritable: true, resolvedLoss: () => 1,
  isFlung: () => false, isDifferentiable: () => true};

/** Rejects, predicted, actual decrease. */
const TABLE: Array<[boolean, number, number | null, Verdict]> = [
  [true, 10, 5, 'taken'],
  [true, 10, 1e-9, 'taken'],
  [true, 10, 0, 'rejected'],
  [true, 10, -1e-9, 'rejected'],
  [true, 10, -5, 'rejected'],
  // A step that promises less than the loss resolves.
  [true, 0.5, 0.4, 'unresolved'],
  [true, 0.5, 3, 'unresolved'],
  [true, 0.5, -0.9, 'unresolved'],
  [true, 1, -1, 'unresolved'],
  [true, 0.5, -1.1, 'rejected'],
  [true, 0, 0, 'unresolved'],
  // A step that promises to raise the loss is never taken, even if it lowers it.
  [true, -1e-9, 5, 'rejected'],
  [true, -3, -3, 'rejected'],
  [true, NaN, 5, 'rejected'],
  // A policy that does not reject takes every step to a finite loss.
  [false, 10, -5, 'taken'],
  [false, 0.5, -5, 'taken'],
  [false, NaN, -5, 'taken'],
  // No policy takes a step to a loss that is not finite.
  ...[true, false].flatMap(rejects => [10, 0.5, NaN].flatMap(predicted =>
    [NaN, -Infinity, Infinity].map((actual): [boolean, number, number, Verdict] => [rejects, predicted, actual, 'rejected']))),
  // A step that is not judged is taken.
  ...[true, false].flatMap(rejects => [10, 0, NaN].map((predicted): [boolean, number, null, Verdict] => [rejects, predicted, null, 'taken'])),
];

for (const [rejects, predictedDecrease, actualDecrease, expected] of TABLE) {
  test(`${rejects ? 'rejecting' : 'taking'}, predicted ${predictedDecrease}, actual ${actualDecrease}: ${expected}`, t => {
    t.is(verdict({...GOOD, rejects, predictedDecrease, actualDecrease}), expected);
  });
}

/** Further facts about a step, beside the decreases: name, facts, predicted and actual decrease. */
const FURTHER: Array<[string, Partial<VerdictFacts>, number, number | null, Verdict]> = [
  ['not writable', {isWritable: false}, 10, NaN, 'rejected'],
  ['not writable, whatever the loss', {isWritable: false}, 10, 10, 'rejected'],
  ['flung, and the loss falls by less than promised', {isFlung: () => true}, 10, 9.98, 'rejected'],
  ['flung, and the loss falls by more than promised', {isFlung: () => true}, 10, 10.02, 'rejected'],
  ['flung, and the loss falls as promised', {isFlung: () => true}, 10, 9.995, 'taken'],
  ['flung, and unresolved', {isFlung: () => true}, 0.5, 0.4, 'rejected'],
  ['flung, and unresolved as promised', {isFlung: () => true}, 0.5, 0.5, 'unresolved'],
  ['flung by nothing for nothing', {isFlung: () => true}, 0, 0, 'unresolved'],
  ['flung, and not judged', {isFlung: () => true}, 10, null, 'taken'],
  ['guarded, and the model is not trusted', {rejects: false, trust: 0}, 10, -50, 'rejected'],
  ['guarded, and the trust is not known', {rejects: false, trust: NaN}, 10, 5, 'rejected'],
  ['guarded, trusted, and the loss of the batch rises', {rejects: false, trust: 0.1}, 10, -5, 'taken'],
  ['guarded, trusted, and not differentiable', {rejects: false, trust: 1, isDifferentiable: () => false}, 10, 5, 'rejected'],
  ['not differentiable', {isDifferentiable: () => false}, 10, 5, 'rejected'],
  ['not differentiable, and as promised', {isDifferentiable: () => false}, 10, 10, 'rejected'],
  ['not differentiable, and unresolved', {isDifferentiable: () => false}, 0.5, 0.4, 'rejected'],
  ['not differentiable, by a policy that takes every step', {rejects: false, isDifferentiable: () => false}, 10, -5, 'rejected'],
  ['not differentiable, and not judged', {isDifferentiable: () => false}, 10, null, 'taken'],
];

for (const [name, facts, predictedDecrease, actualDecrease, expected] of FURTHER) {
  test(`${name}, predicted ${predictedDecrease}, actual ${actualDecrease}: ${expected}`, t => {
    t.is(verdict({...GOOD, ...facts, predictedDecrease, actualDecrease}), expected);
  });
}

test('a fact that costs time is asked for only if the verdict needs it', t => {
  const never = (): never => {
    throw new Error('asked');
  };
  const [resolvedLoss, isFlung, isDifferentiable] = [never, never, never];
  t.is(verdict({...GOOD, rejects: false, predictedDecrease: 1, actualDecrease: -1, resolvedLoss}), 'taken');
  t.is(verdict({...GOOD, predictedDecrease: 1, actualDecrease: NaN, resolvedLoss, isFlung, isDifferentiable}), 'rejected');
  t.is(verdict({...GOOD, isWritable: false, actualDecrease: NaN, resolvedLoss, isFlung, isDifferentiable}), 'rejected');
  t.is(verdict({...GOOD, actualDecrease: null, resolvedLoss, isFlung, isDifferentiable}), 'taken');
  t.is(verdict({...GOOD, actualDecrease: -5, isFlung, isDifferentiable}), 'rejected');
  t.is(verdict({...GOOD, actualDecrease: 10, isFlung}), 'taken');
  t.is(verdict({...GOOD, isFlung: () => true, isDifferentiable}), 'rejected');
});

/** Promised decrease, size of the terms of the model, actual decrease, resolution, trust. */
const TRUST: ReadonlyArray<readonly [number, number, number, number, number]> = [
  [10, 30, 10, 0, 1],
  [10, 30, 12, 0, 1],
  [10, 30, -5, 0, 0.5],
  [10, 30, -20, 0, 0],
  [10, 30, -50, 0, -1],
  // A step with momentum promises to raise the loss of its batch.
  [-10, 30, -10, 0, 1],
  [-10, 30, -25, 0, 0.5],
  // Rounding of the loss is no error of the model.
  [1e-9, 1e-9, -1e-7, 1e-6, 1],
  [0, 0, 0, 0, 1],
  [10, 30, -Infinity, 0, -Infinity],
  [10, 30, NaN, 0, NaN],
];

for (const [decrease, size, actual, resolved, expected] of TRUST) {
  test(`a model of ${decrease} in terms of ${size} has a trust of ${expected} at ${actual}, resolved ${resolved}`, t => {
    t.is(trustIn({decrease, size}, actual, resolved), expected);
  });
}
