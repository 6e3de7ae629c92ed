/**
 * A set of whole numbers kept as sorted, disjoint, non-adjacent closed intervals. The journal's settled
 * messages and the forwarder's leases are such sets: mostly dense, so that a million messages are a handful
 * of intervals; at worst every second number, while one of several databases is away for days.
 */
export interface Interval {
  readonly lo: number;
  readonly hi: number;
}

/** Intervals that follow each other, as two columns: 16 bytes for each. */
interface Block {
  readonly los: number[];
  readonly his: number[];
  /** How many numbers its intervals hold together. */
  count: number;
}

const defaultBlockSize = 512;

/**
 * The intervals stand in blocks, in order. Each operation is a binary search for the block, one inside it,
 * and a splice of one block: what a million intervals cost that is what a thousand do.
 *
 * Invariants: no block is empty or has more than `blockSize` intervals, and two neighbours together have more
 * than half of that. So blocks are few, whatever was added and removed.
 */
export class IntervalSet {
  readonly #blockSize: number;
  readonly #blocks: Block[] = [];

  /** A `blockSize` of its own is for tests: it must be at least 2. */
  constructor(blockSize = defaultBlockSize) {
    this.#blockSize = blockSize;
  }

  static of(intervals: Iterable<Interval>): IntervalSet {
    const set = new IntervalSet();
    for (const { lo, hi } of intervals) set.add(lo, hi);
    return set;
  }

  /** Adds [lo, hi]; returns the interval it became part of, and those that vanished into it. */
  add(lo: number, hi: number): { readonly merged: Interval; readonly absorbed: readonly Interval[] } {
    // Adjacent intervals merge too: that is why it looks one number further on both sides.
    const place = this.#touching(lo - 1, hi + 1);
    const { first, last } = place;
    const merged = { lo: Math.min(lo, first?.lo ?? lo), hi: Math.max(hi, last?.hi ?? hi) };
    return { merged, absorbed: this.#replace(place, [merged]) };
  }

  /** Removes [lo, hi]; returns the intervals that had numbers of it, as they were. */
  remove(lo: number, hi: number): readonly Interval[] {
    if ((this.atOrAfter(lo)?.lo ?? Infinity) > hi) return [];
    const place = this.#touching(lo, hi);
    const { first, last } = place;
    const kept: Interval[] = [];
    if (first !== undefined && first.lo < lo) kept.push({ lo: first.lo, hi: lo - 1 });
    if (last !== undefined && last.hi > hi) kept.push({ lo: hi + 1, hi: last.hi });
    return this.#replace(place, kept);
  }

  has(value: number): boolean {
    return this.covering(value) !== undefined;
  }

  /** The interval that contains `value`. */
  covering(value: number): Interval | undefined {
    const found = this.atOrAfter(value);
    return found !== undefined && found.lo <= value ? found : undefined;
  }

  /** The first interval that ends at or after `value`. */
  atOrAfter(value: number): Interval | undefined {
    const block = this.#blocks[this.#blockAt(value)];
    return block === undefined ? undefined : intervalAt(block, firstAtLeast(block.his, value));
  }

  /** How many numbers of [lo, hi] are in the set. */
  countWithin(lo: number, hi: number): number {
    let count = 0;
    for (let b = this.#blockAt(lo); b < this.#blocks.length; b += 1) {
      const block = this.#blocks[b];
      if (block === undefined || firstLo(block) > hi) break;
      const isInside = firstLo(block) >= lo && lastHi(block) <= hi;
      count += isInside ? block.count : countInBlock(block, lo, hi);
    }
    return count;
  }

  /** All of them, as a list of its own: for small sets, and for tests. */
  get intervals(): readonly Interval[] {
    return this.#blocks.flatMap((block) => intervalsOf(block.los, block.his));
  }

  /** The first block that ends at or after `value`; their number when there is none. */
  #blockAt(value: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.#blocks[middle];
      if (block !== undefined && lastHi(block) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the intervals are, or would be, that have numbers of [lo, hi]: in one block, made so if need be. */
  #touching(lo: number, hi: number): Place {
    // What comes after everything belongs into the last block, and into a new one when there is none.
    const index = Math.max(0, Math.min(this.#blockAt(lo), this.#blocks.length - 1));
    const block = this.#blocks[index] ?? { los: [], his: [], count: 0 };
    let end = index + 1;
    for (let next = this.#blocks[end]; next !== undefined && firstLo(next) <= hi; next = this.#blocks[end]) {
      append(block, next);
      end += 1;
    }
    if (end - index !== 1 || this.#blocks.length === 0) this.#blocks.splice(index, end - index, block);
    const from = firstAtLeast(block.his, lo);
    let to = from;
    for (let next = block.los[to]; next !== undefined && next <= hi; next = block.los[to]) to += 1;
    if (from === to) return { index, block, from, to, first: undefined, last: undefined };
    return { index, block, from, to, first: intervalAt(block, from), last: intervalAt(block, to - 1) };
  }

  /** Puts intervals into the place of those that touched, one more of them at most; returns what was there. */
  #replace({ index, block, from, to }: Place, intervals: readonly Interval[]): readonly Interval[] {
    const replaced = intervalsOf(block.los.slice(from, to), block.his.slice(from, to));
    block.count += sizeOf(intervals) - sizeOf(replaced);
    const surplus = replaced.length - intervals.length;
    if (surplus > 0) {
      block.los.splice(from, surplus);
      block.his.splice(from, surplus);
    } else if (surplus < 0) {
      block.los.splice(from, 0, 0);
      block.his.splice(from, 0, 0);
    }
    for (const [offset, { lo, hi }] of intervals.entries()) {
      block.los[from + offset] = lo;
      block.his[from + offset] = hi;
    }
    if (block.los.length > this.#blockSize) this.#split(index, from);
    else this.#joinNeighbours(index);
    return replaced;
  }

  /** In halves; but what grows at its end, as a log does, leaves full blocks behind. */
  #split(index: number, changedAt: number): void {
    const block = this.#blocks[index];
    if (block === undefined) return;
    const { length } = block.los;
    const grewAtEnd = index === this.#blocks.length - 1 && changedAt === length - 1;
    const at = grewAtEnd ? changedAt : length >>> 1;
    this.#blocks.splice(index, 1, slice(block, 0, at), slice(block, at, length));
  }

  /** Holds the invariants after a block has become smaller. */
  #joinNeighbours(index: number): void {
    for (const left of [index, index - 1]) {
      const block = this.#blocks[left];
      const next = this.#blocks[left + 1];
      if (block === undefined) continue;
      if (next !== undefined && 2 * (block.los.length + next.los.length) <= this.#blockSize) {
        append(block, next);
        this.#blocks.splice(left + 1, 1);
      } else if (block.los.length === 0) {
        this.#blocks.splice(left, 1);
      }
    }
  }
}

interface Place {
  readonly index: number;
  readonly block: Block;
  /** The intervals [from, to) of the block. */
  readonly from: number;
  readonly to: number;
  readonly first: Interval | undefined;
  readonly last: Interval | undefined;
}

function firstLo(block: Block): number {
  return block.los[0] ?? Infinity;
}

function lastHi(block: Block): number {
  return block.his[block.his.length - 1] ?? -Infinity;
}

function intervalAt({ los, his }: Block, index: number): Interval | undefined {
  const lo = los[index];
  const hi = his[index];
  return lo === undefined || hi === undefined ? undefined : { lo, hi };
}

function intervalsOf(los: readonly number[], his: readonly number[]): Interval[] {
  return los.map((lo, index) => ({ lo, hi: his[index] ?? lo }));
}

function sizeOf(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, { lo, hi }) => sum + hi - lo + 1, 0);
}

