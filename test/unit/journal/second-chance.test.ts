/** Messages that are owed once more: settled ones that are unsettled, and those that are put back. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import Database from "better-sqlite3";
import type { JournalMessage } from "../../../src/journal/message.ts";
import {
  folder,
  message,
  messages,
  openJournal,
  query,
  range,
  runCommitter,
  type RunningCommitter,
  seqs,
  slowed,
} from "./fixture.ts";

const small = { maxSizeBytes: 1024 * 1024 };

/** As if they had been in another log. */
function former(count: number, bytes = 100): JournalMessage[] {
  return messages(count, bytes).map((one, index) => ({ ...one, seq: 1_000_100 + index, bootKey: 1 }));
}

describe("unsettled messages", () => {
  test("are owed again, also after a restart, as soon as a commit has saved it", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    journal.commit(messages(100));
    journal.settle(1, 100);
    journal.commit([]);
    assert.equal(journal.unsettle(40, 49), 10);
    assert.equal(journal.backlog, 10);
    assert.equal(openJournal(t, dir).backlog, 0, "not saved");
    assert.equal(journal.hasUnsavedSettlement, true);
    journal.commit([]);
    const expected = [
      { lo: 1, hi: 39 },
      { lo: 50, hi: 100 },
    ];
    assert.deepEqual(openJournal(t, dir).settled.intervals, expected);
    assert.deepEqual([journal.settled.intervals, journal.lastSeq], [expected, 100]);
    assert.equal(journal.unsettle(1, 1000), 90, "those that are owed already are not counted");
    assert.equal(journal.backlog, 100);
  });

  test("are only those that are still in the log: what has left is not owed to anybody", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir, small);
    journal.commit(messages(60, 10_000));
    journal.settle(1, 10);
    journal.settle(21, 60);
    while (seqs(journal).includes(25)) journal.commit(messages(2, 10_000));
    const before = journal.backlog;
    const left = seqs(journal);
    const settled = left.filter((seq) => journal.settled.has(seq));
    assert.ok(settled.length > 0 && settled.length < 40, `${settled.length}`);
    assert.equal(journal.unsettle(1, journal.lastSeq), settled.length);
    assert.equal(journal.backlog, before + settled.length);
    assert.equal(journal.backlog, left.length);
    journal.commit([]);
    const next = openJournal(t, dir, small);
    assert.deepEqual([next.backlog, next.lastSeq], [left.length, journal.lastSeq]);
  });

  test("count as evicted when they leave after all, and no seq is given twice", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir, small);
    journal.commit(messages(50, 10_000));
    journal.settle(1, 50);
    journal.commit([]);
    journal.unsettle(1, 50);
    journal.commit([]);
    while (seqs(journal).includes(50)) journal.commit(messages(5, 10_000));
    const left = seqs(journal);
    assert.equal(journal.evicted, journal.lastSeq - left.length);
    assert.ok(journal.evicted >= 50);
    assert.equal(journal.backlog, left.length);
    const next = openJournal(t, dir, small);
    assert.deepEqual([next.evicted, next.lastSeq], [journal.evicted, journal.lastSeq]);
  });

  test("may leave for room again once they are settled again", (t) => {
    const journal = openJournal(t, folder(t), { ...small, whenFull: "stop_acking" });
    const full = { code: "journal_full" };
    journal.commit(messages(60, 10_000));
    journal.settle(1, 60);
    journal.unsettle(1, 60);
    assert.throws(() => {
      for (;;) journal.commit(messages(5, 10_000));
    }, full);
    journal.settle(1, 10);
    journal.commit(messages(5, 10_000));
    assert.equal(seqs(journal).includes(1), false);
  });
});

