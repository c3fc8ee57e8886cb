import {totalSize} from '../../arrays/vectors';
import {endsOf} from '../../trace/last_reads';
import type {Trace} from '../../trace/trace';
import {blockFloats, checkLeast, mayBeWhole} from '../../tfjs/memory';
import {CHANGES} from '../plan/footprint';
import type {Plan} from '../plan/plan';
import type {BatchRows} from '../sweep/batch_jacobian';
import {linearizeByComponent} from '../sweep/linearize';
import {COUPLED, SubBatches} from '../sweep/sub_batch';
import {SweptJacobian} from '../sweep/swept_jacobian';
import {linearizedPiece} from './held_pieces';
import type {BatchPiece, Linearized, Piece} from './operator';
import {LEAST, PASS} from './pieces';

/**
 * Tensors of the size of the tangents or cotangents of a node that its rule makes beside them,
 * about.
 */
const TEMPORARIES = 2;

/**
 * The rows of a plan that forms none, as products by sweeps. If a sweep would take much of the
 * memory, it goes through some examples after the others.
 *
 * @param onePass floats that a pass through the whole batch holds at once, later in the step.
 * @throws if a sweep through the whole batch takes more than the limit, and the batch cannot be
 * cut.
 */
export function sweptPieces(trace: Trace, plan: Plan, onePass: number): BatchPiece[] {
  const {analysis: {examples}, products} = plan;
  const {least, floats, changes} = sweptFootprint(trace, plan);
  const {ofRows} = products!;
  const cut = mayBeWhole(floats) || ofRows === null ? null : SubBatches.of(trace, ofRows);
  if (cut === null) {
    checkLeast(Math.max(least, changes), LEAST, () => {
      const obstacle = ofRows === null ? COUPLED : SubBatches.obstacle(trace, ofRows);
      return obstacle === null ? '' : `Its examples cannot be taken in parts: ${obstacle}. `;
    });
    checkLeast(onePass, PASS);
    return [linearizedPiece({trace, plan, jacobian: new SweptJacobian(trace, plan)})];
  }
  const count = Math.min(examples, Math.ceil(floats / (2 * blockFloats())));
  checkLeast(Math.max(least / examples, changes), LEAST);
  checkLeast(onePass, PASS);
  return Array.from({length: count}, (_, i) => {
    const [from, to] = [i, i + 1].map(k => Math.floor(k * examples / count));
    return new SweptChunk(cut, plan, from, to);
  });
}

/** The examples from..to-1 of a batch. */
class SweptChunk implements BatchPiece {
  readonly rows: number;
  readonly isSwept = true;

  constructor(private readonly cut: SubBatches, private readonly plan: Plan, private readonly from: number,
      private readonly to: number) {
    this.rows = (to - from) * plan.components;
  }

  linearize(): Linearized {
    const {cut, from, to} = this;
    const {trace} = cut.take(from, to);
    const plan = {...this.plan, analysis: {...this.plan.analysis, examples: to - from}};
    const sliced = trace.values.filter((_, value) => cut.has(value));
    return {trace, plan, jacobian: new SweptJacobian(trace, plan, sliced)};
  }

  components(count: number): BatchRows {
    const part = this.cut.take(this.from, this.to);
    return linearizeByComponent(part.trace, part.plan, 0, count);
  }

  head(rows: number): Piece {
    const {cut, plan, from, to} = this;
    return new SweptChunk(cut, plan, from, Math.min(to, from + Math.max(1, Math.floor(rows / plan.components))));
  }

  joined(): null {
    return null;
  }
}

/** The memory of a sweep, and of the vectors of the size of all weights, in floats. */
export function sweptFootprint(trace: Trace, plan: Plan): {least: number; floats: number; changes: number} {
  const least = sweptFloats(trace, plan);
  const changes = CHANGES * totalSize(plan.analysis.variables);
  return {least, floats: (1 + TEMPORARIES) * least, changes};
}

/** Floats of the tangents that a forward sweep holds at once. */
function sweptFloats(trace: Trace, {products, blocks}: Plan): number {
  const nodes = products!.nodes.map(i => trace.nodes[i]);
  const sizeOf = (value: number): number => trace.values[value].size;
  const ends = endsOf(nodes, new Set(blocks.map(({value}) => value)));
  const held = new Set<number>();
  let now = 0;
  let peak = 0;
  nodes.forEach((node, i) => {
    for (const value of node.outputs) {
      held.add(value);
      now += sizeOf(value);
    }
    peak = Math.max(peak, now);
    for (const value of ends[i]) {
      if (held.delete(value)) {
        now -= sizeOf(value);
      }
    }
  });
  return peak;
}
