import type Database from "better-sqlite3";
import { lettersUnwritten } from "./faults.ts";
import {
  BoundedTable,
  type KeptColumns,
  keptColumns,
  keptFromRow,
  type KeptMessage,
  type KeptRow,
  type PageFilter,
  type PageSize,
  takePage,
} from "./pages.ts";

const maxBytes = 64 * 1024 * 1024;

/** A line that a database has refused, with the message that it was made of. */
export interface DeadEntry extends KeptMessage {
  readonly database: string;
  /** Line protocol, as it was refused. */
  readonly line: string;
  /** Device EUI; undefined: it is of none. */
  readonly device: string | undefined;
  /** Fault code. */
  readonly code: string;
  /** The server's words. */
  readonly reason: string;
}

export interface DeadRow extends KeptRow {
  readonly database: string;
  readonly line: string;
  readonly device: string | undefined;
}

interface DeadColumns extends KeptColumns {
  readonly database: string;
  readonly line: string;
  readonly device: string | null;
  readonly dead_ms: number;
}

type Values = [
  key: number,
  journalId: string,
  seq: number,
  source: string,
  topic: string,
  payload: Uint8Array,
  receivedMs: number,
  uptimeMs: number | null,
  boot: number | null,
  clockTrusted: number,
  retained: number,
  firstPlace: number | null,
  database: string,
  line: string,
  device: string | null,
  code: string,
  reason: string,
  deadMs: number,
];

/** The table `dead_letter` of state.db: what InfluxDB has refused, line by line, with the server's reason. */
export class DeadLetters extends BoundedTable {
  readonly #insert: Database.Statement<Values>;

  constructor(database: Database.Database, wrote: (bytes: number) => void) {
    const contentColumns = ["payload", "topic", "line", "reason"];
    super(database, wrote, { name: "dead_letter", contentColumns, maxBytes, failed: lettersUnwritten });
    this.#insert = database.prepare(
      `INSERT INTO dead_letter (key, journal_id, seq, source, topic, payload, received_ms, uptime_ms, boot, clock_trusted,
         retained, first_place, database, line, device, code, reason, dead_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (journal_id, seq, database, line) DO NOTHING`,
    );
  }

  /**
   * Durable when it returns; then it gives how many older ones it evicted for them. A line that is there already
   * stays as it is. Faults: dead_letters_full (retry), journal_write_failed (restart); nothing was stored.
   */
  bury(journalId: string, entries: readonly DeadEntry[], nowMs: number): number {
    return this.add(
      entries.map((entry) => (key) => {
        const { seq, source, topic, payload, receivedMs, database, line, code, reason } = entry;
        const { changes } = this.#insert.run(
          key,
          journalId,
          seq,
          source,
          topic,
          payload,
          receivedMs,
          entry.uptimeMs === undefined ? null : Math.round(entry.uptimeMs),
          entry.bootKey ?? null,
          Number(entry.clockTrusted),
          Number(entry.retained),
          entry.firstPlace ?? null,
          database,
          line,
          entry.device ?? null,
          code,
          reason,
          nowMs,
        );
        return changes === 0 ? undefined : bytesOf(entry);
      }),
    );
  }

  /** In the order of their keys, those above `afterKey`. */
  page(filter: PageFilter, afterKey: number, size: PageSize): DeadRow[] {
    const conditions = [
      ...(filter.code === undefined ? [] : ["AND code = @code"]),
      ...(filter.device === undefined ? [] : ["AND device = @device"]),
    ];
    const rows = this.database.prepare<
      [{ afterKey: number; maxCount: number; code: string; device: string }],
      DeadColumns
    >(
      `SELECT ${keptColumns}, database, line, device, dead_ms FROM dead_letter
         WHERE key > @afterKey ${conditions.join(" ")} ORDER BY key LIMIT @maxCount`,
    );
    const { code = "", device = "" } = filter;
    const found = rows.iterate({ afterKey, maxCount: size.maxCount, code, device });
    return takePage(found, fromRow, size, bytesOf);
  }

  /** All lines of the message that the line of this key is of: together they go back into the journal. */
  ofMessage(key: number): DeadRow[] {
    return this.database
      .prepare<[number], DeadColumns>(
        `SELECT ${keptColumns}, database, line, device, dead_ms FROM dead_letter
           WHERE (journal_id, seq) = (SELECT journal_id, seq FROM dead_letter WHERE key = ?) ORDER BY key`,
      )
      .all(key)
      .map(fromRow);
  }
}

function fromRow(row: DeadColumns): DeadRow {
  const { database, line, device } = row;
  return { ...keptFromRow(row, row.dead_ms), database, line, device: device ?? undefined };
}

function bytesOf({
  payload,
  topic,
  line,
  reason,
}: Pick<DeadEntry, "payload" | "topic" | "line" | "reason">): number {
  return [topic, line, reason].reduce((sum, text) => sum + Buffer.byteLength(text), payload.length);
}
