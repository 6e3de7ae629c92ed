/** A broker behind an HTTP proxy: what passes, what is said when it does not, and that nothing is left behind. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { readFileSync } from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import * as tls from "node:tls";
import { inspect } from "node:util";
import { examineBroker } from "../../src/doctor/broker.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { Secret } from "../../src/lib/secret.ts";
import { Wakeup } from "../../src/lib/wakeup.ts";
import type { MqttConfig } from "../../src/mqtt/config.ts";
import { runSession } from "../../src/mqtt/session.ts";
import type { ProxyConfig } from "../../src/net/config.ts";
import { startBroker } from "../../src/sandbox/broker.ts";
import { endNow } from "../../src/supervision/end-now.ts";
import { AppScene, cleanEnd } from "../support/app.ts";
import { makeCertificates } from "../support/certificates.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import { requireMosquitto } from "../support/mosquitto.ts";
import { mqttConfig, runSource, type SourceRun } from "../support/mqtt-source.ts";
import { publishAll } from "../support/publisher.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort, waitFor } from "../support/wait.ts";

const files = makeCertificates();
after(() => {
  files.remove();
  // Once in a while Node 24.21 spins in its own end for ever, in the clean-up of handles.
  process.on("exit", endNow);
});
const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
const ca = { caFile: files.ca, verify: true };
const mutual = { ...ca, certFile: files.clientCert, keyFile: files.clientKey };

const mosquittoTls = { caFile: files.ca, certFile: files.serverCert, keyFile: files.serverKey };

const canary = "proxy-canary";

function through({ url }: { readonly url: string }): { readonly proxy: ProxyConfig } {
  return { proxy: { url, setting: "mqtt.proxy", username: "barn", password: new Secret(canary) } };
}

/** Timers and sockets of this process, those of the servers in it among them. */
function openResources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /^(?:Timeout|TCPSocketWrap|TLSWrap|TCPConnectWrap)$/.test(name))
    .sort();
}

async function nothingLeft(before: readonly string[]): Promise<void> {
  await waitFor(() => openResources().length <= before.length, { what: "sockets and timers to go" });
  assert.deepEqual(openResources(), before);
}

async function firstFault(run: SourceRun): Promise<SourceRun["log"]["faults"][number]["fault"]> {
  await waitFor(() => run.log.faults.length > 0, { what: "a fault" });
  const [first] = run.log.faults;
  assert.ok(first !== undefined);
  await run.stop();
  return first.fault;
}

test("messages come through the tunnel, in plaintext and in mutual TLS, and the proxy is told nothing of the broker's", async (t) => {
  const broker = await requireMosquitto(t, { tls: { ...mosquittoTls, requireCertificate: true } });
  if (broker === undefined) return;
  for (const url of [broker.url, broker.tlsUrl ?? ""]) {
    const proxy = await connectProxy(t);
    const account = { username: "mqtt-user", password: new Secret("mqtt-canary") };
    const run = runSource(t, { config: mqttConfig({ url, tls: mutual, ...account, ...through(proxy) }) });
    await run.subscribed();
    await publishAll({ url: broker.url, messages: [{ topic: "application/a", payload: "through" }] });
    await run.received(1);
    assert.deepEqual(run.texts, ["through"]);
    await run.stop();
    const { host } = new URL(url);
    const basic = Buffer.from(`barn:${canary}`).toString("base64");
    assert.deepEqual(proxy.heads, [
      `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`,
    ]);
    const isPlain = url.startsWith("mqtt:");
    assert.equal(proxy.tunnelled().includes("mqtt-canary"), isPlain, "TLS hides it, plaintext does not");
    assert.equal(proxy.tunnelled().charCodeAt(0), isPlain ? 0x10 : 0x16, "CONNECT, or a TLS handshake");
    assert.ok(!proxy.tunnelled().includes(canary), "the broker is told nothing of the proxy's");
  }
});

