import type {Clock} from '../tfjs/clock';
import {ConjugateGradientSystem} from './cg_system';
import {GramSystem} from './gram_system';
import {NormalSystem} from './normal_system';
import type {SystemName} from '../solve/system';
import type {LocalModelParts, StepSystem} from './step_system';

/**
 * The class of each system, by its name. A new system takes a row here and a name in `SystemName`.
 */
export const SYSTEMS: Readonly<Record<SystemName, new (parts: LocalModelParts, clock: Clock) => StepSystem>> = {
  gram: GramSystem,
  normal: NormalSystem,
  cg: ConjugateGradientSystem,
};
