import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import {
  hasWalResetBug,
  judgeJournal,
  type JournalFileFacts,
  judgeSqlite,
  judgeWal,
  lookAtJournal,
  parseHead,
  sqliteVersion,
} from "../../../src/doctor/journal-file.ts";
import { journalTables } from "../../../src/journal/schema.ts";
import { openDatabase } from "../../../src/sqlite/database.ts";
import { folder, messages, openJournal } from "../journal/fixture.ts";

const schema = journalTables;
const known = schema.migrations.length;

/** A journal with some messages, closed. */
function closedJournal(t: TestContext): string {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(20));
  journal.close();
  return dir;
}

async function look(dir: string): Promise<JournalFileFacts> {
  const facts = await lookAtJournal(dir);
  return typeof facts === "string" ? assert.fail(facts) : facts;
}

/** Changes bytes of journal.db. */
function patch(dir: string, offset: number, bytes: readonly number[]): void {
  const file = join(dir, "journal.db");
  const content = readFileSync(file);
  content.set(bytes, offset);
  writeFileSync(file, content);
}

function said(facts: JournalFileFacts, held: Parameters<typeof judgeJournal>[1] = "free"): string {
  const { severity, text, code = "" } = judgeJournal(facts, held, schema);
  return `${severity}: ${text.replaceAll(/\S+\/journal\.db/g, "journal.db")} [${code}]`;
}

describe("the journal by its first bytes", () => {
  test("is well after a clean stop, and reading has changed nothing", async (t) => {
    const dir = closedJournal(t);
    const before = statSync(join(dir, "journal.db"));
    const facts = await look(dir);
    assert.deepEqual(facts.head, {
      pageBytes: 4096,
      formats: { write: 2, read: 2 },
      pages: before.size / 4096,
      schemaVersion: known,
      applicationId: schema.applicationId,
      isWithoutTables: false,
      writtenBy: sqliteVersion(),
    });
    assert.match(
      said(facts),
      new RegExp(`^ok: journal\\.db: [\\d.]+ KiB, schema ${known}, WAL mode \\[\\]$`),
    );
    const after = statSync(join(dir, "journal.db"));
    assert.deepEqual([after.mtimeMs, after.size, after.ino], [before.mtimeMs, before.size, before.ino]);
  });

  test("has its schema in the WAL where a first start was killed at once, which is no other program's file", async (t) => {
    const dir = folder(t);
    const first = new Database(join(dir, "journal.db"));
    first.pragma("journal_mode = WAL");
    const copies = folder(t);
    copyFileSync(join(dir, "journal.db"), join(copies, "journal.db"));
    assert.match(said(await look(copies)), /^ok: journal\.db is empty yet: the first start makes it \[\]$/);
    first.transaction(() => {
      for (const migration of schema.migrations) first.exec(migration);
      first.pragma(`application_id = ${schema.applicationId}`);
      first.pragma(`user_version = ${known}`);
    })();
    for (const name of ["journal.db", "journal.db-wal"]) copyFileSync(join(dir, name), join(copies, name));
    first.close();
    const facts = await look(copies);
    assert.equal(facts.head?.applicationId, 0);
    assert.match(said(facts), /^ok: .* its schema still in the WAL, WAL mode \[\]$/);
    assert.match(judgeWal(facts, true).text, /in use$/);
    assert.match(judgeWal(facts, false).text, /left by a stop that was not clean/);
    // What is said of it comes true.
    assert.deepEqual(openJournal(t, copies).openingFaults, []);
  });

  test("is told from a database of another program, and from no database", async (t) => {
    const dir = folder(t);
    const foreign = new Database(join(dir, "journal.db"));
    foreign.exec("CREATE TABLE x (y)");
    foreign.close();
    assert.match(
      said(await look(dir)),
      /^failure: journal\.db is a database of another program; .*moves it aside and begins a new one \[/,
    );
    writeFileSync(join(dir, "journal.db"), "PK\u0003\u0004".padEnd(5000, "x"));
    assert.match(
      said(await look(dir)),
      /^failure: .* is not a SQLite database: .* sends on what is whole in it \[database_moved_aside\]$/,
    );
    writeFileSync(join(dir, "journal.db"), "SQLite format 3\0");
    assert.match(said(await look(dir)), /^failure: .* is not a SQLite database/);
  });

  test("of an older flightline is brought up by the next start, which keeps what waits in it", async (t) => {
    const dir = folder(t);
    const older = { ...schema, migrations: schema.migrations.slice(0, 1) };
    openDatabase({
      file: join(dir, "journal.db"),
      schema: older,
      synchronous: "FULL",
      nowMs: 0,
      use: (database) => {
        database.exec("INSERT INTO message VALUES (1, 'mqtt', 'a', x'00', 1, 1, 1, 0)");
        database.close();
      },
    });
    assert.match(
      said(await look(dir)),
      new RegExp(`^ok: .* schema 1, brought to ${known} at the next start, WAL`),
    );
    const journal = openJournal(t, dir);
    assert.deepEqual([journal.openingFaults, journal.backlog], [[], 1]);
    journal.close();
    assert.equal((await look(dir)).head?.schemaVersion, known);
  });

  test("of a newer flightline is a failure before the next start moves it aside, and none beside the one that runs", async (t) => {
    const dir = closedJournal(t);
    patch(dir, 60, [0, 0, 0, 9]);
    const facts = await look(dir);
    const which = `a newer flightline \\(schema 9, this one knows ${known}\\)`;
    assert.match(
      said(facts),
      new RegExp(`^failure: .* was written by ${which}, .* move it aside .*\\[database_moved_aside\\]$`),
    );
    assert.match(said(facts, "held"), new RegExp(`^warning: .* ${which}, which runs: `));
    const journal = openJournal(t, dir);
    assert.deepEqual(
      journal.openingFaults.map(({ code }) => code),
      ["database_moved_aside"],
    );
  });

  test("whose end is missing is damaged, unless its pages may be in the WAL or on their way", async (t) => {
    const dir = closedJournal(t);
    truncateSync(join(dir, "journal.db"), 8192);
    const facts = await look(dir);
    assert.match(
      said(facts),
      /^failure: journal\.db has 8\.0 KiB and should have .*its end is missing \[journal_damaged\]$/,
    );
    assert.match(said(facts, "held"), /^ok: /);
    assert.match(said({ ...facts, walBytes: 4152 }), /^ok: /);
  });

  test("that another program has taken out of WAL mode is said", async (t) => {
    const dir = closedJournal(t);
    patch(dir, 18, [1, 1]);
    assert.match(said(await look(dir)), /^warning: .*not in WAL mode/);
    assert.match(said(await look(dir), "held"), /^failure: /);
  });

  test("that is empty or gone is as bad as what it should hold", async (t) => {
    const dir = folder(t);
    assert.match(said(await look(dir)), /^ok: journal\.db is not there yet/);
    writeFileSync(join(dir, "journal.id"), "b1946ac9\n");
    assert.match(said(await look(dir)), /^warning: .*is not there, and journal\.id .* \[journal_vanished\]$/);
    writeFileSync(join(dir, "journal.db"), "");
    assert.match(said(await look(dir)), /^warning: journal\.db is empty, and journal\.id/);
    writeFileSync(join(dir, "journal.db-wal"), "x".repeat(5000));
    assert.match(
      said(await look(dir)),
      /^failure: journal\.db is empty, and its WAL has 4\.9 KiB; .*\[database_moved_aside\]$/,
    );
  });

  test("that is not the one a daemon has open is a failure, there or not", async (t) => {
    const dir = closedJournal(t);
    assert.match(said(await look(dir), "elsewhere"), /^failure: .*is not the file that the daemon has open/);
    assert.match(
      said(await look(folder(t)), "elsewhere"),
      /^failure: .*is not there: .*\[journal_vanished\]$/,
    );
  });

  test("its page size and its writer are read as SQLite writes them", async (t) => {
    const dir = closedJournal(t);
    patch(dir, 16, [0, 1]);
    patch(dir, 96, [0x00, 0x2e, 0x6a, 0xd0]);
    const { head } = await look(dir);
    assert.deepEqual([head?.pageBytes, head?.writtenBy], [65_536, "3.42.0"]);
    assert.equal(parseHead(Buffer.alloc(0)), undefined);
  });

  test("in a directory that is none, an errno says why", async (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, "file"), "");
    assert.equal(await lookAtJournal(join(dir, "file")), "ENOTDIR");
  });
});

