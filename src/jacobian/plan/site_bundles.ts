import type {Trace} from '../../trace/trace';
import {tableSizes} from '../../derivatives/kernels/gather';
import type {Parameter, Site, VariableSites} from './plan';

/**
 * The sites of one variable, in bundles of the same entries if the bundles are disjoint and can be
 * joined.
 */
export function bundleSites(all: readonly Site[], variable: number, trace: Trace): VariableSites {
  const sites = all.map((_, i) => i).filter(i => all[i].parameter.variables.includes(variable));
  const bundles: number[][] = [];
  for (const i of sites) {
    if (all[i].parameter.kind === 'function' || repeats(all[i].parameter)) {
      return {sites, bundles: null};
    }
    const same = bundles.find(bundle => sameEntries(all[bundle[0]], all[i], trace));
    if (same === undefined) {
      bundles.push([i]);
    } else {
      same.push(i);
    }
  }
  const canJoin = bundles.every(bundle =>
    bundle.length === 1 || bundle.every(i => isAlike(all[i], all[bundle[0]], trace)));
  return {sites, bundles: canJoin && areDisjoint(bundles.map(bundle => all[bundle[0]].parameter)) ? bundles : null};
}

/** Whether two sites of the same entries have uses of one form, which can be joined. */
const isAlike = (a: Site, b: Site, trace: Trace): boolean => a.kind !== 'fallback' && a.kind === b.kind &&
    a.matrix?.transposed === b.matrix?.transposed && tableOf(a, trace) === tableOf(b, trace);

/** The sizes of the table that a gather reads; '' for other sites. */
const tableOf = ({kind, node, parameter}: Site, trace: Trace): string =>
  kind === 'gather' ? Object.values(tableSizes(node, trace.values[parameter.value].shape)).join() : '';

/** Whether an entry of the variable stands several times in the parameter. */
const repeats = ({entries}: Parameter): boolean => entries !== null && new Set(entries).size < entries.length;

function sameEntries(a: Site, b: Site, trace: Trace): boolean {
  const [p, q] = [a.parameter, b.parameter];
  const matrix = (site: Site): string =>
    site.kind === 'matrix' ? trace.values[site.parameter.value].shape.slice(-2).join() : '';
  if (p.value !== q.value && matrix(a) !== matrix(b)) {
    return false;
  }
  if (p.value === q.value || (p.entries === null && q.entries === null)) {
    return true;
  }
  return p.entries !== null && q.entries !== null && p.entries.length === q.entries.length &&
      p.entries.every((entry, i) => entry === q.entries![i]);
}

/** Whether no entry of the variable is in two of the parameters. */
function areDisjoint(parameters: readonly Parameter[]): boolean {
  if (parameters.length === 1) {
    return true;
  }
  const seen = new Set<number>();
  for (const {entries} of parameters) {
    if (entries === null) {
      return false;
    }
    for (const entry of entries) {
      if (seen.has(entry)) {
        return false;
      }
      seen.add(entry);
    }
  }
  return true;
}
