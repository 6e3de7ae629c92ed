/** The test support around a real mosquitto: what the bigger tests rest on. */
import mqtt from "mqtt";
import type { MqttClient } from "mqtt";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { requireMosquitto } from "../support/mosquitto.ts";
import { connected, nextError } from "../support/mqtt-events.ts";
import { observeMqtt } from "../support/observe-mqtt.ts";
import { publishAll } from "../support/publisher.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { temporaryFolder, waitFor } from "../support/wait.ts";

async function subscribe(url: string, options: mqtt.IClientOptions, got: string[]): Promise<MqttClient> {
  const client = mqtt.connect(url, { reconnectPeriod: 50, ...options });
  client.on("error", () => undefined);
  client.on("message", (_topic, payload) => got.push(payload.toString()));
  await connected(client);
  await client.subscribeAsync("up/#", { qos: 1 });
  return client;
}

function messages(count: number): { topic: string; payload: string }[] {
  return Array.from({ length: count }, (_, index) => ({ topic: "up/a", payload: String(index) }));
}

test("20,000 messages get their PUBACK over broker restarts, clean and by SIGKILL", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const { port, pid } = broker;
  let acknowledged = 0;
  const publishing = publishAll({
    url: broker.url,
    messages: messages(20_000),
    onAcknowledged: () => {
      acknowledged += 1;
    },
  });
  await waitFor(() => acknowledged > 4000, { timeoutMs: 10_000, what: "the first messages" });
  await broker.kill();
  assert.equal(broker.pid, undefined);
  await broker.start();
  const before = acknowledged;
  await waitFor(() => acknowledged > before + 4000, { timeoutMs: 10_000, what: "messages after the kill" });
  await broker.stop();
  await broker.start();
  const { records, reconnects } = await publishing;
  assert.equal(records.length, 20_000);
  for (const { publishedMs, acknowledgedMs } of records) assert.ok((acknowledgedMs ?? 0) >= publishedMs);
  assert.equal(acknowledged, 20_000);
  assert.ok(reconnects >= 2, `${reconnects} reconnects`);
  assert.equal(broker.port, port);
  assert.notEqual(broker.pid, pid);
  assert.equal(broker.log().match(/mosquitto version \S+ running/g)?.length, 3);
});

test("with persistence a session and its queue outlive a clean stop", async (t) => {
  const broker = await requireMosquitto(t, { persistence: true });
  if (broker === undefined) return;
  const session = {
    clientId: "d",
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 60 },
  } as const;
  const got: string[] = [];
  const first = await subscribe(broker.url, session, got);
  await first.endAsync();
  await publishAll({ url: broker.url, messages: messages(50) });
  await broker.stop();
  await broker.start();
  const second = await subscribe(broker.url, session, got);
  await waitFor(() => got.length === 50, { what: "the queue" });
  await second.endAsync();
  assert.deepEqual(
    got,
    messages(50).map(({ payload }) => payload),
  );
});

test("the window of the publisher and its rate are kept", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  let out = 0;
  let most = 0;
  const startMs = performance.now();
  await publishAll({
    url: broker.url,
    messages: messages(100),
    window: 3,
    ratePerSecond: 500,
    onPublish: () => {
      out += 1;
      most = Math.max(most, out);
    },
    onAcknowledged: () => {
      out -= 1;
    },
  });
  assert.ok(performance.now() - startMs >= 190);
  assert.ok(most >= 1 && most <= 3, `${most} in flight`);
  assert.equal(out, 0);
});

test("every PUBLISH and PUBACK that passes the proxy is seen, with its identifier and in order", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  for (const protocolVersion of [4, 5] as const) {
    const proxy = await TcpProxy.start(broker.port);
    const traffic = observeMqtt(proxy);
    const got: string[] = [];
    const client = await subscribe(`mqtt://127.0.0.1:${proxy.port}`, { protocolVersion }, got);
    // So that packets are cut anywhere.
    proxy.drip("toClient", { bytes: 7, everyMs: 0 });
    await publishAll({ url: broker.url, messages: messages(60) });
    await waitFor(() => traffic.acknowledged.length === 60, { what: "the PUBACKs" });
    await client.endAsync(true);
    await proxy.stop();
    assert.equal(got.length, 60);
    assert.equal(traffic.connects, 1);
    assert.equal(traffic.outstanding(1), 0);
    assert.deepEqual(
      traffic.acknowledged.map(({ messageId }) => messageId),
      traffic.delivered.map(({ messageId }) => messageId),
    );
    assert.equal(new Set(traffic.delivered.map(({ messageId }) => messageId)).size, 60);
    for (const [index, { atMs }] of traffic.acknowledged.entries()) {
      assert.ok(atMs >= (traffic.delivered[index]?.atMs ?? Infinity), "no PUBACK before its PUBLISH");
    }
  }
});

test("a password file keeps strangers out", async (t) => {
  await using folder = await temporaryFolder("passwords");
  const passwordFile = join(folder.path, "passwords");
  try {
    await promisify(execFile)("mosquitto_passwd", ["-b", "-c", passwordFile, "daemon", "secret"]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const broker = await requireMosquitto(t, { passwordFile });
  if (broker === undefined) return;
  const stranger = mqtt.connect(broker.url, { reconnectPeriod: 0, protocolVersion: 4 });
  assert.equal((await nextError(stranger)).code, 5);
  await stranger.endAsync(true);
  const daemon = mqtt.connect(broker.url, { reconnectPeriod: 0, username: "daemon", password: "secret" });
  await connected(daemon);
  await daemon.endAsync();
});

test("a configuration that mosquitto refuses is told with its log", async (t) => {
  if ((await requireMosquitto(t)) === undefined) return;
  await assert.rejects(
    requireMosquitto(t, { extraLines: ["no_such_option 1"] }),
    /did not start[^]*no_such_option/,
  );
});
