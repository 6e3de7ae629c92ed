import type Database from "better-sqlite3";
import { writeFailed } from "./faults.ts";
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

export interface QuarantineEntry extends KeptMessage {
  /** Fault code. */
  readonly code: string;
  readonly reason: string;
}

type Values = [
  key: number,
  journalId: string,
  seq: number,
  source: string,
  topic: string,
  payload: Uint8Array,
  receivedMs: number,
  code: string,
  reason: string,
  quarantinedMs: number,
  uptimeMs: number | null,
  boot: number | null,
  clockTrusted: number,
  retained: number,
  firstPlace: number | null,
];

/** The table `quarantine` of state.db: what could not be decoded, with its bytes. */
export class StateQuarantine extends BoundedTable {
  readonly #insert: Database.Statement<Values>;

  constructor(database: Database.Database, wrote: (bytes: number) => void) {
    const contentColumns = ["payload", "topic", "reason"];
    super(database, wrote, { name: "quarantine", contentColumns, maxBytes, failed: writeFailed });
    this.#insert = database.prepare(
      `INSERT INTO quarantine (key, journal_id, seq, source, topic, payload, received_ms, code, reason, quarantined_ms,
         uptime_ms, boot, clock_trusted, retained, first_place)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (journal_id, seq) DO NOTHING`,
    );
  }

  /**
   * Durable when it returns; then it gives how many older ones it evicted for them. What is there already stays as
   * it is. Faults: quarantine_full (retry), journal_write_failed (restart); nothing was stored.
   */
  keep(journalId: string, entries: readonly QuarantineEntry[], nowMs: number): number {
    return this.add(
      entries.map((entry) => (key) => {
        const { seq, source, topic, payload, receivedMs, code, reason } = entry;
        const { changes } = this.#insert.run(
          key,
          journalId,
          seq,
          source,
          topic,
          payload,
          receivedMs,
          code,
          reason,
          nowMs,
          entry.uptimeMs === undefined ? null : Math.round(entry.uptimeMs),
          entry.bootKey ?? null,
          Number(entry.clockTrusted),
          Number(entry.retained),
          entry.firstPlace ?? null,
        );
        return changes === 0 ? undefined : bytesOf(entry);
      }),
    );
  }

  /** In the order of their keys, those above `afterKey`. */
  page(filter: PageFilter, afterKey: number, size: PageSize): KeptRow[] {
    if (filter.device !== undefined) return [];
    const where = filter.code === undefined ? "" : "AND code = @code";
    const rows = this.database.prepare<
      [{ afterKey: number; maxCount: number; code: string }],
      KeptColumns & { readonly quarantined_ms: number }
    >(
      `SELECT ${keptColumns}, quarantined_ms FROM quarantine WHERE key > @afterKey ${where} ORDER BY key LIMIT @maxCount`,
    );
    const found = rows.iterate({ afterKey, maxCount: size.maxCount, code: filter.code ?? "" });
    return takePage(found, (row) => keptFromRow(row, row.quarantined_ms), size, bytesOf);
  }

  /** The row of this key, if there is one. */
  ofKey(key: number): KeptRow[] {
    return this.database
      .prepare<[number], KeptColumns & { readonly quarantined_ms: number }>(
        `SELECT ${keptColumns}, quarantined_ms FROM quarantine WHERE key = ?`,
      )
      .all(key)
      .map((row) => keptFromRow(row, row.quarantined_ms));
  }

  /** What is quarantined under a fault code. */
  under(code: string): { readonly topic: string; readonly payload: Uint8Array }[] {
    return this.database
      .prepare<[string], { topic: string; payload: Buffer }>(
        "SELECT topic, payload FROM quarantine WHERE code = ?",
      )
      .all(code);
  }
}

function bytesOf({ payload, topic, reason }: Pick<QuarantineEntry, "payload" | "topic" | "reason">): number {
  return payload.length + Buffer.byteLength(topic) + Buffer.byteLength(reason);
}
