import type Database from "better-sqlite3";
import type { Fault } from "../lib/fault.ts";
import { changeFailed } from "./faults.ts";

/** What a message needs to be put back into a journal as it was received. */
export interface KeptMessage {
  readonly seq: number;
  readonly source: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Wall clock, ms since 1970. */
  readonly receivedMs: number;
  /** Ms since boot; undefined in rows of versions that did not keep it. */
  readonly uptimeMs: number | undefined;
  /** Row of the journal's `boot` table. */
  readonly bootKey: number | undefined;
  readonly clockTrusted: boolean;
  readonly retained: boolean;
  /** Of a message that had been put back before; see the journal's `placeOf`. */
  readonly firstPlace?: number | undefined;
}

/** A row that is kept for a person to look at. */
export interface KeptRow extends KeptMessage {
  /** Grows from row to row, and is never given again. */
  readonly key: number;
  /** `seq` and `bootKey` mean something in this journal only. */
  readonly journalId: string;
  /** Fault code. */
  readonly code: string;
  readonly reason: string;
  /** When it was set aside, by the wall clock. */
  readonly keptMs: number;
}

export interface PageFilter {
  /** Fault code. */
  readonly code?: string | undefined;
  /** Device EUI; where rows know none, this finds none. */
  readonly device?: string | undefined;
}

export interface PageSize {
  readonly maxCount: number;
  /** Of payloads and texts; one row may have more. */
  readonly maxBytes: number;
}

export const keptColumns =
  "key, journal_id, seq, source, topic, payload, received_ms, uptime_ms, boot, clock_trusted, retained, first_place, code, reason";

/** The columns of `keptColumns`, as SQLite gives them. */
export interface KeptColumns {
  readonly key: number;
  readonly journal_id: string;
  readonly seq: number;
  readonly source: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly received_ms: number;
  readonly uptime_ms: number | null;
  readonly boot: number | null;
  readonly clock_trusted: number;
  readonly retained: number;
  readonly first_place: number | null;
  readonly code: string;
  readonly reason: string;
}

export function keptFromRow(row: KeptColumns, keptMs: number): KeptRow {
  return {
    key: row.key,
    journalId: row.journal_id,
    seq: row.seq,
    source: row.source,
    topic: row.topic,
    payload: row.payload,
    receivedMs: row.received_ms,
    uptimeMs: row.uptime_ms ?? undefined,
    bootKey: row.boot ?? undefined,
    clockTrusted: row.clock_trusted !== 0,
    retained: row.retained !== 0,
    firstPlace: row.first_place ?? undefined,
    code: row.code,
    reason: row.reason,
    keptMs,
  };
}

/** What a row takes beside its texts and payload: without it a flood of empty ones had no bound. */
const rowOverheadBytes = 256;

export interface BoundedTableOptions {
  readonly name: "quarantine" | "dead_letter";
  /** Columns whose content counts. */
  readonly contentColumns: readonly string[];
  /** Beyond it the oldest rows are evicted and counted. */
  readonly maxBytes: number;
  /** Of a write that failed. */
  readonly failed: (cause: unknown) => Fault;
}

/** Inserts a row under this key. Returns the bytes of its content; undefined when the row was there already. */
type Insert = (key: number) => number | undefined;

/**
 * Messages that are kept for a person, in a table of state.db: bounded in bytes, read page by page, and gone
 * only when the bound evicts them or somebody removes them. Both are counted for good, in the transaction that
 * deletes.
 */
export class BoundedTable {
  readonly maxBytes: number;
  readonly database: Database.Database;
  readonly #options: BoundedTableOptions;
  /** Tells the owner of the file how much a write has added to its WAL. */
  readonly #wrote: (bytes: number) => void;
  readonly #oldest: Database.Statement<[], { key: number; bytes: number }>;
  readonly #delete: Database.Statement<[string], { bytes: number }>;
  #bytes = 0;
  #count = 0;
  #evicted: number;
  #purged: number;
  #lastKey: number;

  constructor(database: Database.Database, wrote: (bytes: number) => void, options: BoundedTableOptions) {
    const { name, contentColumns, maxBytes } = options;
    this.database = database;
    this.#wrote = wrote;
    this.#options = options;
    this.maxBytes = maxBytes;
    const rowBytes = `${contentColumns.map((column) => `octet_length(${column})`).join(" + ")} + ${rowOverheadBytes}`;
    this.#oldest = database.prepare(`SELECT key, ${rowBytes} AS bytes FROM ${name} ORDER BY key`);
    this.#delete = database.prepare(
      `DELETE FROM ${name} WHERE key IN (SELECT value FROM json_each(?)) RETURNING ${rowBytes} AS bytes`,
    );
    // Now: damage that shows while the file is being opened has it moved aside.
    this.#lastKey = counterOf(database, `${name}_last_key`);
    for (const { key, bytes } of this.#oldest.iterate()) {
      this.#bytes += bytes;
      this.#count += 1;
      this.#lastKey = Math.max(this.#lastKey, key);
    }
    this.#evicted = counterOf(database, `${name}_evicted`);
    this.#purged = counterOf(database, `${name}_purged`);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Rows that left for newer ones, ever. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Rows that a person has purged, ever. */
  get purged(): number {
    return this.#purged;
  }

