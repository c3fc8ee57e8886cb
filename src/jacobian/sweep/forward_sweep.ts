import {tidy, zeros} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {ForwardNode} from '../../derivatives/tangents/rule';
import {tangentRule} from '../../derivatives/tangents/rules';
import {differenceNode} from '../../loss/functions/row_block';
import type {RowBlock} from '../../loss/functions/row_block';
import {shaped} from '../../tfjs/fast_ops';
import {valuesOf} from '../../trace/trace';
import type {Trace, TraceNode} from '../../trace/trace';
import type {Plan} from '../plan/plan';
import {LARGE} from './sweep';

/**
 * The tangents of the rows, [directions, rows] for each block, by one forward sweep.
 *
 * @param nodes the nodes between the variables and the rows, in order.
 * @param tangents those of the variables, by value index. The sweep disposes of large tangents that
 * no later node reads, also of these.
 */
export function pushTangents(trace: Trace, {blocks, analysis: {dependent}}: Plan, nodes: readonly TraceNode[],
    tangents: Map<number, Tensor>, directions: number): Tensor[] {
  const {values} = trace;
  const drop = releaser(trace, blocks, nodes, tangents);
  nodes.forEach((node, i) => {
    if (node.inputs.some(([, value]) => tangents.has(value))) {
      const at = new ForwardNode(values, node, tangents, directions);
      const form = (): Tensor[] => [tangentRule(node)!(at)].flat();
      const isLarge = at.output.size * directions >= LARGE;
      (isLarge ? tidy(form) : form()).forEach((tangent, k) => {
        if (dependent[node.outputs[k]]) {
          tangents.set(node.outputs[k], tangent);
        }
      });
    }
    drop(i);
  });
  return blocks.map(block => tangentOfBlock(trace, block, tangents, directions));
}

/** The tangent of a block of rows, [directions, rows]; zeros if no direction reaches the block. */
function tangentOfBlock(trace: Trace, block: RowBlock, tangents: ReadonlyMap<number, Tensor>,
    directions: number): Tensor {
  const {values} = trace;
  const {value} = block;
  const {size} = values[value];
  const flat = (t: Tensor): Tensor => shaped(t, [directions, size]);
  const node = differenceNode(trace, block);
  if (node === null) {
    const tangent = tangents.get(value);
    return tangent === undefined ? zeros([directions, size]) : flat(tangent);
  }
  const at = new ForwardNode(values, node, tangents, directions);
  return at.names.every(name => at.tangent(name) === null) ? zeros([directions, size]) :
    flat(tangentRule(node)!(at) as Tensor);
}

/**
 * A function that disposes, after the i-th node, of the large tangents that no later node reads.
 */
function releaser(trace: Trace, blocks: readonly RowBlock[], nodes: readonly TraceNode[],
    tangents: Map<number, Tensor>): (i: number) => void {
  const last = new Map<number, number>();
  nodes.forEach((node, i) => valuesOf(node).forEach(value => last.set(value, i)));
  for (const {value, difference} of blocks) {
    const read = difference === null ? [] : trace.nodes[difference].inputs.map(([, input]) => input);
    [value, ...read].forEach(row => last.set(row, nodes.length));
  }
  return i => {
    for (const value of new Set(valuesOf(nodes[i]))) {
      const t = tangents.get(value);
      if (t === undefined || last.get(value) !== i) {
        continue;
      }
      tangents.delete(value);
      // A reshape to the same shape passes its tangent on.
      if (t.size >= LARGE && ![...tangents.values()].includes(t)) {
        t.dispose();
      }
    }
  };
}