describe("messages that are put back", () => {
  test("keep what they were and are marked; they are in the file when `requeue` returns", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    journal.commit(messages(3));
    const bootKey = journal.boots.adopt({ bootId: "elsewhere", offsetMs: 77, isDecided: true });
    const odd = message("x", { receivedMs: 5, uptimeMs: 17, clockTrusted: false, duplicate: true, qos: 2 });
    const stored = journal.requeue([{ ...odd, seq: 3_000_042, bootKey }]);
    const expected = [{ ...odd, seq: 4, bootKey, again: true, firstPlace: 42 }];
    assert.deepEqual(stored, expected);
    const next = openJournal(t, dir);
    assert.deepEqual(next.read(4, 4, 1), expected);
    assert.equal(next.boots.offsetMs(bootKey), 77);
    assert.deepEqual([next.lastSeq, next.backlog], [4, 4]);
    const [twice] = next.requeue(next.read(4, 4, 1));
    assert.deepEqual(twice, { ...expected[0], seq: 5 }, "also when that happens once more");
  });

  test("evict nothing: where there is no room the caller keeps them", (t) => {
    const journal = openJournal(t, folder(t), small);
    while (journal.evicted === 0) journal.commit(messages(5, 10_000));
    const before = [seqs(journal), journal.evicted, journal.lastSeq];
    assert.throws(() => journal.requeue(former(60, 10_000)), {
      code: "journal_full",
      disposition: "retry",
    });
    assert.deepEqual([seqs(journal), journal.evicted, journal.lastSeq], before);
    journal.settle(1, journal.lastSeq);
    assert.equal(journal.requeue(former(20, 10_000)).length, 20, "settled ones make room");
  });

  test("say nothing of what the clock shows now", (t) => {
    const journal = openJournal(t, folder(t));
    journal.requeue([{ ...message("", { receivedMs: 100 }), seq: 1, bootKey: 0 }]);
    assert.equal(journal.lastTrustedMs, 100, "unless nobody else does");
    journal.commit([message("", { receivedMs: 5000 })]);
    journal.requeue([{ ...message("", { receivedMs: 200 }), seq: 1, bootKey: 0 }]);
    assert.equal(journal.lastTrustedMs, 5000);
  });
});

describe("boots that are carried over", () => {
  test("are seen once a commit has written them, and keep their key", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    const foreign = { bootId: "elsewhere", offsetMs: 1234, isDecided: true };
    const key = journal.boots.adopt(foreign);
    assert.notEqual(key, journal.boots.currentKey);
    assert.equal(journal.boots.adopt(foreign), key);
    assert.equal(journal.boots.offsetMs(key), undefined);
    journal.commit([]);
    assert.equal(journal.boots.offsetMs(key), 1234);
    assert.equal(journal.boots.adopt({ ...foreign, offsetMs: 999 }), key);
    journal.commit([]);
    const next = openJournal(t, dir);
    assert.equal(next.boots.offsetMs(key), 1234, "what is decided stays");
    assert.notEqual(next.boots.adopt({ ...foreign, bootId: "third" }), key);
  });

  test("of this very boot: what was decided there holds here, unless it was decided here", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    const { currentKey } = journal.boots;
    const undecided = { bootId: "boot-a", offsetMs: undefined, isDecided: false };
    assert.equal(journal.boots.adopt(undecided), currentKey);
    assert.equal(journal.boots.adopt({ ...undecided, offsetMs: 50, isDecided: true }), currentKey);
    assert.equal(journal.boots.offsetMs(currentKey), undefined, "not in the file yet");
    assert.equal(journal.boots.learnOffset(60), true);
    assert.equal(journal.boots.offsetMs(currentKey), 50);
    assert.equal(openJournal(t, dir).boots.offsetMs(currentKey), 50);
    journal.boots.adopt({ ...undecided, offsetMs: 70, isDecided: true });
    journal.commit([]);
    assert.equal(openJournal(t, dir).boots.offsetMs(currentKey), 50);
  });

  test("wait for the next commit when one fails", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    const key = journal.boots.adopt({ bootId: "elsewhere", offsetMs: 9, isDecided: true });
    assert.throws(() => journal.commit([message("", { receivedMs: Number.NaN })]));
    assert.equal(journal.boots.offsetMs(key), undefined);
    journal.commit([]);
    assert.equal(openJournal(t, dir).boots.offsetMs(key), 9);
  });
});

