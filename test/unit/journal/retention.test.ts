import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import Database from "better-sqlite3";
import type { JournalConfig } from "../../../src/journal/config.ts";
import type { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage, JournalMessage } from "../../../src/journal/message.ts";
import {
  folder,
  hourMs,
  ManualClock,
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
/** The machine has been up for so long when a test begins. */
const upMs = 1000 * hourMs;

function upClock(): ManualClock {
  const clock = new ManualClock();
  clock.sinceBootMs = upMs;
  return clock;
}

function open(
  t: TestContext,
  changes: Partial<JournalConfig> = {},
  dir = folder(t),
): { readonly journal: Journal; readonly clock: ManualClock } {
  const clock = upClock();
  return { journal: openJournal(t, dir, changes, { clock }), clock };
}

/** Received so many hours before the test begins. */
function aged(count: number, hours: number, changes: Partial<IncomingMessage> = {}): IncomingMessage[] {
  const ms = hours * hourMs;
  const stamps = { receivedMs: startMs - ms, uptimeMs: upMs - ms };
  return Array.from({ length: count }, () => message("x", { ...stamps, ...changes }));
}

function commits(journal: Journal, count: number): void {
  for (let n = 0; n < count; n += 1) journal.commit([]);
}

test("settled messages stay for keep_settled and then leave with a commit", (t) => {
  const { journal, clock } = open(t);
  journal.commit(aged(10, 73));
  journal.commit(aged(10, 71));
  assert.deepEqual(seqs(journal), range(1, 20), "unsettled ones do not leave, however old");
  journal.settle(1, 20);
  clock.advance(minuteMs);
  journal.commit([]);
  assert.deepEqual(seqs(journal), range(11, 20));
  clock.advance(hourMs - minuteMs - 1);
  journal.commit([]);
  assert.deepEqual(seqs(journal), range(11, 20));
  clock.advance(minuteMs);
  journal.commit([]);
  assert.deepEqual(seqs(journal), []);
});

test("messages that stay unsettled are stepped over, and never leave", (t) => {
  const { journal, clock } = open(t);
  journal.commit(aged(400, 100));
  const owed = new Set([1, 5, 64, 65, 200, 400]);
  for (let seq = 1; seq <= 400; seq += 1) if (!owed.has(seq)) journal.settle(seq, seq);
  clock.advance(minuteMs);
  commits(journal, 10);
  assert.deepEqual(seqs(journal), [...owed]);
  journal.settle(5, 5);
  clock.advance(minuteMs);
  commits(journal, 10);
  assert.deepEqual(seqs(journal), [1, 64, 65, 200, 400]);
});

test("a commit trims a bounded number, at least twice what it appends, and the next goes on from there", (t) => {
  const { journal, clock } = open(t);
  journal.commit(aged(1000, 100));
  journal.settle(1, 1000);
  clock.advance(minuteMs);
  journal.commit([]);
  assert.equal(seqs(journal)[0], 65);
  journal.commit(aged(100, 0));
  assert.equal(seqs(journal)[0], 265);
  commits(journal, 100);
  assert.deepEqual(seqs(journal), range(1001, 1100));
});

test("what is settled while a pass goes on leaves only when it is old itself", (t) => {
  const { journal, clock } = open(t);
  journal.commit([...aged(60, 100), ...aged(1, 1), ...aged(60, 100)]);
  journal.settle(1, 60);
  journal.settle(62, 121);
  clock.advance(minuteMs);
  journal.commit([]);
  journal.settle(61, 61);
  commits(journal, 5);
  assert.deepEqual(seqs(journal), [61]);
});

test("what is owed again while a pass goes on does not leave with what is around it", (t) => {
  const { journal, clock } = open(t);
  // Those that were put back wait in the pass for one that is old.
  journal.requeue(former(100, 0));
  journal.commit(aged(100, 100));
  journal.settle(1, 200);
  clock.advance(minuteMs);
  journal.commit([]);
  assert.deepEqual(seqs(journal), range(1, 200), "the pass is in their midst");
  assert.equal(journal.unsettle(35, 36), 2);
  commits(journal, 10);
  assert.deepEqual(seqs(journal), range(1, 36), "those before them wait for them");
  journal.settle(35, 36);
  clock.advance(minuteMs);
  journal.commit(aged(1, 73));
  journal.settle(201, 201);
  clock.advance(minuteMs);
  commits(journal, 3);
  assert.deepEqual(seqs(journal), []);
});

test("after a pass the log is left alone for a minute", (t) => {
  const { journal, clock } = open(t);
  journal.commit(aged(10, 100));
  journal.commit([]);
  journal.settle(1, 10);
  clock.advance(minuteMs - 1);
  journal.commit([]);
  assert.deepEqual(seqs(journal), range(1, 10));
  clock.advance(1);
  journal.commit([]);
  assert.deepEqual(seqs(journal), []);
});

test("the wall clock may jump as it likes: nothing leaves early, and nothing late", (t) => {
  for (const jumpMs of [-1e6 * hourMs, -100 * hourMs, 100 * hourMs, 1e6 * hourMs]) {
    const { journal, clock } = open(t);
    const receive = (count: number): void => {
      const stamps = { receivedMs: clock.nowMs(), uptimeMs: clock.uptimeMs() };
      journal.commit(Array.from({ length: count }, () => message("x", stamps)));
      journal.settle(1, journal.lastSeq);
    };
    receive(5);
    clock.advance(hourMs);
    clock.wallMs += jumpMs;
    receive(5);
    clock.advance(71 * hourMs - 1);
    clock.wallMs -= jumpMs;
    journal.commit([]);
    assert.deepEqual(seqs(journal), range(1, 10), `${jumpMs}`);
    clock.advance(minuteMs);
    journal.commit([]);
    assert.deepEqual(seqs(journal), range(6, 10), `${jumpMs}`);
    clock.advance(hourMs);
    journal.commit([]);
    assert.deepEqual(seqs(journal), [], `${jumpMs}`);
  }
});

test("over reboots the time counts in which the machine ran, as far as the log saw it", (t) => {
  const dir = folder(t);
  const { journal, clock } = open(t, {}, dir);
  journal.commit(aged(10, 40));
  journal.commit(aged(10, 0));
  journal.settle(1, 20);
  journal.commit([]);
  journal.close();
  // Off for a year, and the wall clock is in 1970.
  const rebooted = new ManualClock();
  rebooted.wallMs = 0;
  rebooted.sinceBootMs = 1000;
  const next = openJournal(t, dir, {}, { clock: rebooted, bootId: "boot-b" });
  rebooted.advance(32 * hourMs - 1001);
  next.commit([]);
  assert.deepEqual(seqs(next), range(1, 20), "the year without power does not count");
  rebooted.advance(minuteMs);
  next.commit([]);
  assert.deepEqual(seqs(next), range(11, 20));
  assert.equal(clock.nowMs(), startMs);
});

/** As if they had been in a log before this one. */
function former(count: number, bootKey: number): JournalMessage[] {
  return aged(count, 500).map((one, index) => ({ ...one, seq: 1 + index, bootKey }));
}

test("what was put back has no age: it leaves with an old one that came after it, and makes none old", (t) => {
  const { journal, clock } = open(t);
  journal.commit(aged(3, 0));
  journal.requeue(former(3, journal.boots.currentKey));
  journal.requeue(former(3, 0));
  const foreign = { bootId: "boot-of-another-file", offsetMs: 5, isDecided: true };
  journal.requeue(former(3, journal.boots.adopt(foreign)));
  journal.settle(1, 12);
  clock.advance(71 * hourMs);
  commits(journal, 3);
  assert.deepEqual(seqs(journal), range(1, 12));
  journal.commit(aged(1, -71));
  journal.settle(13, 13);
  clock.advance(hourMs + minuteMs);
  commits(journal, 3);
  assert.deepEqual(seqs(journal), range(4, 13), "those that were received have been there for 72 hours");
  clock.advance(71 * hourMs);
  commits(journal, 3);
  assert.deepEqual(seqs(journal), []);
});

test("a journal from before running time was counted counts from then on", (t) => {
  const dir = folder(t);
  const { journal } = open(t, {}, dir);
  journal.commit(aged(10, 400));
  journal.settle(1, 10);
  journal.commit([]);
  journal.close();
  const file = join(dir, "journal.db");
  const old = new Database(file);
  old.exec("ALTER TABLE boot DROP COLUMN running_ms; PRAGMA user_version = 1");
  old.close();
  const { journal: next, clock } = open(t, {}, dir);
  assert.deepEqual(next.openingFaults, []);
  next.commit([]);
  assert.deepEqual(seqs(next), [], "of the same boot: how long it has been up is known");
  next.commit(aged(5, 0));
  next.settle(11, 15);
  clock.advance(72 * hourMs - 1);
  next.commit([]);
  assert.deepEqual(seqs(next), range(11, 15));
});

test("what is still to be projected stays, settled and old as it may be, until it is not kept any longer", (t) => {
  const { journal, clock } = open(t, { keepSettledMs: 0 });
  journal.commit(aged(300, 100));
  journal.settle(1, 100);
  journal.settle(102, 300);
  journal.keepFrom(151);
  const trims = (): void => {
    for (let n = 1; n <= 10; n += 1) {
      clock.advance(minuteMs);
      journal.commit([]);
    }
  };
  trims();
  assert.deepEqual(seqs(journal), [101, ...range(151, 300)]);
  journal.keepFrom(301);
  trims();
  assert.deepEqual(seqs(journal), [101]);
  assert.equal(journal.unprojected, 0);
});

test("what lies before the oldest message is one settled interval, whatever became of it", (t) => {
  const dir = folder(t);
  const { journal } = open(t, {}, dir);
  journal.commit(aged(100, 1));
  for (let seq = 1; seq <= 40; seq += 2) journal.settle(seq, seq);
  journal.settle(70, 80);
  journal.commit([]);
  journal.close();
  // Rows that are gone without a word, as after the repair of a damaged file.
  const file = join(dir, "journal.db");
  const other = new Database(file);
  other.exec("DELETE FROM message WHERE seq <= 60");
  other.close();
  const { journal: next } = open(t, {}, dir);
  assert.equal(next.backlog, 100 - 20 - 11);
  next.commit([]);
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
  const { journal, clock } = open(t);
  journal.commit(aged(50, 100));
  journal.settle(1, 10);
  const broken = message("x", { receivedMs: Number.NaN });
  for (let n = 1; n <= 3; n += 1) {
    clock.advance(minuteMs);
    assert.throws(() => journal.commit([broken]), { code: "journal_write_failed" });
  }
  assert.equal(journal.backlog, 40);
  assert.deepEqual(journal.settled.intervals, [{ lo: 1, hi: 10 }]);
  for (let n = 4; n <= 6; n += 1) {
    clock.advance(minuteMs);
    journal.commit([]);
  }
  assert.deepEqual(seqs(journal), range(11, 50));
});

test("the file stays within its quota and keeps its pages, and gives them back when the log has shrunk", (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const quota = 32 * 1024 * 1024;
  const { journal, clock } = open(t, { maxSizeBytes: quota, keepSettledMs: 0 }, dir);
  const pages = (pragma: string): number => number(file, `PRAGMA ${pragma}`);
  for (let n = 0; n < 50; n += 1) {
    journal.commit(messages(10, 100_000));
    journal.checkpointWhenDue();
    assert.ok(pages("page_count") * 4096 <= quota);
  }
  assert.ok(journal.evicted > 0);
  const before = pages("page_count");
  journal.settle(1, journal.lastSeq);
  for (let n = 1; n <= 40; n += 1) {
    clock.advance(minuteMs);
    journal.commit(messages(10, 10_000));
    journal.settle(1, journal.lastSeq);
    for (let k = 0; k < 10; k += 1) journal.commit(messages(1, 100_000));
    journal.settle(1, journal.lastSeq);
    journal.checkpointWhenDue();
  }
  assert.ok(pages("page_count") < before - 2000, `${pages("page_count")} of ${before} pages`);
  const check = new Database(file, { readonly: true });
  assert.equal(check.pragma("integrity_check", { simple: true }), "ok");
  check.close();
});
