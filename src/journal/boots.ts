import type Database from "better-sqlite3";
import { errorCode } from "../lib/fault.ts";

interface BootRow {
  readonly key: number;
  readonly boot_id: string;
  readonly offset_ms: number | null;
}

/** The boots of this machine that the journal has seen, and the clock offset of those that learned it. */
export class Boots {
  readonly currentKey: number;
  readonly #bootId: string;
  readonly #offsets = new Map<number, number>();
  readonly #upsert: Database.Statement<[number, string, number | null]>;
  /** The row of this boot is not in the file yet, because the disk was full. */
  #isDirty = false;

  constructor(database: Database.Database, bootId: string) {
    this.#bootId = bootId;
    this.#upsert = database.prepare(
      `INSERT INTO boot (key, boot_id, offset_ms) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET offset_ms = excluded.offset_ms`,
    );
    const rows = database.prepare<[], BootRow>("SELECT key, boot_id, offset_ms FROM boot").all();
    for (const row of rows) if (row.offset_ms !== null) this.#offsets.set(row.key, row.offset_ms);
    const known = rows.find((row) => row.boot_id === bootId)?.key;
    this.currentKey = known ?? 1 + rows.reduce((max, { key }) => Math.max(max, key), 0);
    if (known === undefined) this.#save();
  }

  /** wall clock − uptime during that boot, once it is known. */
  offsetMs(key: number): number | undefined {
    return this.#offsets.get(key);
  }

  /**
   * The clock of the current boot is right now. Only the first offset is kept: a message received before
   * that moment gets the same time at each replay.
   */
  learnOffset(offsetMs: number): void {
    if (this.#offsets.has(this.currentKey)) return;
    this.#offsets.set(this.currentKey, Math.round(offsetMs));
    this.#save();
  }

  /** Saved at once, not with the next commit: points may be written with it before that. */
  #save(): void {
    this.#isDirty = true;
    try {
      this.flush();
      this.#isDirty = false;
    } catch (error) {
      // The next commit carries it.
      if (errorCode(error) !== "SQLITE_FULL") throw error;
    }
  }

  /** Inside the caller's transaction. Call `flushed` once that has committed. */
  flush(): void {
    if (!this.#isDirty) return;
    this.#upsert.run(this.currentKey, this.#bootId, this.#offsets.get(this.currentKey) ?? null);
  }

  flushed(): void {
    this.#isDirty = false;
  }
}
