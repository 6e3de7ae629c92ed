/**
 * The return after an outage, as InfluxDB sees it: what is published from then on is there within 5 seconds, while
 * the backlog drains beside it, oldest first. One life of the daemon is killed in the outage, one ends in it, and
 * one is killed in the return.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Random } from "../../src/sandbox/devices/random.ts";
import { type InfluxStandIn, startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import {
  database,
  dataFolder,
  type Program,
  startDaemon,
  untilSubscribed,
  writeConfig,
} from "../support/daemon.ts";
import { makeUplinks, publishUplinks, type UplinkMessage } from "../support/fleet-uplinks.ts";
import { committedCount, forgetStarts } from "../support/journal-files.ts";
import { judge } from "../support/judge.ts";
import { type Mosquitto, requireMosquitto } from "../support/mosquitto.ts";
import type { PublishRecord } from "../support/publisher.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

const freshWithinMs = 5000;
const deadlineMs = 30_000;
/** Of a daemon: one for each topic filter, as mosquitto logs them. */
const subscriptions = 4;
/** What is newer than this at the return goes in front of the backlog. */
const newestCount = 256;

class Scene {
  readonly ledger = new MemoryLedger();
  /** Deduplication ids with the moment of their first commit. */
  readonly committed: ReadonlyMap<string, number>;
  readonly broker: Mosquitto;
  readonly standIn: InfluxStandIn;
  /** The way to InfluxDB. */
  readonly proxy: TcpProxy;
  readonly dir: string;
  readonly #configFile: string;

  private constructor(
    broker: Mosquitto,
    standIn: InfluxStandIn,
    proxy: TcpProxy,
    committed: ReadonlyMap<string, number>,
    folder: string,
  ) {
    this.broker = broker;
    this.standIn = standIn;
    this.proxy = proxy;
    this.committed = committed;
    this.dir = dataFolder(folder);
    this.#configFile = writeConfig({
      folder,
      mqttUrl: broker.url,
      influxUrl: `http://127.0.0.1:${proxy.port}`,
      lines: { influxdb: ["batch_max_lines = 300", "max_in_flight = 3"] },
    });
  }

  /** InfluxDB is away. Undefined without mosquitto: the test is skipped. */
  static async open(t: TestContext): Promise<Scene | undefined> {
    const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 20000"] });
    if (broker === undefined) return undefined;
    const folder = await temporaryFolder("return");
    t.after(() => folder.remove());
    const committed = new Map<string, number>();
    const standIn = await startInfluxStandIn({
      flushIntervalMs: 300,
      observe: (phase, { lines }) => {
        if (phase !== "committed") return;
        for (const line of lines) {
          const id = /^uplink,.* deduplication_id="([^"]*)"/.exec(line)?.[1];
          if (id !== undefined && !committed.has(id)) committed.set(id, performance.now());
        }
      },
    });
    t.after(() => standIn.stop());
    const proxy = await TcpProxy.start(standIn.port);
    t.after(() => proxy.stop());
    proxy.refuse(true);
    return new Scene(broker, standIn, proxy, committed, folder.path);
  }

  start(): Program {
    return startDaemon(this.#configFile);
  }

  async publish(
    messages: readonly UplinkMessage[],
    rate?: number,
  ): Promise<readonly PublishRecord<UplinkMessage>[]> {
    const options = {
      url: this.broker.url,
      messages,
      ...(rate === undefined ? {} : { ratePerSecond: rate }),
    };
    return (await publishUplinks(this.ledger, options)).records;
  }

  async inJournal(count: number): Promise<void> {
    await waitFor(() => committedCount(this.dir) >= count, {
      timeoutMs: deadlineMs,
      what: `${count} messages in the journal`,
    });
  }

  async written(count: number, daemon: Program): Promise<void> {
    await waitFor(() => this.committed.size >= count || !daemon.isRunning, {
      timeoutMs: deadlineMs,
      what: `${count} uplinks in InfluxDB`,
    });
  }

  async end(daemon: Program, how: "SIGTERM" | "SIGKILL"): Promise<void> {
    daemon.signal(how);
    await daemon.ended;
    // A row of kills is no reason for safe mode here.
    forgetStarts(this.dir);
  }

  /** Every one of them once, as it was published, and nothing else. */
  async assertAllThere(count: number): Promise<void> {
    const { details, ...account } = await judge({
      ledger: this.ledger.entries(),
      influxUrl: this.standIn.url,
      database,
    });
    assert.deepEqual(
      account,
      { published: count, obliged: count, written: count, lost: 0, invented: 0, altered: 0, duplicates: 0 },
      details.join("\n"),
    );
  }
}

