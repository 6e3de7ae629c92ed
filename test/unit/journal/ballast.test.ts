/** A full disk, with ballast: what is full becomes the quota, until there is room again. */
import assert from "node:assert/strict";
import fs, { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { Ballast } from "../../../src/journal/ballast.ts";
import { Quota } from "../../../src/journal/quota.ts";
import { mountTmpfs } from "../../support/mount.ts";

const mib = 1024 * 1024;

test("ballast is made where there is room, given up, and made again", (t) => {
  const dir = mountTmpfs(t, 16 * mib);
  if (dir === undefined) return;
  const ballast = new Ballast(dir);
  assert.equal(ballast.state, "never_made");
  assert.equal(ballast.giveUp(), false);
  assert.equal(ballast.restore(), true);
  const { size } = statSync(join(dir, "ballast"));
  assert.equal(size, 2 * mib, "a part of a small disk");
  assert.ok(ballast.giveUp());
  assert.deepEqual([ballast.state, ballast.giveUp()], ["given_up", false]);
  writeFileSync(join(dir, "other"), Buffer.alloc(12 * mib));
  assert.equal(ballast.restore(), false);
  assert.equal(ballast.state, "given_up");
  rmSync(join(dir, "other"));
  assert.equal(ballast.restore(), true);
});

test("where there was never room nothing is left behind", (t) => {
  const dir = mountTmpfs(t, 4 * mib);
  if (dir === undefined) return;
  writeFileSync(join(dir, "other"), Buffer.alloc(4 * mib - 65_536));
  assert.equal(new Ballast(dir).restore(), false);
  assert.ok(!existsSync(join(dir, "ballast")));
});

test("a disk that becomes full while the ballast is made keeps nothing of it", (t) => {
  const dir = mountTmpfs(t, 16 * mib);
  if (dir === undefined) return;
  writeFileSync(join(dir, "other"), Buffer.alloc(15 * mib));
  // As it was before that.
  const statfs = Object.assign(fs.statfsSync(dir), { bavail: 4096 });
  const mocked = t.mock.method(fs, "statfsSync", () => statfs);
  syncBuiltinESMExports();
  try {
    const ballast = new Ballast(dir);
    assert.equal(ballast.restore(), false);
    assert.equal(ballast.state, "given_up");
    assert.equal(statSync(join(dir, "ballast")).size, 0);
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
});

test("a journal that gave its ballast up keeps its size, over a restart too, until the disk has room", (t) => {
  const dir = mountTmpfs(t, 32 * mib);
  if (dir === undefined) return;
  const ballast = new Ballast(dir);
  assert.ok(ballast.restore());
  const open = (): { database: Database.Database; quota: Quota } => {
    const database = new Database(join(dir, "journal.db"));
    return { database, quota: new Quota(database, 1024 * mib) };
  };
  const { database, quota } = open();
  database.exec("CREATE TABLE x (y)");
  database.prepare("INSERT INTO x VALUES (?)").run(Buffer.alloc(2 * mib));
  writeFileSync(join(dir, "other"), Buffer.alloc(24 * mib));
  assert.equal(quota.isReachedBy(mib), false);
  assert.ok(quota.shrinkToDisk());
  assert.deepEqual([quota.isShrunk, quota.isReachedBy(mib), quota.shrinkToDisk()], [true, true, false]);
  quota.regrow();
  assert.ok(quota.isShrunk);
  database.close();
  const again = open();
  assert.ok(again.quota.isShrunk, "the next process knows");
  rmSync(join(dir, "other"));
  again.quota.regrow();
  assert.deepEqual(
    [again.quota.isShrunk, again.quota.isReachedBy(mib), ballast.state],
    [false, false, "there"],
  );
  again.database.close();
});
