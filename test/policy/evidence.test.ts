import test from 'ava';
import {EVIDENCE_PATIENCE, firstBeta, isAtEnd, nextEvidence, NO_EVIDENCE} from '../../src/policy/evidence';
import type {EvidenceFacts, EvidenceState} from '../../src/policy/evidence';
import {readPolicyState} from '../../src/policy/saved_state';
import {initialState} from '../../src/policy/policy_state';
import {LEVENBERG_MARQUARDT} from '../../src/policy/levenberg_marquardt';

const BEGUN: EvidenceState = {...NO_EVIDENCE, firstAlphas: [2, 3], alpha: 1, beta: 4};

/** Facts of ten rows, of which the prior determines six. */
const facts = (squares: number, more: Partial<EvidenceFacts> = {}): EvidenceFacts => ({
  rows: 10, squares, logWeights: 0, weights: 5,
  directionsOfPrior: lambda => ({lambda, value: 6}), logDeterminant: lambda => ({lambda, value: 7}), ...more});

test('one iteration of the fixed point, and the evidence at its end', t => {
  const asked: number[] = [];
  const {evidence, next} = nextEvidence(BEGUN, facts(3, {directionsOfPrior: lambda => {
    asked.push(lambda);
    return {lambda, value: 6};
  }}));
  t.deepEqual(asked, [1 / 4]);
  t.deepEqual([next.alpha, next.beta, evidence!.gamma], [(4 + 4) / (5 + 4), 6 / 3, 4]);
  t.is(evidence!.logEvidence, (10 * Math.log(2 / 2 / Math.PI) - 2 * 3 - 8 / 9 * 5 - 7) / 2);
  t.is(evidence!.noise, 1 / Math.sqrt(2));
  t.deepEqual(next.maximum, {gamma: 4, alpha: 8 / 9, beta: 2, logEvidence: evidence!.logEvidence});
});

test('an α/β that the curvature does not resolve lowers β, and α stays', t => {
  const {evidence, next} = nextEvidence(BEGUN, facts(1e-20, {logDeterminant: () => ({lambda: 1e-6, value: 7})}));
  t.is(evidence!.alpha, 8 / 9);
  t.is(next.beta, 8 / 9 / 1e-6);
  t.is(evidence!.noise, 1 / Math.sqrt(next.beta));
});

test('ten steps without a higher evidence end the search at the maximum', t => {
  let {evidence, next} = nextEvidence(BEGUN, facts(3));
  const best = evidence!;
  for (let since = 1; since <= EVIDENCE_PATIENCE + 2; since++) {
    t.is(isAtEnd(next), since > EVIDENCE_PATIENCE);
    ({evidence, next} = nextEvidence(next, facts(4)));
    t.is(evidence!.stepsSinceMaximum, since);
    t.is(evidence!.logEvidence === best.logEvidence, since >= EVIDENCE_PATIENCE);
  }
  t.deepEqual({...evidence!, stepsSinceMaximum: 0}, best);
  t.is(nextEvidence(nextEvidence(BEGUN, facts(3)).next, facts(2)).next.since, 0, 'a higher one begins the count anew');
  t.is(nextEvidence(nextEvidence(BEGUN, facts(3)).next, facts(2.999)).next.since, 1, 'one that is hardly higher does not');
});

test('without a determinant or a trace there is no evidence, and the prior stays', t => {
  for (const none of [{directionsOfPrior: () => null}, {logDeterminant: () => null}]) {
    const {evidence, next} = nextEvidence(BEGUN, facts(3, none));
    t.is(evidence, null);
    t.deepEqual(next, {...BEGUN, since: 1});
  }
});

test('residuals of 0 and weights of 0 leave finite numbers, which can be saved', t => {
  t.true(firstBeta(10, 0) < Infinity);
  const {evidence, next} = nextEvidence({...BEGUN, beta: firstBeta(10, 0)}, facts(0, {weights: 0}));
  t.true(Object.values(evidence!).every(Number.isFinite), JSON.stringify(evidence));
  const saved = {...initialState(LEVENBERG_MARQUARDT), evidence: next};
  t.deepEqual(readPolicyState(JSON.parse(JSON.stringify(saved)), initialState(LEVENBERG_MARQUARDT)), saved);
});

test('refused: saved numbers out of their range', t => {
  for (const [evidence, message] of [
    [{firstAlphas: [1, -1]}, /policyState\.evidence\.firstAlphas .* must be a list of numbers above 0/], [{firstAlphas: 3}, /firstAlphas .* is 3/],
    [{alpha: 0}, /evidence\.alpha .* is 0/], [{beta: -1}, /evidence\.beta .* is -1/], [{since: 0.5}, /evidence\.since .* is 0\.5/],
    [{maximum: {logEvidence: 'x'}}, /evidence\.maximum\.logEvidence .* is "x"/],
  ] as const) {
    t.throws(() => readPolicyState({evidence}, initialState(LEVENBERG_MARQUARDT)), {message});
  }
});