test("a proxy that says that there is a tunnel and passes nothing on is named beside the broker", async (t) => {
  const ok = "HTTP/1.1 200 Connection established\r\n\r\n";
  const closes = (await connectProxy(t, { answer: () => ok })).url;
  const { port } = await listening(
    t,
    net.createServer((socket) => void socket.once("data", () => socket.write(ok))),
  );
  for (const url of [closes, `http://127.0.0.1:${port}`]) {
    const config = mqttConfig({ url: "mqtt://broker.example", connectTimeoutMs: 300, ...through({ url }) });
    const fault = await firstFault(runSource(t, { config }));
    assert.equal(fault.code, "broker_silent");
    assert.match(fault.hint ?? "", /; or the proxy http:\S+ .*: see mqtt\.proxy$/);
    const findings: Finding[] = [];
    await examineBroker(config)((finding) => findings.push(finding), new AbortController().signal);
    const connect = findings.find(({ severity }) => severity === "failure");
    assert.equal(connect?.code, "broker_silent");
    assert.match(connect.hint ?? "", /; or the proxy http:\S+ .*: see mqtt\.proxy$/);
  }
});

test("a broker that speaks 3.1.1 only is found to do so through the tunnel", async (t) => {
  const broker = await startBroker({ port: 0 });
  t.after(() => broker.stop());
  const proxy = await connectProxy(t);
  const run = runSource(t, { config: mqttConfig({ url: broker.url, ...through(proxy) }) });
  await run.subscribed();
  assert.equal(run.log.lines.at(-1)?.details["mqtt"], "3.1.1");
  assert.deepEqual([proxy.heads.length, run.faultCodes], [2, []]);
});

test("with and without a proxy, TLS asks for the broker's own name, or for that of server_name", async (t) => {
  const rows: readonly (readonly [string, string | undefined, unknown])[] = [
    ["localhost", undefined, "localhost"],
    ["127.0.0.1", undefined, false],
    ["127.0.0.1", "localhost", "localhost"],
  ];
  for (const more of [{}, through(await connectProxy(t))]) {
    for (const [host, serverName, expected] of rows) {
      const asked: unknown[] = [];
      const server = tls.createServer(pair, (socket) => {
        asked.push(socket.servername);
        socket.on("error", () => {}).end();
      });
      const { port } = await listening(t, server);
      const own = serverName === undefined ? ca : { ...ca, serverName };
      const run = runSource(t, { config: mqttConfig({ url: `mqtts://${host}:${port}`, tls: own, ...more }) });
      await waitFor(() => asked.length > 0, { what: "a handshake" });
      await run.stop();
      assert.equal(asked[0], expected);
    }
  }
});

test("the proxy is asked for the host as DNS has it, and for MQTT's own port where the URL has none", async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ["mqtt://broker.example", "broker.example:1883"],
    ["mqtts://Broker.example", "broker.example:8883"],
    ["mqtts://broker.example:443", "broker.example:443"],
    ["mqtt://münchen.example", "xn--mnchen-3ya.example:1883"],
    ["mqtts://[fd00::1]", "[fd00::1]:8883"],
  ];
  for (const [url, authority] of rows) {
    const proxy = await connectProxy(t, { answer: () => "HTTP/1.1 403 No\r\n\r\n" });
    const fault = await firstFault(runSource(t, { config: mqttConfig({ url, ...through(proxy) }) }));
    assert.equal(fault.code, "proxy_refused");
    assert.equal(proxy.heads[0]?.split(" ")[1], authority);
  }
});

