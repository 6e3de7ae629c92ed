/** Slow commits, slow lines and dead ones: memory stays bounded, good connections live, bad ones are noticed. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Wakeup } from "../../src/lib/wakeup.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig, runSource, type SourceRun } from "../support/mqtt-source.ts";
import { observeMqtt, type MqttTraffic } from "../support/observe-mqtt.ts";
import { publishAll } from "../support/publisher.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";

/** A queue at mosquitto without a bound: what is tested here is ours. */
const unbounded = ["max_queued_messages 0"];

interface Bench {
  readonly brokerUrl: string;
  readonly url: string;
  readonly proxy: TcpProxy;
  readonly traffic: MqttTraffic;
  /** Passed on to the source so far. */
  bytes(): number;
}

async function bench(t: TestContext): Promise<Bench | undefined> {
  const broker = await requireMosquitto(t, { extraLines: unbounded });
  if (broker === undefined) return undefined;
  const proxy = await TcpProxy.start(broker.port);
  t.after(async () => {
    await proxy.stop();
  });
  let bytes = 0;
  proxy.observe((direction, chunk) => {
    if (direction === "toClient") bytes += chunk.length;
  });
  return {
    brokerUrl: broker.url,
    url: `mqtt://127.0.0.1:${proxy.port}`,
    proxy,
    traffic: observeMqtt(proxy),
    bytes: () => bytes,
  };
}

/** What waits for a commit: above `limit` the source must pause, as the journal's committer has it. */
class Waiting {
  readonly limit: number;
  most = 0;
  count = 0;
  readonly #relieved = new Wakeup();

  constructor(limit: number) {
    this.limit = limit;
  }

  add(): void {
    this.count += 1;
    this.most = Math.max(this.most, this.count);
  }

  /** Everything that waits is durable: acknowledged and forgotten. */
  commit(run: SourceRun): void {
    run.release(this.count);
    this.count = 0;
    this.#relieved.notify();
  }

  pressure(): Promise<void> | undefined {
    return this.count < this.limit ? undefined : this.#relief();
  }

  async #relief(): Promise<void> {
    const never = new AbortController().signal;
    while (this.count >= this.limit) await this.#relieved.changedSince(this.#relieved.version, never);
  }
}

function startHeld(t: TestContext, waiting: Waiting, url: string, receiveMaximum: number): SourceRun {
  return runSource(t, {
    config: mqttConfig({ url, receiveMaximum, keepaliveMs: 1000, connectTimeoutMs: 500 }),
    acknowledge: "held",
    pressure: () => waiting.pressure(),
    onDelivery: () => {
      waiting.add();
    },
  });
}

function messages(count: number, bytes: number): { topic: string; payload: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    topic: "application/a",
    payload: `${index} `.padEnd(bytes, "x"),
  }));
}

function indexes(run: SourceRun): number[] {
  return run.texts.map((text) => Number(text.slice(0, text.indexOf(" "))));
}

test("a stuck commit pauses the socket for longer than the keepalive allows, on one connection, and nothing is lost", async (t) => {
  const line = await bench(t);
  if (line === undefined) return;
  const waiting = new Waiting(100);
  const run = startHeld(t, waiting, line.url, 1000);
  await run.subscribed();
  const total = 1500;
  await publishAll({ url: line.brokerUrl, messages: messages(total, 10_000) });
  await run.received(100);
  const stuckMs = performance.now();
  let before = -1;
  await waitFor(
    () => {
      const grown = line.bytes() !== before;
      before = line.bytes();
      return !grown;
    },
    { everyMs: 200, what: "bytes to stop flowing" },
  );
  await waitFor(() => performance.now() - stuckMs > 3000, { what: "three keepalives to pass" });
  // Answers to pings go on: nothing else does.
  assert.ok(line.bytes() - before < 100, `${line.bytes() - before} bytes passed while the commit was stuck`);
  assert.ok(line.bytes() < 10_000 * 1000, "the socket was paused before the window was full");
  assert.equal(run.deliveries.length, 100);
  assert.deepEqual(run.faultCodes, []);

  while (run.deliveries.length < total) {
    const delivered = run.deliveries.length;
    waiting.commit(run);
    await run.received(Math.min(total, delivered + 1));
  }
  waiting.commit(run);
  assert.deepEqual(
    indexes(run),
    Array.from({ length: total }, (_, index) => index),
  );
  assert.ok(waiting.most <= 100, `${waiting.most} waited`);
  assert.equal(line.traffic.connects, 1);
  await waitFor(() => line.traffic.acknowledged.length === total, { what: "the last PUBACKs" });
});

