/**
 * The runs of the daemon in state.db, for the crash guard and for whoever asks how often it started.
 *
 * Each start is a row before anything can go wrong with it, and its end is "unknown" until the run says
 * "clean" or the next one finds its crash record (`app/crash-record.ts`). What cannot speak leaves it so:
 * `kill -9`, a power cut, SIGSEGV, V8's abort when its heap is full. A bad configuration (exit 78) never
 * comes here. A run is named by its boot and when it started within that boot, so nothing that is told
 * twice makes a second row.
 *
 * Nothing here keeps the daemon from starting: where SQLite cannot write (a full disk) the fault is returned,
 * and what was to be written comes with the next word of this run. A run that dies before that is missing, and
 * the crash guard, which sees fewer starts then, comes to safe mode later; a run whose calm could not be
 * written counts as a short one. Where state.db was damaged and moved aside, the history begins anew.
 */
import type Database from "better-sqlite3";
import { assert, errorCode, Fault } from "../lib/fault.ts";
import { changedRowBytes } from "../sqlite/database.ts";
import type { RecordedStart } from "../supervision/crash-guard.ts";

export interface Start {
  readonly bootId: string;
  /** Ms since boot (CLOCK_MONOTONIC). */
  readonly uptimeMs: number;
  /** Wall clock, ms since 1970: for people only, it may have been wrong. */
  readonly startedAtMs: number;
  readonly version: string;
}

/** Why a run crashed. Texts without secrets. */
export interface CrashedRun extends Start {
  readonly part?: string | undefined;
  readonly faultCode: string;
  readonly message: string;
  readonly wasCalm: boolean;
}

export interface RecordedRun extends RecordedStart, Start {
  readonly wasCalm: boolean;
  /** Of its crash. */
  readonly message?: string | undefined;
}

/** Days of the worst loop, years of a peaceful gateway. */
const maxRows = 200;

interface StartRow {
  readonly boot_id: string;
  readonly uptime_ms: number;
  readonly started_ms: number;
  readonly version: string;
  readonly ending: string;
  readonly is_calm: number;
  readonly part: string | null;
  readonly code: string | null;
  readonly message: string | null;
}

export class Starts {
  readonly #database: Database.Database;
  readonly #wrote: (bytes: number) => void;
  readonly #put: Database.Statement<[StartRow]>;
  readonly #prune: Database.Statement<[number]>;
  /** As they are known, also where that could not be written. */
  readonly #earlier: RecordedRun[];
  #present: RecordedRun | undefined;
  /** What the disk had no room for, in the order of the runs. */
  #unwritten: readonly RecordedRun[] = [];

