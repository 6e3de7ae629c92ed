import assert from "node:assert/strict";
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { Fault } from "../../../src/lib/fault.ts";
import { markOf } from "../../../src/sqlite/damage.ts";
import { folder, ManualClock, message, messages, number, openJournal, query, seqs } from "./fixture.ts";

test("the journal's own connection commits with synchronous=FULL in WAL mode and never checkpoints by itself", (t) => {
  const pragma = t.mock.method(Database.prototype, "pragma");
  openJournal(t, folder(t));
  const [call] = pragma.mock.calls;
  assert.ok(call !== undefined);
  const connection = call.this as Database.Database;
  const setting = (name: string): unknown => connection.pragma(name, { simple: true });
  assert.equal(setting("synchronous"), 2);
  assert.equal(setting("journal_mode"), "wal");
  assert.equal(setting("wal_autocheckpoint"), 0);
  assert.equal(setting("auto_vacuum"), 2);
  assert.equal(setting("max_page_count"), (64 * 1024 * 1024) / 4096);
  assert.equal(setting("cache_size"), -2048);
});

test("a message comes back as it went in, byte for byte, also after a restart", (t) => {
  const dir = folder(t);
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const odd = [
    message("", { payload: every }),
    message("", { payload: Buffer.alloc(0), qos: 2, retained: true }),
    message("", { payload: Buffer.alloc(300_000, 7), duplicate: true, clockTrusted: false, qos: 0 }),
    message("x", { topic: "äöü/\u0000/😀", source: "zweite Quelle", receivedMs: -5, uptimeMs: 17.4 }),
  ];
  const journal = openJournal(t, dir);
  const stored = journal.commit(odd);
  assert.deepEqual(
    stored.map(({ seq, bootKey }) => [seq, bootKey]),
    [1, 2, 3, 4].map((seq) => [seq, 1]),
  );
  const expected = odd.map((sent, index) => ({
    ...sent,
    payload: Buffer.from(sent.payload),
    uptimeMs: Math.round(sent.uptimeMs),
    seq: index + 1,
    bootKey: 1,
  }));
  assert.deepEqual(journal.read(1, 4, 10), expected);
  const second = openJournal(t, dir);
  assert.deepEqual(second.read(1, 4, 10), expected);
  assert.deepEqual(second.read(2, 3, 1), expected.slice(1, 2));
  assert.deepEqual(second.read(5, 9, 10), []);
});

test("a failed commit stores nothing, gives no seq away, and is a fault that nobody retries", (t) => {
  const journal = openJournal(t, folder(t));
  journal.commit([message("a")]);
  const broken = message("c", { receivedMs: Number.NaN });
  assert.throws(() => journal.commit([message("b"), broken]), {
    code: "journal_write_failed",
    disposition: "restart",
  });
  assert.equal(journal.lastSeq, 1);
  assert.deepEqual(seqs(journal), [1]);
  journal.commit([message("d")]);
  assert.deepEqual(
    journal.read(2, 2, 1).map(({ payload }) => String(payload)),
    ["d"],
  );
});

test("settlement that a failed commit did not save is saved by the next one", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(3));
  journal.settle(2, 3);
  assert.throws(() => journal.commit([message("c", { receivedMs: Number.NaN })]));
  assert.equal(journal.hasUnsavedSettlement, true);
  assert.deepEqual(query(join(dir, "journal.db"), "SELECT lo, hi FROM settled"), []);
  journal.commit([]);
  assert.equal(journal.hasUnsavedSettlement, false);
  assert.deepEqual(query(join(dir, "journal.db"), "SELECT lo, hi FROM settled"), [[2, 3]]);
});

test("a restart remembers what was settled, in few rows, and how much is owed", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(1000));
  for (let seq = 1000; seq > 500; seq -= 1) journal.settle(seq, seq);
  journal.settle(3, 9);
  journal.commit([]);
  journal.settle(20, 30);
  const second = openJournal(t, dir);
  assert.deepEqual(second.settled.intervals, [
    { lo: 3, hi: 9 },
    { lo: 501, hi: 1000 },
  ]);
  assert.equal(second.backlog, 493);
  assert.equal(second.lastSeq, 1000);
  assert.equal(query(join(dir, "journal.db"), "SELECT * FROM settled").length, 2);
});

