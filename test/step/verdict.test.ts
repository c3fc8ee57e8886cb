/** The table of verdicts. */
import test from 'ava';
import {verdict, type Verdict} from '../../src/step/verdict';

/** Rejects, predicted, actual decrease, at a resolution of 1. */
const TABLE: Array<[boolean, number, number, Verdict]> = [
  [true, 10, 5, 'taken'],
  [true, 10, 1e-9, 'taken'],
  [true, 10, 0, 'rejected'],
  [true, 10, -1e-9, 'rejected'],
  [true, 10, -5, 'rejected'],
  // A step that promises less than the resolution of the loss.
  [true, 0.5, 0.4, 'unresolved'],
  [true, 0.5, 3, 'unresolved'],
  [true, 0.5, -0.9, 'unresolved'],
  [true, 1, -1, 'unresolved'],
  [true, 0.5, -1.1, 'rejected'],
  [true, 0, 0, 'unresolved'],
  // A step that promises to raise the loss is never taken, even if it lowers the loss.
  [true, -1e-9, 5, 'rejected'],
  [true, -3, -3, 'rejected'],
  [true, NaN, 5, 'rejected'],
  // Other policies take every finite step.
  [false, 10, -5, 'taken'],
  [false, 0.5, -5, 'taken'],
  [false, NaN, -5, 'taken'],
  // No policy takes a step that is not finite.
  ...[true, false].flatMap(rejects => [10, 0.5, NaN].flatMap(predicted =>
    [NaN, -Infinity, Infinity].map((actual): [boolean, number, number, Verdict] => [rejects, predicted, actual, 'rejected']))),
];

for (const [rejects, predictedDecrease, actualDecrease, expected] of TABLE) {
  test(`${rejects ? 'rejecting' : 'taking'}, predicted ${predictedDecrease}, actual ${actualDecrease}: ${expected}`, t => {
    t.is(verdict({rejects, predictedDecrease, actualDecrease, resolvedLoss: () => 1}), expected);
  });
}

test('the resolution is asked for only where a step may be rejected', t => {
  const never = (): number => {
    throw new Error('asked');
  };
  t.is(verdict({rejects: false, predictedDecrease: 1, actualDecrease: -1, resolvedLoss: never}), 'taken');
  t.is(verdict({rejects: true, predictedDecrease: 1, actualDecrease: NaN, resolvedLoss: never}), 'rejected');
});
