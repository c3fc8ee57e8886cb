import {gatherND, getKernel, scatterND} from '@tensorflow/tfjs-core';
import {isObserved} from '../../tfjs/internals';
import {gatherGradient} from '../kernels/gather';
import type {BackwardNode, Rule} from './rule';

/**
 * tfjs's gradient of GatherV2 runs UnsortedSegmentSum. WASM has no such kernel, and that of the cpu
 * backend goes through all of dy for each entry of the table. While the kernels are observed, the
 * derivative of the cotangent may be wanted: then tfjs's gradient is taken if the backend has its
 * kernel.
 */
const isUseless = (at: BackwardNode): boolean => !at.attrs['batchDims'] &&
    ((at.backend === 'cpu' && !isObserved()) || getKernel('UnsortedSegmentSum', at.backend) == null);

/** Kernels that choose entries by indices. */
export const GATHER_RULES: readonly Rule[] = [
  {kernel: 'GatherV2', input: 'x', why: 'useless', when: isUseless,
    pull: at => gatherGradient(at.node, at.value('x'), at.value('indices'), at.dy)},
  {kernel: 'GatherNd', input: 'params', why: 'missing',
    pull: at => scatterND(at.value('indices'), at.dy, at.value('params').shape)},
  {kernel: 'ScatterNd', input: 'updates', why: 'missing', pull: at => gatherND(at.dy, at.value('indices'))},
];