test("a seq is never given twice, also when everything was trimmed or evicted", (t) => {
  const dir = folder(t);
  const clock = new ManualClock();
  const first = openJournal(t, dir, { keepSettledMs: 0 }, { clock });
  first.commit(messages(50));
  first.settle(1, 50);
  clock.advance(60_000);
  first.commit([]);
  assert.deepEqual(seqs(first), []);
  const second = openJournal(t, dir, { maxSizeBytes: 1024 * 1024 });
  assert.equal(second.lastSeq, 50);
  second.commit(messages(4, 150_000));
  // Everything before it must go for the second of these.
  second.commit(messages(1, 450_000));
  second.commit(messages(1, 450_000));
  assert.deepEqual([seqs(second), second.evicted], [[56], 5]);
  const third = openJournal(t, dir);
  assert.equal(third.lastSeq, 56);
  assert.equal(third.commit([message("next")])[0]?.seq, 57);
});

test("when the newest rows are gone too, the counter alone keeps the seq", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir, { maxSizeBytes: 1024 * 1024, whenFull: "stop_acking" });
  journal.commit(messages(4, 100_000));
  journal.settle(1, 4);
  // The commit fails, so that the settlement is not saved; what it made room for is gone all the same.
  assert.throws(() => journal.commit(messages(40, 100_000)), { code: "journal_full" });
  assert.deepEqual(seqs(journal), []);
  const file = join(dir, "journal.db");
  assert.deepEqual(query(file, "SELECT * FROM settled"), []);
  assert.equal(openJournal(t, dir).lastSeq, 4);
});

test("lastTrustedMs is the newest receive time that may be believed", (t) => {
  const journal = openJournal(t, folder(t));
  assert.equal(journal.lastTrustedMs, undefined);
  const at = (receivedMs: number, clockTrusted: boolean) => message("", { receivedMs, clockTrusted });
  journal.commit([at(500, false)]);
  assert.equal(journal.lastTrustedMs, undefined);
  journal.commit([at(9000, true), at(4000, true), at(7000, false)]);
  assert.equal(journal.lastTrustedMs, 4000);
  journal.commit(Array.from({ length: 999 }, () => at(1, false)));
  assert.equal(journal.lastTrustedMs, undefined, "it looks at the end of the log only");
});

test("each boot has a key of its own; its first offset is kept and survives restarts", (t) => {
  const dir = folder(t);
  const first = openJournal(t, dir);
  const [stored] = first.commit([message("a")]);
  assert.equal(stored?.bootKey, first.boots.currentKey);
  assert.equal(first.boots.offsetMs(first.boots.currentKey), undefined);
  first.boots.learnOffset(1234.6);
  first.boots.learnOffset(9999);
  assert.equal(first.boots.offsetMs(first.boots.currentKey), 1235);

  const again = openJournal(t, dir);
  assert.equal(again.boots.currentKey, first.boots.currentKey);
  again.boots.learnOffset(9999);
  assert.equal(again.boots.offsetMs(again.boots.currentKey), 1235);

  const rebooted = openJournal(t, dir, {}, { bootId: "boot-b" });
  assert.notEqual(rebooted.boots.currentKey, first.boots.currentKey);
  assert.equal(rebooted.boots.offsetMs(rebooted.boots.currentKey), undefined);
  assert.equal(rebooted.boots.offsetMs(first.boots.currentKey), 1235);
  assert.equal(rebooted.read(1, 1, 1)[0]?.bootKey, first.boots.currentKey);
});

test("that a boot has no offset is as final as an offset, over restarts", (t) => {
  const dir = folder(t);
  const first = openJournal(t, dir);
  const { currentKey } = first.boots;
  assert.equal(first.boots.decideNoOffset(), true);
  assert.equal(first.boots.learnOffset(1234), true);
  assert.equal(first.boots.offsetMs(currentKey), undefined);
  const again = openJournal(t, dir);
  assert.equal(again.boots.learnOffset(1234), true);
  assert.equal(again.boots.offsetMs(currentKey), undefined);
  const rebooted = openJournal(t, dir, {}, { bootId: "boot-b" });
  rebooted.boots.learnOffset(1234);
  assert.equal(rebooted.boots.offsetMs(rebooted.boots.currentKey), 1234, "each boot by itself");
});

