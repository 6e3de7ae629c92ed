/**
 * The file of the journal, by its first bytes and its size alone.
 *
 * Invariant: it is never opened with SQLite. Any connection beside a daemon's keeps the index of the WAL alive when
 * that daemon dies (quick-check-process.ts), and one that closes last would checkpoint. Reading bytes takes no lock.
 * Closing a file does drop the POSIX locks that the same process has on it: so never call this in a daemon's process.
 */
import Database from "better-sqlite3";
import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../lib/fault.ts";
import { formatBytes } from "../lib/units.ts";
import type { Schema } from "../sqlite/database.ts";
import type { Finding } from "./finding.ts";

/** The database header, and of the page below it how many tables the schema has. */
const headBytes = 108;

/** https://www.sqlite.org/fileformat.html#the_database_header */
export interface JournalHead {
  readonly pageBytes: number;
  /** 1: with a rollback journal, 2: with a WAL. */
  readonly formats: { readonly write: number; readonly read: number };
  /** Of the file at the last commit that changed it. */
  readonly pages: number;
  readonly schemaVersion: number;
  readonly applicationId: number;
  readonly isWithoutTables: boolean;
  /** Of the program that last wrote: "3.40.1"; undefined: none has. */
  readonly writtenBy: string | undefined;
}

/** Undefined: these are not the first bytes of a SQLite database. Pure. */
export function parseHead(bytes: Buffer): JournalHead | undefined {
  if (bytes.length < headBytes || bytes.toString("latin1", 0, 16) !== "SQLite format 3\0") return undefined;
  const version = bytes.readUInt32BE(96);
  const page = bytes.readUInt16BE(16);
  return {
    pageBytes: page === 1 ? 65_536 : page,
    formats: { write: bytes[18] ?? 0, read: bytes[19] ?? 0 },
    pages: bytes.readUInt32BE(28),
    schemaVersion: bytes.readUInt32BE(60),
    applicationId: bytes.readUInt32BE(68),
    isWithoutTables: bytes[100] === leafOfTable && bytes.readUInt16BE(103) === 0,
    writtenBy:
      version === 0
        ? undefined
        : `${Math.floor(version / 1e6)}.${Math.floor(version / 1000) % 1000}.${version % 1000}`,
  };
}

const leafOfTable = 13;

export interface JournalFileFacts {
  readonly file: string;
  /** Undefined: it is not there. */
  readonly bytes: number | undefined;
  readonly head: JournalHead | undefined;
  readonly walBytes: number;
  readonly shmBytes: number;
  /** journal.id beside it says that there was one. */
  readonly isExpected: boolean;
}

