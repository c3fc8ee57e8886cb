import {SELECTIONS} from './kernel_sets';
import type {Trace, TraceNode} from './trace';
import type {FitBatch} from '../tfjs/fit_batch_hook';

/**
 * The place of a node in words, as " (in the layer 'dense_1', Dense)", by the variable that enters
 * at the node or most closely before it. In a custom loop there are no layers.
 */
export function layerOf(node: TraceNode, trace: Trace, fitBatch: FitBatch | null): string {
  const {variable, isDirect} = nearestVariable(node, trace);
  if (variable === null) {
    return '';
  }
  if (fitBatch === null) {
    return isDirect ? '' : ` (behind the variable '${variable}')`;
  }
  const [name] = variable.split('/');
  const kind = fitBatch.model.layers.find(layer => layer.name === name)?.getClassName();
  return ` (${isDirect ? 'in' : 'in or behind'} the layer '${name}'${kind === undefined ? '' : `, ${kind}`})`;
}

/**
 * The name of the variable on the shortest way back from a node. The way is direct if only views
 * lie on it.
 */
function nearestVariable(node: TraceNode, trace: Trace): {variable: string | null; isDirect: boolean} {
  let front = node.inputs.map(([, value]) => value);
  const seen = new Set(front);
  let isDirect = true;
  while (front.length > 0) {
    const found = front.find(value => trace.variables.has(value));
    if (found !== undefined) {
      return {variable: trace.variables.get(found)!.name, isDirect};
    }
    const producers = front.map(value => trace.nodes[trace.producer[value]] as TraceNode | undefined)
        .filter(node => node !== undefined);
    isDirect &&= producers.some(({kernel}) => SELECTIONS.has(kernel));
    front = producers.flatMap(n => n.inputs.map(([, value]) => value)).filter(value => !seen.has(value));
    front.forEach(value => seen.add(value));
  }
  return {variable: null, isDirect: false};
}