test("each way in which a proxy fails has its cause, names the key of the source, and shows no password", async (t) => {
  const answering = async (answer: string): Promise<string> =>
    (await connectProxy(t, { answer: () => answer })).url;
  const rows: readonly (readonly [string, string, RegExp])[] = [
    [`http://127.0.0.1:${await freePort()}`, "proxy_unreachable", /nothing listens/],
    ["http://no-such-host.invalid:3128", "proxy_unreachable", /cannot be reached/],
    [await answering(`HTTP/1.1 407 ${canary}\r\n\r\n`), "proxy_unauthorized", /HTTP 407/],
    [await answering("HTTP/1.1 403 No\r\n\r\n"), "proxy_refused", /broker\.example:18883 \(HTTP 403\)/],
    [await answering("HTTP/1.1 502 No\r\n\r\n"), "proxy_target_unreachable", /broker\.example:18883/],
    [await answering("220 smtp\r\n\r\n"), "proxy_bad_answer", /does not answer in HTTP/],
    [await answering(""), "proxy_bad_answer", /gave no answer to CONNECT in time/],
  ];
  const before = openResources();
  for (const scheme of ["mqtt", "mqtts"]) {
    await Promise.all(
      rows.map(async ([url, code, words], index) => {
        const isSilent = words.source.includes("in time");
        const connectTimeoutMs = isSilent ? 300 : 5000;
        const config = { url: `${scheme}://broker.example:18883`, connectTimeoutMs, ...through({ url }) };
        const startMs = performance.now();
        const run = runSource(t, { config: mqttConfig(config), clientId: `case-${index}` });
        const fault = await firstFault(run);
        const tookMs = performance.now() - startMs;
        assert.equal(fault.code, code, inspect(fault));
        assert.ok(fault.message.startsWith(`the proxy ${url} `), fault.message);
        assert.match(fault.message, words);
        if (!url.includes(".invalid")) assert.match(fault.hint ?? "", /mqtt\.proxy/);
        if (isSilent) assert.ok(tookMs >= 290 && tookMs < 2000, `${tookMs} ms`);
        const basic = Buffer.from(`barn:${canary}`).toString("base64");
        for (const secret of [canary, basic])
          assert.ok(!inspect(run.log.faults, { depth: 9 }).includes(secret));
        assert.deepEqual(run.deliveries, []);
      }),
    );
  }
  await nothingLeft(before);
});

test("what fails behind the tunnel is the broker's, as it is without a proxy", async (t) => {
  const broker = await requireMosquitto(t, { tls: { ...mosquittoTls, requireCertificate: true } });
  if (broker === undefined) return;
  const { port: silent } = await listening(
    t,
    net.createServer((socket) => socket.resume()),
  );
  const { port: plain } = await listening(
    t,
    net.createServer((socket) => socket.once("data", () => socket.end())),
  );
  const proxy = await connectProxy(t);
  const hangsUp = await connectProxy(t, { answer: () => "HTTP/1.1 200 OK\r\n\r\n" });
  const url = broker.tlsUrl ?? "";
  const [weakKey, weakCert] = [join(files.dir, "weak.key"), join(files.dir, "weak.pem")];
  const weak = ["-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=weak", "-days", "2"];
  execFileSync("openssl", ["req", ...weak, "-keyout", weakKey, "-out", weakCert], { stdio: "ignore" });
  const before = openResources();
  const rows: readonly (readonly [RegExp, Partial<MqttConfig>])[] = [
    [/^tls_unknown_ca$/, { tls: { verify: true } }],
    [/^tls_wrong_name$/, { tls: { ...mutual, serverName: "broker.example" } }],
    [/^tls_client_certificate_needed$/, { tls: ca }],
    // OpenSSL throws this when the connection is made, not when it fails.
    [/^tls_failed$/, { tls: { ...ca, certFile: weakCert, keyFile: weakKey } }],
    [/^tls_file_unreadable$/, { tls: { caFile: "/absent.pem", verify: true } }],
    [/^(?:broker_silent|tls_handshake_cut)$/, { url: `mqtts://127.0.0.1:${plain}`, tls: ca }],
    [/^broker_silent$/, { url: url.replace("mqtts:", "mqtt:") }],
    [/^broker_silent$/, { url: `mqtt://127.0.0.1:${silent}`, connectTimeoutMs: 300 }],
    [/^broker_silent$/, { url: `mqtts://127.0.0.1:${silent}`, connectTimeoutMs: 300 }],
    [/^broker_silent$/, { url: broker.url, ...through(hangsUp) }],
    [/^(?:broker_silent|tls_handshake_cut)$/, { url, tls: mutual, ...through(hangsUp) }],
  ];
  await Promise.all(
    rows.map(async ([code, changes], index) => {
      const config = mqttConfig({ url, ...through(proxy), ...changes });
      const fault = await firstFault(runSource(t, { config, clientId: `case-${index}` }));
      assert.match(fault.code, code, inspect(fault));
      if (fault.code === "broker_silent") assert.ok(fault.message.startsWith(config.url), fault.message);
    }),
  );
  await nothingLeft(before);
});

