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

/** A persistent session that keeps what it gets; `acknowledge` false holds every PUBACK back. */
async function subscriber(url: string, got: string[], acknowledge = true): Promise<MqttClient> {
  const client = mqtt.connect(url, {
    clientId: "daemon",
    clean: false,
    protocolVersion: 4,
    reconnectPeriod: 0,
    manualConnect: true,
  });
  client.handleMessage = (packet, done) => {
    got.push(String(packet.payload));
    if (acknowledge) done();
    else done(new Error("no PUBACK"));
  };
  client.on("error", () => undefined);
  client.connect();
  await connected(client);
  await client.subscribeAsync("up/#", { qos: 1 });
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
  const first = await subscriber(broker.url, got);
  await publishAll({ url: broker.url, messages: numbered(0, 100) });
  await waitFor(() => got.length === 100, { what: "the first hundred" });
  await first.endAsync(true);
  await publishAll({ url: broker.url, messages: numbered(100, 3000) });
  assert.equal(got.length, 100);
  const second = await subscriber(broker.url, got);
  await waitFor(() => got.length >= 3100, { timeoutMs: 10_000, what: "the messages that were kept" });
  await second.endAsync(true);
  assert.deepEqual(got, expected(3100));
});

test("what was delivered without a PUBACK is delivered again on the next connection", async (t) => {
  const broker = await brokerFor(t);
  const unacknowledged: string[] = [];
  const first = await subscriber(broker.url, unacknowledged, false);
  await publishAll({ url: broker.url, messages: numbered(0, 500) });
  await waitFor(() => unacknowledged.length === 500, { what: "the first delivery" });
  await first.endAsync(true);
  const again: string[] = [];
  const second = await subscriber(broker.url, again);
  await waitFor(() => again.length >= 500, { what: "the second delivery" });
  await second.endAsync(true);
  assert.deepEqual(again, expected(500));
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
  let client = await subscriber(broker.url, got);
  const total = 4000;
  const publishing = publishAll({ url: broker.url, messages: numbered(0, total), ratePerSecond: 4000 });
  for (let round = 1; round <= 8; round += 1) {
    await waitFor(() => got.length >= round * 400, { what: `traffic before disconnect ${round}` });
    client.stream.destroy();
    await client.endAsync(true);
    client = await subscriber(broker.url, got);
  }
  await publishing;
  await waitFor(() => new Set(got).size === total, { what: "the last message" }).catch(() => undefined);
  await client.endAsync(true);
  const missing = expected(total).filter((number) => !got.includes(number));
  assert.deepEqual(missing, []);
});
