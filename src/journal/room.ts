import type Database from "better-sqlite3";
import { errorCode } from "../lib/fault.ts";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import type { Settlement } from "./settlement.ts";
import { type Effort, Thinning, wholeEffort } from "./thinning.ts";
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
  /** Rows may be inserted again: the disk has space for it, and what is to be stored will fit. */
  readonly mayRewrite: boolean;
  /** Messages that are not settled may be dropped. */
  readonly mayEvict: boolean;
}

/** Messages that have left the log and were still needed. */
interface Losses {
  /** Not settled; since the file was made. */
  evicted: number;
  /** Those of them that were minor. */
  evictedMinor: number;
  /** Settled, but not before `keepFrom`; since the file was opened. */
  unprojected: number;
}

/**
 * Room in a log that has reached its quota. Success is counted in pages on SQLite's list of free ones: rows
 * that leave a page half full behind are gone for nothing. In this order go
 *
 * 1. settled messages, oldest first, wherever that frees pages (see `Window.freesPages`);
 * 2. settled messages, oldest first, from among the others (see `Thinning`);
 * 3. the same two from `keepFrom` on, which are counted as unprojected;
 * 4. if it may be: minor messages, oldest first, settled or not, from among the others;
 * 5. then everything from the log's beginning, settled or not. What was not settled is counted, in 4 and 5.
 *
 * Work is bounded by what has changed: what was looked at in vain is looked at again only when more of it has
 * been settled. And it is bounded each time; where much is new, after a restart above all, the rest is for
 * the next time, and meanwhile 5 takes no more than is needed. Where 2 has rewritten as much as it may at once, and
 * won by it, nothing is evicted: it goes on with the same commit's next attempt.
 */