test("a broker behind a proxy is not connected to in any other way, whatever the fault", async (t) => {
  let strangers = 0;
  const broker = await listening(
    t,
    net.createServer((socket) => {
      strangers += 1;
      socket.end();
    }),
  );
  for (const answer of ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 502 No\r\n\r\n"]) {
    const proxy = await connectProxy(t, { answer: () => answer });
    const config = mqttConfig({ url: `mqtt://127.0.0.1:${broker.port}`, ...through(proxy) });
    const run = runSource(t, { config, random: () => 0 });
    await waitFor(() => proxy.heads.length >= 3, { what: "three attempts" });
    await run.stop();
  }
  assert.equal(strangers, 0);
});

test("one connect timeout is for the tunnel and the broker together", async (t) => {
  const { port } = await listening(t, net.createServer());
  const slow = net.createServer((socket) => {
    socket.once("data", () => setTimeout(() => socket.write("HTTP/1.1 200 OK\r\n\r\n"), 500));
  });
  const proxy = { url: `http://127.0.0.1:${(await listening(t, slow)).port}` };
  const config = mqttConfig({ url: `mqtt://127.0.0.1:${port}`, connectTimeoutMs: 700, ...through(proxy) });
  const startMs = performance.now();
  const fault = await firstFault(runSource(t, { config }));
  const tookMs = performance.now() - startMs;
  assert.equal(fault.code, "broker_silent");
  assert.ok(tookMs >= 690 && tookMs < 1150, `${tookMs} ms`);
});

test("a stop while the tunnel opens ends at once and leaves no socket, timer or listener, here or at the proxy", async (t) => {
  const proxy = await connectProxy(t, { answer: () => "" });
  const before = openResources();
  for (const url of ["mqtt://broker.example", "mqtts://broker.example"]) {
    const stop = new AbortController();
    const config = mqttConfig({ url, connectTimeoutMs: 60_000, ...through(proxy) });
    const unexpected = (): void => assert.fail("there is no connection");
    const handler = {
      connected: unexpected,
      former: () => [],
      unsubscribed: unexpected,
      subscribed: unexpected,
      gaveUp: unexpected,
      publish: unexpected,
      pressure: () => undefined,
    };
    const mode = { isSafe: () => false, changed: new Wakeup() };
    const options = { config, clientId: "a", protocolVersion: 5, handler, beat: undefined, mode } as const;
    const heads = proxy.heads.length;
    const session = runSession(options, stop.signal);
    await waitFor(() => proxy.heads.length > heads, { what: "the proxy to be asked" });
    const startMs = performance.now();
    stop.abort();
    await session;
    assert.ok(performance.now() - startMs < 1000);
    assert.deepEqual(getEventListeners(stop.signal, "abort"), []);
    await nothingLeft(before);
  }
});

