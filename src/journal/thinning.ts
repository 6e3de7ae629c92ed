import type Database from "better-sqlite3";
import { type Interval, IntervalSet } from "../lib/intervals.ts";
import { isMinor } from "./minor.ts";
import { rowOverheadBytes } from "./window.ts";

/** What is rewritten at once: small beside what a call may rewrite, large beside a page. */
const stretchBytes = 8 * 4096;
/** A stretch is rewritten for no less than this share of it: for each page that is won, at most seven are written. */
const worthwhileShare = 1 / 8;
/** Of each time that room is made: some 20 ms. */
const maxRowsRewritten = 2048;
const maxBytesRewritten = 1024 * 1024;
const maxRowsLookedAt = 8192;

/** What may still be done this time. */
export interface Effort {
  rows: number;
  bytes: number;
  looks: number;
}

interface Thinned {
  /** Settled messages that are gone. */
  readonly settled: readonly number[];
  /** Minor messages that were not settled, and are gone. */
  readonly minors: readonly number[];
  /** There is more of the log that was not looked at. */
  readonly hasMore: boolean;
}

interface SettledTaken {
  readonly count: number;
  /** It has rewritten as much as it may, and there is more. */
  readonly isCutShort: boolean;
}

/**
 * Takes messages out of the log from among others. To delete them where they stand would free nothing: SQLite joins
 * pages only when two thirds of them are free. So a stretch in which enough may go is deleted whole, and the rows
 * that stay are inserted again, byte for byte and under their old seqs. In ascending order: then SQLite fills the
 * pages (in descending order nothing is won).
 *
 * `takeSettled` looks at the parts of the log that it was told to `consider`: each once, until it is told again
 * because more there has been settled. `takeMinors` goes through the log once, from the oldest on, until the file is
 * opened again; what is settled in such a stretch goes along. What is too sparse is passed over, and leaves with the
 * oldest.
 */
export class Thinning {
  readonly #settled: IntervalSet;
  readonly #outlines: Database.Statement<[number, number], Outline>;
  readonly #topics: Database.Statement<[number, number], { seq: number; topic: string }>;
  readonly #select: Database.Statement<[number, number], ExactRow>;
  readonly #delete: Database.Statement<[number, number]>;
  readonly #insert: Database.Statement<ExactValue[]>;
  /** Where settled messages may be worth taking. Small: an interval for some stretches of the file, at most. */
  readonly #considered = new IntervalSet();
  /** Everything before it has been looked at for minor messages. */
  #position = 0;

  constructor(database: Database.Database, settled: IntervalSet) {
    this.#settled = settled;
    this.#outlines = database.prepare(
      `SELECT seq, topic, length(payload) + octet_length(topic) AS bytes
         FROM message WHERE seq >= ? AND seq <= ? ORDER BY seq`,
    );
    this.#topics = database.prepare("SELECT seq, topic FROM message WHERE seq >= ? AND seq <= ?");
    // As BigInt: also a number that damage has made of another comes back as it was.
    this.#select = database
      .prepare<[number, number], ExactRow>("SELECT * FROM message WHERE seq >= ? AND seq <= ? ORDER BY seq")
      .raw()
      .safeIntegers();
    this.#delete = database.prepare("DELETE FROM message WHERE seq >= ? AND seq <= ?");
    this.#insert = database.prepare("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  }

  /** Settled messages of [lo, hi] are among others, and cannot go by themselves. */
  consider(lo: number, hi: number): void {
    this.#considered.add(lo, hi);
  }

  /**
   * Inside the caller's transaction: takes settled messages of [lo, hi], oldest first, until `isEnough` or until the
   * effort is spent.
   */
  takeSettled({ lo, hi }: Interval, effort: Effort, isEnough: () => boolean): SettledTaken {
    const gone: Gone = { settled: [], minors: [] };
    for (;;) {
      const part = this.#considered.atOrAfter(lo);
      const first = Math.max(lo, part?.lo ?? Infinity);
      const isOver = first > hi || isEnough();
      if (isOver || isSpent(effort)) {
        return { count: gone.settled.length, isCutShort: !isOver && effort.looks > 0 };
      }
      const stretch = this.#stretch(first, hi);
      // It is looked at again when there is more of it.
      if (stretch === undefined) return { count: gone.settled.length, isCutShort: false };
      // Before it is done: what fails is not what the next time begins with.
      this.#considered.remove(first, stretch.last);
      effort.looks -= stretch.rowCount;
      if (isWorthwhile(stretch, stretch.settledBytes)) this.#rewrite(stretch, false, effort, gone);
    }
  }

