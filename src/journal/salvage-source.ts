import Database from "better-sqlite3";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import type { MessageRow } from "./message.ts";
import { type Position, SalvageFile } from "./salvage-file.ts";
import type { OldBoot, SalvageFrame } from "./salvage-frames.ts";
import { journalTables } from "./schema.ts";

/** A frame ends with the page on which it reaches one of these. */
const frameRows = 256;
const frameBytes = 256 * 1024;

/**
 * All frames of a journal that was moved aside: what is known about it, its owed messages, the sum. With
 * `after` the messages up to there are left out, and counted all the same.
 *
 * The sum: seqs have no gaps but by deletion, and what was deleted is settled. So of the seqs that are known, each
 * is settled, recovered or lost.
 */
export function* salvageFrames(file: string, after: Position | undefined): Generator<SalvageFrame> {
  const known = readTables(file);
  if (known === "foreign") {
    yield { kind: "foreign" };
    return;
  }
  yield { kind: "begin", boots: known.boots };
  using salvage = new SalvageFile(file);
  const owed = new Owed(known.settled);
  if (after !== undefined) for (const row of salvage.pagesUpTo(after)) owed.take(row);
  let rows: MessageRow[] = [];
  let bytes = 0;
  let last: Position | undefined;
  for (const page of salvage.pages(after)) {
    last = page.position;
    for (const row of page.rows) {
      if (!owed.take(row)) continue;
      rows.push(row);
      bytes += row.payload.length;
    }
    if (rows.length < frameRows && bytes < frameBytes) continue;
    yield { kind: "rows", rows, position: last };
    rows = [];
    bytes = 0;
  }
  if (rows.length > 0 && last !== undefined) yield { kind: "rows", rows, position: last };
  const { isSettlementKnown, evicted, evictedMinor } = known;
  yield { kind: "end", ...owed.sum(known), evicted, evictedMinor, isSettlementKnown };
}

class Owed {
  readonly #settled: IntervalSet;
  readonly #found = new IntervalSet();
  #count = 0;
  #lo = Infinity;
  #hi = 0;

  constructor(settled: IntervalSet) {
    this.#settled = settled;
  }

  /** False: it is settled, or was found before. */
  take({ seq }: MessageRow): boolean {
    this.#lo = Math.min(this.#lo, seq);
    this.#hi = Math.max(this.#hi, seq);
    if (this.#settled.has(seq) || this.#found.has(seq)) return false;
    this.#found.add(seq, seq);
    this.#count += 1;
    return true;
  }

  sum({ lastSeq, isSettlementKnown }: Tables): { recovered: number; lost: number; settled: number } {
    const hi = Math.max(this.#hi, lastSeq);
    // What was settled and trimmed before the first one that is left is in the table, or not known.
    const lo = isSettlementKnown ? 1 : Math.min(this.#lo, hi + 1);
    const settled = this.#settled.countWithin(lo, hi);
    return { recovered: this.#count, lost: hi - lo + 1 - settled - this.#count, settled };
  }
}

interface Tables {
  readonly boots: readonly OldBoot[];
  readonly settled: IntervalSet;
  readonly isSettlementKnown: boolean;
  /** 0: not known. */
  readonly lastSeq: number;
  readonly evicted: number;
  readonly evictedMinor: number;
}

/**
 * The small tables as SQLite sees them. Not from pages: an old page may say that a message is settled which
 * was made owed again.
 */
function readTables(file: string): Tables | "foreign" {
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, fileMustExist: true });
    if (isForeign(database)) return "foreign";
    const boots = (rowsOf(database, "SELECT key, boot_id, offset_ms, decided FROM boot") ?? []) as BootRow[];
    const settled = rowsOf(database, "SELECT lo, hi FROM settled ORDER BY lo") as Interval[] | undefined;
    const set = IntervalSet.of(settled ?? []);
    const counters = (rowsOf(database, "SELECT name, value FROM counter") ?? []) as Counter[];
    const counted = (name: string): number => counters.find((one) => one.name === name)?.value ?? 0;
    return {
      boots: boots.map(bootOf),
      settled: set,
      isSettlementKnown: settled !== undefined,
      lastSeq: Math.max(counted("last_seq"), settled?.at(-1)?.hi ?? 0),
      evicted: counted("evicted"),
      evictedMinor: counted("evicted_minor"),
    };
  } catch {
    // Its header or its schema is gone: what is on its pages is taken over all the same.
    const nothing = { boots: [], settled: new IntervalSet(), isSettlementKnown: false };
    return { ...nothing, lastSeq: 0, evicted: 0, evictedMinor: 0 };
  } finally {
    database?.close();
  }
}

interface Counter {
  readonly name: string;
  readonly value: number;
}

interface BootRow {
  readonly key: number;
  readonly boot_id: string;
  readonly offset_ms: number | null;
  readonly decided: number;
}

function bootOf({ key, boot_id, offset_ms, decided }: BootRow): OldBoot {
  return { key, bootId: boot_id, offsetMs: offset_ms ?? undefined, isDecided: decided === 1 };
}

function isForeign(database: Database.Database): boolean {
  const applicationId = database.pragma("application_id", { simple: true });
  const version = Number(database.pragma("user_version", { simple: true }));
  return applicationId !== journalTables.applicationId || version > journalTables.migrations.length;
}

/** Undefined: the table cannot be read to its end. */
function rowsOf(database: Database.Database, sql: string): unknown[] | undefined {
  try {
    return database.prepare<[]>(sql).all();
  } catch {
    return undefined;
  }
}
