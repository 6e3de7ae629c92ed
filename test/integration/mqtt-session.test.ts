/** The session that a broker keeps for us: resumed, lost, taken over, spoken about in the state topic. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectAsync, type MqttClient } from "mqtt";
import { startBroker } from "../../src/sandbox/broker.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig, runSource } from "../support/mqtt-source.ts";
import { startSourceProcess } from "../support/mqtt-source-process.ts";
import { startScriptedBroker } from "../support/mqtt-script.ts";
import { publishAll } from "../support/publisher.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";

const stateTopic = "flightline/barn-7/state";

function uplinks(from: number, to: number): { topic: string; payload: string }[] {
  return Array.from({ length: to - from }, (_, index) => ({
    topic: "application/a",
    payload: `${from + index}`,
  }));
}

/** Another client of the broker, ended with the test. */
async function client(
  t: { after(fn: () => Promise<void>): void },
  url: string,
  clientId?: string,
): Promise<MqttClient> {
  const other = await connectAsync(url, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    // With an id of ours it must not throw our session away.
    ...(clientId === undefined ? {} : { clientId, clean: false, properties: { sessionExpiryInterval: 60 } }),
  });
  other.on("error", () => undefined);
  t.after(async () => {
    await other.endAsync(true);
  });
  return other;
}

/** What a newcomer sees on the state topic, and everything after it: [retained?, state]. */
async function states(
  t: { after(fn: () => Promise<void>): void },
  url: string,
): Promise<[boolean, string][]> {
  const seen: [boolean, string][] = [];
  const watcher = await client(t, url);
  watcher.on("message", (_topic, payload, { retain }) => seen.push([retain, payload.toString()]));
  await watcher.subscribeAsync(stateTopic, { qos: 1 });
  return seen;
}

test("what was published while we were away arrives when the session is resumed", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const config = mqttConfig({ url: broker.url });
  const first = runSource(t, { config });
  await first.subscribed();
  assert.deepEqual(
    first.log.lines.map(({ details }) => [details["session"], details["mqtt"], details["clientId"]]),
    [["new", "5", "flightline-under-test"]],
  );
  await first.stop();
  await publishAll({ url: broker.url, messages: uplinks(0, 100) });
  const second = runSource(t, { config, sessionFilters: config.topics });
  await second.subscribed();
  await second.received(100);
  assert.equal(second.log.lines[0]?.details["session"], "resumed");
  assert.deepEqual(
    second.texts,
    uplinks(0, 100).map(({ payload }) => payload),
  );
  assert.deepEqual(second.faultCodes, []);
});

test("topics that a former configuration named are taken out of the broker's session", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const wide = mqttConfig({ url: broker.url, topics: ["#"], sessionExpiryMs: 3_600_000 });
  const narrow = { ...wide, topics: ["application/+/a"] };
  const first = runSource(t, { config: wide });
  await first.subscribed();
  assert.deepEqual(first.sessionFilters, ["#"]);
  await first.stop();

  const second = runSource(t, { config: narrow, sessionFilters: ["#"] });
  await waitFor(() => second.log.lines.some(({ message }) => message.startsWith("unsubscribed")), {
    what: "the answer to UNSUBSCRIBE",
  });
  assert.deepEqual(second.sessionFilters, ["application/+/a"]);
  const message = (topic: string, payload: string) => ({ topic, payload: Buffer.from(payload) });
  await publishAll({
    url: broker.url,
    messages: [message("elsewhere", "1"), message("application/1/a", "2"), message("application/1/b", "3")],
  });
  await second.received(1);
  await second.stop();
  assert.deepEqual(second.texts, ["2"]);

  const third = runSource(t, { config: narrow, sessionFilters: second.sessionFilters ?? [] });
  await third.subscribed();
  assert.ok(!third.log.lines.some(({ message: line }) => line.startsWith("unsubscribed")));
});

