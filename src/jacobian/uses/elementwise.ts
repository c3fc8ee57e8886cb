import {reshape, sum, transpose, type Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../trace/trace';
import {tfjsCotangents, type Values} from '../../derivatives/cotangents';
import {BackwardNode, isSameShape} from '../../derivatives/rules/rule';
import {unsummedRule} from '../../derivatives/table';
import {exampleAxis} from '../../trace/example_axis';
import {broadcast, shaped, sumTo} from '../../tfjs/fast_ops';
import {padded} from '../plan/site';

/**
 * Rows of one component of an elementwise use, [B, |p|]: δ times the derivative of each element of
 * the output, summed to the parameter's shape.
 *
 * @param shape of the parameter as it broadcasts.
 * @param dy δ, of the shape of the node's output.
 * @param stride of the examples in the output.
 */
export function elementwiseRows(values: Values, node: TraceNode, name: string, shape: readonly number[], dy: Tensor,
    stride: number, examples: number): Tensor {
  const elements = elementsOf(values, node, name, dy);
  const size = shape.reduce((a, b) => a * b, 1);
  if (elements.size === examples * size && stride === size) {
    return shaped(elements, [examples, size]);
  }
  const out = elements.shape;
  const full = padded(shape, out.length);
  if (examples === 1) {
    return shaped(sumTo(elements, full), [1, size]);
  }
  const {axis, before, inner} = exampleAxis(out, stride, examples)!;
  // Neighbouring axes of one kind are one: those that are summed, the examples, those of the
  // parameter.
  const axes: Array<{size: number; kind: 'summed' | 'examples' | 'kept'}> = [];
  const push = (size: number, kind: 'summed' | 'examples' | 'kept'): void => {
    const last = axes[axes.length - 1];
    if (size > 1 && last?.kind === kind) {
      last.size *= size;
    } else if (size > 1) {
      axes.push({size, kind});
    }
  };
  out.forEach((d, i) => {
    if (i === axis) {
      push(before, 'summed');
      push(examples, 'examples');
      push(inner, 'summed');
    } else {
      push(d, full[i] === 1 ? 'summed' : 'kept');
    }
  });
  const over = axes.map((_, i) => i).filter(i => axes[i].kind === 'summed');
  const all = reshape(elements, axes.map(({size: d}) => d));
  const summed = over.length === 0 ? all : sum(all, over);
  const at = axes.filter(({kind}) => kind !== 'summed').findIndex(({kind}) => kind === 'examples');
  const others = [...Array(summed.rank).keys()].filter(i => i !== at);
  return shaped(at === 0 ? summed : transpose(summed, [at, ...others]), [examples, size]);
}

/** δ times the derivative of each element of the output in its element of the parameter. */
function elementsOf(values: Values, node: TraceNode, name: string, dy: Tensor): Tensor {
  if (name === 'bias') {
    return dy;
  }
  const at = new BackwardNode(values, node, [dy]);
  const rule = unsummedRule(at, name);
  if (rule !== null) {
    return rule.unsummed!(at, name);
  }
  // If all operands are broadcast beforehand, tfjs's own gradient has nothing to sum.
  const {shape} = values[node.outputs[0]];
  const spread = (t: Tensor): Tensor =>
    isSameShape(t, dy) ? t : broadcast(shaped(t, padded(t.shape, shape.length)), shape);
  const full: Tensor[] = [];
  node.outputs.forEach(output => full[output] = values[output]);
  for (const [n, value] of node.inputs) {
    full[value] = n === 'condition' ? values[value] : spread(values[value]);
  }
  return tfjsCotangents(full, node, [dy])[name]();
}
