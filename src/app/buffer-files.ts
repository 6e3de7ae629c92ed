/** `flightline buffer` without a daemon: it takes the daemon's place in the directory for as long as it works. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Committer } from "../journal/committer.ts";
import type { JournalConfig } from "../journal/config.ts";
import { vanishedFault } from "../journal/directory.ts";
import { Journal } from "../journal/journal.ts";
import { lockDirectory, shareDirectory } from "../journal/lock.ts";
import { automaticQuotaBytes } from "../journal/quota.ts";
import { JournalReader } from "../journal/reader.ts";
import { unfinishedSalvages } from "../journal/salvage-progress.ts";
import { JournalView } from "../journal/view.ts";
import { systemClock as clock } from "../lib/clock.ts";
import { errorCode, Fault } from "../lib/fault.ts";
import type { Log } from "../lib/log.ts";
import { Wakeup } from "../lib/wakeup.ts";
import { unreadableFault } from "../sqlite/database.ts";
import { State } from "../state/state.ts";
import type { BufferActions, BufferLook, BufferStats } from "../status/buffer-wire.ts";
import { readBootId } from "../systemd/boot-id.ts";
import { MessageBuffer } from "./buffer.ts";
import { movedJournals } from "./buffer-moved.ts";
import { BufferView } from "./buffer-view.ts";

export interface OpenBuffer<Buffer extends BufferLook> {
  readonly buffer: Buffer;
  /** Everything that was done is durable. Rejects with the fault for which it is not. */
  readonly close: () => Promise<void>;
}

/** Where no daemon answered, for whoever finds one in the directory all the same. */
type Sockets = readonly string[];

/**
 * Reads only: no file is made, moved, migrated or marked, whatever is wrong with it, and what cannot be read is said.
 * Faults: journal_absent, journal_vanished, journal_unreadable, journal_read_failed, buffer_other_user,
 * journal_locked.
 */
export function lookIntoFiles(config: JournalConfig, sockets: Sockets): OpenBuffer<BufferLook> {
  const { dir } = config;
  requireOwner(dir);
  using opened = new DisposableStack();
  opened.use(shareDirectory(dir, heldHint(sockets)));
  requireJournal(dir);
  const journal = opened.adopt(JournalView.open(dir, readBootId()), close);
  const state = opened.adopt(State.look(dir), close);
  const view = new BufferView({
    journal,
    state,
    journalSize: () => journalSize(config),
    waitOf: nobodyKnows,
  });
  const owned = opened.move();
  return {
    buffer: {
      stats: () => reading(dir, () => view.stats()),
      page: (query) => reading(dir, () => view.page(query)),
      columns: (database, after) => reading(dir, () => view.columns(database, after)),
    },
    close: async () => {
      owned.dispose();
    },
  };
}

/**
 * Nothing is decoded, trimmed or evicted here, and an unclean stop of the daemon stays one for its next start. Only
 * the user whose files they are opens them: another one's would be in the daemon's way. And only files that can be
 * looked into: what a daemon would move aside is left to it.
 * Faults: those of `lookIntoFiles`, and journal_unwritable.
 */
export async function openBufferFiles(
  config: JournalConfig,
  sockets: Sockets,
  logger: Log,
): Promise<OpenBuffer<BufferActions>> {
  const { dir } = config;
  await lookIntoFiles(config, sockets).close();
  using opened = new DisposableStack();
  opened.adopt(lockDirectory(dir, heldHint(sockets)), (lock) => {
    lock.release();
    if (lock.isAfterUncleanStop) markUnclean(dir);
  });
  const journal = opened.adopt(Journal.open(config, clock, readBootId()), close);
  const state = opened.adopt(State.open(dir, clock.nowMs()), close);
  for (const fault of [...journal.openingFaults, ...state.openingFaults]) logger.fault(fault);
  // Nobody has told how far the registry has read.
  journal.keepFrom(0);
  const stop = new AbortController();
  const committer = new Committer({
    journal,
    commitIntervalMs: config.commitIntervalMs,
    groupCount: () => 1,
    maxWaitingCount: 1,
    clock,
    log: logger,
    committed: new Wakeup(),
  });
  const running = committer.run(stop.signal);
  // Whoever closes hears of it.
  running.catch(() => {});
  const buffer = new MessageBuffer({
    journal,
    committer,
    state,
    journalSize: () => journalSize(config),
    waitOf: nobodyKnows,
    tryAgain: () => {},
    spared: new Set(),
    isEnding: () => stop.signal.aborted,
    clock,
    logger,
  });
  const owned = opened.move();
  return {
    buffer,
    async close() {
      using _files = owned;
      stop.abort(new Error("it is done"));
      await running;
    },
  };
}

/** Of the file and its WAL, the quota, and what the salvage has not read to its end. */
export function journalSize({ dir, maxSizeBytes }: JournalConfig): BufferStats["journal"] {
  const sizeOf = (name: string): number => statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
  return {
    bytes: sizeOf("journal.db") + sizeOf("journal.db-wal"),
    maxBytes: maxSizeBytes ?? automaticQuotaBytes(dir),
    moved: movedJournals(dir),
  };
}

/** What a message waits for: only a daemon does. */
function nobodyKnows(): undefined {
  return undefined;
}

function close(file: { close(): void }): void {
  file.close();
}

function heldHint(sockets: Sockets): string {
  return `the daemon that holds it does not answer at ${sockets.join(" or ")}: wait until it has started, or name its control socket with --socket`;
}

/** Before anything is opened: SQLite would take an emptied file for a new one. */
function requireJournal(dir: string): void {
  const file = join(dir, "journal.db");
  const isEmpty = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) === 0;
  // Whose WAL is not is said by who opens it.
  if (isEmpty && (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  try {
    JournalReader.open(dir)[Symbol.dispose]();
  } catch (error) {
    const isAbsent = error instanceof Fault && error.code === "journal_absent";
    throw isAbsent && wasThere(dir) ? vanishedFault(dir) : error;
  }
}

/** As `recoverIdentity` sees it: a journal that was moved aside explains that there is none. */
function wasThere(dir: string): boolean {
  const marker = join(dir, "journal.id");
  const isKnown = existsSync(marker) && readFileSync(marker, "utf8").trim() !== "";
  return isKnown && unfinishedSalvages(dir).length === 0;
}

/** What shows in use: of the journal it is a fault already. */
function reading<T>(dir: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code = errorCode(error);
    if (error instanceof Fault || code?.startsWith("SQLITE_") !== true) throw error;
    throw unreadableFault(join(dir, "state.db"), `cannot be read to its end (${code})`, undefined, error);
  }
}

function requireOwner(dir: string): void {
  const uid = statSync(join(dir, "journal.db"), { throwIfNoEntry: false })?.uid;
  if (uid === undefined || process.geteuid?.() === uid) return;
  throw new Fault({
    code: "buffer_other_user",
    layer: "host",
    disposition: "fatal",
    message: `no daemon runs, and the files in ${dir} belong to another user (uid ${uid})`,
    hint: `run it as that user: sudo -u '#${uid}' flightline buffer …; or start the daemon, which does it for every user that may ask`,
  });
}

/** Unless a daemon has come meanwhile and made its own: then it has seen to what was left. */
function markUnclean(dir: string): void {
  try {
    writeFileSync(join(dir, "flightline.pid"), "", { flag: "wx" });
  } catch (error) {
    // On a full disk the daemon's next start goes without the check, which is one of many.
    if (errorCode(error) === undefined) throw error;
  }
}
