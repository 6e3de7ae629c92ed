/** A mark of damage has all three files moved together, whatever comes in between. */
import assert from "node:assert/strict";
import fs, {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { foundDamage, readFailed, writeFailed } from "../../../src/journal/faults.ts";
import { unfinishedSalvages } from "../../../src/journal/salvage-progress.ts";
import { salvageFrames } from "../../../src/journal/salvage-source.ts";
import { markDamaged, markOf, moveAside } from "../../../src/sqlite/damage.ts";
import { folder, ManualClock, messages, openJournal, range, seqs } from "./fixture.ts";

function corrupt(): Error {
  return Object.assign(new Error("malformed"), { code: "SQLITE_CORRUPT_VTAB" });
}

test("a marked journal is moved aside at the next start, a new one begins, and the salvage finds the old one", (t) => {
  const dir = folder(t);
  const journal = openJournal(t, dir);
  journal.commit(messages(5));
  journal.close();
  const file = join(dir, "journal.db");
  assert.equal(foundDamage(file, "seen").code, "journal_damaged");
  const next = openJournal(t, dir);
  assert.deepEqual(
    next.openingFaults.map(({ code }) => code),
    ["database_moved_aside"],
  );
  assert.equal(markOf(file), undefined);
  assert.equal(next.lastSeq, 0);
  assert.notEqual(next.id, journal.id);
  const [moved = ""] = unfinishedSalvages(dir);
  assert.ok(existsSync(moved));
  writeFileSync(`${moved}.salvaged`, "{}");
  assert.deepEqual(unfinishedSalvages(dir), []);
});

test("a move that was interrupted between two files goes on to the same name", (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const target = `${file}.unusable-2026-01-01T00-00-00-000Z`;
  for (const suffix of ["", "-wal", "-shm"]) writeFileSync(file + suffix, `old${suffix}`);
  writeFileSync(join(dir, "journal.damaged"), JSON.stringify({ why: "is damaged", target }));
  renameSync(file, target);
  const mark = markOf(file);
  assert.ok(mark !== undefined);
  assert.equal(moveAside(file, mark, 0), target);
  assert.deepEqual(
    readdirSync(dir).toSorted(),
    ["", "-shm", "-wal"].map((suffix) => `journal.db.unusable-2026-01-01T00-00-00-000Z${suffix}`),
  );
  assert.equal(readFileSync(`${target}-wal`, "utf8"), "old-wal");
});

for (const renamed of [1, 2]) {
  test(`a start that is killed after ${renamed} of the three files is completed by the next one, under one name`, (t) => {
    const dir = folder(t);
    const file = join(dir, "journal.db");
    for (const suffix of ["", "-wal", "-shm"]) writeFileSync(file + suffix, `old${suffix}`);
    markDamaged(file, "is damaged");
    let left = renamed;
    const { renameSync: rename } = fs;
    const mocked = t.mock.method(fs, "renameSync", (from: string, to: string) => {
      if (left === 0) throw new Error("the process is killed");
      left -= 1;
      rename(from, to);
    });
    syncBuiltinESMExports();
    try {
      assert.throws(() => openJournal(t, dir), /killed/);
    } finally {
      mocked.mock.restore();
      syncBuiltinESMExports();
    }
    const clock = new ManualClock();
    clock.advance(60_000);
    const journal = openJournal(t, dir, {}, { clock });
    assert.equal(journal.lastSeq, 0);
    const [moved = "", ...others] = unfinishedSalvages(dir);
    assert.deepEqual(others, []);
    assert.deepEqual(
      ["", "-wal", "-shm"].map((suffix) => readFileSync(moved + suffix, "utf8")),
      ["old", "old-wal", "old-shm"],
    );
  });
}

test("what has been moved is not overwritten by what came into its place", (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const target = `${file}.unusable-2026-01-01T00-00-00-000Z`;
  writeFileSync(`${target}-wal`, "old-wal");
  writeFileSync(`${file}-wal`, "somebody else's");
  assert.equal(moveAside(file, { why: "is damaged", target }, 0), target);
  assert.equal(readFileSync(`${target}-wal`, "utf8"), "old-wal");
});

test("what an unclean stop has left in the WAL is in the file, and the WAL empty, once it is open", (t) => {
  const dir = folder(t);
  const dead = folder(t);
  openJournal(t, dir).commit(messages(50, 1000));
  for (const suffix of ["", "-wal"])
    copyFileSync(join(dir, `journal.db${suffix}`), join(dead, `journal.db${suffix}`));
  assert.ok(statSync(join(dead, "journal.db-wal")).size > 50_000);
  const journal = openJournal(t, dead);
  const { size } = statSync(join(dead, "journal.db-wal"));
  assert.ok(size < 20_000, `${size} bytes: of what opening has written itself`);
  assert.ok(statSync(join(dead, "journal.db")).size > 50_000);
  assert.deepEqual(seqs(journal), range(1, 50));
});

test("of a journal whose main file is gone the WAL is moved, and the salvage reads it", (t) => {
  const dir = folder(t);
  const file = join(dir, "journal.db");
  const journal = openJournal(t, dir);
  journal.commit(messages(5));
  rmSync(file);
  const next = openJournal(t, dir);
  assert.deepEqual(
    next.openingFaults.map(({ code }) => code),
    ["database_moved_aside"],
  );
  const unfinished = unfinishedSalvages(dir);
  assert.equal(unfinished.length, 1, "one for all its files");
  const [moved = ""] = unfinished;
  assert.ok(!existsSync(moved) && existsSync(`${moved}-wal`));
  const rows = [...salvageFrames(moved, undefined)].flatMap((frame) =>
    frame.kind === "rows" ? frame.rows.map(({ seq }) => seq) : [],
  );
  assert.deepEqual(rows, range(1, 5));
  writeFileSync(`${moved}.salvaged`, "{}");
  assert.deepEqual(unfinishedSalvages(dir), []);
});

test("the first reason stays in the mark, and half a mark is one", (t) => {
  const file = join(folder(t), "journal.db");
  markDamaged(file, "first");
  markDamaged(file, "second");
  assert.equal(markOf(file)?.why, "first");
  writeFileSync(file.replace(".db", ".damaged"), "{");
  assert.equal(markOf(file)?.why, "is damaged");
});

test("only damage leaves a mark, and only where the file is one's own", (t) => {
  const file = join(folder(t), "journal.db");
  assert.equal(readFailed(corrupt()).code, "journal_read_failed");
  assert.equal(
    writeFailed(Object.assign(new Error("io"), { code: "SQLITE_IOERR" }), file).code,
    "journal_write_failed",
  );
  assert.equal(markOf(file), undefined);
  assert.equal(readFailed(corrupt(), file).code, "journal_damaged");
  assert.ok(markOf(file) !== undefined);
});
