import type Database from "better-sqlite3";
import type { Boots } from "./boots.ts";
import { againFlag } from "./message.ts";
import type { Settlement } from "./settlement.ts";

/** Rows looked at per commit: trimming keeps pace with appending and never makes a commit long. */
const trimPerMessage = 2;
const trimAtLeast = 64;
/** After a pass through the log nothing is looked at for this long. */
const restMs = 60_000;
const fewFreePages = 2048;
const pagesReturnedAtOnce = 256;

/**
 * What leaves the log with time: settled messages when they are older than `keepMs`, by range deletes that
 * ride on commits.
 *
 * Age is running time since receipt (see `Boots`), never the wall clock: that one is wrong at boot, is put
 * forward by hours and back, and would make messages old that came a minute ago. Time without power does not
 * count. So a message leaves late at worst, never early. Running time grows along the log. A message that was
 * put back stands where it was put back, and has no age of its own: it leaves with an old one that came after it.
 *
 * Age is looked at in passes: from the oldest message over everything that is settled, a part with each
 * commit, until one is too young; then a rest. A message that stays unsettled is stepped over. Where the
 * pass stands is known in memory only: a commit that fails, or a restart, costs at most another pass.
 */
export class Retention {
  readonly #database: Database.Database;
  readonly #settlement: Settlement;
  readonly #boots: Boots;
  readonly #keepMs: number;
  readonly #oldest: Database.Statement<[number, number], OldRow>;
  readonly #first: Database.Statement<[], { seq: number }>;
  readonly #delete: Database.Statement<[number, number]>;
  /** From this message on, nothing leaves. */
  keepFrom = Number.MAX_SAFE_INTEGER;
  /** What the pass looks at next. */
  #cursor = 0;
  /** Everything in [#runStart, #cursor) that is still there has been looked at and is settled. */
  #runStart = 0;
  #restingSinceMs = Number.NEGATIVE_INFINITY;

  constructor(database: Database.Database, settlement: Settlement, boots: Boots, keepMs: number) {
    this.#database = database;
    this.#settlement = settlement;
    this.#boots = boots;
    this.#keepMs = keepMs;
    this.#oldest = database.prepare(
      `SELECT seq, uptime_ms, boot, flags & ${againFlag} AS again
         FROM message WHERE seq >= ? ORDER BY seq LIMIT ?`,
    );
    this.#first = database.prepare("SELECT seq FROM message ORDER BY seq LIMIT 1");
    this.#delete = database.prepare("DELETE FROM message WHERE seq >= ? AND seq <= ?");
  }

  /**
   * Inside the commit's transaction, before settlement is flushed: deletes settled messages that are old
   * enough at `uptimeMs` of this boot, a bounded number.
   */
  trim(uptimeMs: number, appendedCount: number): void {
    const nowMs = this.#boots.runningMs(this.#boots.currentKey, uptimeMs);
    if (nowMs === undefined || nowMs - this.#restingSinceMs < restMs) return;
    if (this.#cursor === 0) this.#foldBeginning();
    let left = Math.max(trimAtLeast, trimPerMessage * appendedCount);
    while (left > 0) {
      const settled = this.#settlement.set.atOrAfter(this.#cursor);
      if (settled === undefined || Math.max(settled.lo, this.#cursor) >= this.keepFrom) {
        this.#rest(nowMs);
        return;
      }
      if (settled.lo > this.#cursor) this.#jump(settled.lo);
      const looked = this.#trimUpTo(Math.min(settled.hi, this.keepFrom - 1), nowMs, left);
      if (looked === "pass_is_over") {
        this.#rest(nowMs);
        return;
      }
      left -= looked;
    }
  }

  /**
   * What lies before the oldest message is owed to nobody, whatever became of it, and is one interval: without
   * this a log would keep the history of its gaps. Holds when the transaction fails, too: a pass begins before
   * anything is deleted.
   */
  #foldBeginning(): void {
    const first = this.#first.get();
    if (first !== undefined && first.seq > 1) this.#settlement.add(1, first.seq - 1);
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
      const runningMs = row.again === 0 ? this.#boots.runningMs(row.boot, row.uptime_ms) : undefined;
      // Its age cannot be told: it goes with an old one that came after it, and holds nothing up.
      if (runningMs === undefined) continue;
      isOver = nowMs - runningMs < this.#keepMs;
      if (isOver) break;
      last = row.seq;
    }
    if (last !== undefined) this.#delete.run(this.#runStart, last);
    if (isOver || next === undefined) return "pass_is_over";
    if (next > hi + 1) this.#jump(next);
    else this.#cursor = next;
    return looked;
  }

  /** Messages of [lo, hi] are not settled any more: a pass that has been there begins anew. */
  lookAgain(lo: number, hi: number): void {
    if (lo < this.#cursor && hi >= this.#runStart) this.#jump(0);
  }

  #jump(seq: number): void {
    this.#cursor = seq;
    this.#runStart = seq;
  }

  #rest(nowMs: number): void {
    this.#restingSinceMs = nowMs;
    this.#jump(0);
  }

  /** Gives pages back to the file system, a few at a time, once many are free. */
  returnFreePages(): void {
    const free = Number(this.#database.pragma("freelist_count", { simple: true }));
    if (free > fewFreePages) this.#database.pragma(`incremental_vacuum(${pagesReturnedAtOnce})`);
  }
}

interface OldRow {
  readonly seq: number;
  readonly uptime_ms: number;
  readonly boot: number;
  readonly again: number;
}
