import {RANDOM} from './kernel_sets';
import type {NamedValue, Trace, TraceNode} from './trace';

/**
 * Makes one value of two that f() computed by the same kernel on the same values, with the same
 * attributes. If f() evaluates a network once for each of two terms of the loss, the network then
 * has one set of outputs and one Jacobian, as if f() had evaluated it once for both. With dropout,
 * which draws anew, there are still two.
 *
 * Later users of a repeated value are given the first one. The kernel call that repeated it stays
 * in the trace and leads nowhere. Numbers that f() only reads are compared by their values, since
 * tfjs makes a new tensor of the same constant each time.
 */
export function mergeRepeats(trace: Trace): void {
  const first = new Map<number, number>();
  const isNumber = (value: number): boolean =>
    trace.producer[value] === -1 && trace.values[value].rank === 0 && !trace.variables.has(value);
  const isSameValue = (a: number, b: number): boolean =>
    a === b || (isNumber(a) && isNumber(b) && trace.values[a].dataSync()[0] === trace.values[b].dataSync()[0]);
  const isSame = (a: TraceNode, b: TraceNode): boolean => attributesOf(a) === attributesOf(b) &&
    a.inputs.every(([, value], k) => isSameValue(value, b.inputs[k][1]));
  const known = new Map<string, TraceNode[]>();
  trace.nodes.forEach((original, i) => {
    const node = !original.inputs.some(([, value]) => first.has(value)) ? original :
      {...original, inputs: original.inputs.map(([name, value]): NamedValue => [name, first.get(value) ?? value])};
    trace.nodes[i] = node;
    // Attributes are written out, and numbers read, only if all else is the same, as this runs in
    // every step.
    let key = node.kernel;
    for (const [name, value] of node.inputs) {
      key += ` ${name}=${isNumber(value) ? trace.values[value].dtype : value}`;
    }
    const isUnique = RANDOM.has(node.kernel) || node.hasOthers === true;
    const alike = isUnique ? undefined : known.get(key);
    const same = alike?.find(other => isSame(other, node));
    if (same !== undefined) {
      node.outputs.forEach((output, k) => first.set(output, same.outputs[k]));
    } else if (alike !== undefined) {
      alike.push(node);
    } else if (!isUnique) {
      known.set(key, [node]);
    }
  });
  if (first.size > 0) {
    trace.merge(first);
  }
}

/** JSON knows no infinity, no NaN and no negative zero. */
const attributesOf = ({attrs}: TraceNode): string =>
  JSON.stringify(attrs, (_, value: unknown) =>
    typeof value !== 'number' ? value : Object.is(value, -0) ? '-0' : String(value));
