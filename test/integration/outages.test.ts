/** What broker, writer and Flight say when a probe has been asked, when they stop saying it, and where nobody probes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import * as net from "node:net";
import { after, test, type TestContext } from "node:test";
import { inspect } from "node:util";
import { outagesOf } from "../../src/influx/transport.ts";
import { createWriter, type LineWriter } from "../../src/influx/writer.ts";
import { Fault } from "../../src/lib/fault.ts";
import { diagnose } from "../../src/net/diagnose.ts";
import { Outages } from "../../src/net/probe-outage.ts";
import { makeCertificates } from "../support/certificates.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import { ask, faultOf, flightChannel } from "../support/flight-channel.ts";
import { influxConfig, line, never, noContent, serve, writer } from "../support/influx-http.ts";
import { mqttConfig, runSource } from "../support/mqtt-source.ts";
import { listening } from "../support/tcp-server.ts";
import { tlsShell } from "../support/tls-shell.ts";
import { waitFor } from "../support/wait.ts";
import { ask as askOnce, FakeClient } from "../unit/cli/query-fixture.ts";

const files = makeCertificates();
after(() => files.remove());
const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
const trusted = { verify: true, caFile: files.ca };

/** The fault of a write, which failed. */
async function failure(to: LineWriter): Promise<Fault> {
  const outcome = await to.write(line, never);
  assert.equal(outcome.kind, "retry", inspect(outcome));
  assert.ok("fault" in outcome);
  return outcome.fault;
}

async function untilSaid(by: LineWriter, code: string): Promise<void> {
  await waitFor(async () => (await failure(by)).code === code, { what: code });
}

/** Takes connections, says nothing, and counts them. */
async function mute(t: TestContext): Promise<{ port: number; count: () => number; open: () => number }> {
  let count = 0;
  const server = net.createServer((socket) => {
    count += 1;
    socket.resume();
  });
  const { port, sockets } = await listening(t, server);
  return { port, count: () => count, open: () => sockets.size };
}

test("a write to a TLS port in plaintext does not wait for a probe, and the next one says what it found", async (t) => {
  const secure = await serve(t, noContent, pair);
  const influx = writer(t, secure.url.replace("https:", "http:"));
  assert.equal((await failure(influx)).code, "connection_closed");
  await untilSaid(influx, "server_is_tls");
  const fault = await failure(influx);
  assert.match(fault.hint ?? "", /use https:\/\/ in influxdb\.url/);
  assert.ok(fault.cause instanceof Fault && fault.cause.code === "connection_closed");
});

test("a finding is of one outage, and outages that follow each other closely are not all looked into", async (t) => {
  let requests = 0;
  const server = createHttp((_request, response) => {
    requests += 1;
    response.end("OK");
  });
  const url = `http://127.0.0.1:${(await listening(t, server)).port}`;
  const outages = new Outages({
    target: "flight",
    speaks: "grpc",
    url,
    tls: { verify: true },
    timeoutMs: 900,
  });
  const fault = diagnose(Object.assign(new Error("hang up"), { code: "ECONNRESET" }), {
    target: "flight",
    url,
  });
  const codeAt = async (nowMs: number): Promise<string> => (await outages.refined(fault, nowMs, never)).code;
  assert.deepEqual([await codeAt(0), await codeAt(59_000), requests], ["http1_only", "http1_only", 1]);
  assert.deepEqual([await codeAt(599_999), requests], ["http1_only", 1]);
  assert.deepEqual([await codeAt(600_000), requests], ["http1_only", 2]);
  outages.over();
  assert.deepEqual([await codeAt(600_001), requests], ["http1_only", 3]);
  outages.over();
  assert.equal(outages.soon(fault, 600_002, never), fault);
  assert.deepEqual([await codeAt(660_000), requests], ["connection_closed", 3]);
  assert.deepEqual([await codeAt(660_001), requests], ["http1_only", 4]);
});

test("however many batches fail, there is one probe", async (t) => {
  const hole = await mute(t);
  const influx = writer(t, `https://127.0.0.1:${hole.port}`, { maxInFlight: 2, writeTimeoutMs: 100 });
  const both = async (): Promise<string[]> =>
    (await Promise.all([failure(influx), failure(influx)])).map(({ code }) => code);
  assert.deepEqual(await both(), ["connect_timeout", "connect_timeout"]);
  await waitFor(async () => (await both()).includes("server_silent"), { what: "the finding" });
  const before = hole.count();
  for (let round = 0; round < 3; round += 1) {
    assert.deepEqual(await both(), ["server_silent", "server_silent"]);
  }
  assert.equal(hole.count(), before + 6, "each write connects once, and a probe four times or more");
});

test("a batch that may have brought the server down is not explained by the server being down", async (t) => {
  const { port } = await listening(
    t,
    net.createServer((socket) => void socket.once("data", () => socket.destroy())),
  );
  const config = influxConfig(`http://127.0.0.1:${port}`);
  const outages = outagesOf(config);
  const influx = createWriter(config, outages);
  t.after(() => influx.close());
  const fault = await failure(influx);
  assert.equal(fault.code, "connection_closed");
  const found = (): Fault => outages.soon(fault, performance.now(), never);
  await waitFor(() => found().code === "server_hangs_up", { what: "the finding" });
  assert.equal((await failure(influx)).code, "connection_closed");
});

