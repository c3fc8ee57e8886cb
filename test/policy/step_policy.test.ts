import test from 'ava';
import {LEVENBERG_MARQUARDT} from '../../src/policy/levenberg_marquardt';
import type {BatchSign} from '../../src/policy/full_batch';
import {initialState} from '../../src/policy/policy_state';
import type {PolicyState} from '../../src/policy/policy_state';
import {isPinned, StepPolicy} from '../../src/policy/step_policy';
import type {Given, StepSize} from '../../src/policy/step_policy';
import {POLICY_NAMES} from '../../src/policy/policies';
import type {PolicyName} from '../../src/policy/policies';

const AUTO: Given = {learningRate: 'auto', damping: 'auto', momentum: 'auto'};
const ALL_GIVEN: Given = {learningRate: 0.2, damping: 3, momentum: 0.5};
const START = initialState(LEVENBERG_MARQUARDT);
const MINI: BatchSign = {fingerprint: null, isWhole: false};
const WHOLE: BatchSign = {fingerprint: 4, isWhole: true};

const never = (): BatchSign => {
  throw new Error('the data were looked at');
};

function policyOf(wanted: 'auto' | PolicyName, given: Partial<Given> = {}, sign: () => BatchSign = never, state: PolicyState = START,
    size: Partial<StepSize> = {}): StepPolicy {
  return StepPolicy.of(wanted, {...AUTO, ...given}, LEVENBERG_MARQUARDT, state,
    {examples: 32, parameters: 100, mayDampByEvidence: false, kind: 'other', ...size}, sign);
}

test("'auto': Levenberg-Marquardt on the full batch, agreement on mini-batches", t => {
  t.is(policyOf('auto', {}, () => WHOLE).name, 'levenbergMarquardt');
  t.is(policyOf('auto', {}, () => MINI).name, 'agreement');
});

test("'auto': the evidence on the full batch of a step that has one, unless damping or momentum is given", t => {
  const size = {examples: 32, parameters: 100, mayDampByEvidence: true};
  const named = (given: Partial<Given>, sign: BatchSign, wanted: 'auto' | PolicyName = 'auto'): PolicyName =>
    policyOf(wanted, given, () => sign, START, size).name;
  t.is(named({}, WHOLE), 'evidenceDamping');
  t.is(named({learningRate: 0.5}, WHOLE), 'evidenceDamping');
  t.is(named({damping: 0.1}, WHOLE), 'levenbergMarquardt');
  t.is(named({momentum: 0}, WHOLE), 'levenbergMarquardt');
  t.is(named({}, MINI), 'agreement');
  t.is(named({}, WHOLE, 'levenbergMarquardt'), 'levenbergMarquardt');
  const policy = policyOf('auto', {}, () => WHOLE, START, size);
  t.true(policy.estimates && policy.rejects && !policy.observes);
  t.is(policy.carry, 0.7);
  t.is(policyOf('evidenceDamping', {momentum: 0.5}).carry, 0, 'a given momentum is one of the last step');
  t.is(policyOf('levenbergMarquardt').carry, 0);
  // The settings before the next step are those of the same policy.
  policy.estimate(damping => 20 * damping);
  const {settings} = policy;
  t.deepEqual(settings, {learningRate: 1, damping: 20.1, momentum: 0});
  t.deepEqual(StepPolicy.after('auto', AUTO, LEVENBERG_MARQUARDT, policy.next).settings, settings);
});

test('a detour from the evidence: its damping stays, and Levenberg-Marquardt begins anew', t => {
  const size = {examples: 32, parameters: 100, mayDampByEvidence: true};
  const policy = policyOf('auto', {}, () => WHOLE, START, size);
  policy.estimate(() => 7);
  policy.judge(-1);
  policy.exhausted(true);
  t.true(policy.beginsDetour);
  t.deepEqual(policy.next.evidenceDamping, {evidence: 7, damping: 0.1, increase: 2});
  t.is(policyOf('auto', {}, () => WHOLE, policy.next, size).name, 'agreement');
  t.is(policyOf('auto', {}, () => WHOLE, {...policy.next, detour: 0}, size).name, 'evidenceDamping');
});

test("'auto': Levenberg-Marquardt also on mini-batches that determine the parameters by themselves; a short last one gets a share of a step", t => {
  let state = START;
  const step = (examples: number): [PolicyName, number] => {
    const policy = policyOf('auto', {}, () => MINI, state, {examples, parameters: 61});
    state = policy.next;
    return [policy.name, policy.settings.learningRate];
  };
  t.deepEqual([1000, 1000, 150, 1000].map(step), [['levenbergMarquardt', 1], ['levenbergMarquardt', 1], ['levenbergMarquardt', 0.15], ['levenbergMarquardt', 1]]);
  t.deepEqual([32, 32].map(step), [['levenbergMarquardt', 0.032], ['agreement', 0.3]]);
  t.deepEqual(step(488), ['levenbergMarquardt', 2 / 3], 'half of what full steps take');
  t.is(policyOf('agreement', {}, never, START, {examples: 1000, parameters: 61}).name, 'agreement');
});

