/** The journal of the running program is emptied, removed, or slow to sync: it is said, and the daemon does its work. */
import assert from "node:assert/strict";
import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { dataFolder, type Program, startDaemon, untilSubscribed, writeConfig } from "../support/daemon.ts";
import { makeUplinks, publishUplinks } from "../support/fleet-uplinks.ts";
import { type Mosquitto, requireMosquitto } from "../support/mosquitto.ts";
import { inject } from "../support/strace.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";
import { startWatchedInflux, type WatchedInflux } from "../support/watched-influx.ts";

const timeoutMs = 30_000;

interface Scene {
  readonly broker: Mosquitto;
  readonly influx: WatchedInflux;
  readonly proxy: TcpProxy;
  readonly configFile: string;
  readonly dir: string;
  readonly ledger: MemoryLedger;
  publish(count: number, seed: number, ratePerSecond?: number): Promise<void>;
  start(): Program;
}

async function openScene(t: TestContext, mqtt: readonly string[] = []): Promise<Scene | undefined> {
  const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 20000"] });
  if (broker === undefined) return undefined;
  const folder = await temporaryFolder("damage");
  const influx = await startWatchedInflux({ flushIntervalMs: 100 });
  const proxy = await TcpProxy.start(influx.standIn.port);
  t.after(async () => {
    await proxy.stop();
    await influx[Symbol.asyncDispose]();
    await folder.remove();
  });
  const influxUrl = `http://127.0.0.1:${proxy.port}`;
  const lines = {
    influxdb: ['batch_max_age = "50ms"'],
    journal: ['commit_interval = "20ms"'],
    "[mqtt]": mqtt,
  };
  const ledger = new MemoryLedger();
  const configFile = writeConfig({ folder: folder.path, mqttUrl: broker.url, influxUrl, lines });
  return {
    broker,
    influx,
    proxy,
    configFile,
    dir: dataFolder(folder.path),
    ledger,
    publish: async (count, seed, ratePerSecond) => {
      const messages = makeUplinks({ count, seed });
      const rate = ratePerSecond === undefined ? {} : { ratePerSecond };
      await publishUplinks(ledger, { url: broker.url, messages, ...rate });
    },
    start: () => {
      const program = startDaemon(configFile);
      t.after(async () => {
        if (program.isRunning) await program.kill();
      });
      return program;
    },
  };
}

function codes(program: Program): unknown[] {
  return program.log.map(({ code }) => code).filter((code) => code !== undefined);
}

async function endsItself(program: Program, code: string): Promise<void> {
  await waitFor(() => !program.isRunning, { timeoutMs, what: `an end for ${code}` });
  assert.deepEqual(await program.ended, { code: 1, signal: null });
  assert.ok(codes(program).includes(code), program.stdout);
}

async function untilSaid(program: Program, code: string): Promise<string> {
  await waitFor(() => codes(program).includes(code) || !program.isRunning, { timeoutMs, what: code });
  const line = program.log.find((one) => one["code"] === code);
  assert.ok(line !== undefined, `it ended without ${code}:\n${program.stdout}${program.stderr}`);
  return String(line["msg"]);
}

test("a journal that is emptied between two runs is said, and the daemon works", async (t) => {
  const scene = await openScene(t);
  if (scene === undefined) return;
  const first = scene.start();
  await untilSubscribed(scene.broker, [first]);
  await scene.publish(20, 3);
  await scene.influx.hasWritten(20, timeoutMs, () => assert.ok(first.isRunning));
  await first.stop();
  truncateSync(join(scene.dir, "journal.db"), 0);
  const second = scene.start();
  await untilSaid(second, "journal_vanished");
  await untilSubscribed(scene.broker, [second], 2);
  await scene.publish(20, 4);
  await scene.influx.hasWritten(40, timeoutMs, () => assert.ok(second.isRunning));
  assert.deepEqual(await second.stop(), { code: 0, signal: null });
});

test("a journal that is removed under the running daemon is noticed", async (t) => {
  const scene = await openScene(t);
  if (scene === undefined) return;
  const first = scene.start();
  await untilSubscribed(scene.broker, [first]);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(scene.dir, `journal.db${suffix}`), { force: true });
  await endsItself(first, "database_removed");
});

test("20 ms for each fsync: few and large groups, and the connection is kept alive", async (t) => {
  const scene = await openScene(t, ['keepalive = "5s"']);
  if (scene === undefined) return;
  const daemon = scene.start();
  await untilSubscribed(scene.broker, [daemon]);
  const tracing = await inject(t, daemon.pid, "fsync:delay_exit=20000");
  if (tracing === undefined) return;
  await scene.publish(2000, 6, 500);
  await scene.influx.hasWritten(2000, timeoutMs, () => assert.ok(daemon.isRunning));
  const syncs = tracing.count();
  await tracing.stop();
  t.diagnostic(`2000 messages in 4 s at 500/s: ${syncs} fsyncs`);
  assert.ok(syncs > 0 && syncs < 200, `${syncs} fsyncs`);
  const reconnects = scene.broker.log().split("New client connected").length - 1;
  assert.equal(reconnects, 2, "the daemon and the publisher, once each");
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
});
