import type Database from "better-sqlite3";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import type { Settlement } from "./settlement.ts";
import { readWindow, type Window, type WindowRow } from "./window.ts";

/** No seq is higher. */
const newest = Number.MAX_SAFE_INTEGER;
/** Rows looked at for settled ones, at most, each time that room is made. */
const maxRowsLookedAt = 8192;
/** What is to be looked at is kept in buckets of so many seqs: a small set, however settlement came about. */
const bucketSeqs = 256;

interface RoomWanted {
  /** The commit needs so many pages more. */
  readonly neededPages: number;
  /** So many more go with them, so that a full journal does not make room at every commit. */
  readonly stepPages: number;
  /** Messages that are not settled may be dropped. */
  readonly mayEvict: boolean;
}

/** Messages that have left the log and were still needed. */
interface Losses {
  /** Not settled; since the file was made. */
  evicted: number;
  /** Settled, but not before `keepFrom`; since the file was opened. */
  unprojected: number;
}

/**
 * Room in a log that has reached its quota. Success is counted in pages on SQLite's list of free ones: rows
 * that leave a page half full behind are gone for nothing. In this order go
 *
 * 1. settled messages, oldest first, wherever that frees pages (see `Window.freesPages`);
 * 2. the same from `keepFrom` on, which are counted as unprojected;
 * 3. if it may be: everything from the log's beginning, settled or not, which is counted too.
 *
 * Where settled and unsettled messages alternate too finely, nothing is deleted but by 3.
 *
 * Work is bounded by what has changed: what was looked at in vain is looked at again only when more of it has
 * been settled. And it is bounded each time; where much is new, after a restart above all, the rest is for
 * the next time, and meanwhile 3 takes no more than is needed.
 */
export class Room {
  readonly #database: Database.Database;
  readonly #settlement: Settlement;
  readonly #rows: Database.Statement<[number, number], WindowRow>;
  readonly #delete: Database.Statement<[number, number]>;
  readonly #saveEvicted: Database.Statement<[number]>;
  readonly #saveLastSeq: Database.Statement<[]>;
  readonly #pageBytes: number;
  /** Buckets in which settled messages may be worth deleting. */
  #unlooked = everything();
  #losses: Losses;
  /** The first message that the projection may still have to read. */
  keepFrom = newest;

