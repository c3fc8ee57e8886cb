/** Whole steps of every case on tfjs-node. */
import {testSteps} from '../support/step_tests';

testSteps('tensorflow');
