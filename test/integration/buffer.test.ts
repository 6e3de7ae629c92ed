/** `flightline buffer` beside the running daemon: every event is somewhere, and what is asked for happens. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { bufferListCommand, bufferStatsCommand } from "../../src/cli/buffer.ts";
import {
  bufferPurgeCommand,
  bufferRequeueCommand,
  bufferResendCommand,
} from "../../src/cli/buffer-changes.ts";
import { exitCode, type Io } from "../../src/cli/io.ts";
import { total } from "../../src/pipeline/counters.ts";
import type { BufferStats } from "../../src/status/buffer-wire.ts";
import { type AppLife, AppScene, range } from "../support/app.ts";
import { recordingIo } from "../support/fakes/recording-io.ts";
import { junk, uplink, type UplinkMessage } from "../support/uplinks.ts";
import { PickyInflux } from "../support/picky-influx.ts";
import { waitFor } from "../support/wait.ts";

interface Bench {
  readonly scene: AppScene;
  readonly influx: PickyInflux;
  readonly life: AppLife;
  readonly config: string;
}

async function start(t: TestContext, journal = ""): Promise<Bench | undefined> {
  const scene = await AppScene.open(t);
  if (scene === undefined) return undefined;
  const influx = await PickyInflux.start(t);
  const config = await scene.config({
    influxUrl: influx.url,
    influxdb: 'write_api = "v3"',
    journal: `commit_interval = "20ms"\n${journal}`,
  });
  const life = await scene.start(config);
  return { scene, influx, life, config: join(scene.dataDir, "..", "flightline.toml") };
}

async function run(command: (io: Io) => Promise<number>): Promise<string> {
  const { io, out, err } = recordingIo();
  assert.equal(await command(io), exitCode.done, err());
  return out();
}

function find({ config }: Pick<Bench, "config">): Parameters<typeof bufferStatsCommand>[0] {
  const nowhere = { socket: undefined, serviceSocket: "/nowhere/control.sock" };
  return { config, configIsDefault: false, ...nowhere, json: true };
}

async function stats(bench: Bench): Promise<BufferStats & { readonly way: string }> {
  const text = await run(async (io) => await bufferStatsCommand(find(bench), io));
  return JSON.parse(text) as BufferStats & { readonly way: string };
}

/** Messages of the journal, those of our own among them, and where they are. */
async function places(bench: Bench): Promise<Record<string, number>> {
  const { counters } = bench.life.app.snapshot();
  const { pending, quarantined } = await stats(bench);
  return {
    written: counters.written + counters.ownWritten,
    pending: pending.count,
    quarantined: quarantined.count,
    dead: total(counters.deadMessages),
    evicted: pending.evicted,
    purged: pending.purged + quarantined.purged,
  };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

async function publishAndSettle(bench: Bench, messages: readonly UplinkMessage[]): Promise<void> {
  const { life, scene } = bench;
  const before = life.app.snapshot().counters.committed;
  await scene.publish(messages);
  await life.settled(before + messages.length);
}

test("every event is in InfluxDB, pending, quarantined, dead, evicted or purged", async (t) => {
  const bench = await start(t, 'max_size = "1MiB"');
  if (bench === undefined) return;
  const { scene, influx, life } = bench;
  await publishAndSettle(bench, range(1, 20));
  await publishAndSettle(bench, [junk(1), junk(2), junk(3)]);
  influx.dislikes = /dev_eui=00000000a0000007/;
  await publishAndSettle(bench, [uplink(107), uplink(117), uplink(101)]);
  await life.projected();
  influx.isAway = true;
  await scene.publish(range(200, 1800));
  await waitFor(async () => (await stats(bench)).pending.evicted > 0, {
    what: "evictions",
    timeoutMs: 15_000,
  });
  await run(async (io) => {
    const choice = { all: false, yes: true, confirm: undefined };
    const quarantine = { ...find(bench), ...choice, key: ["q1"] };
    assert.equal(await bufferPurgeCommand(quarantine, io), exitCode.done);
    return await bufferPurgeCommand(
      { ...find(bench), ...choice, device: "00000000a0000003", pending: true },
      io,
    );
  });
  const counts = await places(bench);
  const { lastSeq } = life.app.snapshot().journal;
  for (const [place, count] of Object.entries(counts)) assert.ok(count > 0, `${place}: ${count}`);
  assert.equal(sum(counts), lastSeq, JSON.stringify(counts));
  assert.equal((await stats(bench)).way, "daemon");
  assert.equal((await life.status()).status.unhealthy, "");

  // What was mended goes back, and everything that is not lost for good arrives, on the same points.
  influx.dislikes = undefined;
  influx.isAway = false;
  await run(async (io) => await bufferRequeueCommand({ ...find(bench), all: false, dead: true }, io));
  await waitFor(async () => (await stats(bench)).pending.count === 0, {
    what: "an empty journal",
    timeoutMs: 15_000,
  });
  const end = await stats(bench);
  assert.deepEqual([end.dead.count, end.quarantined.count], [0, 2]);
  assert.deepEqual([influx.uplinks.get(107), influx.uplinks.get(117)], [1, 1]);
  const arrived = [...influx.uplinks.keys()].filter((n) => n >= 200);
  const purgedDevice = arrived.filter((n) => n % 10 === 3);
  // One batch of it may have been on its way.
  assert.ok(purgedDevice.length < 160, `${purgedDevice.length}`);
  assert.equal(new Set(influx.taken.filter((line) => line.startsWith("uplink,"))).size, influx.uplinks.size);
});

test("a dead message is put back beside the daemon: its good lines land on themselves, the others follow", async (t) => {
  const bench = await start(t);
  if (bench === undefined) return;
  const { influx, life } = bench;
  influx.dislikes = /^telemetry_/;
  await publishAndSettle(bench, range(1, 30));
  const { dead } = await stats(bench);
  assert.deepEqual([dead.count, dead.byDatabase], [30, { lorawan: 30 }]);
  const listed = await run(
    async (io) => await bufferListCommand({ ...find(bench), limit: 100, width: undefined }, io),
  );
  assert.deepEqual(
    [...listed.matchAll(/"message":"([^"]*)"/g)].map(([, text]) => text)[0],
    "I do not like it",
  );
  influx.dislikes = undefined;
  const out = await run(async (io) => await bufferRequeueCommand({ ...find(bench), all: true }, io));
  assert.equal(out, "30 messages (30 rows) back into the journal.\n");
  await waitFor(async () => (await stats(bench)).pending.count === 0, { what: "an empty journal" });
  const points = new Set(influx.taken.filter((line) => /^(?:uplink|telemetry_em300_th),/.test(line)));
  assert.equal(points.size, 60);
  assert.equal((await stats(bench)).dead.count, 0);
  const logged = life.log.lines.filter(({ message }) => message.startsWith("buffer:"));
  assert.equal(logged.length, 1);
});

test("settled messages are sent again on the same points, once each, while others come in", async (t) => {
  const bench = await start(t);
  if (bench === undefined) return;
  const { influx, scene, life } = bench;
  await publishAndSettle(bench, range(1, 200));
  const points = new Set(influx.taken);
  const coming = scene.publish(range(1000, 1040), 200);
  const options = { ...find(bench), since: "1h", until: undefined, device: undefined };
  const out = await run(async (io) => await bufferResendCommand(options, io));
  await coming;
  assert.ok(Number(/^[\d,]+/.exec(out)?.[0].replace(",", "")) >= 200, out);
  const isAllThere = (): boolean => influx.uplinks.size === 241 && life.app.snapshot().journal.backlog === 0;
  await life.until(isAllThere, "all of them, and an empty journal");
  const again = range(1, 200).filter((_, index) => influx.uplinks.get(index + 1) === 2);
  assert.equal(again.length, 200);
  const uplinksBefore = [...points].filter((line) => line.startsWith("uplink,"));
  const after = new Set(influx.taken.filter((line) => line.startsWith("uplink,")));
  assert.ok(uplinksBefore.every((line) => after.has(line)));
  assert.equal(after.size, 241);
});

test("beside a daemon list and stats say why all of it waits", async (t) => {
  const bench = await start(t);
  if (bench === undefined) return;
  const { influx, life, scene } = bench;
  influx.isAway = true;
  await scene.publish(range(10, 14));
  await life.until(() => life.app.snapshot().databases[0]?.state === "away", "an outage");
  const listed = await run(
    async (io) =>
      await bufferListCommand({ ...find(bench), pending: true, limit: 100, width: undefined }, io),
  );
  const rows = listed
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.ok(rows.length >= 5);
  const [code, reason] = ["write_overloaded", "InfluxDB asks to slow down (HTTP 503)"];
  for (const row of rows) assert.deepEqual([row["waits_for"], row["message"]], [code, reason]);
  const { oldestWait } = (await stats(bench)).pending;
  assert.deepEqual([oldestWait?.code, oldestWait?.reason], [code, reason]);
});

test("what the daemon's own files say without it is what it said", async (t) => {
  const bench = await start(t);
  if (bench === undefined) return;
  const { influx, life, scene } = bench;
  await publishAndSettle(bench, [...range(1, 5), junk(1)]);
  influx.isAway = true;
  await scene.publish(range(10, 14));
  await life.until(() => life.app.snapshot().counters.committed === 11, "all of them");
  const beside = await stats(bench);
  await life.stop();
  const alone = await stats(bench);
  assert.deepEqual([beside.way, alone.way], ["daemon", "files"]);
  assert.deepEqual([alone.quarantined, alone.dead], [beside.quarantined, beside.dead]);
  assert.ok(alone.pending.count >= 5);
});
