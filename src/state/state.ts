import type Database from "better-sqlite3";
import { join } from "node:path";
import { errorCode, type Fault } from "../lib/fault.ts";
import { openDatabase, walPages } from "../sqlite/database.ts";
import { writeFailed } from "./faults.ts";
import { RegistryStore } from "./registry-store.ts";
import { SchemaStore } from "./schema-store.ts";
import { stateTables } from "./schema.ts";
import { Starts } from "./starts.ts";

/** What is quarantined beyond this is evicted, oldest first, and counted. */
const quarantineMaxBytes = 64 * 1024 * 1024;
/** What a row takes beside its payload, topic and reason: without it a flood of empty payloads had no bound. */
const rowOverheadBytes = 256;
const rowBytes = `length(payload) + octet_length(topic) + octet_length(reason) + ${rowOverheadBytes}`;
const checkpointBytes = 4 * 1024 * 1024;
/** Pages that a small write changes: the row's, the index's, and those above them. */
const pagesPerWriteBytes = 4 * 4096;

export interface QuarantineEntry {
  readonly seq: number;
  readonly source: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly receivedMs: number;
  /** Fault code. */
  readonly code: string;
  readonly reason: string;
}

/**
 * state.db: quarantine, deaths while decoding, which client ids have connected, the registry, the starts.
 * synchronous=FULL.
 */
export class State {
  readonly #database: Database.Database;
  readonly #insert: Database.Statement<
    [string, number, string, string, Uint8Array, number, string, string, number]
  >;
  readonly #oldestBytes: Database.Statement<[], { key: number; bytes: number }>;
  #quarantineBytes: number;
  #quarantineEvicted: number;
  #bytesInWal: number;

  readonly registry: RegistryStore;
  readonly schema: SchemaStore;
  readonly starts: Starts;

  /** What had to be said about the file when it was opened. */
  readonly openingFaults: readonly Fault[];

