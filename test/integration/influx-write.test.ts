/**
 * The writer against servers that really listen: what a request holds, and what becomes of its answer. What
 * each status code means is tested in test/unit/influx; connections and TLS have files of their own.
 */
import assert from "node:assert/strict";
import type * as http from "node:http";
import * as net from "node:net";
import { mock, test } from "node:test";
import { inspect } from "node:util";
import { gunzipSync } from "node:zlib";
import { Secret } from "../../src/lib/secret.ts";
import { assertRetry, line, never, noContent, serve, writer } from "../support/influx-http.ts";
import { listening } from "../support/tcp-server.ts";

test("v3: the lines, the address and the token are on the wire as the API wants them", async (t) => {
  const { url, received } = await serve(t, noContent);
  const influx = writer(t, `${url}/prefix`, { database: "a/b c", token: new Secret("t0ken") });
  assert.deepEqual(await influx.write(`${line}\n${line}`, never), { kind: "delivered" });
  const [request] = received;
  assert.equal(
    request?.url,
    "/prefix/api/v3/write_lp?db=a%2Fb%20c&precision=nanosecond&accept_partial=false",
  );
  assert.equal(request?.body.toString(), `${line}\n${line}`);
  assert.equal(request?.headers.authorization, "Bearer t0ken");
  assert.equal(request?.headers["content-type"], "text/plain; charset=utf-8");
});

test("v2: bucket and short precision, and no Authorization without a token", async (t) => {
  const { url, received } = await serve(t, noContent);
  const influx = writer(t, url, { writeApi: "v2" });
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  assert.equal(received[0]?.url, "/api/v2/write?bucket=lorawan&precision=ns");
  assert.equal(received[0]?.headers.authorization, undefined);
});

test("auto: a 405 is answered by v2 at once, and v3 is not asked again", async (t) => {
  const { url, received } = await serve(t, (response, { url: path }) => {
    response.writeHead(path.startsWith("/api/v3/") ? 405 : 204).end();
  });
  const influx = writer(t, url);
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  assert.deepEqual(
    received.map((request) => request.url.split("?")[0]),
    ["/api/v3/write_lp", "/api/v2/write", "/api/v2/write"],
  );
});

test("v3 configured: a 405 holds the endpoint", async (t) => {
  const { url, received } = await serve(t, (response) => void response.writeHead(405).end());
  const outcome = await writer(t, url, { writeApi: "v3" }).write(line, never);
  assert.ok(outcome.kind === "hold");
  assert.equal(received.length, 1);
});

test("large bodies are compressed and unpack to the same text; small ones and gzip = false are not", async (t) => {
  const { url, received } = await serve(t, noContent);
  const large = Array.from({ length: 2000 }, (_, index) => `m,tag=ü🦆 v=${index} ${index}`).join("\n");
  await writer(t, url).write(large, never);
  await writer(t, url).write(line, never);
  await writer(t, url, { gzip: false }).write(large, never);
  const [zipped, small, plain] = received;
  assert.ok(zipped !== undefined && small !== undefined && plain !== undefined);
  assert.equal(zipped.headers["content-encoding"], "gzip");
  assert.ok(zipped.body.length < large.length / 4);
  assert.equal(gunzipSync(zipped.body).toString(), large);
  assert.equal(small.headers["content-encoding"], undefined);
  assert.equal(small.body.toString(), line);
  assert.equal(plain.headers["content-encoding"], undefined);
  assert.equal(plain.body.toString(), large);
});

test("Retry-After reaches the outcome as seconds and as a date", async (t) => {
  const { url } = await serve(t, (response, _received, count) => {
    const retryAfter = count === 1 ? "7" : new Date(Date.now() + 60_000).toUTCString();
    response.writeHead(count === 1 ? 429 : 503, { "retry-after": retryAfter }).end();
  });
  const influx = writer(t, url);
  const seconds = await influx.write(line, never);
  const date = await influx.write(line, never);
  assert.ok(seconds.kind === "retry" && date.kind === "retry");
  assert.equal(seconds.afterMs, 7000);
  assert.ok(date.afterMs !== undefined && date.afterMs > 50_000 && date.afterMs <= 60_000);
});

