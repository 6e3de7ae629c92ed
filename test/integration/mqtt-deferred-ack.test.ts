/**
 * The contract of the one private call that we make of mqtt.js, on the wire of a real mosquitto: a PUBACK
 * goes out when we say so, in the order of receipt, and nothing waits for it but the broker's window.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { connectAsync } from "mqtt";
import { deferAcks } from "../../src/mqtt/deferred-ack.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig, runSource } from "../support/mqtt-source.ts";
import { observeMqtt, type MqttTraffic } from "../support/observe-mqtt.ts";
import { publishAll } from "../support/publisher.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";

interface Wire {
  readonly brokerUrl: string;
  readonly url: string;
  readonly proxy: TcpProxy;
  readonly traffic: MqttTraffic;
}

async function wire(t: TestContext): Promise<Wire | undefined> {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return undefined;
  const proxy = await TcpProxy.start(broker.port);
  t.after(async () => {
    await proxy.stop();
  });
  return {
    brokerUrl: broker.url,
    url: `mqtt://127.0.0.1:${proxy.port}`,
    proxy,
    traffic: observeMqtt(proxy),
  };
}

function uplinks(count: number): { topic: string; payload: string }[] {
  return Array.from({ length: count }, (_, index) => ({ topic: "application/a", payload: `${index}` }));
}

function numbers(count: number): string[] {
  return uplinks(count).map(({ payload }) => payload);
}

function ids(packets: MqttTraffic["delivered"]): number[] {
  return packets.map(({ messageId }) => messageId);
}

test("500 deferred acknowledgements stop neither messages nor pings, and then go out in order of receipt", async (t) => {
  const lines = await wire(t);
  if (lines === undefined) return;
  const { proxy, traffic, url, brokerUrl } = lines;
  let pingResponses = 0;
  proxy.observe((direction, chunk) => {
    if (direction === "toClient" && chunk.equals(Buffer.from([0xd0, 0x00]))) pingResponses += 1;
  });
  const run = runSource(t, { config: mqttConfig({ url, keepaliveMs: 1000 }), acknowledge: "held" });
  await run.subscribed();
  await publishAll({ url: brokerUrl, messages: uplinks(500) });
  await run.received(500);
  await waitFor(() => pingResponses >= 2, { what: "two pings answered while nothing is acknowledged" });
  assert.equal(traffic.acknowledged.length, 0);
  assert.equal(traffic.connects, 1);

  run.release(100);
  await waitFor(() => traffic.acknowledged.length >= 100, { what: "the first 100 PUBACKs" });
  run.release();
  await waitFor(() => traffic.acknowledged.length >= 500, { what: "all PUBACKs" });
  assert.deepEqual(ids(traffic.acknowledged), ids(traffic.delivered));
  assert.deepEqual(run.texts, numbers(500));
  assert.equal(traffic.outstanding(1), 0);
});

test("the receive maximum is the broker's window: no more unacknowledged messages than that, and all in the end", async (t) => {
  const lines = await wire(t);
  if (lines === undefined) return;
  const { traffic, url, brokerUrl } = lines;
  const run = runSource(t, { config: mqttConfig({ url, receiveMaximum: 50 }), acknowledge: "held" });
  await run.subscribed();
  await publishAll({ url: brokerUrl, messages: uplinks(200) });
  await run.received(50);
  assert.equal(traffic.outstanding(1), 50);
  while (run.deliveries.length < 200) {
    const before = run.deliveries.length;
    run.release();
    await run.received(before + 1);
  }
  run.release();
  assert.deepEqual(run.texts, numbers(200));
});

test("what was not acknowledged comes again as DUP, and late acknowledgements of the old connection are not sent", async (t) => {
  const lines = await wire(t);
  if (lines === undefined) return;
  const { proxy, traffic, url, brokerUrl } = lines;
  const run = runSource(t, { config: mqttConfig({ url }), acknowledge: "held" });
  await run.subscribed();
  await publishAll({ url: brokerUrl, messages: uplinks(30) });
  await run.received(30);
  proxy.dropConnections();
  await run.subscribed(2);
  await run.received(60);
  const again = traffic.delivered.filter(({ connection }) => connection === 2);
  assert.equal(again.length, 30);
  assert.ok(again.every(({ dup }) => dup));
  assert.ok(run.deliveries.slice(30).every(({ duplicate }) => duplicate));
  assert.deepEqual(run.texts, [...numbers(30), ...numbers(30)]);

  run.release(30);
  run.release(10);
  await waitFor(() => traffic.acknowledged.length >= 10, { what: "PUBACKs of the second connection" });
  // Those of the first connection were released before: had one been sent, it would have come earlier.
  assert.deepEqual(ids(traffic.acknowledged), ids(again.slice(0, 10)));
  assert.ok(traffic.acknowledged.every(({ connection }) => connection === 2));
});

test("an acknowledgement between the loss of the socket and the news of it is no exception", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const client = await connectAsync(broker.url, { protocolVersion: 5, reconnectPeriod: 0 });
  const errors: unknown[] = [];
  client.on("error", (error) => errors.push(error));
  const received = Promise.withResolvers<() => void>();
  deferAcks(client, {
    publish: (_packet, acknowledge) => {
      if (acknowledge !== undefined) received.resolve(acknowledge);
    },
    pressure: () => undefined,
  });
  await client.subscribeAsync("application/#", { qos: 1 });
  await publishAll({ url: broker.url, messages: uplinks(1) });
  const acknowledge = await received.promise;
  const closed = new Promise<void>((resolve) => {
    client.once("close", resolve);
  });
  client.stream.destroy();
  assert.equal(client.connected, true, "the library has not noticed yet");
  acknowledge();
  await closed;
  acknowledge();
  assert.deepEqual(errors, []);
  assert.equal(client.connected, false);
});

test("QoS 2 of a subscription that an earlier user of the client id left behind does not end the connection", async (t) => {
  const lines = await wire(t);
  if (lines === undefined) return;
  const { traffic, url, brokerUrl } = lines;
  const clientId = "second-hand";
  const earlier = await connectAsync(brokerUrl, { protocolVersion: 4, clientId, clean: false });
  await earlier.subscribeAsync("legacy/#", { qos: 2 });
  await earlier.endAsync();
  const publisher = await connectAsync(brokerUrl, { protocolVersion: 4 });
  for (const text of ["a", "b"]) await publisher.publishAsync("legacy/x", text, { qos: 2 });

  const run = runSource(t, { config: mqttConfig({ url, protocol: "3.1.1" }), clientId });
  await run.subscribed();
  await run.received(2);
  for (const text of ["c", "d"]) await publisher.publishAsync("legacy/x", text, { qos: 2 });
  await publisher.endAsync();
  await run.received(4);
  await publishAll({ url: brokerUrl, messages: uplinks(1) });
  await run.received(5);
  assert.deepEqual(run.texts, ["a", "b", "c", "d", "0"]);
  assert.equal(traffic.connects, 1);
  assert.deepEqual(run.faultCodes, []);
});
