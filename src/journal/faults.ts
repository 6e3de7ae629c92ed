import { errorCode, Fault } from "../lib/fault.ts";

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
    message: `the journal is full: ${count} unsent messages were dropped, the oldest first`,
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

export function readFailed(cause: unknown): Fault {
  return new Fault({
    code: "journal_read_failed",
    layer: "journal",
    disposition: "restart",
    message: `the journal cannot be read (${errorCode(cause) ?? "unknown error"}): the file is damaged, or its disk is`,
    hint: "stop flightline, move journal.db with its -wal and -shm aside and keep them: sqlite3 can read what is whole",
    cause,
  });
}

export function writeFailed(cause: unknown): Fault {
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
  return new Fault({
    code: "journal_write_failed",
    layer: "journal",
    disposition: "restart",
    message: `the journal cannot commit (${errorCode(cause) ?? "unknown error"}): nothing is acknowledged`,
    hint: "look at the kernel log for disk errors on the device that holds [journal] dir",
    cause,
  });
}
