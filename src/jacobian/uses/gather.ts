import {gather, getBackend, reshape, tensor, type Tensor} from '@tensorflow/tfjs-core';
import {outerProduct} from '../../arrays/outer_product';
import type {TraceNode} from '../../trace/trace';
import type {BatchStride} from '../../trace/example_axis';
import type {Values} from '../../derivatives/cotangents';
import {READS_ARE_CHEAP} from '../../tfjs/fast_ops';
import {tableSizes} from '../../derivatives/kernels/gather';
import {findSlots, type GatherSizes, type Lookup, type Slots} from './gather_slots';
import type {GramTerm, ParameterUse} from './use';

/**
 * The use of a table of which indices that belong to the examples pick entries (an Embedding): the
 * row of (b, c) is Σ_s δ_bcs at the entry index_bs, zero elsewhere.
 *
 *     gram[(b,c), (b',c')] = Σ_i (Σ_{s: index_bs = i} δ_bcs) · (Σ_{s: index_b's = i} δ_b'c's)
 *
 * Only pairs of examples that share an entry meet. If k_i examples read entry i, this takes Σ_i
 * k_i² C² products of vectors of length `before·after`. No one-hot matrix and no row of the table's
 * size is formed.
 */
export class GatherUse implements ParameterUse {
  readonly examples: number;
  readonly components: number;
  readonly size: number;
  private readonly width: number;
  private known: Slots | undefined;

  constructor(private readonly lookups: readonly Lookup[], private readonly sizes: GatherSizes) {
    this.examples = sizes.examples;
    this.components = sizes.components;
    this.width = sizes.before * sizes.after;
    this.size = this.width * sizes.entries;
  }

  /**
   * Several gathers from one table as one with their positions side by side, cross terms included.
   */
  static stack(uses: readonly GatherUse[]): GatherUse {
    return new GatherUse(uses.flatMap(use => use.lookups), uses[0].sizes);
  }

  apply(p: Tensor): Tensor {
    const {start, entry, sums} = this.slots();
    const {components: C, width} = this;
    const {before, entries, after} = this.sizes;
    // A device returns only the entries that are needed. If reads are cheap, tfjs's gather costs
    // more than the whole table.
    const isWhole = READS_ARE_CHEAP.has(getBackend());
    const needed = (): Tensor =>
      gather(reshape(p, [before, entries, after]), tensor(entry, [entry.length], 'int32'), 1);
    const table = (isWhole ? p : needed()).dataSync();
    const count = isWhole ? entries : entry.length;
    const out = new Float32Array(this.examples * C);
    for (let b = 0; b < this.examples; b++) {
      for (let c = 0; c < C; c++) {
        let sum = 0;
        for (let t = start[b]; t < start[b + 1]; t++) {
          let from = (t * C + c) * width;
          for (let o = 0; o < before; o++) {
            const to = (o * count + (isWhole ? entry[t] : t)) * after;
            for (let k = 0; k < after; k++) {
              sum += sums[from++] * table[to + k];
            }
          }
        }
        out[b * C + c] = sum;
      }
    }
    return tensor(out, [this.examples, C]);
  }

  applyTranspose(u: Tensor): Tensor {
    const {start} = this.slots();
    const weights = u.dataSync();
    const table = new Float32Array(this.size);
    for (let b = 0; b < this.examples; b++) {
      for (let t = start[b]; t < start[b + 1]; t++) {
        for (let c = 0; c < this.components; c++) {
          this.addSlot(t, c, weights[b * this.components + c], table, 0);
        }
      }
    }
    return tensor(table, [this.size]);
  }

  rows(from: number, to: number): Tensor {
    const {start} = this.slots();
    const count = (to - from) * this.components;
    const rows = new Float32Array(count * this.size);
    for (let b = from; b < to; b++) {
      for (let t = start[b]; t < start[b + 1]; t++) {
        for (let c = 0; c < this.components; c++) {
          this.addSlot(t, c, 1, rows, ((b - from) * this.components + c) * this.size);
        }
      }
    }
    return tensor(rows, [count, this.size]);
  }

  gram(): GramTerm {
    const {start, entry, sums} = this.slots();
    const {components: C, width} = this;
    const n = this.examples * C;
    const gram = new Float64Array(n * n);
    const holders = new Map<number, {examples: number[]; slots: number[]}>();
    for (let b = 0; b < this.examples; b++) {
      for (let t = start[b]; t < start[b + 1]; t++) {
        const known = holders.get(entry[t]);
        if (known === undefined) {
          holders.set(entry[t], {examples: [b], slots: [t]});
        } else {
          known.examples.push(b);
          known.slots.push(t);
        }
      }
    }
    for (const {examples, slots} of holders.values()) {
      const size = slots.length * C;
      const x = new Float32Array(size * width);
      slots.forEach((t, i) => x.set(sums.subarray(t * C * width, (t + 1) * C * width), i * C * width));
      const products = outerProduct(x, size, width);
      for (let i = 0; i < size; i++) {
        const row = (examples[Math.floor(i / C)] * C + i % C) * n;
        for (let j = 0; j < size; j++) {
          const column = examples[Math.floor(j / C)] * C + j % C;
          gram[row + column] = gram[row + column] + products[i * size + j];
        }
      }
    }
    return {left: null, right: tensor(Float32Array.from(gram), [n, n])};
  }

  diagonalBlocks(k: number): Tensor {
    const {start, sums} = this.slots();
    const {examples, components: C, width} = this;
    const blocks = new Float64Array(examples * C * k);
    for (let b = 0; b < examples; b++) {
      for (let t = start[b]; t < start[b + 1]; t++) {
        for (let c = 0; c < C; c += k) {
          const products = outerProduct(sums.subarray((t * C + c) * width, (t * C + c + k) * width), k, width);
          products.forEach((x, i) => blocks[(b * C + c) * k + i] += x);
        }
      }
    }
    return tensor(Float32Array.from(blocks), [examples * C / k, k, k]);
  }

  /** Empty: the use reads all data when it is made. */
  get tensors(): Tensor[] {
    return [];
  }

  /**
   * Adds weight times the sums of a slot, for one component, to a table that begins at `offset`.
   */
  private addSlot(slot: number, component: number, weight: number, table: Float32Array, offset: number): void {
    const {entry, sums} = this.slots();
    const {before, entries, after} = this.sizes;
    let from = (slot * this.components + component) * this.width;
    for (let o = 0; o < before; o++) {
      const to = offset + (o * entries + entry[slot]) * after;
      for (let k = 0; k < after; k++) {
        table[to + k] = table[to + k] + weight * sums[from++];
      }
    }
  }

  private slots(): Slots {
    return this.known ??= findSlots(this.lookups, this.sizes);
  }
}

/**
 * The gather use of a node.
 *
 * @param deltas by component, the cotangents of the node's output.
 */
export function gatherUse(values: Values, node: TraceNode, strides: readonly BatchStride[], examples: number,
    deltas: readonly Tensor[]): GatherUse {
  const inputs = new Map(node.inputs);
  const indices = inputs.get('indices')!;
  const stride = strides[indices]!;
  return new GatherUse([{
    indices: values[indices].dataSync(),
    exampleOf: position => Math.floor(position / stride) % examples,
    deltas: deltas.map(delta => delta.dataSync() as Float32Array),
  }], {examples, components: deltas.length, ...tableSizes(node, values[inputs.get('x')!].shape)});
}
