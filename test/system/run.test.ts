/** `flightline run` as a process: how it starts, refuses, logs and stops; and `flightline demo`. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import {
  database,
  dataFolder,
  Program,
  startDaemon,
  untilSubscribed,
  writeConfig,
} from "../support/daemon.ts";
import { committedCount, readDeadJournal } from "../support/journal-files.ts";
import { judge } from "../support/judge.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { processesWithMark, runMark } from "../support/processes.ts";
import { makeUplinks, publishUplinks } from "../support/fleet-uplinks.ts";
import { freePort, temporaryFolder, waitFor } from "../support/wait.ts";
import { startWatchedInflux } from "../support/watched-influx.ts";

/** What the daemon allows itself, and something for a busy machine. */
const stopDeadlineMs = 10_000 + 2000;
const deadlineMs = 30_000;

test("SIGTERM under load: it stops in time with 0, and a restart finds everything", async (t) => {
  const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 20000"] });
  if (broker === undefined) return;
  await using folder = await temporaryFolder("run-stop");
  await using influx = await startWatchedInflux();
  const configFile = writeConfig({ folder: folder.path, mqttUrl: broker.url, influxUrl: influx.url });
  const uplinks = makeUplinks({ count: 5000, seed: 8 });
  const ledger = new MemoryLedger();
  let stopMs: number;
  let committed: number;
  {
    await using daemon = startDaemon(configFile);
    await untilSubscribed(broker, [daemon]);
    const publishing = publishUplinks(ledger, { url: broker.url, messages: uplinks, ratePerSecond: 1500 });
    await waitFor(() => committedCount(dataFolder(folder.path)) >= 500, {
      timeoutMs: deadlineMs,
      what: "the first commits",
    });
    const startMs = performance.now();
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout);
    stopMs = performance.now() - startMs;
    committed = readDeadJournal(dataFolder(folder.path)).messages.length;
    assert.equal((await daemon.said("stopped"))["level"], 30);
    await publishing;
  }
  assert.ok(stopMs < stopDeadlineMs, `it took ${stopMs} ms`);
  assert.ok(committed > 0 && committed < uplinks.length, `it was stopped in the middle: ${committed}`);
  await using second = startDaemon(configFile);
  await influx.hasWritten(uplinks.length, deadlineMs, () => assert.ok(second.isRunning));
  assert.deepEqual(await second.stop(), { code: 0, signal: null });
  const account = await judge({ ledger: ledger.entries(), influxUrl: influx.url, database });
  t.diagnostic(
    `stopped in ${stopMs.toFixed(0)} ms with ${committed} of ${uplinks.length} committed; ` +
      `after the restart written ${account.written}, lost ${account.lost}, duplicates ${account.duplicates}`,
  );
  const { written, lost, invented, altered, duplicates } = account;
  assert.deepEqual(
    { written, lost, invented, altered, duplicates },
    { written: uplinks.length, lost: 0, invented: 0, altered: 0, duplicates: 0 },
    account.details.join("\n"),
  );
});

test("after a kill the journal is checked, after a clean stop it is not", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("run-check");
  await using influx = await startWatchedInflux();
  const configFile = writeConfig({ folder: folder.path, mqttUrl: broker.url, influxUrl: influx.url });
  const checked = "checked the journal after an unclean stop";
  {
    await using first = startDaemon(configFile);
    await untilSubscribed(broker, [first]);
    await first.kill();
  }
  {
    await using second = startDaemon(configFile);
    assert.equal((await second.said(checked))["result"], "sound");
    assert.deepEqual(await second.stop(), { code: 0, signal: null });
  }
  await using third = startDaemon(configFile);
  await third.said("connected to the broker");
  assert.deepEqual(await third.stop(), { code: 0, signal: null });
  assert.ok(!third.log.some(({ msg }) => msg === checked));
});

test("a SIGHUP that comes while it starts is carried out when it has started", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("run-hangup");
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: broker.url,
    influxUrl: `http://127.0.0.1:${await freePort()}`,
  });
  await using daemon = startDaemon(configFile);
  await daemon.said("flightline ");
  daemon.signal("SIGHUP");
  await daemon.said("read the configuration again: nothing has changed");
  await untilSubscribed(broker, [daemon]);
  writeFileSync(configFile, "[[mqtt]\n");
  daemon.signal("SIGHUP");
  const refused = await daemon.said("the new configuration has mistakes");
  assert.equal(refused["code"], "reload_rejected");
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout);
});

test("a second SIGTERM ends it at once", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  await using folder = await temporaryFolder("run-twice");
  await using influx = await startWatchedInflux();
  influx.standIn.faults.nextWrites({ kind: "hang" }, 100);
  const configFile = writeConfig({ folder: folder.path, mqttUrl: broker.url, influxUrl: influx.url });
  await using daemon = startDaemon(configFile);
  await untilSubscribed(broker, [daemon]);
  const messages = makeUplinks({ count: 10, seed: 9 });
  await publishUplinks(new MemoryLedger(), { url: broker.url, messages });
  await waitFor(() => influx.standIn.faults.seen.hang > 0, {
    timeoutMs: deadlineMs,
    what: "a write that hangs",
  });
  daemon.signal("SIGTERM");
  await waitFor(() => /disconnect/i.test(broker.log()), { timeoutMs: deadlineMs, what: "the goodbye" });
  assert.ok(daemon.isRunning, "the first one waits for the write");
  const startMs = performance.now();
  assert.deepEqual(await daemon.stop(), { code: 1, signal: null });
  const tookMs = performance.now() - startMs;
  t.diagnostic(`the second SIGTERM took ${tookMs.toFixed(0)} ms`);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
});

