import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { judgeFsync, measureFsync } from "../../../src/doctor/journal-fsync.ts";
import { temporaryFolder, waitFor } from "../../support/wait.ts";

const never = new AbortController().signal;

describe("the time of an fsync", () => {
  const judged = (tookMs: readonly number[], isInMemory = false): string => {
    const { severity, text } = judgeFsync({ tookMs, end: "ended", isInMemory, commitIntervalMs: 250 });
    return `${severity}: ${text}`;
  };

  test("is said by its median and its worst, and by what the commit policy makes of it", () => {
    assert.equal(
      judged([0.2, 0.1, 3]),
      "ok: fsync takes 0.2 ms, 3 ms at worst (of 3): it limits nothing, a PUBACK within 250 ms",
    );
    // A full group of 500 rests twice as long as its commit took: 500 in 60 ms.
    assert.match(
      judged([20, 20, 20]),
      /^ok: fsync takes 20 ms, .*good for 8300 uplinks\/s, a PUBACK within 270 ms$/,
    );
  });

  test("above 200 ms is a warning: PUBACKs come seconds late", () => {
    assert.match(judged([200, 200]), /^ok: /);
    assert.match(
      judged([400, 1500, 400]),
      /^warning: .*good for 420 uplinks\/s, a PUBACK within 2\.4 s, and the daemon stands/,
    );
  });

  test("that no disk can reach is a warning, unless it is memory", () => {
    assert.match(judged([0.003, 0.004, 0.9]), /^warning: fsync takes 4 µs, .*seems to do nothing/);
    assert.match(judged([0.003, 0.004, 0.9], true), /^ok: .*this is memory$/);
  });

  test("that does not come back, or fails, is a failure", () => {
    const of = (end: Parameters<typeof judgeFsync>[0]["end"]) =>
      judgeFsync({ tookMs: [], end, isInMemory: false, commitIntervalMs: 250 });
    assert.match(of("late").text, /did not return within 5 s/);
    assert.equal(of("late").severity, "failure");
    assert.equal(of({ failed: "ENOSPC" }).code, "journal_full");
    assert.equal(of({ failed: "EIO" }).code, "journal_unwritable");
    assert.equal(of("aborted").severity, "skipped");
    assert.equal(judged([]), "skipped: not tried: stopped before the first fsync");
  });
});

describe("measuring", () => {
  /** A program in the place of ours: makes its file, and hangs as a dead disk does. */
  const hanging = `
    import { writeFileSync } from "node:fs";
    writeFileSync(process.argv[2], "");
    process.stdout.write("1.5\\n");
    setInterval(() => {}, 1000);`;

  async function hangingProgram(folder: string): Promise<string> {
    const program = join(folder, "hanging.mjs");
    writeFileSync(program, hanging);
    return program;
  }

  test("syncs some twenty times, and leaves nothing", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    const run = await measureFsync(folder.path, never);
    assert.equal(run.end, "ended");
    assert.ok(run.tookMs.length >= 1 && run.tookMs.length <= 20, `${run.tookMs.length}`);
    assert.ok(run.tookMs.every((ms) => ms > 0));
    assert.deepEqual(readdirSync(folder.path), []);
  });

  test("the program removes its file itself, for when nobody is there to do it, and measures for its own parent only", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    const program = join(import.meta.dirname, "../../../src/doctor/journal-fsync-process.ts");
    const measure = (parent: number): string =>
      execFileSync(process.execPath, [
        program,
        join(folder.path, "x"),
        "3",
        "1000",
        String(parent),
      ]).toString();
    assert.match(measure(process.pid), /^(?:\d+\.\d{4}\n){3}$/);
    assert.equal(measure(process.pid + 1), "");
    assert.deepEqual(readdirSync(folder.path), []);
  });

  test("a disk that hangs is left after the time for one step, and the file goes", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    await using elsewhere = await temporaryFolder("doctor-fsync-program");
    const program = await hangingProgram(elsewhere.path);
    const run = await measureFsync(folder.path, never, { program, stepMs: 700 });
    assert.deepEqual(run, { tookMs: [1.5], end: "late" });
    assert.deepEqual(readdirSync(folder.path), []);
  });

  test("an abort ends it at once, and the file goes", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    await using elsewhere = await temporaryFolder("doctor-fsync-program");
    const program = await hangingProgram(elsewhere.path);
    const stop = new AbortController();
    const running = measureFsync(folder.path, stop.signal, { program });
    await waitFor(() => readdirSync(folder.path).length > 0, { what: "the file" });
    stop.abort();
    assert.equal((await running).end, "aborted");
    assert.deepEqual(readdirSync(folder.path), []);
    assert.deepEqual(await measureFsync(folder.path, stop.signal), { tookMs: [], end: "aborted" });
  });

  test("what a killed doctor has left is swept, what belongs to a living one or to others is not", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    const dead = join(folder.path, ".flightline-doctor-4194399");
    const living = join(folder.path, ".flightline-doctor-1");
    for (const file of [dead, living, join(folder.path, "journal.db")]) writeFileSync(file, "");
    await measureFsync(folder.path, never);
    assert.equal(existsSync(dead), false);
    assert.deepEqual(readdirSync(folder.path).toSorted(), [".flightline-doctor-1", "journal.db"]);
  });

  test("a directory that cannot be written is said by its errno", async () => {
    const run = await measureFsync("/proc/self", never);
    assert.ok(typeof run.end === "object");
    assert.match(run.end.failed, /^E(?:NOENT|ACCES|PERM)$/);
  });
});
