/** DoGet against a server that really listens: messages, backpressure, leaving, deadlines, and every way to end. */
import assert from "node:assert/strict";
import { constants } from "node:http2";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { Fault, type Disposition } from "../../src/lib/fault.ts";
import { ask, faultOf, flightChannel, flightServer, readAll, token } from "../support/flight-channel.ts";
import type { Reply } from "../support/flight-server.ts";
import { waitFor } from "../support/wait.ts";

const body = Buffer.alloc(200_000, 7);

async function flood(reply: Reply, sent: { count: number }): Promise<void> {
  for (;;) {
    await reply.send({ body });
    sent.count += 1;
  }
}

test("a call delivers each message and the trailers, and carries what it was asked with", async (t) => {
  const tickets: string[] = [];
  const server = await flightServer(t, async (ticket, reply) => {
    tickets.push(Buffer.from(ticket).toString());
    await reply.send({ header: Buffer.from("schema"), appMetadata: Buffer.from("app") });
    await reply.send({ header: Buffer.from("batch"), body });
    reply.end({ "x-influxdata-partitions": "3", "x-influxdata-digest-bin": "AAAA" });
  });
  const call = ask(flightChannel(t, server.url), "a ticket", { metadata: { "iox-debug": "on" } });
  const [schema, batch, ...more] = await readAll(call);
  assert.equal(more.length, 0);
  assert.equal(Buffer.from(schema?.header ?? []).toString(), "schema");
  assert.equal(Buffer.from(schema?.appMetadata ?? []).toString(), "app");
  assert.equal(schema?.bytes, 9);
  assert.deepEqual(batch?.body, body);
  assert.equal(batch?.bytes, 200_005);
  assert.equal(await call.next(), undefined, "again");
  assert.equal(call.trailers["x-influxdata-partitions"], "3");
  assert.equal(call.trailers["x-influxdata-digest-bin"], undefined);
  call.cancel();

  assert.deepEqual(tickets, ["a ticket"]);
  const sent = server.metadata[0] ?? {};
  assert.equal(sent["authorization"], `Bearer ${token}`);
  assert.equal(sent["database"], "gateway");
  assert.equal(sent["x-request-id"], "id-1");
  assert.equal(sent["iox-debug"], "on");
  assert.match(String(sent["user-agent"]), /^flightline /);
  const timeoutMs = Number(/^(\d+)m$/.exec(String(sent["grpc-timeout"]))?.[1]);
  assert.ok(timeoutMs > 4000 && timeoutMs <= 5000, String(timeoutMs));
});

test("a slow reader holds the server back: beside the window, nothing is taken that was not asked for", async (t) => {
  const sent = { count: 0 };
  const server = await flightServer(t, async (_ticket, reply) => await flood(reply, sent));
  const call = ask(flightChannel(t, server.url), "flood");
  const heldBack = async (): Promise<number> => {
    let before = -1;
    while (before !== sent.count) {
      before = sent.count;
      await delay(60);
    }
    return before;
  };
  // A window of 1 MiB, and what the sockets of the kernel hold.
  const first = await heldBack();
  assert.ok(first >= 5 && first <= 7, `${first} sent before anything was asked for`);
  for (let count = 1; count <= 40; count += 1) assert.equal((await call.next())?.bytes, body.length);
  const after = await heldBack();
  assert.ok(after >= 40 && after <= 47, `${after} sent when 40 were read`);
  call.cancel();
  await waitFor(() => server.cancels === 1, { what: "the cancel" });
  assert.equal(sent.count, after);
});

test("cancel resets the stream on the server within 100 ms: before the first message, between two, while one is awaited", async (t) => {
  const sent = { count: 0 };
  const server = await flightServer(t, async (ticket, reply) => {
    if (Buffer.from(ticket).toString() === "flood") await flood(reply, sent);
    await new Promise((resolve) => reply.signal.addEventListener("abort", resolve));
  });
  const channel = flightChannel(t, server.url);
  const cancelled = async (count: number): Promise<void> =>
    void (await waitFor(() => server.cancels === count, { what: "the cancel", timeoutMs: 100, everyMs: 1 }));
  const isCancelled = (error: unknown): boolean =>
    error instanceof Fault && error.code === "flight_cancelled";

  const early = ask(channel, "silent");
  await waitFor(() => server.doGets === 1, { what: "the call" });
  early.cancel();
  await cancelled(1);
  await assert.rejects(early.next(), isCancelled);

  const reading = ask(channel, "flood");
  for (let count = 0; count < 3; count += 1) await reading.next();
  reading.cancel();
  await cancelled(2);
  await assert.rejects(reading.next(), isCancelled);

  const waiting = ask(channel, "silent");
  await waitFor(() => server.doGets === 3, { what: "the call" });
  const rejected = assert.rejects(waiting.next(), isCancelled);
  waiting.cancel();
  waiting.cancel();
  await Promise.all([rejected, cancelled(3)]);

  // grpc-js opens this stream later all the same.
  const atOnce = ask(channel, "silent");
  atOnce.cancel();
  await assert.rejects(atOnce.next(), isCancelled);
  assert.equal((await faultOf(ask(channel, "silent", { timeoutMs: 50 }))).code, "flight_timeout");
  await waitFor(() => server.cancels === server.doGets, { what: "every call to be reset", timeoutMs: 100 });
});

