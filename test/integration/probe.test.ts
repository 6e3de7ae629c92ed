/** A probe against servers that are really there, each wrong in its own way: the cause and the hint of each. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { TlsConfig } from "../../src/net/config.ts";
import { probe } from "../../src/net/probe.ts";
import { makeCertificates } from "../support/certificates.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { makeProbeCertificates } from "../support/probe-certificates.ts";
import { any, check, hastyMs, look, type Case } from "../support/probe-look.ts";
import { ProbeStage, answering } from "../support/probe-stage.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { freePort, waitFor } from "../support/wait.ts";

const files = makeProbeCertificates();
after(() => files.remove());

const trusting: TlsConfig = { verify: true, caFile: files.root };

test("what is right is found right, in every protocol, with and without TLS", async (t) => {
  const stage = new ProbeStage(t);
  const [http, https, h2c, h2, mutual, chain] = [
    await stage.http(),
    await stage.https(files.good),
    await stage.h2c(),
    await stage.h2(files.good),
    await stage.h2({ ...files.good, ca: files.good.cert, requestCert: true, rejectUnauthorized: false }),
    await stage.h2(files.wholeChain),
  ];
  const withCertificate = { ...trusting, certFile: files.clientCert, keyFile: files.clientKey };
  await check(t, trusting, [
    ["HTTP", `http://127.0.0.1:${http}`, "http", "", any, any],
    ["HTTP in TLS", `https://localhost:${https}`, "http", "", any, any],
    ["h2c", `http://127.0.0.1:${h2c}`, "grpc", "", any, any],
    ["HTTP/2 in TLS", `https://127.0.0.1:${h2}`, "grpc", "", any, any],
    ["with a client certificate", `https://127.0.0.1:${mutual}`, "grpc", "", any, any, withCertificate],
    ["whole chain", `https://127.0.0.1:${chain}`, "grpc", "", any, any],
    ["not verified", `https://127.0.0.1:${chain}`, "grpc", "", any, any, { verify: false }],
  ]);
});

test("plaintext: what listens there is named, whatever was expected", async (t) => {
  const stage = new ProbeStage(t);
  const http = await stage.http(answering(200, { server: "nginx/1.22.1" }, "OK"));
  const https = await stage.https(files.good);
  const h2 = await stage.h2(files.good);
  const h2c = await stage.h2c();
  const html = await stage.http(
    answering(200, { "content-type": "text/html" }, "<html><title>Router login</title>"),
  );
  const portal = await stage.http(answering(302, { location: "http://login.hotel.example/" }));
  const toTls = await stage.http(answering(301, { location: "https://127.0.0.1/health" }));
  const demands = await stage.http(answering(511, { "content-type": "text/html" }, "<html>"));
  const proxy = await stage.http(answering(502, { server: "nginx" }));
  const ssh = await stage.tcp((socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n"));
  const at = (port: number): string => `http://127.0.0.1:${port}`;
  await check(t, trusting, [
    ["nothing", at(await freePort()), "http", "connection_refused", /nothing listens/, /influxdb\.url/],
    ["TLS on a plaintext URL", at(https), "http", "server_is_tls", /speaks TLS/, /use https:\/\//],
    ["TLS on a plaintext URL", at(h2), "grpc", "server_is_tls", /speaks TLS/, /use https:\/\//],
    ["TLS on a plaintext URL", `mqtt://127.0.0.1:${h2}`, "mqtt", "server_is_tls", /TLS/, /use mqtts:\/\//],
    ["HTTP/1.1 only", at(http), "grpc", "http1_only", /HTTP 200, server nginx\/1\.22\.1/, /grpc_pass/],
    ["HTTP/2 only", at(h2c), "http", "http2_only", /HTTP\/2 only/, /flight_url/],
    ["HTML", at(html), "http", "server_is_web_page", /"Router login"/, /8181/],
    ["HTML", at(html), "grpc", "server_is_web_page", /"Router login"/, /8181/],
    ["captive portal", at(portal), "http", "captive_portal", /login\.hotel\.example/, /log in/],
    ["redirect to itself", at(toTls), "http", "server_redirects", /https:\/\/127/, /influxdb\.url/],
    ["captive portal", at(demands), "grpc", "captive_portal", /511/, /log in/],
    [
      "proxy without server",
      at(proxy),
      "http",
      "proxy_without_server",
      /HTTP 502, server nginx/,
      /behind that proxy/,
    ],
    ["SSH", at(ssh), "http", "server_not_http", /SSH-2\.0/, /8181/],
    ["SSH", `mqtt://127.0.0.1:${ssh}`, "mqtt", "server_not_mqtt", /SSH-2\.0/, /1883/],
    ["HTTP behind mqtt://", `mqtt://127.0.0.1:${http}`, "mqtt", "server_is_http", /HTTP/, /8883/],
    ["h2c behind mqtt://", `mqtt://127.0.0.1:${h2c}`, "mqtt", "server_is_http", /HTTP\/2/, /1883/],
  ]);
});

test("a broker is known as one, and takes a probe for a client that came and went", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const { port } = broker;
  await check(t, trusting, [
    ["broker", broker.url, "mqtt", "", any, any],
    ["broker behind http://", `http://127.0.0.1:${port}`, "http", "server_is_mqtt", /MQTT broker/, /8181/],
    ["broker behind http://", `http://127.0.0.1:${port}`, "grpc", "server_is_mqtt", /MQTT broker/, /8181/],
    ["broker behind https://", `https://127.0.0.1:${port}`, "http", "server_is_mqtt", /MQTT broker/, /8181/],
    [
      "broker behind mqtts://",
      `mqtts://127.0.0.1:${port}`,
      "mqtt",
      "tls_server_is_plaintext",
      /plaintext/,
      /mqtt:\/\//,
    ],
  ]);
  await waitFor(() => /Client \S+ disconnected\./.test(broker.log()), { what: "a DISCONNECT in the log" });
});

test("a broker in TLS that wants a client certificate says so, and takes the right one", async (t) => {
  const made = makeCertificates();
  t.after(() => made.remove());
  const tls = {
    caFile: made.ca,
    certFile: made.serverCert,
    keyFile: made.serverKey,
    requireCertificate: true,
  };
  const broker = await requireMosquitto(t, { tls });
  if (broker?.tlsUrl === undefined) return;
  const trusted = { verify: true, caFile: made.ca };
  const right = { ...trusted, certFile: made.clientCert, keyFile: made.clientKey };
  const wrong = { ...trusted, certFile: files.clientCert, keyFile: files.clientKey };
  const { tlsUrl } = broker;
  await check(t, trusting, [
    ["broker in TLS", tlsUrl, "mqtt", "", any, any, right],
    [
      "no client certificate",
      tlsUrl,
      "mqtt",
      "tls_client_certificate_needed",
      any,
      /mqtt\.cert_file/,
      trusted,
    ],
    ["unknown client certificate", tlsUrl, "mqtt", "tls_client_certificate_refused", any, /issued by/, wrong],
  ]);
});

test("silence, a slow line and a reset end in time, and no connection stays open", async (t) => {
  const stage = new ProbeStage(t);
  const open = new Set<object>();
  const black = await stage.tcp((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).resume();
  });
  const reset = await stage.tcp((socket) => void socket.resetAndDestroy());
  const slow = await TcpProxy.start(await stage.https(files.good));
  t.after(() => slow.stop());
  slow.drip("toClient", { bytes: 40, everyMs: 200 });
  const dripping = await TcpProxy.start(await stage.http());
  t.after(() => dripping.stop());
  dripping.drip("toClient", { bytes: 2, everyMs: 150 });
  const cases: readonly Case[] = [
    ["black hole", `http://127.0.0.1:${black}`, "http", "server_silent", any, /firewall/],
    ["black hole", `https://127.0.0.1:${black}`, "grpc", "server_silent", any, /firewall/],
    ["black hole", `mqtt://127.0.0.1:${black}`, "mqtt", "server_silent", any, /firewall/],
    ["reset", `http://127.0.0.1:${reset}`, "grpc", "server_hangs_up", any, /allowed addresses/],
    [
      "slow drip in the handshake",
      `https://127.0.0.1:${slow.port}`,
      "http",
      "server_too_slow",
      /only \d+ bytes/,
      /ping/,
    ],
    ["slow drip", `http://127.0.0.1:${dripping.port}`, "http", "server_too_slow", /only \d+ bytes/, /ping/],
  ];
  await check(t, trusting, cases, hastyMs);
  for (let turns = 0; open.size > 0 && turns < 100; turns += 1) await new Promise(setImmediate);
  assert.equal(open.size, 0);
});

test("what stands still itself takes no answer for late: it has been there for long", async (t) => {
  const stage = new ProbeStage(t);
  const connected = Promise.withResolvers<void>();
  const port = await stage.tcp((socket) => {
    connected.resolve();
    socket.resume();
  });
  const target = { url: `mqtt://127.0.0.1:${port}`, tls: trusting, speaks: "mqtt", timeoutMs: 300 } as const;
  const running = probe(target);
  for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
  standStill(900);
  const { connect } = await running;
  assert.deepEqual(
    connect?.attempts.map(({ failure }) => failure),
    [undefined],
  );
  await connected.promise;
});

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("a server that speaks something else in TLS is named, and one that hangs up there has shaken hands", async (t) => {
  const made = makeCertificates();
  t.after(() => made.remove());
  const stage = new ProbeStage(t);
  const mute = await stage.tls(files.good, (socket) => void socket.once("data", () => socket.end()));
  const silent = await stage.tls(files.good, (socket) => void socket.resume());
  const https = await stage.https(files.good);
  const at = (port: number): string => `https://127.0.0.1:${port}`;
  await check(t, trusting, [
    ["hangs up in TLS", at(mute), "http", "server_hangs_up", /completes the TLS handshake/, /influxdb\.url/],
    ["HTTPS behind mqtts://", `mqtts://127.0.0.1:${https}`, "mqtt", "server_is_http", /HTTP/, /8883/],
  ]);
  const quiet: Case = ["silent in TLS", at(silent), "http", "server_silent", /completes the TLS/, /hangs/];
  await check(t, trusting, [quiet], hastyMs);
  const tls = { caFile: made.ca, certFile: made.serverCert, keyFile: made.serverKey };
  const broker = await requireMosquitto(t, { tls });
  if (broker?.tlsUrl === undefined) return;
  const trusted = { verify: true, caFile: made.ca };
  const url = broker.tlsUrl.replace("mqtts:", "https:");
  await check(t, trusting, [
    ["broker in TLS", url, "http", "server_is_mqtt", /MQTT broker/, /8181/, trusted],
    ["broker in TLS", url, "grpc", "server_is_mqtt", /MQTT broker/, /8181/, trusted],
  ]);
});

test("no user name, password or path of the URL is sent", async (t) => {
  const stage = new ProbeStage(t);
  const heard: Buffer[] = [];
  const port = await stage.tcp((socket) => void socket.on("data", (bytes) => heard.push(bytes)));
  const url = `http://someone:hunter2@127.0.0.1:${port}/secret-path`;
  const { fault } = await look(url, "http", trusting, hastyMs);
  const sent = Buffer.concat(heard).toString("latin1");
  assert.match(sent, /GET \/health HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/);
  assert.match(sent, /PRI \* HTTP\/2\.0/);
  assert.ok(sent.includes("MQTT\u0004"));
  assert.doesNotMatch(sent, /hunter2|someone|secret-path|authorization/i);
  assert.doesNotMatch(fault?.message ?? "hunter2", /hunter2|someone/);
});

test("an endless answer is read to a limit", async (t) => {
  const stage = new ProbeStage(t);
  const port = await stage.tcp((socket) => {
    const page = Buffer.alloc(64 * 1024, "x");
    const more = (): void => {
      while (!socket.destroyed && socket.write(page));
    };
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\nX: ");
      more();
    });
    socket.on("drain", more);
  });
  const { report } = await look(`http://127.0.0.1:${port}`, "http", trusting);
  const answers = report.plaintext?.answers ?? [];
  assert.equal(answers.length, 3);
  assert.deepEqual(new Set(answers.map(({ bytes }) => bytes)), new Set([16 * 1024]));
  assert.deepEqual(new Set(answers.map(({ end }) => end)), new Set(["answered"]), "none is read any longer");
});

test("an aborted probe ends at once, and leaves neither timer nor socket", async (t) => {
  const stage = new ProbeStage(t);
  const open = new Set<object>();
  const port = await stage.tcp((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).resume();
  });
  const before = timers();
  const stop = new AbortController();
  const target = {
    url: `https://127.0.0.1:${port}`,
    tls: trusting,
    speaks: "grpc",
    timeoutMs: 20_000,
  } as const;
  const running = probe(target, stop.signal);
  await waitFor(() => open.size >= 5, { what: "all connections of the probe" });
  assert.ok(timers() > before);
  stop.abort();
  const report = await running;
  assert.ok(report.ms < 5000, `it took ${report.ms} ms`);
  assert.equal(timers(), before);
  await waitFor(() => open.size === 0, { what: "the end of all connections" });
  const late = await probe(target, AbortSignal.abort());
  assert.deepEqual(late.resolve.addresses, ["127.0.0.1"]);
  assert.equal(open.size, 0);
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}
