/** Stopping a source: soon, whatever the broker does, with nothing left behind, and nothing acknowledged that is not committed. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test, type TestContext } from "node:test";
import { requireMosquitto } from "../support/mosquitto.ts";
import { startScriptedBroker } from "../support/mqtt-script.ts";
import { type SourceProcess, startSourceProcess } from "../support/mqtt-source-process.ts";
import { mqttConfig, runSource, type SourceRun } from "../support/mqtt-source.ts";
import { observeMqtt } from "../support/observe-mqtt.ts";
import { publishAll } from "../support/publisher.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort, waitFor } from "../support/wait.ts";

const stateTopic = "flightline/barn-7/state";

/** Timers and sockets that keep this process alive. */
function openResources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /^(?:Timeout|TCPSocketWrap|TLSWrap|TCPConnectWrap)$/.test(name))
    .sort();
}

async function startProxy(t: TestContext, port: number): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(port);
  t.after(async () => {
    await proxy.stop();
  });
  return proxy;
}

async function stopped(child: SourceProcess, withinMs: number): Promise<void> {
  const tookMs = await child.end("SIGTERM", 8000);
  assert.equal(child.exitCode, 0);
  assert.ok(tookMs < withinMs, `took ${Math.round(tookMs)} ms`);
}

test("a process whose source stops while it connects, subscribes or waits ends by itself", async (t) => {
  const silent = await listening(t, createServer());
  let subscribes = 0;
  const mute = await startScriptedBroker(t, (packet, answer) => {
    if (packet.cmd === "connect") answer({ cmd: "connack", reasonCode: 0, sessionPresent: false });
    if (packet.cmd === "subscribe") subscribes += 1;
  });
  const [connecting, connectingTls, subscribing, waiting] = await Promise.all([
    startSourceProcess(t, mqttConfig({ url: `mqtt://127.0.0.1:${silent.port}`, stateTopic }), "started"),
    startSourceProcess(t, mqttConfig({ url: `mqtts://127.0.0.1:${silent.port}`, stateTopic }), "started"),
    startSourceProcess(t, mqttConfig({ url: mute, stateTopic }), "started"),
    startSourceProcess(t, mqttConfig({ url: `mqtt://127.0.0.1:${await freePort()}` }), "started"),
  ]);
  await waitFor(() => silent.sockets.size === 2 && subscribes > 0, {
    what: "both to be in the middle of it",
  });
  await Promise.all([
    stopped(connecting, 1000),
    stopped(connectingTls, 1000),
    // "offline" and its time to be acknowledged.
    stopped(subscribing, 2500),
    stopped(waiting, 1000),
  ]);
});

test("a process whose source stops when idle ends by itself, also when the network is half-open", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const proxy = await startProxy(t, broker.port);
  const [idle, halfOpen] = await Promise.all([
    startSourceProcess(t, mqttConfig({ url: broker.url, stateTopic, name: "idle" })),
    startSourceProcess(
      t,
      mqttConfig({ url: `mqtt://127.0.0.1:${proxy.port}`, topics: ["b/#"], clientId: "half-open" }),
    ),
  ]);
  proxy.pause("toClient");
  proxy.pause("toServer");
  await Promise.all([stopped(idle, 1000), stopped(halfOpen, 2500)]);
});

test("a stop under load acknowledges exactly what was committed; the rest comes to the next start", async (t) => {
  const broker = await requireMosquitto(t, { extraLines: ["max_queued_messages 0"] });
  if (broker === undefined) return;
  const proxy = await startProxy(t, broker.port);
  const traffic = observeMqtt(proxy);
  const config = mqttConfig({ url: `mqtt://127.0.0.1:${proxy.port}`, stateTopic });
  const committed: string[] = [];
  const groups: NodeJS.Timeout[] = [];
  const run: SourceRun = runSource(t, {
    config,
    acknowledge: "held",
    onDelivery: () => {
      // Each message is durable 20 ms after it came.
      const timer = setTimeout(() => {
        committed.push(run.texts[committed.length] ?? "");
        run.release(1);
      }, 20);
      groups.push(timer);
    },
  });
  await run.subscribed();
  const total = 3000;
  const messages = Array.from({ length: total }, (_, index) => ({
    topic: "application/a",
    payload: `${index}`,
  }));
  const publishing = publishAll({ url: broker.url, messages });
  await run.received(500);
  const tookMs = await run.stop();
  const atStop = run.deliveries.length;
  assert.ok(tookMs < 1000, `took ${Math.round(tookMs)} ms`);
  assert.ok(atStop < total, "the stop came in the middle");
  assert.equal(committed.length, atStop, "what was received was waited for");
  await waitFor(() => proxy.open === 0, { what: "the connection to go" });
  assert.equal(traffic.acknowledged.length, committed.length);
  await publishing;

  const next = runSource(t, { config, sessionFilters: config.topics });
  await next.received(total - atStop);
  assert.deepEqual(
    [...committed, ...next.texts],
    messages.map(({ payload }) => payload),
  );
  assert.deepEqual(next.faultCodes, []);
});

test("a stop during a commit that never ends acknowledges nothing and takes no longer than its share", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const proxy = await startProxy(t, broker.port);
  const traffic = observeMqtt(proxy);
  const before = openResources();
  const never = new Promise<void>(() => {});
  const config = mqttConfig({ url: `mqtt://127.0.0.1:${proxy.port}`, stateTopic });
  const run: SourceRun = runSource(t, {
    config,
    acknowledge: "held",
    pressure: () => (run.deliveries.length >= 10 ? never : undefined),
  });
  await run.subscribed();
  const messages = Array.from({ length: 30 }, (_, index) => ({
    topic: "application/a",
    payload: `${index}`,
  }));
  await publishAll({ url: broker.url, messages });
  await run.received(10);
  const tookMs = await run.stop();
  assert.ok(tookMs < 4000, `took ${Math.round(tookMs)} ms`);
  assert.equal(traffic.acknowledged.length, 0);
  await waitFor(() => proxy.open === 0, { what: "the connection to go" });
  assert.deepEqual(openResources(), before);
  run.release();
  assert.equal(traffic.acknowledged.length, 0);
  const next = runSource(t, { config, sessionFilters: config.topics });
  await next.received(30);
  assert.deepEqual(
    next.texts,
    messages.map(({ payload }) => payload),
  );
});

test("connections that fail leave no socket and no timer, however many they were", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const proxy = await startProxy(t, broker.port);
  const before = openResources();
  const run = runSource(t, {
    config: mqttConfig({ url: `mqtt://127.0.0.1:${proxy.port}`, stateTopic }),
    random: () => 0,
  });
  for (let connects = 1; connects <= 10; connects += 1) {
    await run.subscribed(connects);
    proxy.dropConnections(connects % 2 === 0 ? "end" : "reset");
    await waitFor(() => run.source.status.connects > connects, { what: "the next connection" });
  }
  await run.stop();
  await waitFor(() => proxy.open === 0, { what: "the connections to go" });
  assert.deepEqual(openResources(), before);
});
