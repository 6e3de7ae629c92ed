/** A disk that is really full: nothing is lost, nothing is dropped in vain, and it goes on when there is space. */
import assert from "node:assert/strict";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import type { Journal } from "../../../src/journal/journal.ts";
import { lockDirectory } from "../../../src/journal/lock.ts";
import { Fault } from "../../../src/lib/fault.ts";
import { mountTmpfs } from "../../support/mount.ts";
import { messages, openJournal, runCommitter, seqs } from "./fixture.ts";

const mib = 1024 * 1024;
const unlimited = { maxSizeBytes: 1024 * mib };

/** A disk with a file on it that is not ours. */
function disk(
  t: TestContext,
  sizeBytes = 3 * mib,
): { readonly dir: string; readonly other: string } | undefined {
  const dir = mountTmpfs(t, sizeBytes);
  if (dir === undefined) return undefined;
  const other = join(dir, "other");
  writeFileSync(other, Buffer.alloc(mib));
  return { dir, other };
}

/** Commits until the disk is full; returns how many were stored. */
function fill(journal: Journal): number {
  for (let stored = 0; stored < 10_000; stored += 1) {
    try {
      journal.commit(messages(1, 1000));
      journal.checkpointWhenDue();
    } catch (error) {
      assert.ok(error instanceof Fault, String(error));
      assert.equal(error.code, "journal_full");
      assert.equal(error.disposition, "retry");
      assert.match(error.message, /the disk of the journal is full/);
      return stored;
    }
  }
  return assert.fail("the disk was never full");
}

