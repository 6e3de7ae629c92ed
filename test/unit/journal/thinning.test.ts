/** A full journal gives up what is settled, then logs, txacks and statistics, before uplinks: also from among these. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import Database from "better-sqlite3";
import type { Journal } from "../../../src/journal/journal.ts";
import type { IncomingMessage } from "../../../src/journal/message.ts";
import { isMinor } from "../../../src/journal/minor.ts";
import { countWork, folder, message, number, openJournal, query, range, seqs } from "./fixture.ts";

const quota = { maxSizeBytes: 8 * 1024 * 1024 };
const minorTopics = [
  "application/1/device/0102030405060708/event/log",
  "application/1/device/0102030405060708/event/txack",
  "eu868/gateway/0102030405060708/event/stats",
];

function minorMessage(text: string): IncomingMessage {
  return message(text, { topic: minorTopics[text.length % 3] ?? "" });
}

/** Of so many messages of some 400 bytes, those at which `isMinorAt` are minor. */
function mixed(first: number, count: number, isMinorAt: (seq: number) => boolean): IncomingMessage[] {
  return range(first, first + count - 1).map((seq) => {
    const text = `${seq} `.padEnd(250 + ((seq * 37) % 200), "x");
    return isMinorAt(seq) ? minorMessage(text) : message(text);
  });
}

/** Appends until `isDone`, and looks after each commit at what has left. */
function fill(
  journal: Journal,
  isMinorAt: (seq: number) => boolean,
  isDone: () => boolean,
  look = (): void => {},
): void {
  for (let n = 0; !isDone(); n += 1) {
    assert.ok(n < 2000, "it never comes to that");
    journal.commit(mixed(journal.lastSeq + 1, 100, isMinorAt));
    look();
  }
}

const every = (step: number) => (seq: number) => seq % step === 0;

test("logs, txacks and statistics of gateways are minor, in any version's topics; what cannot be told is not", () => {
  const minor = [
    ...minorTopics,
    "application/1/device/0102030405060708/event/error",
    "gateway/0102030405060708/event/stats",
    "site/a/device/0102030405060708/log",
  ];
  const others = [
    "application/1/device/0102030405060708/event/up",
    "application/1/device/0102030405060708/event/ack",
    "application/1/device/0102030405060708/event/join",
    "gateway/0102030405060708/event/up",
    "gateway/0102030405060708/state/conn",
    "application/stats",
    "uplinks",
    "",
  ];
  for (const topic of minor) assert.equal(isMinor(topic), true, topic);
  for (const topic of others) assert.equal(isMinor(topic), false, topic);
});