function append(block: Block, next: Block): void {
  for (const lo of next.los) block.los.push(lo);
  for (const hi of next.his) block.his.push(hi);
  block.count += next.count;
}

function slice(block: Block, from: number, to: number): Block {
  const los = block.los.slice(from, to);
  const his = block.his.slice(from, to);
  return { los, his, count: sizeOf(intervalsOf(los, his)) };
}

function countInBlock(block: Block, lo: number, hi: number): number {
  let count = 0;
  for (let i = firstAtLeast(block.his, lo); i < block.los.length; i += 1) {
    const interval = intervalAt(block, i);
    if (interval === undefined || interval.lo > hi) break;
    count += Math.min(hi, interval.hi) - Math.max(lo, interval.lo) + 1;
  }
  return count;
}

/** The index of the first of the sorted values that is at least `value`; their number when there is none. */
function firstAtLeast(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = values[middle];
    if (at !== undefined && at < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The first run of numbers in [from, to] that is in none of the sets, or undefined.
 * This is how the forwarder finds the oldest message that is neither settled nor taken.
 */
export function firstGap(sets: readonly IntervalSet[], from: number, to: number): Interval | undefined {
  let lo = from;
  for (let moved = true; moved;) {
    moved = false;
    for (const set of sets) {
      const covering = set.covering(lo);
      if (covering !== undefined) {
        lo = covering.hi + 1;
        moved = true;
      }
    }
  }
  if (lo > to) return undefined;
  let hi = to;
  for (const set of sets) {
    const next = set.atOrAfter(lo);
    if (next !== undefined) hi = Math.min(hi, next.lo - 1);
  }
  return { lo, hi };
}
