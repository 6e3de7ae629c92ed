import type Database from "better-sqlite3";
import { join } from "node:path";
import { errorCode, type Fault } from "../lib/fault.ts";
import { openDatabase, openToLook, walPages } from "../sqlite/database.ts";
import { DamageWatch } from "./damage.ts";
import { changeFailed, writeFailed } from "./faults.ts";
import { DeadLetters } from "./letters.ts";
import { addToCounter, counterOf } from "./pages.ts";
import { StateQuarantine } from "./quarantine.ts";
import { RegistryStore } from "./registry-store.ts";
import { Salvages } from "./salvages.ts";
import { SchemaStore } from "./schema-store.ts";
import { stateTables } from "./schema.ts";
import { Starts } from "./starts.ts";

const checkpointBytes = 4 * 1024 * 1024;

/**
 * state.db: quarantine, dead letters, deaths while decoding, which client ids have connected, the registry, the
 * starts, the ends of salvages. synchronous=FULL.
 *
 * Any statement that meets damage marks the file and throws state_damaged (restart), beside the faults that are said
 * below.
 */
export class State {
  readonly #database: Database.Database;
  #bytesInWal: number;
  #pendingPurged: number;

  readonly quarantined: StateQuarantine;
  readonly letters: DeadLetters;
  readonly registry: RegistryStore;
  readonly schema: SchemaStore;
  readonly starts: Starts;
  readonly salvages: Salvages;

  /** What had to be said about the file when it was opened. */
  readonly openingFaults: readonly Fault[];

  private constructor(database: Database.Database, movedAside: Fault | undefined) {
    const damage = new DamageWatch(database);
    this.#database = database;
    this.openingFaults = movedAside === undefined ? [] : [movedAside];
    this.#bytesInWal = walPages(database.name) * 4096;
    const wrote = (bytes: number): void => {
      this.#bytesInWal += bytes;
      this.#checkpointWhenDue();
    };
    this.#pendingPurged = counterOf(database, "pending_purged");
    this.quarantined = new StateQuarantine(database, wrote);
    this.letters = new DeadLetters(database, wrote);
    this.registry = new RegistryStore(database, wrote);
    this.schema = new SchemaStore(database, wrote);
    this.starts = new Starts(database, wrote);
    this.salvages = new Salvages(database);
    // Who only looks leaves no mark.
    if (!database.readonly) damage.arm();
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

  /** For reading only: nothing is moved, migrated or made. Fault: journal_unreadable (fatal). */
  static look(dir: string): State {
    return openToLook({
      file: join(dir, "state.db"),
      schema: stateTables,
      use: (database) => new State(database, undefined),
    });
  }

  /** Messages that a person has purged before they were written, ever. */
  get pendingPurged(): number {
    return this.#pendingPurged;
  }

  /** Durable when it returns. Faults: state_full (retry), journal_write_failed (restart); nothing was stored. */
  countPendingPurged(count: number): void {
    try {
      addToCounter(this.#database, "pending_purged", count);
    } catch (error) {
      throw changeFailed(error);
    }
    this.#pendingPurged += count;
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
