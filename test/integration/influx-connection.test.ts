/** The writer's connections: deadlines, aborts, reuse, and servers that hang, cut and flood. */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import * as net from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { Fault } from "../../src/lib/fault.ts";
import { assertRetry, line, never, noContent, serve, writer } from "../support/influx-http.ts";
import { listening } from "../support/tcp-server.ts";
import { waitFor } from "../support/wait.ts";

/**
 * A write whose time is over at the last of its milliseconds and not before. They pass on the test's clock, once
 * `isUnderWay`: connecting may take as long as a busy machine likes.
 */
async function timesOut(t: TestContext, url: string, isUnderWay: () => boolean): Promise<void> {
  const writeTimeoutMs = 1000;
  const influx = writer(t, url, { writeTimeoutMs });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const end = { isReached: false };
  const writing = influx.write(line, never).finally(() => {
    end.isReached = true;
  });
  while (!isUnderWay() && !end.isReached) await turn();
  t.mock.timers.tick(writeTimeoutMs - 1);
  await turn();
  assert.ok(!end.isReached, "its time is not over");
  t.mock.timers.tick(1);
  assertRetry(await writing, "write_timeout");
  t.mock.timers.reset();
}

test("a write that times out closes its socket, and the server sees it", async (t) => {
  let closed = false;
  const { url, received } = await serve(t, (response) => {
    response.on("close", () => {
      closed = true;
    });
  });
  await timesOut(t, url, () => received.length === 1);
  await waitFor(() => closed, { what: "the socket to close" });
});

test("an answer that drips is held to the same deadline", async (t) => {
  let closed = false;
  let drops = 0;
  const { url } = await serve(t, (response) => {
    response.writeHead(400).write("{");
    const drip = setInterval(() => {
      drops += 1;
      response.write(" ");
    }, 10);
    response.on("close", () => {
      clearInterval(drip);
      closed = true;
    });
  });
  await timesOut(t, url, () => drops > 10);
  await waitFor(() => closed, { what: "the socket to close" });
});

test("a handshake that never ends is a connection that timed out", async (t) => {
  const { port } = await listening(t, net.createServer());
  const influx = writer(t, `https://127.0.0.1:${port}`, { writeTimeoutMs: 100 });
  assertRetry(await influx.write(line, never), "connect_timeout");
});

test("an abort rejects with its reason and closes the socket", async (t) => {
  let closed = false;
  const stop = new AbortController();
  const reason = new Error("shutting down");
  const { url } = await serve(t, (response) => {
    response.on("close", () => {
      closed = true;
    });
    stop.abort(reason);
  });
  const influx = writer(t, url);
  await assert.rejects(influx.write(line, stop.signal), (error) => error === reason);
  await waitFor(() => closed, { what: "the socket to close" });
  await assert.rejects(influx.write(line, stop.signal), (error) => error === reason);
});

test("an abort is an abort even when its reason is a fault", async (t) => {
  const stop = new AbortController();
  const { url } = await serve(t, () => stop.abort(reason));
  const reason = new Fault({ code: "x", layer: "host", disposition: "restart", message: "x" });
  await assert.rejects(writer(t, url).write(line, stop.signal), (error) => error === reason);
});

test("closing ends what is under way as a retry, compressing or queued or sent", async (t) => {
  const { url, received } = await serve(t, () => {});
  const influx = writer(t, url, { maxInFlight: 1 });
  const writes = [influx.write(line, never), influx.write(line, never)];
  await waitFor(() => received.length === 1, { what: "the first write" });
  writes.push(influx.write(`${line}\n`.repeat(1000), never));
  await influx.close();
  for (const outcome of await Promise.all(writes)) assertRetry(outcome, "write_cancelled");
});

test("no more connections than max_in_flight carry writes at a time", async (t) => {
  let now = 0;
  let peak = 0;
  const { url, received } = await serve(t, (response) => {
    now += 1;
    peak = Math.max(peak, now);
    setTimeout(() => {
      now -= 1;
      response.writeHead(204).end();
    }, 20);
  });
  const influx = writer(t, url, { maxInFlight: 2 });
  await Promise.all(Array.from({ length: 7 }, () => influx.write(line, never)));
  assert.equal(received.length, 7);
  assert.equal(peak, 2);
});

test("a connection is used again, and one that the server has closed meanwhile costs no failure", async (t) => {
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
  const influx = writer(t, `http://127.0.0.1:${(await listening(t, server)).port}`, { maxInFlight: 1 });
  for (let count = 0; count < 4; count += 1) {
    assert.deepEqual(await influx.write(line, never), { kind: "delivered" });
  }
  assert.equal(connections, 2);
});

test("a thousand writes over one connection leave nothing behind on it", async (t) => {
  const warnings: Error[] = [];
  const listener = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listener);
  const stop = new AbortController();
  const { url } = await serve(t, noContent);
  const influx = writer(t, url, { maxInFlight: 1 });
  for (let count = 0; count < 1000; count += 1) await influx.write(line, stop.signal);
  assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listener);
  assert.deepEqual(warnings, []);
});

test("a server that always resets is not asked for ever", async (t) => {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    socket.on("data", () => socket.resetAndDestroy());
  });
  const influx = writer(t, `http://127.0.0.1:${(await listening(t, server)).port}`);
  assertRetry(await influx.write(line, never), "connection_closed");
  assert.equal(connections, 1);
});

test("an answer cut in the middle is no answer", async (t) => {
  const cut = (head: string): net.Server =>
    net.createServer((socket) => {
      socket.on("data", () => socket.end(head));
    });
  for (const head of [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{",
    "HTTP/1.1 204 No Con",
  ]) {
    const influx = writer(t, `http://127.0.0.1:${(await listening(t, cut(head))).port}`);
    assert.equal((await influx.write(line, never)).kind, "retry", head);
  }
});

test("a huge error is read to a limit, then its connection is cut", async (t) => {
  let sent = 0;
  let closed = false;
  const { url } = await serve(t, (response) => {
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
  const outcome = await writer(t, url).write(line, never);
  assert.ok(outcome.kind === "hold");
  assert.ok(outcome.fault.message.length < 400);
  await waitFor(() => closed, { what: "the socket to close" });
  assert.ok(sent < 32 * 1024 * 1024);
});

test("a refused connection says so", async (t) => {
  const server = net.createServer();
  const { port } = await listening(t, server);
  await new Promise((resolve) => server.close(resolve));
  assertRetry(await writer(t, `http://127.0.0.1:${port}`).write(line, never), "connection_refused");
});
