/** The messages of a moved journal are put back once each, whatever interrupts it. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { runSalvage, type SalvageDeps } from "../../../src/app/salvage.ts";
import type { JournalMessage } from "../../../src/journal/message.ts";
import { placeOf } from "../../../src/journal/message.ts";
import type { SalvageLosses } from "../../../src/state/salvages.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { sealedFlags } from "../../../src/journal/checksum.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";
import { type OldJournal, oldJournal } from "../journal/salvage-fixture.ts";

const count = 900;

interface World {
  readonly dir: string;
  readonly old: OldJournal;
  /** The new log. */
  readonly stored: JournalMessage[];
  readonly log: RecordingLog;
  /** As it was counted, with the name of the file. */
  readonly recorded: (SalvageLosses & { readonly file: string })[];
  /** Called before that. */
  beforeRecord: () => void;
  /** Called before each portion is stored, with its number. */
  before: (portion: number) => void;
  /** Called when half of it was. */
  amid: (portion: number) => void;
  /** Called after it was. */
  after: (portion: number) => void;
  /** Called at each sign of life. */
  beat: () => unknown;
  /** Called before the new log is read. */
  read: () => unknown;
}

function world(t: TestContext): World & { run(signal?: AbortSignal): Promise<void> } {
  const dir = mkdtempSync(join(tmpdir(), "flightline-salvage-"));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const made = oldJournal(dir, { count, inWal: 200 });
  const file = join(dir, "journal.db.unusable-2026-01-01T00-00-00-000Z");
  for (const suffix of ["", "-wal"]) renameSync(made.file + suffix, file + suffix);
  const stored: JournalMessage[] = [];
  const log = new RecordingLog();
  const here: World = {
    dir,
    old: { ...made, file },
    stored,
    log,
    recorded: [],
    beforeRecord: () => {},
    before: () => {},
    amid: () => {},
    after: () => {},
    beat: () => {},
    read: () => {},
  };
  let portions = 0;
  const deps: SalvageDeps = {
    dir,
    journal: { id: "new", boots: { adopt: ({ bootId }) => (bootId === "boot-a" ? 11 : 12) } },
    committer: {
      get lastSeq() {
        return stored.length;
      },
      read: (lo, hi, maxCount) => {
        here.read();
        return stored.slice(lo - 1, Math.min(hi, lo - 1 + maxCount));
      },
      requeue: async (messages, each) => {
        portions += 1;
        here.before(portions);
        const add = (some: readonly JournalMessage[]): void => {
          const added = some.map((message, index): JournalMessage => {
            return { ...message, seq: stored.length + 1 + index, again: true, firstPlace: placeOf(message) };
          });
          stored.push(...added);
          each(added);
        };
        const half = Math.ceil(messages.length / 2);
        add(messages.slice(0, half));
        here.amid(portions);
        add(messages.slice(half));
        await Promise.resolve();
        here.after(portions);
      },
    },
    state: {
      salvages: {
        record: (name, { lost, evicted, evictedMinor }) => {
          here.beforeRecord();
          here.recorded.push({ file: name, lost, evicted, evictedMinor });
        },
      },
    },
    clock: systemClock,
    log,
  };
  const run = async (signal = new AbortController().signal): Promise<void> => {
    await runSalvage(deps, signal, () => {
      here.beat();
    });
  };
  return Object.assign(here, { run });
}

function isComplete({ stored, old }: World): void {
  const key = ({ topic, payload }: { topic: string; payload: Uint8Array }): string =>
    `${topic} ${Buffer.from(payload).toString("base64")}`;
  assert.deepEqual(stored.map(key).toSorted(), old.rows.map(key).toSorted());
}

function noRoom(code: string): Fault {
  return new Fault({ code, layer: "journal", disposition: "retry", message: "full", hint: "wait" });
}

