/** The entry of a case on a backend in the support table. */
import type {Case} from '../cases/cases';
import {tfjsTrains} from './tfjs_gradient';
import {runCase} from './whole_step';

export interface Outcome {
  /** The step of ggn: by rules alone ('fast'), with help of the fallback, with frozen statistics; or no right step. */
  ggn: 'fast' | 'fallback' | 'frozen' | 'refused' | 'wrong';
  /** Whether tfjs's own optimizers train it: 'yes', 'wrong gradients', or 'no: ' and the missing op. */
  tfjs: string;
}

/**
 * Takes steps by ggn, compared with the reference, and a gradient by tfjs.
 *
 * @param use makes a backend the current one.
 */
export async function outcomeOf(c: Case, backend: string, use: (backend: string) => Promise<unknown>): Promise<Outcome> {
  const {outcome, kind} = await runCase(c, backend, use);
  return {ggn: outcome === 'exact' ? kind! : outcome, tfjs: await tfjsTrains(c, backend, use)};
}