  private constructor(database: Database.Database, movedAside: Fault | undefined) {
    this.#database = database;
    this.openingFaults = movedAside === undefined ? [] : [movedAside];
    this.#insert = database.prepare(
      `INSERT INTO quarantine
         (journal_id, seq, source, topic, payload, received_ms, code, reason, quarantined_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (journal_id, seq) DO NOTHING`,
    );
    this.#oldestBytes = database.prepare(`SELECT key, ${rowBytes} AS bytes FROM quarantine ORDER BY key`);
    const sum = database
      .prepare<[], { bytes: number | null }>(`SELECT sum(${rowBytes}) AS bytes FROM quarantine`)
      .get();
    this.#quarantineBytes = sum?.bytes ?? 0;
    const evicted = database.prepare("SELECT value FROM counter WHERE name = 'quarantine_evicted'").pluck();
    this.#quarantineEvicted = Number(evicted.get() ?? 0);
    this.#bytesInWal = walPages(database.name) * 4096;
    const wrote = (bytes: number): void => {
      this.#bytesInWal += bytes;
      this.#checkpointWhenDue();
    };
    this.registry = new RegistryStore(database, wrote);
    this.schema = new SchemaStore(database, wrote);
    this.starts = new Starts(database, wrote);
  }

  /** Faults: journal_unwritable (fatal). */
  static open(dir: string, nowMs: number): State {
    return openDatabase({
      file: join(dir, "state.db"),
      schema: stateTables,
      synchronous: "FULL",
      nowMs,
      use: (database, movedAside) => new State(database, movedAside),
    });
  }

  /**
   * Keeps the bytes of messages that cannot be decoded. Durable when it returns; then it gives how many older
   * ones it evicted for them. Faults: quarantine_full (retry), journal_write_failed (restart); nothing was stored.
   */
  quarantine(journalId: string, entries: readonly QuarantineEntry[], nowMs: number): number {
    this.#bytesInWal += entries.reduce((sum, entry) => sum + entryBytes(entry), pagesPerWriteBytes);
    let added = 0;
    let evicted = { count: 0, freedBytes: 0 };
    try {
      this.#database.transaction(() => {
        for (const entry of entries) if (this.#store(journalId, entry, nowMs)) added += entryBytes(entry);
        evicted = this.#evictQuarantine(this.#quarantineBytes + added - quarantineMaxBytes);
      })();
    } catch (error) {
      throw writeFailed(error);
    }
    this.#quarantineBytes += added - evicted.freedBytes;
    this.#quarantineEvicted += evicted.count;
    this.#checkpointWhenDue();
    return evicted.count;
  }

  /** False when it was there already. */
  #store(journalId: string, entry: QuarantineEntry, nowMs: number): boolean {
    const { seq, source, topic, payload, receivedMs, code, reason } = entry;
    const row = [journalId, seq, source, topic, payload, receivedMs, code, reason, nowMs] as const;
    return this.#insert.run(...row).changes > 0;
  }

  #evictQuarantine(excessBytes: number): { readonly count: number; readonly freedBytes: number } {
    if (excessBytes <= 0) return { count: 0, freedBytes: 0 };
    let freedBytes = 0;
    let count = 0;
    let last = 0;
    for (const { key, bytes } of this.#oldestBytes.iterate()) {
      if (freedBytes >= excessBytes) break;
      freedBytes += bytes;
      count += 1;
      last = key;
    }
    this.#database.prepare("DELETE FROM quarantine WHERE key <= ?").run(last);
    this.#addToCounter("quarantine_evicted", count);
    return { count, freedBytes };
  }

  /** What is quarantined under a fault code. */
  quarantinedUnder(code: string): { readonly topic: string; readonly payload: Uint8Array }[] {
    return this.#database
      .prepare<[string], { topic: string; payload: Buffer }>(
        "SELECT topic, payload FROM quarantine WHERE code = ?",
      )
      .all(code);
  }

  /** How many messages are in quarantine. */
  get quarantineCount(): number {
    return Number(this.#database.prepare("SELECT count(*) FROM quarantine").pluck().get());
  }

  /** Messages that left the quarantine for newer ones, ever. */
  get quarantineEvicted(): number {
    return this.#quarantineEvicted;
  }

  /**
   * The process died while it decoded this message. Returns how often it has. Faults: quarantine_full (retry),
   * journal_write_failed (restart); nothing was stored.
   */
  recordDeath(journalId: string, seq: number): number {
    const record = this.#database.prepare(
      `INSERT INTO death VALUES (?, ?, 1) ON CONFLICT (journal_id, seq) DO UPDATE SET count = count + 1`,
    );
    try {
      record.run(journalId, seq);
    } catch (error) {
      throw writeFailed(error);
    }
    const count = this.#database.prepare("SELECT count FROM death WHERE journal_id = ? AND seq = ?").pluck();
    return Number(count.get(journalId, seq));
  }

  /** The topic filters in the broker's session of this client id; undefined when it has none that we know of. */
  sessionFilters(clientId: string): readonly string[] | undefined {
    const filters = this.#database
      .prepare<[string], string>("SELECT filters FROM client WHERE client_id = ?")
      .pluck()
      .get(clientId);
    return filters === undefined ? undefined : (JSON.parse(filters) as string[]);
  }

  /** Returns the fault for which it is not written down; then the next connection does it. */
  recordSession(clientId: string, filters: readonly string[]): Fault | undefined {
    const text = JSON.stringify(filters);
    try {
      this.#database
        .prepare(
          `INSERT INTO client VALUES (?, ?)
           ON CONFLICT DO UPDATE SET filters = excluded.filters WHERE filters <> excluded.filters`,
        )
        .run(clientId, text);
      return undefined;
    } catch (error) {
      return writeFailed(error);
    }
  }

  #addToCounter(name: string, by: number): void {
    this.#database
      .prepare(
        "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
      )
      .run(name, by);
  }

  #checkpointWhenDue(): void {
    if (this.#bytesInWal < checkpointBytes) return;
    this.#bytesInWal = 0;
    try {
      this.#database.pragma("wal_checkpoint(PASSIVE)");
    } catch (error) {
      // On a full disk nothing moves and nothing is lost: the pages stay in the WAL.
      if (errorCode(error) !== "SQLITE_FULL") throw writeFailed(error);
    }
  }

  close(): void {
    this.#database.close();
  }
}

function entryBytes({ payload, topic, reason }: QuarantineEntry): number {
  return payload.length + Buffer.byteLength(topic) + Buffer.byteLength(reason) + rowOverheadBytes;
}
