/**
 * Promise 1 under a power cut: the file system is shut down under a process that commits, and mounted again.
 * Every message whose commit had returned is there.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { Journal } from "../../src/journal/journal.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { mountPowerCutDisk } from "../support/mount.ts";
import { waitFor } from "../support/wait.ts";

interface Writer {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  /** The seqs it has reported, whole lines only. */
  reported(): number[];
}

function startWriter(t: TestContext, dir: string): Writer {
  const child = spawn(process.execPath, [join(import.meta.dirname, "power-cut-writer.ts"), dir], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(() => {
    child.kill("SIGKILL");
  });
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString("latin1");
  });
  const reported = (): number[] =>
    output
      .slice(0, output.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "")
      .map(Number);
  return { child, exited: once(child, "close"), reported };
}

test("a power cut loses no message whose commit had returned", { timeout: 60_000 }, async (t) => {
  const disk = mountPowerCutDisk(t);
  if (disk === undefined) return;
  const dir = join(disk.path, "journal");
  mkdirSync(dir);
  let owed = 0;
  // The first cut falls on a file that has never seen a checkpoint, later ones on one that has seen several.
  for (const commits of [20, 400, 3000]) {
    const writer = startWriter(t, dir);
    const target = owed + commits;
    await waitFor(() => (writer.reported().at(-1) ?? 0) >= target, {
      what: `${commits} commits`,
      timeoutMs: 20_000,
    });
    disk.cutPower();
    // Its next commit fails; where it does not, it is not running on the disk that was cut.
    await writer.exited;
    assert.notEqual(writer.child.exitCode, 0, "the power cut was not noticed");
    disk.mountAgain();

    const seqs = writer.reported();
    assert.deepEqual(
      seqs,
      Array.from({ length: seqs.length }, (_, index) => (seqs[0] ?? 0) + index),
    );
    const last = seqs.at(-1) ?? 0;
    assert.ok(last >= target);
    owed = readBack(dir, last);
  }
});

/** Every message up to `last` is there with its own bytes; returns the newest seq. */
function readBack(dir: string, last: number): number {
  const check = new Database(join(dir, "journal.db"));
  assert.equal(check.pragma("quick_check", { simple: true }), "ok");
  check.close();
  const journal = Journal.open(
    { dir, commitIntervalMs: 1, maxSizeBytes: undefined, keepSettledMs: 0, whenFull: "drop_oldest" },
    systemClock,
    "boot",
  );
  try {
    assert.deepEqual(journal.openingFaults, []);
    const found = journal.read(1, last, last);
    assert.equal(found.length, last);
    for (const [index, { seq, payload }] of found.entries()) {
      assert.equal(seq, index + 1);
      assert.ok(String(payload).startsWith(`message ${seq} .`), `message ${seq} is another one`);
    }
    return journal.lastSeq;
  } finally {
    journal.close();
  }
}
