import mqtt from "mqtt";
import type { MqttClient } from "mqtt";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Fault } from "../../../src/lib/fault.ts";
import { startBroker } from "../../../src/sandbox/broker.ts";
import type { SandboxBroker } from "../../../src/sandbox/broker.ts";
import { connected, nextError } from "../../support/mqtt-events.ts";
import { publishAll } from "../../support/publisher.ts";
import { waitFor } from "../../support/wait.ts";

async function brokerFor(t: TestContext): Promise<SandboxBroker> {
  const broker = await startBroker({ port: 0 });
  t.after(async () => {
    await broker.stop();
  });
  return broker;
}

interface Session {
  readonly got: string[];
  readonly topics?: string[];
  /** Whether a message gets its PUBACK; all do by default. */
  readonly acknowledges?: (payload: string) => boolean;
}

/** Connects the one persistent session of these tests. */
async function subscriber(url: string, session: Session): Promise<MqttClient> {
  const { got, topics = ["up/#"], acknowledges = () => true } = session;
  const client = mqtt.connect(url, {
    clientId: "daemon",
    clean: false,
    protocolVersion: 4,
    reconnectPeriod: 0,
    manualConnect: true,
  });
  client.handleMessage = (packet, done) => {
    const payload = String(packet.payload);
    got.push(payload);
    if (acknowledges(payload)) done();
    else done(new Error("no PUBACK"));
  };
  client.on("error", () => undefined);
  client.connect();
  await connected(client);
  await client.subscribeAsync(topics, { qos: 1 });
  return client;
}

function numbered(from: number, count: number): { topic: string; payload: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    topic: `up/${index % 7}`,
    payload: String(from + index),
  }));
}

function expected(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index));
}

test("what is published while a persistent session is away is delivered when it returns, all and in order", async (t) => {
  const broker = await brokerFor(t);
  const got: string[] = [];
  const first = await subscriber(broker.url, { got });
  await publishAll({ url: broker.url, messages: numbered(0, 100) });
  await waitFor(() => got.length === 100, { what: "the first hundred" });
  await first.endAsync(true);
  await publishAll({ url: broker.url, messages: numbered(100, 3000) });
  assert.equal(got.length, 100);
  const second = await subscriber(broker.url, { got });
  await waitFor(() => got.length >= 3100, { timeoutMs: 10_000, what: "the messages that were kept" });
  await second.endAsync(true);
  assert.deepEqual(got, expected(3100));
});

test("what was delivered without a PUBACK is delivered again on the next connection", async (t) => {
  const broker = await brokerFor(t);
  const unacknowledged: string[] = [];
  const first = await subscriber(broker.url, { got: unacknowledged, acknowledges: () => false });
  await publishAll({ url: broker.url, messages: numbered(0, 500) });
  await waitFor(() => unacknowledged.length === 500, { what: "the first delivery" });
  await first.endAsync(true);
  const again: string[] = [];
  const second = await subscriber(broker.url, { got: again });
  await waitFor(() => again.length >= 500, { what: "the second delivery" });
  await second.endAsync(true);
  assert.deepEqual(again, expected(500));
});

test("a PUBACK of one connection never settles what another one has sent, even with equal identifiers", async (t) => {
  // aedes draws the first identifier of a connection: here every connection would draw the same.
  t.mock.method(Math, "random", () => 0.5);
  const broker = await brokerFor(t);
  const none = { acknowledges: () => false };
  const first = await subscriber(broker.url, { ...none, got: [] });
  await publishAll({ url: broker.url, messages: numbered(0, 50) });
  await first.endAsync(true);
  // Fresh messages are acknowledged, those of the first connection are not.
  const got: string[] = [];
  const second = await subscriber(broker.url, { got, acknowledges: (payload) => Number(payload) >= 50 });
  await publishAll({ url: broker.url, messages: numbered(50, 50) });
  await waitFor(() => got.length >= 100, { what: "old and fresh messages" });
  await second.endAsync();
  const again: string[] = [];
  const third = await subscriber(broker.url, { got: again });
  await waitFor(() => again.length >= 50, { what: "the old messages" });
  await third.endAsync(true);
  assert.deepEqual([...new Set(again)], expected(50));
});

test("a message that two filters match takes no other message along", async (t) => {
  const broker = await brokerFor(t);
  const topics = ["up/#", "up/+"];
  const first = await subscriber(broker.url, { got: [], topics, acknowledges: () => false });
  await publishAll({ url: broker.url, messages: numbered(0, 300) });
  await first.endAsync(true);
  const again: string[] = [];
  const second = await subscriber(broker.url, { got: again, topics });
  // Some come once for each filter.
  await waitFor(() => new Set(again).size >= 300, { what: "all of them" });
  await second.endAsync(true);
  assert.deepEqual([...new Set(again)], expected(300));
});

test("MQTT 5 is refused with the code that makes clients fall back to 3.1.1", async (t) => {
  const broker = await brokerFor(t);
  const client = mqtt.connect(broker.url, { protocolVersion: 5, reconnectPeriod: 0 });
  assert.equal((await nextError(client)).code, 1);
  await client.endAsync(true);
});

test("a missing aedes and a taken port are faults that say what to do", async (t) => {
  const broker = await brokerFor(t);
  const load = (): never => {
    throw new Error("Cannot find package 'aedes'");
  };
  await assert.rejects(startBroker({ port: 0, load }), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.code, "sandbox_aedes_missing");
    assert.match(error.hint ?? "", /npm install aedes/);
    return true;
  });
  await assert.rejects(startBroker({ port: broker.port }), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.code, "sandbox_port_unavailable");
    assert.match(error.hint ?? "", /--mqtt-port 0/);
    return true;
  });
});

test("nothing is lost while a session comes and goes under traffic", async (t) => {
  const broker = await brokerFor(t);
  const got: string[] = [];
  let client = await subscriber(broker.url, { got });
  const total = 4000;
  const publishing = publishAll({ url: broker.url, messages: numbered(0, total), ratePerSecond: 4000 });
  for (let round = 1; round <= 8; round += 1) {
    await waitFor(() => got.length >= round * 400, { what: `traffic before disconnect ${round}` });
    client.stream.destroy();
    await client.endAsync(true);
    client = await subscriber(broker.url, { got });
  }
  await publishing;
  await waitFor(() => new Set(got).size === total, { what: "the last message" }).catch(() => undefined);
  await client.endAsync(true);
  const missing = expected(total).filter((number) => !got.includes(number));
  assert.deepEqual(missing, []);
});
