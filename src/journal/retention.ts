import type Database from "better-sqlite3";
import { trustedFlag } from "./message.ts";
import type { Settlement } from "./settlement.ts";

/** Rows looked at per commit: trimming keeps pace with appending and never makes a commit long. */
const trimPerMessage = 2;
const trimAtLeast = 64;
/** After a pass through the log nothing is looked at for this long, by the wall clock. */
const restMs = 60_000;
/** 2020-01-01: a time before that is of a clock that was never set. */
const plausibleMs = Date.UTC(2020, 0, 1);
const fewFreePages = 2048;
const pagesReturnedAtOnce = 256;

/**
 * What leaves the log: settled messages when they are older than `keepMs`, by range deletes that ride on
 * commits; and, when the quota is reached, settled messages of any age, then the oldest unsettled ones.
 *
 * Age is looked at in passes: from the oldest message over everything that is settled, a part with each
 * commit, until one is too young; then a rest. A message that stays unsettled is stepped over. Where the
 * pass stands is known in memory only: a commit that fails, or a restart, costs at most another pass.
 */
export class Retention {
  readonly #database: Database.Database;
  readonly #settlement: Settlement;
  readonly #keepMs: number;
  readonly #oldest: Database.Statement<[number, number], OldRow>;
  readonly #delete: Database.Statement<[number, number]>;
  readonly #saveEvicted: Database.Statement<[number]>;
  readonly #saveLastSeq: Database.Statement<[]>;
  #evicted: number;
  /** What the pass looks at next. */
  #cursor = 0;
  /** Everything in [#runStart, #cursor) that is still there has been looked at and is settled. */
  #runStart = 0;
  #restingSinceMs = Number.NEGATIVE_INFINITY;

  constructor(database: Database.Database, settlement: Settlement, keepMs: number) {
    this.#database = database;
    this.#settlement = settlement;
    this.#keepMs = keepMs;
    this.#oldest = database.prepare(
      `SELECT seq, received_ms, flags & ${trustedFlag} AS trusted, length(payload) + octet_length(topic) AS bytes
         FROM message WHERE seq >= ? ORDER BY seq LIMIT ?`,
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

  /** Inside the commit's transaction: deletes settled messages that are old enough, a bounded number. */
  trim(nowMs: number, appendedCount: number): void {
    const restedMs = nowMs - this.#restingSinceMs;
    // Negative: the wall clock went back, and how long it has been cannot be told.
    if (restedMs >= 0 && restedMs < restMs) return;
    let left = Math.max(trimAtLeast, trimPerMessage * appendedCount);
    while (left > 0) {
      const settled = this.#settlement.set.atOrAfter(this.#cursor);
      if (settled === undefined) {
        this.#rest(nowMs);
        return;
      }
      if (settled.lo > this.#cursor) this.#jump(settled.lo);
      const looked = this.#trimUpTo(settled.hi, nowMs, left);
      if (looked === "pass_is_over") {
        this.#rest(nowMs);
        return;
      }
      left -= looked;
    }
  }

  /**
   * Looks at up to `limit` rows from the cursor, as far as `hi`, which ends a settled run; deletes those that
   * are old. Returns how many it has looked at. The row after `hi` is looked at too: it says where to go on,
   * over any number of runs whose rows have left already.
   */
  #trimUpTo(hi: number, nowMs: number, limit: number): number | "pass_is_over" {
    let looked = 0;
    let last: number | undefined;
    let next: number | undefined;
    let isOver = false;
    for (const row of this.#oldest.iterate(this.#cursor, limit)) {
      looked += 1;
      next = row.seq;
      if (row.seq > hi) break;
      next += 1;
      // Its age cannot be told: it goes with an old one that came after it, and holds nothing up.
      if (row.trusted === 0 && row.received_ms < plausibleMs) continue;
      isOver = nowMs - row.received_ms < this.#keepMs;
      if (isOver) break;
      last = row.seq;
    }
    if (last !== undefined) this.#delete.run(this.#runStart, last);
    if (isOver || next === undefined) return "pass_is_over";
    if (next > hi + 1) this.#jump(next);
    else this.#cursor = next;
    return looked;
  }

  #jump(seq: number): void {
    this.#cursor = seq;
    this.#runStart = seq;
  }

  #rest(nowMs: number): void {
    this.#restingSinceMs = nowMs;
    this.#jump(0);
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

interface OldRow {
  readonly seq: number;
  readonly received_ms: number;
  readonly trusted: number;
  readonly bytes: number;
}

interface Eviction {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly freedBytes: number;
}
