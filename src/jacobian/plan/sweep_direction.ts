import type {Trace, TraceNode} from '../../trace/trace';
import {analyse} from '../../trace/analysis';
import type {Dependence} from '../../trace/dependence';
import {unlessLost} from '../../trace/batch_axis';
import type {RowBlock} from '../../loss/functions/row_block';
import {makeForwardPlan} from './forward_plan';
import {makePlan} from './make_plan';
import type {ForwardSweep, Plan} from './plan';

/** Kernels of a long way. From here on less work is less time; a shorter way has a margin. */
const LONG = 64;

/**
 * For a short way, the factor by which the work of reverse sweeps must exceed that of forward
 * sweeps: reverse sweeps hold less in memory, and little is to be gained.
 */
const MARGIN = 4;

/**
 * Work of the reverse sweeps of a short way up to which nothing is to be gained: some 256 small
 * kernels.
 */
const LITTLE = 2 ** 18;

/**
 * Whether forward sweeps take less work than the reverse sweeps of a batch, as far as both are
 * possible.
 *
 * @param examples B, the number of examples.
 * @param isBatched whether the value with this index has an entry for each example.
 */
export function isForwardBetter(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], examples: number,
    isBatched: (value: number) => boolean): boolean {
  return unlessLost(() => {
    const {forward} = makeForwardPlan(trace, dependence, blocks);
    const {activations, parameters, strides} =
        analyse(trace, dependence, blocks.map(({value}) => value), examples, isBatched);
    // If nearly all nodes make parameters of variables, the plan of the reverse sweeps is not worth
    // making.
    const isMadeOfParameters = parameters.length > Math.max(LONG, 2 * forward.directions * activations.length);
    if (isMadeOfParameters && blocks.every(({value}) => strides[value] !== null)) {
      return true;
    }
    const isShort = forward.nodes.length < LONG;
    const reverse = reverseWork(trace, makePlan(trace, dependence, blocks, examples, isBatched));
    return reverse > (isShort ? MARGIN : 1) * forwardWork(trace, forward) && !(isShort && reverse <= LITTLE);
  }, () => false);
}

/** The fixed cost of a kernel, in entries of its output. */
const OVERHEAD = 1000;

/**
 * Work of some kernels, in entries of their outputs, if the outputs are `times` as large as in the
 * trace.
 */
const workOf = (trace: Trace, nodes: readonly TraceNode[], times: number): number =>
  nodes.reduce((work, {outputs}) => work + OVERHEAD + times * trace.values[outputs[0]].size, 0);

/** Work of a forward sweep: each kernel runs once, for all directions. */
const forwardWork = (trace: Trace, {nodes, directions}: ForwardSweep): number => workOf(trace, nodes, directions);

/**
 * Work of the reverse sweeps of a plan: the nodes of a sweep for each component, and, if a
 * parameter mixes the entries of its variables, the nodes of its path for each row and variable.
 */
function reverseWork(trace: Trace, {analysis: {examples}, components, sweep, sites}: Plan): number {
  const byValue = new Map(sites.map(({parameter}) => [parameter.value, parameter]));
  return [...byValue.values()].filter(({kind, reach}) => kind === 'function' && reach === null).reduce(
      (work, {path, variables}) => work + examples * components * variables.length * workOf(trace, path, 1),
      components * workOf(trace, sweep.map(({node}) => node), 1));
}
