import type {TraceNode} from '../../trace/trace';
import {ELEMENTWISE_TANGENTS} from './elementwise';
import {LINEAR_TANGENTS} from './linear';
import type {Tangent, TangentRule} from './rule';
import {STRUCTURE_TANGENTS} from './structure';

const RULES: Record<string, Tangent | undefined> = {...ELEMENTWISE_TANGENTS, ...STRUCTURE_TANGENTS, ...LINEAR_TANGENTS};

/** The rule of a node; null if there is none (`tf.customGrad`, kernels of the user, ...). */
export function tangentRule(node: TraceNode): TangentRule | null {
  const tangent = RULES[node.kernel];
  return tangent === undefined || tangent.covers?.(node) === false ? null : tangent.rule;
}
