import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { Fault } from "../../../src/lib/fault.ts";
import { readColumns } from "../../../src/state/column-reader.ts";
import { State } from "../../../src/state/state.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "flightline-column-reader-"));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

function whyNot(dir: string): string {
  try {
    readColumns(dir, ["key"]);
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === "columns_unread");
    return error.message;
  }
  return "";
}

test("columns are read by database, beside a daemon that has the file open, and after it", (t) => {
  const dir = folder(t);
  const state = State.open(dir, 0);
  const column = { table: "uplink", column: "f_cnt", type: "integer" } as const;
  state.schema.save("mine", [column]);
  state.schema.save("another", [{ ...column, column: "x" }]);
  const expected = new Map([
    ["mine", [column]],
    ["new", []],
  ]);
  assert.deepEqual(readColumns(dir, ["mine", "new"]), expected);
  assert.equal(state.schema.save("mine", [{ ...column, type: "float" }]), undefined, "nobody is disturbed");
  state.close();
  assert.deepEqual(readColumns(dir, ["mine"]).get("mine"), [{ ...column, type: "float" }]);
});

test("a file that cannot be used is said to be so, and stays as it is", (t) => {
  const dir = folder(t);
  assert.equal(whyNot(dir), "there is no state.db yet");
  writeFileSync(join(dir, "state.db"), "no database at all, by its very first bytes");
  assert.equal(whyNot(dir), "state.db cannot be read (SQLITE_NOTADB)");
  rmSync(join(dir, "state.db"));
  new Database(join(dir, "state.db")).exec("CREATE TABLE t (a)").close();
  assert.equal(whyNot(dir), "state.db belongs to another program");
  rmSync(join(dir, "state.db"));
  State.open(dir, 0).close();
  const database = new Database(join(dir, "state.db"));
  database.pragma("user_version = 99");
  database.close();
  assert.match(whyNot(dir), /^state.db has schema 99, newer than \d+$/);
});
