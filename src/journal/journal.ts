import type Database from "better-sqlite3";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { errorCode, type Fault } from "../lib/fault.ts";
import type { IntervalSet } from "../lib/intervals.ts";
import { openDatabase } from "../sqlite/database.ts";
import { Boots } from "./boots.ts";
import type { JournalConfig } from "./config.ts";
import { fullFault, isPassing, writeFailed } from "./faults.ts";
import { recoverIdentity } from "./identity.ts";
import { contentBytes, type IncomingMessage, type JournalMessage, placeOf } from "./message.ts";
import { type JournalPage, type PageFilter, Pages } from "./page.ts";
import { automaticQuotaBytes, Quota } from "./quota.ts";
import { Retention } from "./retention.ts";
import { Room } from "./room.ts";
import { MessageRows } from "./rows.ts";
import { journalTables } from "./schema.ts";
import { Settlement } from "./settlement.ts";

/**
 * The log of raw messages in SQLite (WAL, synchronous=FULL). When `commit` returns, its messages survive a
 * power cut. Everything here is synchronous and without timers: the group committer decides when.
 *
 * Invariants: seq grows by one per message and is never reused; a message stays readable until it is
 * settled and older than `keep_settled`, and no longer kept (`keepFrom`); or until the quota takes it: what is
 * settled without a word, anything else counted, minor ones first (`Thinning`). Rows are appended, and never
 * changed; only to make room are some inserted again as they were.
 */
export class Journal {
  readonly #database: Database.Database;
  readonly #config: JournalConfig;
  readonly #clock: Clock;
  readonly #rows: MessageRows;
  readonly #pages: Pages;
  readonly #settlement: Settlement;
  readonly #retention: Retention;
  readonly #room: Room;
  readonly #quota: Quota;
  readonly #boots: Boots;
  #lastSeq: number;
  #unsettledCount = 0;
  /** In the WAL, as the last checkpoint left them: somebody was reading. */
  #stuckPages = 0;

  /** What had to be said about the files when they were opened. */
  readonly openingFaults: readonly Fault[];

  /** Made once with the file; with a seq it names a message for good. */
  readonly id: string;

  private constructor(
    database: Database.Database,
    config: JournalConfig,
    clock: Clock,
    bootId: string,
    movedAside: Fault | undefined,
  ) {
    this.#database = database;
    this.#config = config;
    this.#quota = new Quota(database, config.maxSizeBytes ?? automaticQuotaBytes(config.dir));
    const identity = recoverIdentity(database, config.dir, movedAside !== undefined);
    this.id = identity.id;
    this.openingFaults = [movedAside, identity.fault].filter((fault) => fault !== undefined);
    this.#clock = clock;
    this.#rows = new MessageRows(database);
    this.#settlement = new Settlement(database);
    this.#pages = new Pages(database, this.#settlement.set);
    this.#boots = new Boots(database, bootId);
    this.#retention = new Retention(database, this.#settlement, this.#boots, config.keepSettledMs);
    this.#room = new Room(database, this.#settlement);
    this.#lastSeq = this.#rows.newestSeq();
    // A process that is killed again and again before its first checkpoint must not grow the WAL for ever.
  }

  /** Faults: journal_unwritable (fatal). `bootId` names the boot of this machine. */
  static open(config: JournalConfig, clock: Clock, bootId: string): Journal {
    return openDatabase({
      file: join(config.dir, "journal.db"),
      schema: journalTables,
      synchronous: "FULL",
      nowMs: clock.nowMs(),
      use: (database, movedAside) => new Journal(database, config, clock, bootId, movedAside),
    });
  }

  /** The newest seq; 0 when nothing was ever journalled. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get settled(): IntervalSet {
    return this.#settlement.set;
  }

  /** There are settled intervals that the file does not know yet. */
  get hasUnsavedSettlement(): boolean {
    return this.#settlement.changeCount > 0;
  }

  get boots(): Boots {
    return this.#boots;
  }

  /** When the newest message whose receive time was trusted arrived; undefined when there is none. */
  get lastTrustedMs(): number | undefined {
    return this.#rows.lastTrustedMs();
  }

  /** Messages evicted by the quota before they were settled, ever. */
  get evicted(): number {
    return this.#room.losses.evicted;
  }