describe("beside the group commits", () => {
  test("what is put back comes in portions, in order, is told one by one, and is read from memory", async (t) => {
    const journal = openJournal(t, folder(t));
    const run = runCommitter(t, journal);
    const portions: number[] = [];
    const done = run.committer.requeue(former(600), (stored) => {
      portions.push(stored.length);
      assert.equal(journal.lastSeq, stored.at(-1)?.seq);
    });
    await run.advance(1);
    const stored = await done;
    assert.deepEqual(portions, [256, 256, 88]);
    assert.deepEqual(
      stored.map(({ seq }) => seq),
      range(1, 600),
    );
    journal.read = () => assert.fail("the file was read");
    assert.deepEqual(run.committer.read(1, 600, 600), stored);
    run.submit("a");
    await run.advance(250);
    assert.equal(run.committer.read(601, 601, 1)[0]?.payload.toString(), "a");
    await run.stop();
  });

  test("portions are bounded in bytes, and a large message goes by itself", async (t) => {
    const journal = openJournal(t, folder(t));
    const run = runCommitter(t, journal);
    const portions: number[] = [];
    const done = run.committer.requeue([...former(5, 100_000), ...former(2, 400_000)], (stored) => {
      portions.push(stored.length);
    });
    await run.advance(1);
    await done;
    assert.deepEqual(portions, [2, 2, 1, 1, 1]);
    await run.stop();
  });

  /** Portions of 30 ms beside groups of a millisecond; when each portion was done. */
  function besideGroups(
    t: TestContext,
    commitIntervalMs: number,
  ): { readonly run: RunningCommitter; readonly doneMs: readonly number[]; readonly all: Promise<number> } {
    const journal = openJournal(t, folder(t));
    const run = runCommitter(t, journal, { commitIntervalMs, groupCount: () => 1000 });
    slowed(run, journal, () => 1);
    const requeue = journal.requeue.bind(journal);
    const doneMs: number[] = [];
    journal.requeue = (group) => {
      run.clock.advance(30);
      doneMs.push(run.clock.uptimeMs());
      return requeue(group);
    };
    const all = run.committer.requeue(former(1024)).then((stored) => stored.length);
    return { run, doneMs, all };
  }

  function gaps(timesMs: readonly number[]): number[] {
    return timesMs.slice(1).map((atMs, index) => atMs - (timesMs[index] ?? 0));
  }

  test("no message waits for its PUBACK longer than without them, and others get their turn between two", async (t) => {
    const { run, doneMs, all } = besideGroups(t, 40);
    await run.advance(0);
    let acknowledged = 0;
    for (let n = 0; n < 100; n += 1) {
      const nowMs = run.clock.uptimeMs();
      run.committer.submit(message("x"), () => {
        const tookMs = run.clock.uptimeMs() - nowMs;
        assert.ok(tookMs <= 40 + 1 + 10, `${tookMs} ms`);
        acknowledged += 1;
      });
      await run.advance(10);
    }
    assert.equal(await all, 1024);
    assert.ok(acknowledged > 90, `${acknowledged}`);
    for (const gapMs of gaps(doneMs)) assert.ok(gapMs >= 3 * 30 + 30, `only ${gapMs} ms`);
    await run.stop();
  });

  test("where one always makes a group wait, one does each second", async (t) => {
    const { run, doneMs, all } = besideGroups(t, 20);
    await run.advance(0);
    let isOver = false;
    // There is always a message that waits for its commit.
    const submit = (): void => {
      if (!isOver) run.committer.submit(message("x"), submit);
    };
    submit();
    for (let n = 0; doneMs.length < 4 && n < 2000; n += 1) await run.advance(5);
    isOver = true;
    assert.equal(doneMs.length, 4);
    assert.equal(await all, 1024);
    for (const gapMs of gaps(doneMs)) assert.ok(gapMs >= 1000 && gapMs < 1100, `${gapMs} ms`);
    await run.stop();
  });

  test("where there is no room who asked is told, with what is stored and what is not; the groups go on", async (t) => {
    const journal = openJournal(t, folder(t), { ...small, whenFull: "stop_acking" });
    const run = runCommitter(t, journal);
    let stored = 0;
    const done = run.committer.requeue(former(200, 10_000), (some) => {
      stored += some.length;
    });
    const told = assert.rejects(done, {
      code: "journal_full",
      disposition: "retry",
      message: /put back/,
    });
    await run.advance(1);
    await told;
    assert.ok(stored > 20 && stored < 110, `${stored}`);
    assert.deepEqual(seqs(journal), range(1, stored));
    assert.equal(run.committer.trouble, undefined);
    run.committer.settle(1, stored);
    run.submit("a");
    await run.advance(250);
    assert.deepEqual(run.acknowledged, ["a"]);
    await run.stop();
  });

  test("the WAL stays short when much is put back and nothing else comes", async (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    const run = runCommitter(t, journal);
    const sizes: number[] = [];
    const done = run.committer.requeue(former(1500, 10_000), () => {
      sizes.push(statSync(join(dir, "journal.db-wal")).size);
    });
    await run.advance(1);
    await done;
    assert.ok(Math.max(...sizes) < 8 * 1024 * 1024, `${Math.max(...sizes)}`);
    await run.stop();
  });

  test("what has to leave for messages that are put back is said, also when nothing else comes", async (t) => {
    const journal = openJournal(t, folder(t), small);
    while (journal.lastSeq < 80) journal.commit(messages(5, 10_000));
    journal.settle(1, journal.lastSeq);
    journal.keepFrom(1);
    journal.commit([]);
    const run = runCommitter(t, journal);
    const done = run.committer.requeue(former(60, 10_000));
    await run.advance(1);
    await done;
    assert.ok(journal.unprojected > 0);
    assert.match(String(run.log.faults[0]?.message), /before the registry was saved/);
    await run.stop();
  });

  test("unsettling resolves when it is durable, a part of the log at a time", async (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    for (let n = 0; n < 5; n += 1) journal.commit(messages(1000));
    journal.settle(1, 5000);
    journal.commit([]);
    const run = runCommitter(t, journal);
    const looks: number[] = [];
    const unsettle = journal.unsettle.bind(journal);
    journal.unsettle = (lo, hi) => {
      looks.push(hi - lo + 1);
      return unsettle(lo, hi);
    };
    const done = run.committer.unsettleAll([{ lo: 11, hi: 4990 }]);
    await run.advance(1);
    assert.equal(await done, 4980);
    assert.ok(Math.max(...looks) <= 1024 && looks.length >= 5, looks.join());
    assert.deepEqual(query(join(dir, "journal.db"), "SELECT lo, hi FROM settled"), [
      [1, 10],
      [4991, 5000],
    ]);
    assert.equal(await Promise.race([run.committer.unsettleAll([]), run.advance(1)]), 0);
    await run.stop();
  });

  test("unsettling one by one among others takes a few commits, of a bounded number of rows each", async (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    for (let n = 0; n < 5; n += 1) journal.commit(messages(1000));
    journal.settle(1, 4000);
    journal.commit([]);
    const run = runCommitter(t, journal);
    const rows: number[] = [0];
    const unsettle = journal.unsettle.bind(journal);
    journal.unsettle = (lo, hi) => {
      rows.push((rows.pop() ?? 0) + Math.max(0, hi - lo + 1));
      return unsettle(lo, hi);
    };
    const commit = journal.commit.bind(journal);
    journal.commit = (group) => {
      rows.push(0);
      return commit(group);
    };
    const third = range(0, 333).map((n) => ({ lo: 1 + 3 * n, hi: 1 + 3 * n }));
    const long = range(0, 3).map((n) => ({ lo: 1002 + 401 * n, hi: 1401 + 401 * n }));
    const owedAlready = { lo: 4500, hi: 4600 };
    const done = run.committer.unsettleAll([...third, ...long, owedAlready, { lo: 1, hi: 1000 }]);
    for (let n = 0; n < 3; n += 1) await run.advance(1000);
    assert.equal(await done, 334 + 1600 + 666);
    assert.ok(rows.length <= 5, `${rows.length - 1} commits`);
    assert.ok(Math.max(...rows) <= 1024, rows.join(" "));
    assert.equal(openJournal(t, dir).backlog, 1000 + 334 + 1600 + 666);
    await run.stop();
  });

  test("in the order of asking; what waits when stopping, and what comes later, is rejected with the reason", async (t) => {
    const journal = openJournal(t, folder(t));
    const run = runCommitter(t, journal);
    const order: string[] = [];
    const first = run.committer.requeue(former(300)).then(() => order.push("first"));
    const second = run.committer.unsettleAll([{ lo: 1, hi: 10 }]).then(() => order.push("second"));
    await run.advance(1);
    await Promise.all([first, second]);
    assert.deepEqual(order, ["first", "second"]);
    const late = assert.rejects(run.committer.requeue(former(5)), { name: "AbortError" });
    await run.stop();
    await late;
    await assert.rejects(run.committer.unsettleAll([{ lo: 1, hi: 1 }]), { name: "AbortError" });
    assert.equal(journal.lastSeq, 300);
  });

  test("when the one who asked fails while he is told, the log goes on and he hears of it", async (t) => {
    const journal = openJournal(t, folder(t));
    const run = runCommitter(t, journal);
    const failure = new Error("his file is full");
    const done = run.committer.requeue(former(300), () => {
      throw failure;
    });
    const told = assert.rejects(done, failure);
    await run.advance(1);
    await told;
    assert.equal(journal.lastSeq, 256);
    run.submit("a");
    await run.advance(250);
    assert.equal(run.committer.read(1, 257, 300).length, 257, "nothing is missing in memory");
    await run.stop();
  });
});

