import Database from "better-sqlite3";
import { statSync } from "node:fs";
import { assert, errorCode, Fault } from "../lib/fault.ts";
import { isCorruption, type Mark, markOf, moveAside } from "./damage.ts";

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

export interface LookOptions<T> extends Pick<OpenOptions<T>, "file" | "schema"> {
  /** As in `OpenOptions`; the connection is a reading one. */
  use(database: Database.Database): T;
}

/**
 * For somebody who only looks at the file, while no daemon has it: nothing is renamed, migrated or written, but for the
 * `-wal` and `-shm` that SQLite itself makes beside every WAL database. Fault: journal_unreadable (fatal).
 */
export function openToLook<T>(options: LookOptions<T>): T {
  const { file } = options;
  const mark = markOf(file);
  if (mark !== undefined) throw unreadableFault(file, mark.why, damagedHint);
  try {
    return openReadOnly(options);
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (error instanceof OlderFile || error instanceof NewerFile)
      throw unreadableFault(file, error.message, error.hint);
    const why = unusableReason(error);
    if (why !== undefined) throw unreadableFault(file, why, damagedHint, error);
    const code = errorCode(error);
    if (code === undefined) throw error;
    throw unreadableFault(file, `cannot be opened (${code})`, ownerHint, error);
  }
}

function openReadOnly<T>(options: LookOptions<T>): T {
  const { file, schema } = options;
  if (sizeOf(file) === 0) {
    // Even a reading connection would delete the WAL.
    if (sizeOf(`${file}-wal`) > 0) throw new UnusableFile(withoutFileText);
    throw unreadableFault(file, "is empty or not there", "start flightline: it begins a new one");
  }
  const database = new Database(file, { readonly: true, fileMustExist: true, timeout: 1000 });
  try {
    const version = ownVersion(database, schema);
    if (version < schema.migrations.length) throw new OlderFile(version, schema.migrations.length);
    return options.use(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

const damagedHint =
  "nothing was touched; the next start of flightline moves it aside, begins a new one, and sends on what can be read of a journal";
const ownerHint = "run this as the user that runs flightline: ls -la on the directory tells who that is";

/** A file that can be read no further; see `openToLook`. */
export function unreadableFault(file: string, why: string, hint = damagedHint, cause?: unknown): Fault {
  return new Fault({
    code: "journal_unreadable",
    layer: "journal",
    disposition: "fatal",
    message: `${file} ${why}`,
    hint,
    cause,
  });
}

function openOrReplace<T>(options: OpenOptions<T>): T {
  const mark = markOf(options.file);
  if (mark !== undefined) return replace(options, mark, undefined);
  try {
    return openAndMigrate(options, undefined);
  } catch (error) {
    const why = unusableReason(error);
    if (why === undefined) throw error;
    return replace(options, { why }, error);
  }
}

function replace<T>(options: OpenOptions<T>, mark: Mark, cause: unknown): T {
  const { file, nowMs } = options;
  const movedTo = moveAside(file, mark, nowMs);
  const movedAside = new Fault({
    code: "database_moved_aside",
    layer: "journal",
    disposition: "quarantine",
    message: `${file} ${mark.why}: it was moved to ${movedTo} and a new file was started`,
    hint: isNewer(cause)
      ? "nothing in it was touched; the newer Flightline, installed again, takes over what the moved file holds"
      : "keep the moved file: what can be read of a journal is sent on in the background, and sqlite3 reads the rest",
    cause,
  });
  return openAndMigrate(options, movedAside);
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

class UnusableFile extends Error {
  override readonly name: string = "UnusableFile";
}

class NewerFile extends UnusableFile {
  override readonly name = "NewerFile";
  readonly hint =
    "nothing was touched; use the flightline that wrote it: this one moves it aside when it is started";
}

class OlderFile extends Error {
  override readonly name = "OlderFile";
  readonly hint = "nothing was touched; start flightline, which brings it up to date";

  constructor(version: number, known: number) {
    super(`was written by an older Flightline (schema ${version}, this one writes ${known})`);
  }
}

const withoutFileText = "is empty or gone while its WAL is not";

function isNewer(error: unknown): boolean {
  return error instanceof NewerFile;
}

function unusableReason(error: unknown): string | undefined {
  if (error instanceof UnusableFile) return error.message;
  if (!isCorruption(error)) return undefined;
  return errorCode(error) === "SQLITE_NOTADB" ? "is not a SQLite database" : "is damaged";
}

function openAndMigrate<T>(options: OpenOptions<T>, movedAside: Fault | undefined): T {
  const { file, schema, synchronous } = options;
  const isNew = sizeOf(file) === 0;
  // SQLite would delete the WAL of an empty file without a word, and it may hold the newest commits.
  if (isNew && sizeOf(`${file}-wal`) > 0) throw new UnusableFile(withoutFileText);
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
    startWalAnew(database);
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
    throw new NewerFile(
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

/**
 * What an unclean stop has left in the WAL goes into the file. Its last process may have ended because an fsync
 * failed: then pages of the WAL are in the kernel's memory and not on the disk, the kernel takes them for clean,
 * and what is written behind them would be lost with them in a power cut.
 */
function startWalAnew(database: Database.Database): void {
  if (sizeOf(`${database.name}-wal`) === 0) return;
  try {
    database.pragma("wal_checkpoint(TRUNCATE)");
  } catch (error) {
    // A full disk, whose messages can still be sent.
    if (errorCode(error) !== "SQLITE_FULL") throw error;
  }
}

/** What a changed row adds to the WAL: its page and, now and then, one above it. */
export const changedRowBytes = 4096 + 1024;

/** How much WAL the last process has left, in pages. */
export function walPages(file: string): number {
  return Math.ceil(sizeOf(`${file}-wal`) / 4096);
}
