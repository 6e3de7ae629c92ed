import type Database from "better-sqlite3";
import type { Settlement } from "./settlement.ts";

/** Rows looked at per commit: trimming keeps pace with appending and never makes a commit long. */
const trimPerMessage = 2;
const trimAtLeast = 64;
const fewFreePages = 2048;
const pagesReturnedAtOnce = 256;

/**
 * What leaves the log: settled messages when they are older than `keepMs`, by range deletes that ride on
 * commits; and, when the quota is reached, settled messages of any age, then the oldest unsettled ones.
 */
export class Retention {
  readonly #database: Database.Database;
  readonly #settlement: Settlement;
  readonly #keepMs: number;
  readonly #oldest: Database.Statement<[number, number], { seq: number; received_ms: number; bytes: number }>;
  readonly #delete: Database.Statement<[number, number]>;
  readonly #saveEvicted: Database.Statement<[number]>;
  readonly #saveLastSeq: Database.Statement<[]>;
  #evicted: number;

  constructor(database: Database.Database, settlement: Settlement, keepMs: number) {
    this.#database = database;
    this.#settlement = settlement;
    this.#keepMs = keepMs;
    this.#oldest = database.prepare(
      "SELECT seq, received_ms, length(payload) + length(topic) AS bytes FROM message WHERE seq >= ? ORDER BY seq LIMIT ?",
    );
    this.#delete = database.prepare("DELETE FROM message WHERE seq >= ? AND seq <= ?");
    this.#saveEvicted = database.prepare("INSERT OR REPLACE INTO counter VALUES ('evicted', ?)");
    this.#saveLastSeq = database.prepare(
      `INSERT INTO counter SELECT 'last_seq', max(seq) FROM message WHERE true HAVING max(seq) IS NOT NULL
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`,
    );
    const row = database
      .prepare<[], { value: number }>("SELECT value FROM counter WHERE name = 'evicted'")
      .get();
    this.#evicted = row?.value ?? 0;
  }

  get evicted(): number {
    return this.#evicted;
  }

  /** Inside the commit's transaction: deletes settled messages from the front of the log that are old enough. */
  trim(nowMs: number, appendedCount: number): void {
    const limit = Math.max(trimAtLeast, trimPerMessage * appendedCount);
    let last: number | undefined;
    for (const row of this.#oldest.iterate(0, limit)) {
      if (!this.#settlement.set.has(row.seq) || nowMs - row.received_ms < this.#keepMs) break;
      last = row.seq;
    }
    if (last !== undefined) this.#delete.run(0, last);
  }

  /**
   * Deletes at least `neededBytes` of messages in a transaction of its own: settled ones, oldest first; then,
   * if `mayEvict`, the oldest ones at all. `stepBytes` more go with them, so that a full journal does not
   * evict at every commit. False when there is nothing it may delete.
   */
  makeRoom(neededBytes: number, stepBytes: number, mayEvict: boolean): boolean {
    const goal = neededBytes + stepBytes;
    const { freedBytes, eviction } = this.#database.transaction(() => {
      // When the newest rows go too, the highest seq must stay known: it is never given twice.
      this.#saveLastSeq.run();
      const settledBytes = this.#deleteSettled(goal);
      if (settledBytes >= neededBytes || !mayEvict) return { freedBytes: settledBytes, eviction: undefined };
      const eviction = this.#evict(goal - settledBytes);
      return { freedBytes: settledBytes + (eviction?.freedBytes ?? 0), eviction };
    })();
    // Only now: had the transaction failed, these messages would still be there and still be owed.
    if (eviction !== undefined) {
      this.#evicted += eviction.count;
      this.#settlement.add(eviction.first, eviction.last);
    }
    return freedBytes > 0;
  }

  #deleteSettled(goalBytes: number): number {
    let freedBytes = 0;
    for (const { lo, hi } of this.#settlement.set.intervals) {
      let last: number | undefined;
      for (const row of this.#oldest.iterate(lo, hi - lo + 1)) {
        if (row.seq > hi || freedBytes >= goalBytes) break;
        freedBytes += row.bytes;
        last = row.seq;
      }
      if (last !== undefined) this.#delete.run(lo, last);
      if (freedBytes >= goalBytes) break;
    }
    return freedBytes;
  }

  #evict(goalBytes: number): Eviction | undefined {
    let freedBytes = 0;
    let first: number | undefined;
    let last: number | undefined;
    let count = 0;
    for (const row of this.#oldest.iterate(0, Number.MAX_SAFE_INTEGER)) {
      if (freedBytes >= goalBytes) break;
      freedBytes += row.bytes;
      first ??= row.seq;
      last = row.seq;
      if (!this.#settlement.set.has(row.seq)) count += 1;
    }
    if (first === undefined || last === undefined) return undefined;
    this.#delete.run(first, last);
    this.#saveEvicted.run(this.#evicted + count);
    return { first, last, count, freedBytes };
  }

  /** Gives pages back to the file system, a few at a time, once many are free. */
  returnFreePages(): void {
    const free = Number(this.#database.pragma("freelist_count", { simple: true }));
    if (free > fewFreePages) this.#database.pragma(`incremental_vacuum(${pagesReturnedAtOnce})`);
  }
}

interface Eviction {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly freedBytes: number;
}
