import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { folder, hourMs, message, messages, number, openJournal, seqs, startMs } from "./fixture.ts";

function aged(count: number, hours: number) {
  return Array.from({ length: count }, () => message("x", { receivedMs: startMs - hours * hourMs }));
}

function range(lo: number, hi: number): number[] {
  return Array.from({ length: hi - lo + 1 }, (_, index) => lo + index);
}

test("settled messages stay for keep_settled and then leave with a commit", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(10, 73), startMs);
  journal.commit(aged(10, 71), startMs);
  assert.deepEqual(seqs(journal), range(1, 20), "unsettled ones do not leave, however old");
  journal.settle(1, 20);
  journal.commit([], startMs);
  assert.deepEqual(seqs(journal), range(11, 20));
  journal.commit([], startMs + hourMs - 1);
  assert.deepEqual(seqs(journal), range(11, 20));
  journal.commit([], startMs + hourMs);
  assert.deepEqual(seqs(journal), []);
});

test("only the settled beginning of the log leaves: an unsettled message and all after it stay", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(10, 100), startMs);
  journal.settle(1, 4);
  journal.settle(6, 10);
  journal.commit([], startMs);
  assert.deepEqual(seqs(journal), range(5, 10));
  journal.settle(5, 5);
  journal.commit([], startMs);
  assert.deepEqual(seqs(journal), []);
});

test("a commit trims a bounded number, at least twice what it appends", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(1000, 100), startMs);
  journal.settle(1, 1000);
  journal.commit([], startMs);
  assert.equal(seqs(journal)[0], 65);
  journal.commit(messages(100), startMs);
  assert.equal(seqs(journal)[0], 265);
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
  for (let n = 0; n < 40; n += 1) {
    journal.commit(messages(10, 10_000), startMs);
    journal.settle(1, journal.lastSeq);
    for (let k = 0; k < 10; k += 1) journal.commit(messages(1, 100_000), startMs);
    journal.settle(1, journal.lastSeq);
    journal.checkpointWhenDue();
  }
  assert.ok(pages("page_count") < before - 2000, `${pages("page_count")} of ${before} pages`);
  const check = new Database(file, { readonly: true });
  assert.equal(check.pragma("integrity_check", { simple: true }), "ok");
  check.close();
});