test("an answer ends the outage: what was found is not said of the next one", async (t) => {
  const server = await serve(t, (response) => {
    response.writeHead(204, { connection: "close" }).end();
  });
  const front = await tlsShell(t, Number(new URL(server.url).port), pair);
  const influx = writer(t, `http://127.0.0.1:${front.port}`);
  const first = await failure(influx);
  await untilSaid(influx, "server_is_tls");
  front.isSecure = false;
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  front.isSecure = true;
  const later = await failure(influx);
  assert.deepEqual([later.message, later.cause], [first.message, undefined]);
});

test("closing a writer and a channel, or stopping a source, ends a probe at once", async (t) => {
  const hole = await mute(t);
  const url = `https://127.0.0.1:${hole.port}`;
  const influx = createWriter(influxConfig(url, { writeTimeoutMs: 1000, tls: trusted }));
  const channel = flightChannel(t, url, { tls: trusted });
  const plain = flightChannel(t, `http://127.0.0.1:${hole.port}`);
  const source = runSource(t, {
    config: mqttConfig({ url: `mqtt://127.0.0.1:${hole.port}`, connectTimeoutMs: 1000 }),
  });
  await Promise.all([
    failure(influx),
    faultOf(ask(channel, "x", { timeoutMs: 1000 })),
    faultOf(ask(plain, "x", { timeoutMs: 1000 })),
  ]);
  // Each would take another second and more.
  await waitFor(() => hole.open() > 12 && source.source.status.lastFault !== undefined, { what: "probes" });
  assert.deepEqual(source.faultCodes, [], "the source waits for its own");
  const startMs = performance.now();
  channel.close();
  plain.close();
  await Promise.all([influx.close(), source.stop()]);
  await waitFor(() => hole.open() === 0, { what: "the sockets to be closed" });
  assert.ok(performance.now() - startMs < 500, `it took ${performance.now() - startMs} ms`);
  assert.deepEqual(source.faultCodes, ["broker_silent"], "it had happened before");
});

test("a query to a port that speaks HTTP/1.1 only says so when a probe has looked", async (t) => {
  const { port } = await listening(
    t,
    createHttp((_request, response) => void response.end("OK")),
  );
  const channel = flightChannel(t, `http://127.0.0.1:${port}`);
  assert.equal((await faultOf(ask(channel))).code, "server_not_http2");
  await waitFor(async () => (await faultOf(ask(channel))).code === "http1_only", {
    what: "the finding",
    everyMs: 50,
  });
});

test("a command that asks once waits for what a probe finds, straight to the server only", async (t) => {
  let requests = 0;
  const server = createHttp((_request, response) => {
    requests += 1;
    response.end("OK");
  });
  const { port } = await listening(t, server);
  const configText = `[[mqtt]]\nurl = "mqtt://127.0.0.1:1"\n[influxdb]\nurl = "http://127.0.0.1:${port}"\ndatabase = "farm"\n`;
  const failing = (code: string): FakeClient =>
    new FakeClient({
      columns: [],
      batches: [new Fault({ code, layer: "flight", disposition: "retry", message: `the words of ${code}` })],
    });
  for (const code of ["connection_closed", "flight_timeout"]) {
    const said = await askOnce(t, failing(code), { configText });
    assert.equal(said.code, 1);
    assert.match(said.err, /speaks HTTP\/1\.1 only, and Arrow Flight needs HTTP\/2/, code);
    assert.match(said.err, /influxdb\.flight_url/);
  }
  assert.ok(requests > 0);
  requests = 0;
  const clear = await askOnce(t, failing("flight_unauthorized"), { configText });
  assert.match(clear.err, /the words of flight_unauthorized/);
  const through = `${configText}proxy = "http://127.0.0.1:1"\n`;
  const behind = await askOnce(t, failing("connection_closed"), { configText: through });
  assert.match(behind.err, /the words of connection_closed/);
  assert.equal(requests, 0);
});

test("behind a proxy nothing is probed", async (t) => {
  const hole = await mute(t);
  const proxy = await connectProxy(t, { answer: () => "" });
  const through = { proxy: { url: proxy.url, setting: "x.proxy" }, tls: trusted };
  const cut = await connectProxy(t);
  const closing = net.createServer((socket) => void socket.once("data", () => socket.destroy()));
  let accepted = 0;
  const { port } = await listening(
    t,
    closing.on("connection", () => (accepted += 1)),
  );
  const throughCut = { ...through, proxy: { ...through.proxy, url: cut.url } };
  const influx = writer(t, `http://127.0.0.1:${port}`, throughCut);
  const channel = flightChannel(t, `http://127.0.0.1:${port}`, throughCut);
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await failure(influx)).code, "connection_closed");
    assert.equal((await faultOf(ask(channel))).code, "connection_closed");
  }
  assert.equal(accepted, cut.heads.length, "each connection came through a tunnel");
  const silent = writer(t, `https://127.0.0.1:${hole.port}`, { ...through, writeTimeoutMs: 100 });
  await failure(silent);
  const source = runSource(t, {
    config: mqttConfig({ url: `mqtt://127.0.0.1:${hole.port}`, connectTimeoutMs: 100, ...through }),
  });
  await waitFor(() => source.log.faults.length > 0, { what: "a fault of the source" });
  assert.equal(hole.count(), 0);
});
