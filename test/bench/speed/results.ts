/** test/bench/results.json: the figures that are committed, with the machine and the versions that they hold for. */
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import type {NodeBackend} from '../../support/backends';
import type {Activation, NetworkName} from './rows';
import type {Counted, FirstSteps, StepTimes} from './steps';

/** When and from what a figure is: load is the mean number of busy processes in the minute before it. */
export interface Origin {
  readonly commit: string;
  readonly date: string;
  readonly load: number;
}

interface Row extends Origin {
  readonly backend: NodeBackend;
  readonly network: NetworkName;
}

export interface StepsRow extends Row, StepTimes {
  readonly activation: Activation;
}

export interface FirstRow extends Row, FirstSteps {
  /** Medians of the ratios of the processes, each of ggn's first steps to those of Adam: by the clock, of the processor. */
  readonly ratio: number;
  readonly busyRatio: number;
  readonly processes: number;
}

export interface KernelsRow extends Row {
  readonly kernels: Counted;
  readonly addon: Counted | null;
}

export interface Environment {
  readonly machine: string;
  readonly node: string;
  readonly tfjs: string;
}

export interface Results extends Environment {
  readonly steps: readonly StepsRow[];
  readonly first: readonly FirstRow[];
  readonly kernels: readonly KernelsRow[];
}

export const FILE = fileURLToPath(new URL('../results.json', import.meta.url));

export const emptyResults = (environment: Environment): Results => ({...environment, steps: [], first: [], kernels: []});

export const readResults = (): Results | null => existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) as Results : null;

const keyOf = ({backend, network, activation}: Row & {activation?: Activation}): string =>
  `${backend} ${network} ${activation ?? ''}`;

/** The row of the same backend, network and activation. */
export const sameRow = <R extends Row>(rows: readonly R[], row: Omit<R, 'commit'>): R | undefined =>
  rows.find(other => keyOf(other) === keyOf(row as unknown as R));

function mergedRows<R extends Row>(rows: readonly R[], added: readonly R[]): R[] {
  const keys = new Set(added.map(keyOf));
  return [...rows.filter(row => !keys.has(keyOf(row))), ...added].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/**
 * The committed figures with new ones in their place. Figures of another machine or other versions are not mixed: then
 * all rows that are committed must be among the new ones.
 */
export function merged(old: Results | null, added: Results): Results {
  const {machine, node, tfjs} = added;
  const all = {machine, node, tfjs};
  const kept = old ?? emptyResults(all);
  const rows = {steps: mergedRows(kept.steps, added.steps), first: mergedRows(kept.first, added.first),
    kernels: mergedRows(kept.kernels, added.kernels)};
  const isWhole = (['steps', 'first', 'kernels'] as const).every(kind => rows[kind].length === added[kind].length);
  if (!isWhole && (kept.machine !== machine || kept.node !== node || kept.tfjs !== tfjs)) {
    throw new Error(`results.json holds figures of ${kept.machine}, Node ${kept.node}, tfjs ${kept.tfjs}, and this run ` +
      `is part of a table of ${machine}, Node ${node}, tfjs ${tfjs}. Run the whole table with --write.`);
  }
  return {...all, ...rows};
}

/** A row of the table in a line of the file, so that a difference between commits shows rows. */
export function fileText({machine, node, tfjs, ...rows}: Results): string {
  const lists = Object.entries(rows).map(([kind, list]) =>
    `  ${JSON.stringify(kind)}: [\n${list.map(row => `    ${JSON.stringify(row, rounded)}`).join(',\n')}\n  ]`);
  const head = Object.entries({machine, node, tfjs}).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{\n${[...head, ...lists].join(',\n')}\n}\n`;
}

/** Four digits of a number. */
const rounded = (_key: string, value: unknown): unknown => typeof value === 'number' ? Number(value.toPrecision(4)) : value;

export const writeResults = (results: Results): void => writeFileSync(FILE, fileText(results));
