import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { Wakeup } from "../../../src/lib/wakeup.ts";
import { folder, message, messages, openJournal, query, runCommitter, seqs, slowed } from "./fixture.ts";

test("a message is acknowledged after its commit and not before, at the latest after the interval", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  const run = runCommitter(t, journal);
  run.submit("a");
  await run.advance(249);
  assert.deepEqual(run.acknowledged, []);
  assert.deepEqual(query(join(dir, "journal.db"), "SELECT seq FROM message"), []);
  await run.advance(1);
  assert.deepEqual(run.acknowledged, ["a"]);
  assert.deepEqual(query(join(dir, "journal.db"), "SELECT seq FROM message"), [[1]]);
  await run.stop();
});

test("when `committed` is called the message is in the file, and calls come in the order of submission", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  const run = runCommitter(t, journal);
  const seen: unknown[] = [];
  for (const text of ["a", "b", "c"]) {
    run.committer.submit(message(text), () => {
      const rows = query(join(dir, "journal.db"), "SELECT CAST(payload AS TEXT) FROM message ORDER BY seq");
      seen.push([text, rows.flat()]);
    });
  }
  await run.advance(250);
  assert.deepEqual(seen, [
    ["a", ["a", "b", "c"]],
    ["b", ["a", "b", "c"]],
    ["c", ["a", "b", "c"]],
  ]);
  await run.stop();
});

test("half of the window is committed at once, in one group", async (t) => {
  const journal = openJournal(t, folder(t));
  let half = 10;
  const run = runCommitter(t, journal, { groupCount: () => half });
  for (let n = 0; n < 9; n += 1) run.submit(`${n}`);
  await run.advance(0);
  assert.deepEqual(run.groups, []);
  run.submit("9");
  await run.advance(0);
  assert.deepEqual(run.groups, [10]);
  assert.equal(run.acknowledged.length, 10);
  half = 2;
  run.submit("x");
  run.submit("y");
  await run.advance(0);
  assert.deepEqual(run.groups, [10, 2]);
  await run.stop();
});

test("commits rest for twice as long as one takes when the window is full, and longer when it is not", async (t) => {
  const journal = openJournal(t, folder(t));
  const run = runCommitter(t, journal, { groupCount: () => 3, commitIntervalMs: 100 });
  slowed(run, journal, () => 20);
  for (const text of ["a", "b", "c"]) run.submit(text);
  await run.advance(0);
  assert.deepEqual(run.acknowledged, ["a", "b", "c"]);
  assert.equal(run.committer.lastCommitMs, 20);
  for (const text of ["d", "e", "f"]) run.submit(text);
  await run.advance(39);
  assert.equal(run.acknowledged.length, 3);
  await run.advance(1);
  assert.equal(run.acknowledged.length, 6);
  run.submit("g");
  await run.advance(199);
  assert.equal(run.acknowledged.length, 6, "its interval is over, the rest is not");
  await run.advance(1);
  assert.equal(run.acknowledged.length, 7);
  await run.stop();
});

test("one hiccup of the disk does not make the next group wait", async (t) => {
  const journal = openJournal(t, folder(t));
  const run = runCommitter(t, journal, { groupCount: () => 1 });
  let tookMs = 1;
  slowed(run, journal, () => tookMs);
  run.submit("a");
  await run.advance(10);
  tookMs = 900;
  run.submit("b");
  await run.advance(0);
  run.submit("c");
  await run.advance(2);
  assert.deepEqual(run.acknowledged, ["a", "b", "c"]);
  await run.stop();
});

test("a flood is committed in groups of bounded size, in order", async (t) => {
  const journal = openJournal(t, folder(t), { maxSizeBytes: 4 * 1024 * 1024 });
  assert.equal(journal.groupBytes, 512 * 1024);
  const run = runCommitter(t, journal);
  const order: number[] = [];
  messages(20, 100_000).forEach((flood, index) => {
    run.committer.submit(flood, () => order.push(index));
  });
  await run.advance(300);
  assert.deepEqual(run.groups, [5, 5, 5, 5]);
  assert.deepEqual(
    order,
    Array.from({ length: 20 }, (_, index) => index),
  );
  assert.equal(run.committer.waitingCount, 0);
  await run.stop();
});

