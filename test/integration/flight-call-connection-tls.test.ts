/** What a Flight channel does with sockets and TLS below grpc-js: names, handshakes that fail, and that nothing is left open. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { after, describe, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import * as tls from "node:tls";
import { FlightCredentials } from "../../src/influx/flight/credentials.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import type { TlsConfig } from "../../src/net/config.ts";
import { Outages } from "../../src/net/probe-outage.ts";
import { makeCertificates } from "../support/certificates.ts";
import { experimental, logVerbosity } from "@grpc/grpc-js";
import { ask, faultOf, flightChannel, flightServer, readAll } from "../support/flight-channel.ts";
import { listening } from "../support/tcp-server.ts";
import { waitFor } from "../support/wait.ts";

const files = makeCertificates();
after(() => files.remove());
const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
const trusted: TlsConfig = { verify: true, caFile: files.ca };
const impatient = { connectPatienceMs: 30, answerPatienceMs: 10_000 };
/** Where connections are counted, those of a probe would be too. */
const unprobed = new Outages(undefined);

const silentTls = (): tls.Server =>
  tls.createServer(
    { ...pair, ALPNProtocols: ["h2"] },
    (socket) => void socket.on("error", () => {}).resume(),
  );

describe("no socket is left open", () => {
  /** Nothing, half the header of a SETTINGS frame, and a TLS alert. */
  const first = [Buffer.alloc(0), Buffer.from([0, 0, 6, 4, 0]), Buffer.from("15030300020246", "hex")];

  async function leavesNothing(t: TestContext, url: string, sockets: ReadonlySet<net.Socket>): Promise<void> {
    const channel = flightChannel(t, url, { tls: trusted }, impatient, unprobed);
    for (let count = 0; count < 5; count += 1) {
      const call = ask(channel, "x", { timeoutMs: 50 });
      assert.equal((await faultOf(call)).code, "flight_timeout");
    }
    const held = ask(channel);
    await waitFor(() => sockets.size > 0, { what: "a connection" });
    // The handshake is over, or begun.
    await delay(30);
    channel.close();
    await faultOf(held);
    await waitFor(() => sockets.size === 0, { what: "the sockets to be closed", timeoutMs: 1000 });
  }

  for (const bytes of first) {
    test(`where ${bytes.length} bytes follow the TLS handshake, or the TCP connection, and then nothing`, async (t) => {
      const secure = silentTls().on("secureConnection", (socket) => socket.write(bytes));
      const overTls = await listening(t, secure);
      await leavesNothing(t, `https://127.0.0.1:${overTls.port}`, overTls.sockets);
      const plain = net.createServer((socket) => void socket.resume().write(bytes));
      const overTcp = await listening(t, plain);
      await leavesNothing(t, `http://127.0.0.1:${overTcp.port}`, overTcp.sockets);
    });
  }

  test("where the TLS handshake is never answered", async (t) => {
    const mute = await listening(
      t,
      net.createServer((socket) => void socket.resume()),
    );
    await leavesNothing(t, `https://127.0.0.1:${mute.port}`, mute.sockets);
  });

  test("where the handshake did not choose HTTP/2, while the channel lives", async (t) => {
    const server = await listening(t, tls.createServer(pair));
    const url = `https://127.0.0.1:${server.port}`;
    const channel = flightChannel(t, url, { tls: trusted }, undefined, unprobed);
    assert.equal((await faultOf(ask(channel))).code, "server_not_http2");
    await waitFor(() => server.sockets.size === 0, { what: "the socket to be closed", timeoutMs: 500 });
  });

  test("where HTTP/2 has begun: it is closed with a GOAWAY", async (t) => {
    for (const secure of [undefined, pair]) {
      const server = await flightServer(t, async (_ticket, reply) => await reply.send({ body: pair.cert }), {
        ...(secure && { tls: secure }),
      });
      const channel = flightChannel(t, server.url, { tls: trusted });
      await readAll(ask(channel));
      channel.close();
      await waitFor(() => server.connections === 0, { what: "the connection to close" });
      assert.ok(server.goAways.includes(0), secure && "TLS");
    }
  });
});

