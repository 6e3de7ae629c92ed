/**
 * The writer against servers that really listen: HTTP, TLS, and bare sockets that misbehave. What each
 * status code means is tested in test/unit/influx; here it is about the wire.
 */
import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import { join } from "node:path";
import { after, afterEach, mock, test } from "node:test";
import { inspect } from "node:util";
import { gunzipSync } from "node:zlib";
import type { InfluxConfig } from "../../src/influx/config.ts";
import type { WriteOutcome } from "../../src/influx/outcome.ts";
import { createWriter, type LineWriter } from "../../src/influx/writer.ts";
import { Fault } from "../../src/lib/fault.ts";
import { Secret } from "../../src/lib/secret.ts";
import type { TlsConfig } from "../../src/net/config.ts";
import { makeCertificates } from "../support/certificates.ts";

const deadlineMs = 10_000;
const line = "climate,dev_eui=0102030405060708 temperature=21.5 1767225600123456789";
const never = new AbortController().signal;
const files = makeCertificates();
const opened: (() => Promise<void>)[] = [];

after(() => files.remove());
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

async function listening(server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => {}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as net.AddressInfo).port;
}

interface Received {
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

type Handler = (response: http.ServerResponse, received: Received, count: number) => void;

/** Reads each request to its end, keeps it, and lets the handler answer. */
async function serve(
  handler: Handler,
  tls?: https.ServerOptions,
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const listener: http.RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const one = { url: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) };
      received.push(one);
      handler(response, one, received.length);
    });
  };
  const server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
  const port = await listening(server);
  return { url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`, received };
}

const noContent: Handler = (response) => void response.writeHead(204).end();

function writer(url: string, more: Partial<InfluxConfig> = {}): LineWriter {
  const made = createWriter({
    url,
    database: "lorawan",
    writeApi: "auto",
    writeTimeoutMs: deadlineMs,
    gzip: true,
    maxInFlight: 4,
    batchMaxLines: 5000,
    batchMaxBytes: 1 << 20,
    batchMaxAgeMs: 1000,
    tls: { verify: true },
    ...more,
  });
  opened.push(() => made.close());
  return made;
}

function faultOf(outcome: WriteOutcome): Fault {
  assert.ok("fault" in outcome, inspect(outcome));
  return outcome.fault;
}

function assertRetry(outcome: WriteOutcome, code: string): void {
  assert.equal(outcome.kind, "retry", inspect(outcome));
  assert.equal(faultOf(outcome).code, code);
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!condition()) {
    assert.ok(performance.now() < endMs, "the condition did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("v3: the lines, the address and the token are on the wire as the API wants them", async () => {
  const { url, received } = await serve(noContent);
  const influx = writer(`${url}/prefix`, { database: "a/b c", token: new Secret("t0ken") });
  assert.deepEqual(await influx.write(`${line}\n${line}`, never), { kind: "delivered" });
  assert.equal(influx.api, "v3");
  const [request] = received;
  assert.equal(
    request?.url,
    "/prefix/api/v3/write_lp?db=a%2Fb%20c&precision=nanosecond&accept_partial=false",
  );
  assert.equal(request?.body.toString(), `${line}\n${line}`);
  assert.equal(request?.headers.authorization, "Bearer t0ken");
  assert.equal(request?.headers["content-type"], "text/plain; charset=utf-8");
});

test("v2: bucket and short precision, and no Authorization without a token", async () => {
  const { url, received } = await serve(noContent);
  const influx = writer(url, { writeApi: "v2" });
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  assert.equal(received[0]?.url, "/api/v2/write?bucket=lorawan&precision=ns");
  assert.equal(received[0]?.headers.authorization, undefined);
});

test("auto: a 405 is answered by v2 at once, and v3 is not asked again", async () => {
  const { url, received } = await serve((response, { url: path }) => {
    response.writeHead(path.startsWith("/api/v3/") ? 405 : 204).end();
  });
  const influx = writer(url);
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  assert.equal(influx.api, "v2");
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  assert.deepEqual(
    received.map((request) => request.url.split("?")[0]),
    ["/api/v3/write_lp", "/api/v2/write", "/api/v2/write"],
  );
});

test("v3 configured: a 405 holds the endpoint", async () => {
  const { url, received } = await serve((response) => void response.writeHead(405).end());
  const outcome = await writer(url, { writeApi: "v3" }).write(line, never);
  assert.ok(outcome.kind === "hold" && outcome.scope === "endpoint");
  assert.equal(received.length, 1);
});

test("large bodies are compressed and unpack to the same text; small ones and gzip = false are not", async () => {
  const { url, received } = await serve(noContent);
  const large = Array.from({ length: 2000 }, (_, index) => `m,tag=ü🦆 v=${index} ${index}`).join("\n");
  await writer(url).write(large, never);
  await writer(url).write(line, never);
  await writer(url, { gzip: false }).write(large, never);
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

test("Retry-After reaches the outcome as seconds and as a date", async () => {
  const { url } = await serve((response, _received, count) => {
    const retryAfter = count === 1 ? "7" : new Date(Date.now() + 60_000).toUTCString();
    response.writeHead(count === 1 ? 429 : 503, { "retry-after": retryAfter }).end();
  });
  const influx = writer(url);
  const seconds = await influx.write(line, never);
  const date = await influx.write(line, never);
  assert.ok(seconds.kind === "retry" && date.kind === "retry");
  assert.equal(seconds.afterMs, 7000);
  assert.ok(date.afterMs !== undefined && date.afterMs > 50_000 && date.afterMs <= 60_000);
});

test("a write that times out closes its socket, and the server sees it", async () => {
  let closed = false;
  const { url } = await serve((response) => {
    response.on("close", () => {
      closed = true;
    });
  });
  const outcome = await writer(url, { writeTimeoutMs: 100 }).write(line, never);
  assertRetry(outcome, "write_timeout");
  await until(() => closed);
});

test("an answer that drips is held to the same deadline", async () => {
  let closed = false;
  const { url } = await serve((response) => {
    response.writeHead(400).write("{");
    const drip = setInterval(() => response.write(" "), 10);
    response.on("close", () => {
      clearInterval(drip);
      closed = true;
    });
  });
  assertRetry(await writer(url, { writeTimeoutMs: 150 }).write(line, never), "write_timeout");
  await until(() => closed);
});

test("a handshake that never ends is a connection that timed out", async () => {
  const port = await listening(net.createServer());
  const influx = writer(`https://127.0.0.1:${port}`, { writeTimeoutMs: 100 });
  assertRetry(await influx.write(line, never), "connect_timeout");
});

