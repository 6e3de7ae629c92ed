import type Database from "better-sqlite3";
import { join } from "node:path";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import { openToLook } from "../sqlite/database.ts";
import { readFailed } from "./faults.ts";
import { type JournalMessage, messageFromRow, type MessageRow } from "./message.ts";
import { type JournalPage, type PageFilter, Pages } from "./page.ts";
import { journalTables } from "./schema.ts";

interface BootRow {
  readonly key: number;
  readonly boot_id: string;
  readonly offset_ms: number | null;
}

/**
 * The log as it stands while no daemon has it: of `Journal` what only reads, and with the same meaning. Damage is left
 * to the next daemon, without a mark.
 */
export class JournalView {
  readonly #database: Database.Database;
  readonly #select: Database.Statement<[number, number, number], MessageRow>;
  readonly #pages: Pages;
  readonly lastSeq: number;
  readonly settled: IntervalSet;
  readonly evicted: number;
  readonly evictedMinor: number;
  readonly boots: {
    /** Of this boot of the machine; undefined: the log has not seen it. */
    readonly currentKey: number | undefined;
    offsetMs(key: number): number | undefined;
  };

  private constructor(database: Database.Database, bootId: string) {
    this.#database = database;
    this.#select = database.prepare("SELECT * FROM message WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?");
    const settled = database.prepare<[], Interval>("SELECT lo, hi FROM settled ORDER BY lo").all();
    this.settled = IntervalSet.of(settled);
    this.#pages = new Pages(database, this.settled);
    const counters = database.prepare<[], [string, number]>("SELECT name, value FROM counter").raw().all();
    const counted = (name: string): number => new Map(counters).get(name) ?? 0;
    this.evicted = counted("evicted");
    this.evictedMinor = counted("evicted_minor");
    const newest = database.prepare<[], number | null>("SELECT max(seq) FROM message").pluck().get();
    this.lastSeq = Math.max(newest ?? 0, settled.at(-1)?.hi ?? 0, counted("last_seq"));
    const boots = database.prepare<[], BootRow>("SELECT key, boot_id, offset_ms FROM boot").all();
    this.boots = {
      currentKey: boots.find(({ boot_id }) => boot_id === bootId)?.key,
      offsetMs: (wanted) => boots.find(({ key }) => key === wanted)?.offset_ms ?? undefined,
    };
  }

  /** Fault: journal_unreadable (fatal). `bootId` names the boot of this machine. */
  static open(dir: string, bootId: string): JournalView {
    return openToLook({
      file: join(dir, "journal.db"),
      schema: journalTables,
      use: (database) => new JournalView(database, bootId),
    });
  }

  get backlog(): number {
    return this.lastSeq - this.settled.countWithin(1, this.lastSeq);
  }

  /** Fault: journal_read_failed. */
  read(lo: number, hi: number, maxCount: number): JournalMessage[] {
    try {
      return this.#select.all(lo, hi, maxCount).map(messageFromRow);
    } catch (error) {
      throw readFailed(error);
    }
  }

  /** Fault: journal_read_failed. */
  page(filter: PageFilter, afterSeq: number, maxCount: number): JournalPage {
    return this.#pages.page(filter, afterSeq, maxCount, this.lastSeq);
  }

  close(): void {
    this.#database.close();
  }
}