test("the deadline ends a call on both sides, whether the server is silent, slow or its reader is", async (t) => {
  const sent = { count: 0 };
  const server = await flightServer(t, async (ticket, reply) => {
    const name = Buffer.from(ticket).toString();
    if (name === "elapsed") return reply.fail(8, "grpc-timeout elapsed");
    if (name === "slow") await reply.send({ body });
    if (name === "flood") await flood(reply, sent);
    await new Promise((resolve) => reply.signal.addEventListener("abort", resolve));
  });
  const channel = flightChannel(t, server.url);
  for (const [name, words] of [
    ["silent", /took the query and had no answer within 0\.1\d* s$/],
    ["slow", /did not end within 0\.1/],
    ["elapsed", /took the query and had no answer/],
  ] as const) {
    const fault = await faultOf(ask(channel, name, { timeoutMs: 150 }));
    assert.equal(fault.code, "flight_timeout", name);
    assert.equal(fault.disposition, "retry");
    assert.match(fault.message, words);
  }
  const lazy = ask(channel, "flood", { timeoutMs: 150 });
  await lazy.next();
  await waitFor(() => server.cancels === 3, { what: "the deadline of a call that nobody reads" });
  assert.equal((await faultOf(lazy)).code, "flight_timeout");
  assert.equal((await faultOf(ask(channel, "silent", { timeoutMs: -5 }))).code, "flight_timeout");
});

