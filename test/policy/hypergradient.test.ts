import test from 'ava';
import {hypergradient} from '../../src/policy/hypergradient';
import type {Observation, Settings} from '../../src/policy/policy';

const clip = (x: number, least: number, most: number): number => Math.min(most, Math.max(least, x));

/** The rule of version 0.1.0, written out. */
function rule(observations: readonly Observation[]): Settings[] {
  let [rate, smoothed, damping] = [0.3, 0, 1];
  return observations.map(({agreement, examples, headroom = null}) => {
    if (agreement !== null) {
      smoothed = 0.95 * smoothed + 0.05 * agreement;
      rate = clip(rate * Math.exp(0.02 * clip(smoothed / 0.05, -1, 1)), 0.1, 1);
      damping = Math.max(headroom === null ? 0.03 : 0.3, 0.95 * damping);
    }
    return {learningRate: rate, damping: damping * (headroom ?? 1),
      momentum: headroom === null ? 1 - clip(examples / 1280, 0.04, 0.1) : 0.9};
  });
}

const agreements = (count: number): Array<number | null> =>
  [null, ...Array.from({length: count}, (_, k) => Math.sin(k / 9) - (k > 60 ? 0.4 : 0))];

const SERIES: ReadonlyArray<readonly [string, Partial<Observation>]> = [
  ['squares', {examples: 32, squares: {loss: 3, spread: 4}}],
  ['squares on large batches', {examples: 256, squares: {loss: 3, spread: 4}}],
  ['a likelihood', {examples: 64, areResiduals: false}],
  ['absolute errors', {examples: 64}],
  ['a cross-entropy', {examples: 32, headroom: 2.5, areResiduals: false}],
];

for (const [name, facts] of SERIES) {
  test(`${name}: the settings are those of version 0.1.0, and no weight decays`, t => {
    const observations = agreements(150).map(agreement => ({examples: 32, agreement, isNew: true, ...facts}));
    let state = hypergradient.initial;
    const settings = observations.map(observation => {
      state = hypergradient.observe!(state, observation);
      return hypergradient.settings(state);
    });
    rule(observations).forEach((expected, k) => {
      for (const key of ['learningRate', 'damping', 'momentum'] as const) {
        t.true(Math.abs(settings[k][key] - expected[key]) <= 1e-12 * expected[key], `${key} of step ${k}`);
      }
    });
    t.is(hypergradient.weightDecay, undefined);
    t.is(hypergradient.guards, undefined);
  });
}
