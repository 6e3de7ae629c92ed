/** What is said of files beside the databases: real moved ones, made by the code that moves them. */
import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { judgeAside, lookAside } from "../../../src/doctor/journal-aside.ts";
import { Ballast } from "../../../src/journal/ballast.ts";
import { journalTables } from "../../../src/journal/schema.ts";
import { markDamaged, markOf, moveAside } from "../../../src/sqlite/damage.ts";
import { folder, messages, openJournal } from "../journal/fixture.ts";

const nowMs = Date.UTC(2026, 2, 1);
const movedName = "journal.db.unusable-2026-03-01T00-00-00-000Z";

async function said(dir: string, isHeld = false): Promise<string[]> {
  const before = readdirSync(dir);
  const findings = judgeAside(await lookAside(dir), isHeld, journalTables);
  assert.deepEqual(readdirSync(dir), before, "nothing is made");
  return findings.map(({ check, severity, text, hint = "" }) => {
    assert.equal(hint !== "", severity !== "ok", text);
    return `${check} ${severity}: ${text.replaceAll(`${dir}/`, "")}`;
  });
}

/** A journal with messages that wait in it, closed. */
function closedJournal(t: TestContext): string {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(20));
  journal.close();
  return dir;
}

/** Moves what is there now; returns where it is. */
function moved(dir: string, name = "journal.db"): string {
  const file = join(dir, name);
  markDamaged(file, "is damaged");
  return moveAside(file, markOf(file) ?? assert.fail("no mark"), nowMs);
}

test("where nothing is amiss nothing is said", async (t) => {
  const dir = closedJournal(t);
  assert.ok(new Ballast(dir).restore(), "there is room for the ballast");
  assert.deepEqual(await said(dir), []);
  assert.deepEqual(await said(folder(t)), []);
  assert.equal(await lookAside(join(dir, "gone")), undefined);
});

test("a ballast that was given up is said, until it is back", async (t) => {
  const dir = closedJournal(t);
  const ballast = new Ballast(dir);
  ballast.restore();
  ballast.giveUp();
  assert.match(
    (await said(dir, true)).join("\n"),
    /^journal\.ballast warning: the disk was full, .* does not grow/,
  );
  ballast.restore();
  assert.deepEqual(await said(dir), []);
});

test("a database that is marked as damaged is a failure, of the journal and of the state alike", async (t) => {
  const dir = closedJournal(t);
  markDamaged(join(dir, "journal.db"), "is damaged (SQLITE_CORRUPT)");
  assert.deepEqual(await said(dir), [
    "journal.damage failure: journal.db is damaged (SQLITE_CORRUPT): the next start moves it aside and begins a new one",
  ]);
  markDamaged(join(dir, "state.db"), "is damaged");
  assert.equal((await said(dir, true)).length, 2);
});

test("a moved journal is owed until it has been read to its end: somebody must start a daemon for that", async (t) => {
  const dir = closedJournal(t);
  const file = moved(dir);
  assert.deepEqual(await said(dir), [
    `journal.salvage warning: ${movedName} was moved aside and has not been read to its end: messages in it are not sent yet`,
  ]);
  assert.deepEqual(await said(dir, true), [
    `journal.salvage ok: ${movedName} is being read, and what it owes is sent on; flightline logs the sum`,
  ]);
  // Half of its beginning is gone.
  truncateSync(file, 50);
  assert.match((await said(dir)).join("\n"), /^journal\.salvage warning: .* not sent yet$/);
  writeFileSync(`${file}.salvaged`, "{}");
  assert.match(
    (await said(dir)).join("\n"),
    /^journal\.moved_aside ok: a database that was moved aside takes \d+ B, and may be deleted when nobody needs it /,
  );
  rmSync(file);
  rmSync(`${file}.salvaged`);
  assert.deepEqual(await said(dir), []);
});

test("a moved journal of a newer version and another program's database wait for somebody, daemon or not", async (t) => {
  const dir = closedJournal(t);
  const newer = new Database(join(dir, "journal.db"));
  newer.pragma("user_version = 9");
  newer.close();
  moved(dir);
  const known = journalTables.migrations.length;
  const foreign = new Database(join(dir, "journal.db"));
  foreign.pragma("application_id = 7");
  foreign.exec("CREATE TABLE x (y)");
  foreign.close();
  moved(dir);
  for (const isHeld of [false, true]) {
    assert.deepEqual(await said(dir, isHeld), [
      `journal.salvage warning: ${movedName} was written by a newer flightline (schema 9, this one knows ${known}): what waited in it is not sent`,
      `journal.salvage warning: ${movedName}-2 is another program's database, which lay where the journal belongs`,
    ]);
  }
});

test("moved files are counted with all that belongs to them, and those of an unread journal are not", async (t) => {
  const dir = closedJournal(t);
  moved(dir);
  writeFileSync(join(dir, "state.db"), "x".repeat(1000));
  writeFileSync(join(dir, "state.db-wal"), "x".repeat(24));
  moved(dir, "state.db");
  assert.deepEqual((await said(dir)).slice(1), [
    "journal.moved_aside ok: a database that was moved aside takes 1.0 KiB, and may be deleted when nobody needs it (*.unusable-*); only sqlite3 reads quarantine and dead letters in those of state.db",
  ]);
  writeFileSync(`${join(dir, movedName)}.salvaged`, "{}");
  const [line = ""] = await said(dir);
  assert.match(line, /^journal\.moved_aside ok: 2 databases .* when nobody needs them /);
});
