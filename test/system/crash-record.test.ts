/** Programs that really crash, each in its own way, and what is left of them. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CrashRecord } from "../../src/app/crash-record.ts";
import { recallCrash } from "../../src/app/crash-record.ts";
import { State } from "../../src/state/state.ts";
import { type Ending, Program } from "../support/daemon.ts";
import { RecordingLog } from "../support/fakes/recording-log.ts";
import { mountTmpfs } from "../support/mount.ts";
import { temporaryFolder } from "../support/wait.ts";

const file = join(import.meta.dirname, "crash-record-process.ts");
const mib = 1024 * 1024;

interface Death {
  readonly ending: Ending;
  readonly stderr: string;
  readonly record: CrashRecord | undefined;
}

async function death(dir: string, way: string, look = "text", nodeOptions: string[] = []): Promise<Death> {
  await using program = new Program({ file, args: [dir, way, look], nodeOptions });
  const ending = await program.ended;
  assert.equal(program.stdout, "ready\n");
  const path = join(dir, "crash.json");
  const record = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as CrashRecord) : undefined;
  return { ending, stderr: program.stderr, record };
}

const ways: readonly {
  readonly way: string;
  readonly message: RegExp;
  readonly part?: string;
  readonly code?: string;
}[] = [
  { way: "timer", message: /^boom with \[secret\]\n/ },
  { way: "rejection", message: /^boom, nobody handles it$/ },
  { way: "top level", message: /^boom / },
  { way: "child timer", message: /^boom /, part: "forward" },
  { way: "child rejection", message: /^boom /, part: "forward" },
  { way: "no error", message: /^something that is no Error: an object with the keys token$/ },
  { way: "rejection of nothing", message: /^something that is no Error: undefined$/ },
  { way: "fault", message: /^a commit failed$/, code: "journal_write_failed" },
  { way: "twice", message: /^the first$/ },
  { way: "stack overflow", message: /^Maximum call stack size exceeded$/ },
];

for (const { way, message, part, code = "part_crashed" } of ways) {
  test(`${way}: exit code 1, one record, one message`, async () => {
    await using folder = await temporaryFolder("crash");
    const { ending, stderr, record } = await death(folder.path, way);
    assert.deepEqual(ending, { code: 1, signal: null });
    assert.ok(record !== undefined);
    assert.match(record.message, message);
    assert.deepEqual([record.code, record.part], [code, part]);
    assert.deepEqual(
      [record.bootId, record.version, record.nodeVersion],
      ["boot-a", "1.2.3", process.version],
    );
    assert.ok(record.ranMs >= 0 && record.ranMs < 60_000, `${record.ranMs} ms`);
    assert.equal(stderr.split("flightline crashed").length, 2, stderr);
    assert.ok(
      stderr.startsWith(
        `flightline crashed${part === undefined ? "" : ` in the part "${part}"`} [${code}]: `,
      ),
    );
    assert.doesNotMatch(stderr + JSON.stringify(record), /t0ken/);
    assert.deepEqual(readdirSync(folder.path), ["crash.json"]);
  });
}

test("for the journal each line is an error of ours, and nothing in it forges another or commands a terminal", async () => {
  await using folder = await temporaryFolder("crash");
  const { stderr } = await death(folder.path, "timer", "journald");
  const lines = stderr.trimEnd().split("\n");
  assert.equal(lines[0], "<3>flightline crashed [part_crashed]: TypeError: boom with [secret]");
  assert.equal(lines[1], "<3><6>and a forged line [31m");
  assert.match(lines[2] ?? "", /^<3> {4}at /);
  for (const line of lines) assert.match(line, /^<3>[^\p{Cc}]*$/u);
});

test("on a full disk the process ends all the same, says that there is no record, and leaves none in half", async (t) => {
  const dir = mountTmpfs(t, mib);
  if (dir === undefined) return;
  assert.throws(() => {
    writeFileSync(join(dir, "other"), Buffer.alloc(2 * mib));
  }, /ENOSPC/);
  const { ending, stderr, record } = await death(dir, "timer");
  assert.deepEqual(ending, { code: 1, signal: null });
  assert.match(stderr, /^flightline crashed [^]+\nthis crash could not be recorded \(ENOSPC\)\n$/);
  assert.equal(record, undefined);
  assert.deepEqual(readdirSync(dir), ["other"]);
  rmSync(join(dir, "other"));
  assert.match((await death(dir, "timer")).record?.message ?? "", /^boom/);
});

test("without its directory the process ends all the same", async () => {
  await using folder = await temporaryFolder("crash");
  const { ending, stderr } = await death(join(folder.path, "absent"), "timer");
  assert.deepEqual(ending, { code: 1, signal: null });
  assert.match(stderr, /could not be recorded \(ENOENT\)\n$/);
});

test("the first failure of a run is the one that is recorded", async () => {
  await using folder = await temporaryFolder("crash");
  const { ending, stderr, record } = await death(folder.path, "caught and then not");
  assert.deepEqual(ending, { code: 1, signal: null });
  assert.deepEqual([record?.message, record?.part], ["the first", "journal"]);
  assert.match(stderr, /^flightline crashed \[part_crashed\]: TypeError: boom/);
});

test("a full heap and SIGSEGV leave no record: they run no JavaScript", async () => {
  await using folder = await temporaryFolder("crash");
  const heap = await death(folder.path, "heap full", "text", ["--max-old-space-size=32"]);
  assert.equal(heap.ending.signal, "SIGABRT");
  const segv = await death(folder.path, "segv");
  assert.equal(segv.ending.signal, "SIGSEGV");
  assert.deepEqual([heap.record, segv.record], [undefined, undefined]);
});

test("once it is removed a crash is Node's own again", async () => {
  await using folder = await temporaryFolder("crash");
  const { ending, stderr, record } = await death(folder.path, "removed");
  assert.deepEqual(ending, { code: 1, signal: null });
  assert.equal(record, undefined);
  assert.match(stderr, /boom with t0ken/);
});

test("the next start notes the crash among the starts and tells of it once", async () => {
  await using folder = await temporaryFolder("crash");
  const { record } = await death(folder.path, "child timer");
  assert.ok(record !== undefined);
  const { bootId, uptimeMs, startedAtMs, version } = record;
  const log = new RecordingLog();
  const state = State.open(folder.path, 0);
  try {
    state.starts.begin({ bootId, uptimeMs, startedAtMs, version });
  } finally {
    state.close();
  }
  const next = State.open(folder.path, 0);
  try {
    recallCrash({ dir: folder.path, starts: next.starts, log });
    recallCrash({ dir: folder.path, starts: next.starts, log });
    assert.deepEqual(
      next.starts.recorded().map(({ end, part, faultCode }) => ({ end, part, faultCode })),
      [{ end: "crash", part: "forward", faultCode: "part_crashed" }],
    );
  } finally {
    next.close();
  }
  assert.deepEqual(log.codes, ["previous_crash"]);
  assert.match(String(log.lines[0]?.details["at"]), /crash-record-process\.ts:\d+/);
});