/** Its pauses take no time. */
async function runWithoutWaiting(t: TestContext, here: { run(): Promise<void> }): Promise<void> {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const over = new AbortController();
  const running = here.run().finally(() => {
    over.abort();
  });
  while (!over.signal.aborted) {
    t.mock.timers.tick(10_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await running;
}

test("every message comes back once, under its boot, and it is said once", async (t) => {
  const here = world(t);
  await here.run();
  isComplete(here);
  assert.deepEqual(
    here.stored
      .slice(0, 2)
      .map(({ bootKey, receivedMs, clockTrusted }) => [bootKey, receivedMs, clockTrusted]),
    [
      [12, 1_750_000_000_001, true],
      [11, 1_750_000_000_002, true],
    ],
  );
  assert.deepEqual(here.log.codes, ["journal_salvaged"]);
  assert.match(
    here.log.lines.find(({ level }) => level === "fault")?.message ?? "",
    /900 of 900 messages that were owed are sent on, 0 could not/,
  );
  assert.ok(existsSync(here.old.file), "the moved file is kept");
  await here.run();
  assert.equal(here.stored.length, count);
  assert.equal(here.log.codes.length, 1);
  assert.ok(!readdirSync(here.dir).some((name) => name.endsWith(".progress")));
});

test("a crash between a portion and its note doubles nothing and leaves nothing out", async (t) => {
  const here = world(t);
  here.after = (portion) => {
    if (portion === 2) throw new Error("the process is killed");
  };
  await assert.rejects(here.run(), /killed/);
  const before = here.stored.length;
  assert.ok(before > 0 && before < count);
  here.after = () => {};
  await here.run();
  isComplete(here);
});

test("two equal messages of one millisecond are two, also after such a crash", async (t) => {
  const here = world(t);
  const [twin] = here.old.rows;
  assert.ok(twin !== undefined);
  const database = new Database(here.old.file);
  const insert = database.prepare("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (const seq of [2000, 2001]) {
    const row = { ...twin, seq };
    const { source, topic, payload, received_ms, uptime_ms, boot } = row;
    insert.run(seq, source, topic, payload, received_ms, uptime_ms, boot, sealedFlags(row));
  }
  database.close();
  const twins = (): number[] => {
    const same = ({ payload }: JournalMessage): boolean => Buffer.compare(payload, twin.payload) === 0;
    return here.stored.filter(same).map(placeOf);
  };
  here.after = () => {
    // With the first of them in the log, and no note of it.
    if (twins().length > 0) throw new Error("the process is killed");
  };
  await assert.rejects(here.run(), /killed/);
  assert.deepEqual(twins(), [1]);
  here.after = () => {};
  await here.run();
  assert.deepEqual(twins(), [1, 2000, 2001]);
  assert.equal(here.stored.length, count + 2);
});

test("what came behind the note is read in parts, between which others have their turn", async (t) => {
  const here = world(t);
  here.after = () => {
    throw new Error("the process is killed");
  };
  await assert.rejects(here.run(), /killed/);
  const [first] = here.stored;
  assert.ok(first !== undefined);
  const { again: _again, ...wire } = first;
  for (let n = 0; n < 5000; n += 1) {
    here.stored.push({ ...wire, seq: here.stored.length + 1 });
  }
  here.after = () => {};
  const events: string[] = [];
  here.read = () => events.push("read");
  here.beat = () => events.push("beat");
  const over = new AbortController();
  const spin = (): void => {
    events.push("turn");
    if (!over.signal.aborted) setImmediate(spin);
  };
  setImmediate(spin);
  await here.run();
  over.abort();
  const reads = events.flatMap((event, index) => (event === "read" ? index : []));
  assert.ok(reads.length > 10, `${reads.length}`);
  for (const [index, at] of reads.slice(1).entries()) {
    const between = events.slice((reads[index] ?? 0) + 1, at);
    assert.ok(between.includes("turn") && between.includes("beat"), `${index}: ${between.join(" ")}`);
  }
  isComplete({ ...here, stored: here.stored.filter(({ again }) => again === true) });
});

test("what went with the moved file is counted before its salvage is over, and waits for room", async (t) => {
  const here = world(t);
  const database = new Database(here.old.file);
  database.exec("INSERT INTO counter VALUES ('evicted', 70), ('evicted_minor', 20)");
  database.exec("DELETE FROM message WHERE seq BETWEEN 11 AND 15");
  database.close();
  const isOver = (): boolean => existsSync(`${here.old.file}.salvaged`);
  let attempts = 0;
  here.beforeRecord = () => {
    assert.ok(!isOver());
    attempts += 1;
    if (attempts === 1) throw noRoom("state_full");
  };
  await runWithoutWaiting(t, here);
  assert.equal(attempts, 2);
  assert.ok(isOver());
  const file = basename(here.old.file);
  assert.deepEqual(here.recorded, [{ file, lost: 5, evicted: 70, evictedMinor: 20 }]);
});

test("a stop is heeded between two portions, and the next run goes on", async (t) => {
  const here = world(t);
  const stopping = new AbortController();
  here.after = () => {
    stopping.abort();
  };
  await here.run(stopping.signal);
  const before = here.stored.length;
  assert.ok(before > 0 && before < count);
  assert.deepEqual(here.log.codes, []);
  await here.run();
  isComplete(here);
});

test("a log that is full makes the salvage wait, and nothing is left out", async (t) => {
  const here = world(t);
  let refused = 0;
  here.before = () => {
    if (refused >= 3) return;
    refused += 1;
    throw noRoom("journal_full");
  };
  await runWithoutWaiting(t, here);
  assert.equal(refused, 3);
  isComplete(here);
});

test("a log that becomes full in the middle of a portion gets the rest of it, and nothing twice", async (t) => {
  const here = world(t);
  const refused: number[] = [];
  here.amid = (portion) => {
    if (refused.length >= 3) return;
    refused.push(portion);
    throw noRoom("journal_full");
  };
  await runWithoutWaiting(t, here);
  assert.equal(refused.length, 3);
  isComplete(here);
});