test("every code that a server can end with is its own fault, also after messages", async (t) => {
  const codes: readonly (readonly [number, string, string])[] = [
    [1, "", "flight_cancelled_by_server"],
    [2, "", "flight_failed"],
    [3, 'Error while planning query: bad "sql"? {#1}', "flight_query_refused"],
    [4, "", "flight_timeout"],
    [5, "Database 'x' not found", "flight_database_missing"],
    [6, "", "flight_failed"],
    [7, "Permission denied", "flight_forbidden"],
    [8, "Resources exhausted", "flight_server_exhausted"],
    [9, "", "flight_failed"],
    [10, "", "flight_failed"],
    [11, "", "flight_failed"],
    [12, "", "flight_unsupported"],
    [13, "engine", "flight_engine_failed"],
    [14, "", "flight_unavailable"],
    [15, "", "flight_failed"],
    [16, `Unauthenticated: Bearer ${token}`, "flight_unauthorized"],
    [99, "", "flight_failed"],
  ];
  const server = await flightServer(t, async (ticket, reply) => {
    const [index, when] = Buffer.from(ticket).toString().split(" ");
    const [code, details] = codes[Number(index)] ?? [0, ""];
    if (when === "late") await reply.send({ body });
    reply.fail(code, details, { "x-influxdata-partitions": "1" });
  });
  const channel = flightChannel(t, server.url);
  for (const [index, [, , code]] of codes.entries()) {
    for (const when of ["early", "late"]) {
      const call = ask(channel, `${index} ${when}`);
      const fault = await faultOf(call);
      assert.equal(fault.code, code, fault.message);
      assert.equal(call.trailers["x-influxdata-partitions"], "1");
      if (index === 2) assert.match(fault.message, /bad "sql"\? \{#1\}$/);
    }
  }
  assert.equal(server.connections, 1);
});

test("every way to end a stream otherwise is a fault of that call alone", async (t) => {
  const html = "<html><body>Bad Gateway</body></html>";
  const ways: Readonly<
    Record<string, readonly [string, Disposition, (reply: Reply) => Promise<void> | void]>
  > = {
    "no trailers": ["flight_cut_off", "retry", (reply) => reply.cutOff()],
    "half a message": [
      "flight_cut_off",
      "retry",
      async (reply) => {
        await reply.sendBytes(Buffer.from([0, 0, 0, 0, 9, 1, 2]));
        reply.cutOff();
      },
    ],
    "internal error": ["flight_cut_off", "retry", (reply) => reply.reset(constants.NGHTTP2_INTERNAL_ERROR)],
    "protocol error": ["flight_cut_off", "retry", (reply) => reply.reset(constants.NGHTTP2_PROTOCOL_ERROR)],
    refused: ["flight_unavailable", "retry", (reply) => reply.reset(constants.NGHTTP2_REFUSED_STREAM)],
    cancel: ["flight_cancelled_by_server", "retry", (reply) => reply.reset(constants.NGHTTP2_CANCEL)],
    calm: ["flight_overloaded", "retry", (reply) => reply.reset(constants.NGHTTP2_ENHANCE_YOUR_CALM)],
    security: [
      "tls_no_common_version",
      "retry",
      (reply) => reply.reset(constants.NGHTTP2_INADEQUATE_SECURITY),
    ],
    html: [
      "flight_not_grpc",
      "fatal",
      async (reply) => {
        reply.respond({ ":status": 200, "content-type": "text/html" });
        await reply.sendBytes(Buffer.from(html));
      },
    ],
    "html and 503": [
      "flight_unavailable",
      "retry",
      async (reply) => {
        reply.respond({ ":status": 503, "content-type": "text/html" });
        await reply.sendBytes(Buffer.from(html));
      },
    ],
    "404 without a body": [
      "flight_not_grpc",
      "fatal",
      (reply) => {
        reply.respond({ ":status": 404 });
        reply.cutOff();
      },
    ],
    "a lying length": [
      "flight_message_too_big",
      "drop",
      async (reply) => await reply.sendBytes(Buffer.from([0, 0x08, 0, 0, 0, 1])),
    ],
    "no FlightData": [
      "flight_bad_stream",
      "drop",
      async (reply) => await reply.sendMessage(Buffer.from([0x12, 0x7f, 1])),
    ],
    "unknown compression": [
      "flight_bad_stream",
      "drop",
      async (reply) => {
        reply.respond({ ":status": 200, "content-type": "application/grpc", "grpc-encoding": "snappy" });
        await reply.sendBytes(Buffer.from([1, 0, 0, 0, 1, 1]));
      },
    ],
    "compressed without saying so": [
      "flight_bad_stream",
      "drop",
      async (reply) => await reply.sendBytes(Buffer.from([1, 0, 0, 0, 1, 1])),
    ],
    "gzip that unpacks to more than is read": [
      "flight_message_too_big",
      "drop",
      async (reply) => {
        reply.respond({ ":status": 200, "content-type": "application/grpc", "grpc-encoding": "gzip" });
        const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024));
        const frame = Buffer.alloc(5);
        frame.writeUInt32BE(bomb.length, 1);
        frame[0] = 1;
        await reply.sendBytes(Buffer.concat([frame, bomb]));
      },
    ],
  };
  const server = await flightServer(t, async (ticket, reply) => {
    const way = ways[Buffer.from(ticket).toString()];
    if (way === undefined) return await reply.send({ body });
    await way[2](reply);
    await new Promise((resolve) => reply.signal.addEventListener("abort", resolve));
  });
  const channel = flightChannel(t, server.url);
  const sane = ask(channel, "sane");
  for (const [name, [code, disposition]] of Object.entries(ways)) {
    const fault = await faultOf(ask(channel, name, { timeoutMs: 20_000 }));
    assert.equal(fault.code, code, `${name}: ${fault.message}`);
    assert.equal(fault.disposition, disposition, name);
    if (name === "html") assert.match(fault.message, /"html" stands/);
  }
  assert.equal((await readAll(sane)).length, 1);
  assert.equal(server.connections, 1);
});

test("closing the channel ends its calls on the server, closes its connection, and takes no more", async (t) => {
  const sent = { count: 0 };
  const server = await flightServer(t, async (_ticket, reply) => await flood(reply, sent));
  const channel = flightChannel(t, server.url);
  const [idle, waiting] = [ask(channel), ask(channel)];
  await waiting.next();
  await waiting.next();
  await waitFor(() => server.doGets === 2, { what: "both calls" });
  const rejected = assert.rejects(
    (async () => {
      for (;;) await waiting.next();
    })(),
    (error) => error instanceof Fault && error.code === "flight_closed",
  );
  channel.close();
  channel.close();
  await rejected;
  assert.equal((await faultOf(idle)).code, "flight_closed");
  assert.throws(
    () => ask(channel),
    (error) => error instanceof Fault && error.code === "flight_closed",
  );
  await waitFor(() => server.connections === 0, { what: "the connection to close" });
  assert.equal(server.cancels, 2);
});
