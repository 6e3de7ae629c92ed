/**
 * What happens in the streams process stays there. The built daemon takes in uplinks all the time while its
 * queries misbehave, one way after the other, in a real streams process: each ends as a fault, and at worst that
 * process ends; the daemon does not notice, every message is acknowledged and written once, and the next good
 * query is answered, over Flight.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { MemoryLedger } from "../../src/sandbox/ledger.ts";
import { database, writeConfig } from "../support/daemon.ts";
import { makeUplinks, publishUplinks, type UplinkMessage } from "../support/fleet-uplinks.ts";
import { judge } from "../support/judge.ts";
import { type Misdeed, misdeeds } from "../support/misdeeds.ts";
import { type Mosquitto, requireMosquitto } from "../support/mosquitto.ts";
import { type MqttTraffic, observeMqtt } from "../support/observe-mqtt.ts";
import { pubackLatenciesMs } from "../support/puback-latencies.ts";
import { StreamsDaemon } from "../support/streams-daemon.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";
import { startWatchedInflux, type WatchedInflux } from "../support/watched-influx.ts";

const MiB = 1024 * 1024;
const dist = new URL("../../dist", import.meta.url).pathname;
const entry = new URL("../support/misbehaving-streams-process.ts", import.meta.url).href;

/** A process that is killed for what it does is killed soon, and the next one comes soon. */
const soon = { baseMs: 20, capMs: 20, maxRestarts: 100 };
const settings = {
  pingEveryMs: 50,
  pingTimeoutMs: 2000,
  memoryEveryMs: 25,
  maxRssBytes: 300 * MiB,
  maxHeapMiB: 40,
  endTimeoutMs: 500,
};

const perSecond = 25;
/** For more than two minutes. */
const mostUplinks = 4000;
/** A machine may be busy, but nobody waits for a streams process. */
const mostMs = 5000;
const standing = "SELECT 1 AS one";

test("while queries misbehave in the streams process, nothing happens to the messages", async (t) => {
  const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 20000"] });
  if (broker === undefined) return;
  await using folder = await temporaryFolder("streams-faults");
  await using influx = await startWatchedInflux();
  const proxy = await TcpProxy.start(broker.port);
  t.after(async () => {
    await proxy.stop();
  });
  const traffic = observeMqtt(proxy);
  const configFile = writeConfig({
    folder: folder.path,
    mqttUrl: `mqtt://127.0.0.1:${proxy.port}`,
    influxUrl: influx.url,
    lines: { influxdb: ['batch_max_age = "50ms"'], journal: ['commit_interval = "20ms"'] },
  });
  await using daemon = new StreamsDaemon({ configFile, dist, entry, settings, restart: soon });
  await waitFor(() => broker.log().includes("Sending SUBACK") || !daemon.isRunning, {
    timeoutMs: 20_000,
    what: "the daemon to subscribe",
  });
  const load = startLoad(broker);
  try {
    await influx.hasWritten(1, 20_000, () => undefined);
    await daemon.subscribe(standing, 100);
    await answersMore(daemon);
    for (const misdeed of misdeeds) {
      await t.test(misdeed.name, async () => {
        await withstands(daemon, misdeed, traffic);
      });
    }
  } finally {
    load.end();
  }
  await t.test("every message was acknowledged soon, and written once", async (t) => {
    await assertHarmless(t, await load.ended, traffic, influx);
    assert.ok(daemon.isRunning);
    assert.equal(traffic.connects, 1, "one session for all of it");
  });
  assert.equal(await daemon.stop(), 0, daemon.output);
});

async function withstands(daemon: StreamsDaemon, misdeed: Misdeed, traffic: MqttTraffic): Promise<void> {
  const { text, code, end } = misdeed;
  const before = await daemon.status();
  const acknowledged = traffic.acknowledged.length;
  const outcome = await daemon.ask(text);
  assert.ok("code" in outcome, `it was answered: ${JSON.stringify(outcome)}`);
  assert.equal(outcome.code, code, outcome.message);
  const isSeen = async (): Promise<boolean> => {
    const { failures, pid } = await daemon.status();
    return end === undefined ? pid === before.pid : failures === before.failures + 1;
  };
  await waitFor(isSeen, { timeoutMs: 10_000, what: "the fault of the part" });
  if (end !== undefined) {
    const { lastFault } = await daemon.status();
    assert.equal(lastFault?.code, end);
    assert.ok(
      daemon.log.some((line) => line["code"] === end),
      "the log says it",
    );
  }
  await answersMore(daemon);
  const after = await daemon.status();
  assert.equal(after.pid === before.pid, end === undefined, "it is another process");
  await waitFor(() => traffic.acknowledged.length > acknowledged, { what: "messages go on" });
}

/** The subscription has one more answer, of a process that is there now. */
async function answersMore(daemon: StreamsDaemon): Promise<void> {
  const answers = async (): Promise<number> => (await daemon.status()).subscriptions[0]?.answers ?? 0;
  const before = await answers();
  await waitFor(async () => (await answers()) > before, {
    timeoutMs: 20_000,
    everyMs: 20,
    what: "a good answer",
  });
}

interface Load {
  readonly end: () => void;
  /** What was published, when each has its PUBACK of the broker. */
  readonly ended: Promise<MemoryLedger>;
}

function startLoad(broker: Mosquitto): Load {
  const ledger = new MemoryLedger();
  let isOver = false;
  function* flow(): Generator<UplinkMessage> {
    for (const message of makeUplinks({ count: mostUplinks, seed: 55 })) {
      if (isOver) return;
      yield message;
    }
  }
  const published = publishUplinks(ledger, { url: broker.url, messages: flow(), ratePerSecond: perSecond });
  return {
    end: () => {
      isOver = true;
    },
    ended: published.then(({ records }) => {
      assert.ok(records.every(({ acknowledgedMs }) => acknowledgedMs !== undefined));
      return ledger;
    }),
  };
}

async function assertHarmless(
  t: TestContext,
  ledger: MemoryLedger,
  traffic: MqttTraffic,
  influx: WatchedInflux,
): Promise<void> {
  const published = [...ledger.entries()].length;
  await influx.hasWritten(published, 20_000, () => undefined);
  await waitFor(() => traffic.acknowledged.length === published, { what: "the last PUBACK" });
  const { details, ...counts } = await judge({ ledger: ledger.entries(), influxUrl: influx.url, database });
  assert.ok(published > 50, `${published} messages`);
  assert.deepEqual(
    counts,
    { published, obliged: published, written: published, lost: 0, invented: 0, altered: 0, duplicates: 0 },
    details.join("\n"),
  );
  const sortedMs = pubackLatenciesMs(traffic).toSorted((a, b) => a - b);
  assert.equal(sortedMs.length, published, "each came once");
  const p99Ms = sortedMs[Math.ceil(0.99 * published) - 1] ?? Number.NaN;
  const mostSeenMs = sortedMs.at(-1) ?? Number.NaN;
  t.diagnostic(
    `${published} messages, PUBLISH to PUBACK: p99 ${p99Ms.toFixed(1)} ms, at most ${mostSeenMs.toFixed(1)} ms`,
  );
  assert.ok(mostSeenMs < mostMs, `a message waited ${mostSeenMs} ms`);
}
