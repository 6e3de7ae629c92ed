/**
 * 20,000 uplinks at QoS 1 while the daemon is killed with SIGKILL twenty times: each is in the database
 * exactly once. Half of the kills come at random. The others are aimed at the two moments in which a
 * daemon can lie: after a commit and before its PUBACK, and after InfluxDB's answer and before the
 * settlement is saved. After each death the files, the broker's side of the connection and the stand-in
 * are compared, so that the run proves what its kills have hit.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { watch } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../../src/sandbox/devices/random.ts";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { database, dataFolder, startDaemon, writeConfig } from "../support/daemon.ts";
import type { Program } from "../support/daemon.ts";
import {
  committedCount,
  forgetStarts,
  holdersOf,
  readDeadJournal,
  readQuarantine,
  unsettledCount,
} from "../support/journal-files.ts";
import type { StoredMessage } from "../support/journal-files.ts";
import { judge } from "../support/judge.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import type { Mosquitto } from "../support/mosquitto.ts";
import { observeMqtt } from "../support/observe-mqtt.ts";
import type { MqttTraffic } from "../support/observe-mqtt.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { makeUplinks, publishUplinks } from "../support/fleet-uplinks.ts";
import type { UplinkMessage } from "../support/fleet-uplinks.ts";
import { isProven, tableOf } from "../support/deaths.ts";
import type { Aim, Death } from "../support/deaths.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";
import { startWatchedInflux } from "../support/watched-influx.ts";
import type { WatchedInflux } from "../support/watched-influx.ts";

const uplinkCount = 20_000;
const kills = 20;
const mostKills = 30;
const ratePerSecond = 1500;
/** For a moment to aim at; then the kill comes at a random one. */
const mostWaitMs = 8000;

/** Half at random, a quarter for each of the two moments. */
const aims: readonly Aim[] = ["random", "commit", "random", "answer"];

/** What every life of the daemon shares. */
interface World {
  readonly configFile: string;
  readonly dir: string;
  readonly proxy: TcpProxy;
  readonly traffic: MqttTraffic;
  readonly influx: WatchedInflux;
  readonly idOfContent: ReadonlyMap<string, string>;
  /** Events whose lines were confirmed to the daemon that lives now. */
  readonly confirmed: Set<string>;
  /** What the journal's messages are, as far as it was read. */
  readonly idOfSeq: Map<number, string>;
  lastSeq: number;
}

test("twenty kills: each of 20,000 uplinks is in the database exactly once", async (t) => {
  const broker = await requireMosquitto(t, {
    extraLines: ["max_queued_messages 200000", "log_type none", "log_type information", "log_type subscribe"],
  });
  if (broker === undefined) return;
  const uplinks = makeUplinks({ count: uplinkCount, seed: 20 });
  const ledger = new MemoryLedger();
  const world = await createWorld(t, broker, uplinks);
  await subscribeOnce(world, broker);

  const random = new Random(1, 1);
  const deaths: Death[] = [];
  while (deaths.length < kills || (!isProven(deaths) && deaths.length < mostKills)) {
    const aim = aims[deaths.length % aims.length] ?? "random";
    const portion = Math.ceil(uplinkCount / kills);
    const messages = uplinks.slice(deaths.length * portion, (deaths.length + 1) * portion);
    const publishing = publishUplinks(ledger, { url: broker.url, messages, ratePerSecond });
    deaths.push(await liveAndDie(world, aim, random));
    await publishing;
  }
  assert.equal(ledger.acknowledgedCount, uplinkCount, "the broker has taken all of them");

  forgetStarts(world.dir);
  const last = startDaemon(world.configFile);
  t.after(async () => {
    await last.kill();
  });
  const isDone = (): boolean =>
    world.influx.written.size === uplinkCount && isIdle(world, last) && unsettledCount(world.dir) === 0;
  await waitFor(isDone, {
    timeoutMs: 40_000,
    everyMs: 50,
    what: "everything to be written and settled",
  }).catch((error: unknown) => {
    // The judge says better what is missing.
    t.diagnostic(String(error));
  });
  assert.deepEqual(await last.stop(), { code: 0, signal: null });
  const status = await last.said("status");

  const account = await judge({ ledger: ledger.entries(), influxUrl: world.influx.url, database });
  const journal = readDeadJournal(world.dir);
  const copies = copiesAmong(journal.messages);
  for (const line of tableOf(deaths)) t.diagnostic(line);
  t.diagnostic(
    `judge: ${JSON.stringify({ ...account, details: account.details.length })}, copies in the journal ${copies}`,
  );
  t.diagnostic(`last life: ${JSON.stringify(status)}`);

  const { details, ...counts } = account;
  assert.deepEqual(
    counts,
    {
      published: uplinkCount,
      obliged: uplinkCount,
      written: uplinkCount,
      lost: 0,
      invented: 0,
      altered: 0,
      duplicates: 0,
    },
    details.join("\n"),
  );
  assert.ok(deaths.length >= kills);
  assert.ok(isProven(deaths), "kills fell between commit and PUBACK, and between answer and settlement");
  assert.ok(copies > 0, "the broker has delivered something twice");
  assert.equal(journal.unsettledCount, 0, "each message is settled");
  assert.ok(journal.isSettledUpTo(world.lastSeq), "so are those that the killed ones have made themselves");
  assert.deepEqual(readQuarantine(world.dir), []);
});

