/**
 * A set of whole numbers kept as sorted, disjoint, non-adjacent closed intervals. The journal's settled
 * messages and the forwarder's leases are such sets: dense, so a million messages are a handful of
 * intervals. All operations are a binary search plus the intervals they touch.
 */
export interface Interval {
  readonly lo: number;
  readonly hi: number;
}

export class IntervalSet {
  readonly #list: Interval[] = [];

  static of(intervals: Iterable<Interval>): IntervalSet {
    const set = new IntervalSet();
    for (const { lo, hi } of intervals) set.add(lo, hi);
    return set;
  }

  /** Adds [lo, hi]; returns the interval it became part of, and those that vanished into it. */
  add(lo: number, hi: number): { readonly merged: Interval; readonly absorbed: readonly Interval[] } {
    // Adjacent intervals merge too: that is why the search looks one number further on both sides.
    const first = this.#firstEndingAtOrAfter(lo - 1);
    let end = first;
    let merged = { lo, hi };
    for (let next = this.#list[end]; next !== undefined && next.lo <= hi + 1; next = this.#list[end]) {
      merged = { lo: Math.min(merged.lo, next.lo), hi: Math.max(merged.hi, next.hi) };
      end += 1;
    }
    const absorbed = this.#list.splice(first, end - first, merged);
    return { merged, absorbed };
  }

  remove(lo: number, hi: number): void {
    const first = this.#firstEndingAtOrAfter(lo);
    let end = first;
    const kept: Interval[] = [];
    for (let next = this.#list[end]; next !== undefined && next.lo <= hi; next = this.#list[end]) {
      if (next.lo < lo) kept.push({ lo: next.lo, hi: lo - 1 });
      if (next.hi > hi) kept.push({ lo: hi + 1, hi: next.hi });
      end += 1;
    }
    this.#list.splice(first, end - first, ...kept);
  }

  has(value: number): boolean {
    return this.covering(value) !== undefined;
  }

  /** The interval that contains `value`. */
  covering(value: number): Interval | undefined {
    const found = this.#list[this.#firstEndingAtOrAfter(value)];
    return found !== undefined && found.lo <= value ? found : undefined;
  }

  /** The first interval that ends at or after `value`. */
  atOrAfter(value: number): Interval | undefined {
    return this.#list[this.#firstEndingAtOrAfter(value)];
  }

  /** How many numbers of [lo, hi] are in the set. */
  countWithin(lo: number, hi: number): number {
    let count = 0;
    for (let i = this.#firstEndingAtOrAfter(lo); i < this.#list.length; i += 1) {
      const next = this.#list[i];
      if (next === undefined || next.lo > hi) break;
      count += Math.min(hi, next.hi) - Math.max(lo, next.lo) + 1;
    }
    return count;
  }

  get intervals(): readonly Interval[] {
    return this.#list;
  }

  #firstEndingAtOrAfter(value: number): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const interval = this.#list[middle];
      if (interval !== undefined && interval.hi < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
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