/** Takes what the journal has left. */
function fillRest(dir: string): void {
  assert.throws(() => {
    writeFileSync(join(dir, "rest"), Buffer.alloc(8 * mib));
  }, /ENOSPC/);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

test("what was committed before the disk was full is there, and unsent messages are not dropped in vain", (t) => {
  const found = disk(t);
  if (found === undefined) return;
  const journal = openJournal(t, found.dir, unlimited);
  const stored = fill(journal);
  assert.ok(stored > 100);
  for (let n = 0; n < 20; n += 1) {
    assert.throws(() => journal.commit(messages(200, 1000)), { code: "journal_full" });
  }
  assert.equal(journal.evicted, 0);
  assert.deepEqual(seqs(journal), range(journal.lastSeq));
  rmSync(found.other);
  assert.equal(journal.commit(messages(1, 1000))[0]?.seq, journal.lastSeq);
});

test("a checkpoint that finds no space keeps quiet, and the file stays whole", (t) => {
  const found = disk(t, 8 * mib);
  if (found === undefined) return;
  const journal = openJournal(t, found.dir, unlimited);
  const stored = 150;
  for (let n = 0; n < stored; n += 1) journal.commit(messages(1, 20_000));
  fillRest(found.dir);
  const file = join(found.dir, "journal.db");
  const sizeBefore = statSync(file).size;
  journal.checkpointWhenDue();
  assert.equal(statSync(file).size, sizeBefore, "there was space after all");
  const check = new Database(file, { readonly: true });
  assert.equal(check.pragma("integrity_check", { simple: true }), "ok");
  check.close();
  assert.deepEqual(seqs(journal), range(stored));
  rmSync(found.other);
});

test("what is settled makes room on a full disk when that helps", (t) => {
  const found = disk(t);
  if (found === undefined) return;
  const journal = openJournal(t, found.dir, unlimited);
  const stored = fill(journal);
  journal.settle(1, stored);
  let more = 0;
  for (let n = 0; n < 50; n += 1) {
    try {
      journal.commit(messages(1, 1000));
      more += 1;
    } catch (error) {
      assert.ok(error instanceof Fault && error.code === "journal_full", String(error));
    }
  }
  assert.equal(journal.evicted, 0);
  assert.equal(journal.lastSeq, stored + more);
  const present = new Set(seqs(journal));
  for (let seq = stored + 1; seq <= journal.lastSeq; seq += 1) assert.ok(present.has(seq), `${seq} is owed`);
});

test("messages wait unacknowledged for space, and are acknowledged in order once it comes", async (t) => {
  const found = disk(t);
  if (found === undefined) return;
  const journal = openJournal(t, found.dir, unlimited);
  fill(journal);
  const run = runCommitter(t, journal);
  const sent = range(30).map((n) => `${n} `.padEnd(1000, "y"));
  for (const text of sent) run.submit(text);
  await run.advance(250);
  await run.advance(10_000);
  assert.deepEqual(run.acknowledged, []);
  assert.deepEqual(
    run.log.faults.map(({ code }) => code),
    ["journal_full"],
  );
  rmSync(found.other);
  await run.advance(10_000);
  assert.deepEqual(run.acknowledged, sent);
  await run.stop();
});

test("on a full disk the clock's offset is not decided, because that could be forgotten", (t) => {
  const found = disk(t);
  if (found === undefined) return;
  const journal = openJournal(t, found.dir, unlimited);
  fill(journal);
  fillRest(found.dir);
  assert.equal(journal.boots.learnOffset(4711), false);
  assert.equal(journal.boots.decideNoOffset(), false);
  const { currentKey } = journal.boots;
  assert.equal(journal.boots.offsetMs(currentKey), undefined);
  rmSync(found.other);
  assert.equal(journal.boots.learnOffset(4712), true);
  assert.equal(openJournal(t, found.dir, unlimited).boots.offsetMs(currentKey), 4712);
});

test("a daemon comes up on a full disk, in a new boot too, and can send what it has", (t) => {
  const found = disk(t);
  if (found === undefined) return;
  const stored = fill(openJournal(t, found.dir, unlimited));
  fillRest(found.dir);
  const lock = lockDirectory(found.dir);
  const journal = openJournal(t, found.dir, unlimited, { bootId: "boot-b" });
  assert.deepEqual(seqs(journal), range(stored));
  rmSync(found.other);
  const [next] = journal.commit(messages(1));
  assert.deepEqual([next?.seq, next?.bootKey], [stored + 1, 2]);
  assert.equal(openJournal(t, found.dir, unlimited, { bootId: "boot-b" }).boots.currentKey, 2);
  lock.release();
});

/** A journal whose ballast was given up before it was opened, on a disk with a little space left for the WAL. */
function withoutBallast(
  t: TestContext,
  whenFull: "drop_oldest" | "stop_acking",
): { readonly dir: string; readonly other: string; readonly journal: Journal } | undefined {
  const dir = mountTmpfs(t, 8 * mib);
  if (dir === undefined) return undefined;
  const other = join(dir, "other");
  writeFileSync(other, Buffer.alloc(5 * mib));
  writeFileSync(join(dir, "ballast"), "");
  return { dir, other, journal: openJournal(t, dir, { ...unlimited, whenFull }) };
}

test("without ballast what is evicted does not make the WAL grow", (t) => {
  const found = withoutBallast(t, "drop_oldest");
  if (found === undefined) return;
  const { dir, journal } = found;
  const sizes: number[] = [];
  for (let n = 0; n < 100; n += 1) {
    journal.commit(messages(5, 4000));
    sizes.push(statSync(join(dir, "journal.db-wal")).size);
  }
  assert.ok(journal.evicted > 300, `${journal.evicted}`);
  assert.ok(Math.max(...sizes) < mib, `${Math.max(...sizes)}`);
});

test("without ballast and with stop_acking it is the disk that is said to be full", (t) => {
  const journal = withoutBallast(t, "stop_acking")?.journal;
  if (journal === undefined) return;
  assert.ok(fill(journal) > 50);
  assert.equal(journal.evicted, 0);
});

test("a disk that is freed while the journal is in use lets it grow again", (t) => {
  const found = withoutBallast(t, "stop_acking");
  if (found === undefined) return;
  const stored = fill(found.journal);
  rmSync(found.other);
  for (let n = 0; n < 20; n += 1) {
    found.journal.commit(messages(20, 1000));
    found.journal.checkpointWhenDue();
  }
  assert.deepEqual(seqs(found.journal), range(stored + 400));
  assert.ok(statSync(join(found.dir, "ballast")).size > 0);
});
