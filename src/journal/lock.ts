import Database from "better-sqlite3";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, Fault } from "../lib/fault.ts";
import { isReadOnly, readOnlyFault } from "./faults.ts";

export interface DirectoryLock {
  /** The last daemon here ended without releasing the lock: killed, crashed, or without power. */
  readonly isAfterUncleanStop: boolean;
  release(): void;
}

/** For a daemon that finds another one in its directory. */
const ownDirectoryHint = "stop it first, or give this one a [journal] dir of its own";

/**
 * One daemon per data directory. The lock is an exclusive SQLite transaction on an empty file, which is a
 * POSIX lock that the kernel releases at any death; the pid beside it is for the error message, and its
 * presence without the lock tells of an unclean stop. `hint` is for whoever finds it held.
 * Faults: journal_locked, journal_unwritable.
 */
export function lockDirectory(dir: string, hint = ownDirectoryHint): DirectoryLock {
  const pidFile = join(dir, "flightline.pid");
  let database: Database.Database | undefined;
  try {
    database = new Database(join(dir, "flightline.lock"), { timeout: 0 });
    // Nothing is written, so that the lock is to be had on a full disk too.
    database.pragma("journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (errorCode(error) === "SQLITE_BUSY") throw lockedFault(dir, hint, error);
    throw unwritableFault(dir, error);
  }
  const held = database;
  const isAfterUncleanStop = existsSync(pidFile);
  try {
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch (error) {
    // On a full disk the daemon must still come up: what is in the journal can be sent.
    if (errorCode(error) !== "ENOSPC") {
      held.close();
      throw unwritableFault(dir, error);
    }
  }
  return {
    isAfterUncleanStop,
    release: () => {
      rmSync(pidFile, { force: true });
      held.close();
    },
  };
}

/**
 * For somebody who only looks: no daemon is there, and none comes until it is disposed of. Others may look at the same
 * time. Nothing is made or changed; where no daemon has ever locked the directory there is nothing to hold.
 * Faults: journal_locked, journal_unreadable.
 */
export function shareDirectory(dir: string, hint: string): Disposable {
  const file = join(dir, "flightline.lock");
  if (!existsSync(file)) return { [Symbol.dispose]: () => {} };
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { readonly: true, fileMustExist: true, timeout: 0 });
    // A transaction that has read holds a shared lock to its end.
    database.exec("BEGIN");
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
  } catch (error) {
    database?.close();
    if (errorCode(error) === "SQLITE_BUSY") throw lockedFault(dir, hint, error);
    throw unreadableLock(file, error);
  }
  const held = database;
  return {
    [Symbol.dispose]: () => {
      held.close();
    },
  };
}

function unreadableLock(file: string, cause: unknown): Fault {
  return new Fault({
    code: "journal_unreadable",
    layer: "journal",
    disposition: "fatal",
    message: `${file} cannot be read (${errorCode(cause) ?? "unknown error"}): whether a daemon runs is not known`,
    hint: "run this as the user that runs flightline: ls -la on the directory tells who that is",
    cause,
  });
}

function lockedFault(dir: string, hint: string, cause: unknown): Fault {
  let pid = "";
  try {
    pid = readFileSync(join(dir, "flightline.pid"), "utf8").trim();
  } catch {
    // The other daemon is just starting or stopping: the lock itself is the fact, the pid a courtesy.
  }
  const who = pid === "" ? "another flightline" : `another flightline (pid ${pid})`;
  return new Fault({
    code: "journal_locked",
    layer: "journal",
    disposition: "fatal",
    message: `${who} is using ${dir}`,
    hint,
    cause,
  });
}

/** Faults for a data directory that cannot be written. */
export function unwritableFault(dir: string, cause: unknown): Fault {
  if (errorCode(cause) === "EROFS" || isReadOnly(dir)) return readOnlyFault(dir, cause);
  return new Fault({
    code: "journal_unwritable",
    layer: "journal",
    disposition: "fatal",
    message: `cannot write to ${dir} (${errorCode(cause) ?? "unknown error"})`,
    hint: unwritableHint(errorCode(cause) ?? ""),
    cause,
  });
}

function unwritableHint(code: string): string {
  if (code === "EEXIST" || code === "ENOTDIR") {
    return "a file or a symbolic link to nothing is in the way: move it, or set another [journal] dir";
  }
  if (code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN")) {
    return "do the files in it belong to another user? ls -la tells";
  }
  // The directories above it were there or were made: /proc and the like.
  if (code === "ENOENT") return "nothing can be made there: set [journal] dir to a directory on a local disk";
  if (code === "ENOSPC" || code === "EDQUOT") return "free space on the disk that holds [journal] dir";
  return "create the directory and give it to the user that runs flightline, or set [journal] dir";
}