test("a WAL that is out of all proportion is a warning that names fuser", (t) => {
  const facts = {
    file: "/d/journal.db",
    bytes: 1,
    head: undefined,
    walBytes: 65 * 1024 * 1024,
    shmBytes: 0,
    isExpected: true,
  };
  const { severity, hint } = judgeWal(facts, true);
  assert.deepEqual(
    [severity, hint],
    ["warning", "end the program that has it open: sudo fuser -v /d/journal.db"],
  );
  assert.equal(judgeWal({ ...facts, walBytes: 8 * 1024 * 1024 }, true).severity, "ok");
  assert.match(judgeWal({ ...facts, walBytes: 0 }, false).text, /^no WAL/);
  t.diagnostic(`SQLite ${sqliteVersion()}`);
});

test("the WAL-reset bug is in 3.7.0 to 3.51.2, without the releases that were mended", () => {
  for (const version of ["3.7.0", "3.40.1", "3.44.5", "3.50.6", "3.51.2", "3.45.9"])
    assert.ok(hasWalResetBug(version), version);
  for (const version of ["3.6.23", "3.44.6", "3.50.7", "3.51.3", "3.53.4", "4.0.0"])
    assert.ok(!hasWalResetBug(version), version);
  const head = parseHead(Buffer.alloc(0));
  assert.equal(judgeSqlite("3.53.4", head).severity, "ok");
  assert.match(judgeSqlite("3.51.2", head).hint ?? "", /3\.51\.3 or newer/);
});

test("another program that has written to the journal with it is named", async (t) => {
  const dir = closedJournal(t);
  // 3.40.1, Debian 12's.
  patch(dir, 96, [0x00, 0x2e, 0x63, 0x01]);
  const { severity, text } = judgeSqlite("3.53.4", (await look(dir)).head);
  assert.equal(severity, "warning");
  assert.match(text, /last program that wrote to the journal has 3\.40\.1/);
});
