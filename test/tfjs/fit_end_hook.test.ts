/** The optimizer is told of the end of `fit` and `fitDataset`. */
import type {Optimizer} from '@tensorflow/tfjs';
import test from 'ava';
import {hookFitEnd, onFitEnd} from '../../src/tfjs/fit_end_hook';

/** A model whose `fit` fails on demand. */
const modelClass = (): {new(optimizer: object | null): {fit(fails?: boolean): Promise<unknown>; fitDataset(): Promise<unknown>}} => class {
  constructor(readonly optimizer: object | null) {}

  async fit(fails = false): Promise<unknown> {
    if (fails) {
      throw new Error('no data');
    }
    return 'history';
  }

  async fitDataset(): Promise<unknown> {
    return 'history of a dataset';
  }
};

test('an optimizer hears of each end, also of a fit that fails; others and none are left alone', async t => {
  const Model = modelClass();
  hookFitEnd(Model);
  hookFitEnd(Model);
  const optimizer = {};
  let ends = 0;
  onFitEnd(optimizer as Optimizer, () => ends++);
  t.is(await new Model(optimizer).fit(), 'history');
  t.is(ends, 1);
  t.is(await new Model(optimizer).fitDataset(), 'history of a dataset');
  t.is(ends, 2);
  await t.throwsAsync(new Model(optimizer).fit(true), {message: 'no data'});
  t.is(ends, 3);
  await new Model({}).fit();
  await new Model(null).fit();
  t.is(ends, 3);
  t.deepEqual(Reflect.ownKeys(optimizer), []);
});

test('two copies of this package: the first one hooks the models, and the optimizers of both hear of the end', async t => {
  const name = '../../src/tfjs/fit_end_hook.ts?second';
  const second = await import(name) as {hookFitEnd: typeof hookFitEnd; onFitEnd: typeof onFitEnd};
  t.not(second.onFitEnd, onFitEnd);
  const Model = modelClass();
  hookFitEnd(Model);
  second.hookFitEnd(Model);
  const heard: string[] = [];
  const [ours, theirs] = [{}, {}];
  onFitEnd(ours as Optimizer, () => heard.push('first'));
  second.onFitEnd(theirs as Optimizer, () => heard.push('second'));
  await new Model(ours).fit();
  await new Model(theirs).fit();
  t.deepEqual(heard, ['first', 'second']);
});
