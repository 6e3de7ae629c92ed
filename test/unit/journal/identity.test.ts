/** What becomes of a journal file that is not what it should be: said, moved aside whole, never wiped. */
import assert from "node:assert/strict";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { Journal } from "../../../src/journal/journal.ts";
import { folder, journalConfig, ManualClock, message, messages, openJournal, query } from "./fixture.ts";

/** A directory whose journal held five messages and was closed. */
function used(t: TestContext): { readonly dir: string; readonly file: string; readonly id: string } {
  const dir = folder(t);
  const journal = Journal.open(journalConfig(dir), new ManualClock(), "boot-a");
  journal.commit(messages(5));
  journal.close();
  return { dir, file: join(dir, "journal.db"), id: journal.id };
}

function codes(journal: Journal): string[] {
  return journal.openingFaults.map(({ code }) => code);
}

function moved(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => name.startsWith("journal.db.unusable-"))
    .toSorted();
}

function works(journal: Journal): void {
  assert.equal(journal.lastSeq, 0);
  assert.equal(journal.commit([message("new")])[0]?.seq, 1);
}

test("the id stays the same for the life of the file, and nothing is said", (t) => {
  const { dir, id } = used(t);
  const journal = openJournal(t, dir);
  assert.equal(journal.id, id);
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(codes(journal), []);
  assert.equal(readFileSync(join(dir, "journal.id"), "utf8"), `${id}\n`);
});

test("a file that has vanished is said, once", (t) => {
  const { dir, file, id } = used(t);
  rmSync(file);
  const journal = openJournal(t, dir);
  assert.deepEqual(codes(journal), ["journal_vanished"]);
  assert.notEqual(journal.id, id);
  works(journal);
  assert.deepEqual(codes(openJournal(t, dir)), []);
});

test("a zero-length file, which SQLite takes for a new one, is said", (t) => {
  const { dir, file } = used(t);
  truncateSync(file, 0);
  const journal = openJournal(t, dir);
  assert.deepEqual(codes(journal), ["journal_vanished"]);
  works(journal);
});

for (const what of ["empty", "gone"]) {
  test(`when the file is ${what} and its WAL is not, the WAL is kept`, (t) => {
    const source = folder(t);
    openJournal(t, source).commit(messages(5));
    const dir = folder(t);
    for (const name of ["journal.db-wal", "journal.id"]) copyFileSync(join(source, name), join(dir, name));
    if (what === "empty") writeFileSync(join(dir, "journal.db"), "");
    const wal = readFileSync(join(dir, "journal.db-wal"));
    const journal = openJournal(t, dir);
    assert.deepEqual(codes(journal), ["database_moved_aside"]);
    const kept = moved(dir).find((name) => name.endsWith("-wal"));
    assert.ok(kept !== undefined);
    assert.deepEqual(readFileSync(join(dir, kept)), wal);
    works(journal);
  });
}

test("an exchanged file is said: the messages of the old one are gone", (t) => {
  const [mine, other] = [used(t), used(t)];
  copyFileSync(other.file, mine.file);
  const journal = openJournal(t, mine.dir);
  assert.deepEqual(codes(journal), ["journal_vanished"]);
  assert.equal(journal.id, other.id);
});

test("an empty or missing marker, as a power cut may leave it, is written again in silence", (t) => {
  const { dir, id } = used(t);
  const marker = join(dir, "journal.id");
  for (const damage of [
    () => {
      writeFileSync(marker, "");
    },
    () => {
      rmSync(marker);
    },
  ]) {
    damage();
    const journal = openJournal(t, dir);
    assert.deepEqual([codes(journal), journal.id], [[], id]);
    assert.equal(readFileSync(marker, "utf8"), `${id}\n`);
  }
});

test("what is not a database is moved aside whole", (t) => {
  const { dir, file, id } = used(t);
  const garbage = Buffer.alloc(20_000, "not a database ");
  writeFileSync(file, garbage);
  const journal = openJournal(t, dir);
  assert.deepEqual(codes(journal), ["database_moved_aside"]);
  assert.match(String(journal.openingFaults[0]?.message), /is not a SQLite database: it was moved to /);
  const [name = ""] = moved(dir);
  assert.deepEqual(readFileSync(join(dir, name)), garbage);
  assert.notEqual(journal.id, id);
  works(journal);
  assert.deepEqual(codes(openJournal(t, dir)), [], "it is said once");
});

test("the database of another program is moved aside as it was, to the byte", (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const foreign = new Database(file);
  foreign.exec("CREATE TABLE mine (x); INSERT INTO mine VALUES ('kept')");
  foreign.close();
  const before = readFileSync(file);
  const journal = openJournal(t, dir);
  assert.deepEqual(codes(journal), ["database_moved_aside"]);
  assert.match(String(journal.openingFaults[0]?.message), /belongs to another program/);
  const [name = ""] = moved(dir);
  assert.deepEqual(readFileSync(join(dir, name)), before);
  works(journal);
});

test("a file of a newer Flightline is moved aside with its messages", (t) => {
  const { dir, file } = used(t);
  const newer = new Database(file);
  newer.pragma("user_version = 99");
  newer.close();
  const journal = openJournal(t, dir);
  assert.deepEqual(codes(journal), ["database_moved_aside"]);
  assert.match(
    String(journal.openingFaults[0]?.message),
    /newer Flightline \(schema 99, this one knows \d+\)/,
  );
  const [name = ""] = moved(dir);
  assert.deepEqual(query(join(dir, name), "SELECT count(*) FROM message"), [[5]]);
  works(journal);
});

test("damage that shows only behind the header is found at the start, and the file moved aside", (t) => {
  const { dir, file } = used(t);
  const size = statSync(file).size;
  const fd = openSync(file, "r+");
  for (let page = 4096; page < size; page += 4096) writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, page);
  closeSync(fd);
  const before = readFileSync(file);
  const journal = openJournal(t, dir);
  assert.deepEqual(codes(journal), ["database_moved_aside"]);
  assert.match(String(journal.openingFaults[0]?.message), /is damaged/);
  const [name = ""] = moved(dir);
  assert.deepEqual(readFileSync(join(dir, name)).subarray(4096), before.subarray(4096));
  works(journal);
});

test("files that are moved aside in the same millisecond do not overwrite one another", (t) => {
  const dir = folder(t);
  for (const text of ["first".repeat(2000), "second".repeat(2000), "third".repeat(2000)]) {
    rmSync(join(dir, "journal.db-wal"), { force: true });
    writeFileSync(join(dir, "journal.db"), text);
    const journal = Journal.open(journalConfig(dir), new ManualClock(), "boot-a");
    assert.deepEqual(codes(journal), ["database_moved_aside"]);
    journal.close();
  }
  const kept = moved(dir).map((name) => readFileSync(join(dir, name), "utf8").slice(0, 5));
  assert.deepEqual(kept.toSorted(), ["first", "secon", "third"]);
});

test("a file that can be neither used nor moved aside is a fault that says why", (t) => {
  const dir = folder(t);
  mkdirSync(join(dir, "journal.db"));
  assert.throws(() => Journal.open(journalConfig(dir), new ManualClock(), "boot-a"), {
    code: "journal_unwritable",
    disposition: "fatal",
    message: `cannot open ${join(dir, "journal.db")} (SQLITE_CANTOPEN)`,
  });
});
