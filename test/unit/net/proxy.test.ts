import assert from "node:assert/strict";
import { once } from "node:events";
import * as net from "node:net";
import { test, type TestContext } from "node:test";
import { inspect } from "node:util";
import { Fault } from "../../../src/lib/fault.ts";
import { Secret } from "../../../src/lib/secret.ts";
import type { ProxyConfig } from "../../../src/net/config.ts";
import { connectThrough } from "../../../src/net/proxy.ts";
import { connectProxy, type ConnectProxyOptions } from "../../support/connect-proxy.ts";
import { listening } from "../../support/tcp-server.ts";
import { freePort } from "../../support/wait.ts";

const never = new AbortController().signal;

async function echo(t: TestContext): Promise<number> {
  return (
    await listening(
      t,
      net.createServer((socket) => socket.pipe(socket)),
    )
  ).port;
}

async function faultOf(proxy: ProxyConfig, timeoutMs = 5000): Promise<Fault> {
  const [ended] = await Promise.allSettled([
    connectThrough(proxy, "influx.example", 8181, { timeoutMs, signal: never }),
  ]);
  assert.equal(ended.status, "rejected");
  const fault: unknown = ended.reason;
  assert.ok(fault instanceof Fault, inspect(fault));
  return fault;
}

function at(url: string): ProxyConfig {
  return { url, setting: "influxdb.proxy" };
}

test("a tunnel carries bytes both ways, and the proxy is told host and port and its own password only", async (t) => {
  const proxy = await connectProxy(t);
  const port = await echo(t);
  const config = { ...at(proxy.url), username: "barn", password: new Secret("s3cret: ü") };
  const socket = await connectThrough(config, "127.0.0.1", port, { timeoutMs: 5000, signal: never });
  t.after(() => socket.destroy());
  socket.write("hello");
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.equal(answer.toString(), "hello");
  const basic = Buffer.from("barn:s3cret: ü").toString("base64");
  assert.deepEqual(proxy.heads, [
    `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`,
  ]);
  for (const event of ["connect", "readable", "end", "close", "error"]) {
    const ofAFreshOne = new net.Socket().listeners(event).length;
    assert.ok(socket.listenerCount(event) <= Math.max(ofAFreshOne, event === "end" ? 1 : 0), event);
  }
});

test("an IPv6 address stands in brackets", async (t) => {
  const proxy = await connectProxy(t, { answer: () => "HTTP/1.1 403 Forbidden\r\n\r\n" });
  const tunnel = connectThrough(at(proxy.url), "fd00::1", 443, { timeoutMs: 5000, signal: never });
  await assert.rejects(tunnel, { code: "proxy_refused", message: /\[fd00::1\]:443/ });
  assert.match(proxy.heads[0] ?? "", /^CONNECT \[fd00::1\]:443 HTTP\/1\.1\r\nHost: \[fd00::1\]:443\r\n/);
});

test("what the server says first is not lost when it comes together with the proxy's answer", async (t) => {
  const greeting = await listening(
    t,
    net.createServer((socket) => void socket.write("welcome")),
  );
  const proxy = await connectProxy(t, { together: true });
  const socket = await connectThrough(at(proxy.url), "127.0.0.1", greeting.port, {
    timeoutMs: 5000,
    signal: never,
  });
  t.after(() => socket.destroy());
  const [first] = (await once(socket, "data")) as [Buffer];
  assert.equal(first.toString(), "welcome");
});

