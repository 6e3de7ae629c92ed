import type Database from "better-sqlite3";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { errorCode, type Fault } from "../lib/fault.ts";
import type { IntervalSet } from "../lib/intervals.ts";
import { openDatabase, walPages } from "../sqlite/database.ts";
import { Boots } from "./boots.ts";
import type { JournalConfig } from "./config.ts";
import { fullFault, isPassing, readFailed, writeFailed } from "./faults.ts";
import { recoverIdentity } from "./identity.ts";
import {
  contentBytes,
  type IncomingMessage,
  type JournalMessage,
  messageFromRow,
  type MessageRow,
  packFlags,
  trustedFlag,
} from "./message.ts";
import { automaticQuotaBytes, Quota } from "./quota.ts";
import { Retention } from "./retention.ts";
import { Room } from "./room.ts";
import { journalTables } from "./schema.ts";
import { Settlement } from "./settlement.ts";

/**
 * The log of raw messages in SQLite (WAL, synchronous=FULL). When `commit` returns, its messages survive a
 * power cut. Everything here is synchronous and without timers: the group committer decides when.
 *
 * Invariants: seq grows by one per message and is never reused; a message stays readable until it is
 * settled and older than `keep_settled`, and no longer kept (`keepFrom`); or until the quota takes it: what is
 * settled without a word, anything else counted.
 */
export class Journal {
  readonly #database: Database.Database;
  readonly #config: JournalConfig;
  readonly #settlement: Settlement;
  readonly #retention: Retention;
  readonly #room: Room;
  readonly #quota: Quota;
  readonly #boots: Boots;
  readonly #insert: Database.Statement<[number, string, string, Uint8Array, number, number, number, number]>;
  readonly #select: Database.Statement<[number, number, number], MessageRow>;
  #lastSeq: number;
  #walPages: number;

  /** What had to be said about the files when they were opened. */
  readonly openingFaults: readonly Fault[];

  /** Made once with the file; with a seq it names a message for good. */
  readonly id: string;

  private constructor(
    database: Database.Database,
    config: JournalConfig,
    bootId: string,
    movedAside: Fault | undefined,
  ) {
    this.#database = database;
    this.#config = config;
    this.#quota = new Quota(database, config.maxSizeBytes ?? automaticQuotaBytes(config.dir));
    const identity = recoverIdentity(database, config.dir, movedAside !== undefined);
    this.id = identity.id;
    this.openingFaults = [movedAside, identity.fault].filter((fault) => fault !== undefined);
    this.#settlement = new Settlement(database);
    this.#boots = new Boots(database, bootId);
    this.#retention = new Retention(database, this.#settlement, config.keepSettledMs);
    this.#room = new Room(database, this.#settlement);
    this.#insert = database.prepare("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    this.#select = database.prepare("SELECT * FROM message WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?");
    const newest = database
      .prepare<[], { seq: number | null }>(
        `SELECT max(seq) AS seq FROM (SELECT max(seq) AS seq FROM message
           UNION ALL SELECT max(hi) FROM settled UNION ALL SELECT value FROM counter WHERE name = 'last_seq')`,
      )
      .get();
    this.#lastSeq = newest?.seq ?? 0;
    // A process that is killed again and again before its first checkpoint must not grow the WAL for ever.
    this.#walPages = walPages(database.name);
  }