describe("a connector", () => {
  const credentials = (config: TlsConfig | undefined): FlightCredentials =>
    new FlightCredentials(
      { target: "flight", url: "https://127.0.0.1:1" },
      { host: "127.0.0.1", authority: "127.0.0.1:1", proxy: undefined, tls: config },
    );

  async function socketTo(t: TestContext): Promise<net.Socket> {
    const { port } = await listening(
      t,
      net.createServer((socket) => void socket.resume()),
    );
    const socket = net.connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  }

  test("that is destroyed ends the handshake under way", async (t) => {
    const connector = credentials(trusted)._createSecureConnector({}, {});
    const socket = await socketTo(t);
    const shaking = connector.connect(socket);
    connector.destroy();
    await assert.rejects(shaking);
    assert.equal(socket.destroyed, true);
  });

  test("that is destroyed takes no connection that comes later", async (t) => {
    for (const config of [undefined, trusted]) {
      const connector = credentials(config)._createSecureConnector({}, {});
      connector.destroy();
      await assert.rejects(connector.connect(await socketTo(t)), /given up/);
    }
  });

  test("holds no socket that is closed", async (t) => {
    const connector = credentials(undefined)._createSecureConnector({}, {});
    const socket = await socketTo(t);
    await connector.connect(socket);
    socket.destroy();
    await once(socket, "close");
    const destroy = t.mock.method(socket, "destroy");
    connector.destroy();
    assert.equal(destroy.mock.callCount(), 0);
  });
});

test("a host name is asked for in the TLS handshake, the configured one before that of the URL, an address never", async (t) => {
  const names: unknown[] = [];
  const options = { ...pair, ALPNProtocols: ["h2"] };
  const server = tls.createServer(options, (socket) => {
    names.push(socket.servername);
    socket.on("error", () => {}).destroy();
  });
  server.listen(0, "::");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const unverified = { verify: false };
  for (const [host, config] of [
    ["localhost", unverified],
    ["localhost", { ...unverified, serverName: "influx.example" }],
    ["127.0.0.1", { ...unverified, serverName: "influx.example" }],
    ["127.0.0.1", unverified],
    ["[::1]", unverified],
  ] as const) {
    const before = names.length;
    const channel = flightChannel(t, `https://${host}:${port}`, { tls: config });
    await faultOf(ask(channel));
    assert.ok(names.length > before);
    names.length = before + 1;
    channel.close();
  }
  assert.deepEqual(names, ["localhost", "influx.example", "influx.example", false, false]);
});

test("who closes in the TLS handshake, by FIN or by RST, is said to do that", async (t) => {
  const ways: readonly ((socket: net.Socket) => void)[] = [
    (socket) => socket.end(),
    (socket) => socket.resetAndDestroy(),
  ];
  for (const way of ways) {
    const server = net.createServer((socket) => void socket.once("data", () => way(socket)));
    const { port } = await listening(t, server);
    const fault = await faultOf(ask(flightChannel(t, `https://127.0.0.1:${port}`, { tls: trusted })));
    assert.equal(fault.code, "tls_handshake_cut", fault.message);
  }
});

test("a fault of an earlier connection is not said of a later one", async (t) => {
  const server = tls.createServer({ ...pair, ALPNProtocols: ["h2"] }, (socket) => socket.destroy());
  const { port } = await listening(t, server);
  const caFile = `${files.dir}/changing.pem`;
  writeFileSync(caFile, readFileSync(files.otherCert));
  const channel = flightChannel(t, `https://127.0.0.1:${port}`, { tls: { verify: true, caFile } });
  assert.equal((await faultOf(ask(channel))).code, "tls_unknown_ca");
  writeFileSync(caFile, readFileSync(files.ca));
  await waitFor(async () => (await faultOf(ask(channel))).code === "connection_closed", {
    what: "the fault of the new connection",
    everyMs: 50,
  });
});

test("grpc-js sends no pings, does not ask DNS for more than addresses, and prints nothing; TCP probes its connection", async (t) => {
  const spy = t.mock.method(FlightCredentials.prototype, "_createSecureConnector");
  const probes = t.mock.method(net.Socket.prototype, "setKeepAlive");
  const printed = t.mock.method(console, "error", () => {});
  const server = await flightServer(t, async (_ticket, reply) => await reply.send({ body: pair.cert }));
  const config = { url: server.url, database: "farm", tls: { verify: true }, timeoutMs: 5000 } as const;
  const client = createFlightClient(config);
  await assert.rejects(client.query({ text: "SELECT 1" }).all());
  client.close();
  assert.deepEqual(spy.mock.calls[0]?.arguments[1], {
    "grpc.primary_user_agent": "flightline",
    "grpc.max_receive_message_length": 64 * 1024 * 1024,
    "grpc-node.flow_control_window": 1024 * 1024,
    "grpc.max_reconnect_backoff_ms": 10_000,
    "grpc.dns_min_time_between_resolutions_ms": 5000,
    "grpc.client_idle_timeout_ms": 60_000,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_retries": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
  });
  assert.deepEqual(
    probes.mock.calls.map((call) => call.arguments),
    [[true, 20_000]],
  );
  experimental.log(logVerbosity.ERROR, "planted");
  assert.equal(printed.mock.callCount(), 0);
});