test("a topic counts like a payload: for the size of a group and for the pressure on sources", async (t) => {
  const journal = openJournal(t, folder(t), { maxSizeBytes: 4 * 1024 * 1024 });
  const run = runCommitter(t, journal);
  // The longest that MQTT has: 21,845 characters of three bytes each. Eight are just below 512 KiB.
  const longest = message("", { topic: "€".repeat(21_845) });
  const submit = (count: number): void => {
    for (let n = 0; n < count; n += 1) run.committer.submit(longest, () => run.acknowledged.push("t"));
  };
  submit(9);
  await run.advance(0);
  assert.deepEqual(run.groups, [8], "it is full: nobody waits for the interval");
  submit(255);
  assert.equal(run.committer.isUnderPressure, false);
  submit(1);
  assert.equal(run.committer.isUnderPressure, true, "16 MiB wait");
  while (run.committer.waitingCount > 0) await run.advance(250);
  assert.equal(run.committer.isUnderPressure, false);
  assert.equal(run.acknowledged.length, 265);
  assert.equal(Math.max(...run.groups), 8);
  await run.stop();
});

test("a message larger than a group is committed by itself", async (t) => {
  const journal = openJournal(t, folder(t), { maxSizeBytes: 4 * 1024 * 1024 });
  const run = runCommitter(t, journal);
  for (const sent of messages(3, 700_000)) run.committer.submit(sent, () => run.acknowledged.push("big"));
  await run.advance(300);
  assert.deepEqual(run.groups, [1, 1, 1]);
  assert.equal(run.acknowledged.length, 3);
  await run.stop();
});

test("when a commit fails nothing is acknowledged and the committer ends", async (t) => {
  const journal = openJournal(t, folder(t));
  const broken = new Fault({
    code: "journal_write_failed",
    layer: "journal",
    disposition: "restart",
    message: "x",
  });
  const run = runCommitter(t, journal);
  journal.commit = () => {
    throw broken;
  };
  run.submit("a");
  await run.advance(250);
  await assert.rejects(run.done, broken);
  assert.deepEqual(run.acknowledged, []);
  assert.equal(run.committer.waitingCount, 1);
});

test("sources are under pressure by count and by bytes, and are relieved by a commit", async (t) => {
  const journal = openJournal(t, folder(t));
  const run = runCommitter(t, journal, { maxWaitingCount: 4 });
  for (const text of ["a", "b", "c"]) run.submit(text);
  assert.equal(run.committer.isUnderPressure, false);
  run.submit("d");
  assert.equal(run.committer.isUnderPressure, true);
  const { version } = run.committer.relieved;
  await run.advance(250);
  assert.equal(run.committer.isUnderPressure, false);
  assert.notEqual(run.committer.relieved.version, version);
  run.committer.submit(message("", { payload: Buffer.alloc(16 * 1024 * 1024) }), () => {});
  assert.equal(run.committer.isUnderPressure, true);
  await run.advance(250);
  assert.equal(run.committer.isUnderPressure, false);
  await run.stop();
});

test("consumers are woken by a commit and read what is new from memory", async (t) => {
  const journal = openJournal(t, folder(t));
  const committed = new Wakeup();
  const run = runCommitter(t, journal, { committed });
  run.submit("a");
  const { version } = committed;
  await run.advance(250);
  assert.notEqual(committed.version, version);
  journal.read = () => assert.fail("the file was read");
  assert.deepEqual(
    run.committer.read(1, run.committer.lastSeq, 10).map(({ payload }) => String(payload)),
    ["a"],
  );
  await run.stop();
});

test("settlement that no append carries is saved after five seconds, in one commit", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(10));
  const run = runCommitter(t, journal);
  run.committer.settle(1, 3);
  await run.advance(3000);
  run.committer.settle(4, 4);
  await run.advance(1999);
  assert.deepEqual(run.groups, []);
  await run.advance(1);
  assert.deepEqual(run.groups, [0]);
  assert.deepEqual(query(join(dir, "journal.db"), "SELECT lo, hi FROM settled"), [[1, 4]]);
  await run.advance(60_000);
  assert.deepEqual(run.groups, [0], "an idle daemon does not write");
  await run.stop();
});

test("settlement that may wait is saved with the next commit, or with what may not, or after five minutes", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(10));
  const run = runCommitter(t, journal);
  const saved = () => query(join(dir, "journal.db"), "SELECT lo, hi FROM settled");
  run.committer.settle(1, 1, true);
  await run.advance(60_000);
  assert.deepEqual(run.groups, []);
  run.submit("a");
  await run.advance(250);
  assert.deepEqual([run.groups, saved()], [[1], [[1, 1]]]);
  run.committer.settle(2, 2, true);
  await run.advance(60_000);
  run.committer.settle(3, 3);
  await run.advance(5000);
  assert.deepEqual([run.groups, saved()], [[1, 0], [[1, 3]]]);
  run.committer.settle(4, 4, true);
  await run.advance(299_999);
  assert.deepEqual(run.groups, [1, 0]);
  await run.advance(1);
  assert.deepEqual([run.groups, saved()], [[1, 0, 0], [[1, 4]]]);
  await run.stop();
});