  /** Faults: journal_unwritable (fatal). `bootId` names the boot of this machine. */
  static open(config: JournalConfig, clock: Clock, bootId: string): Journal {
    return openDatabase({
      file: join(config.dir, "journal.db"),
      schema: journalTables,
      synchronous: "FULL",
      nowMs: clock.nowMs(),
      use: (database, movedAside) => new Journal(database, config, bootId, movedAside),
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
    // Looks only at the log's end: a long run of untrusted messages means that the clock was wrong all along.
    return this.#database
      .prepare<[], { received_ms: number }>(
        `SELECT received_ms FROM (SELECT seq, received_ms, flags FROM message ORDER BY seq DESC LIMIT 1000)
           WHERE flags & ${trustedFlag} ORDER BY seq DESC LIMIT 1`,
      )
      .get()?.received_ms;
  }

  /** Messages evicted by the quota before they were settled, ever. */
  get evicted(): number {
    return this.#room.losses.evicted;
  }

  /** Settled messages that the quota took in spite of `keepFrom`, since the journal was opened. */
  get unprojected(): number {
    return this.#room.losses.unprojected;
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
  commit(messages: readonly IncomingMessage[], nowMs: number): JournalMessage[] {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return this.#tryCommit(messages, nowMs);
      } catch (error) {
        if (errorCode(error) !== "SQLITE_FULL") throw writeFailed(error);
        this.#makeRoom(messages, attempt, error);
      }
    }
  }

  #tryCommit(messages: readonly IncomingMessage[], nowMs: number): JournalMessage[] {
    const first = this.#lastSeq + 1;
    const stored = messages.map((message, index) => ({
      ...message,
      seq: first + index,
      bootKey: this.#boots.currentKey,
    }));
    this.#database.transaction(() => {
      for (const message of stored) this.#store(message);
      this.#boots.flush();
      this.#retention.trim(nowMs, messages.length);
      this.#settlement.flush();
    })();
    this.#settlement.flushed();
    this.#boots.flushed();
    this.#lastSeq += stored.length;
    this.#walPages += estimatedPages(stored);
    return stored;
  }

  #store(message: JournalMessage): void {
    this.#insert.run(
      message.seq,
      message.source,
      message.topic,
      message.payload,
      message.receivedMs,
      Math.round(message.uptimeMs),
      message.bootKey,
      packFlags(message),
    );
  }

  /** Returns when another attempt makes sense, else throws journal_full. */
  #makeRoom(messages: readonly IncomingMessage[], attempt: number, cause: unknown): void {
    const neededBytes = this.#rowBytes(messages);
    const isDisk = !this.#quota.isReachedBy(neededBytes);
    // On a full disk dropping unsent messages gains nothing. Room inside the file lets a checkpoint succeed,
    // after which the WAL is used from its beginning again: what is settled goes for that, once.
    if (isDisk && attempt > 0) throw fullFault("disk", cause);
    const canHold = this.#quota.canHold(neededBytes);
    const wanted = {
      neededPages: isDisk ? this.#quota.likelyPages(neededBytes) : this.#quota.lackingPages(neededBytes),
      stepPages: this.#quota.stepPages,
      mayEvict: !isDisk && canHold && this.#config.whenFull === "drop_oldest",
    };
    let freed = false;
    try {
      freed = this.#room.make(wanted);
      if (isDisk) this.#database.pragma("wal_checkpoint(PASSIVE)");
    } catch (error) {
      // Where even DELETE fails, the disk is full, whatever the quota says.
      if (errorCode(error) !== "SQLITE_FULL") throw writeFailed(error);
      throw fullFault("disk", cause);
    }
    if (!freed) throw fullFault(isDisk ? "disk" : canHold ? "quota" : "too_large", cause);
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
   * From `seq` on somebody may still have to read messages that are settled: they do not leave however old they
   * are, and for room only when nothing else would do, which is counted (`unprojected`). Until it is called
   * nothing is kept back.
   */
  keepFrom(seq: number): void {
    this.#retention.keepFrom = seq;
    this.#room.keepFrom = seq;
  }

  /** At most `maxCount` messages with lo ≤ seq ≤ hi, in order. Faults: journal_read_failed (restart). */
  read(lo: number, hi: number, maxCount: number): JournalMessage[] {
    try {
      return this.#select.all(lo, hi, maxCount).map(messageFromRow);
    } catch (error) {
      throw readFailed(error);
    }
  }

  /**
   * Moves WAL pages into the database when there are enough of them. Blocks for one or two fsyncs, which
   * is why it is not part of `commit`: acknowledgements go out first.
   */
  checkpointWhenDue(): void {
    if (this.#walPages < checkpointPages) return;
    this.#walPages = 0;
    try {
      this.#database.pragma("wal_checkpoint(PASSIVE)");
      this.#retention.returnFreePages();
    } catch (error) {
      // A full disk or a locked file is what the next commit reports; nothing is lost by it here.
      if (!isPassing(error)) throw writeFailed(error);
    }
  }

  close(): void {
    this.#database.close();
  }
}

const pageBytes = 4096;
const checkpointPages = 1000;
/** Of a row beside topic and payload. */
const rowOverheadBytes = 32;
/** Of the `settled` table. */
const settledRowBytes = 24;

/** Pages that a commit adds to the WAL, near enough: interior pages and the settled table, and the rows. */
function estimatedPages(messages: readonly IncomingMessage[]): number {
  const bytes = messages.reduce((sum, message) => sum + contentBytes(message) + rowOverheadBytes, 0);
  return 3 + Math.ceil(bytes / pageBytes);
}