  /** Those of them that were logs, txacks and statistics: they go before the oldest of the others. */
  get evictedMinor(): number {
    return this.#room.losses.evictedMinor;
  }

  /** Settled messages that the quota took in spite of `keepFrom`, since the journal was opened. */
  get unprojected(): number {
    return this.#room.losses.unprojected;
  }

  /** Messages that were settled and are owed again, since the journal was opened. */
  get unsettledCount(): number {
    return this.#unsettledCount;
  }

  /** The bytes of messages that should be committed at once, at most. */
  get groupBytes(): number {
    return this.#quota.stepBytes;
  }

  /** Messages that are journalled and not settled. */
  get backlog(): number {
    return this.#lastSeq - this.#settlement.set.countWithin(1, this.#lastSeq);
  }

  /**
   * Appends the messages, saves what was settled since the last commit and trims what is old, in one
   * durable transaction. Returns the messages with their seq. Faults: journal_full (retry; nothing was
   * stored), journal_busy (the same), journal_write_failed (restart; nothing may be acknowledged).
   */
  commit(messages: readonly IncomingMessage[]): JournalMessage[] {
    const first = this.#lastSeq + 1;
    const bootKey = this.#boots.currentKey;
    const stored = messages.map((message, index) => ({ ...message, seq: first + index, bootKey }));
    this.#append(stored, this.#config.whenFull === "drop_oldest");
    return stored;
  }

  /**
   * Appends messages that were in a log before, this one or another: their receive time, boot and trust stay as
   * they were, and they are marked as put back. `bootKey` is of this log (see `Boots.adopt`). For their sake
   * nothing is evicted. Otherwise, faults included, it is a `commit`.
   */
  requeue(messages: readonly JournalMessage[]): JournalMessage[] {
    const first = this.#lastSeq + 1;
    const stored = messages.map((message, index): JournalMessage => {
      return { ...message, seq: first + index, again: true, firstPlace: placeOf(message) };
    });
    this.#append(stored, false);
    return stored;
  }

  #append(stored: readonly JournalMessage[], mayEvict: boolean): void {
    this.#quota.regrow();
    for (let attempt = 0; ; attempt += 1) {
      try {
        this.#tryAppend(stored);
        return;
      } catch (error) {
        if (errorCode(error) !== "SQLITE_FULL") throw writeFailed(error, this.#database.name);
        this.#makeRoom(stored, attempt, mayEvict, error);
      }
    }
  }

