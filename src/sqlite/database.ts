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

export interface OpenOptions {
  readonly file: string;
  readonly schema: Schema;
  /** FULL: a commit survives a power cut. NORMAL: it survives the death of the process only. */
  readonly synchronous: "FULL" | "NORMAL";
  /** Names the moved file. */
  readonly nowMs: number;
}

export interface OpenedDatabase {
  readonly database: Database.Database;
  /** Why the old file was moved aside, if it was. */
  readonly movedAside: Fault | undefined;
}

export function openDatabase(options: OpenOptions): OpenedDatabase {
  try {
    return { database: openAndMigrate(options), movedAside: undefined };
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
    return { database: openAndMigrate(options), movedAside };
  }
}

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

function openAndMigrate({ file, schema, synchronous }: OpenOptions): Database.Database {
  const isNew = !existsSync(file) || statSync(file).size === 0;
  const database = new Database(file, { timeout: 1000 });
  try {
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
    migrate(database, schema, isNew);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: Database.Database, schema: Schema, isNew: boolean): void {
  const applicationId = database.pragma("application_id", { simple: true });
  const tables = database.prepare("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (!isNew && applicationId !== schema.applicationId && tables !== 0) {
    throw new UnusableFile("belongs to another program");
  }
  const version = Number(database.pragma("user_version", { simple: true }));
  if (version > schema.migrations.length) {
    throw new UnusableFile(
      `was written by a newer Flightline (schema ${version}, this one knows ${schema.migrations.length})`,
    );
  }
  if (version === schema.migrations.length) return;
  database.transaction(() => {
    for (const migration of schema.migrations.slice(version)) database.exec(migration);
    database.pragma(`application_id = ${schema.applicationId}`);
    database.pragma(`user_version = ${schema.migrations.length}`);
  })();
}

/** The database, its WAL and its index belong together: apart they are worth nothing. */
function moveAside(file: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[:.]/g, "-");
  const target = `${file}.unusable-${stamp}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  return target;
}
