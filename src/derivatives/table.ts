import {getGradient} from '@tensorflow/tfjs-core';
import {BROADCASTING_RULES} from './rules/broadcasting';
import {CONVOLUTION_RULES} from './rules/convolution';
import {ELEMENTWISE_RULES} from './rules/elementwise';
import {GATHER_RULES} from './rules/gather';
import {NORMALIZATION_RULES} from './rules/normalization';
import {POOLING_RULES} from './rules/pooling';
import {PRODUCT_RULES} from './rules/products';
import {REDUCTION_RULES} from './rules/reductions';
import {RESIZE_RULES} from './rules/resize';
import type {BackwardNode, Rule} from './rules/rule';
import {STRUCTURE_RULES} from './rules/structure';

/**
 * Every input cotangent that takes the place of a gradient of tfjs 4.22: one table, of which each
 * file of `rules/` holds a part. The tests of these files show each wrong gradient, and fail when a
 * tfjs mends it.
 *
 * A kernel with wrong values has no derivative: `kernels/wrong_kernels.ts` refuses it. A kernel
 * with a fused bias and activation takes the rules of the kernel underneath (`fused.ts`).
 */
const TABLE: readonly Rule[] = [...ELEMENTWISE_RULES, ...BROADCASTING_RULES, ...STRUCTURE_RULES, ...GATHER_RULES,
  ...REDUCTION_RULES, ...PRODUCT_RULES, ...CONVOLUTION_RULES, ...POOLING_RULES, ...NORMALIZATION_RULES,
  ...RESIZE_RULES];

const byKernel = new Map<string, Rule[]>();
for (const rule of TABLE) {
  for (const kernel of [rule.kernel].flat()) {
    byKernel.set(kernel, [...byKernel.get(kernel) ?? [], rule]);
  }
}

/** The rules of a kernel, in the order of the search. */
export const rulesOf = (kernel: string): readonly Rule[] => byKernel.get(kernel) ?? [];

/**
 * The first rule for an input that a step takes in the place of a slow gradient; null if there is
 * none.
 */
export function fastRule(at: BackwardNode, input: string): Rule | null {
  return find(at, input, ({why}) => why === 'slow');
}

/**
 * The first rule for an input that the self-check takes, too; null if tfjs's gradient is right and
 * of use.
 */
export function trustedRule(at: BackwardNode, input: string): Rule | null {
  return find(at, input, ({why}) => why !== 'slow' && (why !== 'missing' || getGradient(at.node.kernel) == null));
}

/** The first rule for an input that has its cotangent before the sum; null if there is none. */
export function unsummedRule(at: BackwardNode, input: string): Rule | null {
  return find(at, input, ({unsummed}) => unsummed !== undefined);
}

const isFor = ({input}: Rule, wanted: string): boolean => input === undefined || input === wanted ||
    (typeof input !== 'string' && input.includes(wanted));

function find(at: BackwardNode, input: string, isCandidate: (rule: Rule) => boolean): Rule | null {
  return rulesOf(at.node.kernel).find(rule => isCandidate(rule) && isFor(rule, input) &&
      (rule.when === undefined || rule.when(at, input))) ?? null;
}