  /** How many rows there are under each value of an indexed column. */
  countsBy(column: "code" | "database"): ReadonlyMap<string, number> {
    const { name } = this.#options;
    const counts = this.database.prepare<[], [string, number]>(
      `SELECT ${column}, count(*) FROM ${name} GROUP BY ${column} ORDER BY ${column}`,
    );
    return new Map(counts.raw().all());
  }

  /** When the oldest row's message was received; undefined: there is none. */
  get oldestReceivedMs(): number | undefined {
    const { name } = this.#options;
    return this.database
      .prepare<[], number>(`SELECT received_ms FROM ${name} ORDER BY key LIMIT 1`)
      .pluck()
      .get();
  }

  /** Those of the keys that are there; a purge is counted, what was put back into the journal is not. Returns how many. */
  remove(keys: readonly number[], isPurge: boolean): number {
    const { name } = this.#options;
    let removed: { bytes: number }[] = [];
    try {
      this.database.transaction(() => {
        removed = this.#delete.all(JSON.stringify(keys));
        // Who has read a key must not remove another row with it later.
        saveCounter(this.database, `${name}_last_key`, this.#lastKey);
        if (isPurge) addToCounter(this.database, `${name}_purged`, removed.length);
      })();
    } catch (error) {
      throw changeFailed(error);
    }
    for (const { bytes } of removed) this.#bytes -= bytes;
    this.#count -= removed.length;
    if (isPurge) this.#purged += removed.length;
    if (removed.length > 0) this.#wrote(removed.length * pagesPerWriteBytes);
    return removed.length;
  }

  /** All of them or none, durable when it returns. Returns how many older rows were evicted for them. */
  protected add(inserts: readonly Insert[]): number {
    const added = { count: 0, bytes: 0 };
    let gone = { count: 0, bytes: 0 };
    try {
      this.database.transaction(() => {
        for (const insert of inserts) {
          const bytes = insert(this.#lastKey + added.count + 1);
          if (bytes === undefined) continue;
          added.count += 1;
          added.bytes += bytes + rowOverheadBytes;
        }
        gone = this.#evict(this.#bytes + added.bytes - this.maxBytes);
      })();
    } catch (error) {
      throw this.#options.failed(error);
    }
    this.#lastKey += added.count;
    this.#bytes += added.bytes - gone.bytes;
    this.#count += added.count - gone.count;
    this.#evicted += gone.count;
    if (added.count > 0) this.#wrote(added.bytes + added.count * pagesPerWriteBytes);
    return gone.count;
  }

  #evict(excessBytes: number): { readonly count: number; readonly bytes: number } {
    if (excessBytes <= 0) return { count: 0, bytes: 0 };
    const { name } = this.#options;
    const gone = { count: 0, bytes: 0, last: 0 };
    for (const { key, bytes } of this.#oldest.iterate()) {
      if (gone.bytes >= excessBytes) break;
      gone.bytes += bytes;
      gone.count += 1;
      gone.last = key;
    }
    this.database.prepare(`DELETE FROM ${name} WHERE key <= ?`).run(gone.last);
    addToCounter(this.database, `${name}_evicted`, gone.count);
    return gone;
  }
}

/** Pages that a small write changes: the row's, the indexes', and those above them. */
const pagesPerWriteBytes = 4 * 4096;

/** Rows until the page is full. */
export function takePage<Columns, Row extends KeptRow>(
  found: Iterable<Columns>,
  toRow: (columns: Columns) => Row,
  { maxBytes }: PageSize,
  bytesOf: (row: Row) => number,
): Row[] {
  const page: Row[] = [];
  let bytes = 0;
  for (const columns of found) {
    const row = toRow(columns);
    bytes += bytesOf(row);
    if (page.length > 0 && bytes > maxBytes) break;
    page.push(row);
  }
  return page;
}

export function counterOf(database: Database.Database, name: string): number {
  const value = database.prepare<[string], number>("SELECT value FROM counter WHERE name = ?").pluck();
  return value.get(name) ?? 0;
}

/** Inside the caller's transaction. */
function saveCounter(database: Database.Database, name: string, value: number): void {
  database.prepare("INSERT OR REPLACE INTO counter VALUES (?, ?)").run(name, value);
}

/** Inside the caller's transaction, or as one of its own. */
export function addToCounter(database: Database.Database, name: string, by: number): void {
  if (by === 0) return;
  database
    .prepare(
      "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
    )
    .run(name, by);
}
