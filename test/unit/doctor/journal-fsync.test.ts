import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
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
    assert.deepEqual(
      [of({ killedBy: "SIGKILL" }).severity, of({ killedBy: "SIGKILL" }).code],
      ["warning", undefined],
    );
    assert.match(of({ killedBy: "SIGKILL" }).text, /was ended by SIGKILL$/);
    assert.equal(of("aborted").severity, "skipped");
    assert.equal(judged([]), "skipped: not tried: stopped before the first fsync");
  });
});

describe("measuring", () => {
  const own = join(import.meta.dirname, "../../../src/doctor/journal-fsync-process.ts");

  /** In the place of ours: makes its file, and hangs as a disk does, until there is a file `thawed` beside it. */
  function hangingProgram(folder: string): { program: string; thaw: () => void } {
    const program = join(folder, "hanging.mjs");
    const thawed = join(folder, "thawed");
    writeFileSync(
      program,
      `import { existsSync, rmSync, writeFileSync } from "node:fs";
      const file = process.argv[2] + "/.flightline-doctor-" + process.pid;
      writeFileSync(file, "");
      process.stdout.write("1.5\\n");
      const cell = new Int32Array(new SharedArrayBuffer(4));
      for (let n = 0; n < 600 && !existsSync(${JSON.stringify(thawed)}); n += 1) Atomics.wait(cell, 0, 0, 50);
      rmSync(file);`,
    );
    return { program, thaw: () => writeFileSync(thawed, "") };
  }

  /** Ours, on a disk that takes a million fsyncs within a minute. */
  function endlessProgram(folder: string): string {
    const program = join(folder, "endless.mjs");
    const url = JSON.stringify(pathToFileURL(own).href);
    writeFileSync(program, `process.argv.splice(3, 2, "1000000", "60000"); await import(${url});`);
    return program;
  }

  const appears = async (folder: string): Promise<void> => {
    await waitFor(() => readdirSync(folder).length > 0, { what: "the file" });
  };
  const goes = async (folder: string): Promise<void> => {
    await waitFor(() => readdirSync(folder).length === 0, { what: "an empty directory" });
  };

  test("syncs some twenty times, and leaves nothing", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    const run = await measureFsync(folder.path, never);
    assert.equal(run.end, "ended");
    assert.ok(run.tookMs.length >= 1 && run.tookMs.length <= 20, `${run.tookMs.length}`);
    assert.ok(run.tookMs.every((ms) => ms > 0));
    assert.deepEqual(readdirSync(folder.path), []);
  });

  test("a disk that hangs is left after the time for one step, and the file goes when it comes back", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    await using elsewhere = await temporaryFolder("doctor-fsync-program");
    const { program, thaw } = hangingProgram(elsewhere.path);
    const startMs = performance.now();
    const run = await measureFsync(folder.path, never, { program, stepMs: 700 });
    assert.deepEqual(run, { tookMs: [1.5], end: "late" });
    assert.ok(performance.now() - startMs < 5000);
    assert.equal(readdirSync(folder.path).length, 1, "it hangs");
    thaw();
    await goes(folder.path);
  });

  test("who has left a disk that hangs can end", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    await using elsewhere = await temporaryFolder("doctor-fsync-program");
    const { program, thaw } = hangingProgram(elsewhere.path);
    const module = join(import.meta.dirname, "../../../src/doctor/journal-fsync.ts");
    const code = `import { measureFsync } from ${JSON.stringify(pathToFileURL(module).href)};
      const options = ${JSON.stringify({ program, stepMs: 500 })};
      console.log(JSON.stringify(await measureFsync(${JSON.stringify(folder.path)}, new AbortController().signal, options)));`;
    const args = ["--input-type=module", "--eval", code];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 });
    assert.match(stdout, /"end":"late"/);
    assert.equal(readdirSync(folder.path).length, 1, "it hangs");
    thaw();
    await goes(folder.path);
  });

  test("an abort ends it at once, and the file goes", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    await using elsewhere = await temporaryFolder("doctor-fsync-program");
    const stop = new AbortController();
    const running = measureFsync(folder.path, stop.signal, { program: endlessProgram(elsewhere.path) });
    await appears(folder.path);
    stop.abort();
    assert.equal((await running).end, "aborted");
    assert.deepEqual(readdirSync(folder.path), []);
    assert.deepEqual(await measureFsync(folder.path, stop.signal), { tookMs: [], end: "aborted" });
  });

  test("the process removes its file when its parent is killed, and whatever the terminal sends", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    const args = [own, folder.path, "1000000", "60000"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.resume();
    await appears(folder.path);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) child.kill(signal);
    // What the kernel does of a parent that is gone.
    child.stdout.destroy();
    assert.deepEqual(await once(child, "exit"), [0, null]);
    assert.deepEqual(readdirSync(folder.path), []);
  });

  test("one that is killed is said to be, and the next one sweeps its file", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    await using elsewhere = await temporaryFolder("doctor-fsync-program");
    const running = measureFsync(folder.path, never, { program: endlessProgram(elsewhere.path) });
    await appears(folder.path);
    const [name = ""] = readdirSync(folder.path);
    process.kill(Number(name.slice(name.lastIndexOf("-") + 1)), "SIGKILL");
    assert.deepEqual((await running).end, { killedBy: "SIGKILL" });
    assert.deepEqual(readdirSync(folder.path), [name]);
    await measureFsync(folder.path, never);
    assert.deepEqual(readdirSync(folder.path), []);
  });

  test("what belongs to a living one or to others is not swept", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    const others = [".flightline-doctor-1", ".flightline-doctor-4194399.old", ".flightline-doctor-notes"];
    for (const name of [...others, ".flightline-doctor-4194399", "journal.db"])
      writeFileSync(join(folder.path, name), "");
    await measureFsync(folder.path, never);
    assert.deepEqual(readdirSync(folder.path).toSorted(), [...others, "journal.db"]);
  });

  test("nor is one in the way that a process of the same number has left, as in a container", async () => {
    await using folder = await temporaryFolder("doctor-fsync");
    await using elsewhere = await temporaryFolder("doctor-fsync-program");
    const program = join(elsewhere.path, "again.mjs");
    writeFileSync(
      program,
      `import { writeFileSync } from "node:fs";
      writeFileSync(process.argv[2] + "/.flightline-doctor-" + process.pid, "");
      await import(${JSON.stringify(pathToFileURL(own).href)});`,
    );
    assert.equal((await measureFsync(folder.path, never, { program })).end, "ended");
    assert.deepEqual(readdirSync(folder.path), []);
  });

  test("a directory that cannot be written is said by its errno", async () => {
    const run = await measureFsync("/proc/self", never);
    assert.ok(typeof run.end === "object" && "failed" in run.end);
    assert.match(run.end.failed, /^E(?:NOENT|ACCES|PERM)$/);
  });
});
