import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { type BufferDeps, MessageBuffer } from "../../../src/app/buffer.ts";
import { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage, JournalMessage } from "../../../src/journal/message.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { BugError, Fault } from "../../../src/lib/fault.ts";
import type { Interval } from "../../../src/lib/intervals.ts";
import type { QuarantineEntry } from "../../../src/state/quarantine.ts";
import { State } from "../../../src/state/state.ts";
import { RecordingLog } from "../../support/fakes/recording-log.ts";

const startMs = Date.UTC(2026, 2, 1);

const wire: IncomingMessage = {
  source: "main",
  topic: "t",
  payload: Buffer.from("x"),
  receivedMs: startMs,
  uptimeMs: 5,
  clockTrusted: true,
  duplicate: false,
  retained: false,
  qos: 1,
};

function entry(seq: number, code = "event_not_json", bytes = 1): QuarantineEntry {
  return { ...wire, payload: Buffer.alloc(bytes, "x"), seq, bootKey: 1, code, reason: "r" };
}

interface Bench {
  readonly buffer: MessageBuffer;
  readonly journal: Journal;
  readonly state: State;
  readonly committer: BufferDeps["committer"];
  readonly log: RecordingLog;
  readonly tried: Interval[];
}

type Requeue = BufferDeps["committer"]["requeue"];

