import type {FormedFor} from '../jacobian/whole/formed_batch';
import type {SystemName} from '../solve/system';
import type {Clock} from '../tfjs/clock';
import {rehearseProducts} from './cg_rehearsal';
import {ConjugateGradientSystem} from './cg_system';
import {GramSystem} from './gram_system';
import {NormalSystem, rehearseSums} from './normal_system';
import type {LocalModelParts, RehearsedFor, StepSystem} from './step_system';

type Products = NonNullable<FormedFor['products']>;

/** The code of a system; `SYSTEM_FACTS` has its numbers. */
interface SystemCode {
  readonly System: new (parts: LocalModelParts, clock: Clock) => StepSystem;
  /**
   * Takes the products that the system takes with some pieces of J, in a rehearsal, which counts
   * their memory: with the largest piece, or with those of `heldEnds`. null if the products are the
   * Gram matrix, which the rehearsal forms anyway.
   */
  readonly rehearse: ((step: RehearsedFor, ...pieces: Parameters<Products>) => void) | null;
}

/** The systems by name. */
export const SYSTEMS: Readonly<Record<SystemName, SystemCode>> = {
  gram: {System: GramSystem, rehearse: null},
  normal: {System: NormalSystem, rehearse: rehearseSums},
  cg: {System: ConjugateGradientSystem, rehearse: rehearseProducts},
};

/** The rehearsal of a system in a step; null if the system has none of its own. */
export function rehearsalOf(system: SystemName, step: RehearsedFor): Products | null {
  const {rehearse} = SYSTEMS[system];
  return rehearse === null ? null : (...pieces) => rehearse(step, ...pieces);
}
