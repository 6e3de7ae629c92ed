import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import {
  folder,
  hourMs,
  message,
  messages,
  number,
  openJournal,
  query,
  range,
  seqs,
  startMs,
} from "./fixture.ts";

const minuteMs = 60_000;

function aged(count: number, hours: number, changes: Partial<IncomingMessage> = {}): IncomingMessage[] {
  const receivedMs = startMs - hours * hourMs;
  return Array.from({ length: count }, () => message("x", { receivedMs, ...changes }));
}

/** Received before the clock of the machine was ever set. */
const unset = { receivedMs: 5000, clockTrusted: false };

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

test("what is still to be projected stays, settled and old as it may be, until it is not kept any longer", (t) => {
  const journal = openJournal(t, folder(t), { keepSettledMs: 0 });
  journal.commit(aged(300, 100), startMs);
  journal.settle(1, 100);
  journal.settle(102, 300);
  journal.keepFrom(151);
  for (let n = 1; n <= 10; n += 1) journal.commit([], startMs + n * minuteMs);
  assert.deepEqual(seqs(journal), [101, ...range(151, 300)]);
  journal.keepFrom(301);
  for (let n = 11; n <= 20; n += 1) journal.commit([], startMs + n * minuteMs);
  assert.deepEqual(seqs(journal), [101]);
  assert.equal(journal.unprojected, 0);
});

test("what lies before the oldest message is one settled interval, whatever became of it", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(aged(100, 1), startMs);
  for (let seq = 1; seq <= 40; seq += 2) journal.settle(seq, seq);
  journal.settle(70, 80);
  journal.commit([], startMs);
  journal.close();
  // Rows that are gone without a word, as after the repair of a damaged file.
  const file = join(dir, "journal.db");
  const other = new Database(file);
  other.exec("DELETE FROM message WHERE seq <= 60");
  other.close();
  const next = openJournal(t, dir);
  assert.equal(next.backlog, 100 - 20 - 11);
  next.commit([], startMs + minuteMs);
  const expected = [
    { lo: 1, hi: 60 },
    { lo: 70, hi: 80 },
  ];
  assert.deepEqual(next.settled.intervals, expected);
  assert.equal(next.backlog, 29);
  assert.deepEqual(
    query(file, "SELECT lo, hi FROM settled"),
    expected.map(({ lo, hi }) => [lo, hi]),
  );
});

test("what a failed commit would have trimmed is not taken for gone", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit(aged(50, 100), startMs);
  journal.settle(1, 10);
  const broken = message("x", { receivedMs: Number.NaN });
  for (let n = 1; n <= 3; n += 1) {
    assert.throws(() => journal.commit([broken], startMs + n * minuteMs), { code: "journal_write_failed" });
  }
  assert.equal(journal.backlog, 40);
  assert.deepEqual(journal.settled.intervals, [{ lo: 1, hi: 10 }]);
  for (let n = 4; n <= 6; n += 1) journal.commit([], startMs + n * minuteMs);
  assert.deepEqual(seqs(journal), range(11, 50));
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