describe("minor messages among uplinks that are owed", () => {
  test("go before any uplink, the oldest first, counted, settled, and gone for good", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir, quota);
    fill(journal, every(4), () => journal.evicted > 2000);
    const present = new Set(seqs(journal));
    const missing = range(1, journal.lastSeq).filter((seq) => !present.has(seq));
    assert.deepEqual(
      missing,
      range(1, missing.length).map((n) => 4 * n),
      "every fourth, from the first on",
    );
    assert.equal(journal.evicted, missing.length);
    assert.equal(journal.evictedMinor, missing.length);
    assert.equal(journal.backlog, present.size);
    assert.ok(missing.every((seq) => journal.settled.has(seq)));
    journal.commit([]);
    const again = openJournal(t, dir, quota);
    assert.deepEqual([again.evicted, again.evictedMinor], [missing.length, missing.length]);
    assert.equal(again.backlog, present.size);
  });

  test("are nearly all gone when the first uplink goes, and then uplinks go, the oldest first", (t) => {
    const journal = openJournal(t, folder(t), { maxSizeBytes: 2 * 1024 * 1024 });
    fill(journal, every(4), () => journal.evicted > journal.evictedMinor);
    // But for the last group, which came when room had been made, and less than a stretch before it.
    const minorLeft = seqs(journal).filter((seq) => seq % 4 === 0 && seq <= journal.lastSeq - 100);
    assert.ok(minorLeft.length <= 25, `${minorLeft.length} minor ones`);
    assert.ok(minorLeft.every((seq) => seq > journal.lastSeq - 200));
    const present = new Set(seqs(journal));
    const uplinks = range(1, journal.lastSeq).filter((seq) => seq % 4 > 0);
    const lost = uplinks.filter((seq) => !present.has(seq));
    assert.deepEqual(lost, uplinks.slice(0, lost.length));
    assert.equal(journal.evicted - journal.evictedMinor, lost.length);
  });

  test("what stays is the same to the last byte, and the file is whole", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir, quota);
    const before = new Map<number, unknown>();
    const file = join(dir, "journal.db");
    let known = 0;
    fill(
      journal,
      every(5),
      () => journal.evictedMinor > 1000,
      () => {
        for (const one of journal.read(known + 1, journal.lastSeq, 1000)) before.set(one.seq, one);
        known = journal.lastSeq;
      },
    );
    for (const one of journal.read(1, journal.lastSeq, 1_000_000)) assert.deepEqual(one, before.get(one.seq));
    assert.deepEqual(query(file, "PRAGMA quick_check"), [["ok"]]);
    assert.equal(number(file, "SELECT count(*) FROM message WHERE flags < 268435456"), 0, "all are sealed");
  });

  test("where they are few they are left alone, and go with the oldest", (t) => {
    const journal = openJournal(t, folder(t), quota);
    fill(journal, every(12), () => journal.evicted > 0);
    const [first = 0] = seqs(journal);
    assert.deepEqual(seqs(journal), range(first, journal.lastSeq));
    assert.equal(journal.evicted, first - 1);
    assert.equal(journal.evictedMinor, Math.floor((first - 1) / 12));
  });

  test("what is settled beside them goes along; of what is still to be projected that is counted", (t) => {
    const journal = openJournal(t, folder(t), quota);
    journal.keepFrom(2001);
    // Two of four are settled, too finely to go by themselves.
    fill(
      journal,
      every(4),
      () => journal.evictedMinor > 1000,
      () => {
        for (let seq = journal.lastSeq - 99; seq <= journal.lastSeq; seq += 1) {
          if (seq % 4 === 1 || seq % 4 === 3) journal.settle(seq, seq);
        }
      },
    );
    const present = new Set(seqs(journal));
    const missing = range(1, journal.lastSeq).filter((seq) => !present.has(seq));
    assert.ok(
      missing.every((seq) => seq % 4 !== 2),
      "no uplink is lost",
    );
    assert.equal(journal.evicted, missing.filter(every(4)).length);
    assert.equal(journal.unprojected, missing.filter((seq) => seq % 4 > 0 && seq > 2000).length);
    assert.ok(journal.unprojected > 0);
  });

  test("stop_acking: they stay, and so they do for what is put back", (t) => {
    const full = { code: "journal_full", disposition: "retry" };
    const dir = folder(t);
    const stopping = openJournal(t, dir, { ...quota, whenFull: "stop_acking" });
    assert.throws(() => {
      fill(stopping, every(4), () => false);
    }, full);
    assert.deepEqual(seqs(stopping), range(1, stopping.lastSeq));
    stopping.close();
    const dropping = openJournal(t, dir, quota);
    const [first] = dropping.read(1, 1, 1);
    assert.ok(first !== undefined);
    assert.throws(() => {
      for (let n = 0; n < 100; n += 1) dropping.requeue(Array.from({ length: 100 }, () => first));
    }, full);
    assert.equal(dropping.evicted, 0);
  });
});

/** Uplinks up to what the quota just holds, and the journal's file. */
function filled(t: TestContext): { readonly journal: Journal; readonly file: string } {
  const dir = folder(t);
  const journal = openJournal(t, dir, quota);
  while (journal.lastSeq < 18_000) journal.commit(mixed(journal.lastSeq + 1, 100, never));
  return { journal, file: join(dir, "journal.db") };
}

const never = (): boolean => false;

function settleEvery(journal: Journal, step: number): void {
  for (let seq = step; seq <= journal.lastSeq; seq += step) journal.settle(seq, seq);
}