test("a captive portal's page is not a delivery, and neither is an empty 200", async (t) => {
  const { url, received } = await serve(t, (response, _received, count) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(count === 1 ? "<html><title>Sign in</title></html>" : "");
  });
  const influx = writer(t, url);
  assertRetry(await influx.write(line, never), "write_answer_not_influxdb");
  assertRetry(await influx.write(line, never), "write_answer_not_influxdb");
  assert.equal(received.length, 2);
});

test("the token is in no outcome, whatever the server repeats, and nothing is printed", async (t) => {
  const token = `apiv3_"q"\\u0041<&>%41'+/=`;
  const prints = [mock.method(console, "error"), mock.method(console, "warn"), mock.method(console, "log")];
  const echoes: ((header: string, response: http.ServerResponse) => void)[] = [
    (header, response) => response.writeHead(400).end(`bad header: ${header}`),
    (header, response) => response.writeHead(500).end(JSON.stringify({ error: header })),
    (header, response) =>
      response.writeHead(401).end(`<html><p>${header.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}`),
    (header, response) => response.writeHead(200).end(header),
    (header, response) => response.writeHead(307, { location: `/login/${encodeURIComponent(header)}` }).end(),
    (header, response) => void response.socket?.end(`SSH ${header}\r\n`),
  ];
  const { url, received } = await serve(t, (response, { headers }, count) => {
    echoes[count - 1]?.(headers.authorization ?? "", response);
  });
  const influx = writer(t, url, { token: new Secret(token) });
  for (let count = 0; count < echoes.length; count += 1) {
    const outcome = await influx.write(line, never);
    const shown = inspect(outcome, { depth: 10, showHidden: true });
    assert.notEqual(outcome.kind, "delivered");
    assert.doesNotMatch(shown, /apiv3_/, shown);
  }
  assert.equal(received.length, echoes.length);
  assert.ok(received.every(({ headers }) => headers.authorization === `Bearer ${token}`));
  for (const print of prints) {
    assert.equal(print.mock.callCount(), 0);
    print.mock.restore();
  }
});

test("the database is created with its retention, only where one is configured", async (t) => {
  const { url, received } = await serve(t, (response, _received, count) => {
    response.writeHead(count === 1 ? 200 : 403).end();
  });
  assert.deepEqual(await writer(t, url).ensureDatabase(never), { kind: "ready" });
  assert.equal(received.length, 0);
  const influx = writer(t, url, { retention: "90d", token: new Secret("t0ken") });
  assert.deepEqual(await influx.ensureDatabase(never), { kind: "ready" });
  assert.equal(received[0]?.url, "/api/v3/configure/database");
  assert.equal(received[0]?.headers["content-type"], "application/json");
  assert.equal(received[0]?.headers.authorization, "Bearer t0ken");
  assert.deepEqual(JSON.parse(received[0]?.body.toString() ?? ""), {
    db: "lorawan",
    retention_period: "90d",
  });
  const refused = await influx.ensureDatabase(never);
  assert.ok(refused.kind === "refused");
  assert.equal(refused.fault?.code, "database_not_created");
});

test("creating the database survives an outage as a write does", async (t) => {
  const server = net.createServer();
  const { port } = await listening(t, server);
  await new Promise((resolve) => server.close(resolve));
  const influx = writer(t, `http://127.0.0.1:${port}`, { retention: "90d" });
  const outcome = await influx.ensureDatabase(never);
  assert.ok(outcome.kind === "retry");
  assert.equal(outcome.fault.code, "connection_refused");
  const stop = AbortSignal.abort(new Error("stop"));
  await assert.rejects(influx.ensureDatabase(stop), /^Error: stop$/);
});
