/** Every loss on tfjs-node. */
import {testLosses} from '../losses/test_losses';

testLosses('tensorflow');