test("each answer in place of a tunnel is named by its cause, with the proxy and the setting, and is not quoted", async (t) => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    [
      "HTTP/1.1 407 Auth canary\r\nProxy-Authenticate: Basic\r\n\r\n",
      "proxy_unauthorized",
      /wants a user name/,
    ],
    [
      "HTTP/1.1 403 canary\r\n\r\n<html>",
      "proxy_refused",
      /refuses to connect to influx\.example:8181 \(HTTP 403\)/,
    ],
    ["HTTP/1.0 405 canary\r\n\r\n", "proxy_refused", /HTTP 405/],
    ["HTTP/1.1 400 canary\r\n\r\n", "proxy_refused", /HTTP 400/],
    ["HTTP/1.1 502 canary\r\n\r\n", "proxy_target_unreachable", /cannot reach influx\.example:8181/],
    ["HTTP/1.1 504 canary\r\n\r\n", "proxy_target_unreachable", /HTTP 504/],
    ["HTTP/1.1 302 canary\r\nLocation: http://canary\r\n\r\n", "proxy_bad_answer", /answered HTTP 302/],
    ["SSH-2.0-canary\r\n", "proxy_bad_answer", /does not answer in HTTP/],
    ["HTTP/1.1 OK canary\r\n\r\n", "proxy_bad_answer", /does not answer in HTTP/],
    ["\u0015\u0003\u0003\u0000\u0002\u0002F", "proxy_bad_answer", /speaks TLS/],
    [`HTTP/1.1 200 OK\r\nX: ${"canary".repeat(5000)}\r\n\r\n`, "proxy_bad_answer", /more than 16384 bytes/],
    ["HTTP/1.1 200 canary\r\n", "proxy_bad_answer", /closed the connection/],
    ["HTTP/1.1 200 canary\r\nContent-Length: 6\r\n\r\ncanary", "proxy_bad_answer", /a page in place of/],
    ["HTTP/1.1 200 canary\r\ncontent-length:12\r\n\r\n", "proxy_bad_answer", /a page in place of/],
    ["HTTP/1.1 200 canary\r\n\r\n<html>canary", "proxy_bad_answer", /a page in place of/],
    [
      "HTTP/1.1 200 canary\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ncanary\r\n0\r\n\r\n",
      "proxy_bad_answer",
      /a page in place of/,
    ],
    ["HTTP/1.1 200 canary\r\n\r\nHTTP/1.1 400 canary\r\n\r\n", "proxy_bad_answer", /a page in place of/],
  ];
  for (const [answer, code, message] of rows) {
    const proxy = await connectProxy(t, { answer: () => answer });
    const fault = await faultOf(at(proxy.url));
    assert.equal(fault.code, code, answer.slice(0, 40));
    assert.match(fault.message, message);
    assert.ok(fault.message.startsWith(`the proxy ${proxy.url} `), fault.message);
    assert.match(fault.hint ?? "", /influxdb\.proxy/);
    assert.ok(!inspect(fault).includes("canary"), inspect(fault));
  }
});

test("a password that is refused is told apart from one that is missing, and shown in neither case", async (t) => {
  const proxy = await connectProxy(t, { answer: () => "HTTP/1.1 407 X\r\n\r\n" });
  const fault = await faultOf({ ...at(proxy.url), username: "barn", password: new Secret("canary") });
  assert.equal(fault.code, "proxy_unauthorized");
  assert.match(fault.message, /does not accept the user name and password/);
  const basic = Buffer.from("barn:canary").toString("base64");
  assert.ok(!inspect(fault).includes("canary") && !inspect(fault).includes(basic));
});

test("a proxy that cannot be reached is named, and not the server behind it", async () => {
  const nobody = await faultOf(at(`http://127.0.0.1:${await freePort()}`));
  assert.equal(nobody.code, "proxy_unreachable");
  assert.match(nobody.message, /^the proxy http:\/\/127\.0\.0\.1:\d+ cannot be reached: .*nothing listens/);
  const unnamed = await faultOf(at("http://no-such-host.invalid:3128"));
  assert.equal(unnamed.code, "proxy_unreachable");
  assert.doesNotMatch(unnamed.message, /influx\.example/);
});

test("silence and an answer that drips end at the deadline, and an abort ends at once; no socket is left", async (t) => {
  const silent: ConnectProxyOptions = { answer: () => "" };
  const proxy = await connectProxy(t, silent);
  const fault = await faultOf(at(proxy.url), 50);
  assert.equal(fault.code, "proxy_bad_answer");
  assert.match(fault.message, /no answer to CONNECT in time/);
  const dripping = net.createServer((socket) => {
    socket.write("HTTP/1.1 200 OK\r\n");
    const timer = setInterval(() => socket.write("X: y\r\n"), 5);
    socket.on("close", () => clearInterval(timer));
  });
  const { port, sockets } = await listening(t, dripping);
  assert.equal((await faultOf(at(`http://127.0.0.1:${port}`), 50)).code, "proxy_bad_answer");
  const stop = new AbortController();
  const tunnel = connectThrough(at(`http://127.0.0.1:${port}`), "a", 1, {
    timeoutMs: 5000,
    signal: stop.signal,
  });
  const reason = new Error("stopped");
  setTimeout(() => stop.abort(reason), 20);
  await assert.rejects(tunnel, (error) => error === reason);
  await assert.rejects(
    connectThrough(at(proxy.url), "a", 1, { timeoutMs: 5000, signal: stop.signal }),
    (error) => error === reason,
  );
  while (sockets.size > 0) await new Promise(setImmediate);
});