test("an abort rejects with its reason and closes the socket", async () => {
  let closed = false;
  const stop = new AbortController();
  const reason = new Error("shutting down");
  const { url } = await serve((response) => {
    response.on("close", () => {
      closed = true;
    });
    stop.abort(reason);
  });
  const influx = writer(url);
  await assert.rejects(influx.write(line, stop.signal), (error) => error === reason);
  await until(() => closed);
  await assert.rejects(influx.write(line, stop.signal), (error) => error === reason);
});

test("an abort is an abort even when its reason is a fault", async () => {
  const stop = new AbortController();
  const { url } = await serve(() => stop.abort(reason));
  const reason = new Fault({ code: "x", layer: "host", disposition: "restart", message: "X." });
  await assert.rejects(writer(url).write(line, stop.signal), (error) => error === reason);
});

test("closing ends what is under way as a retry, compressing or queued or sent", async () => {
  const { url, received } = await serve(() => {});
  const influx = writer(url, { maxInFlight: 1 });
  const writes = [influx.write(line, never), influx.write(line, never)];
  await until(() => received.length === 1);
  writes.push(influx.write(`${line}\n`.repeat(1000), never));
  await influx.close();
  for (const outcome of await Promise.all(writes)) assertRetry(outcome, "write_cancelled");
});