/** A committer that does at once what it is asked for, unless `requeue` is another. */
function bench(
  t: TestContext,
  requeue?: (bench: Bench, ...asked: Parameters<Requeue>) => ReturnType<Requeue>,
  isEnding = false,
): Bench {
  const dir = mkdtempSync(join(tmpdir(), "flightline-buffer-"));
  const settings = { dir, commitIntervalMs: 1, maxSizeBytes: undefined, keepSettledMs: 1e9 };
  const journal = Journal.open({ ...settings, whenFull: "drop_oldest" }, systemClock, "boot-a");
  const state = State.open(dir, startMs);
  t.after(() => {
    state.close();
    journal.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const atOnce: Requeue = async (messages, each) => {
    const stored = journal.requeue(messages);
    each?.(stored);
    return stored;
  };
  const log = new RecordingLog();
  const tried: Interval[] = [];
  const committer: BufferDeps["committer"] = {
    settle: (lo, hi) => {
      journal.settle(lo, hi);
    },
    unsettleAll: async (runs) => runs.reduce((count, { lo, hi }) => count + journal.unsettle(lo, hi), 0),
    requeue: async (...asked) => await (requeue?.(all, ...asked) ?? atOnce(...asked)),
  };
  const buffer = new MessageBuffer({
    journal,
    state,
    committer,
    journalSize: () => ({ bytes: 1, maxBytes: 2, moved: [] }),
    waitOf: () => undefined,
    tryAgain: (intervals) => {
      tried.push(...intervals);
    },
    spared: new Set(["decode_killed_process"]),
    isEnding: () => isEnding,
    clock: systemClock,
    logger: log,
  });
  const all = { buffer, journal, state, committer, log, tried };
  return all;
}

function keys({ state }: Bench): number[] {
  return state.quarantined.page({}, 0, { maxCount: 1000, maxBytes: 1e9 }).map(({ key }) => key);
}

const full = new Fault({
  code: "journal_full",
  layer: "journal",
  disposition: "retry",
  message: "full",
  hint: "wait",
});

describe("requeue", () => {
  test("a row leaves state.db only when its message is durable in the journal", async (t) => {
    const seen: number[][] = [];
    const all = bench(t, async (scene, messages, each) => {
      seen.push(keys(scene));
      const stored = scene.journal.requeue(messages.slice(0, 1));
      each?.(stored);
      seen.push(keys(scene));
      throw full;
    });
    all.state.quarantined.keep(all.journal.id, [entry(1), entry(2), entry(3)], startMs);
    const result = await all.buffer.requeue("quarantined", [1, 2, 3]);
    assert.deepEqual(seen, [
      [1, 2, 3],
      [2, 3],
    ]);
    const { messages, rows, fault } = result;
    assert.deepEqual(
      [messages, rows, fault],
      [1, 1, { code: "journal_full", message: "full", hint: "wait" }],
    );
    assert.equal(all.journal.backlog, 1);
    assert.deepEqual(all.log.lines.at(-1)?.details, {
      kind: "quarantined",
      messages: 1,
      rows: 1,
      left: 0,
      fault: "journal_full",
    });
  });

  test("what has killed the process stays while it runs, and what is not there is nothing", async (t) => {
    const all = bench(t);
    all.state.quarantined.keep(all.journal.id, [entry(1, "decode_killed_process"), entry(2)], startMs);
    const { handled, messages, spared } = await all.buffer.requeue("quarantined", [1, 2, 2, 77]);
    assert.deepEqual([handled, messages, spared], [4, 1, 1]);
    assert.deepEqual(keys(all), [1]);
  });

  test("large messages go in small groups", async (t) => {
    const groups: number[] = [];
    const all = bench(t, async (scene, messages, each) => {
      groups.push(messages.length);
      const stored = scene.journal.requeue(messages);
      each?.(stored);
      return stored;
    });
    const entries = Array.from({ length: 20 }, (_, index) => entry(index, "c", 100_000));
    all.state.quarantined.keep(all.journal.id, entries, startMs);
    const { messages } = await all.buffer.requeue("quarantined", keys(all));
    assert.equal(messages, 20);
    assert.ok(Math.max(...groups) <= 6, groups.join(" "));
  });

  test("two who ask at the same time put a message back once", async (t) => {
    const all = bench(t, async (scene, messages, each) => {
      await new Promise((resolve) => setImmediate(resolve));
      const stored = scene.journal.requeue(messages);
      each?.(stored);
      return stored;
    });
    all.state.quarantined.keep(all.journal.id, [entry(1)], startMs);
    await Promise.all([all.buffer.requeue("quarantined", [1]), all.buffer.requeue("quarantined", [1])]);
    assert.equal(all.journal.backlog, 1);
  });

  test("what the end of the daemon gives up is said, a bug is thrown", async (t) => {
    const giveUp = async (): Promise<JournalMessage[]> => {
      throw new BugError("BUG: planted");
    };
    const ending = bench(t, giveUp, true);
    ending.state.quarantined.keep("a", [entry(1)], startMs);
    assert.equal((await ending.buffer.requeue("quarantined", [1])).fault?.code, "daemon_ending");
    const running = bench(t, giveUp);
    running.state.quarantined.keep("a", [entry(1)], startMs);
    await assert.rejects(running.buffer.requeue("quarantined", [1]), BugError);
    assert.equal((await running.buffer.purge("quarantined", [1])).messages, 1);
  });
});

test("what went with journals that were moved aside is in the account, once each", (t) => {
  const { buffer, state } = bench(t);
  state.salvages.record("journal.db.unusable-a", { lost: 5, evicted: 70, evictedMinor: 20 });
  state.salvages.record("journal.db.unusable-b", { lost: 1, evicted: 0, evictedMinor: 0 });
  state.salvages.record("journal.db.unusable-a", { lost: 5, evicted: 70, evictedMinor: 20 });
  const { unreadable, evicted, evictedMinor } = buffer.stats().pending;
  assert.deepEqual({ unreadable, evicted, evictedMinor }, { unreadable: 6, evicted: 70, evictedMinor: 20 });
});

test("resend owes what is still there, and the forwarders are told", async (t) => {
  const all = bench(t);
  all.journal.commit(Array.from({ length: 6 }, () => wire));
  all.journal.settle(1, 4);
  const { handled, messages } = await all.buffer.resend([1, 2, 4, 5, 99]);
  assert.deepEqual([handled, messages, all.journal.backlog], [5, 3, 5]);
  assert.deepEqual(all.tried, [
    { lo: 1, hi: 2 },
    { lo: 4, hi: 5 },
    { lo: 99, hi: 99 },
  ]);
});

test("resend of single messages among others asks for all of them at once, in whatever order they come", async (t) => {
  const all = bench(t);
  all.journal.commit(Array.from({ length: 1500 }, () => wire));
  all.journal.settle(1, 1500);
  const asked: number[] = [];
  const unsettleAll = all.committer.unsettleAll.bind(all.committer);
  all.committer.unsettleAll = async (runs) => {
    asked.push(runs.length);
    return await unsettleAll(runs);
  };
  const keysOfOthers = Array.from({ length: 500 }, (_, index) => 1499 - 3 * index);
  const { handled, messages } = await all.buffer.resend(keysOfOthers);
  assert.deepEqual([handled, messages, all.journal.backlog], [500, 500, 500]);
  assert.deepEqual([asked, all.tried.length], [[500], 500]);
});

test("what is purged before it is written is counted before it is gone, and only what was owed", async (t) => {
  const all = bench(t);
  all.journal.commit(Array.from({ length: 6 }, () => wire));
  all.journal.settle(1, 2);
  const counted: number[] = [];
  const count = all.state.countPendingPurged.bind(all.state);
  t.mock.method(all.state, "countPendingPurged", (number: number) => {
    counted.push(number, all.journal.backlog);
    count(number);
  });
  const { messages } = await all.buffer.purge("pending", [0, 1, 3, 4, 6, 7, 1000]);
  assert.deepEqual([messages, all.state.pendingPurged, counted], [3, 3, [3, 4]]);
  assert.deepEqual(all.journal.settled.intervals, [
    { lo: 1, hi: 4 },
    { lo: 6, hi: 6 },
  ]);
});

test("columns come in pages, all of them", (t) => {
  const { buffer, state } = bench(t);
  const columns = Array.from({ length: 12_000 }, (_, index) => {
    return { table: "t", column: `c${String(index).padStart(5, "0")}`, type: "float" } as const;
  });
  state.schema.save("k", columns);
  const found: unknown[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = buffer.columns("k", after);
    found.push(...page.columns);
    after = page.next;
  }
  assert.deepEqual(found, columns);
});
