import test from 'ava';
import {partsOf} from '../../../src/step/bayesian/prior';

const variables = (...list: Array<[string, number]>): Array<{name: string; rank: number}> => list.map(([name, rank]) => ({name, rank}));

test('a layer and its bias are one group', t => {
  t.deepEqual(partsOf(variables(['dense_1/kernel', 2], ['dense_1/bias', 1], ['lstm_2/kernel', 2], ['lstm_2/bias', 1], ['lstm_2/recurrent_kernel', 2],
      ['dense_3/bias', 1])), [0, 0, 1, 1, 1, 2]);
});

test('without layers, vectors and scalars go with the matrix before them', t => {
  t.deepEqual(partsOf(variables(['Variable', 2], ['Variable_1', 1], ['Variable_2', 2], ['Variable_3', 1], ['c', 0])), [0, 0, 1, 1, 1]);
  t.deepEqual(partsOf(variables(['a', 0], ['b', 1], ['w', 3])), [0, 0, 1]);
});
