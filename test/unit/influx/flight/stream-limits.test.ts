import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { FlightQuery, FlightStream } from "../../../../src/influx/flight/api.ts";
import { waitFor } from "../../../support/wait.ts";
import { Fault } from "../../../../src/lib/fault.ts";
import {
  answer,
  assertFreed,
  batchMessage,
  clientOn,
  endless,
  faultOf,
  isFault,
  keepAlive,
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

describe("the deadline", () => {
  test("passes while there is no schema: planning or connecting", async () => {
    const asking = streamOf(silentAfter([]), { timeoutMs: 20 }).all();
    await assert.rejects(
      asking,
      isFault("flight_timeout", /no answer within 0.02 s.*planning or connecting.*r-1/),
    );
  });

  test("passes after rows, which are counted", async () => {
    const iterator = pullsOf(streamOf(silentAfter(messages(7)), { timeoutMs: 150 }).chunks());
    await iterator.next();
    await assert.rejects(iterator.next(), isFault("flight_timeout", /within 0.15 s.*after 7 rows/));
  });

  test("ends the query at once when nobody pulls", async () => {
    const reader = await streamOf(endless, { timeoutMs: 150 }).reader();
    await reader.next();
    await waitFor(() => channel.cancels === 1, { what: "the end of the query" });
    await assert.rejects(reader.next(), isFault("flight_timeout", /after 10 rows/));
  });

  const seenByTheCall = new Fault({
    code: "flight_timeout",
    layer: "flight",
    disposition: "retry",
    message: "no connection came about",
  });

  test("is the same fault when the server or the call sees it first", async () => {
    const early: Script = async function* () {
      yield* messages(2);
      await delay(60);
      throw seenByTheCall;
    };
    const reading = streamOf(early, { timeoutMs: 120 }).rows().collect();
    await assert.rejects(reading, isFault("flight_timeout", /did not end within 0.12 s.*after 2 rows/));
    assert.equal(channel.calls.length, 1);
  });

  test("before the schema is said in the words of the call, which knows whether there was a connection", async () => {
    const overdue: Script = async function* ({ options }) {
      await delay(options.deadlineMs - performance.now());
      yield* [];
      throw seenByTheCall;
    };
    const asking = streamOf(overdue, { timeoutMs: 60 }).all();
    await assert.rejects(asking, isFault("flight_timeout", /^no connection came about \(request r-1\)$/));
  });

  test("is the client's where the query names none", async () => {
    channel = new ScriptedChannel(silentAfter([]));
    const stream = clientOn(channel, { timeoutMs: 20 }).query({ text: "SELECT 1" });
    await assert.rejects(stream.all(), isFault("flight_timeout", /0.02 s/));
  });

  test("is handed to the call", async () => {
    const iterator = pullsOf(streamOf(endless, { timeoutMs: 2000 }).chunks());
    const beforeMs = performance.now();
    await iterator.next();
    const deadlineMs = channel.calls[0]?.options.deadlineMs ?? 0;
    assert.ok(deadlineMs >= beforeMs + 2000 && deadlineMs <= performance.now() + 2000);
    await iterator.return();
  });
});

describe("silence", () => {
  test("after the schema is a fault that may go away", async () => {
    const reading = streamOf(silentAfter(messages(3)), { silenceMs: 20, retry: "never" })
      .rows()
      .collect();
    await assert.rejects(reading, (error) => {
      assert.ok(isFault("flight_stalled", /nothing for 0.02 s.*after 3 rows/)(error));
      return error instanceof Fault && error.disposition === "retry";
    });
  });

  test("before the schema is planning, and left to the deadline", async () => {
    const asking = streamOf(silentAfter([]), { silenceMs: 5, timeoutMs: 50 }).all();
    await assert.rejects(asking, isFault("flight_timeout"));
  });

  test("is broken by keep-alives", async () => {
    const dripping: Script = async function* () {
      yield schemaMessage;
      for (let n = 0; n < 12; n += 1) {
        await delay(20);
        yield keepAlive;
      }
      throw faultOf("planted", "drop");
    };
    await assert.rejects(streamOf(dripping, { silenceMs: 150, retry: "never" }).all(), isFault("planted"));
  });

  test("of the consumer's own does not count", async () => {
    const reader = await streamOf(endless, { silenceMs: 20, retry: "never" }).reader();
    for (let n = 0; n < 3; n += 1) {
      await delay(50);
      assert.equal((await reader.next())?.numRows, 10);
    }
    reader.cancel();
  });

  test("is not what a busy process takes it for", async () => {
    const asked = Promise.withResolvers<void>();
    const throughTheLoop: Script = async function* () {
      yield schemaMessage;
      await asked.promise;
      // Timers that are due come before the second one.
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      yield batchMessage(1);
      throw faultOf("planted", "drop");
    };
    const reader = await streamOf(throughTheLoop, { silenceMs: 40, retry: "never" }).reader();
    const waiting = reader.next();
    await new Promise(setImmediate);
    asked.resolve();
    const untilMs = performance.now() + 120;
    while (performance.now() < untilMs);
    assert.equal((await waiting)?.numRows, 1);
    reader.cancel();
  });
});

describe("the byte budget", () => {
  const sizes = messages(10, 10, 10).map((message) => message.bytes);
  const all = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const tooBig = isFault("flight_result_too_big", /\(request r-1\)$/);

  test("ends a stream whose messages are larger together", async () => {
    const seen: number[] = [];
    const reading = async (): Promise<void> => {
      for await (const { batch } of streamOf(answer(10, 10, 10), { maxBytes: all - 1 }).chunks())
        seen.push(batch.numRows);
    };
    await assert.rejects(reading, tooBig);
    assert.deepEqual(seen, [10, 10]);
  });

  test("of all() and collect() counts where it is smaller than the query's", async () => {
    const script = answer(10, 10, 10);
    await assert.rejects(streamOf(script).all({ maxBytes: all - 1 }), tooBig);
    await assert.rejects(
      streamOf(script)
        .rows()
        .collect({ maxBytes: all - 1 }),
      tooBig,
    );
    await assert.rejects(streamOf(script, { maxBytes: all - 1 }).all({ maxBytes: all }), tooBig);
    await assert.rejects(streamOf(script, { maxBytes: all }).all({ maxBytes: all - 1 }), tooBig);
  });

  test("is not asked for again, and says what to do", async () => {
    await assert.rejects(streamOf(answer(10), { maxBytes: 1, retry: "always" }).all(), (error) => {
      assert.ok(error instanceof Fault);
      assert.match(error.hint ?? "", /LIMIT.*time range.*pieces/);
      return error.disposition === "drop";
    });
    assert.equal(channel.calls.length, 1);
  });
});

test("an answer of exactly the byte budget is read to its end", async () => {
  const bytes = messages(10, 10).reduce((sum, message) => sum + message.bytes, 0);
  const table = await streamOf(answer(10, 10), { maxBytes: bytes }).all({ maxBytes: bytes });
  assert.equal(table.numRows, 20);
  channel = new ScriptedChannel();
});
