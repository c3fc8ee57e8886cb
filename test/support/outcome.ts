/** What the support table says of a case on a backend. */
import type {Case} from '../cases';
import {tfjsTrains} from './tfjs_gradient';
import {runCase, runsOn} from './whole_step';

export interface Outcome {
  /** What ggn does with the case. */
  ggn: 'exact, fast' | 'exact, fallback' | 'exact gradient, frozen statistics' | 'refused' | 'cannot run' | 'wrong';
  /** What tfjs's own optimizers do: 'yes', 'wrong gradients', or 'no: ' and what is missing. */
  tfjs: string;
  /** Of a refusal, or what is wrong. */
  message: string;
}

const WORDS = {fast: 'exact, fast', fallback: 'exact, fallback', frozen: 'exact gradient, frozen statistics'} as const;

/** @param use makes a backend the current one. */
export async function outcomeOf(c: Case, backend: string, use: (backend: string) => Promise<unknown>): Promise<Outcome> {
  if (!runsOn(c, backend)) {
    return {ggn: 'cannot run', tfjs: 'cannot run', message: ''};
  }
  const {outcome, message, kind} = await runCase(c, backend, use);
  return {ggn: outcome === 'refused' || outcome === 'wrong' ? outcome : WORDS[kind!], tfjs: await tfjsTrains(c, backend, use), message};
}
