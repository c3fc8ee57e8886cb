/** The rows of figures as lines of tables, with the committed figures and the goals beside. */
import {byName, total} from './kernel_counts';
import {FIRST, networkNamed} from './rows';
import {sameRow} from './results';
import type {FirstRow, KernelsRow, Results, StepsRow} from './results';
import type {Two} from './steps';

const shown = (value: number | undefined): string =>
  value === undefined ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

const bold = (value: number): string => `**${shown(value)}**`;

const PARTS = ['capture', 'linearize', 'gram', 'solve', 'trial', 'update'];

const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

const head = (cells: readonly string[]): string[] => [line(cells), `|${'---|'.repeat(cells.length)}`];

export const stepsHead = head(['backend', 'network', 'activation', 'ggn ms', 'adam ms', 'ratio', 'committed', 'goal',
  'at f7c065b', 'of processor time', 'committed', 'committed ggn ms', ...PARTS]);

const ratioOf = ({ggn, beside}: Two): number => ggn / beside;

const busyRatioOf = ({busyGgn, busyBeside}: Two): number => busyGgn / busyBeside;

export function stepsLine(row: StepsRow, old: Results | null): string {
  const {backend, network, activation, ggn, beside, parts} = row;
  const {title, goals, beside: forward} = networkNamed(network);
  const {atMost, before} = goals[backend];
  const committed = sameRow(old?.steps ?? [], row);
  return line([backend, `${network} ${title}`, activation, shown(ggn),
    `${shown(beside)}${forward?.[backend] === undefined ? '' : ' (forward)'}`,
    bold(ratioOf(row)), shown(committed && ratioOf(committed)), atMost, before ?? '-',
    shown(busyRatioOf(row)), shown(committed && busyRatioOf(committed)), shown(committed?.ggn),
    ...PARTS.map(part => shown(parts[part]))]);
}

export const firstHead = head(['backend', 'network', `first ${FIRST.steps} of ggn, ms`, 'of adam', 'ratio', 'committed', 'goal',
  'of processor time', 'committed', 'very first of ggn, ms', 'of adam', 'committed, of ggn']);

export function firstLine(row: FirstRow, old: Results | null): string {
  const committed = sameRow(old?.first ?? [], row);
  return line([row.backend, row.network, shown(row.ggn), shown(row.beside), bold(row.ratio), shown(committed?.ratio),
    FIRST.atMost, shown(row.busyRatio), shown(committed?.busyRatio), shown(row.firstGgn), shown(row.firstBeside), shown(committed?.firstGgn)]);
}

export const kernelsHead = head(['backend', 'network', 'kernels of ggn', 'committed', 'of adam', 'calls of the addon', 'committed',
  'of adam', 'kernels of ggn by name']);

export function kernelsLine(row: KernelsRow, old: Results | null): string {
  const committed = sameRow(old?.kernels ?? [], row);
  const {kernels, addon} = row;
  const count = (counts: Record<string, number> | undefined): string => counts === undefined ? '-' : String(total(counts));
  return line([row.backend, row.network, `**${count(kernels.ggn)}**`, count(committed?.kernels.ggn), count(kernels.beside),
    addon === null ? '-' : `${count(addon.ggn)} (${byName(addon.ggn)})`, count(committed?.addon?.ggn), count(addon?.beside),
    byName(kernels.ggn)]);
}