  constructor(database: Database.Database, settlement: Settlement) {
    this.#database = database;
    this.#settlement = settlement;
    this.#rows = database.prepare(
      `SELECT seq, length(payload) + octet_length(topic) AS bytes
         FROM message WHERE seq >= ? AND seq <= ? ORDER BY seq`,
    );
    this.#delete = database.prepare("DELETE FROM message WHERE seq >= ? AND seq <= ?");
    this.#saveEvicted = database.prepare("INSERT OR REPLACE INTO counter VALUES ('evicted', ?)");
    this.#saveLastSeq = database.prepare(
      `INSERT INTO counter SELECT 'last_seq', max(seq) FROM message WHERE true HAVING max(seq) IS NOT NULL
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`,
    );
    this.#pageBytes = Number(database.pragma("page_size", { simple: true }));
    const evicted = database.prepare("SELECT value FROM counter WHERE name = 'evicted'").pluck().get();
    this.#losses = { evicted: Number(evicted ?? 0), unprojected: 0 };
  }

  get losses(): Readonly<Losses> {
    return this.#losses;
  }

  /** `settled` is an interval of settled messages that has grown. */
  lookAgain({ lo, hi }: Interval): void {
    const first = bucketOf(lo);
    const last = bucketOf(hi);
    const known = this.#unlooked.covering(first);
    if (known === undefined || known.hi < last) this.#unlooked.add(first, last);
  }

  /** In a transaction of its own. False: not one page could be freed. */
  make(wanted: RoomWanted): boolean {
    let done: Attempt;
    try {
      done = this.#database.transaction(() => this.#free(wanted))();
    } catch (error) {
      // What was deleted is there again.
      this.#unlooked = everything();
      throw error;
    }
    // Only now: had the transaction failed, these messages would still be there and still be owed.
    this.#losses = done.losses;
    if (done.evicted !== undefined) this.#settlement.add(done.evicted.lo, done.evicted.hi);
    return done.freedPages > 0;
  }

  #free({ neededPages, stepPages, mayEvict }: RoomWanted): Attempt {
    // When the newest rows go too, the highest seq must stay known: it is never given twice.
    this.#saveLastSeq.run();
    const pagesBefore = this.#freePages();
    const freed = (): number => this.#freePages() - pagesBefore;
    const losses = { ...this.#losses };
    const look = { goalPages: pagesBefore + neededPages + stepPages, rowsLeft: maxRowsLookedAt };
    this.#deleteSettled({ lo: 0, hi: this.keepFrom - 1 }, look);
    if (freed() < neededPages) {
      losses.unprojected += this.#deleteSettled({ lo: this.keepFrom, hi: newest }, look);
    }
    // A little may do: the commit is tried again first, unless that could mean to look on and on.
    const isTimeToEvict = freed() === 0 || (freed() < neededPages && look.rowsLeft <= 0);
    let evicted: Interval | undefined;
    if (isTimeToEvict && mayEvict) {
      const hasLookedAtAll = look.rowsLeft > 0;
      evicted = this.#evict(hasLookedAtAll ? look.goalPages : pagesBefore + neededPages, losses);
      this.#saveEvicted.run(losses.evicted);
    }
    return { freedPages: freed(), evicted, losses };
  }

  /**
   * Looks at what has not been looked at of [lo, hi], until so many pages are free, and deletes settled messages
   * where that frees pages. Returns how many.
   */
  #deleteSettled({ lo, hi }: Interval, look: Look): number {
    let count = 0;
    for (;;) {
      const buckets = this.#unlooked.atOrAfter(bucketOf(lo));
      const start = Math.max(lo, (buckets?.lo ?? Infinity) * bucketSeqs);
      if (buckets === undefined || start > hi) return count;
      const end = Math.min(hi, (buckets.hi + 1) * bucketSeqs - 1);
      let next = start;
      while (next <= end && look.rowsLeft > 0 && this.#freePages() < look.goalPages) {
        const settled = this.#settlement.set.atOrAfter(next);
        if (settled === undefined || settled.lo > end) {
          next = end + 1;
          break;
        }
        const window = this.#window(Math.max(next, settled.lo), hi);
        next = (window?.last ?? hi) + 1;
        look.rowsLeft -= window?.rowCount ?? 0;
        if (window?.freesPages !== true) continue;
        for (const run of window.settledRuns) this.#delete.run(run.lo, run.hi);
        count += window.settledCount;
      }
      // A bucket in which it stopped is looked at from its beginning.
      if (bucketOf(next) > bucketOf(start)) this.#unlooked.remove(bucketOf(start), bucketOf(next) - 1);
      if (next <= end || end === hi) return count;
    }
  }

  /** Deletes the oldest messages until so many pages are free. */
  #evict(goalPages: number, losses: Losses): Interval | undefined {
    let evicted: Interval | undefined;
    let next = 0;
    while (this.#freePages() < goalPages) {
      const isProjected = next < this.keepFrom;
      const window = this.#window(next, isProjected ? this.keepFrom - 1 : newest);
      if (window !== undefined) {
        this.#delete.run(window.first, window.last);
        losses.evicted += window.rowCount - window.settledCount;
        if (!isProjected) losses.unprojected += window.settledCount;
        evicted = { lo: evicted?.lo ?? window.first, hi: window.last };
        next = window.last + 1;
      } else if (isProjected) {
        next = this.keepFrom;
      } else {
        break;
      }
    }
    return evicted;
  }

  #window(from: number, hi: number): Window | undefined {
    return readWindow(this.#rows.iterate(from, hi), this.#settlement.set, this.#pageBytes);
  }

  #freePages(): number {
    return Number(this.#database.pragma("freelist_count", { simple: true }));
  }
}

interface Look {
  /** On SQLite's list. */
  readonly goalPages: number;
  rowsLeft: number;
}

interface Attempt {
  readonly freedPages: number;
  readonly evicted: Interval | undefined;
  readonly losses: Losses;
}

function bucketOf(seq: number): number {
  return Math.floor(seq / bucketSeqs);
}

function everything(): IntervalSet {
  return IntervalSet.of([{ lo: 0, hi: bucketOf(newest) }]);
}
