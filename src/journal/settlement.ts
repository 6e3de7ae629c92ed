import type Database from "better-sqlite3";
import { type Interval, IntervalSet } from "../lib/intervals.ts";

/** What became of the interval that begins at some `lo`. */
interface Change {
  /** Where it ends; undefined: none begins there any more. */
  readonly hi: number | undefined;
  /** The table may hold rows with lo < row ≤ sweepHi of intervals that are not there any more. */
  readonly sweepHi: number;
}

/**
 * The set of settled messages, in memory and, a little later, in the `settled` table. The table may lag:
 * what it forgets in a crash is sent once more, and the same point lands on itself.
 *
 * A flush writes what has changed since the last one, at most two statements for each `add` and four for each
 * `remove`, however many intervals there are and however many became one.
 *
 * Invariant: where the table is not as the set, `lo` is a key of the changes, or one of them sweeps it. An
 * interval of the set that begins where something is swept is a key itself.
 */
export class Settlement {
  readonly set: IntervalSet;
  readonly #upsert: Database.Statement<[number, number]>;
  readonly #delete: Database.Statement<[number, number]>;
  #changes = new Map<number, Change>();

  constructor(database: Database.Database) {
    const rows = database.prepare<[], Interval>("SELECT lo, hi FROM settled ORDER BY lo");
    this.set = IntervalSet.of(rows.iterate());
    this.#upsert = database.prepare("INSERT OR REPLACE INTO settled (lo, hi) VALUES (?, ?)");
    this.#delete = database.prepare("DELETE FROM settled WHERE lo >= ? AND lo <= ?");
  }

  /** Returns the interval that [lo, hi] is now part of. */
  add(lo: number, hi: number): Interval {
    const { merged, absorbed } = this.set.add(lo, hi);
    const [only] = absorbed;
    if (absorbed.length === 1 && only?.lo === merged.lo && only.hi === merged.hi) return merged;
    this.#note(merged.lo, merged.hi, this.#sweepOf(absorbed));
    return merged;
  }

  /** [lo, hi] is not settled any more. */
  remove(lo: number, hi: number): void {
    const cut = this.set.remove(lo, hi);
    const first = cut[0];
    const last = cut.at(-1);
    if (first === undefined || last === undefined) return;
    this.#note(first.lo, first.lo < lo ? lo - 1 : undefined, this.#sweepOf(cut));
    if (last.hi > hi) this.#note(hi + 1, last.hi, 0);
  }

  /** How far rows are stale once these intervals are gone, which are no keys any more. */
  #sweepOf(gone: readonly Interval[]): number {
    let sweepHi = 0;
    for (const { lo } of gone) {
      sweepHi = Math.max(sweepHi, lo, this.#changes.get(lo)?.sweepHi ?? 0);
      this.#changes.delete(lo);
    }
    return sweepHi;
  }

  #note(lo: number, hi: number | undefined, sweepHi: number): void {
    this.#changes.set(lo, { hi, sweepHi: Math.max(sweepHi, this.#changes.get(lo)?.sweepHi ?? 0) });
  }

  /** How many intervals the next flush writes. */
  get changeCount(): number {
    return this.#changes.size;
  }

  /** Inside the caller's transaction. Call `flushed` once that has committed. */
  flush(): void {
    // All sweeps first: what begins where another one sweeps is written after it.
    for (const [lo, { hi, sweepHi }] of this.#changes) {
      const from = hi === undefined ? lo : lo + 1;
      if (hi === undefined || sweepHi >= from) this.#delete.run(from, Math.max(lo, sweepHi));
    }
    for (const [lo, { hi }] of this.#changes) if (hi !== undefined) this.#upsert.run(lo, hi);
  }

  flushed(): void {
    this.#changes = new Map();
  }
}
