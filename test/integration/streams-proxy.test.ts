/** A proxy where more than one part has to know of it: the streams process, and what a write says that has no answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/lib/clock.ts";
import { Secret } from "../../src/lib/secret.ts";
import { openStreams } from "../../src/streams/streams.ts";
import { connectProxy } from "../support/connect-proxy.ts";
import { RecordingLog } from "../support/fakes/recording-log.ts";
import { flightServer, token } from "../support/flight-channel.ts";
import { assertRetry, line, never, serve, writer } from "../support/influx-http.ts";
import { faultOf } from "../support/streams.ts";

test("the streams process asks through the proxy, with its password, and says when it is refused", async (t) => {
  const server = await flightServer(t, (_ticket, reply) => reply.fail(16, "no"));
  const proxy = await connectProxy(t);
  const closed = await connectProxy(t, { answer: () => "HTTP/1.1 403 No\r\n\r\n" });
  const base = {
    url: server.url,
    database: "a",
    token: new Secret(token),
    tls: { verify: true },
    timeoutMs: 10_000,
  };
  const through = (url: string) => ({
    ...base,
    proxy: { url, setting: "influxdb.proxy", username: "u", password: new Secret("p") },
  });
  const streams = openStreams({
    connections: { main: through(proxy.url), other1: through(closed.url) },
    log: new RecordingLog(),
    clock: systemClock,
    random: Math.random,
    isParked: () => false,
  });
  const stop = new AbortController();
  const nothing = (): void => undefined;
  const ended = streams.run({
    drain: stop.signal,
    abort: stop.signal,
    beat: nothing,
    ready: nothing,
  });
  t.after(async () => {
    stop.abort();
    await ended;
  });
  const ask = async (connection: string): Promise<string> =>
    (await faultOf(streams.port.query({ text: "SELECT 1", connection, retry: "never" }))).code;
  assert.equal(await ask("main"), "flight_unauthorized");
  assert.equal(server.doGets, 1);
  assert.equal(server.metadata[0]?.authorization, `Bearer ${token}`);
  const basic = Buffer.from("u:p").toString("base64");
  assert.ok(proxy.heads[0]?.includes(`Proxy-Authorization: Basic ${basic}\r\n`));
  assert.equal(await ask("other1"), "proxy_refused");
});

test("a server behind a proxy that takes a write and does not answer is no connection that failed", async (t) => {
  const proxy = await connectProxy(t);
  const silent = await serve(t, () => {});
  const through = { proxy: { url: proxy.url, setting: "influxdb.proxy" }, writeTimeoutMs: 300 };
  assertRetry(await writer(t, silent.url, through).write(line, never), "write_timeout");
});
