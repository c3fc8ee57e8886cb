/** Whole steps of every case, momentum and regularizers included, against dense normal equations in float64. */
import {testSteps} from '../support/step_tests';

testSteps('cpu');
testSteps('wasm');
