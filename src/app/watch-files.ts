/**
 * A look at the data directory now and then, for what no read or write tells: files that somebody has removed
 * or replaced under the daemon, a mark of damage that a part or a check has left, a ballast that was given up.
 */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { sleep } from "../lib/abort.ts";
import { Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import type { Beat } from "../lib/pulse.ts";
import { markOf } from "../sqlite/damage.ts";

/** A database as it was when it was opened. Its WAL has been there since then: a checkpoint only shortens it. */
export interface WatchedFile {
  readonly file: string;
  readonly parts: readonly {
    readonly path: string;
    /** Undefined where that cannot be told. */
    readonly inode: bigint | undefined;
  }[];
}

interface WatchDeps {
  readonly watched: readonly WatchedFile[];
  readonly ballast: { readonly state: string; restore(): boolean };
  readonly log: Log;
}

const everyMs = 2000;
const walSuffix = "-wal";

export function watchedFile(file: string): WatchedFile {
  return { file, parts: [file, file + walSuffix].map((path) => ({ path, inode: inodeOf(path) })) };
}

/** Rejects with journal_damaged, state_damaged or database_removed (restart). */
export async function watchFiles(deps: WatchDeps, signal: AbortSignal, beat: Beat): Promise<void> {
  const { watched, ballast, log } = deps;
  let isFull = false;
  while (!signal.aborted) {
    beat();
    for (const { file, parts } of watched) {
      if (markOf(file) !== undefined) throw damagedInUse(file);
      for (const { path, inode } of parts) if (inodeOf(path) !== inode) throw removedFault(path);
    }
    const wasFull = isFull;
    // The journal makes it again itself, when it grows as ever; without traffic it is made here.
    isFull = ballast.state === "given_up" && !ballast.restore();
    if (isFull && !wasFull) log.fault(diskFullFault());
    if (!isFull && wasFull) log.info("the disk of the journal has room again");
    await sleep(everyMs, signal);
  }
}

function inodeOf(file: string): bigint | undefined {
  return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** The mark is of a check, or of a part that would only be started again. */
function damagedInUse(file: string): Fault {
  if (basename(file) === "state.db") {
    return new Fault({
      code: "state_damaged",
      layer: "journal",
      disposition: "restart",
      message: `${file} is damaged: it is moved aside now, and a new one begins`,
      hint: "nothing need be done for the messages; look at the kernel log for disk errors",
    });
  }
  return new Fault({
    code: "journal_damaged",
    layer: "journal",
    disposition: "restart",
    message: `${file} is damaged: it is moved aside now, and what can be read of it is sent on in the background`,
    hint: "nothing need be done for the messages; look at the kernel log for disk errors",
  });
}

/** What is written from now on would be gone with the process, and a PUBACK for it would be a lie. */
function removedFault(path: string): Fault {
  // Who closes a database moves his WAL into it, also one that has no name any more.
  const outcome = path.endsWith(walSuffix)
    ? "what it holds is saved as the process ends"
    : "what only it held is gone, and a new file is begun";
  return new Fault({
    code: "database_removed",
    layer: "journal",
    disposition: "restart",
    message: `${basename(path)} was removed or replaced while the daemon used it: ${outcome}`,
    hint: "find out what cleans this directory; leave the files of a running daemon alone",
  });
}

function diskFullFault(): Fault {
  return new Fault({
    code: "disk_full",
    layer: "host",
    disposition: "drop",
    message:
      "the disk of the journal is full: its ballast was given up, and the journal keeps its size by [journal] when_full",
    hint: "free space on the disk that holds [journal] dir; the ballast is made again then",
  });
}