describe("settled messages among uplinks that are owed", () => {
  test("go before any of these, and again when more of them have been settled since", (t) => {
    const { journal, file } = filled(t);
    const before = new Map(journal.read(1, 18_000, 18_000).map((one) => [one.seq, one]));
    for (const [step, count] of [
      [5, 3000],
      [4, 3000],
      [3, 3000],
    ] as const) {
      settleEvery(journal, step);
      const { lastSeq } = journal;
      while (journal.lastSeq < lastSeq + count) journal.commit(mixed(journal.lastSeq + 1, 100, never));
    }
    assert.equal(journal.evicted, 0);
    const left = journal.read(1, 18_000, 18_000);
    assert.ok(left.length < 18_000 - 5000, `${left.length} are left`);
    for (const one of left) assert.deepEqual(one, before.get(one.seq));
    const present = new Set(left.map(({ seq }) => seq));
    for (const seq of range(1, 18_000)) assert.ok(present.has(seq) || journal.settled.has(seq), `${seq}`);
    assert.deepEqual(query(file, "PRAGMA quick_check"), [["ok"]]);
  });

  test("where they are few they are looked at once, and go with the oldest", (t) => {
    const work = countWork(t);
    const { journal } = filled(t);
    settleEvery(journal, 12);
    work.rows = 0;
    while (journal.evicted < 4000) journal.commit(mixed(journal.lastSeq + 1, 100, never));
    const [first = 0] = seqs(journal);
    assert.deepEqual(seqs(journal), range(first, journal.lastSeq));
    assert.ok(Math.abs(journal.evicted - (11 / 12) * (first - 1)) <= 1);
    // For them, for what goes by itself and for minor ones; and what was inserted and evicted.
    assert.ok(work.rows < 6 * journal.lastSeq, `${work.rows} rows for ${journal.lastSeq}`);
  });

  test("owed again they stay", (t) => {
    const { journal } = filled(t);
    settleEvery(journal, 2);
    // Looked at, and a part of them taken.
    while (seqs(journal).length === journal.lastSeq) journal.commit(mixed(journal.lastSeq + 1, 100, never));
    const again = journal.unsettle(1, journal.lastSeq);
    assert.ok(again > 5000, `${again} are still there`);
    const before = seqs(journal);
    while (journal.evicted === 0) journal.commit(mixed(journal.lastSeq + 1, 100, never));
    const [first = 0] = seqs(journal);
    assert.deepEqual(
      seqs(journal).filter((seq) => seq <= 18_000),
      before.filter((seq) => seq >= first && seq <= 18_000),
    );
  });

  test("where rewriting finds no space, room is made without it, and nobody speaks of a full disk", (t) => {
    const insert = { fails: false };
    failRewriting(t, insert);
    const { journal } = filled(t);
    while (journal.evicted === 0) journal.commit(mixed(journal.lastSeq + 1, 100, never));
    settleEvery(journal, 2);
    insert.fails = true;
    const group = mixed(journal.lastSeq + 1, 1000, never);
    journal.commit(group);
    assert.deepEqual(seqs(journal).slice(-1000), range(journal.lastSeq - 999, journal.lastSeq));
  });
});

/** Of databases that are opened from now on: rows come back as they were, with whole numbers of their own kind. */
function failRewriting(t: TestContext, insert: { readonly fails: boolean }): void {
  const prepare = Reflect.get(Database.prototype, "prepare") as (sql: string) => Database.Statement;
  t.mock.method(Database.prototype, "prepare", function (this: Database.Database, sql: string) {
    const statement = prepare.call(this, sql);
    const run = statement.run.bind(statement);
    statement.run = (...values) => {
      if (insert.fails && typeof values[0] === "bigint") {
        throw new Database.SqliteError("database or disk is full", "SQLITE_FULL");
      }
      return run(...values);
    };
    return statement;
  });
}

test("what is rewritten counts for the next checkpoint", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir, { maxSizeBytes: 16 * 1024 * 1024 });
  while (journal.evicted < 2000) {
    journal.commit(mixed(journal.lastSeq + 1, 100, (seq) => seq % 7 === 0));
    journal.checkpointWhenDue();
  }
  const walBytes = statSync(join(dir, "journal.db-wal")).size;
  assert.ok(walBytes < 8 * 1024 * 1024, `${walBytes} bytes`);
});

test("each commit rewrites a bounded part of the log, and each row once", (t) => {
  const work = countWork(t);
  const journal = openJournal(t, folder(t), { maxSizeBytes: 16 * 1024 * 1024 });
  let largest = 0;
  let rewritten = 0;
  work.rows = 0;
  fill(
    journal,
    every(7),
    () => journal.evicted > journal.evictedMinor,
    () => {
      largest = Math.max(largest, work.rows);
      rewritten += journal.evictedMinor === 0 ? 0 : work.rows;
      work.rows = 0;
    },
  );
  // 100 inserted; 2,048 read, deleted and inserted again, and looked at before; 1 MiB evicted.
  assert.ok(largest > 4000 && largest < 16_000, `${largest} rows`);
  // Looked at, read, deleted and inserted once each, and then some.
  assert.ok(rewritten < 6 * journal.lastSeq, `${rewritten} rows for ${journal.lastSeq}`);
});
