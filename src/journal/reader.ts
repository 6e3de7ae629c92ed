import Database from "better-sqlite3";
import { statSync } from "node:fs";
import { join } from "node:path";
import { errorCode, Fault } from "../lib/fault.ts";
import { readFailed } from "./faults.ts";
import { type JournalMessage, messageFromRow, type MessageRow } from "./message.ts";
import { journalTables } from "./schema.ts";

/**
 * The log as somebody reads it who is not the daemon: beside a running one, or after it has ended. It takes
 * no lock that a daemon would wait for, and writes nothing. Where no daemon runs, SQLite itself may make the
 * (empty) `-wal` and the `-shm` that belong to every WAL database that is open; they stay, and do no harm.
 *
 * No transaction lasts longer than one call: as long as one is open, the daemon's WAL cannot begin anew. So
 * between two calls messages may have been added and trimmed.
 */
export class JournalReader implements Disposable {
  readonly #database: Database.Database;
  readonly #select: Database.Statement<[number, number], MessageRow>;

  private constructor(database: Database.Database) {
    this.#database = database;
    this.#select = database.prepare("SELECT * FROM message WHERE seq < ? ORDER BY seq DESC LIMIT ?");
  }

  /** Faults: journal_absent, journal_unreadable, journal_read_failed (damaged). */
  static open(dir: string): JournalReader {
    const file = join(dir, "journal.db");
    requireFile(file, dir);
    let database: Database.Database | undefined;
    try {
      database = new Database(file, { readonly: true, fileMustExist: true, timeout: busyTimeoutMs });
      requireJournal(database, file, dir);
      return new JournalReader(database);
    } catch (error) {
      database?.close();
      throw unopenable(file, error);
    }
  }

  /** At most `maxCount` messages whose seq is below `seq`, the newest first. Faults: journal_read_failed. */
  before(seq: number, maxCount: number): JournalMessage[] {
    try {
      return this.#select.all(seq, maxCount).map(messageFromRow);
    } catch (error) {
      throw readFailed(error);
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** A commit, or the recovery of a large WAL, is over long before. */
const busyTimeoutMs = 5000;

const openHint =
  "run this as the user that runs flightline, or as root: ls -la on the directory tells who that is";

/** SQLite says the same of a file that is not there and of one that it may not open. */
function requireFile(file: string, dir: string): void {
  try {
    statSync(file);
  } catch (error) {
    const code = errorCode(error) ?? "unknown error";
    if (code === "ENOENT" || code === "ENOTDIR") throw absent(dir, error);
    throw unreadable(file, `cannot be read (${code})`, openHint, error);
  }
}

function requireJournal(database: Database.Database, file: string, dir: string): void {
  const applicationId = database.pragma("application_id", { simple: true });
  const version = Number(database.pragma("user_version", { simple: true }));
  if (applicationId !== journalTables.applicationId) {
    const tables = database.prepare("SELECT count(*) FROM sqlite_schema").pluck().get();
    // Made, and nothing written yet.
    if (tables === 0) throw absent(dir, undefined);
    throw unreadable(
      file,
      "belongs to another program",
      "see that [journal] dir names flightline's directory",
    );
  }
  if (version !== journalTables.migrations.length) {
    const what = `has schema ${version}, and this flightline reads ${journalTables.migrations.length}`;
    throw unreadable(file, what, "use the flightline that wrote it last");
  }
}

function unopenable(file: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof Fault || code === undefined) return error;
  if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) return readFailed(error);
  return unreadable(file, `cannot be opened (${code})`, openHint, error);
}

function absent(dir: string, cause: unknown): Fault {
  return new Fault({
    code: "journal_absent",
    layer: "journal",
    disposition: "fatal",
    message: `there is no journal in ${dir}: flightline run has not received anything there`,
    hint: "start the daemon first, or name the configuration that it runs with: --config FILE",
    cause,
  });
}

function unreadable(file: string, what: string, hint: string, cause?: unknown): Fault {
  return new Fault({
    code: "journal_unreadable",
    layer: "journal",
    disposition: "fatal",
    message: `${file} ${what}`,
    hint,
    cause,
  });
}
