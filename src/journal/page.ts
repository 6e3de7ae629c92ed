import type Database from "better-sqlite3";
import { firstGap, type Interval, type IntervalSet } from "../lib/intervals.ts";
import { sealOf } from "./checksum.ts";
import { alteredRow, readFailed } from "./faults.ts";
import { type JournalMessage, messageFromRow, type MessageRow } from "./message.ts";

/** Of one call: rows and stretches looked at, and bytes of payloads given. Some milliseconds. */
const maxLookedAt = 2000;
const maxPayloadBytes = 1024 * 1024;

export interface PageFilter {
  readonly state: "pending" | "settled";
  /** Name of the source. */
  readonly source?: string | undefined;
  /** By the receive time as it was stored: from this on, and before that. */
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
  /** Otherwise the payloads are empty. */
  readonly withPayload: boolean;
}

export interface PageEntry {
  readonly message: JournalMessage;
  readonly payloadBytes: number;
  /** Of its boot, as the file has it. */
  readonly boot: {
    /** wall clock − uptime, where it is known. */
    readonly offsetMs: number | undefined;
    /** `offsetMs` is final, also when there is none. */
    readonly isDecided: boolean;
  };
}

export interface JournalPage {
  /** In order; none of them does not mean that there are no more. */
  readonly entries: readonly PageEntry[];
  /** What the next call goes on after; undefined: there are no more. */
  readonly afterSeq: number | undefined;
}

type SizedRow = MessageRow & {
  readonly bytes: number;
  readonly offset_ms: number | null;
  readonly decided: number | null;
};

/**
 * The log as a list that somebody leafs through while the daemon works: each call looks at a bounded part of
 * it and holds no transaction afterwards.
 */
export class Pages {
  /** Undefined: it is only read, and damage is for others to see to. */
  readonly #file: string | undefined;
  readonly #settled: IntervalSet;
  readonly #whole: Database.Statement<[number, number], SizedRow>;
  readonly #bare: Database.Statement<[number, number], SizedRow>;

  constructor(database: Database.Database, settled: IntervalSet) {
    this.#file = database.readonly ? undefined : database.name;
    this.#settled = settled;
    const select = (payload: string): string =>
      `SELECT seq, source, topic, ${payload} AS payload, received_ms, uptime_ms, boot, flags,
         length(payload) AS bytes, offset_ms, decided
         FROM message LEFT JOIN boot ON boot.key = message.boot WHERE seq >= ? AND seq <= ? ORDER BY seq`;
    this.#whole = database.prepare(select("payload"));
    this.#bare = database.prepare(select("x''"));
  }

  /** At most `maxCount` messages whose seq is above `afterSeq`. Faults: journal_damaged, journal_read_failed (restart). */
  page(filter: PageFilter, afterSeq: number, maxCount: number, lastSeq: number): JournalPage {
    const entries: PageEntry[] = [];
    let payloadBytes = 0;
    let next = afterSeq + 1;
    for (let looked = 0; looked < maxLookedAt; looked += 1) {
      const stretch = this.#stretch(filter.state, next, lastSeq);
      if (stretch === undefined) return { entries, afterSeq: undefined };
      for (const row of this.#rows(filter, stretch)) {
        looked += 1;
        next = row.seq + 1;
        if (matches(filter, row)) {
          entries.push(entryFromRow(row));
          payloadBytes += row.payload.length;
        }
        const isFull = entries.length >= maxCount || payloadBytes >= maxPayloadBytes;
        if (isFull || looked >= maxLookedAt) return { entries, afterSeq: row.seq };
      }
      next = stretch.hi + 1;
    }
    return { entries, afterSeq: next - 1 };
  }

  /** The next seqs that are all in this state, whether they have rows or not. */
  #stretch(state: PageFilter["state"], from: number, lastSeq: number): Interval | undefined {
    if (state === "pending") return firstGap([this.#settled], from, lastSeq);
    const settled = this.#settled.atOrAfter(from);
    return settled === undefined ? undefined : { lo: Math.max(from, settled.lo), hi: settled.hi };
  }

  *#rows({ withPayload }: PageFilter, stretch: Interval): Generator<SizedRow> {
    for (const row of this.#iterate(withPayload ? this.#whole : this.#bare, stretch)) {
      if (withPayload && sealOf(row) === "broken") throw alteredRow(row.seq, this.#file);
      yield row;
    }
  }

  *#iterate(select: Database.Statement<[number, number], SizedRow>, stretch: Interval): Generator<SizedRow> {
    try {
      yield* select.iterate(stretch.lo, stretch.hi);
    } catch (error) {
      throw readFailed(error, this.#file);
    }
  }
}

function entryFromRow(row: SizedRow): PageEntry {
  const boot = { offsetMs: row.offset_ms ?? undefined, isDecided: row.decided === 1 };
  return { message: messageFromRow(row), payloadBytes: row.bytes, boot };
}

function matches({ source, fromMs, untilMs }: PageFilter, row: MessageRow): boolean {
  return (
    (source === undefined || row.source === source) &&
    row.received_ms >= (fromMs ?? -Infinity) &&
    row.received_ms < (untilMs ?? Infinity)
  );
}