test("no commit runs a checkpoint, however long the WAL is; it comes after the acknowledgements", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir, { maxSizeBytes: 2 * 1024 * 1024 });
  const count = { inCommit: 0, outside: 0 };
  let isCommitting = false;
  const pragma = Reflect.get<Database.Database, "pragma">(Database.prototype, "pragma");
  t.mock.method(
    Database.prototype,
    "pragma",
    function (this: Database.Database, source: string, options?: Database.PragmaOptions) {
      if (source === "wal_checkpoint(PASSIVE)") count[isCommitting ? "inCommit" : "outside"] += 1;
      return pragma.call(this, source, options);
    },
  );
  const file = join(dir, "journal.db");
  const within =
    <Given, T>(write: (given: Given) => T) =>
    (given: Given): T => {
      isCommitting = true;
      const before = statSync(file);
      try {
        return write(given);
      } finally {
        isCommitting = false;
        const after = statSync(file);
        assert.deepEqual([after.size, after.mtimeMs], [before.size, before.mtimeMs]);
      }
    };
  journal.commit = within(journal.commit.bind(journal));
  journal.requeue = within(journal.requeue.bind(journal));
  const run = runCommitter(t, journal);
  const acknowledgedBefore: number[] = [];
  const checkpoint = journal.checkpointWhenDue.bind(journal);
  journal.checkpointWhenDue = () => {
    acknowledgedBefore.push(run.acknowledged.length);
    checkpoint();
  };
  for (let n = 0; n < 60; n += 1) {
    for (let k = 0; k < 10; k += 1) run.submit("y".repeat(10_000));
    await run.advance(250);
  }
  run.committer.settle(1, journal.lastSeq);
  const done = run.committer.requeue(former(50, 10_000));
  for (let n = 0; n < 5; n += 1) await run.advance(10);
  await done;
  assert.equal(run.acknowledged.length, 600);
  assert.ok(journal.evicted > 0, "the quota was never reached");
  assert.ok(
    acknowledgedBefore.every((acknowledged, index) => index >= 60 || acknowledged === 10 * (index + 1)),
  );
  assert.equal(count.inCommit, 0);
  assert.ok(count.outside > 0, "there was never a checkpoint");
  await run.stop();
});