test("a broker that ignores the receive maximum fills no more than the limit", async (t) => {
  const line = await bench(t);
  if (line === undefined) return;
  const waiting = new Waiting(200);
  const run = startHeld(t, waiting, line.url, 100);
  await run.subscribed();
  const total = 5000;
  const publishing = publishAll({ url: line.brokerUrl, messages: messages(total, 200) });
  let mostOutstanding = 0;
  while (run.deliveries.length < total) {
    // Half a window in one go: each of these PUBACKs makes mosquitto 2.0.11 send a whole window.
    const delivered = run.deliveries.length;
    await run.received(Math.min(total, delivered + 50)).catch(() => undefined);
    mostOutstanding = Math.max(mostOutstanding, line.traffic.outstanding(1));
    waiting.commit(run);
  }
  await publishing;
  t.diagnostic(`receive maximum 100, unacknowledged up to ${mostOutstanding}, waiting up to ${waiting.most}`);
  assert.ok(waiting.most <= 200, `${waiting.most} waited`);
  assert.deepEqual(new Set(indexes(run)).size, total);
  assert.equal(line.traffic.connects, 1);
});

test("a line so slow that PINGRESP stands behind messages is not taken for dead", async (t) => {
  const line = await bench(t);
  if (line === undefined) return;
  const waiting = new Waiting(1000);
  const run = startHeld(t, waiting, line.url, 1000);
  await run.subscribed();
  line.proxy.drip("toClient", { bytes: 1500, everyMs: 50 });
  await publishAll({ url: line.brokerUrl, messages: messages(80, 1000) });
  await run.received(80, 8000);
  assert.equal(line.traffic.connects, 1);
  assert.deepEqual(run.faultCodes, []);
});

test("a half-open connection is noticed within one and a half keepalives, and replaced", async (t) => {
  const line = await bench(t);
  if (line === undefined) return;
  const waiting = new Waiting(1000);
  const run = startHeld(t, waiting, line.url, 1000);
  await run.subscribed();
  line.proxy.pause("toClient");
  line.proxy.pause("toServer");
  const startMs = performance.now();
  await run.faulted("broker_connection_lost", 3000);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 1500 + 400, `noticed after ${Math.round(tookMs)} ms`);
  line.proxy.resume("toClient");
  line.proxy.resume("toServer");
  await run.subscribed(2);
  await publishAll({ url: line.brokerUrl, messages: messages(1, 10) });
  await run.received(1);
});

test("a connection that died during a stuck commit is noticed when the commit is through", async (t) => {
  const line = await bench(t);
  if (line === undefined) return;
  const waiting = new Waiting(10);
  const run = startHeld(t, waiting, line.url, 1000);
  await run.subscribed();
  await publishAll({ url: line.brokerUrl, messages: messages(20, 10) });
  await run.received(10);
  line.proxy.pause("toClient");
  line.proxy.pause("toServer");
  waiting.commit(run);
  await run.faulted("broker_connection_lost", 3000);
  line.proxy.resume("toClient");
  line.proxy.resume("toServer");
  // On the next connection SUBACK stands behind the messages that come again, and those behind commits.
  await waitFor(
    () => {
      waiting.commit(run);
      return new Set(indexes(run)).size === 20;
    },
    { what: "all messages" },
  );
  await run.subscribed(2);
});
