/**
 * Promise 1 under a power cut: the file system is shut down under a process that commits, and mounted again.
 * Every message whose commit had returned is there.
 *
 * What counts as "had returned": ext4 lets an fsync that runs while the shutdown takes effect return success
 * for data that it drops (pwrite and fdatasync alone show it too, in one of seven cuts). A disk does not do
 * that, so a cut into a running process counts what was reported before the cut began; in the last round the
 * process is stopped first, and everything that it has ever reported counts.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
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
  const child = spawn(process.execPath, [join(import.meta.dirname, "power-cut-process.ts"), dir], {
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

interface Round {
  readonly commits: number;
  readonly stopFirst: boolean;
}

/** The first cut falls on a file that has never seen a checkpoint, later ones on one that has seen several. */
const rounds: readonly Round[] = [
  { commits: 20, stopFirst: false },
  { commits: 400, stopFirst: false },
  { commits: 3000, stopFirst: false },
  { commits: 50, stopFirst: true },
];

test("a power cut loses no message whose commit had returned", { timeout: 60_000 }, async (t) => {
  const disk = mountPowerCutDisk(t);
  if (disk === undefined) return;
  const dir = join(disk.path, "journal");
  mkdirSync(dir);
  let newest = 0;
  for (const { commits, stopFirst } of rounds) {
    const writer = startWriter(t, dir);
    const target = newest + commits;
    await waitFor(() => (writer.reported().at(-1) ?? 0) >= target, {
      what: `${commits} commits`,
      timeoutMs: 20_000,
    });
    if (stopFirst) await stop(writer.child);
    const before = writer.reported().at(-1) ?? 0;
    disk.cutPower();
    if (stopFirst) writer.child.kill("SIGCONT");
    // Its next commit fails; where it does not, it is not running on the disk that was cut.
    await writer.exited;
    assert.equal(writer.child.exitCode, 1, "the power cut was not noticed");
    disk.mountAgain();

    const seqs = writer.reported();
    assert.deepEqual(
      seqs,
      Array.from({ length: seqs.length }, (_, index) => newest + 1 + index),
    );
    newest = readBack(dir, stopFirst ? (seqs.at(-1) ?? 0) : before);
  }
});

/** Between two system calls: no fsync is under way when this resolves. */
async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGSTOP");
  const status = `/proc/${child.pid}/status`;
  await waitFor(() => /^State:\s+T/m.test(readFileSync(status, "utf8")), { what: "the writer to stop" });
}

/** Every message up to `owed`, and what came after it, is there with its own bytes; returns the newest seq. */
function readBack(dir: string, owed: number): number {
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
    const found = journal.read(1, Number.MAX_SAFE_INTEGER, 1e6);
    assert.equal(found.length, journal.lastSeq);
    assert.ok(found.length >= owed, `${owed} were reported, ${found.length} are there`);
    for (const [index, { seq, payload }] of found.entries()) {
      assert.equal(seq, index + 1);
      assert.ok(String(payload).startsWith(`message ${seq} .`), `message ${seq} is another one`);
    }
    return journal.lastSeq;
  } finally {
    journal.close();
  }
}