test("a second daemon on the same journal is refused and told the pid of the first", async () => {
  await using folder = await temporaryFolder("run-second");
  const nobody = `127.0.0.1:${await freePort()}`;
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: `mqtt://${nobody}`,
    influxUrl: `http://${nobody}`,
  });
  await using first = startDaemon(configFile);
  await waitFor(() => first.log.some(({ layer }) => layer === "broker"), {
    timeoutMs: deadlineMs,
    what: "the first one to look for its broker",
  });
  await using second = startDaemon(configFile);
  assert.deepEqual(await second.ended, { code: 1, signal: null });
  const refusal = second.log.find(({ code }) => code === "journal_locked");
  assert.match(String(refusal?.["msg"]), new RegExp(`pid ${first.pid}\\b`));
  assert.ok(first.isRunning, "the first one is not disturbed");
  assert.deepEqual(await first.stop(), { code: 0, signal: null }, "it stops although its broker is away");
});

test("a bad configuration: every mistake with its line on standard error, 78, and nothing is created", async (t) => {
  await using folder = await temporaryFolder("run-config");
  const file = join(folder.path, "flightline.toml");
  writeFileSync(
    file,
    `[[mqtt]]
url = "http://127.0.0.1"
topics = "application/#"
[journal]
dir = "${join(folder.path, "data")}"
commit_interval = 250
[influxdb]
url = "http://127.0.0.1:8181"
databse = "lorawan"
`,
  );
  await using daemon = startDaemon(file);
  assert.deepEqual(await daemon.ended, { code: 78, signal: null });
  const lines = [...daemon.stderr.matchAll(/flightline\.toml:(\d+)/g)].map(([, line]) => Number(line));
  t.diagnostic(`mistakes in lines ${lines.join(", ")}`);
  for (const line of [2, 3, 6, 9])
    assert.ok(lines.includes(line), `line ${line} is named:\n${daemon.stderr}`);
  assert.equal(daemon.stdout, "");
  assert.deepEqual(readdirSync(folder.path), ["flightline.toml"]);
});

test("the directory is for its owner and group, and under systemd lines begin with their priority", async () => {
  await using folder = await temporaryFolder("run-layout");
  const nobody = `127.0.0.1:${await freePort()}`;
  const runtime = join(folder.path, "runtime");
  mkdirSync(runtime);
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: `mqtt://${nobody}`,
    influxUrl: `http://${nobody}`,
    lines: { log: [] },
  });
  await using daemon = startDaemon(configFile, {
    env: { JOURNAL_STREAM: "8:1234", RUNTIME_DIRECTORY: runtime },
  });
  const isUp = (): boolean => /broker/.test(daemon.stdout) && readdirSync(runtime).includes("control.sock");
  await waitFor(() => isUp() || !daemon.isRunning, {
    timeoutMs: deadlineMs,
    what: "a word about the broker, and the control socket",
  });
  const dir = dataFolder(folder.path);
  assert.equal(statSync(dir).mode & 0o777, 0o750);
  for (const name of ["journal.db", "state.db", "flightline.lock"])
    assert.ok(existsSync(join(dir, name)), name);
  assert.deepEqual(
    readdirSync(runtime),
    ["control.sock", "decoding"],
    "what need not outlive the boot is not in the journal's folder",
  );
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  const lines = daemon.stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^<6>flightline \S+ starts node=/);
  assert.match(lines.at(-1) ?? "", /^<6>stopped$/);
  assert.ok(
    lines.some((line) => /^<4>.* code=\S+ layer=broker .*hint=/.test(line)),
    daemon.stdout,
  );
  for (const line of lines) assert.match(line, /^<[3467]>\S/);
});

test("demo: one line of JSON, nothing lost, nothing doubled, nothing left behind", async (t) => {
  await using folder = await temporaryFolder("run-demo");
  const mark = `demo-${process.pid}-${Date.now()}`;
  await using demo = new Program({
    args: ["demo", "--for", "6s", "--json"],
    env: { TMPDIR: folder.path, [runMark]: mark },
  });
  const ending = await demo.ended;
  t.diagnostic(demo.stdout.trim());
  assert.deepEqual(ending, { code: 0, signal: null }, demo.stdout + demo.stderr);
  const lines = demo.stdout.split("\n");
  assert.equal(lines.length, 2, "one line");
  const result = JSON.parse(lines[0] ?? "") as Readonly<Record<string, number>>;
  const { published = 0, written, lost, duplicates, quarantined } = result;
  assert.ok(published > 0);
  assert.deepEqual(
    { written, lost, duplicates, quarantined },
    { written: published, lost: 0, duplicates: 0, quarantined: 0 },
  );
  assert.equal(demo.stderr, "");
  assert.deepEqual(readdirSync(folder.path), []);
  assert.deepEqual(processesWithMark(mark), []);
});

test("demo: the end of its terminal leaves nothing behind either", async () => {
  await using folder = await temporaryFolder("run-demo");
  await using demo = new Program({ args: ["demo", "--for", "1m"], env: { TMPDIR: folder.path } });
  await waitFor(() => demo.stdout !== "" || !demo.isRunning, { timeoutMs: deadlineMs, what: "the demo" });
  assert.equal(readdirSync(folder.path).length, 1, demo.stdout + demo.stderr);
  demo.signal("SIGHUP");
  assert.equal((await demo.ended).signal, null, "it has ended by itself");
  assert.deepEqual(readdirSync(folder.path), []);
});
