/**
 * Looks into the databases of a daemon from outside, with SQL of its own: what is committed, settled and
 * quarantined, whatever the daemon believes. Messages are those of brokers: what the daemon puts into its
 * journal itself has seqs between theirs, and counts only where it is said.
 */
import Database from "better-sqlite3";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface StoredMessage {
  readonly seq: number;
  readonly topic: string;
  readonly payload: Buffer;
}

export interface QuarantinedMessage extends StoredMessage {
  readonly code: string;
  readonly reason: string;
}

export interface JournalContents {
  /** Of any message, the daemon's own too; 0 when there is none. */
  readonly lastSeq: number;
  /** Messages with `seq` above the given one, in order. */
  readonly messages: readonly StoredMessage[];
  isSettled(seq: number): boolean;
  /** Of `messages`. */
  readonly unsettledCount: number;
  /** All from the first one on, the daemon's own too. */
  isSettledUpTo(seq: number): boolean;
}

/** The source that no broker can have. */
const ofBrokers = "source <> 'flightline'";

/** Old messages are trimmed when they are settled. */
const newestSeq = `SELECT coalesce(max(seq), 0) FROM (SELECT max(seq) AS seq FROM message
                     UNION ALL SELECT max(hi) FROM settled)`;

/** Of a daemon that is not running: a copy is opened, so that nothing is recovered or changed in place. */
export function readDeadJournal(dir: string, aboveSeq = 0): JournalContents {
  return withCopy(dir, "journal.db", (database) => {
    const messages = database
      .prepare<[number], StoredMessage>(
        `SELECT seq, topic, payload FROM message WHERE seq > ? AND ${ofBrokers} ORDER BY seq`,
      )
      .all(aboveSeq);
    const settled = database.prepare<[], { lo: number; hi: number }>("SELECT lo, hi FROM settled").all();
    const lastSeq = Number(database.prepare(newestSeq).pluck().get());
    const isSettled = (seq: number): boolean => settled.some(({ lo, hi }) => lo <= seq && seq <= hi);
    return {
      lastSeq,
      messages,
      isSettled,
      unsettledCount: messages.filter(({ seq }) => !isSettled(seq)).length,
      isSettledUpTo: (seq) => settled.some(({ lo, hi }) => lo === 1 && seq <= hi),
    };
  });
}

export function readQuarantine(dir: string): QuarantinedMessage[] {
  return withCopy(dir, "state.db", (database) =>
    database
      .prepare<[], QuarantinedMessage>(
        "SELECT seq, topic, payload, code, reason FROM quarantine ORDER BY seq",
      )
      .all(),
  );
}

/** Newest committed seq, of the daemon's own messages too; 0 when there is no journal yet. */
export function committedSeq(dir: string): number {
  return askLiveJournal(dir, newestSeq);
}

/**
 * How many messages with `seq` above the given one are committed, in a journal that a daemon may have open
 * just now; 0 when there is none yet. What has been trimmed is not counted.
 */
export function committedCount(dir: string, aboveSeq = 0): number {
  return askLiveJournal(dir, `SELECT count(*) FROM message WHERE seq > ${aboveSeq} AND ${ofBrokers}`);
}

/** How many messages the file does not know to be settled, while a daemon may have it open. */
export function unsettledCount(dir: string): number {
  return askLiveJournal(
    dir,
    `SELECT count(*) FROM message WHERE ${ofBrokers}
       AND seq > coalesce((SELECT hi FROM settled WHERE lo = 1), 0)
       AND NOT EXISTS (SELECT 1 FROM settled WHERE lo <= seq AND seq <= hi)`,
  );
}

/** What a dead daemon recorded of its starts is gone: the next one does not come up in safe mode. */
export function forgetStarts(dir: string): void {
  const database = new Database(join(dir, "state.db"), { fileMustExist: true });
  database.exec("DELETE FROM start");
  database.close();
}

/** Pids of the processes that have this file open. */
export function holdersOf(file: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && openFiles(pid).includes(file));
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
  } catch {
    // It has ended meanwhile, or is somebody else's.
    return [];
  }
}

function askLiveJournal(dir: string, sql: string): number {
  const file = join(dir, "journal.db");
  if (!existsSync(file)) return 0;
  const database = new Database(file, { readonly: true });
  try {
    return Number(database.prepare(sql).pluck().get());
  } finally {
    database.close();
  }
}

function withCopy<T>(dir: string, name: string, read: (database: Database.Database) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "flightline-copy-"));
  try {
    for (const file of [name, `${name}-wal`]) {
      if (existsSync(join(dir, file))) copyFileSync(join(dir, file), join(folder, file));
    }
    const database = new Database(join(folder, name), { readonly: true });
    try {
      return read(database);
    } finally {
      database.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