async function createWorld(
  t: TestContext,
  broker: Mosquitto,
  uplinks: readonly UplinkMessage[],
): Promise<World> {
  const folder = await temporaryFolder("kill-loop");
  const proxy = await TcpProxy.start(broker.port);
  const influx = await startWatchedInflux();
  t.after(async () => {
    await proxy.stop();
    await influx[Symbol.asyncDispose]();
    await folder.remove();
  });
  const world: World = {
    configFile: writeConfig({
      folder: folder.path,
      mqttUrl: `mqtt://127.0.0.1:${proxy.port}`,
      influxUrl: influx.url,
      lines: { influxdb: ['batch_max_age = "50ms"'], journal: ['commit_interval = "50ms"'] },
    }),
    dir: dataFolder(folder.path),
    proxy,
    traffic: observeMqtt(proxy),
    influx,
    idOfContent: new Map(uplinks.map(({ payload, uplink }) => [contentOf(payload), uplink.deduplicationId])),
    confirmed: new Set(),
    idOfSeq: new Map(),
    lastSeq: 0,
  };
  return world;
}

/** What is published before the broker knows our session is nobody's. */
async function subscribeOnce(world: World, broker: Mosquitto): Promise<void> {
  const daemon = startDaemon(world.configFile);
  await waitFor(() => broker.log().includes("application/+/device/+/event/+") || !daemon.isRunning, {
    timeoutMs: 20_000,
    what: "the first subscription",
  });
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stdout + daemon.stderr);
}

async function liveAndDie(world: World, aim: Aim, random: Random): Promise<Death> {
  const { traffic } = world;
  const before = { delivered: traffic.delivered.length, acknowledged: traffic.acknowledged.length };
  const { confirmed, influx } = world;
  confirmed.clear();
  influx.onAnswer = (ids) => {
    for (const id of ids) confirmed.add(id);
  };
  forgetStarts(world.dir);
  const daemon = startDaemon(world.configFile);
  try {
    if (aim === "random") await delay(random.between(200, 3000));
    if (aim === "commit") await killAfterCommit(world, daemon, before.acknowledged);
    if (aim === "answer") await killAfterAnswer(world, daemon);
    const livedMs = performance.now() - daemon.startedMs;
    const { signal } = await daemon.kill();
    assert.equal(signal, "SIGKILL", `it ended by itself:\n${daemon.stdout}${daemon.stderr}`);
    // What the daemon wrote to its socket before it died still reaches the broker.
    await waitFor(() => world.proxy.open === 0, { timeoutMs: 10_000, what: "the connection to end" });
    // Its check of the journal dies with it, if a little later on a busy machine. What a copy of the files
    // shows counts only when nobody has them open: else the next life may not see the last transaction.
    await waitFor(() => holdersOf(join(world.dir, "journal.db")).length === 0, {
      timeoutMs: 10_000,
      what: "the journal to be closed",
    });
    return examine(world, aim, livedMs, before);
  } finally {
    influx.onAnswer = undefined;
    await daemon.kill();
  }
}

