import assert from "node:assert/strict";
import { chmodSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeDataDirectory } from "../../../src/journal/directory.ts";
import { unwritableFault } from "../../../src/journal/lock.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { folder } from "./fixture.ts";

function faultOf(dir: string): Fault {
  try {
    makeDataDirectory(dir);
  } catch (error) {
    assert.ok(error instanceof Fault);
    return error;
  }
  return assert.fail(`${dir} was made`);
}

test("missing levels are made, for owner and group; what is there stays as it is", (t) => {
  const dir = join(folder(t), "a", "b");
  makeDataDirectory(dir);
  assert.equal(statSync(dir).mode & 0o027, 0);
  chmodSync(dir, 0o700);
  makeDataDirectory(dir);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
});

test("where no directory can be made it fails at once", () => {
  const fault = faultOf("/proc/flightline-nope/deeper");
  assert.equal(fault.code, "journal_unwritable");
  assert.match(fault.message, /^cannot write to \/proc\/flightline-nope\/deeper \(E[A-Z]+\)$/);
});

test("a file or a link to nothing in the way is called that", (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, "file"), "");
  symlinkSync(join(dir, "nowhere"), join(dir, "link"));
  for (const name of ["file", "file/below", "link"]) {
    const fault = faultOf(join(dir, name));
    assert.equal(fault.code, "journal_unwritable");
    assert.match(fault.hint ?? "", /in the way: move it/, name);
  }
});

test("the hint is about what the disk said", () => {
  const hint = (code: string): string =>
    unwritableFault("/x", Object.assign(new Error("no"), { code })).hint ?? "";
  for (const code of ["SQLITE_READONLY_DIRECTORY", "SQLITE_CANTOPEN"]) {
    assert.match(hint(code), /another user/, code);
  }
  assert.match(hint("EROFS"), /remount,rw/);
  assert.match(hint("ENOENT"), /on a local disk/);
  assert.match(hint("ENOSPC"), /free space/);
  assert.match(hint("EACCES"), /create the directory and give it/);
});