  /** The same of the whole log, and with minor messages. */
  takeMinors(effort: Effort, isEnough: () => boolean): Thinned {
    const gone: Gone = { settled: [], minors: [] };
    while (!isEnough() && !isSpent(effort)) {
      const stretch = this.#stretch(this.#position, Number.MAX_SAFE_INTEGER);
      if (stretch === undefined) return { ...gone, hasMore: false };
      // Before it is done: should the transaction fail, the next one does not fail over the same rows.
      this.#position = stretch.last + 1;
      effort.looks -= stretch.rowCount;
      const { settledBytes, minorBytes } = stretch;
      const isDue = minorBytes > 0 && isWorthwhile(stretch, settledBytes + minorBytes);
      if (isDue) this.#rewrite(stretch, true, effort, gone);
    }
    return { ...gone, hasMore: true };
  }

  /** Minor messages of [lo, hi] that are not settled. */
  minorCount(lo: number, hi: number): number {
    let count = 0;
    for (const { seq, topic } of this.#topics.iterate(lo, hi)) {
      if (isMinor(topic) && !this.#settled.has(seq)) count += 1;
    }
    return count;
  }

  /** The next one. Undefined: what is left up to `hi` is less than that, and more will come. */
  #stretch(first: number, hi: number): Stretch | undefined {
    let bytes = 0;
    let rowCount = 0;
    let settledBytes = 0;
    let minorBytes = 0;
    for (const row of this.#outlines.iterate(first, hi)) {
      const rowBytes = row.bytes + rowOverheadBytes;
      bytes += rowBytes;
      rowCount += 1;
      if (this.#settled.has(row.seq)) settledBytes += rowBytes;
      else if (isMinor(row.topic)) minorBytes += rowBytes;
      if (bytes >= stretchBytes) return { first, last: row.seq, bytes, rowCount, settledBytes, minorBytes };
    }
    return undefined;
  }

  #rewrite({ first, last, rowCount, bytes }: Stretch, withMinors: boolean, effort: Effort, gone: Gone): void {
    effort.rows -= rowCount;
    effort.bytes -= bytes;
    const staying: ExactRow[] = [];
    for (const row of this.#select.iterate(first, last)) {
      const [exactSeq, , topic] = row;
      const seq = Number(exactSeq);
      if (this.#settled.has(seq)) gone.settled.push(seq);
      else if (withMinors && isMinor(topic)) gone.minors.push(seq);
      else staying.push(row);
    }
    this.#delete.run(first, last);
    for (const row of staying) this.#insert.run(...row);
  }
}

/** For each time that room is made. */
export function wholeEffort(): Effort {
  return { rows: maxRowsRewritten, bytes: maxBytesRewritten, looks: maxRowsLookedAt };
}

function isSpent({ rows, bytes, looks }: Effort): boolean {
  return rows <= 0 || bytes <= 0 || looks <= 0;
}

function isWorthwhile({ bytes }: Stretch, bytesToGo: number): boolean {
  return bytesToGo >= worthwhileShare * bytes;
}

interface Gone {
  readonly settled: number[];
  readonly minors: number[];
}

interface Outline {
  readonly seq: number;
  readonly topic: string;
  /** Of payload and topic. */
  readonly bytes: number;
}

interface Stretch {
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
  readonly rowCount: number;
  readonly settledBytes: number;
  /** Of those that are not settled. */
  readonly minorBytes: number;
}

type ExactValue = bigint | string | Uint8Array;

/** Columns in the table's order. */
type ExactRow = [
  seq: bigint,
  source: string,
  topic: string,
  payload: Uint8Array,
  receivedMs: bigint,
  uptimeMs: bigint,
  boot: bigint,
  flags: bigint,
];
