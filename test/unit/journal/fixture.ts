/** A journal in a folder of its own, messages for it, a clock that a test moves, and a log that remembers. */
import Database from "better-sqlite3";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Committer, type CommitterDeps } from "../../../src/journal/committer.ts";
import type { JournalConfig } from "../../../src/journal/config.ts";
import { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import type { Clock } from "../../../src/lib/clock.ts";
import type { Fault } from "../../../src/lib/fault.ts";
import type { Log } from "../../../src/lib/log.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";

export const hourMs = 3_600_000;
export const startMs = Date.UTC(2026, 2, 1);

export class ManualClock implements Clock {
  wallMs = startMs;
  sinceBootMs = 1000;

  nowMs(): number {
    return this.wallMs;
  }

  uptimeMs(): number {
    return this.sinceBootMs;
  }

  advance(ms: number): void {
    this.wallMs += ms;
    this.sinceBootMs += ms;
  }
}

export interface RecordingLog extends Log {
  readonly faults: Fault[];
}

function recordingLog(): RecordingLog {
  const faults: Fault[] = [];
  const quiet = (): void => {};
  return {
    faults,
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: quiet,
    fault: (fault) => {
      faults.push(fault);
    },
  };
}

/** Removed after the test. Not `await using`, because most of these tests are synchronous. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-journal-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

export function journalConfig(dir: string, changes: Partial<JournalConfig> = {}): JournalConfig {
  return {
    dir,
    commitIntervalMs: 250,
    maxSizeBytes: 64 * 1024 * 1024,
    keepSettledMs: 72 * hourMs,
    whenFull: "drop_oldest",
    ...changes,
  };
}

/** Opens a journal that is closed after the test. */
export function openJournal(
  t: TestContext,
  dir: string,
  changes: Partial<JournalConfig> = {},
  { clock = new ManualClock(), bootId = "boot-a" } = {},
): Journal {
  const journal = Journal.open(journalConfig(dir, changes), clock, bootId);
  t.after(() => {
    journal.close();
  });
  return journal;
}

export function message(text: string, changes: Partial<IncomingMessage> = {}): IncomingMessage {
  return {
    source: "main",
    topic: "application/1/device/0102030405060708/event/up",
    payload: Buffer.from(text),
    receivedMs: startMs,
    uptimeMs: 1000,
    clockTrusted: true,
    duplicate: false,
    retained: false,
    qos: 1,
    ...changes,
  };
}

/** `count` messages of `bytes` each. */
export function messages(count: number, bytes = 100): IncomingMessage[] {
  return Array.from({ length: count }, (_, index) => message(`${index} `.padEnd(bytes, "x")));
}

export function range(lo: number, hi: number): number[] {
  return Array.from({ length: hi - lo + 1 }, (_, index) => lo + index);
}

export function seqs(journal: Pick<Journal, "read">): number[] {
  return journal.read(0, Number.MAX_SAFE_INTEGER, 1_000_000).map(({ seq }) => seq);
}

/** What is in the file, seen by a connection that is not the journal's. */
export function query(file: string, sql: string): unknown[] {
  const database = new Database(file, { readonly: true });
  try {
    return database.prepare(sql).raw().all();
  } finally {
    database.close();
  }
}

/** The one number that the query gives. */
export function number(file: string, sql: string): number {
  const [row] = query(file, sql);
  return Number(Array.isArray(row) ? row[0] : undefined);
}

interface Work {
  statements: number;
  /** Given or changed by them. */
  rows: number;
}

/** Counts what databases do that are opened from now on. */
export function countWork(t: TestContext): Work {
  const work: Work = { statements: 0, rows: 0 };
  const prepare = Reflect.get(Database.prototype, "prepare") as (sql: string) => Database.Statement;
  t.mock.method(Database.prototype, "prepare", function (this: Database.Database, sql: string) {
    const statement = prepare.call(this, sql);
    const counted = <T>(result: T, rowsOf: (result: T) => number): T => {
      work.statements += 1;
      work.rows += rowsOf(result);
      return result;
    };
    const run = statement.run.bind(statement);
    const get = statement.get.bind(statement);
    const all = statement.all.bind(statement);
    const iterate = statement.iterate.bind(statement);
    statement.run = (...values) => counted(run(...values), ({ changes }) => changes);
    statement.get = (...values) => counted(get(...values), () => 1);
    statement.all = (...values) => counted(all(...values), ({ length }) => length);
    statement.iterate = function* (...values) {
      work.statements += 1;
      for (const row of iterate(...values)) {
        work.rows += 1;
        yield row;
      }
    };
    return statement;
  });
  return work;
}

export interface RunningCommitter {
  readonly committer: Committer;
  readonly clock: ManualClock;
  readonly log: RecordingLog;
  /** What was acknowledged, in order. */
  readonly acknowledged: string[];
  /** How many messages each call of `journal.commit` was given, failed ones too. */
  readonly groups: number[];
  submit(text: string): void;
  /** Lets time pass, timers fire and everybody have a turn. */
  advance(ms: number): Promise<void>;
  stop(): Promise<void>;
  /** Settles when the committer's `run` does. */
  readonly done: Promise<void>;
}

/** A committer at work on the journal, in mocked time. */
export function runCommitter(
  t: TestContext,
  journal: Journal,
  changes: Partial<CommitterDeps> = {},
): RunningCommitter {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const clock = new ManualClock();
  const log = recordingLog();
  const groups: number[] = [];
  const commit = journal.commit.bind(journal);
  journal.commit = (group) => {
    groups.push(group.length);
    return commit(group);
  };
  const committer = new Committer({
    journal,
    commitIntervalMs: 250,
    groupCount: () => 500,
    maxWaitingCount: 2000,
    clock,
    log,
    committed: new Wakeup(),
    ...changes,
  });
  const stopping = new AbortController();
  const done = committer.run(stopping.signal);
  // A test that expects it to fail awaits `done` itself; until then it must not be an unhandled rejection.
  done.catch(() => {});
  const acknowledged: string[] = [];
  const advance = async (ms: number): Promise<void> => {
    await turns();
    clock.advance(ms);
    t.mock.timers.tick(ms);
    await turns();
  };
  t.after(() => {
    stopping.abort();
  });
  return {
    committer,
    clock,
    log,
    acknowledged,
    groups,
    submit: (text) => {
      committer.submit(message(text), () => {
        acknowledged.push(text);
      });
    },
    advance,
    stop: async () => {
      stopping.abort();
      await done;
    },
    done,
  };
}

/** Commits that take as long as `tookMs` says, on the test's clock. */
export function slowed(run: RunningCommitter, journal: Journal, tookMs: () => number): void {
  const fast = journal.commit.bind(journal);
  journal.commit = (group) => {
    run.clock.advance(tookMs());
    return fast(group);
  };
}

async function turns(): Promise<void> {
  for (let n = 0; n < 10; n += 1) await turn();
}
