import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFlightClient } from "../../../../src/influx/flight/client.ts";
import type { ReadRequest } from "../../../../src/influx/flight/reading.ts";
import { QueryStream } from "../../../../src/influx/flight/stream.ts";
import { BugError } from "../../../../src/lib/fault.ts";
import {
  answer,
  clientOn,
  config,
  failing,
  faultOf,
  isFault,
  messages,
  type Script,
  ScriptedChannel,
  silentAfter,
} from "./fixture.ts";

describe("a query", () => {
  test("goes out with its own database, metadata and request id, or the client's database and a random id", async () => {
    const channel = new ScriptedChannel(answer(1));
    const client = clientOn(channel);
    const own = client.query({
      text: "SELECT 1",
      database: "greenhouse",
      requestId: "r-9",
      metadata: { "x-tenant": "a" },
    });
    assert.equal(own.requestId, "r-9");
    await own.all();
    const plain = client.query({ text: "SELECT 2" });
    assert.match(plain.requestId, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    assert.notEqual(client.query({ text: "SELECT 2" }).requestId, plain.requestId);
    await plain.all();
    const [first, second] = channel.calls;
    assert.ok(first !== undefined && second !== undefined);
    const { database, metadata, requestId } = first.options;
    assert.deepEqual(
      { database, metadata, requestId },
      { database: "greenhouse", metadata: { "x-tenant": "a" }, requestId: "r-9" },
    );
    assert.match(first.ticket, /"greenhouse".*SELECT 1/);
    assert.equal(second.options.database, "farm");
    assert.equal(second.options.requestId, plain.requestId);
    assert.match(second.ticket, /"farm".*SELECT 2/);
  });

  test("that cannot be put into a ticket sends nothing, and its first pull says why", async () => {
    const channel = new ScriptedChannel(answer(1));
    const stream = clientOn(channel).query({ text: "SELECT $a", params: { a: 2n ** 64n }, requestId: "r-8" });
    await assert.rejects(stream.all(), isFault("flight_bad_parameter", /\(request r-8\)$/));
    assert.equal(channel.calls.length, 0);
  });
});

test("a limit that is negative or not a number is a bug, and sends nothing", async () => {
  const channel = new ScriptedChannel(answer(1));
  const client = clientOn(channel);
  for (const limit of ["timeoutMs", "maxBytes", "silenceMs"]) {
    for (const value of [Number.NaN, -1]) {
      assert.throws(() => client.query({ text: "SELECT 1", [limit]: value }), BugError, `${limit} ${value}`);
    }
  }
  assert.throws(() => clientOn(channel, { timeoutMs: Number.NaN }).query({ text: "SELECT 1" }), BugError);
  const budget = { maxBytes: Number.NaN };
  await assert.rejects(client.query({ text: "SELECT 1" }).all(budget), BugError);
  await assert.rejects(client.query({ text: "SELECT 1" }).rows().collect(budget), BugError);
  assert.equal(channel.calls.length, 0);
});

test("a stream is kept for close() from its first pull to its end, however it ends", async () => {
  const underWay = new Set<{ close(): void }>();
  const open: ReadRequest["open"] = (on, options) => on.doGet(Buffer.from("ticket"), options);
  const request = { requestId: "r-1", database: "farm", timeoutMs: 5000, open };
  const streamOf = (script: Script): QueryStream => {
    const channel = new ScriptedChannel(script);
    return new QueryStream(request, { channel: () => channel, random: () => 0, underWay });
  };
  const ended = await streamOf(answer(1)).reader();
  assert.equal(underWay.size, 1);
  await ended.next();
  assert.equal(underWay.size, 1);
  assert.equal(await ended.next(), undefined);
  assert.equal(underWay.size, 0);
  (await streamOf(answer(1)).reader()).cancel();
  assert.equal(underWay.size, 0);
  await assert.rejects(streamOf(failing(faultOf("planted", "drop"))).all());
  assert.equal(underWay.size, 0);
});

describe("close()", () => {
  test("ends the streams under way, in whatever state they are", async () => {
    const channel = new ScriptedChannel(silentAfter([]), silentAfter(messages(1)), answer(1));
    const client = clientOn(channel);
    const planning = client.query({ text: "SELECT 1" }).all();
    const iterator = client.query({ text: "SELECT 2" }).chunks()[Symbol.asyncIterator]();
    await iterator.next();
    const done = await client.query({ text: "SELECT 3" }).all();
    assert.equal(done.numRows, 1);
    client.close();
    client.close();
    await assert.rejects(planning, isFault("flight_closed"));
    await assert.rejects(iterator.next(), isFault("flight_closed"));
    assert.deepEqual(
      channel.calls.map((call) => call.cancels),
      [1, 1, 0],
    );
    assert.equal(channel.closes, 1);
  });

  test("ends a stream that waits for its next attempt", async () => {
    const channel = new ScriptedChannel(failing(faultOf("flight_unavailable", "retry")));
    const client = createFlightClient(config, { channel, random: () => 0.99 });
    const asking = client.query({ text: "SELECT 1" }).all();
    await new Promise(setImmediate);
    assert.equal(channel.cancels, 1);
    client.close();
    await assert.rejects(asking, isFault("flight_closed"));
    assert.equal(channel.calls.length, 1);
  });

  test("refuses what is asked later, also of a stream that was made before", async () => {
    const channel = new ScriptedChannel(answer(1));
    const client = clientOn(channel);
    const before = client.query({ text: "SELECT 1" });
    client.close();
    await assert.rejects(before.all(), isFault("flight_closed"));
    await assert.rejects(client.query({ text: "SELECT 1" }).reader(), isFault("flight_closed"));
    for (const stream of [client.query({ text: "SELECT 1" }), client.query({ text: "SELECT 1" })]) {
      await assert.rejects(stream.chunks()[Symbol.asyncIterator]().next(), isFault("flight_closed"));
    }
    assert.equal(channel.calls.length, 0);
  });
});
