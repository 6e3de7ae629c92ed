import type Database from "better-sqlite3";

/** The boots of this machine that the journal has seen, and the clock offset of those that learned it. */
export class Boots {
  readonly currentKey: number;
  readonly #offsets = new Map<number, number>();
  readonly #saveOffset: Database.Statement<[number, number]>;

  constructor(database: Database.Database, bootId: string) {
    database.prepare("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)").run(bootId);
    const rows = database
      .prepare<[], { key: number; boot_id: string; offset_ms: number | null }>("SELECT * FROM boot")
      .all();
    this.currentKey = rows.find((row) => row.boot_id === bootId)?.key ?? 0;
    for (const row of rows) if (row.offset_ms !== null) this.#offsets.set(row.key, row.offset_ms);
    this.#saveOffset = database.prepare("UPDATE boot SET offset_ms = ? WHERE key = ? AND offset_ms IS NULL");
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
    const rounded = Math.round(offsetMs);
    this.#saveOffset.run(rounded, this.currentKey);
    this.#offsets.set(this.currentKey, rounded);
  }
}