  /** `wrote` is told how much each write adds to the WAL. */
  constructor(database: Database.Database, wrote: (bytes: number) => void) {
    this.#database = database;
    this.#wrote = wrote;
    this.#put = database.prepare(
      `INSERT INTO start (boot_id, uptime_ms, started_ms, version, ending, is_calm, part, code, message)
       VALUES (@boot_id, @uptime_ms, @started_ms, @version, @ending, @is_calm, @part, @code, @message)
       ON CONFLICT (boot_id, uptime_ms) DO UPDATE SET ending = excluded.ending,
         is_calm = max(is_calm, excluded.is_calm), part = excluded.part, code = excluded.code,
         message = excluded.message`,
    );
    this.#prune = database.prepare(
      "DELETE FROM start WHERE key <= (SELECT key FROM start ORDER BY key DESC LIMIT 1 OFFSET ?)",
    );
    // Now: damage that shows while the file is being opened has it moved aside.
    const newest = database.prepare<[number], StartRow>("SELECT * FROM start ORDER BY key DESC LIMIT ?");
    this.#earlier = newest.all(maxRows).toReversed().map(fromRow);
  }

  /** The starts before this one, oldest first: the newest 200 of them. */
  recorded(): readonly RecordedRun[] {
    return this.#earlier.slice(-maxRows);
  }

  /**
   * A run before this one has crashed. It gets a row if it has none: it may have died before state.db was
   * open. Call it before `begin`, for the order of the rows. Fault: start_unrecorded.
   */
  endCrash(crash: CrashedRun): Fault | undefined {
    const run: RecordedRun = { ...wholeMs(crash), end: "crash" };
    const index = this.#earlier.findIndex((one) => isSameRun(one, run));
    if (index === -1) this.#earlier.push(run);
    else this.#earlier[index] = { ...run, wasCalm: run.wasCalm || this.#earlier[index]?.wasCalm === true };
    return this.#save(run);
  }

  /** This run begins. Once. Fault: start_unrecorded. */
  begin(start: Start): Fault | undefined {
    assert(this.#present === undefined, "a run begins once");
    this.#present = { ...wholeMs(start), end: "unknown", wasCalm: false };
    return this.#save(this.#present);
  }

  /** This run is `calmAfterMs` old (`supervision/crash-guard.ts`). Fault: start_unrecorded. */
  markCalm(): Fault | undefined {
    return this.#amend({ wasCalm: true });
  }

  /** This run ends because it was told to. Fault: start_unrecorded. */
  endClean(): Fault | undefined {
    return this.#amend({ end: "clean" });
  }

  #amend(change: Partial<RecordedRun>): Fault | undefined {
    assert(this.#present !== undefined, "a run has begun before more is said of it");
    this.#present = { ...this.#present, ...change };
    return this.#save(this.#present);
  }

  /** Durable when it returns undefined; else nothing was stored, and the next one carries it. Throws for a bug. */
  #save(run: RecordedRun): Fault | undefined {
    this.#unwritten = [...this.#unwritten.filter((one) => !isSameRun(one, run)), run];
    let rows = 0;
    try {
      this.#database.transaction(() => {
        for (const one of this.#unwritten) rows += this.#put.run(toRow(one)).changes;
        rows += this.#prune.run(maxRows).changes;
      })();
    } catch (error) {
      return unrecorded(error);
    }
    this.#unwritten = [];
    // Each in the table and in its index.
    this.#wrote(2 * rows * changedRowBytes);
    return undefined;
  }
}

/** SQLite's column has no fractions, and what is compared must not change by being stored. */
function wholeMs<T extends Start>(start: T): T {
  return { ...start, uptimeMs: Math.floor(start.uptimeMs), startedAtMs: Math.floor(start.startedAtMs) };
}

function isSameRun(one: Start, other: Start): boolean {
  return one.bootId === other.bootId && one.uptimeMs === other.uptimeMs;
}

function toRow(run: RecordedRun): StartRow {
  return {
    boot_id: run.bootId,
    uptime_ms: run.uptimeMs,
    started_ms: run.startedAtMs,
    version: run.version,
    ending: run.end,
    is_calm: run.wasCalm ? 1 : 0,
    part: run.part ?? null,
    code: run.faultCode ?? null,
    message: run.message ?? null,
  };
}

function fromRow(row: StartRow): RecordedRun {
  return {
    bootId: row.boot_id,
    uptimeMs: row.uptime_ms,
    startedAtMs: row.started_ms,
    version: row.version,
    end: row.ending === "clean" || row.ending === "crash" ? row.ending : "unknown",
    wasCalm: row.is_calm !== 0,
    part: row.part ?? undefined,
    faultCode: row.code ?? undefined,
    message: row.message ?? undefined,
  };
}

/** Of what SQLite could not do, or state_damaged; anything else is a bug, and thrown again. */
function unrecorded(cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  const code = errorCode(cause);
  if (code?.startsWith("SQLITE_") !== true) throw cause;
  return new Fault({
    code: "start_unrecorded",
    layer: "journal",
    disposition: "retry",
    message: `state.db cannot be written (${code}): this start is not recorded yet, and a crash loop would be noticed later`,
    hint: code.startsWith("SQLITE_BUSY")
      ? "end the program that has state.db open for writing: fuser state.db names it"
      : "free space on the disk that holds [journal] dir",
    cause,
  });
}
