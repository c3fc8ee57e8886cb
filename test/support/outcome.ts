/** What the support table says of a case on a backend. */
import type {Case} from '../cases/cases';
import {tfjsTrains} from './tfjs_gradient';
import {runCase} from './whole_step';

export interface Outcome {
  /** What ggn does with the case: its step by rules alone ('fast'), with help of the fallback, with frozen statistics; or no right step. */
  ggn: 'fast' | 'fallback' | 'frozen' | 'refused' | 'wrong';
  /** What tfjs's own optimizers do: 'yes', 'wrong gradients', or 'no: ' and what is missing. */
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
