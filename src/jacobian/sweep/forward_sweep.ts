import {tidy, zeros, type Tensor} from '@tensorflow/tfjs-core';
import {ForwardNode} from '../../derivatives/tangents/rule';
import {tangentRule} from '../../derivatives/tangents/rules';
import {differenceNode, type RowBlock} from '../../loss/functions/row_block';
import {shaped} from '../../tfjs/fast_ops';
import {sourcesOf} from '../../trace/custom_grad';
import {endsOf, freeEnded} from '../../trace/last_reads';
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
  const read = ({value, difference}: RowBlock): number[] =>
    [value, ...difference === null ? [] : sourcesOf(trace.nodes[difference])];
  const ends = endsOf(nodes, new Set(blocks.flatMap(read)));
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
    freeEnded(ends[i], tangents, t => t.size >= LARGE);
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