test("while another program holds the file, a commit can be repeated and nothing is decided", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  const other = new Database(join(dir, "journal.db"));
  t.after(() => {
    other.close();
  });
  other.exec("BEGIN IMMEDIATE");
  assert.throws(() => journal.commit(messages(2)), { code: "journal_busy", disposition: "retry" });
  assert.equal(journal.boots.learnOffset(5), false);
  other.exec("ROLLBACK");
  assert.equal(journal.lastSeq, 0);
  assert.equal(journal.commit(messages(2)).length, 2);
  assert.equal(journal.boots.learnOffset(5), true);
});

test("a file that cannot be read is a fault that says so", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(100, 10_000));
  journal.close();
  const file = join(dir, "journal.db");
  const bytes = readFileSync(file);
  // The middle of the log: its beginning and end, which opening looks at, stay.
  bytes.fill(0xa5, 20 * 4096, 200 * 4096);
  writeFileSync(file, bytes);
  const damaged = openJournal(t, dir);
  assert.deepEqual(damaged.openingFaults, []);
  assert.throws(() => damaged.read(1, 100, 100), { code: "journal_damaged", disposition: "restart" });
});

test("a payload in which one bit has turned is damage, though SQLite is content with its page", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(100, 100));
  journal.close();
  const file = join(dir, "journal.db");
  const database = new Database(file);
  const [payload] = database.prepare("SELECT payload FROM message WHERE seq = 40").pluck().all() as [Buffer];
  payload.writeUInt8(payload.readUInt8(50) ^ 1, 50);
  database.prepare("UPDATE message SET payload = ? WHERE seq = 40").run(payload);
  assert.equal(database.pragma("quick_check", { simple: true }), "ok");
  database.close();

  const damaged = openJournal(t, dir);
  assert.equal(damaged.read(41, 100, 100).length, 60);
  assert.throws(() => damaged.read(1, 100, 100), { code: "journal_damaged", disposition: "restart" });
  const shown = { state: "pending", withPayload: true } as const;
  assert.throws(() => damaged.page(shown, 0, 100), { code: "journal_damaged" });
  assert.equal(damaged.page({ ...shown, withPayload: false }, 0, 100).entries.length, 100);
  assert.match(readFileSync(join(dir, "journal.damaged"), "utf8"), /message 40 is not as it was written/);
});

test("the WAL moves into the file after a thousand pages, and what a killed process left counts", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  /** What is in the database file without its WAL. */
  const rowsInFile = (from: string): number => {
    const copy = join(folder(t), "copy.db");
    copyFileSync(join(from, "journal.db"), copy);
    const isEmpty = number(copy, "SELECT count(*) FROM sqlite_schema WHERE name = 'message'") === 0;
    return isEmpty ? 0 : number(copy, "SELECT count(*) FROM message");
  };
  for (const sent of messages(30, 100_000)) journal.commit([sent]);
  journal.checkpointWhenDue();
  assert.equal(rowsInFile(dir), 0, "too early: acknowledgements would wait for it");
  for (const sent of messages(10, 100_000)) journal.commit([sent]);

  const crashed = folder(t);
  cpSync(dir, crashed, { recursive: true });
  const next = openJournal(t, crashed);
  next.checkpointWhenDue();
  assert.equal(rowsInFile(crashed), 40);

  journal.checkpointWhenDue();
  assert.equal(rowsInFile(dir), 40);
});

test("damage that shows while the daemon begins is damage like any other, on whatever page it is", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(300, 1000));
  journal.close();
  const file = join(dir, "journal.db");
  const whole = readFileSync(file);
  const pages = whole.length / 4096;
  assert.ok(pages > 60, `${pages} pages`);
  let seenLate = 0;
  for (let page = 10; page < pages; page += 3) {
    const bytes = Buffer.from(whole);
    bytes.fill(0xa5, page * 4096, (page + 1) * 4096);
    writeFileSync(file, bytes);
    rmSync(join(dir, "journal.damaged"), { force: true });
    const opened = openJournal(t, dir);
    try {
      assert.equal(typeof opened.lastTrustedMs, opened.openingFaults.length === 0 ? "number" : "undefined");
    } catch (error) {
      assert.equal(error instanceof Fault && error.code, "journal_damaged", `page ${page}`);
      assert.notEqual(markOf(file), undefined);
      seenLate += 1;
    }
    opened.close();
  }
  assert.ok(seenLate > 5, `${seenLate} pages`);
});
