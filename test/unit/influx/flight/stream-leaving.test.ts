import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { FlightQuery, FlightStream } from "../../../../src/influx/flight/api.ts";
import { decoding } from "../../../../src/influx/flight/faults.ts";
import { BugError, Fault } from "../../../../src/lib/fault.ts";
import { waitFor } from "../../../support/wait.ts";
import {
  answer,
  assertFreed,
  batchMessage,
  clientOn,
  endless,
  failing,
  faultOf,
  isFault,
  messageOf,
  messages,
  pullsOf,
  schemaMessage,
  type Script,
  ScriptedChannel,
  silentAfter,
  timers,
} from "./fixture.ts";

let channel = new ScriptedChannel(answer());
let timersBefore = 0;

beforeEach(() => {
  timersBefore = timers();
});

/** Each of these tests ends a query early. */
afterEach(() => {
  assertFreed(channel, timersBefore);
});

function streamOf(script: Script, query: Partial<FlightQuery> = {}): FlightStream {
  channel = new ScriptedChannel(script);
  return clientOn(channel).query({ text: "SELECT 1", requestId: "r-1", ...query });
}

describe("leaving ends the query at once:", () => {
  test("break", async () => {
    const stream = streamOf(endless);
    let rows = 0;
    for await (const _ of stream.rows()) {
      rows += 1;
      if (rows === 15) break;
    }
    assert.equal(channel.cancels, 1);
    assert.equal(channel.calls[0]?.pulls, 3);
    for await (const _ of streamOf(endless).chunks()) break;
    for await (const _ of streamOf(endless).rows().batches()) break;
  });

  test("an exception in the loop, which passes through", async () => {
    const planted = new Error("of the consumer's");
    const reading = async (): Promise<void> => {
      for await (const _ of streamOf(endless).rows()) throw planted;
    };
    await assert.rejects(reading, planted);
  });

  test("return() while a pull is waiting, which is done then", async () => {
    const iterator = pullsOf(streamOf(silentAfter(messages(1))).rows());
    await iterator.next();
    const waiting = iterator.next();
    assert.deepEqual(await iterator.return(), { done: true, value: undefined });
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  });

  test("cancel() of a reader: a pull that waits, and each one later, says that the rest is missing", async () => {
    const reader = await streamOf(silentAfter(messages(1))).reader();
    await reader.next();
    const waiting = reader.next();
    reader.cancel();
    assert.equal(channel.cancels, 1);
    await assert.rejects(waiting, isFault("flight_cancelled", /request r-1/));
    await assert.rejects(reader.next(), isFault("flight_cancelled"));
  });

  test("cancel() of a reader while nothing is asked for", async () => {
    const reader = await streamOf(endless).reader();
    reader.cancel();
    reader.cancel();
    assert.equal(channel.cancels, 1);
  });
});

test("who leaves before the first pull has sent nothing", async () => {
  const iterator = pullsOf(streamOf(endless).rows());
  await iterator.return();
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  assert.equal(channel.calls.length, 0);
});