test("no more connections than max_in_flight carry writes at a time", async () => {
  let now = 0;
  let peak = 0;
  const { url, received } = await serve((response) => {
    now += 1;
    peak = Math.max(peak, now);
    setTimeout(() => {
      now -= 1;
      response.writeHead(204).end();
    }, 20);
  });
  const influx = writer(url, { maxInFlight: 2 });
  await Promise.all(Array.from({ length: 7 }, () => influx.write(line, never)));
  assert.equal(received.length, 7);
  assert.equal(peak, 2);
});

test("a connection is used again, and one that the server has closed meanwhile costs no failure", async () => {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    const first = connections === 1;
    let requests = 0;
    socket.on("data", () => {
      requests += 1;
      // The first connection is reset when its third request arrives, unread.
      if (first && requests === 3) socket.resetAndDestroy();
      else socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
  });
  const influx = writer(`http://127.0.0.1:${await listening(server)}`, { maxInFlight: 1 });
  for (let count = 0; count < 4; count += 1) {
    assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  }
  assert.equal(connections, 2);
});

test("a thousand writes over one connection leave nothing behind on it", async () => {
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listener);
  const stop = new AbortController();
  const { url } = await serve(noContent);
  const influx = writer(url, { maxInFlight: 1 });
  for (let count = 0; count < 1000; count += 1) await influx.write(line, stop.signal);
  assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listener);
  assert.deepEqual(warnings, []);
});

test("a server that always resets is not asked for ever", async () => {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    socket.on("data", () => socket.resetAndDestroy());
  });
  const influx = writer(`http://127.0.0.1:${await listening(server)}`);
  assertRetry(await influx.write(line, never), "connection_closed");
  assert.equal(connections, 1);
});

