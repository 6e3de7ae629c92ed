import type Database from "better-sqlite3";
import { isPassing, writeFailed } from "./faults.ts";
import { againFlag } from "./message.ts";

interface BootRow {
  readonly key: number;
  readonly boot_id: string;
  readonly offset_ms: number | null;
  readonly decided: number;
  readonly running_ms: number | null;
}

/** A boot as another file knows it, whose messages come over. */
export interface ForeignBoot {
  readonly bootId: string;
  readonly offsetMs: number | undefined;
  /** `offsetMs` is final, also when there is none. */
  readonly isDecided: boolean;
}

/**
 * The boots of this machine that the journal has seen, and the clock offset of those that learned it.
 *
 * Invariant: what is decided about a boot's offset, a number or "none", is in the file before anybody sees
 * it, and never changes. The time of a message that was received under a wrong clock follows from it, so
 * such a message has the same time whenever it is sent.
 *
 * And the time that the machine has been running, over all boots, as far as the log has seen it: a boot begins
 * where the newest message of the one before stands. It counts too little (what a boot ran after its last
 * message, and the time without power), never too much, whatever the wall clock does.
 */
export class Boots {
  readonly currentKey: number;
  readonly #file: string;
  readonly #upsert: Database.Statement<[BootRow]>;
  /** By key, as they are in the file. */
  readonly #saved: Map<number, BootRow>;
  /** By key: rows that the next commit carries. */
  readonly #unsaved = new Map<number, BootRow>();

  constructor(database: Database.Database, bootId: string) {
    this.#file = database.name;
    this.#upsert = database.prepare(
      `INSERT INTO boot (key, boot_id, offset_ms, decided, running_ms)
         VALUES (@key, @boot_id, @offset_ms, @decided, @running_ms)
         ON CONFLICT (key) DO UPDATE SET offset_ms = excluded.offset_ms, decided = excluded.decided,
           running_ms = excluded.running_ms`,
    );
    const rows = database.prepare<[], BootRow>("SELECT * FROM boot").all();
    this.#saved = new Map(rows.map((row) => [row.key, row]));
    const known = rows.find((row) => row.boot_id === bootId);
    this.currentKey = known?.key ?? this.#nextKey();
    if (known !== undefined && known.running_ms !== null) return;
    const running_ms = known === undefined ? this.#runningBefore(database) : 0;
    const fresh = { key: this.currentKey, boot_id: bootId, offset_ms: null, decided: 0, running_ms };
    const current = known === undefined ? fresh : { ...known, running_ms };
    // The next commit carries the row when it cannot be written now.
    if (!this.#save(current)) this.#unsaved.set(current.key, current);
  }

  #runningBefore(database: Database.Database): number {
    // Messages that were put back stand in the log later than they came. A long run of them at its end: then
    // the last boot counts for nothing, and all that was before it is kept for longer.
    const last = database
      .prepare<[], { boot: number; uptime_ms: number }>(
        `SELECT boot, uptime_ms FROM (SELECT seq, boot, uptime_ms, flags FROM message ORDER BY seq DESC LIMIT 1000)
           WHERE flags & ${againFlag} = 0 ORDER BY seq DESC LIMIT 1`,
      )
      .get();
    const begun = [...this.#saved.values()].reduce((max, row) => Math.max(max, row.running_ms ?? 0), 0);
    return Math.max(begun, last === undefined ? 0 : (this.runningMs(last.boot, last.uptime_ms) ?? 0));
  }

  /** How long the machine had been running at `uptimeMs` of a boot; undefined for a boot of another file. */
  runningMs(key: number, uptimeMs: number): number | undefined {
    const before = this.#row(key)?.running_ms;
    return before === undefined || before === null ? undefined : before + uptimeMs;
  }

  /** wall clock − uptime during that boot, once it is known. */
  offsetMs(key: number): number | undefined {
    return this.#saved.get(key)?.offset_ms ?? undefined;
  }

  /**
   * The key for messages of that boot, from now on. The next commit writes it down, so before or together with
   * the first message that has it. What was decided about it here stays; what was decided there holds here too.
   */
  adopt({ bootId, offsetMs, isDecided }: ForeignBoot): number {
    const known = [...this.#saved.keys(), ...this.#unsaved.keys()]
      .map((key) => this.#row(key))
      .find((row) => row?.boot_id === bootId);
    if (known !== undefined && (known.decided === 1 || !isDecided)) return known.key;
    const told = { offset_ms: offsetMs ?? null, decided: isDecided ? 1 : 0 };
    const row = { key: this.#nextKey(), boot_id: bootId, running_ms: null, ...known, ...told };
    this.#unsaved.set(row.key, row);
    return row.key;
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

  #decide(offset_ms: number | null): boolean {
    if (this.#saved.get(this.currentKey)?.decided === 1) return true;
    const row = this.#row(this.currentKey);
    if (row === undefined) return false;
    return this.#save(row.decided === 1 ? row : { ...row, offset_ms, decided: 1 });
  }

  #save(row: BootRow): boolean {
    try {
      this.#upsert.run(row);
    } catch (error) {
      if (isPassing(error)) return false;
      throw writeFailed(error, this.#file);
    }
    this.#saved.set(row.key, row);
    this.#unsaved.delete(row.key);
    return true;
  }

  #row(key: number): BootRow | undefined {
    return this.#unsaved.get(key) ?? this.#saved.get(key);
  }

  #nextKey(): number {
    return 1 + Math.max(0, ...this.#saved.keys(), ...this.#unsaved.keys());
  }

  /** Inside the caller's transaction. Call `flushed` once that has committed. */
  flush(): void {
    for (const row of this.#unsaved.values()) this.#upsert.run(row);
  }

  flushed(): void {
    for (const row of this.#unsaved.values()) this.#saved.set(row.key, row);
    this.#unsaved.clear();
  }
}
