import assert from "node:assert/strict";
import { openSync, statSync, writeSync, closeSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { lockDirectory } from "../../../src/journal/lock.ts";
import { quickCheck } from "../../../src/journal/quick-check.ts";
import { holdersOf } from "../../support/journal-files.ts";
import { waitFor } from "../../support/wait.ts";
import { folder, messages, openJournal } from "./fixture.ts";

const never = new AbortController().signal;
const longMs = 30_000;

test("a journal in use is checked, and sound", async (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(500));
  assert.equal(await quickCheck(join(dir, "journal.db"), longMs, never), "sound");
  journal.commit(messages(1));
});

test("a page of garbage in the middle is found", async (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const journal = openJournal(t, dir);
  journal.commit(messages(500, 1000));
  journal.close();
  const pageBytes = 4096;
  const page = Math.floor(statSync(file).size / pageBytes / 2);
  const fd = openSync(file, "r+");
  writeSync(fd, Buffer.alloc(pageBytes, 0xff), 0, pageBytes, page * pageBytes);
  closeSync(fd);
  assert.equal(await quickCheck(file, longMs, never), "damaged");
});

test("what is no database is damaged, and what is not there cannot be told", async (t) => {
  const dir = folder(t);
  assert.equal(await quickCheck(join(dir, "nothing.db"), longMs, never), "unfinished");
  assert.equal(await quickCheck(import.meta.filename, longMs, never), "damaged");
});

test("the check is bounded in time, and ends with its signal", async (t) => {
  const dir = folder(t);
  openJournal(t, dir).commit(messages(10));
  const file = join(dir, "journal.db");
  assert.equal(await quickCheck(file, 1, never), "unfinished");
  assert.equal(await quickCheck(file, longMs, AbortSignal.abort()), "unfinished");
  assert.equal(await quickCheck(file, longMs, AbortSignal.timeout(1)), "unfinished");
});

test("the check dies with the daemon that started it", async (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const journal = openJournal(t, dir);
  for (let n = 0; n < 10; n += 1) journal.commit(messages(1000, 2000));
  journal.close();
  const parent = spawn(process.execPath, [join(import.meta.dirname, "check-process.ts"), file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => parent.kill("SIGKILL"));
  await once(parent.stdout, "data");
  await waitFor(() => holdersOf(file).length > 0 || parent.exitCode !== null, {
    timeoutMs: 10_000,
    everyMs: 1,
    what: "the check to open the journal",
  });
  const [check] = holdersOf(file);
  assert.ok(check !== undefined && check !== parent.pid, "the check is under way");
  // Stopped, it cannot end by itself: only the kernel's signal ends it.
  process.kill(check, "SIGSTOP");
  parent.kill("SIGKILL");
  try {
    await waitFor(() => holdersOf(file).length === 0, {
      timeoutMs: 10_000,
      everyMs: 5,
      what: "the check to end",
    });
  } finally {
    if (holdersOf(file).includes(check)) process.kill(check, "SIGKILL");
  }
});

test("a lock that was not released tells the next one", (t) => {
  const dir = folder(t);
  const first = lockDirectory(dir);
  assert.equal(first.isAfterUncleanStop, false);
  first.release();
  const second = lockDirectory(dir);
  assert.equal(second.isAfterUncleanStop, false);
  second.release();
});
