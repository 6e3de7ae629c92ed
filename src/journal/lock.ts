import Database from "better-sqlite3";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, Fault } from "../lib/fault.ts";

export interface DirectoryLock {
  /** The last daemon here ended without releasing the lock: killed, crashed, or without power. */
  readonly isAfterUncleanStop: boolean;
  release(): void;
}

/**
 * One daemon per data directory. The lock is an exclusive SQLite transaction on an empty file, which is a
 * POSIX lock that the kernel releases at any death; the pid beside it is for the error message, and its
 * presence without the lock tells of an unclean stop.
 * Faults: journal_locked, journal_unwritable.
 */
export function lockDirectory(dir: string): DirectoryLock {
  const pidFile = join(dir, "flightline.pid");
  let database: Database.Database | undefined;
  try {
    database = new Database(join(dir, "flightline.lock"), { timeout: 0 });
    // Nothing is written, so that the lock is to be had on a full disk too.
    database.pragma("journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (errorCode(error) === "SQLITE_BUSY") throw lockedFault(dir, pidFile, error);
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

function lockedFault(dir: string, pidFile: string, cause: unknown): Fault {
  let pid = "";
  try {
    pid = readFileSync(pidFile, "utf8").trim();
  } catch {
    // The other daemon is just starting or stopping: the lock itself is the fact, the pid a courtesy.
  }
  const who = pid === "" ? "another flightline" : `another flightline (pid ${pid})`;
  return new Fault({
    code: "journal_locked",
    layer: "journal",
    disposition: "fatal",
    message: `${who} is using ${dir}`,
    hint: "stop it first, or give this one a [journal] dir of its own",
    cause,
  });
}

/** Faults for a data directory that cannot be written. */
export function unwritableFault(dir: string, cause: unknown): Fault {
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
  if (code === "EROFS" || code.startsWith("SQLITE_READONLY") || code.startsWith("SQLITE_CANTOPEN")) {
    return "is it mounted read-only, or do the files in it belong to another user? findmnt -T and ls -la tell";
  }
  // The directories above it were there or were made: /proc and the like.
  if (code === "ENOENT") return "nothing can be made there: set [journal] dir to a directory on a local disk";
  if (code === "ENOSPC" || code === "EDQUOT") return "free space on the disk that holds [journal] dir";
  return "create the directory and give it to the user that runs flightline, or set [journal] dir";
}