test("'auto' is 'fixed' where all three settings are given, and does not look at the data", t => {
  const policy = policyOf('auto', ALL_GIVEN);
  t.is(policy.name, 'fixed');
  t.deepEqual(policy.settings, ALL_GIVEN);
  t.deepEqual([policy.judges, policy.rejects, policy.observes, policy.attempts], [false, false, false, 1]);
  t.deepEqual(policy.next, START);
  t.true(isPinned(ALL_GIVEN));
  for (const name of ['learningRate', 'damping', 'momentum']) {
    t.false(isPinned({...ALL_GIVEN, [name]: 'auto'}), name);
    t.is(policyOf('auto', {...ALL_GIVEN, [name]: 'auto'}, () => WHOLE).name, 'levenbergMarquardt', name);
    t.is(policyOf('auto', {...ALL_GIVEN, [name]: 'auto'}, () => MINI).name, 'agreement', name);
  }
});

test('a policy by name is that policy, on whatever data and with whatever settings given', t => {
  for (const name of [...POLICY_NAMES, 'custom'] as const) {
    for (const given of [AUTO, ALL_GIVEN]) {
      const policy = policyOf(name, given);
      t.is(policy.name, name);
      t.is(policy.next.history, START.history, 'the history of the data belongs to auto');
    }
  }
  t.true(policyOf('levenbergMarquardt', ALL_GIVEN).rejects);
});

test('what each policy sets at first, and asks for', t => {
  const seen = (['fixed', 'agreement', 'evidenceDamping', 'levenbergMarquardt', 'custom'] as const).map(name => {
    const {settings, judges, rejects, observes, attempts} = policyOf(name);
    return [name, settings, judges, rejects, observes, attempts];
  });
  t.deepEqual(seen, [
    ['fixed', {learningRate: 0.1, damping: 0.1, momentum: 0.9}, false, false, false, 1],
    ['agreement', {learningRate: 0.3, damping: 1, momentum: 0.9}, false, false, true, 1],
    ['evidenceDamping', {learningRate: 1, damping: 1.1, momentum: 0}, true, true, false, 10],
    ['levenbergMarquardt', {learningRate: 1, damping: 0.1, momentum: 0}, true, true, false, 10],
    ['custom', {learningRate: 0.1, damping: 0.1, momentum: 0.9}, true, false, true, 1],
  ]);
});

test('what is given takes the place of what the policy says, setting by setting', t => {
  t.deepEqual(policyOf('levenbergMarquardt', {learningRate: 0.5}).settings, {learningRate: 0.5, damping: 0.1, momentum: 0});
  t.deepEqual(policyOf('agreement', {momentum: 0, damping: 0}).settings, {learningRate: 0.3, damping: 0, momentum: 0});
});

test("'auto' follows the data from step to step, and each policy keeps its state meanwhile", t => {
  let state = START;
  const step = (sign: BatchSign, act: (policy: StepPolicy) => void): PolicyName => {
    const policy = policyOf('auto', {}, () => sign, state);
    act(policy);
    state = policy.next;
    return policy.name;
  };
  t.is(step(WHOLE, policy => policy.judge(1)), 'levenbergMarquardt');
  t.deepEqual(state, {...START, history: {fingerprint: 4, repeats: 0, changed: false, isFull: true}, levenbergMarquardt: {damping: 0.1 / 3, increase: 2}});
  t.is(step(MINI, policy => policy.observe({agreement: 1, examples: 64})), 'agreement');
  t.deepEqual(state.levenbergMarquardt, {damping: 0.1 / 3, increase: 2});
  t.deepEqual(state.history, {fingerprint: null, repeats: 0, changed: true, isFull: false});
  t.deepEqual(state.agreement, {learningRate: 0.3 * Math.exp(0.02), agreement: 0.05, damping: 0.95, momentum: 0.95, headroom: 1, raised: 1, caution: 1, steps: 0, loss: 0, spread: 0});
  t.is(step(WHOLE, policy => policy.judge(-1)), 'levenbergMarquardt');
  t.deepEqual(state.levenbergMarquardt, {damping: 0.1 / 3 * 2, increase: 4});
  t.is(state.agreement.damping, 0.95);
});

test('the settings follow the attempts of a step', t => {
  const policy = policyOf('levenbergMarquardt');
  const damping = [policy.settings.damping];
  for (const gainRatio of [-1, -1, 1]) {
    policy.judge(gainRatio);
    damping.push(policy.settings.damping);
  }
  t.deepEqual(damping, [0.1, 0.2, 0.2 * 4, 0.8 / 3]);
  t.deepEqual(policy.next.levenbergMarquardt, {damping: 0.8 / 3, increase: 2});
});

