import type Database from "better-sqlite3";
import { join } from "node:path";
import type { Fault } from "../lib/fault.ts";
import { openDatabase } from "../sqlite/database.ts";
import { stateTables } from "./schema.ts";

/** Quarantined payloads beyond this are evicted, oldest first, and counted. */
const quarantineMaxBytes = 64 * 1024 * 1024;

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

/** state.db: quarantine, deaths while decoding, MQTT client ids. synchronous=FULL. */
export class State {
  readonly #database: Database.Database;
  readonly #insert: Database.Statement<
    [string, number, string, string, Uint8Array, number, string, string, number]
  >;
  readonly #oldestBytes: Database.Statement<[], { key: number; bytes: number }>;
  #quarantineBytes: number;

  /** What had to be said about the file when it was opened. */
  readonly openingFaults: readonly Fault[];

  private constructor(database: Database.Database, faults: readonly Fault[]) {
    this.#database = database;
    this.openingFaults = faults;
    this.#insert = database.prepare(
      `INSERT OR IGNORE INTO quarantine
         (journal_id, seq, source, topic, payload, received_ms, code, reason, quarantined_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#oldestBytes = database.prepare("SELECT key, length(payload) AS bytes FROM quarantine ORDER BY key");
    const sum = database
      .prepare<[], { bytes: number | null }>("SELECT sum(length(payload)) AS bytes FROM quarantine")
      .get();
    this.#quarantineBytes = sum?.bytes ?? 0;
  }

  static open(dir: string, nowMs: number): State {
    const file = join(dir, "state.db");
    const { database, movedAside } = openDatabase({ file, schema: stateTables, synchronous: "FULL", nowMs });
    return new State(database, movedAside === undefined ? [] : [movedAside]);
  }

  /** Keeps the bytes of messages that cannot be decoded. Durable when it returns. */
  quarantine(journalId: string, entries: readonly QuarantineEntry[], nowMs: number): void {
    let added = 0;
    this.#database.transaction(() => {
      for (const entry of entries) {
        const { seq, source, topic, payload, receivedMs, code, reason } = entry;
        const result = this.#insert.run(
          journalId,
          seq,
          source,
          topic,
          payload,
          receivedMs,
          code,
          reason,
          nowMs,
        );
        if (result.changes > 0) added += payload.length;
      }
      added -= this.#evictQuarantine(this.#quarantineBytes + added - quarantineMaxBytes);
    })();
    this.#quarantineBytes += added;
    this.#checkpointWhenDue();
  }

  #evictQuarantine(excessBytes: number): number {
    if (excessBytes <= 0) return 0;
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
    return freedBytes;
  }

  /** How many messages are in quarantine. */
  get quarantineCount(): number {
    return Number(this.#database.prepare("SELECT count(*) FROM quarantine").pluck().get());
  }

  /** The process died while it decoded this message. Returns how often it has. */
  recordDeath(journalId: string, seq: number): number {
    this.#database
      .prepare(
        `INSERT INTO death VALUES (?, ?, 1) ON CONFLICT (journal_id, seq) DO UPDATE SET count = count + 1`,
      )
      .run(journalId, seq);
    const count = this.#database.prepare("SELECT count FROM death WHERE journal_id = ? AND seq = ?").pluck();
    return Number(count.get(journalId, seq));
  }

  /** The MQTT client id of a source: made once, because the broker keeps the session under it. */
  clientId(source: string, make: () => string): { readonly clientId: string; readonly isNew: boolean } {
    const stored = this.#database
      .prepare<[string], { client_id: string }>("SELECT client_id FROM client WHERE source = ?")
      .get(source);
    if (stored !== undefined) return { clientId: stored.client_id, isNew: false };
    const made = make();
    this.#database.prepare("INSERT INTO client VALUES (?, ?)").run(source, made);
    return { clientId: made, isNew: true };
  }

  #addToCounter(name: string, by: number): void {
    this.#database
      .prepare(
        "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
      )
      .run(name, by);
  }

  #writes = 0;

  #checkpointWhenDue(): void {
    this.#writes += 1;
    if (this.#writes < 200) return;
    this.#writes = 0;
    this.#database.pragma("wal_checkpoint(PASSIVE)");
  }

  close(): void {
    this.#database.close();
  }
}
