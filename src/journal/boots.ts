import type Database from "better-sqlite3";
import { isPassing, writeFailed } from "./faults.ts";

interface BootRow {
  readonly key: number;
  readonly boot_id: string;
  readonly offset_ms: number | null;
  readonly decided: number;
}

/**
 * The boots of this machine that the journal has seen, and the clock offset of those that learned it.
 *
 * Invariant: what is decided about a boot's offset, a number or "none", is in the file before anybody sees
 * it, and never changes. The time of a message that was received under a wrong clock follows from it, so
 * such a message has the same time whenever it is sent.
 */
export class Boots {
  readonly currentKey: number;
  readonly #bootId: string;
  readonly #offsets = new Map<number, number>();
  readonly #upsert: Database.Statement<[number, string, number | null, number]>;
  #isDecided: boolean;
  /** The row of this boot is not in the file yet, because the disk was full. */
  #isDirty = false;

  constructor(database: Database.Database, bootId: string) {
    this.#bootId = bootId;
    this.#upsert = database.prepare(
      `INSERT INTO boot (key, boot_id, offset_ms, decided) VALUES (?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET offset_ms = excluded.offset_ms, decided = excluded.decided`,
    );
    const rows = database.prepare<[], BootRow>("SELECT key, boot_id, offset_ms, decided FROM boot").all();
    for (const row of rows) if (row.offset_ms !== null) this.#offsets.set(row.key, row.offset_ms);
    const known = rows.find((row) => row.boot_id === bootId);
    this.currentKey = known?.key ?? 1 + rows.reduce((max, { key }) => Math.max(max, key), 0);
    this.#isDecided = known?.decided === 1;
    // The next commit carries the row when it cannot be written now.
    if (known === undefined) this.#isDirty = !this.#save(null, false);
  }

  /** wall clock − uptime during that boot, once it is known. */
  offsetMs(key: number): number | undefined {
    return this.#offsets.get(key);
  }

  /**
   * The clock of the current boot is right now. Only the first decision counts. False: it could not be
   * stored (the disk is full, or somebody holds the file), nothing is decided, and nothing may be written
   * that rests on it. Faults: journal_write_failed (restart).
   */
  learnOffset(offsetMs: number): boolean {
    return this.#decide(Math.round(offsetMs));
  }

  /** The same, when nobody waits for a right clock any longer: messages keep the times they were received at. */
  decideNoOffset(): boolean {
    return this.#decide(null);
  }

  #decide(offsetMs: number | null): boolean {
    if (this.#isDecided) return true;
    if (!this.#save(offsetMs, true)) return false;
    this.#isDecided = true;
    this.#isDirty = false;
    if (offsetMs !== null) this.#offsets.set(this.currentKey, offsetMs);
    return true;
  }

  #save(offsetMs: number | null, isDecided: boolean): boolean {
    try {
      this.#upsert.run(this.currentKey, this.#bootId, offsetMs, isDecided ? 1 : 0);
      return true;
    } catch (error) {
      if (isPassing(error)) return false;
      throw writeFailed(error);
    }
  }

  /** Inside the caller's transaction. Call `flushed` once that has committed. */
  flush(): void {
    if (this.#isDirty) this.#upsert.run(this.currentKey, this.#bootId, null, 0);
  }

  flushed(): void {
    this.#isDirty = false;
  }
}
