import Database from "better-sqlite3";
import { existsSync, renameSync, statSync } from "node:fs";
import { assert, errorCode, Fault } from "../lib/fault.ts";

/**
 * Opening a SQLite file of ours: pragmas, identity, migrations; and what to do when the file is not what
 * it should be. A file that cannot be used is moved aside whole and a new one takes its place: Flightline
 * neither refuses to start over it nor wipes it.
 */
export interface Schema {
  /** `PRAGMA application_id`: a file with another one is not ours. */
  readonly applicationId: number;
  /** Migration i brings the file from `user_version` i to i + 1. Never edit one that was released. */
  readonly migrations: readonly string[];
}

export interface OpenOptions<T> {
  readonly file: string;
  readonly schema: Schema;
  /** FULL: a commit survives a power cut. NORMAL: it survives the death of the process only. */
  readonly synchronous: "FULL" | "NORMAL";
  /** Names the moved file. */
  readonly nowMs: number;
  /**
   * Reads what its owner needs to begin with: damage that shows there is damage of the file. `movedAside`
   * says why the old file was moved, if it was.
   */
  use(database: Database.Database, movedAside: Fault | undefined): T;
}

/** Faults: journal_unwritable (fatal) when the file can neither be used nor moved aside. */
export function openDatabase<T>(options: OpenOptions<T>): T {
  try {
    return openOrReplace(options);
  } catch (error) {
    throw errorCode(error) === undefined ? error : unopenableFault(options.file, error);
  }
}

function openOrReplace<T>(options: OpenOptions<T>): T {
  try {
    return openAndMigrate(options, undefined);
  } catch (error) {
    const reason = unusableReason(error);
    if (reason === undefined) throw error;
    const movedTo = moveAside(options.file, options.nowMs);
    const movedAside = new Fault({
      code: "database_moved_aside",
      layer: "journal",
      disposition: "quarantine",
      message: `${options.file} ${reason}: it was moved to ${movedTo} and a new file was started`,
      hint: "keep the moved file: what it holds can still be read with sqlite3",
      cause: error,
    });
    return openAndMigrate(options, movedAside);
  }
}

function unopenableFault(file: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  return new Fault({
    code: "journal_unwritable",
    layer: "journal",
    disposition: "fatal",
    message: `cannot open ${file} (${errorCode(cause) ?? "unknown error"})`,
    hint: "check that the disk is mounted, writable and not full, and that the file belongs to the user that runs flightline",
    cause,
  });
}

/** What belongs to one database; apart they are worth nothing. */
const suffixes = ["", "-wal", "-shm"];

class UnusableFile extends Error {
  override readonly name = "UnusableFile";
}

function unusableReason(error: unknown): string | undefined {
  if (error instanceof UnusableFile) return error.message;
  const code = errorCode(error);
  if (code === "SQLITE_NOTADB") return "is not a SQLite database";
  if (code?.startsWith("SQLITE_CORRUPT") === true) return "is damaged";
  return undefined;
}

function openAndMigrate<T>(options: OpenOptions<T>, movedAside: Fault | undefined): T {
  const { file, schema, synchronous } = options;
  const isNew = sizeOf(file) === 0;
  // SQLite would delete the WAL of an empty file without a word, and it may hold the newest commits.
  if (isNew && sizeOf(`${file}-wal`) > 0) throw new UnusableFile("is empty or gone while its WAL is not");
  const database = new Database(file, { timeout: 1000 });
  try {
    // First of all, so that a file that is not ours stays as it is.
    const version = ownVersion(database, schema);
    // Only an empty file can still choose this; it lets a journal that was large give its pages back.
    if (isNew) database.pragma("auto_vacuum = INCREMENTAL");
    database.pragma("journal_mode = WAL");
    database.pragma(`synchronous = ${synchronous}`);
    // The library compiles with NORMAL in WAL mode; a PUBACK that rests on it would be a lie.
    assert(
      database.pragma("synchronous", { simple: true }) === (synchronous === "FULL" ? 2 : 1),
      "SQLite did not take the synchronous setting",
    );
    database.pragma("journal_size_limit = 8388608");
    database.pragma("cache_size = -2048");
    // Checkpoints are started by us, after acknowledgements are out, never inside a commit.
    database.pragma("wal_autocheckpoint = 0");
    migrate(database, schema, version);
    return options.use(database, movedAside);
  } catch (error) {
    database.close();
    throw error;
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The version of the schema that the file has. Reads only. */
function ownVersion(database: Database.Database, schema: Schema): number {
  const applicationId = database.pragma("application_id", { simple: true });
  const tables = database.prepare("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (applicationId !== schema.applicationId && tables !== 0) {
    throw new UnusableFile("belongs to another program");
  }
  const version = Number(database.pragma("user_version", { simple: true }));
  if (version > schema.migrations.length) {
    throw new UnusableFile(
      `was written by a newer Flightline (schema ${version}, this one knows ${schema.migrations.length})`,
    );
  }
  return version;
}

function migrate(database: Database.Database, schema: Schema, version: number): void {
  if (version === schema.migrations.length) return;
  database.transaction(() => {
    for (const migration of schema.migrations.slice(version)) database.exec(migration);
    database.pragma(`application_id = ${schema.applicationId}`);
    database.pragma(`user_version = ${schema.migrations.length}`);
  })();
}

/** What a changed row adds to the WAL: its page and, now and then, one above it. */
export const changedRowBytes = 4096 + 1024;

/** How much WAL the last process has left, in pages. */
export function walPages(file: string): number {
  return Math.ceil(sizeOf(`${file}-wal`) / 4096);
}

function moveAside(file: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[:.]/g, "-");
  let target = `${file}.unusable-${stamp}`;
  // A machine that boots in the same wrong minute each time must not overwrite what it moved before.
  for (let n = 2; suffixes.some((suffix) => existsSync(target + suffix)); n += 1) {
    target = `${file}.unusable-${stamp}-${n}`;
  }
  for (const suffix of suffixes) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  return target;
}
