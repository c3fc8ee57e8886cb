import type {Dependence} from '../../trace/dependence';
import type {Trace} from '../../trace/trace';

/** The number in a value of one element that does not depend on the weights; null for other values. */
export function numberIn(trace: Trace, {dependent}: Dependence, value: number): number | null {
  const t = trace.values[value];
  return t.size === 1 && !dependent[value] ? t.dataSync()[0] : null;
}