test('a given damping is tried 1, 2, 8, 64 times as large; the next step begins with it again', t => {
  const policy = policyOf('levenbergMarquardt', {damping: 0.5});
  const damping = [policy.settings.damping];
  for (let i = 0; i < 3; i++) {
    policy.judge(-1);
    damping.push(policy.settings.damping);
  }
  t.deepEqual(damping, [0.5, 1, 4, 32]);
  policy.judge(1);
  t.is(policy.settings.damping, 32, 'an accepted step leaves it');
  t.is(policyOf('levenbergMarquardt', {damping: 0.5}, never, policy.next).settings.damping, 0.5);
});

test('the options of Levenberg-Marquardt say how a given damping is raised, and how far', t => {
  const options = {...LEVENBERG_MARQUARDT, increase: 10, maxDamping: 1000};
  const policy = StepPolicy.after('levenbergMarquardt', {...AUTO, damping: 0.5}, options, START);
  const damping = [1, 2, 3, 4].map(() => {
    policy.judge(-1);
    return policy.settings.damping;
  });
  t.deepEqual(damping, [5, 100, 1000, 1000]);
  const above = StepPolicy.after('levenbergMarquardt', {...AUTO, damping: 5000}, options, START);
  above.judge(-1);
  t.is(above.settings.damping, 5000, 'what was given is not lowered');
});

test('a rejection goes on from the damping that was used, where float32 took more than was given', t => {
  for (const given of [0, 1e-9]) {
    const policy = policyOf('levenbergMarquardt', {damping: given});
    t.is(policy.settings.damping, given);
    policy.raise(1e-7);
    policy.judge(-1);
    t.is(policy.settings.damping, 2e-7);
    policy.judge(NaN);
    t.is(policy.settings.damping, 8e-7);
  }
});

test('a step that had to be solved with more damping says so to Levenberg-Marquardt, and to no other policy', t => {
  const lm = policyOf('levenbergMarquardt');
  lm.raise(5);
  t.is(lm.settings.damping, 5);
  for (const name of ['fixed', 'agreement', 'custom'] as const) {
    const policy = policyOf(name);
    const {damping} = policy.settings;
    policy.raise(5);
    t.is(policy.settings.damping, damping, name);
  }
});

test('what a policy has no use for leaves its state', t => {
  const fixed = policyOf('fixed');
  fixed.observe({agreement: 1, examples: 8});
  fixed.judge(-1);
  t.deepEqual(fixed.next, START);
  t.deepEqual(fixed.settings, {learningRate: 0.1, damping: 0.1, momentum: 0.9});
  const agreement = policyOf('agreement');
  agreement.judge(1);
  t.is(agreement.next.agreement, START.agreement);
  const custom = policyOf('custom', {}, never, {...START, custom: ALL_GIVEN as PolicyState['custom']});
  custom.observe({agreement: 1, examples: 8});
  custom.judge(-1);
  t.deepEqual(custom.settings, ALL_GIVEN);
});

test('states are made anew, never changed', t => {
  const before = structuredClone(START);
  for (const name of [...POLICY_NAMES, 'custom'] as const) {
    const policy = policyOf(name);
    policy.observe({agreement: 1, examples: 8});
    policy.judge(-1);
    policy.raise(9);
  }
  policyOf('auto', {}, () => WHOLE);
  t.deepEqual(START, before);
});

test('a guarded step has ten attempts, and no momentum after a rejection', t => {
  const policy = policyOf('auto', {momentum: 0.8}, () => MINI, START, {kind: 'likelihood'});
  t.deepEqual([policy.guards, policy.judges, policy.rejects, policy.attempts], [true, false, false, 10]);
  t.is(policy.settings.momentum, 0.8);
  const {damping} = policy.settings;
  policy.trust(-2);
  t.deepEqual([policy.settings.damping, policy.settings.momentum], [4 * damping, 0]);
  policy.trust(0.5);
  t.is(policy.next.agreement.raised, 4, 'the next batch goes on from there');
  const other = policyOf('auto', {}, () => MINI);
  t.deepEqual([other.guards, other.attempts], [false, 1]);
  const fixed = policyOf('auto', ALL_GIVEN, never, START, {kind: 'likelihood'});
  t.deepEqual([fixed.guards, fixed.attempts], [false, 1]);
});

test('a given damping is raised by the rejections of a guarded step, and begins anew in the next', t => {
  const policy = policyOf('auto', {damping: 3}, () => MINI, START, {kind: 'squares'});
  policy.trust(NaN);
  t.is(policy.settings.damping, 6);
  policy.trust(-1);
  t.is(policy.settings.damping, 24);
  t.is(policyOf('auto', {damping: 3}, () => MINI, policy.next, {kind: 'squares'}).settings.damping, 3);
});

test('the steps of a detour are not guarded', t => {
  const detour = {...START, history: {fingerprint: 4, repeats: 3, changed: false, isFull: true}, detour: 3};
  const policy = policyOf('auto', {}, () => WHOLE, detour, {kind: 'likelihood'});
  t.deepEqual([policy.name, policy.guards, policy.judges], ['agreement', false, true]);
});
