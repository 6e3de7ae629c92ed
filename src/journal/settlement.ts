import type Database from "better-sqlite3";
import { type Interval, IntervalSet } from "../lib/intervals.ts";

interface Change {
  readonly hi: number;
  /** The table may hold rows of intervals that became part of this one. */
  readonly hasJoined: boolean;
}

/**
 * The set of settled messages, in memory and, a little later, in the `settled` table. The table may lag:
 * what it forgets in a crash is sent once more, and the same point lands on itself.
 *
 * A flush writes what has changed since the last one, at most two statements for each `add`, however many
 * intervals there are and however many became one.
 */
export class Settlement {
  readonly set: IntervalSet;
  readonly #upsert: Database.Statement<[number, number]>;
  readonly #deleteJoined: Database.Statement<[number, number]>;
  /** Intervals of the set that the table does not have as they are, by `lo`. */
  #changes = new Map<number, Change>();

  constructor(database: Database.Database) {
    const rows = database.prepare<[], Interval>("SELECT lo, hi FROM settled ORDER BY lo");
    this.set = IntervalSet.of(rows.iterate());
    this.#upsert = database.prepare("INSERT OR REPLACE INTO settled (lo, hi) VALUES (?, ?)");
    this.#deleteJoined = database.prepare("DELETE FROM settled WHERE lo > ? AND lo <= ?");
  }

  /** Returns the interval that [lo, hi] is now part of. */
  add(lo: number, hi: number): Interval {
    const { merged, absorbed } = this.set.add(lo, hi);
    const [only] = absorbed;
    if (absorbed.length === 1 && only?.lo === merged.lo && only.hi === merged.hi) return merged;
    let hasJoined = this.#changes.get(merged.lo)?.hasJoined ?? false;
    for (const old of absorbed) {
      this.#changes.delete(old.lo);
      hasJoined ||= old.lo !== merged.lo;
    }
    this.#changes.set(merged.lo, { hi: merged.hi, hasJoined });
    return merged;
  }

  /** How many rows the next flush writes. */
  get changeCount(): number {
    return this.#changes.size;
  }

  /** Inside the caller's transaction. Call `flushed` once that has committed. */
  flush(): void {
    for (const [lo, { hi, hasJoined }] of this.#changes) {
      if (hasJoined) this.#deleteJoined.run(lo, hi);
      this.#upsert.run(lo, hi);
    }
  }

  flushed(): void {
    this.#changes = new Map();
  }
}