describe("an abort", () => {
  const reason = new Error("the user pressed Ctrl-C");

  for (const [when, script] of [
    ["before the schema", silentAfter([])],
    ["after rows", silentAfter(messages(1))],
  ] as const) {
    test(`${when} rejects the waiting pull with its reason, as it is`, async () => {
      const abort = new AbortController();
      const collecting = streamOf(script, { signal: abort.signal }).rows().collect();
      await delay(5);
      assert.equal(getEventListeners(abort.signal, "abort").length, 1);
      abort.abort(reason);
      assert.equal(channel.cancels, 1);
      await assert.rejects(collecting, (error) => error === reason);
      assert.equal(getEventListeners(abort.signal, "abort").length, 0);
    });
  }

  test("between two pulls ends the query at once, and rejects the next pull", async () => {
    const abort = new AbortController();
    const iterator = pullsOf(streamOf(endless, { signal: abort.signal }).chunks());
    await iterator.next();
    abort.abort(reason);
    assert.equal(channel.cancels, 1);
    await assert.rejects(iterator.next(), (error) => error === reason);
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  });

  test("in the middle of a batch rejects the next pull: the rows that have come are not handed out", async () => {
    const abort = new AbortController();
    const seen: unknown[] = [];
    const reading = async (): Promise<void> => {
      for await (const row of streamOf(endless, { signal: abort.signal }).rows()) {
        seen.push(row);
        if (seen.length === 3) abort.abort(reason);
      }
    };
    await assert.rejects(reading, (error) => error === reason);
    assert.equal(seen.length, 3);

    const iterator = pullsOf(streamOf(endless, { timeoutMs: 20 }).rows());
    await iterator.next();
    await waitFor(() => channel.cancels === 1, { what: "the deadline" });
    const [overlapping, next] = [iterator.next(), iterator.next()];
    await assert.rejects(overlapping, isFault("flight_timeout"));
    assert.deepEqual(await next, { done: true, value: undefined });
  });

  test("before the first pull sends nothing", async () => {
    await assert.rejects(
      streamOf(endless, { signal: AbortSignal.abort(reason) }).all(),
      (error) => error === reason,
    );
    assert.equal(channel.calls.length, 0);
  });

  test("is not listened for before the first pull, nor after the end", async () => {
    const { signal } = new AbortController();
    const client = clientOn(new ScriptedChannel(answer(1)));
    const stream = client.query({ text: "SELECT 1", signal });
    assert.equal(getEventListeners(signal, "abort").length, 0);
    await stream.all();
    assert.equal(getEventListeners(signal, "abort").length, 0);
    channel = new ScriptedChannel();
  });
});

describe("an answer that cannot be read", () => {
  const badStream = isFault("flight_bad_stream", /request r-1/);

  test("begins with something else than a schema", async () => {
    await assert.rejects(streamOf(() => [batchMessage(1), schemaMessage]).all(), badStream);
  });

  test("has a message in its middle that is none", async () => {
    const broken: Script = () => [...messages(2), messageOf({ header: Buffer.alloc(64, 255) })];
    const iterator = pullsOf(streamOf(broken).rows());
    await iterator.next();
    await iterator.next();
    await assert.rejects(iterator.next(), badStream);
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });

    const reader = await streamOf(broken).reader();
    await reader.next();
    await assert.rejects(reader.next(), badStream);
    await assert.rejects(
      reader.next(),
      badStream,
      "an answer that broke off never looks like one that ended",
    );
  });

  test("a bug of ours in reading it stays a bug", async () => {
    const bug = new BugError("BUG: planted");
    const script: Script = function* () {
      yield schemaMessage;
      throw bug;
    };
    await assert.rejects(streamOf(script).all(), (error) => error === bug);
  });

  test("a fault of the call keeps its code, layer and hint, and names the request", async () => {
    const fault = new Fault({
      code: "tls_self_signed",
      layer: "network",
      disposition: "fatal",
      message: "planted",
      hint: "name it in ca_file",
      cause: "deeper",
    });
    await assert.rejects(streamOf(failing(fault)).reader(), {
      code: "tls_self_signed",
      layer: "network",
      disposition: "fatal",
      message: "planted (request r-1)",
      hint: "name it in ca_file",
      cause: "deeper",
    });
  });
});

test("an answer that ends without a schema cannot be read", async () => {
  await assert.rejects(streamOf(() => []).all(), isFault("flight_bad_stream", /without a schema/));
  channel = new ScriptedChannel();
});

test("what arrow-js throws at a message is a fault of the stream, with its cause; bugs and faults stay what they are", () => {
  const thrown = new RangeError("Invalid typed array length:\n-1");
  const throwing = (error: Error) => (): never =>
    decoding(() => {
      throw error;
    });
  assert.throws(throwing(thrown), (error) => {
    assert.ok(isFault("flight_bad_stream", /Invalid typed array length: -1/)(error));
    return error instanceof Fault && error.cause === thrown && error.disposition === "drop";
  });
  for (const other of [new BugError("BUG: planted"), faultOf("planted", "retry")]) {
    assert.throws(throwing(other), (error) => error === other);
  }
  channel = new ScriptedChannel();
});
