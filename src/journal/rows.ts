import type Database from "better-sqlite3";
import type { Interval } from "../lib/intervals.ts";
import { sealedFlags, sealOf } from "./checksum.ts";
import { alteredRow, readFailed } from "./faults.ts";
import {
  againFlag,
  type JournalMessage,
  messageFromRow,
  type MessageRow,
  packFlags,
  trustedFlag,
} from "./message.ts";

/** The statements on the `message` table that append to it and read it. */
export class MessageRows {
  readonly #database: Database.Database;
  readonly #insert: Database.Statement<[number, string, string, Uint8Array, number, number, number, number]>;
  readonly #select: Database.Statement<[number, number, number], MessageRow>;
  readonly #seqs: Database.Statement<[number, number], number>;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#insert = database.prepare("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    this.#select = database.prepare("SELECT * FROM message WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?");
    this.#seqs = database
      .prepare<[number, number], number>("SELECT seq FROM message WHERE seq >= ? AND seq <= ? ORDER BY seq")
      .pluck();
  }

  insert(message: JournalMessage): void {
    const { seq, source, topic, payload, received_ms, uptime_ms, boot, flags } = rowFromMessage(message);
    this.#insert.run(seq, source, topic, payload, received_ms, uptime_ms, boot, flags);
  }

  /** At most `maxCount` messages with lo ≤ seq ≤ hi, in order. Faults: journal_damaged, journal_read_failed (restart). */
  read(lo: number, hi: number, maxCount: number): JournalMessage[] {
    const rows = this.#reading(() => this.#select.all(lo, hi, maxCount));
    // SQLite is content with a payload in which a bit has turned.
    const broken = rows.find((row) => sealOf(row) === "broken");
    if (broken !== undefined) throw alteredRow(broken.seq, this.#database.name);
    return rows.map(messageFromRow);
  }

  /** The seqs of [lo, hi] that have a row, as runs. Looks at each of them. Faults: journal_damaged, journal_read_failed (restart). */
  presentWithin(lo: number, hi: number): Interval[] {
    return this.#reading(() => {
      const runs: { lo: number; hi: number }[] = [];
      for (const seq of this.#seqs.iterate(lo, hi)) {
        const run = runs.at(-1);
        if (run?.hi === seq - 1) run.hi = seq;
        else runs.push({ lo: seq, hi: seq });
      }
      return runs;
    });
  }

  /** The newest seq ever given; 0 when there is none. Faults: journal_damaged, journal_read_failed (restart). */
  newestSeq(): number {
    const newest = this.#reading(() =>
      this.#database
        .prepare<[], { seq: number | null }>(
          `SELECT max(seq) AS seq FROM (SELECT max(seq) AS seq FROM message
         UNION ALL SELECT max(hi) FROM settled UNION ALL SELECT value FROM counter WHERE name = 'last_seq')`,
        )
        .get(),
    );
    return newest?.seq ?? 0;
  }

  /**
   * When the newest message whose receive time was trusted arrived; undefined when there is none. Faults:
   * journal_damaged, journal_read_failed (restart).
   */
  lastTrustedMs(): number | undefined {
    // Looks only at the log's end: a long run of untrusted messages means that the clock was wrong all along.
    // One that was put back came long before, and is asked when there is no other.
    const newest = this.#reading(() =>
      this.#database
        .prepare<[], { received_ms: number }>(
          `SELECT received_ms FROM (SELECT seq, received_ms, flags FROM message ORDER BY seq DESC LIMIT 1000)
             WHERE flags & ${trustedFlag} ORDER BY flags & ${againFlag}, seq DESC LIMIT 1`,
        )
        .get(),
    );
    return newest?.received_ms;
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw readFailed(error, this.#database.name);
    }
  }
}

/** Its `flags` have a checksum of the whole row (checksum.ts). */
function rowFromMessage(message: JournalMessage): MessageRow {
  const row = {
    seq: message.seq,
    source: message.source,
    topic: message.topic,
    payload: message.payload,
    // As the file keeps them.
    received_ms: Math.round(message.receivedMs),
    uptime_ms: Math.round(message.uptimeMs),
    boot: message.bootKey,
    flags: packFlags(message),
  };
  return { ...row, flags: sealedFlags(row) };
}
