/** Writes and queries through an HTTP proxy, in plaintext and in TLS, and what is said when it does not let us. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as http2 from "node:http2";
import * as net from "node:net";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import type { FlightConfig } from "../../src/influx/flight/api.ts";
import { flightConfigOf } from "../../src/influx/flight/config.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { ProxyConfig } from "../../src/net/config.ts";
import { makeCertificates } from "../support/certificates.ts";
import { connectProxy, type ConnectProxy } from "../support/connect-proxy.ts";
import { ask, faultOf, flightChannel, flightServer, readAll, token } from "../support/flight-channel.ts";
import type { Reply } from "../support/flight-server.ts";
import { assertRetry, line, never, noContent, serve, writer } from "../support/influx-http.ts";
import { listening } from "../support/tcp-server.ts";
import { freePort } from "../support/wait.ts";

const files = makeCertificates();
after(() => files.remove());
const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
const tls = { verify: true, caFile: files.ca };
const delivered = { kind: "delivered" };

const oneMessage = async (_ticket: Uint8Array, reply: Reply): Promise<void> =>
  await reply.send({ header: Buffer.from("schema") });

function through(proxy: Pick<ConnectProxy, "url">): { readonly proxy: ProxyConfig } {
  const password = new Secret("proxy-canary");
  return { proxy: { url: proxy.url, setting: "influxdb.proxy", username: "barn", password } };
}

test("writes go through the tunnel, over connections that are kept, and the proxy never sees the token", async (t) => {
  for (const options of [undefined, pair]) {
    const proxy = await connectProxy(t);
    const server = await serve(t, noContent, options);
    const influx = writer(t, server.url, { tls, token: new Secret("apiv3-canary"), ...through(proxy) });
    assert.deepEqual(await influx.write(line, never), delivered);
    assert.deepEqual(await influx.write(line, never), delivered);
    assert.deepEqual(await Promise.all([influx.write(line, never), influx.write(line, never)]), [
      delivered,
      delivered,
    ]);
    assert.equal(server.received.length, 4);
    assert.equal(server.received[0]?.headers.authorization, "Bearer apiv3-canary");
    assert.ok(proxy.heads.length <= 2, `${proxy.heads.length} tunnels`);
    const { host } = new URL(server.url);
    for (const head of proxy.heads) {
      assert.match(
        head,
        new RegExp(`^CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Basic \\S+\r\n\r\n$`),
      );
    }
    assert.equal(
      proxy.tunnelled().includes("apiv3-canary"),
      options === undefined,
      "TLS hides it, plaintext does not",
    );
  }
});

test("queries go through the tunnel, in plaintext and in TLS, and the server sees its own name", async (t) => {
  for (const options of [{}, { tls: pair }]) {
    const proxy = await connectProxy(t);
    const server = await flightServer(t, oneMessage, options);
    const byName = server.url.replace("127.0.0.1", "localhost");
    for (const url of [server.url, byName]) {
      const channel = flightChannel(t, url, { tls, ...through(proxy) });
      assert.equal((await readAll(ask(channel))).length, 1);
      assert.equal((await readAll(ask(channel))).length, 1);
      assert.equal(server.metadata.at(-1)?.[":authority"], new URL(url).host);
    }
    assert.equal(server.metadata.at(-1)?.authorization, `Bearer ${token}`);
    assert.deepEqual(
      proxy.heads.map((head) => /^CONNECT (\S+) /.exec(head)?.[1]),
      [new URL(server.url).host, new URL(byName).host],
    );
    assert.ok(proxy.heads.every((head) => !head.includes(token)));
  }
});

test("a server that speaks first in HTTP/2 is heard when its words come with the proxy's answer", async (t) => {
  const proxy = await connectProxy(t, { together: true });
  const server = http2.createServer();
  server.on("stream", (stream) => {
    stream.respond(
      { ":status": 200, "content-type": "application/grpc", "grpc-status": "0" },
      { endStream: true },
    );
  });
  const { port } = await listening(t, server);
  const channel = flightChannel(t, `http://127.0.0.1:${port}`, through(proxy));
  assert.deepEqual(await readAll(ask(channel)), []);
});

test("each way in which a proxy fails has one cause, for writes and for queries, and leaves the token alone", async (t) => {
  const answering = async (answer: string): Promise<string> =>
    (await connectProxy(t, { answer: () => answer })).url;
  const web = await flightServer(t, oneMessage);
  const rows: readonly (readonly [string, string, string])[] = [
    [`http://127.0.0.1:${await freePort()}`, "proxy_unreachable", "nothing listens"],
    [`http://localhost:${await freePort()}`, "proxy_unreachable", "nothing listens"],
    ["http://no-such-host.invalid:3128", "proxy_unreachable", ""],
    [await answering("HTTP/1.1 407 No\r\n\r\n"), "proxy_unauthorized", "HTTP 407"],
    [await answering("HTTP/1.1 403 No\r\n\r\n"), "proxy_refused", "HTTP 403"],
    [await answering("HTTP/1.1 405 No\r\n\r\n"), "proxy_refused", "HTTP 405"],
    [await answering("HTTP/1.1 502 No\r\n\r\n"), "proxy_target_unreachable", "HTTP 502"],
    [await answering("220 smtp\r\n\r\n"), "proxy_bad_answer", "does not answer in HTTP"],
    [web.url, "proxy_bad_answer", ""],
    [await answering(""), "proxy_bad_answer", "no answer to CONNECT"],
  ];
  const target = `http://127.0.0.1:${await freePort()}`;
  for (const url of [target, target.replace("http:", "https:")]) {
    for (const [proxy, code, words] of rows) {
      const more = { tls, ...through({ url: proxy }), token: new Secret(token) };
      const outcome = await writer(t, url, { ...more, writeTimeoutMs: 600 }).write(line, never);
      assertRetry(outcome, code);
      const call = ask(flightChannel(t, url, more), "ask", { timeoutMs: 600 });
      const fault = await faultOf(call);
      assert.equal(fault.code, code, inspect(fault));
      assert.ok(fault.message.startsWith(`the proxy ${proxy} `), fault.message);
      assert.ok(fault.message.includes(words), fault.message);
      assert.ok(!inspect([outcome, fault]).includes("proxy-canary"));
    }
  }
});

test("a proxy that says that there is a tunnel and passes nothing on is named beside the server", async (t) => {
  const ok = "HTTP/1.1 200 Connection established\r\n\r\n";
  const closes = (await connectProxy(t, { answer: () => ok })).url;
  const silent = await listening(
    t,
    net.createServer((socket) => void socket.once("data", () => socket.write(ok))),
  );
  for (const url of [closes, `http://127.0.0.1:${silent.port}`]) {
    for (const scheme of ["http", "https"]) {
      const more = { tls, ...through({ url }) };
      const target = `${scheme}://127.0.0.1:${await freePort()}`;
      const outcome = await writer(t, target, { ...more, writeTimeoutMs: 400 }).write(line, never);
      const fault = await faultOf(ask(flightChannel(t, target, more), "ask", { timeoutMs: 400 }));
      assert.ok("fault" in outcome, inspect(outcome));
      for (const one of [outcome.fault, fault]) {
        assert.match(
          one.hint ?? "",
          new RegExp(`; or the proxy ${url} .*: see influxdb\\.proxy$`),
          inspect(one),
        );
      }
    }
  }
});

test("behind the tunnel, TLS and HTTP/2 fail with the causes that they have without it", async (t) => {
  const proxy = await connectProxy(t);
  const plain = await flightServer(t, oneMessage);
  const secure = await flightServer(t, oneMessage, { tls: pair });
  const rows: readonly (readonly [string, string, FlightConfig["tls"]])[] = [
    [plain.url.replace("http:", "https:"), "tls_server_is_plaintext", tls],
    [secure.url, "tls_unknown_ca", { verify: true }],
    [secure.url, "tls_wrong_name", { ...tls, serverName: "influx.example" }],
    // node:http2 closes without an alert.
    [secure.url.replace("https:", "http:"), "connection_closed", tls],
  ];
  for (const [url, code, one] of rows) {
    const fault = await faultOf(ask(flightChannel(t, url, { ...through(proxy), tls: one })));
    assert.equal(fault.code, code, inspect(fault));
  }
  const https = await serve(t, noContent, pair);
  const http = await serve(t, noContent);
  assertRetry(await writer(t, https.url, through(proxy)).write(line, never), "tls_unknown_ca");
  const wrong = http.url.replace("http:", "https:");
  assertRetry(
    await writer(t, wrong, { ...through(proxy), tls }).write(line, never),
    "tls_server_is_plaintext",
  );
});

test("closing leaves nothing behind while the proxy is silent, and a proxy that comes back is used", async (t) => {
  let isSilent = true;
  const proxy = await connectProxy(t, { answer: () => (isSilent ? "" : undefined) });
  const server = await serve(t, noContent);
  const influx = writer(t, server.url, { ...through(proxy), writeTimeoutMs: 20_000 });
  const write = influx.write(line, never);
  while (proxy.heads.length === 0) await new Promise(setImmediate);
  await influx.close();
  assertRetry(await write, "write_cancelled");
  const other = writer(t, server.url, { ...through(proxy), writeTimeoutMs: 400 });
  assertRetry(await other.write(line, never), "proxy_bad_answer");
  isSilent = false;
  assert.deepEqual(await other.write(line, never), delivered);
});

test("writes in plaintext and queries in TLS, and the reverse, share one set of TLS keys", async (t) => {
  const http = { plain: await serve(t, noContent), secure: await serve(t, noContent, pair) };
  const flight = {
    plain: await flightServer(t, (_ticket, reply) => reply.fail(16, "no")),
    secure: await flightServer(t, (_ticket, reply) => reply.fail(16, "no"), { tls: pair }),
  };
  for (const [url, flightUrl] of [
    [http.plain.url, flight.secure.url],
    [http.secure.url, flight.plain.url],
  ] as const) {
    const influx = { url, flightUrl, tls };
    assert.deepEqual(await writer(t, url, influx).write(line, never), delivered);
    const client = createFlightClient(
      flightConfigOf({
        ...influx,
        database: "lorawan",
        writeApi: "auto",
        writeTimeoutMs: 5000,
        gzip: true,
        maxInFlight: 1,
        batchMaxLines: 1,
        batchMaxBytes: 1,
        batchMaxAgeMs: 1,
        queryTimeoutMs: 5000,
      }),
    );
    t.after(() => client.close());
    // That it has an answer to the token says that it was reached.
    const asked = client.query({ text: "SELECT 1", retry: "never" }).rows().collect();
    await assert.rejects(asked, { name: Fault.name, code: "flight_unauthorized" });
  }
  assert.equal(flight.plain.doGets + flight.secure.doGets, 2);
});
