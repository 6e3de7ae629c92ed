import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { folder, hourMs, message, messages, number, openJournal, seqs, startMs } from "./fixture.ts";

const minuteMs = 60_000;

function aged(count: number, hours: number, changes: Partial<IncomingMessage> = {}): IncomingMessage[] {
  const receivedMs = startMs - hours * hourMs;
  return Array.from({ length: count }, () => message("x", { receivedMs, ...changes }));
}

/** Received before the clock of the machine was ever set. */
const unset = { receivedMs: 5000, clockTrusted: false };

function range(lo: number, hi: number): number[] {
  return Array.from({ length: hi - lo + 1 }, (_, index) => lo + index);
}

test("settled messages stay for keep_settled and then leave with a commit", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(10, 73), startMs);
  journal.commit(aged(10, 71), startMs);
  assert.deepEqual(seqs(journal), range(1, 20), "unsettled ones do not leave, however old");
  journal.settle(1, 20);
  journal.commit([], startMs + minuteMs);
  assert.deepEqual(seqs(journal), range(11, 20));
  journal.commit([], startMs + hourMs - 1);
  assert.deepEqual(seqs(journal), range(11, 20));
  journal.commit([], startMs + hourMs + minuteMs);
  assert.deepEqual(seqs(journal), []);
});

test("messages that stay unsettled are stepped over, and never leave", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(400, 100), startMs);
  const owed = new Set([1, 5, 64, 65, 200, 400]);
  for (let seq = 1; seq <= 400; seq += 1) if (!owed.has(seq)) journal.settle(seq, seq);
  for (let n = 0; n < 10; n += 1) journal.commit([], startMs + minuteMs);
  assert.deepEqual(seqs(journal), [...owed]);
  journal.settle(5, 5);
  for (let n = 0; n < 10; n += 1) journal.commit([], startMs + 2 * minuteMs);
  assert.deepEqual(seqs(journal), [1, 64, 65, 200, 400]);
});

test("a commit trims a bounded number, at least twice what it appends, and the next goes on from there", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(1000, 100), startMs);
  journal.settle(1, 1000);
  const nowMs = startMs + minuteMs;
  journal.commit([], nowMs);
  assert.equal(seqs(journal)[0], 65);
  journal.commit(messages(100), nowMs);
  assert.equal(seqs(journal)[0], 265);
  for (let n = 0; n < 100; n += 1) journal.commit([], nowMs);
  assert.deepEqual(seqs(journal), range(1001, 1100));
});

test("what is settled while a pass goes on leaves only when it is old itself", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit([...aged(60, 100), ...aged(1, 1), ...aged(60, 100)], startMs);
  journal.settle(1, 60);
  journal.settle(62, 121);
  const nowMs = startMs + minuteMs;
  journal.commit([], nowMs);
  journal.settle(61, 61);
  for (let n = 0; n < 5; n += 1) journal.commit([], nowMs);
  assert.deepEqual(seqs(journal), [61]);
});

test("after a pass the log is left alone for a minute, and not for longer when the clock goes back", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(10, 100), startMs);
  journal.commit([], startMs);
  journal.settle(1, 10);
  journal.commit([], startMs + minuteMs - 1);
  assert.deepEqual(seqs(journal), range(1, 10));
  journal.commit([], startMs - 20 * hourMs);
  assert.deepEqual(seqs(journal), []);
});

test("the age of a message from an unset clock is that of an old one after it", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit([...aged(70, 0, unset), ...aged(3, 71)], startMs);
  journal.commit(aged(5, 0, unset), startMs);
  journal.settle(1, 78);
  for (let n = 0; n < 5; n += 1) journal.commit([], startMs + minuteMs);
  assert.equal(seqs(journal).length, 78, "none is old as far as can be told");
  for (let n = 0; n < 5; n += 1) journal.commit([], startMs + hourMs + minuteMs);
  assert.deepEqual(seqs(journal), range(74, 78), "and those at the end are still not");
});

test("such messages hold nothing up: what is old after an unsettled one leaves, they stay", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit([...aged(3, 0, unset), ...aged(1, 100), ...aged(4, 100)], startMs);
  journal.settle(1, 3);
  journal.settle(5, 8);
  journal.commit([], startMs + minuteMs);
  assert.deepEqual(seqs(journal), range(1, 4));
});

test("a clock that went back trims nothing", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(10, 1), startMs);
  journal.settle(1, 10);
  journal.commit([], 0);
  assert.deepEqual(seqs(journal), range(1, 10));
});

const small = { maxSizeBytes: 1024 * 1024 };

test("drop_oldest: settled messages of any age go first, and do not count as evicted", (t) => {
  const journal = openJournal(t, folder(t), small);
  journal.commit(messages(40, 10_000), startMs);
  journal.settle(1, 10);
  journal.settle(21, 30);
  while (seqs(journal).includes(10)) journal.commit(messages(1, 10_000), startMs);
  assert.equal(journal.evicted, 0);
  const present = new Set(seqs(journal));
  for (const seq of range(11, 20)) assert.ok(present.has(seq), `${seq} is owed`);
  while (seqs(journal).includes(30)) journal.commit(messages(1, 10_000), startMs);
  assert.equal(journal.evicted, 0);
  for (const seq of [...range(11, 20), ...range(31, 40)]) assert.ok(seqs(journal).includes(seq));
});