/**
 * Stops the process whenever it writes to its WAL and looks: when more is committed than PUBACKs have
 * come through, it does not wake up again. The proof is taken later and does not rest on this.
 */
async function killAfterCommit(
  { proxy, traffic, dir, lastSeq }: World,
  daemon: Program,
  acknowledgedBefore: number,
): Promise<void> {
  const accepted = proxy.accepted;
  await waitFor(() => proxy.accepted > accepted || !daemon.isRunning, {
    timeoutMs: 20_000,
    what: "the daemon to connect",
  });
  const { promise: hit, resolve } = Promise.withResolvers<void>();
  let isLooking = false;
  async function look(): Promise<void> {
    daemon.signal("SIGSTOP");
    isLooking = true;
    // What is on its way through the proxy arrives.
    await delay(5);
    const acknowledged = traffic.acknowledged.length - acknowledgedBefore;
    if (committedCount(dir, lastSeq) > acknowledged) resolve();
    else daemon.signal("SIGCONT");
    isLooking = false;
  }
  const watcher = watch(join(dir, "journal.db-wal"), () => {
    if (!isLooking) void look();
  });
  try {
    await Promise.race([hit, delay(mostWaitMs), daemon.ended]);
  } finally {
    watcher.close();
  }
}

/** Kills in the very turn in which the stand-in has handed its answer to the system. */
async function killAfterAnswer({ influx, confirmed }: World, daemon: Program): Promise<void> {
  const { promise: hit, resolve } = Promise.withResolvers<void>();
  influx.onAnswer = (ids) => {
    daemon.signal("SIGKILL");
    for (const id of ids) confirmed.add(id);
    resolve();
  };
  await Promise.race([hit, delay(mostWaitMs), daemon.ended]);
}

function examine(
  world: World,
  aim: Aim,
  livedMs: number,
  before: { readonly delivered: number; readonly acknowledged: number },
): Death {
  const { traffic, idOfSeq, idOfContent, confirmed } = world;
  const journal = readDeadJournal(world.dir, world.lastSeq);
  for (const { seq, payload } of journal.messages) {
    const id = idOfContent.get(contentOf(payload));
    assert.ok(id !== undefined, `message ${seq} is one that was published`);
    idOfSeq.set(seq, id);
  }
  world.lastSeq = journal.lastSeq;
  const settled = new Set<string>();
  for (const [seq, id] of idOfSeq) if (journal.isSettled(seq)) settled.add(id);
  const received = traffic.delivered.length - before.delivered;
  const acknowledged = traffic.acknowledged.length - before.acknowledged;
  const committed = journal.messages.length;
  assert.ok(acknowledged <= committed, `${acknowledged} PUBACKs for ${committed} committed messages`);
  return {
    aim,
    livedMs,
    received,
    notCommitted: received - committed,
    committedNotAcknowledged: committed - acknowledged,
    confirmedNotSettled: confirmed.difference(settled).size,
  };
}

/** The broker has nothing on its way to the daemon any more. */
function isIdle({ traffic }: World, daemon: Program): boolean {
  assert.ok(daemon.isRunning, daemon.stdout + daemon.stderr);
  const connection = traffic.delivered.at(-1)?.connection;
  return connection !== undefined && traffic.outstanding(connection) === 0;
}

/** Messages beyond the first of their bytes. */
function copiesAmong(messages: readonly StoredMessage[]): number {
  return messages.length - new Set(messages.map(({ payload }) => contentOf(payload))).size;
}

function contentOf(payload: Uint8Array): string {
  return hash("sha1", payload, "base64");
}
