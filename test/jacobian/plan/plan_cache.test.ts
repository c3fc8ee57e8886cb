/** The cache of plans: sixteen traces, and the one that waited longest goes. */
import test from 'ava';
import {type KnownPlan, PlanCache} from '../../../src/jacobian/plan/plan_cache';

const plan = (components: number): KnownPlan => ({plan: {components} as KnownPlan['plan'], seen: new Set(), steps: 1});

test('a plan comes back by its signature', t => {
  const cache = new PlanCache();
  t.is(cache.get('a'), undefined);
  const a = plan(1);
  cache.set('a', a);
  t.is(cache.get('a'), a);
  t.is(cache.get('a'), a);
  t.is(cache.get('b'), undefined);
  const other = plan(2);
  cache.set('a', other);
  t.is(cache.get('a'), other);
});

test('the seventeenth drops the one that has not been asked for longest', t => {
  const cache = new PlanCache();
  for (let i = 0; i < 16; i++) {
    cache.set(`trace ${i}`, plan(i));
  }
  t.is(cache.get('trace 0')!.plan.components, 0, 'asked for: now the youngest');
  cache.set('trace 16', plan(16));
  t.is(cache.get('trace 1'), undefined);
  for (const i of [0, 2, 3, 15, 16]) {
    t.is(cache.get(`trace ${i}`)!.plan.components, i);
  }
  // Endless new traces do not make the cache grow: it holds the last sixteen.
  for (let i = 100; i < 200; i++) {
    cache.set(`trace ${i}`, plan(i));
  }
  t.deepEqual(Array.from({length: 200}, (_, i) => i).filter(i => cache.get(`trace ${i}`) !== undefined),
      Array.from({length: 16}, (_, i) => 184 + i));
});

test('a plan that turned out wrong is forgotten', t => {
  const cache = new PlanCache();
  cache.set('a', plan(1));
  cache.set('b', plan(2));
  cache.delete('a');
  t.is(cache.get('a'), undefined);
  t.is(cache.get('b')!.plan.components, 2);
});
