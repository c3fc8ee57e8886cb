/**
 * Sizes of a gather use: B, C, and the table as [before, entries, after] around its gathered axis.
 */
export interface GatherSizes {
  readonly examples: number;
  readonly components: number;
  readonly before: number;
  readonly entries: number;
  readonly after: number;
}

/** One gather from the table. */
export interface Lookup {
  readonly indices: ArrayLike<number>;
  /** The example that the index at a position belongs to. */
  readonly exampleOf: (position: number) => number;
  /** δ of each component, [before, indices, after]. */
  readonly deltas: readonly Float32Array[];
}

/**
 * The distinct table entries of each example, one slot each. The slots of example b are
 * start[b]..start[b + 1] - 1.
 */
export interface Slots {
  readonly start: Int32Array;
  /** The table entry of each slot. */
  readonly entry: Int32Array;
  /** Σ_s δ over the positions of an example that read the entry, [slots, C, before·after]. */
  readonly sums: Float32Array;
}

/** The slots of several gathers from one table, with their positions side by side. */
export function findSlots(lookups: readonly Lookup[], sizes: GatherSizes): Slots {
  const {examples, components: C, before, entries, after} = sizes;
  const width = before * after;
  /** The numbers of the slots within each example, by table entry. */
  const numbers = Array.from({length: examples}, () => new Map<number, number>());
  const visit = (see: (lookup: Lookup, position: number, example: number, entry: number) => void): void => {
    for (const lookup of lookups) {
      for (let s = 0; s < lookup.indices.length; s++) {
        // For an index outside of the table some backends give zeros: it reads no entry.
        if (lookup.indices[s] >= 0 && lookup.indices[s] < entries) {
          see(lookup, s, lookup.exampleOf(s), lookup.indices[s]);
        }
      }
    }
  };
  visit((_lookup, _s, b, i) => numbers[b].has(i) || numbers[b].set(i, numbers[b].size));
  const start = new Int32Array(examples + 1);
  numbers.forEach((slots, b) => start[b + 1] = start[b] + slots.size);
  const entry = new Int32Array(start[examples]);
  numbers.forEach((slots, b) => slots.forEach((t, i) => entry[start[b] + t] = i));
  const sums = new Float32Array(entry.length * C * width);
  visit(({indices, deltas}, s, b, i) => {
    let to = (start[b] + numbers[b].get(i)!) * C * width;
    for (const delta of deltas) {
      for (let o = 0; o < before; o++) {
        const from = (o * indices.length + s) * after;
        for (let k = 0; k < after; k++, to++) {
          sums[to] = sums[to] + delta[from + k];
        }
      }
    }
  });
  return {start, entry, sums};
}