test("settling what is settled already writes nothing", async (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(messages(10));
  journal.settle(1, 10);
  journal.commit([]);
  const run = runCommitter(t, journal);
  run.committer.settle(2, 5);
  await run.advance(10_000);
  assert.deepEqual(run.groups, []);
  await run.stop();
});

test("what somebody else settled in the journal is saved too", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(3));
  journal.settle(2, 2);
  const run = runCommitter(t, journal);
  await run.advance(5000);
  assert.deepEqual(query(join(dir, "journal.db"), "SELECT lo, hi FROM settled"), [[2, 2]]);
  await run.stop();
});

test("draining commits and acknowledges what waits, saves settlement, and ends", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(2));
  const run = runCommitter(t, journal);
  await run.advance(0);
  run.submit("a");
  run.committer.settle(1, 2);
  await run.stop();
  assert.deepEqual(run.acknowledged, ["a"]);
  const file = join(dir, "journal.db");
  assert.deepEqual(query(file, "SELECT lo, hi FROM settled"), [[1, 2]]);
  assert.deepEqual(query(file, "SELECT seq FROM message"), [[1], [2], [3]]);
});

test("draining saves settlement also when nobody submits", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(2));
  journal.settle(1, 1);
  const run = runCommitter(t, journal);
  await run.stop();
  assert.deepEqual(query(join(dir, "journal.db"), "SELECT lo, hi FROM settled"), [[1, 1]]);
});

test("a full journal acknowledges nothing, says so once a minute, and goes on when there is room", async (t) => {
  const journal = openJournal(t, folder(t), { maxSizeBytes: 1024 * 1024, whenFull: "stop_acking" });
  const run = runCommitter(t, journal);
  for (const sent of messages(80, 10_000)) journal.commit([sent]);
  while (run.log.faults.length === 0) {
    run.submit("y".repeat(10_000));
    await run.advance(10_000);
  }
  const owed = run.committer.waitingCount;
  const already = run.acknowledged.length;
  assert.ok(owed > 0);
  assert.deepEqual(
    run.log.faults.map(({ code, disposition }) => [code, disposition]),
    [["journal_full", "retry"]],
  );
  assert.equal(run.committer.trouble?.code, "journal_full");
  const before = seqs(journal);
  await run.advance(20_000);
  await run.advance(20_000);
  assert.equal(run.acknowledged.length, already, "nothing is acknowledged");
  assert.equal(run.log.faults.length, 1, "a full disk is not filled with its own story");
  assert.ok(run.groups.length > 3);
  await run.advance(20_000);
  await run.advance(10_000);
  assert.equal(run.log.faults.length, 2);
  assert.deepEqual(seqs(journal), before, "nothing is lost");
  run.committer.settle(1, 40);
  await run.advance(10_000);
  await run.advance(10_000);
  assert.equal(run.committer.waitingCount, 0);
  assert.equal(run.committer.trouble, undefined);
  assert.equal(run.acknowledged.length, already + owed);
  assert.equal(journal.evicted, 0);
  await run.stop();
});

test("while the journal is full, stopping leaves what waits to the broker instead of waiting for ever", async (t) => {
  const journal = openJournal(t, folder(t), { maxSizeBytes: 1024 * 1024, whenFull: "stop_acking" });
  const run = runCommitter(t, journal);
  for (let n = 0; n < 30; n += 1) run.submit("y".repeat(60_000));
  await run.advance(250);
  assert.ok(run.log.faults.length > 0);
  await run.stop();
  assert.ok(run.acknowledged.length < 30);
  assert.equal(seqs(journal).length, run.acknowledged.length, "what is not acknowledged is not claimed");
});

test("messages that are dropped for newer ones are said, with their number", async (t) => {
  const journal = openJournal(t, folder(t), { maxSizeBytes: 1024 * 1024 });
  const run = runCommitter(t, journal);
  for (let n = 0; n < 200; n += 1) run.submit("y".repeat(10_000));
  await run.advance(250);
  await run.advance(60_000);
  for (let n = 0; n < 100; n += 1) run.submit("y".repeat(10_000));
  await run.advance(250);
  assert.equal(run.acknowledged.length, 300);
  assert.ok(journal.evicted > 100);
  const [first, second] = run.log.faults;
  assert.equal(first?.code, "journal_full");
  assert.equal(first.disposition, "drop");
  assert.match(String(second?.message), /\d+ unsent messages were dropped/);
  assert.equal(seqs(journal).at(-1), 300);
  await run.stop();
});
