import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import type { Fault } from "../../../src/lib/fault.ts";
import { openDatabase, type Schema, walPages } from "../../../src/sqlite/database.ts";

const applicationId = 0x464c5454;
const versions: readonly string[] = [
  "CREATE TABLE thing (name TEXT NOT NULL) STRICT; INSERT INTO thing VALUES ('from version 1')",
  "ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 7",
  "INSERT INTO thing VALUES ('from version 3', 8)",
];

function newFile(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "flightline-sqlite-"));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return join(dir, "thing.db");
}

interface Opened {
  readonly database: Database.Database;
  readonly movedAside: Fault | undefined;
}

function open(
  t: TestContext,
  file: string,
  version: number,
  synchronous: "FULL" | "NORMAL" = "FULL",
  migrations = versions.slice(0, version),
): Opened {
  const schema: Schema = { applicationId, migrations };
  const opened = openDatabase({
    file,
    schema,
    synchronous,
    nowMs: 0,
    use: (database, movedAside) => ({ database, movedAside }),
  });
  t.after(() => {
    opened.database.close();
  });
  return opened;
}

function pragma({ database }: Opened, name: string): unknown {
  return database.pragma(name, { simple: true });
}

function things({ database }: Opened): unknown[] {
  return database.prepare("SELECT * FROM thing").raw().all();
}

test("the synchronous setting is the one asked for, not the library's", (t) => {
  assert.equal(pragma(open(t, newFile(t), 1, "FULL"), "synchronous"), 2);
  assert.equal(pragma(open(t, newFile(t), 1, "NORMAL"), "synchronous"), 1);
});

test("a new file is migrated from version 0 to the newest, and marked as ours", (t) => {
  const opened = open(t, newFile(t), 3);
  assert.equal(opened.movedAside, undefined);
  assert.equal(pragma(opened, "user_version"), 3);
  assert.equal(pragma(opened, "application_id"), applicationId);
  assert.equal(pragma(opened, "auto_vacuum"), 2);
  assert.deepEqual(things(opened), [
    ["from version 1", 7],
    ["from version 3", 8],
  ]);
});

test("opening again migrates nothing, and only what is missing", (t) => {
  const file = newFile(t);
  open(t, file, 1).database.exec("INSERT INTO thing VALUES ('mine')");
  assert.deepEqual(things(open(t, file, 1)), [["from version 1"], ["mine"]]);
  const newest = [
    ["from version 1", 7],
    ["mine", 7],
    ["from version 3", 8],
  ];
  assert.deepEqual(things(open(t, file, 3)), newest);
  assert.deepEqual(things(open(t, file, 3)), newest);
});

test("a migration that fails changes nothing", (t) => {
  const file = newFile(t);
  open(t, file, 1);
  const broken = [...versions.slice(0, 2), "INSERT INTO nowhere VALUES (1)"];
  assert.throws(() => open(t, file, 3, "FULL", broken), {
    code: "journal_unwritable",
    message: /thing\.db \(SQLITE_ERROR\)/,
  });
  const opened = open(t, file, 1);
  assert.equal(pragma(opened, "user_version"), 1);
  assert.deepEqual(things(opened), [["from version 1"]]);
});

test("damage that its owner meets while it begins is damage of the file", (t) => {
  const file = newFile(t);
  open(t, file, 1).database.close();
  const schema: Schema = { applicationId, migrations: versions.slice(0, 1) };
  let uses = 0;
  const movedAside = openDatabase({
    file,
    schema,
    synchronous: "FULL",
    nowMs: 0,
    use: (database, moved) => {
      uses += 1;
      if (uses === 1) throw new Database.SqliteError("database disk image is malformed", "SQLITE_CORRUPT");
      database.close();
      return moved;
    },
  });
  assert.equal(movedAside?.code, "database_moved_aside");
  assert.match(movedAside.message, /thing\.db is damaged: it was moved to .*thing\.db\.unusable-1970-/);
});

test("a bug of the owner is not taken for damage", (t) => {
  const file = newFile(t);
  const bug = new TypeError("oops");
  assert.throws(
    () =>
      openDatabase({
        file,
        schema: { applicationId, migrations: versions },
        synchronous: "FULL",
        nowMs: 0,
        use: () => {
          throw bug;
        },
      }),
    bug,
  );
  assert.deepEqual(
    readdirSync(join(file, "..")).filter((name) => name.includes("unusable")),
    [],
  );
});

test("walPages tells how much WAL there is", (t) => {
  const file = newFile(t);
  assert.equal(walPages(file), 0);
  const { database } = open(t, file, 1);
  for (let n = 0; n < 50; n += 1) database.prepare("INSERT INTO thing VALUES (?)").run("x".repeat(4000));
  assert.ok(walPages(file) > 50);
});
