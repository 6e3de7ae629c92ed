import { closeSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { errorCode, Fault } from "../lib/fault.ts";
import { isCorruption, markDamaged } from "../sqlite/damage.ts";

export type FullReason =
  /** The file system has no space left, whoever took it. */
  | "disk"
  /** The quota is reached and nothing may be dropped. */
  | "quota"
  /** What waits is larger than the quota: dropping everything would not help. */
  | "too_large";

const fullTexts: Readonly<Record<FullReason, { readonly message: string; readonly hint: string }>> = {
  disk: {
    message: "the disk of the journal is full: messages are not acknowledged until there is space",
    hint: "free space on the disk that holds [journal] dir",
  },
  quota: {
    message: "the journal is full: messages are not acknowledged until InfluxDB has taken some",
    hint: 'raise [journal] max_size, or set when_full = "drop_oldest"',
  },
  too_large: {
    message: "what waits is larger than the journal may be: it is not acknowledged",
    hint: "raise [journal] max_size",
  },
};

/** Nothing was stored; the same commit may succeed later. */
export function fullFault(reason: FullReason, cause: unknown): Fault {
  const { message, hint } = fullTexts[reason];
  return new Fault({ code: "journal_full", layer: "journal", disposition: "retry", message, hint, cause });
}

/** Messages were dropped for newer ones. */
export function evictedFault(count: number): Fault {
  return new Fault({
    code: "journal_full",
    layer: "journal",
    disposition: "drop",
    message: `the journal is full: ${count} unsent messages were dropped: logs, txacks and statistics first, then the oldest`,
    hint: 'raise [journal] max_size, or set when_full = "stop_acking" to leave new messages to the broker',
  });
}

/** Messages are in InfluxDB and were dropped, and what is known of devices and gateways is not saved up to them. */
export function unprojectedFault(count: number): Fault {
  return new Fault({
    code: "journal_full",
    layer: "journal",
    disposition: "drop",
    message: `the journal is full: ${count} messages that InfluxDB has were dropped before the registry was saved up to them; after a crash it would lack them`,
    hint: "raise [journal] max_size",
  });
}

/** Another connection has the file locked. Ours waits a second for it, and then this. */
function isBusy(error: unknown): boolean {
  return errorCode(error)?.startsWith("SQLITE_BUSY") === true;
}

/** A write that may succeed later, with nothing mended but the disk's space or somebody's lock. */
export function isPassing(error: unknown): boolean {
  return errorCode(error) === "SQLITE_FULL" || isBusy(error);
}

/**
 * Damage that shows in use. The file is marked: the process ends, and the next one moves it aside, begins a new
 * journal, and takes over what can be read.
 */
export function foundDamage(file: string, how: string, cause?: unknown): Fault {
  markDamaged(file, `is damaged (${how})`);
  return new Fault({
    code: "journal_damaged",
    layer: "journal",
    disposition: "restart",
    message: `${file} is damaged: at the next start it is moved aside, and what can be read of it is sent on from there`,
    hint: "nothing need be done for the messages; look at the kernel log for disk errors",
    cause,
  });
}

/** `file`: of the daemon that has it open for writing; undefined for who only reads. */
export function readFailed(cause: unknown, file?: string): Fault {
  if (file !== undefined && isCorruption(cause)) return foundDamage(file, errorCode(cause) ?? "", cause);
  return unreadable(errorCode(cause) ?? "unknown error", cause);
}

/** Its checksum is wrong, though SQLite is content with its page. `file`: see `readFailed`. */
export function alteredRow(seq: number, file?: string): Fault {
  const how = `message ${seq} is not as it was written`;
  return file === undefined ? unreadable(how) : foundDamage(file, how);
}

function unreadable(why: string, cause?: unknown): Fault {
  return new Fault({
    code: "journal_read_failed",
    layer: "journal",
    disposition: "restart",
    message: `the journal cannot be read (${why}): the file is damaged, or its disk is`,
    hint: "look at the kernel log for disk errors; a daemon that finds damage salvages what is whole at its next start",
    cause,
  });
}

/** `file`: see `readFailed`. */
export function writeFailed(cause: unknown, file?: string): Fault {
  if (cause instanceof Fault) return cause;
  if (isBusy(cause)) {
    return new Fault({
      code: "journal_busy",
      layer: "journal",
      disposition: "retry",
      message:
        "another program holds the journal open and locked: messages are not acknowledged until it lets go",
      hint: "end the program that has journal.db open for writing: fuser journal.db names it",
      cause,
    });
  }
  if (file !== undefined && isCorruption(cause)) return foundDamage(file, errorCode(cause) ?? "", cause);
  if (file !== undefined && isReadOnly(dirname(file))) return readOnlyFault(dirname(file), cause);
  return new Fault({
    code: "journal_write_failed",
    layer: "journal",
    disposition: "restart",
    message: `the journal cannot commit (${errorCode(cause) ?? "unknown error"}): nothing is acknowledged`,
    hint: "look at the kernel log for disk errors on the device that holds [journal] dir",
    cause,
  });
}

/**
 * The kernel mounts a file system read-only when it finds an error on it. What is open stays dead then, also
 * after it was mounted again: the process must end and let go of it.
 */
export function readOnlyFault(dir: string, cause: unknown): Fault {
  return new Fault({
    code: "journal_read_only",
    layer: "journal",
    disposition: "restart",
    message: `the file system of ${dir} is read-only: nothing is acknowledged, and the broker keeps what comes`,
    hint: `dmesg says why; once it is repaired and mounted writable again ("mount -o remount,rw" on what "findmnt -T ${dir}" names) flightline goes on by itself`,
    cause,
  });
}

/** Asked by trying: SQLite says "I/O error", and the mount may still call itself writable. */
export function isReadOnly(dir: string): boolean {
  const probe = join(dir, `.flightline-probe-${process.pid}`);
  try {
    closeSync(openSync(probe, "w"));
    rmSync(probe, { force: true });
    return false;
  } catch (error) {
    return errorCode(error) === "EROFS";
  }
}
