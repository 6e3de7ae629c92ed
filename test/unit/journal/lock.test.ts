import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { lockDirectory } from "../../../src/journal/lock.ts";
import { folder } from "./fixture.ts";

async function holder(t: TestContext, dir: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "lock-process.ts"), dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => {
    child.kill("SIGKILL");
  });
  const [said] = await once(child.stdout ?? child, "data");
  assert.equal(String(said), "held\n");
  return child;
}

test("a second process is refused with the pid of the first, and gets the lock when that is killed", async (t) => {
  const dir = folder(t);
  const first = await holder(t, dir);
  assert.throws(() => lockDirectory(dir), {
    code: "journal_locked",
    disposition: "fatal",
    message: `another flightline (pid ${first.pid}) is using ${dir}`,
  });
  first.kill("SIGKILL");
  await once(first, "exit");
  const lock = lockDirectory(dir);
  assert.equal(lock.isAfterUncleanStop, true);
  assert.equal(readFileSync(join(dir, "flightline.pid"), "utf8"), `${process.pid}\n`);
  assert.equal(existsSync(join(dir, "flightline.lock-journal")), false, "locking writes nothing");
  lock.release();
  assert.equal(existsSync(join(dir, "flightline.pid")), false);
  lockDirectory(dir).release();
});

test("the pid is a courtesy: without it the second one is refused all the same", (t) => {
  const dir = folder(t);
  const lock = lockDirectory(dir);
  writeFileSync(join(dir, "flightline.pid"), "");
  assert.throws(() => lockDirectory(dir), {
    code: "journal_locked",
    message: `another flightline is using ${dir}`,
  });
  lock.release();
});

test("a directory that is not there, or a lock that cannot be opened, is a fault that says so", (t) => {
  const dir = folder(t);
  assert.throws(() => lockDirectory(join(dir, "missing")), {
    code: "journal_unwritable",
    disposition: "fatal",
  });
  mkdirSync(join(dir, "flightline.lock"));
  assert.throws(() => lockDirectory(dir), { code: "journal_unwritable" });
});