export class Room {
  readonly #database: Database.Database;
  readonly #settlement: Settlement;
  readonly #rows: Database.Statement<[number, number], WindowRow>;
  readonly #delete: Database.Statement<[number, number]>;
  readonly #thinning: Thinning;
  readonly #saveCounter: Database.Statement<[string, number]>;
  readonly #saveLastSeq: Database.Statement<[]>;
  readonly #pageBytes: number;
  /** Buckets in which settled messages may be worth deleting. */
  #unlooked = everything();
  #losses: Losses;
  /** After a failure, which may be for want of the space that rewriting takes, once without it. */
  #hasFailed = false;
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
    this.#thinning = new Thinning(database, settlement.set);
    this.#saveCounter = database.prepare("INSERT OR REPLACE INTO counter VALUES (?, ?)");
    this.#saveLastSeq = database.prepare(
      `INSERT INTO counter SELECT 'last_seq', max(seq) FROM message WHERE true HAVING max(seq) IS NOT NULL
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`,
    );
    this.#pageBytes = Number(database.pragma("page_size", { simple: true }));
    const counter = database.prepare("SELECT value FROM counter WHERE name = ?").pluck();
    this.#losses = {
      evicted: Number(counter.get("evicted") ?? 0),
      evictedMinor: Number(counter.get("evicted_minor") ?? 0),
      unprojected: 0,
    };
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
    const mayRewrite = wanted.mayRewrite && !this.#hasFailed;
    let done: Attempt;
    try {
      done = this.#database.transaction(() => this.#free({ ...wanted, mayRewrite }))();
    } catch (error) {
      // What was deleted is there again.
      this.#unlooked = everything();
      this.#hasFailed = true;
      // Rewriting takes room itself, and a full quota may not have it.
      if (mayRewrite && errorCode(error) === "SQLITE_FULL") return this.make(wanted);
      throw error;
    }
    this.#hasFailed = false;
    // Only now: had the transaction failed, these messages would still be there and still be owed.
    this.#losses = done.losses;
    for (const { lo, hi } of done.evicted) this.#settlement.add(lo, hi);
    return done.freedPages > 0;
  }

  #free({ neededPages, stepPages, mayRewrite, mayEvict }: RoomWanted): Attempt {
    // When the newest rows go too, the highest seq must stay known: it is never given twice.
    this.#saveLastSeq.run();
    const pagesBefore = this.#freePages();
    const freed = (): number => this.#freePages() - pagesBefore;
    const losses = { ...this.#losses };
    const enoughPages = pagesBefore + neededPages;
    const goalPages = enoughPages + stepPages;
    const look = {
      goalPages,
      rowsLeft: maxRowsLookedAt,
      mayRewrite,
      effort: wholeEffort(),
      isCutShort: false,
    };
    this.#takeSettled({ lo: 0, hi: this.keepFrom - 1 }, enoughPages, look);
    if (freed() < neededPages) {
      losses.unprojected += this.#takeSettled({ lo: this.keepFrom, hi: newest }, enoughPages, look);
    }
    // A little may do: the commit is tried again first, unless that could mean to look on and on.
    const wouldLookOn = look.rowsLeft <= 0 && !look.isCutShort;
    const isTimeToEvict = freed() === 0 || (freed() < neededPages && wouldLookOn);
    const evicted: Interval[] = [];
    if (isTimeToEvict && mayEvict) {
      const thinned = this.#thinning.takeMinors(look.effort, () => this.#freePages() >= goalPages);
      for (const seq of thinned.minors) evicted.push({ lo: seq, hi: seq });
      losses.evicted += thinned.minors.length;
      losses.evictedMinor += thinned.minors.length;
      losses.unprojected += thinned.settled.filter((seq) => seq >= this.keepFrom).length;
      if (freed() < neededPages) {
        const hasLookedAtAll = look.rowsLeft > 0 && !thinned.hasMore;
        evicted.push(...this.#evict(hasLookedAtAll ? goalPages : enoughPages, losses));
      }
      this.#saveCounter.run("evicted", losses.evicted);
      this.#saveCounter.run("evicted_minor", losses.evictedMinor);
    }
    return { freedPages: freed(), evicted, losses };
  }

  /** Settled messages of the range: those that go by themselves, and where that is not enough those among others. */
  #takeSettled(range: Interval, enoughPages: number, look: Look): number {
    const count = this.#deleteSettled(range, look);
    if (!look.mayRewrite || this.#freePages() >= enoughPages) return count;
    const isEnough = (): boolean => this.#freePages() >= look.goalPages;
    const thinned = this.#thinning.takeSettled(range, look.effort, isEnough);
    look.isCutShort ||= thinned.isCutShort;
    return count + thinned.count;
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
        if (window === undefined) continue;
        look.rowsLeft -= window.rowCount;
        if (!window.freesPages) {
          if (window.settledCount > 0) this.#thinning.consider(window.first, window.last);
          continue;
        }
        for (const run of window.settledRuns) this.#delete.run(run.lo, run.hi);
        count += window.settledCount;
      }
      // A bucket in which it stopped is looked at from its beginning.
      if (bucketOf(next) > bucketOf(start)) this.#unlooked.remove(bucketOf(start), bucketOf(next) - 1);
      if (next <= end || end === hi) return count;
    }
  }

  /** Deletes the oldest messages until so many pages are free. Returns what they were: one interval, or none. */
  #evict(goalPages: number, losses: Losses): Interval[] {
    let evicted: Interval | undefined;
    let next = 0;
    while (this.#freePages() < goalPages) {
      const isProjected = next < this.keepFrom;
      const window = this.#window(next, isProjected ? this.keepFrom - 1 : newest);
      if (window !== undefined) {
        losses.evictedMinor += this.#thinning.minorCount(window.first, window.last);
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
    return evicted === undefined ? [] : [evicted];
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
  readonly mayRewrite: boolean;
  readonly effort: Effort;
  /** There is more to rewrite than one attempt may, and it is worth it. */
  isCutShort: boolean;
}

interface Attempt {
  readonly freedPages: number;
  readonly evicted: readonly Interval[];
  readonly losses: Losses;
}

function bucketOf(seq: number): number {
  return Math.floor(seq / bucketSeqs);
}

function everything(): IntervalSet {
  return IntervalSet.of([{ lo: 0, hi: bucketOf(newest) }]);
}
