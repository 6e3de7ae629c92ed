import type Database from "better-sqlite3";
import { type Interval, IntervalSet } from "../lib/intervals.ts";

/**
 * The set of settled messages, in memory and, a little later, in the `settled` table. The table may lag:
 * what it forgets in a crash is sent once more, and the same point lands on itself.
 */
export class Settlement {
  readonly set: IntervalSet;
  readonly #upsert: Database.Statement<[number, number]>;
  readonly #delete: Database.Statement<[number]>;
  /** Rows whose table form is out of date: key → interval to store, or undefined to delete. */
  #changes = new Map<number, Interval | undefined>();

  constructor(database: Database.Database) {
    const rows = database.prepare<[], Interval>("SELECT lo, hi FROM settled ORDER BY lo").all();
    this.set = IntervalSet.of(rows);
    this.#upsert = database.prepare("INSERT OR REPLACE INTO settled (lo, hi) VALUES (?, ?)");
    this.#delete = database.prepare("DELETE FROM settled WHERE lo = ?");
  }

  add(lo: number, hi: number): void {
    const { merged, absorbed } = this.set.add(lo, hi);
    const [only] = absorbed;
    if (absorbed.length === 1 && only?.lo === merged.lo && only.hi === merged.hi) return;
    for (const old of absorbed) this.#changes.set(old.lo, undefined);
    this.#changes.set(merged.lo, merged);
  }

  get isDirty(): boolean {
    return this.#changes.size > 0;
  }

  /** Inside the caller's transaction. Call `flushed` once that has committed. */
  flush(): void {
    for (const [lo, interval] of this.#changes) {
      if (interval === undefined) this.#delete.run(lo);
      else this.#upsert.run(interval.lo, interval.hi);
    }
  }

  flushed(): void {
    this.#changes = new Map();
  }
}
