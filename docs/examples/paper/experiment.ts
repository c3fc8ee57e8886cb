/** What main.ts knows of an experiment, and reading its options. */
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {availableBackends} from '../../../test/support/backends';
import type {NodeBackend} from '../../../test/support/backends';

export interface Option {
  name: string;
  value: string;
  help: string;
  /** Its value must be a whole number, or a list of them with commas. */
  whole?: 'one' | 'list';
}

/** One claim: what is run, and with which options. */
export interface Experiment {
  /** One line. */
  summary: string;
  options: Option[];
  run: (options: Record<string, string>) => Promise<void>;
}

export const OUT: Option = {name: 'out', value: relative('', fileURLToPath(new URL('.', import.meta.url))), help: 'where to write the plot'};

const BACKENDS: NodeBackend[] = ['tensorflow', 'wasm', 'cpu'];

export const BACKEND: Option = {
  name: 'backend', value: availableBackends().includes('tensorflow') ? 'tensorflow' : 'wasm',
  help: 'tensorflow (tfjs-node, built by `npm run native`), wasm or cpu',
};

export function backendOf(name: string): NodeBackend {
  const backend = BACKENDS.find(candidate => candidate === name);
  if (backend === undefined) {
    throw new Error(`--backend must be one of ${BACKENDS.join(', ')}; received '${name}'.`);
  }
  return backend;
}

/** The options given, defaults filled in; throws for any that is not in the list or has no such value. */
export function readOptions(args: string[], options: Option[]): Record<string, string> {
  const {values} = parseArgs({args, options: Object.fromEntries(options.map(({name, value}) => [name, {type: 'string', default: value} as const]))});
  for (const {name, whole} of options) {
    const text = values[name] as string;
    if (whole !== undefined && !(whole === 'one' ? /^[1-9]\d*$/ : /^[1-9]\d*(,[1-9]\d*)*$/).test(text)) {
      throw new Error(`--${name} must be ${whole === 'one' ? 'a whole number' : 'whole numbers, with commas between,'} of 1 or more; ` +
        `received '${text}'.`);
    }
  }
  return values as Record<string, string>;
}

/** The numbers of an option that is a list. */
export const list = (text: string): number[] => text.split(',').map(Number);
