/** Another client at the broker has our client id: each takes the other's place, and that is recognised. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { after, test, type TestContext } from "node:test";
import { connectAsync } from "mqtt";
import { makeCertificates } from "../support/certificates.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig, runSource, type SourceRun } from "../support/mqtt-source.ts";
import { startScriptedBroker } from "../support/mqtt-script.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";

const contested = "broker_client_id_contested";

/** Takes our place, as a daemon with our data directory would, and leaves it again. */
async function takePlace(url: string, clientId: string): Promise<void> {
  const rival = await connectAsync(url, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    clientId,
    clean: false,
    properties: { sessionExpiryInterval: 60 },
  });
  rival.on("error", () => undefined);
  await rival.endAsync(true);
}

const files = makeCertificates();
after(() => {
  rmSync(files.dir, { recursive: true, force: true });
});

for (const [protocol, overTls] of [
  ["5", false],
  ["3.1.1", false],
  ["auto", true],
] as const) {
  test(`MQTT ${protocol}${overTls ? " over TLS" : ""}: two daemons with one client id are recognised, said, and shown while it lasts`, async (t) => {
    const listener = { caFile: files.ca, certFile: files.serverCert, keyFile: files.serverKey };
    const broker = await requireMosquitto(t, overTls ? { tls: listener } : {});
    if (broker === undefined) return;
    const tls = { caFile: files.ca, verify: true };
    const config = mqttConfig({ url: broker.tlsUrl ?? broker.url, protocol, tls });
    const lives = [1, 2].map(() => runSource(t, { config, clientId: "twin", random: () => 0.1 }));
    const isKnown = ({ faultCodes, source: { status } }: SourceRun): boolean =>
      faultCodes.includes(contested) && status.lastFault?.code === contested;
    await waitFor(() => lives.some(isKnown), { timeoutMs: 15_000, what: "one of them to recognise it" });
    const [one] = lives.filter(isKnown);
    assert.ok(one !== undefined);
    assert.match(one.fault(contested).message, /another client uses our client id/);
    assert.match(one.fault(contested).hint ?? "", /client_id/);
    assert.match(one.fault(contested).hint ?? "", /balancer, firewall or NAT/);
    assert.equal(one.faultCodes.filter((code) => code === contested).length, 1, "once a minute at most");
    const { status } = one.source;
    await waitFor(() => status.state === "connected", { timeoutMs: 15_000, what: "the next connection" });
    assert.equal(status.lastFault?.code, contested, "it is told while the connection stands, too");
  });
}

test("the longer two fight, the longer they wait", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const run = runSource(t, { config: mqttConfig({ url: broker.url }), clientId: "twin", random: () => 0.05 });
  const waitsMs: number[] = [];
  for (let connects = 1; connects <= 6; connects += 1) {
    await run.subscribed(connects);
    await takePlace(broker.url, "twin");
    const lostMs = performance.now();
    await run.subscribed(connects + 1);
    waitsMs.push(performance.now() - lostMs);
  }
  const [fifth = 0, sixth = 0] = waitsMs.slice(4);
  t.diagnostic(`waited ${waitsMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  assert.ok(fifth > 390 && sixth > 790, "25 ms, doubled each time");
  assert.equal(run.faultCodes.filter((code) => code === contested).length, 1);
});

test("a broker that is restarted again and again, and keeps our session, is no rival", async (t) => {
  const broker = await requireMosquitto(t, { persistence: true });
  if (broker === undefined) return;
  const run = runSource(t, { config: mqttConfig({ url: broker.url }), random: () => 0.1 });
  for (let connects = 1; connects <= 4; connects += 1) {
    await run.subscribed(connects, 15_000);
    await broker.stop();
    await broker.start();
  }
  await run.subscribed(5, 15_000);
  const resumed = run.log.lines.filter(({ details }) => details["session"] === "resumed");
  assert.equal(resumed.length, 4, "each time with its session");
  assert.ok(!run.faultCodes.includes(contested), run.faultCodes.join(" "));
});

/** What stands between us and the broker, and ends each connection after a while; gives its URL. */
async function cuttingRoad(t: TestContext, brokerPort: number, afterMs: number): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(brokerPort, "127.0.0.1");
    const pair = [client, behind];
    const cut = setTimeout(() => pair.forEach((socket) => socket.destroy()), afterMs);
    for (const socket of pair) sockets.add(socket.on("error", () => undefined));
    client.on("close", () => {
      clearTimeout(cut);
      behind.destroy();
    });
    behind.on("close", () => client.destroy());
    client.pipe(behind).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a balancer, a firewall or a NAT that ends every connection after a while is no rival", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const url = await cuttingRoad(t, broker.port, 1200);
  const run = runSource(t, { config: mqttConfig({ url }), random: () => 0.05 });
  await run.subscribed(6, 30_000);
  const resumed = run.log.lines.filter(({ details }) => details["session"] === "resumed");
  assert.ok(resumed.length >= 5, "each time with its session");
  assert.deepEqual(run.faultCodes, ["broker_connection_lost"]);
});

test("a road on which connections fall silent one after the other is no rival", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const proxy = await TcpProxy.start(broker.port);
  t.after(async () => await proxy.stop());
  const config = mqttConfig({ url: `mqtt://127.0.0.1:${proxy.port}`, keepaliveMs: 1000 });
  const run = runSource(t, { config, random: () => 0.05 });
  for (let connects = 1; connects <= 4; connects += 1) {
    await run.subscribed(connects, 10_000);
    for (const direction of ["toServer", "toClient"] as const) proxy.pause(direction);
    await waitFor(() => run.source.status.state !== "connected", { timeoutMs: 10_000, what: "its end" });
    for (const direction of ["toServer", "toClient"] as const) proxy.resume(direction);
  }
  await run.subscribed(5, 10_000);
  assert.deepEqual(run.faultCodes, ["broker_connection_lost"]);
});

test("one connection that is lost is no fight", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const run = runSource(t, { config: mqttConfig({ url: broker.url }), clientId: "twin" });
  await run.subscribed();
  for (const connects of [2, 3]) {
    await takePlace(broker.url, "twin");
    await run.subscribed(connects);
  }
  assert.deepEqual(run.faultCodes, ["broker_connection_lost"]);
  assert.equal(run.source.status.lastFault, undefined);
});

test("where the broker says that we were taken over its word is repeated, and shown while it lasts", async (t) => {
  const url = await startScriptedBroker(t, (packet, answer, socket) => {
    if (packet.cmd === "connect") answer({ cmd: "connack", reasonCode: 0, sessionPresent: true });
    if (packet.cmd !== "subscribe" || packet.messageId === undefined) return;
    answer({ cmd: "suback", messageId: packet.messageId, granted: [1] });
    setTimeout(() => {
      answer({ cmd: "disconnect", reasonCode: 142 });
      socket.end();
    }, 20);
  });
  const run = runSource(t, { config: mqttConfig({ url }) });
  const { status } = run.source;
  await waitFor(() => status.connects >= 4 && status.state === "connected", { what: "a fourth connection" });
  assert.equal(status.lastFault?.code, "broker_session_taken_over");
  assert.deepEqual(run.faultCodes, ["broker_session_taken_over"]);
});
