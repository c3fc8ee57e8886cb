/** The part of the table of speeds that a command line asks for. */
import type {NodeBackend} from '../../support/backends';
import {BACKENDS, NETWORK_NAMES} from './rows';
import type {NetworkName} from './rows';

export interface SpeedArguments {
  readonly backend?: string;
  readonly networks?: string;
  readonly seconds?: string;
  readonly processes?: string;
  readonly only?: string;
  readonly profile?: boolean;
  readonly write?: boolean;
}

export const KINDS = ['steps', 'first', 'kernels'] as const;

export type Kind = typeof KINDS[number];

export interface SpeedOptions {
  readonly backends: readonly NodeBackend[];
  readonly networks: readonly NetworkName[];
  readonly kinds: readonly Kind[];
  /** Time for the steps of a row. */
  readonly seconds: number;
  /** Fresh processes for a row of first steps: a multiple of 4, for two orders and two activations. */
  readonly processes: number;
  readonly profile: boolean;
  readonly write: boolean;
}

function chosen<T extends string>(what: string, text: string | undefined, all: readonly T[]): readonly T[] {
  const names = text?.split(',') as T[] | undefined;
  const unknown = names?.find(name => !all.includes(name));
  if (unknown !== undefined) {
    throw new Error(`--${what} ${unknown}: there is no such, take some of ${all.join(',')}`);
  }
  return names ?? all;
}

/** A whole table takes its time, a part of it is quick. */
export function speedOptions({backend, networks, seconds, processes, only, profile, write}: SpeedArguments): SpeedOptions {
  const isPart = backend !== undefined || networks !== undefined;
  const counts = {seconds: Number(seconds ?? (isPart ? 5 : 12)), processes: Number(processes ?? (isPart ? 4 : 8))};
  if (!(counts.seconds > 0) || !(counts.processes > 0) || counts.processes % 4 !== 0) {
    throw new Error(`--seconds ${seconds}, --processes ${processes}: positive numbers, --processes a multiple of 4`);
  }
  return {backends: chosen('backend', backend, BACKENDS), networks: chosen('networks', networks, NETWORK_NAMES),
    kinds: chosen('only', only, KINDS), ...counts, profile: profile === true, write: write === true};
}