test("a broker that was killed without persistence has lost the session: it is said, and subscribed anew", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const run = runSource(t, {
    config: mqttConfig({ url: broker.url, topics: ["application/a", "application/b", "gw/+/event/stats"] }),
  });
  await run.subscribed();
  assert.equal(run.faultCodes.includes("broker_session_lost"), false, "a first session is no lost one");
  await broker.kill();
  await waitFor(() => run.source.status.state !== "connected", { what: "the loss to be noticed" });
  await broker.start();
  await run.subscribed(2);
  const fault = run.fault("broker_session_lost");
  assert.match(fault.hint ?? "", /persistence true/);
  await publishAll({
    url: broker.url,
    messages: ["application/a", "application/b", "gw/1/event/stats", "other"].map((topic) => ({
      topic,
      payload: topic,
    })),
  });
  await run.received(3);
  assert.deepEqual(run.texts.sort(), ["application/a", "application/b", "gw/1/event/stats"]);
});

test("a broker that kept its database over a restart has kept the session and its messages", async (t) => {
  const broker = await requireMosquitto(t, { persistence: true });
  if (broker === undefined) return;
  const proxy = await TcpProxy.start(broker.port);
  t.after(async () => {
    await proxy.stop();
  });
  const run = runSource(t, { config: mqttConfig({ url: `mqtt://127.0.0.1:${proxy.port}` }) });
  await run.subscribed();
  proxy.refuse(true);
  proxy.dropConnections();
  await publishAll({ url: broker.url, messages: uplinks(0, 50) });
  await broker.stop();
  await broker.start();
  proxy.refuse(false);
  await run.subscribed(2);
  await run.received(50);
  assert.equal(run.faultCodes.includes("broker_session_lost"), false);
  assert.equal(run.log.lines.at(-1)?.details["session"], "resumed");
});

test("two sources on one broker have sessions of their own", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const left = runSource(t, { config: mqttConfig({ url: broker.url, topics: ["l/#"] }), clientId: "left" });
  const right = runSource(t, { config: mqttConfig({ url: broker.url, topics: ["r/#"] }), clientId: "right" });
  await left.subscribed();
  await right.subscribed();
  await publishAll({ url: broker.url, messages: ["l/1", "r/1"].map((topic) => ({ topic, payload: topic })) });
  await left.received(1);
  await right.received(1);
  assert.deepEqual([left.texts, right.texts], [["l/1"], ["r/1"]]);
});

test("a second client with our id is a lost connection to mosquitto 2.0: the hint names it, once a minute", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const run = runSource(t, { config: mqttConfig({ url: broker.url }), clientId: "twin" });
  await run.subscribed();
  for (const connects of [2, 3, 4]) {
    await client(t, broker.url, "twin");
    await run.subscribed(connects);
  }
  assert.deepEqual(run.faultCodes, ["broker_connection_lost"]);
  assert.match(run.fault("broker_connection_lost").hint ?? "", /client id/);
});

test("a broker that says why it ends the connection is quoted", async (t) => {
  const url = await startScriptedBroker(t, (packet, answer, socket) => {
    if (packet.cmd === "connect") answer({ cmd: "connack", reasonCode: 0, sessionPresent: true });
    if (packet.cmd !== "subscribe" || packet.messageId === undefined) return;
    answer({ cmd: "suback", messageId: packet.messageId, granted: [1] });
    answer({ cmd: "disconnect", reasonCode: 142 });
    socket.end();
  });
  const run = runSource(t, { config: mqttConfig({ url }) });
  const fault = await run.faulted("broker_session_taken_over");
  assert.match(fault.hint ?? "", /client_id/);
  await waitFor(() => run.source.status.connects >= 4, { what: "three more attempts" });
  assert.deepEqual(run.faultCodes, ["broker_session_taken_over"], "one line a minute");
});

test("MQTT 3.1.1 by configuration resumes its session too", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const config = mqttConfig({ url: broker.url, protocol: "3.1.1" });
  const first = runSource(t, { config });
  await first.subscribed();
  assert.equal(first.log.lines[0]?.details["mqtt"], "3.1.1");
  assert.equal(first.source.window, 20);
  await first.stop();
  await publishAll({ url: broker.url, messages: uplinks(0, 60) });
  const second = runSource(t, { config, sessionFilters: config.topics });
  await second.received(60);
  assert.equal(second.log.lines[0]?.details["session"], "resumed");
});