test("after an outage with two restarts what is new is there within 5 s, the backlog beside it, oldest first", async (t) => {
  const backlogCount = 3000;
  const freshCount = 60;
  const scene = await Scene.open(t);
  if (scene === undefined) return;
  const { committed, proxy } = scene;
  const uplinks = makeUplinks({ count: backlogCount + freshCount, seed: 71 });

  // The first life is killed, the second is stopped, each while messages come in.
  for (const [part, end] of (["SIGKILL", "SIGTERM"] as const).entries()) {
    const daemon = scene.start();
    await untilSubscribed(scene.broker, [daemon], (part + 1) * subscriptions);
    const from = (part * backlogCount) / 2;
    const publishing = scene.publish(uplinks.slice(from, from + backlogCount / 2));
    await scene.inJournal(from + backlogCount / 4);
    await scene.end(daemon, end);
    await publishing;
  }
  await using daemon = scene.start();
  await scene.inJournal(backlogCount);
  // By now the waits between two tries are as long as they get.
  await delay(2500);
  assert.equal(committed.size, 0, "nothing gets through");

  const returnMs = performance.now();
  proxy.refuse(false);
  const fresh = await scene.publish(uplinks.slice(backlogCount), 20);
  await waitFor(() => fresh.every(({ message }) => committed.has(idOf(message))), {
    timeoutMs: deadlineMs,
    what: "the fresh ones",
  });
  const besideCount = backlogCount + freshCount - committed.size;
  await scene.end(daemon, "SIGKILL");
  await using last = scene.start();
  await scene.written(backlogCount + freshCount, last);
  const drainMs = Math.max(...committed.values()) - returnMs;
  const lateMs = fresh.map(
    ({ message, publishedMs }) => (committed.get(idOf(message)) ?? Infinity) - publishedMs,
  );
  const worstMs = Math.max(...lateMs);
  const displaced = displacement(uplinks.slice(0, backlogCount - newestCount), committed);
  t.diagnostic(
    `${freshCount} fresh uplinks, each within ${worstMs.toFixed(0)} ms, the median ${median(lateMs).toFixed(0)} ms; ` +
      `${backlogCount} drained beside them within ${drainMs.toFixed(0)} ms, at most ${displaced} out of their order`,
  );
  assert.ok(worstMs < freshWithinMs, `${worstMs} ms`);
  assert.ok(besideCount > 0, "the backlog was still draining");
  // Two writes of some 90 at a time, and what was under way when it was killed.
  assert.ok(displaced < 300, `${displaced}`);
  assert.deepEqual(await last.stop(), { code: 0, signal: null });
  await scene.assertAllThere(backlogCount + freshCount);
});

test("kills at random while InfluxDB comes and goes: all is there, once", async (t) => {
  const count = 1600;
  const scene = await Scene.open(t);
  if (scene === undefined) return;
  const { proxy } = scene;
  const random = new Random(7, 1);
  let daemon = scene.start();
  await untilSubscribed(scene.broker, [daemon], subscriptions);
  const publishing = scene.publish(makeUplinks({ count, seed: 72 }), 400);
  let kills = 0;
  const isOver = new AbortController();
  void publishing.finally(() => {
    isOver.abort();
  });
  for (let turn = 0; !isOver.signal.aborted; turn += 1) {
    proxy.refuse(turn % 2 === 1);
    if (turn % 2 === 1) proxy.dropConnections();
    await delay(random.between(200, 900));
    if (turn % 3 === 2) continue;
    await scene.end(daemon, "SIGKILL");
    kills += 1;
    daemon = scene.start();
  }
  await publishing;
  proxy.refuse(false);
  await scene.written(count, daemon);
  t.diagnostic(`${kills} kills`);
  assert.ok(kills >= 3);
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  await scene.assertAllThere(count);
});

function idOf({ uplink }: UplinkMessage): string {
  return uplink.deduplicationId;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? Infinity;
}

/** By how many places a message came too late or too early, at most. */
function displacement(inOrder: readonly UplinkMessage[], committed: ReadonlyMap<string, number>): number {
  const ids = new Set(inOrder.map(idOf));
  const places = new Map([...committed.keys()].filter((id) => ids.has(id)).map((id, place) => [id, place]));
  return Math.max(
    ...inOrder.map((message, place) => Math.abs(place - (places.get(idOf(message)) ?? Infinity))),
  );
}