/** An errno where this user may not read it. */
export async function lookAtJournal(dir: string): Promise<JournalFileFacts | string> {
  const file = join(dir, "journal.db");
  try {
    const marker = await readFile(join(dir, "journal.id"), "utf8").catch(() => "");
    const bytes = await sizeOf(file);
    return {
      file,
      bytes,
      head: bytes === undefined ? undefined : await headOf(file),
      walBytes: (await sizeOf(`${file}-wal`)) ?? 0,
      shmBytes: (await sizeOf(`${file}-shm`)) ?? 0,
      isExpected: marker.trim() !== "",
    };
  } catch (error) {
    return errorCode(error) ?? "EIO";
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** As `parseHead`. Throws the file system's own errors. */
export async function headOf(file: string): Promise<JournalHead | undefined> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return parseHead(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

const check = "journal.file";
/** A daemon that finds damage moves the file aside, and salvages it in the background (journal/salvage.ts). */
const diskHint =
  "nothing need be done for its messages: flightline sends on what is whole in it; look at the kernel log for disk errors (sudo dmesg)";

/** Whether a daemon has the directory, and "elsewhere" when the journal that it has open is not the file of that name. */
export type Held = "free" | "held" | "elsewhere";

/** Pure. */
export function judgeJournal(facts: JournalFileFacts, held: Held, schema: Schema): Finding {
  const { file, bytes, head, walBytes } = facts;
  const isHeld = held !== "free";
  if (held === "elsewhere") return replaced(facts);
  // A first start that ended before its schema was in the WAL has left nothing else.
  const isUnborn = head?.applicationId === 0 && head.schemaVersion === 0 && head.isWithoutTables;
  if (bytes === undefined || bytes === 0 || (isUnborn && walBytes === 0)) return judgeEmpty(facts, isHeld);
  if (head === undefined) {
    return unusable(
      `${file} (${formatBytes(bytes)}) is not a SQLite database: its first bytes are damaged or foreign`,
      ", begins a new one and sends on what is whole in it",
    );
  }
  const figures = { bytes, pageBytes: head.pageBytes, schemaVersion: head.schemaVersion };
  const known = schema.migrations.length;
  const isOurs = head.applicationId === schema.applicationId;
  if (!isOurs && !isUnborn) {
    return unusable(`${file} is a database of another program`, " and begins a new one");
  }
  if (head.schemaVersion > known) return { ...newer(facts, head.schemaVersion, known, isHeld), figures };
  const wholeBytes = head.pages * head.pageBytes;
  // With a WAL the pages may still be there, and a daemon may be at a checkpoint.
  if (!isHeld && walBytes === 0 && bytes < wholeBytes) {
    return {
      check,
      severity: "failure",
      text: `${file} has ${formatBytes(bytes)} and should have ${formatBytes(wholeBytes)}: its end is missing`,
      hint: diskHint,
      code: "journal_damaged",
      figures,
    };
  }
  if (head.formats.write !== 2 || head.formats.read !== 2) {
    const text = `${file} is not in WAL mode: another program has changed that`;
    if (isHeld)
      return { check, severity: "failure", text, hint: "restart flightline: it sets it again", figures };
    return { check, severity: "warning", text, hint: "the next start sets it again", figures };
  }
  const version = isUnborn ? "its schema still in the WAL" : schemaText(head.schemaVersion, known);
  return { check, severity: "ok", text: `${file}: ${formatBytes(bytes)}, ${version}, WAL mode`, figures };
}

function schemaText(version: number, known: number): string {
  return version < known ? `schema ${version}, brought to ${known} at the next start` : `schema ${version}`;
}

function judgeEmpty({ file, bytes, walBytes, isExpected }: JournalFileFacts, isHeld: boolean): Finding {
  const what = bytes === undefined ? "is not there" : "is empty";
  if (walBytes > 0 && !isHeld) {
    return unusable(
      `${file} ${what}, and its WAL has ${formatBytes(walBytes)}`,
      ", begins a new one and sends on what is whole in its WAL",
    );
  }
  if (isExpected && !isHeld) {
    return {
      check,
      severity: "warning",
      text: `${file} ${what}, and journal.id beside it says that there was one: what it held is gone`,
      hint: "check the file system for damage, and that nothing else cleans this directory",
      code: "journal_vanished",
    };
  }
  return { check, severity: "ok", text: `${file} ${what} yet: the first start makes it` };
}

function replaced({ file, bytes }: JournalFileFacts): Finding {
  const what = bytes === undefined ? "is not there" : "is not the file that the daemon has open";
  return {
    check,
    severity: "failure",
    text: `${file} ${what}: it was removed or replaced, and what the daemon acknowledges is gone when it ends`,
    hint: "let it send what waits (flightline status), then restart it; see what cleans this directory",
    code: "journal_vanished",
  };
}

/** `then`: what the next start does besides. */
function unusable(text: string, then: string): Finding {
  return {
    check,
    severity: "failure",
    text: `${text}; the next start moves it aside${then}`,
    hint: "check the file system for damage, and that nothing else writes to this directory; the moved file is kept",
    code: "database_moved_aside",
  };
}

/** Written by a version that this one does not know. */
function newer({ file }: JournalFileFacts, version: number, known: number, isHeld: boolean): Finding {
  const which = `a newer flightline (schema ${version}, this one knows ${known})`;
  if (isHeld) {
    return {
      check,
      severity: "warning",
      text: `${file} is the journal of ${which}, which runs: this one would move it aside`,
      hint: "use the command of the version that runs, and do not start an older one here",
    };
  }
  return {
    check,
    severity: "failure",
    text: `${file} was written by ${which}, and this one would move it aside and begin a new one`,
    hint: "install the newer version again: what waits in it is sent by that one, also when it has been moved",
    code: "database_moved_aside",
  };
}

/** Checkpoints start at 4 MiB, and the WAL is cut to 8 MiB when it begins anew: only something in the way lets it grow. */
const largeWalBytes = 64 * 1024 * 1024;

/** Pure. */
export function judgeWal({ file, walBytes, shmBytes }: JournalFileFacts, isHeld: boolean): Finding {
  const check = "journal.wal";
  const figures = { walBytes, shmBytes };
  if (walBytes > largeWalBytes) {
    return {
      check,
      severity: "warning",
      text: `the WAL has ${formatBytes(walBytes)}: somebody reads the journal without end, so that it never begins anew, or the disk is full`,
      hint: `end the program that has it open: sudo fuser -v ${file}`,
      figures,
    };
  }
  if (walBytes === 0)
    return { check, severity: "ok", text: "no WAL: nothing is in use, and nothing was left over", figures };
  const size = formatBytes(walBytes);
  const text = isHeld
    ? `${size} in use`
    : `${size}, left by a stop that was not clean: the next start reads it`;
  return { check, severity: "ok", text, figures };
}

/** Pure. https://www.sqlite.org/wal.html#walresetbug: from 3.7.0 on, mended in 3.51.3 and, of the older ones, in these. */
export function hasWalResetBug(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const number = major * 1e6 + minor * 1000 + patch;
  if (number < 3_007_000 || number >= 3_051_003) return false;
  const mendedFrom = new Map([
    [44, 6],
    [50, 7],
  ]).get(minor);
  return mendedFrom === undefined || patch < mendedFrom;
}

/** Of the library in this program, and in the daemon of the same version. */
export function sqliteVersion(): string {
  const memory = new Database(":memory:");
  try {
    return String(memory.prepare("SELECT sqlite_version()").pluck().get());
  } finally {
    memory.close();
  }
}

/** Pure. */
export function judgeSqlite(own: string, head: JournalHead | undefined): Finding {
  const check = "journal.sqlite";
  const figures = { version: own, ...(head?.writtenBy === undefined ? {} : { writtenBy: head.writtenBy }) };
  const bug = "which can damage a database in WAL mode when two programs write to it";
  if (hasWalResetBug(own)) {
    const text = `SQLite ${own} has the WAL-reset bug, ${bug}`;
    return {
      check,
      severity: "warning",
      text,
      hint: "install a newer flightline, with SQLite 3.51.3 or newer",
      figures,
    };
  }
  const writer = head?.writtenBy;
  if (writer !== undefined && hasWalResetBug(writer)) {
    return {
      check,
      severity: "warning",
      text: `SQLite ${own}; but the last program that wrote to the journal has ${writer} with the WAL-reset bug, ${bug}`,
      hint: "never write to the journal with another program; to read it, sqlite3 -readonly while flightline is stopped",
      figures,
    };
  }
  return {
    check,
    severity: "ok",
    text: `SQLite ${own}, which has no bug that is known to damage a WAL`,
    figures,
  };
}