test("connections through the tunnel that are lost leave no socket and no timer, however many they were", async (t) => {
  const broker = await requireMosquitto(t, { tls: mosquittoTls });
  if (broker === undefined) return;
  const proxy = await connectProxy(t);
  const wire = await TcpProxy.start(Number(new URL(proxy.url).port));
  t.after(() => wire.stop());
  const before = openResources();
  for (const url of [broker.url, broker.tlsUrl ?? ""]) {
    const config = mqttConfig({ url, tls: ca, ...through({ url: `http://127.0.0.1:${wire.port}` }) });
    const run = runSource(t, { config, clientId: url.slice(0, 5), random: () => 0 });
    for (let connects = 1; connects <= 6; connects += 1) {
      await run.subscribed(connects);
      wire.dropConnections(connects % 2 === 0 ? "end" : "reset");
      await waitFor(() => run.source.status.connects > connects, { what: "the next connection" });
    }
    assert.ok(
      run.faultCodes.every((code) => /^(?:broker_connection_lost|connection_\w+)$/.test(code)),
      run.faultCodes.join(),
    );
    await run.stop();
    await nothingLeft(before);
  }
});

test("pings keep a tunnel alive, and one that is half-open is noticed and made anew", async (t) => {
  const broker = await requireMosquitto(t);
  if (broker === undefined) return;
  const proxy = await connectProxy(t);
  const wire = await TcpProxy.start(Number(new URL(proxy.url).port));
  t.after(() => wire.stop());
  const config = { url: broker.url, keepaliveMs: 1000, ...through({ url: `http://127.0.0.1:${wire.port}` }) };
  const run = runSource(t, { config: mqttConfig(config), random: () => 0 });
  await run.subscribed();
  // Without them mosquitto ends it after 1.5 keepalives.
  const pings = (): number => broker.log().split("Received PINGREQ").length - 1;
  await waitFor(() => pings() >= 2, { what: "two pings" });
  assert.deepEqual([run.source.status.connects, run.faultCodes], [1, []]);
  wire.pause("toClient");
  wire.pause("toServer");
  await run.faulted("broker_connection_lost", 4000);
  wire.resume("toClient");
  wire.resume("toServer");
  await run.subscribed(2);
  assert.equal(proxy.heads.length >= 2, true);
});

test("no variable of the environment leads the connection elsewhere", async (t) => {
  const broker = await requireMosquitto(t, { tls: mosquittoTls });
  if (broker === undefined) return;
  let strangers = 0;
  const trap = await listening(
    t,
    net.createServer(() => {
      strangers += 1;
    }),
  );
  const names = ["MQTTJS_SOCKS_PROXY", "http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"];
  for (const name of names) process.env[name] = `socks5://127.0.0.1:${trap.port}`;
  t.after(() => {
    for (const name of names) delete process.env[name];
  });
  for (const [index, url] of [broker.url, broker.tlsUrl ?? ""].entries()) {
    const run = runSource(t, { config: mqttConfig({ url, tls: ca }), clientId: `env-${index}` });
    await run.subscribed();
    await run.stop();
  }
  assert.equal(strangers, 0);
});

test("a reload that changes the proxy, or only its password, makes a new connection, and another source keeps its own", async (t) => {
  const scene = await AppScene.open(t);
  if (scene === undefined) return;
  const [first, second] = [await connectProxy(t), await connectProxy(t)];
  const keys = ({ url }: { readonly url: string }, password: string): string =>
    `topics = ["a/#"]\nproxy = "${url}"\nproxy_username = "u"\nproxy_password = "${password}"`;
  const kept = scene.source("kept", 'topics = ["b/#"]');
  const configOf = async (lines: string) => await scene.config({ mqtt: scene.source("main", lines) + kept });
  const life = await scene.start(await configOf(keys(first, "one")));
  await life.connected(2);
  assert.deepEqual([first.heads.length, second.heads.length], [1, 0]);
  const tunnels = (): number[] => [first.heads.length, second.heads.length];
  for (const [lines, expected] of [
    [keys(first, "one"), [1, 0]],
    [keys(first, "two"), [2, 0]],
    [keys(second, "two"), [2, 1]],
    ['topics = ["a/#"]', [2, 1]],
  ] as const) {
    await life.app.reload(await configOf(lines));
    await life.connected(2);
    assert.deepEqual(tunnels(), expected);
  }
  assert.deepEqual([scene.connects("main"), scene.connects("kept")], [4, 1]);
  assert.deepEqual(await life.stop(), cleanEnd);
});