test("drop_oldest: then the oldest unsettled ones, counted, settled, and gone for good", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir, small);
  for (let n = 0; n < 300; n += 1) journal.commit(messages(1, 10_000), startMs);
  const left = seqs(journal);
  const gone = 300 - left.length;
  assert.ok(gone > 150);
  assert.deepEqual(left, range(gone + 1, 300), "the newest are kept");
  assert.equal(journal.evicted, gone);
  assert.equal(journal.backlog, left.length);
  assert.deepEqual(journal.settled.intervals, [{ lo: 1, hi: gone }]);
  assert.equal(openJournal(t, dir, small).evicted, gone);
});

test("drop_oldest: one step of eviction leaves most of a small journal", (t) => {
  const journal = openJournal(t, folder(t), small);
  let stored = 0;
  while (journal.evicted === 0) {
    journal.commit(messages(1, 5000), startMs);
    stored += 1;
  }
  assert.ok(journal.evicted < stored / 4, `${journal.evicted} of ${stored}`);
});

test("drop_oldest: evicted ones that were settled already are not counted", (t) => {
  const journal = openJournal(t, folder(t), small);
  journal.commit(messages(70, 10_000), startMs);
  // Every second one: each group that is dropped holds settled and unsettled ones.
  for (let seq = 1; seq <= 70; seq += 2) journal.settle(seq, seq);
  for (let n = 0; n < 90; n += 1) journal.commit(messages(1, 10_000), startMs);
  const present = new Set(seqs(journal));
  const lost = range(1, 160).filter((seq) => !present.has(seq) && (seq > 70 || seq % 2 === 0));
  assert.ok(lost.length > 0);
  assert.equal(journal.evicted, lost.length);
});

test("long topics fill the quota, not the disk", (t) => {
  const journal = openJournal(t, folder(t), small);
  const topic = "ü".repeat(30_000);
  const group = Array.from({ length: 5 }, () => message("x", { topic }));
  for (let n = 0; n < 12; n += 1) journal.commit(group, startMs);
  assert.ok(journal.evicted > 30, `${journal.evicted}`);
  assert.deepEqual(seqs(journal).slice(-5), range(56, 60));
});

test("what can never fit drops nothing", (t) => {
  const journal = openJournal(t, folder(t), small);
  journal.commit(messages(40, 10_000), startMs);
  assert.throws(() => journal.commit(messages(1, 2_000_000), startMs), {
    code: "journal_full",
    disposition: "retry",
    hint: "raise [journal] max_size",
  });
  assert.deepEqual(seqs(journal), range(1, 40));
  assert.equal(journal.evicted, 0);
});

test("stop_acking: nothing is dropped, and it goes on once some have been settled", (t) => {
  const journal = openJournal(t, folder(t), { ...small, whenFull: "stop_acking" });
  const full = { code: "journal_full", disposition: "retry", layer: "journal" };
  let stored = 0;
  assert.throws(() => {
    for (; stored < 1000; stored += 1) journal.commit(messages(1, 10_000), startMs);
  }, full);
  assert.ok(stored > 50 && stored < 110);
  assert.throws(() => journal.commit(messages(1, 10_000), startMs), full);
  assert.deepEqual(seqs(journal), range(1, stored));
  assert.equal(journal.lastSeq, stored);
  journal.settle(5, 9);
  assert.equal(journal.commit(messages(1, 10_000), startMs)[0]?.seq, stored + 1);
  assert.equal(journal.evicted, 0);
  const present = new Set(seqs(journal));
  for (const seq of [...range(1, 4), ...range(10, stored + 1)]) assert.ok(present.has(seq), `${seq}`);
});

test("the file stays within its quota and keeps its pages, and gives them back when the log has shrunk", (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const quota = 32 * 1024 * 1024;
  const journal = openJournal(t, dir, { maxSizeBytes: quota, keepSettledMs: 0 });
  const pages = (pragma: string): number => number(file, `PRAGMA ${pragma}`);
  for (let n = 0; n < 50; n += 1) {
    journal.commit(messages(10, 100_000), startMs);
    journal.checkpointWhenDue();
    assert.ok(pages("page_count") * 4096 <= quota);
  }
  assert.ok(journal.evicted > 0);
  const before = pages("page_count");
  journal.settle(1, journal.lastSeq);
  for (let n = 1; n <= 40; n += 1) {
    const nowMs = startMs + n * minuteMs;
    journal.commit(messages(10, 10_000), nowMs);
    journal.settle(1, journal.lastSeq);
    for (let k = 0; k < 10; k += 1) journal.commit(messages(1, 100_000), nowMs);
    journal.settle(1, journal.lastSeq);
    journal.checkpointWhenDue();
  }
  assert.ok(pages("page_count") < before - 2000, `${pages("page_count")} of ${before} pages`);
  const check = new Database(file, { readonly: true });
  assert.equal(check.pragma("integrity_check", { simple: true }), "ok");
  check.close();
});