test("a broker that speaks only 3.1.1 is spoken to in 3.1.1, unless the configuration insists on 5", async (t) => {
  const broker = await startBroker({ port: 0 });
  t.after(async () => {
    await broker.stop();
  });
  const run = runSource(t, { config: mqttConfig({ url: broker.url }), clientId: "auto" });
  await run.subscribed();
  assert.equal(run.log.lines.at(-1)?.details["mqtt"], "3.1.1");
  assert.deepEqual(run.faultCodes, []);
  await publishAll({ url: broker.url, messages: uplinks(0, 40) });
  await run.received(40);

  const insisting = runSource(t, {
    config: mqttConfig({ url: broker.url, protocol: "5" }),
    clientId: "five",
  });
  const fault = await insisting.faulted("broker_refused");
  assert.match(fault.message, /version of MQTT/);
  assert.match(fault.hint ?? "", /protocol = "auto"/);
});

test("QoS 0 events are delivered and warned about once; retained messages come with their flag", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const other = await client(t, broker.url);
  await other.publishAsync("application/kept", "kept", { qos: 0, retain: true });
  const run = runSource(t, { config: mqttConfig({ url: broker.url }) });
  await run.subscribed();
  await run.received(1);
  assert.deepEqual([run.deliveries[0]?.retained, run.faultCodes], [true, []]);
  for (const text of ["0", "1", "2"]) await other.publishAsync("application/a", text, { qos: 0 });
  await run.received(4);
  assert.deepEqual(run.texts, ["kept", "0", "1", "2"]);
  assert.deepEqual(
    run.deliveries.map(({ qos, acknowledge }) => [qos, acknowledge]),
    Array.from({ length: 4 }, () => [0, undefined]),
  );
  assert.deepEqual(run.faultCodes, ["broker_qos0"]);
  assert.match(run.fault("broker_qos0").hint ?? "", /qos=1.*chirpstack\.toml/);
});

test("the state topic says online, and offline after a stop", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const run = runSource(t, { config: mqttConfig({ url: broker.url, stateTopic }) });
  await run.subscribed();
  const seen = await states(t, broker.url);
  await waitFor(() => seen.length > 0, { what: "the online state" });
  await run.stop();
  await waitFor(() => seen.length > 1, { what: "the offline state" });
  assert.deepEqual(
    seen.map(([, state]) => state),
    ['{"state":"online"}', '{"state":"offline"}'],
  );
  const later = await states(t, broker.url);
  await waitFor(() => later.length > 0, { what: "the retained state" });
  assert.deepEqual(later, [[true, '{"state":"offline"}']]);
});

test("the state topic says safe mode, and when it is over", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const run = runSource(t, { config: mqttConfig({ url: broker.url, stateTopic }), isSafeMode: true });
  await run.subscribed();
  const seen = await states(t, broker.url);
  await waitFor(() => seen.length > 0, { what: "the online state" });
  run.isSafeMode = false;
  run.modeChanged.notify();
  await waitFor(() => seen.length > 1, { what: "the end of safe mode" });
  assert.deepEqual(
    seen.map(([, state]) => state),
    ['{"state":"online","mode":"safe"}', '{"state":"online"}'],
  );
  await run.stop();
});

test("a daemon that is killed is offline by its last will", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const child = await startSourceProcess(t, mqttConfig({ url: broker.url, stateTopic }));
  const seen = await states(t, broker.url);
  await waitFor(() => seen.some(([, state]) => state === '{"state":"online"}'), { what: "online" });
  await child.end("SIGKILL");
  await waitFor(() => seen.length > 1, { what: "the last will" });
  assert.equal(seen.at(-1)?.[1], '{"state":"offline"}');
  const later = await states(t, broker.url);
  await waitFor(() => later.length > 0, { what: "the retained will" });
  assert.deepEqual(later, [[true, '{"state":"offline"}']]);
});
