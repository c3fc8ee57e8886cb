import test from 'ava';
import {evidenceDamping} from '../../src/policy/evidence_damping';
import type {EvidenceDampingState} from '../../src/policy/evidence_damping';
import {LEVENBERG_MARQUARDT, levenbergMarquardt} from '../../src/policy/levenberg_marquardt';

const POLICY = evidenceDamping(LEVENBERG_MARQUARDT);
const MARQUARDT = levenbergMarquardt(LEVENBERG_MARQUARDT);
const STATE: EvidenceDampingState = {evidence: 0.5, damping: 0.2, increase: 4};

test('judged and rejected as Levenberg-Marquardt; the dampings add up', t => {
  t.deepEqual([POLICY.judges, POLICY.rejects, POLICY.attempts, POLICY.carry], [true, true, 10, 0.7]);
  t.deepEqual(POLICY.initial, {evidence: 1, damping: 0.1, increase: 2});
  t.deepEqual(POLICY.settings(STATE), {learningRate: 1, damping: 0.7, momentum: 0});
  t.is(POLICY.observe, undefined);
});

test('the evidence is asked at the last damping of the evidence, and sets that alone', t => {
  const asked: number[] = [];
  const after = (found: number | null): EvidenceDampingState => POLICY.estimate!(STATE, damping => {
    asked.push(damping);
    return found;
  });
  t.deepEqual(after(0.03), {...STATE, evidence: 0.03});
  t.deepEqual(after(1e9), {...STATE, evidence: 100});
  t.deepEqual(after(Infinity), {...STATE, evidence: 100});
  t.deepEqual(after(null), {...STATE, evidence: 0}, 'without an evidence it is Levenberg-Marquardt');
  t.deepEqual(asked, [0.5, 0.5, 0.5, 0.5]);
});

test('gain ratios, unresolved steps and raises act on the rest of the damping', t => {
  const {evidence: kept, ...rest} = STATE;
  for (const gainRatio of [1, 0.5, 0.1, 0, -3]) {
    t.deepEqual(POLICY.judge!(STATE, gainRatio), {evidence: kept, ...MARQUARDT.judge!(rest, gainRatio)});
  }
  t.deepEqual(POLICY.unresolved!(STATE), {evidence: kept, ...MARQUARDT.unresolved!(rest)});
  t.deepEqual(POLICY.raise!(STATE, 7), {evidence: kept, damping: 6.5, increase: 4});
  t.is(POLICY.settings(POLICY.raise!(STATE, 7)).damping, 7);
  t.is(POLICY.raise!(STATE, 0.1).damping, LEVENBERG_MARQUARDT.minDamping, 'a damping below that of the evidence');
});

test('options of Levenberg-Marquardt hold for its part', t => {
  const policy = evidenceDamping({...LEVENBERG_MARQUARDT, initialDamping: 3, maxDamping: 5, attempts: 2});
  t.deepEqual(policy.initial, {evidence: 1, damping: 3, increase: 2});
  t.is(policy.attempts, 2);
  t.is(policy.judge!({evidence: 1, damping: 4, increase: 2}, -1).damping, 5);
  t.deepEqual(evidenceDamping(LEVENBERG_MARQUARDT).begin!(POLICY.initial, 'marquardt'), {evidence: 1, damping: 1e-6, increase: 2});
});

test("the damping of the evidence does not grow while that of Levenberg-Marquardt is above it, and may fall", t => {
  const at = (damping: number, evidence: number, wanted: number | null): number =>
    evidenceDamping(LEVENBERG_MARQUARDT).estimate!({damping, increase: 2, evidence}, () => wanted).evidence;
  t.is(at(0.5, 0.2, 7), 0.2);
  t.is(at(0.5, 0.2, 0.1), 0.1);
  t.is(at(0.5, 0.2, null), 0);
  t.is(at(0.2, 0.2, 7), 7);
  t.is(at(0.1, 0.2, 7), 7);
  t.is(at(0.1, 0.2, 700), 100);
});