test("an answer cut in the middle is no answer", async () => {
  const cut = (head: string): net.Server =>
    net.createServer((socket) => {
      socket.on("data", () => socket.end(head));
    });
  for (const head of [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{",
    "HTTP/1.1 204 No Con",
  ]) {
    const influx = writer(`http://127.0.0.1:${await listening(cut(head))}`);
    assert.equal((await influx.write(line, never)).kind, "retry", head);
  }
});

test("a huge error is read to a limit, then its connection is cut", async () => {
  let sent = 0;
  let closed = false;
  const { url } = await serve((response) => {
    const more = (): void => {
      sent += 16 * 1024;
      if (response.write(Buffer.alloc(16 * 1024, "x"))) setImmediate(more);
    };
    response.on("close", () => {
      closed = true;
    });
    response.writeHead(400).on("drain", more);
    more();
  });
  const outcome = await writer(url).write(line, never);
  assert.ok(outcome.kind === "hold" && outcome.scope === "batch");
  assert.ok(outcome.fault.message.length < 400);
  await until(() => closed);
  assert.ok(sent < 32 * 1024 * 1024);
});

test("a captive portal's page is not a delivery", async () => {
  const { url } = await serve((response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<html><title>Sign in</title></html>");
  });
  assertRetry(await writer(url).write(line, never), "write_answer_not_influxdb");
});

test("the token is in no outcome, whatever the server repeats, and nothing is printed", async () => {
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
  const { url, received } = await serve((response, { headers }, count) => {
    echoes[count - 1]?.(headers.authorization ?? "", response);
  });
  const influx = writer(url, { token: new Secret(token) });
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

test("a refused connection says so", async () => {
  const server = net.createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  assertRetry(await writer(`http://127.0.0.1:${port}`).write(line, never), "connection_refused");
});

test("TLS: the right CA delivers, over a client certificate too", async () => {
  const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
  const plain = await serve(noContent, pair);
  assert.deepEqual(await writer(plain.url, { tls: { verify: true, caFile: files.ca } }).write(line, never), {
    kind: "delivered",
  });
  assert.deepEqual(await writer(plain.url, { tls: { verify: false } }).write(line, never), {
    kind: "delivered",
  });
  const mutual = await serve(noContent, { ...pair, ca: readFileSync(files.ca), requestCert: true });
  const tls = { verify: true, caFile: files.ca, certFile: files.clientCert, keyFile: files.clientKey };
  assert.deepEqual(await writer(mutual.url, { tls }).write(line, never), { kind: "delivered" });
});

test("TLS: each misconfiguration is named", async () => {
  const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
  const { url } = await serve(noContent, pair);
  const selfSigned = await serve(noContent, {
    cert: readFileSync(files.otherCert),
    key: readFileSync(files.otherKey),
  });
  const mutual = await serve(noContent, { ...pair, ca: readFileSync(files.ca), requestCert: true });
  const plaintext = await serve(noContent);
  const alerting = net.createServer((socket) => {
    socket.once("data", () => socket.end(Buffer.from("15030300020246", "hex")));
  });
  const alertingPort = await listening(alerting);
  const trusted = { verify: true, caFile: files.ca };
  const rows: readonly (readonly [string, TlsConfig, string])[] = [
    [url, { verify: true }, "tls_unknown_ca"],
    [url, { verify: true, caFile: files.otherCert }, "tls_unknown_ca"],
    [selfSigned.url, { verify: true }, "tls_self_signed"],
    [url, { ...trusted, serverName: "influx.example" }, "tls_wrong_name"],
    [mutual.url, trusted, "tls_client_certificate_needed"],
    [plaintext.url.replace("http:", "https:"), trusted, "tls_server_is_plaintext"],
    [`http://127.0.0.1:${alertingPort}`, { verify: true }, "server_is_tls"],
    [url.replace("https:", "http:"), { verify: true }, "connection_closed"],
    [url, { verify: true, caFile: join(files.dir, "missing.pem") }, "tls_file_unreadable"],
  ];
  for (const [address, tls, code] of rows) {
    assertRetry(await writer(address, { tls, writeTimeoutMs: 2000 }).write(line, never), code);
  }
});

test("TLS: files that were broken are read again with the next connection, and none that waits is forgotten", async () => {
  const pair = { cert: readFileSync(files.serverCert), key: readFileSync(files.serverKey) };
  const { url } = await serve(
    (response) => void response.writeHead(204, { connection: "close" }).end(),
    pair,
  );
  const caFile = join(files.dir, "rotating.pem");
  writeFileSync(caFile, readFileSync(files.ca));
  const influx = writer(url, { maxInFlight: 1, tls: { verify: true, caFile } });
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  writeFileSync(caFile, "half a fi");
  const waiting = [influx.write(line, never), influx.write(line, never), influx.write(line, never)];
  for (const outcome of await Promise.all(waiting)) assertRetry(outcome, "tls_bad_pem");
  writeFileSync(caFile, readFileSync(files.ca));
  assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
});

test("the database is created with its retention, only where one is configured", async () => {
  const { url, received } = await serve((response, _received, count) => {
    response.writeHead(count === 1 ? 200 : 403).end();
  });
  assert.deepEqual(await writer(url).ensureDatabase(never), { kind: "ready" });
  assert.equal(received.length, 0);
  const influx = writer(url, { retention: "90d", token: new Secret("t0ken") });
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
  assert.equal(refused.fault.code, "database_not_created");
});

test("creating the database survives an outage as a write does", async () => {
  const server = net.createServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  const influx = writer(`http://127.0.0.1:${port}`, { retention: "90d" });
  const outcome = await influx.ensureDatabase(never);
  assert.ok(outcome.kind === "retry");
  assert.equal(outcome.fault.code, "connection_refused");
  const stop = AbortSignal.abort(new Error("stop"));
  await assert.rejects(influx.ensureDatabase(stop), /^Error: stop$/);
});
