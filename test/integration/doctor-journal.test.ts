/** The journal's part of the doctor on real disks, before a daemon ever ran, beside a running one, and after its death. */
import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { execFile, execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import type { Finding, Severity } from "../../src/doctor/finding.ts";
import { examineJournal } from "../../src/doctor/journal.ts";
import type { JournalConfig } from "../../src/journal/config.ts";
import { askStatus } from "../../src/status/control-client.ts";
import { markDamaged } from "../../src/sqlite/damage.ts";
import type { DaemonStatus } from "../../src/status/daemon-status.ts";
import { dataFolder, type Program, startDaemon, writeConfig } from "../support/daemon.ts";
import { holdersOf } from "../support/journal-files.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mountPowerCutDisk, mountTmpfs } from "../support/mount.ts";
import { publishAll } from "../support/publisher.ts";
import { uplink } from "../support/uplinks.ts";
import { freePort, temporaryFolder, waitFor } from "../support/wait.ts";
import { journalConfig, messages, openJournal } from "../unit/journal/fixture.ts";

const mib = 1024 * 1024;
const never = new AbortController().signal;
const main = join(import.meta.dirname, "../../src/main.ts");
const doctor = join(import.meta.dirname, "doctor-journal-process.ts");

/** By check; of several lines the last. */
type Findings = Readonly<Record<string, Finding>>;

async function examine(
  dir: string,
  changes: Partial<JournalConfig> = {},
  daemon?: DaemonStatus,
): Promise<Findings> {
  const findings: Record<string, Finding> = {};
  const examination = examineJournal(journalConfig(dir, changes), { daemon: async () => daemon });
  await examination((finding) => {
    findings[finding.check] = finding;
  }, never);
  return findings;
}

function severities(findings: Findings): Record<string, Severity> {
  return Object.fromEntries(
    Object.entries(findings).map(([check, { severity }]) => [check.replace("journal.", ""), severity]),
  );
}

async function statusOf(dir: string): Promise<DaemonStatus> {
  return await waitFor(
    async () => {
      const answer = await askStatus(join(dir, "control.sock"), { signal: never }).catch(() => undefined);
      return answer !== undefined && "status" in answer && answer.status;
    },
    { timeoutMs: 20_000, everyMs: 50, what: "an answer of the daemon" },
  );
}

async function backlog(dir: string, atLeast: number): Promise<void> {
  const has = async (): Promise<boolean> => (await statusOf(dir)).snapshot.journal.backlog >= atLeast;
  await waitFor(has, { timeoutMs: 10_000, everyMs: 50, what: `a backlog of ${atLeast}` });
}

/** The kernel's list, as far as it is about this process. */
function locksOf({ pid }: Program): string[] {
  const lines = readFileSync("/proc/locks", "utf8").split("\n");
  return lines
    .filter((line) => line.split(/\s+/)[4] === String(pid))
    .map((line) => line.replace(/^\d+: /, ""));
}

function inodes(dir: string): Record<string, number> {
  const names = readdirSync(dir).filter(
    (name) => name.startsWith("journal.") || name.startsWith("flightline."),
  );
  return Object.fromEntries(names.map((name) => [name, statSync(join(dir, name)).ino]));
}

test("before a daemon ever ran, nothing is made", async () => {
  await using folder = await temporaryFolder("doctor-journal");
  const dir = join(folder.path, "a", "data");
  const findings = await examine(dir);
  assert.deepEqual(readdirSync(folder.path), []);
  const { directory, fsync, lock, file, wal, sqlite, backlog } = severities(findings);
  assert.deepEqual(
    { directory, fsync, lock, file, wal, sqlite, backlog },
    {
      directory: "ok",
      fsync: "skipped",
      lock: "skipped",
      file: "skipped",
      wal: "skipped",
      sqlite: "ok",
      backlog: "skipped",
    },
  );
  assert.ok(findings["journal.space"] !== undefined && findings["journal.filesystem"] !== undefined);
  mkdirSync(dir, { recursive: true });
  assert.match((await examine(dir))["journal.file"]?.text ?? "", /not there yet: the first start makes it$/);
  assert.deepEqual(readdirSync(dir), []);
});

test("beside a running daemon it looks on, and changes nothing of what the daemon has", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("doctor-journal");
  // Nobody is there: everything that is published stays in the journal.
  const influxUrl = `http://127.0.0.1:${await freePort()}`;
  const config = writeConfig({ folder: folder.path, mqttUrl: broker.url, influxUrl });
  const dir = dataFolder(folder.path);
  const publish = async (from: number, count: number): Promise<void> => {
    const messages = Array.from({ length: count }, (_, index) => uplink(from + index));
    await publishAll({ url: broker.url, messages });
  };
  await using daemon = startDaemon(config, { file: main });
  await statusOf(dir);
  await waitFor(() => broker.log().includes("Sending SUBACK"), { timeoutMs: 10_000, what: "a subscription" });
  await publish(0, 50);
  await backlog(dir, 50);
  const before = { inodes: inodes(dir), locks: locksOf(daemon) };
  assert.ok(before.locks.length >= 3, "the directory, the journal and the index of its WAL are locked");

  await t.test("all is well, with the daemon and what waits", async () => {
    const [findings] = await Promise.all([examine(dir, {}, await statusOf(dir)), publish(50, 200)]);
    assert.equal(findings["journal.lock"]?.text, `held by flightline run, pid ${daemon.pid}`);
    assert.equal(findings["journal.others"], undefined);
    assert.match(findings["journal.wal"]?.text ?? "", /KiB in use$/);
    assert.match(findings["journal.backlog"]?.text ?? "", /^\d+ messages wait for InfluxDB, the oldest for /);
    const { directory, file, wal, sqlite, backlog } = severities(findings);
    assert.deepEqual(new Set([directory, file, wal, sqlite, backlog]), new Set(["ok"]));
    assert.notEqual(findings["journal.fsync"]?.severity, "skipped");
  });

  await t.test("same files, same locks, nobody else has them open", async () => {
    await backlog(dir, 250);
    assert.deepEqual({ inodes: inodes(dir), locks: locksOf(daemon) }, before);
    assert.deepEqual(holdersOf(join(dir, "journal.db")), [daemon.pid]);
    assert.deepEqual(holdersOf(join(dir, "journal.db-shm")), [daemon.pid]);
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.includes("doctor")),
      [],
    );
  });

  await t.test("by its system calls, it reads journal.db and touches neither WAL nor locks", async (t) => {
    const calls = await systemCalls(t, dir, folder.path);
    if (calls === undefined) return;
    const of = (name: RegExp): string[] => calls.filter((call) => name.test(call));
    assert.ok(of(/openat\(.*journal\.db"/).length > 0, "the trace has seen it");
    assert.ok(of(/\.flightline-doctor-\d+/).some((call) => call.includes("O_EXCL")));
    assert.ok(of(/openat\(.*journal\.db"/).every((call) => call.includes("O_RDONLY")));
    assert.deepEqual(of(/openat\(.*(?:-wal|-shm|flightline\.lock|state\.db)/), []);
    assert.deepEqual(of(/F_(?:OFD_)?SETLK/), []);
    assert.deepEqual(
      of(/(?:unlink|rename)\w*\(/).filter((call) => !call.includes(".flightline-doctor-")),
      [],
    );
  });

  await t.test("somebody else who has it open is named", async () => {
    const other = new Database(join(dir, "journal.db"), { readonly: true });
    other.prepare("SELECT count(*) FROM message").get();
    try {
      // Not here: closing the file would drop the locks of this process.
      const findings = await examineElsewhere(dir);
      const others = findings.find(({ check }) => check === "journal.others");
      assert.equal(others?.severity, "warning");
      assert.equal(others.figures?.["pid"], process.pid);
    } finally {
      other.close();
    }
  });

  await t.test("the death of the daemon is seen, and the next one has every message", async () => {
    const { snapshot } = await statusOf(dir);
    await daemon.kill();
    const findings = await examine(dir);
    assert.equal(findings["journal.lock"]?.severity, "warning");
    assert.match(findings["journal.lock"]?.text ?? "", new RegExp(`last daemon \\(pid ${daemon.pid}\\)`));
    assert.match(findings["journal.wal"]?.text ?? "", /left by a stop that was not clean/);
    await using next = startDaemon(config, { file: main });
    const status = await statusOf(dir);
    assert.equal(status.pid, next.pid);
    assert.ok(status.snapshot.journal.backlog >= snapshot.journal.backlog);
    assert.deepEqual(
      next.log.filter(({ code }) => typeof code === "string" && /^(?:journal|database)_/.test(code)),
      [],
    );

    // What must never happen, and must be seen when it has.
    renameSync(join(dir, "journal.db"), join(dir, "journal.away"));
    const gone = await examine(dir, {}, status);
    assert.deepEqual(
      [gone["journal.file"]?.severity, gone["journal.file"]?.code],
      ["failure", "journal_vanished"],
    );
    renameSync(join(dir, "journal.away"), join(dir, "journal.db"));
    assert.equal((await examine(dir, {}, status))["journal.file"]?.severity, "ok");

    assert.deepEqual(await next.stop(), { code: 0, signal: null });
    assert.deepEqual(existsSync(join(dir, "journal.db-wal")), false, "it closed as the last one");
    assert.deepEqual((await examine(dir))["journal.lock"]?.text, "free: no daemon has the directory");
  });
});

const run = promisify(execFile);

async function examineElsewhere(dir: string): Promise<Finding[]> {
  const { stdout } = await run(process.execPath, [doctor, dir], { timeout: 60_000, killSignal: "SIGKILL" });
  return JSON.parse(stdout) as Finding[];
}

/** What an examination asks of the kernel about files below `dir`; undefined where strace cannot be had. */
async function systemCalls(t: TestContext, dir: string, folder: string): Promise<string[] | undefined> {
  const trace = join(folder, "trace");
  const calls = "trace=openat,open,fcntl,unlink,unlinkat,rename,renameat2";
  try {
    await run("strace", ["-f", "-y", "-qq", "-e", calls, "-o", trace, process.execPath, doctor, dir]);
  } catch (error) {
    t.skip(`no strace: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  return readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.includes(`${dir}/`));
}

test("a damaged journal is told before it is moved, while messages in it are owed, and when it has been read", async (t) => {
  await using folder = await temporaryFolder("doctor-journal");
  const [mqttUrl, influxUrl] = [
    `mqtt://127.0.0.1:${await freePort()}`,
    `http://127.0.0.1:${await freePort()}`,
  ];
  const config = writeConfig({ folder: folder.path, mqttUrl, influxUrl });
  const dir = dataFolder(folder.path);
  mkdirSync(dir, { recursive: true });
  const first = openJournal(t, dir);
  first.commit(messages(20));
  first.close();
  markDamaged(join(dir, "journal.db"), "is damaged (SQLITE_CORRUPT)");
  assert.equal((await examine(dir))["journal.damage"]?.code, "journal_damaged");
  // As a start that does not come further.
  openJournal(t, dir).close();
  const owed = await examine(dir);
  assert.deepEqual([owed["journal.damage"], owed["journal.salvage"]?.severity], [undefined, "warning"]);
  await using _daemon = startDaemon(config, { file: main });
  const isRead = (): boolean => readdirSync(dir).some((name) => name.endsWith(".salvaged"));
  await waitFor(isRead, { timeoutMs: 30_000, what: "the end of the salvage" });
  const after = await examine(dir, {}, await statusOf(dir));
  assert.deepEqual([after["journal.salvage"], after["journal.moved_aside"]?.severity], [undefined, "ok"]);
});

test("in memory it says so, and on a disk that is nearly full it writes nothing", async (t) => {
  const path = mountTmpfs(t, 64 * mib);
  if (path === undefined) return;
  const findings = await examine(path, { maxSizeBytes: 16 * mib });
  assert.deepEqual(severities(findings)["filesystem"], "warning");
  assert.match(findings["journal.filesystem"]?.text ?? "", /is on tmpfs .*gone at a power cut/);
  assert.match(findings["journal.fsync"]?.text ?? "", /: this is memory$/);
  assert.equal(findings["journal.space"]?.severity, "ok");
  assert.equal((await examine(path, { maxSizeBytes: 1024 * mib }))["journal.space"]?.severity, "warning");

  writeFileSync(join(path, "filler"), Buffer.alloc(60 * mib));
  const full = await examine(path);
  assert.deepEqual(
    [full["journal.space"]?.severity, full["journal.space"]?.code],
    ["failure", "journal_full"],
  );
  assert.equal(full["journal.fsync"]?.text, "not tried: nothing is written to a disk that is nearly full");
  assert.deepEqual(readdirSync(path), ["filler"]);
});

test("on ext4 an fsync is measured, and read-only it is a failure that names the mount", async (t) => {
  const disk = mountPowerCutDisk(t);
  if (disk === undefined) return;
  const { path } = disk;
  const findings = await examine(path, { maxSizeBytes: 4 * mib });
  assert.equal(severities(findings)["filesystem"], "ok");
  assert.match(findings["journal.filesystem"]?.text ?? "", /^ext4 \(\/dev\/loop\d+ at /);
  assert.match(findings["journal.fsync"]?.text ?? "", /^fsync takes [\d.]+ (?:µs|ms), /);
  assert.deepEqual(readdirSync(path), ["lost+found"]);
  t.diagnostic(findings["journal.fsync"]?.text ?? "");

  const busy = { env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` } };
  execFileSync("mount", ["-o", "remount,ro", path], busy);
  const readOnly = await examine(path);
  assert.equal(readOnly["journal.directory"]?.severity, "failure");
  assert.match(readOnly["journal.filesystem"]?.hint ?? "", new RegExp(`remount,rw ${path}$`));
  assert.match(readOnly["journal.fsync"]?.text ?? "", /^not tried: the directory cannot be written$/);
});

test("on a disk that is frozen it ends, and what it could not remove goes with the thaw", async (t) => {
  const disk = mountPowerCutDisk(t);
  if (disk === undefined) return;
  const busy = { env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` } };
  execFileSync("fsfreeze", ["--freeze", disk.path], busy);
  try {
    const findings = await examineElsewhere(disk.path);
    const fsync = findings.find(({ check }) => check === "journal.fsync");
    assert.match(fsync?.text ?? "", /did not return within 5 s/);
  } finally {
    execFileSync("fsfreeze", ["--unfreeze", disk.path], busy);
  }
  // It is made only now, by who was held up, and removed again.
  const isOver = (): boolean => readdirSync("/proc").every((pid) => !commandOf(pid).includes(disk.path));
  await waitFor(isOver, { timeoutMs: 10_000, what: "the end of who measures" });
  assert.deepEqual(readdirSync(disk.path), ["lost+found"]);
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
