import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Field, Schema, Utf8 } from "apache-arrow";
import type { FlightQuery, FlightStream } from "../../../../src/influx/flight/api.ts";
import { createFlightClient } from "../../../../src/influx/flight/client.ts";
import {
  answer,
  clientOn,
  config,
  failing,
  faultOf,
  isFault,
  messages,
  messagesOf,
  rowsFrom,
  schemaMessage,
  ScriptedChannel,
  silentAfter,
  type Script,
} from "./fixture.ts";

const unavailable = faultOf("flight_unavailable", "retry");
const cutOff = faultOf("flight_cut_off", "retry");

function streamOf(
  scripts: readonly Script[],
  query: Partial<FlightQuery> = {},
): { stream: FlightStream; channel: ScriptedChannel } {
  const channel = new ScriptedChannel(...scripts);
  return { stream: clientOn(channel).query({ text: "SELECT 1", requestId: "r-2", ...query }), channel };
}

async function listed<T>(things: AsyncIterable<T>, into: T[] = []): Promise<T[]> {
  for await (const thing of things) into.push(thing);
  return into;
}

describe("a read is asked anew", () => {
  test("from scratch, as long as no row was seen, in whatever way it is read", async () => {
    const scripts = [failing(unavailable), failing(cutOff, messages(0, 0)), answer(2, 1)];
    for (const read of [
      async (stream: FlightStream) => await stream.rows().collect(),
      async (stream: FlightStream) => await listed(stream.rows()),
      async (stream: FlightStream) => (await listed(stream.rows().batches())).flat(),
    ]) {
      const { stream, channel } = streamOf(scripts);
      assert.deepEqual(await read(stream), rowsFrom(0, 3));
      assert.equal(channel.calls.length, 3);
      const { attempts, rows, keepAlives } = await stream.ended;
      assert.deepEqual({ attempts, rows, keepAlives }, { attempts: 3, rows: 3, keepAlives: 0 });
      assert.deepEqual(
        channel.calls.map((call) => call.cancels),
        [1, 1, 0],
      );
    }
    const { stream } = streamOf(scripts);
    const reader = await stream.reader();
    assert.equal((await reader.next())?.numRows, 2);
    reader.cancel();
  });

  test("with the same request id, ticket and deadline each time", async () => {
    const { stream, channel } = streamOf([failing(unavailable), answer(1)]);
    await stream.all();
    const [first, second] = channel.calls;
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(first.ticket, second.ticket);
    assert.deepEqual(first.options, second.options);
    assert.equal(first.options.requestId, "r-2");
  });

  test("not after rows were seen: the fault is the reader's", async () => {
    const { stream, channel } = streamOf([failing(cutOff, messages(2)), answer(2, 1)]);
    const seen: object[] = [];
    await assert.rejects(listed(stream.rows(), seen), isFault("flight_cut_off", /\(request r-2\)$/));
    assert.deepEqual(seen, rowsFrom(0, 2));
    assert.equal(channel.calls.length, 1);
  });

  test("in the middle too by all() and collect(), which show nothing before the end", async () => {
    let restarts = 0;
    const onRestart = (): void => {
      restarts += 1;
    };
    const scripts = [failing(cutOff, messages(2, 2)), silentAfter(messages(1)), answer(2, 1)];
    for (const retry of [undefined, "before_rows", "always"] as const) {
      const query = { silenceMs: 20, onRestart, ...(retry && { retry }) };
      const table = await streamOf(scripts, query).stream.all();
      assert.equal(table.numRows, 3);
      const { stream } = streamOf(scripts, query);
      const rows = stream.rows();
      await rows.columns();
      assert.deepEqual(await rows.collect(), rowsFrom(0, 3));
      assert.equal((await stream.ended).rows, 3);
    }
    assert.equal(restarts, 0);
  });

  test("in the middle for who asked for that, and is told before the rows come again", async () => {
    const seen: unknown[] = [];
    const { stream, channel } = streamOf(
      [failing(unavailable), failing(cutOff, messages(2)), failing(cutOff), answer(2, 1)],
      { retry: "always", onRestart: () => seen.push("again") },
    );
    await listed<unknown>(stream.rows(), seen);
    assert.deepEqual(seen, [...rowsFrom(0, 2), "again", ...rowsFrom(0, 3)]);
    assert.equal(channel.calls.length, 4);
  });

  test("not when it may never be", async () => {
    const { stream, channel } = streamOf([failing(unavailable), answer(1)], { retry: "never" });
    await assert.rejects(stream.all(), isFault("flight_unavailable"));
    assert.equal(channel.calls.length, 1);
  });

  test("not after a fault that stays", async () => {
    const { stream, channel } = streamOf([failing(faultOf("flight_bad_query", "drop")), answer(1)]);
    await assert.rejects(stream.all(), isFault("flight_bad_query"));
    assert.equal(channel.calls.length, 1);
  });

  test("five times at most, and the last fault says how often", async () => {
    const { stream, channel } = streamOf([failing(unavailable)]);
    await assert.rejects(stream.reader(), isFault("flight_unavailable", /\(request r-2, 5 attempts\)$/));
    assert.deepEqual(
      channel.calls.map((call) => call.cancels),
      [1, 1, 1, 1, 1],
    );
  });

  test("a deadline that passes during the later attempts names the fault of the earlier ones", async () => {
    const { stream } = streamOf([failing(unavailable), silentAfter([])], { timeoutMs: 50 });
    await assert.rejects(stream.all(), (error) => {
      assert.ok(isFault("flight_timeout", /planning or connecting \(request r-2, 2 attempts\)$/)(error));
      return error instanceof Error && error.cause === unavailable;
    });
  });

  test("a deadline that the call sees in a later attempt is said of the whole read, with what the call saw behind it", async () => {
    const seen = faultOf("flight_timeout", "retry");
    const overdue: Script = async function* ({ options }) {
      await new Promise((resolve) => setTimeout(resolve, options.deadlineMs - performance.now()));
      yield* [];
      throw seen;
    };
    const { stream } = streamOf([failing(unavailable), overdue], { timeoutMs: 50 });
    await assert.rejects(stream.all(), (error) => {
      assert.ok(isFault("flight_timeout", /no answer within 0.05 s.*2 attempts/)(error));
      return error instanceof Error && error.cause === seen;
    });
  });

  test("after a wait, which an abort ends", async () => {
    const channel = new ScriptedChannel(failing(unavailable));
    const client = createFlightClient(config, { channel, random: () => 0.99 });
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const timersBefore = timers();
    const abort = new AbortController();
    const reason = new Error("enough");
    const asking = client.query({ text: "SELECT 1", signal: abort.signal }).all();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(channel.calls.length, 1);
    abort.abort(reason);
    await assert.rejects(asking, (error) => error === reason);
    assert.equal(timers(), timersBefore);
  });

  test("and its columns, where the reader knows them, are the same as before", async () => {
    const other: Script = () => messagesOf(new Schema([new Field("other", new Utf8(), true)]), []);
    const changed = streamOf([failing(cutOff, [schemaMessage]), other]);
    const reader = await changed.stream.reader();
    await assert.rejects(reader.next(), isFault("flight_schema_changed", /2 attempts/));
    assert.equal(changed.channel.calls.length, 2);
    assert.equal(changed.channel.calls[1]?.cancels, 1);

    const unseen = await streamOf([failing(cutOff, messages(1)), other]).stream.all();
    assert.deepEqual(
      unseen.schema.fields.map((field) => field.name),
      ["other"],
    );
  });

  test("what onRestart throws ends the stream", async () => {
    const planted = new Error("cannot forget");
    const { stream, channel } = streamOf([failing(cutOff, messages(2)), answer(2, 1)], {
      retry: "always",
      onRestart: () => {
        throw planted;
      },
    });
    await assert.rejects(listed(stream.chunks()), (error) => error === planted);
    assert.equal(channel.calls.length, 1);
  });
});
