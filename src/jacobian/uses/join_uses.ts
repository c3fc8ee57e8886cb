import {GatherUse} from './gather';
import {MatrixUse} from './matmul';
import {PlainPositions} from './positions';
import {RowsUse} from './rows';
import {SharedUse} from './shared';
import {SummedUse} from './summed';
import type {ParameterUse} from './use';

/** Uses of the same entries as one, in the form in which its products cost least. */
export function joinUses(uses: readonly ParameterUse[]): ParameterUse {
  const one = uses.length === 1 ? uses[0] : stackUses(uses);
  if (one !== null) {
    return one instanceof SharedUse || one instanceof MatrixUse ? one.settled() : one;
  }
  if (areAll(uses, RowsUse)) {
    return RowsUse.sum(uses);
  }
  return areAll(uses, GatherUse) ? GatherUse.stack(uses) : new SummedUse(uses);
}

/**
 * Several uses of one matrix as one use with their positions side by side, cross terms included;
 * null if a use has no tensor of data.
 */
export function stackUses(uses: readonly ParameterUse[]): SharedUse | null {
  const shared = uses.map(use => use instanceof MatrixUse ? use.asShared() : use);
  const isPlain = shared.every(use => use instanceof SharedUse && use.data instanceof PlainPositions);
  return isPlain ? SharedUse.stack(shared as SharedUse[]) : null;
}

const areAll = <T extends ParameterUse>(uses: readonly ParameterUse[],
    type: abstract new (...args: never[]) => T): uses is readonly T[] => uses.every(use => use instanceof type);
