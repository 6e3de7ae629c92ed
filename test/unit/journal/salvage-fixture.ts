/** A journal of messages that can be told apart byte by byte, and damage to its files. */
import Database from "better-sqlite3";
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { sealedFlags } from "../../../src/journal/checksum.ts";
import type { MessageRow } from "../../../src/journal/message.ts";
import { journalTables } from "../../../src/journal/schema.ts";
import { openDatabase } from "../../../src/sqlite/database.ts";

export const pageBytes = 4096;
const frameBytes = pageBytes + 24;
const walHeaderBytes = 32;
const blockBytes = 64;

export interface OldJournal {
  readonly file: string;
  readonly rows: readonly MessageRow[];
}

export interface OldJournalOptions {
  readonly count: number;
  /** Of them so many are in the WAL alone. */
  readonly inWal?: number;
  readonly settled?: readonly (readonly [lo: number, hi: number])[];
  readonly isSealed?: boolean;
}

/** Written as a daemon does that is killed: the WAL stays. */
export function oldJournal(dir: string, options: OldJournalOptions): OldJournal {
  const { count, inWal = 0, settled = [], isSealed = true } = options;
  const made = join(dir, "made.db");
  const file = join(dir, "journal.db.unusable-x");
  const rows: MessageRow[] = [];
  openDatabase({
    file: made,
    schema: journalTables,
    synchronous: "NORMAL",
    nowMs: 0,
    use: (database) => {
      database.exec(
        "INSERT INTO boot (key, boot_id, offset_ms, decided) VALUES (1, 'boot-a', 1700000000000, 1), (2, 'boot-b', NULL, 0)",
      );
      database.exec("INSERT INTO identity VALUES ('5b1f2c1e-0000-4000-8000-000000000001')");
      const insert = database.prepare("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
      const commit = database.transaction((from: number, to: number) => {
        for (let seq = from; seq <= to; seq += 1) {
          const row = messageRow(seq, isSealed);
          rows.push(row);
          const { source, topic, payload, received_ms, uptime_ms, boot, flags } = row;
          insert.run(seq, source, topic, payload, received_ms, uptime_ms, boot, flags);
        }
      });
      for (let seq = 1; seq <= count; seq += 20) {
        commit(seq, Math.min(count, seq + 19));
        if (seq <= count - inWal) database.pragma("wal_checkpoint(PASSIVE)");
      }
      for (const [lo, hi] of settled) database.prepare("INSERT INTO settled VALUES (?, ?)").run(lo, hi);
      for (const suffix of ["", "-wal"]) copyFileSync(made + suffix, file + suffix);
    },
  });
  return { file, rows };
}

/** Every fiftieth is longer than a page. */
function messageRow(seq: number, isSealed: boolean): MessageRow {
  const length = seq % 50 === 0 ? 10_000 + seq : 200 + ((seq * 37) % 700);
  const row = {
    seq,
    source: "main",
    topic: `application/1/device/${seq.toString(16).padStart(16, "0")}/event/up`,
    payload: payload(seq, length),
    received_ms: 1_750_000_000_000 + seq,
    uptime_ms: 1000 + seq,
    boot: 1 + (seq % 2),
    flags: 9,
  };
  return isSealed ? { ...row, flags: sealedFlags(row) } : row;
}

function payload(seq: number, length: number): Buffer {
  const blocks = Math.ceil(length / blockBytes);
  const text = Array.from({ length: blocks }, (_, n) => `${seq}:${n};`.padEnd(blockBytes, "x")).join("");
  return Buffer.from(text).subarray(0, length);
}

export interface Damage {
  readonly suffix: "" | "-wal";
  readonly at: number;
  readonly length: number;
  readonly kind: "noise" | "zeros" | "ones" | "cut";
}

export function damage({ file }: OldJournal, { suffix, at, length, kind }: Damage, byte: () => number): void {
  if (kind === "cut") {
    truncateSync(file + suffix, at);
    return;
  }
  const bytes = Buffer.alloc(length, kind === "ones" ? 0xff : 0);
  if (kind === "noise") for (let index = 0; index < length; index += 1) bytes[index] = byte();
  const fd = openSync(file + suffix, "r+");
  writeSync(fd, bytes, 0, length, at);
  closeSync(fd);
}

/** Where a page, in the file or in the WAL, lies. */
interface Place {
  readonly suffix: "" | "-wal";
  readonly at: number;
}

/** For each row, for each part of its payload, the pages on which copies of it are. */
export type Copies = ReadonlyMap<number, ReadonlyMap<number, readonly Place[]>>;

/** Found by looking for the bytes themselves, in files that are still whole. */
export function copiesOf({ file, rows }: OldJournal): Copies {
  const copies = new Map(rows.map(({ seq }) => [seq, new Map<number, Place[]>()]));
  for (const suffix of ["", "-wal"] as const) {
    const text = readFileSync(file + suffix, "latin1");
    for (const { index, 0: block, 1: seq, 2: part } of text.matchAll(/(?<!\d)(\d+):(\d+);x+/g)) {
      const at = pageAt(suffix, index);
      // What lies across a page border is on both sides of neighbours that do not.
      if (block.length < blockBytes || index + blockBytes > at + pageBytes) continue;
      const places = copies.get(Number(seq));
      places?.set(Number(part), [...(places.get(Number(part)) ?? []), { suffix, at }]);
    }
  }
  return copies;
}

/** The rows that must be recovered: of each part of its payload some copy is on a page without damage. */
export function rowsOnWholePages(copies: Copies, damages: readonly Damage[]): Set<number> {
  const isTouched = ({ suffix, at }: Place): boolean =>
    damages.some((one) => {
      if (one.suffix !== suffix) return false;
      const end = one.kind === "cut" ? Infinity : one.at + one.length;
      return one.at < at + pageBytes && end > at;
    });
  const whole = [...copies].filter(([, parts]) =>
    [...parts.values()].every((places) => places.some((place) => !isTouched(place))),
  );
  return new Set(whole.map(([seq]) => seq));
}

function pageAt(suffix: "" | "-wal", at: number): number {
  if (suffix === "") return at - (at % pageBytes);
  return at - ((at - walHeaderBytes) % frameBytes) + 24;
}

export function sizes({ file }: OldJournal): { readonly file: number; readonly wal: number } {
  const size = (path: string): number => (existsSync(path) ? statSync(path).size : 0);
  return { file: size(file), wal: size(`${file}-wal`) };
}

/** What SQLite itself reads of it from the beginning, for comparison. */
export function readableBySqlite({ file }: OldJournal): number {
  let count = 0;
  try {
    const database = new Database(file, { readonly: true });
    try {
      for (const _ of database.prepare("SELECT seq, payload FROM message ORDER BY seq").iterate()) count += 1;
    } finally {
      database.close();
    }
  } catch {
    // That is where it ends.
  }
  return count;
}