  #tryAppend(stored: readonly JournalMessage[]): void {
    this.#database.transaction(() => {
      for (const message of stored) this.#rows.insert(message);
      this.#boots.flush();
      this.#retention.trim(this.#clock.uptimeMs(), stored.length);
      this.#settlement.flush();
    })();
    this.#settlement.flushed();
    this.#boots.flushed();
    this.#lastSeq += stored.length;
  }

  /** Returns when another attempt makes sense, else throws journal_full. */
  #makeRoom(messages: readonly JournalMessage[], attempt: number, mayEvict: boolean, cause: unknown): void {
    const neededBytes = this.#rowBytes(messages);
    // Where there is ballast to give up, a full disk becomes a full quota.
    const isDisk = !this.#quota.isReachedBy(neededBytes) && !this.#quota.shrinkToDisk();
    // On a full disk dropping unsent messages gains nothing. Room inside the file lets a checkpoint succeed,
    // after which the WAL is used from its beginning again: what is settled goes for that, once.
    if (isDisk && attempt > 0) throw fullFault("disk", cause);
    const canHold = this.#quota.canHold(neededBytes);
    const wanted = {
      neededPages: isDisk ? this.#quota.likelyPages(neededBytes) : this.#quota.lackingPages(neededBytes),
      stepPages: this.#quota.stepPages,
      mayRewrite: !isDisk && canHold,
      mayEvict: !isDisk && canHold && mayEvict,
    };
    let freed = false;
    try {
      freed = this.#room.make(wanted);
      // Where the disk is full, evictions must not let the WAL take what the ballast gave.
      if (isDisk || this.#quota.isShrunk) this.#database.pragma("wal_checkpoint(PASSIVE)");
    } catch (error) {
      // Where even DELETE fails, the disk is full, whatever the quota says.
      if (errorCode(error) !== "SQLITE_FULL") throw writeFailed(error, this.#database.name);
      throw fullFault("disk", cause);
    }
    if (!freed) {
      throw fullFault(isDisk || this.#quota.isShrunk ? "disk" : canHold ? "quota" : "too_large", cause);
    }
  }

  /** What a commit adds to the tables. */
  #rowBytes(messages: readonly IncomingMessage[]): number {
    const ofSettlement = this.#settlement.changeCount * settledRowBytes;
    return messages.reduce((sum, message) => sum + contentBytes(message) + rowOverheadBytes, ofSettlement);
  }

  /** Marks [lo, hi] as done, in memory; the next commit saves it. */
  settle(lo: number, hi: number): void {
    this.#room.lookAgain(this.#settlement.add(lo, hi));
  }

  /**
   * Messages of [lo, hi] that are settled and still in the log are owed again; returns how many. What has left
   * the log stays done. In memory; the next commit saves it. Looks at each row of [lo, hi] that is settled.
   * Faults: journal_damaged, journal_read_failed (restart).
   */
  unsettle(lo: number, hi: number): number {
    let count = 0;
    for (let next = lo; next <= hi;) {
      const settled = this.#settlement.set.atOrAfter(next);
      if (settled === undefined) break;
      const end = Math.min(settled.hi, hi);
      for (const run of this.#rows.presentWithin(Math.max(settled.lo, next), end)) {
        this.#settlement.remove(run.lo, run.hi);
        this.#retention.lookAgain(run.lo, run.hi);
        count += run.hi - run.lo + 1;
        this.#unsettledCount += run.hi - run.lo + 1;
      }
      next = settled.hi + 1;
    }
    return count;
  }

  /**
   * From `seq` on somebody may still have to read messages that are settled: they do not leave however old they
   * are, and for room only when nothing else would do, which is counted (`unprojected`). Until it is called
   * nothing is kept back.
   */
  keepFrom(seq: number): void {
    this.#retention.keepFrom = seq;
    this.#room.keepFrom = seq;
  }

  /** At most `maxCount` messages with lo ≤ seq ≤ hi, in order. Faults: journal_damaged, journal_read_failed (restart). */
  read(lo: number, hi: number, maxCount: number): JournalMessage[] {
    return this.#rows.read(lo, hi, maxCount);
  }

  /** At most `maxCount` messages whose seq is above `afterSeq`, for a person. Faults: journal_damaged, journal_read_failed (restart). */
  page(filter: PageFilter, afterSeq: number, maxCount: number): JournalPage {
    return this.#pages.page(filter, afterSeq, maxCount, this.#lastSeq);
  }

  /**
   * Moves WAL pages into the database when there are enough of them. Blocks for one or two fsyncs, which
   * is why it is not part of `commit`: acknowledgements go out first.
   */
  checkpointWhenDue(): void {
    this.#quota.regrow();
    const waiting = this.#checkpoint("NOOP");
    this.#stuckPages = Math.min(this.#stuckPages, waiting);
    if (waiting - this.#stuckPages < checkpointPages) return;
    try {
      this.#stuckPages = this.#checkpoint("PASSIVE");
      this.#retention.returnFreePages();
    } catch (error) {
      // A full disk or a locked file is what the next commit reports; nothing is lost by it here.
      if (!isPassing(error)) throw writeFailed(error, this.#database.name);
    }
  }

  /** Returns how many pages are in the WAL alone; NOOP only looks. */
  #checkpoint(mode: "NOOP" | "PASSIVE"): number {
    const [found] = this.#database.pragma(`wal_checkpoint(${mode})`) as CheckpointResult[];
    return found === undefined ? 0 : found.log - found.checkpointed;
  }

  close(): void {
    this.#database.close();
  }
}

const checkpointPages = 1000;
/** Of a row beside topic and payload. */
const rowOverheadBytes = 32;
/** Of the `settled` table. */
const settledRowBytes = 24;

/** https://sqlite.org/pragma.html#pragma_wal_checkpoint: pages that were written to the WAL, and moved out of it. */
interface CheckpointResult {
  readonly log: number;
  readonly checkpointed: number;
}
