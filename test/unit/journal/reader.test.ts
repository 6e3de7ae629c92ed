import Database from "better-sqlite3";
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { JournalReader } from "../../../src/journal/reader.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { folder, message, messages, openJournal } from "./fixture.ts";

const newest = Number.MAX_SAFE_INTEGER;

function faultOf(dir: string): Fault {
  try {
    JournalReader.open(dir)[Symbol.dispose]();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  return assert.fail("it was opened");
}

describe("a reader of the journal", () => {
  test("gives what was committed, newest first, as the journal itself does", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    const odd = message("odd", { source: "b", clockTrusted: false, duplicate: true, retained: true, qos: 2 });
    journal.commit([message("first"), odd, message("", { qos: 0, uptimeMs: 5 })]);
    using reader = JournalReader.open(dir);
    assert.deepEqual(reader.before(newest, 10), journal.read(0, newest, 10).toReversed());
    assert.equal(reader.before(newest, 10).length, 3);
  });

  test("goes backwards from any message, in as many steps as one likes", (t) => {
    const dir = folder(t);
    openJournal(t, dir).commit(messages(25));
    using reader = JournalReader.open(dir);
    const seqs = (before: number, count: number): number[] =>
      reader.before(before, count).map(({ seq }) => seq);
    assert.deepEqual(seqs(newest, 3), [25, 24, 23]);
    assert.deepEqual(seqs(23, 3), [22, 21, 20]);
    assert.deepEqual(seqs(3, 10), [2, 1]);
    assert.deepEqual(seqs(1, 10), []);
  });

  test("sees what the daemon commits meanwhile, and never stands in the way of its checkpoints", (t) => {
    const dir = folder(t);
    const journal = openJournal(t, dir);
    journal.commit(messages(10));
    using reader = JournalReader.open(dir);
    assert.equal(reader.before(newest, 1)[0]?.seq, 10);
    journal.commit(messages(10));
    const checkpointer = new Database(join(dir, "journal.db"), { timeout: 0 });
    try {
      const [result] = checkpointer.pragma("wal_checkpoint(TRUNCATE)") as { busy: number; log: number }[];
      assert.deepEqual([result?.busy, result?.log], [0, 0]);
    } finally {
      checkpointer.close();
    }
    assert.equal(reader.before(newest, 1)[0]?.seq, 20);
  });

  test("beside a running daemon, changes neither the files nor their number", (t) => {
    const dir = folder(t);
    openJournal(t, dir).commit(messages(10));
    const look = (): unknown =>
      readdirSync(dir)
        .filter((name) => !name.endsWith("-shm"))
        .map((name) => [name, readFileSync(join(dir, name)).toString("hex")]);
    const before = look();
    const names = readdirSync(dir);
    {
      using reader = JournalReader.open(dir);
      assert.equal(reader.before(newest, 100).length, 10);
    }
    assert.deepEqual(look(), before);
    assert.deepEqual(readdirSync(dir), names);
  });

  test("reads what a killed daemon left in the WAL, and the next daemon has it all", (t) => {
    const live = folder(t);
    openJournal(t, live).commit(messages(10));
    const dir = folder(t);
    for (const name of ["journal.db", "journal.db-wal"]) copyFileSync(join(live, name), join(dir, name));
    {
      using reader = JournalReader.open(dir);
      assert.equal(reader.before(newest, 100).length, 10);
    }
    assert.equal(openJournal(t, dir).lastSeq, 10);
  });

  test("leaves a journal that nobody has open as it is, ready for the next daemon", (t) => {
    const dir = folder(t);
    const first = openJournal(t, dir);
    first.commit(messages(10));
    first.close();
    const before = readFileSync(join(dir, "journal.db"));
    {
      using reader = JournalReader.open(dir);
      assert.equal(reader.before(newest, 100).length, 10);
    }
    assert.deepEqual(readFileSync(join(dir, "journal.db")), before);
    const next = openJournal(t, dir);
    assert.deepEqual([next.lastSeq, next.openingFaults], [10, []]);
    assert.equal(next.commit(messages(1))[0]?.seq, 11);
  });
});

describe("what cannot be read", () => {
  test("no directory, no file, and a file that holds nothing yet: there is no journal", (t) => {
    const dir = folder(t);
    assert.equal(faultOf(join(dir, "nowhere")).code, "journal_absent");
    assert.equal(faultOf(dir).code, "journal_absent");
    assert.deepEqual(readdirSync(dir), []);
    writeFileSync(join(dir, "journal.db"), "");
    assert.equal(faultOf(dir).code, "journal_absent");
  });

  test("a file of another program, of a newer flightline, or no file at all is unreadable", (t) => {
    const foreign = (sql: string): string => {
      const dir = folder(t);
      const database = new Database(join(dir, "journal.db"));
      database.exec(sql);
      database.close();
      return dir;
    };
    const other = faultOf(foreign("CREATE TABLE message (seq INTEGER PRIMARY KEY)"));
    assert.equal(other.code, "journal_unreadable");
    assert.match(other.message, /belongs to another program$/);
    const newer = faultOf(foreign("PRAGMA application_id = 0x464c4a31; PRAGMA user_version = 99"));
    assert.equal(newer.code, "journal_unreadable");
    assert.match(newer.message, /has schema 99/);
    const dir = folder(t);
    mkdirSync(join(dir, "journal.db"));
    assert.equal(faultOf(dir).code, "journal_unreadable");
  });

  test("damage is said to be damage", (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, "journal.db"), "this is text, and not a database\n".repeat(200));
    assert.equal(faultOf(dir).code, "journal_read_failed");
  });
});
