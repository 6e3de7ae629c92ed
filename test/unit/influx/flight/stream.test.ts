import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { BugError } from "../../../../src/lib/fault.ts";
import type { FlightStream } from "../../../../src/influx/flight/api.ts";
import {
  answer,
  batchMessage,
  clientOn,
  keepAlive,
  messageOf,
  messages,
  rowsFrom,
  schema,
  schemaMessage,
  ScriptedChannel,
  timers,
  type Script,
} from "./fixture.ts";

let timersBefore = 0;
beforeEach(() => {
  timersBefore = timers();
});
afterEach(() => assert.equal(timers(), timersBefore));

function streamOf(script: Script): { stream: FlightStream; channel: ScriptedChannel } {
  const channel = new ScriptedChannel(script);
  return { stream: clientOn(channel).query({ text: "SELECT 1" }), channel };
}

async function listed<T>(things: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const thing of things) list.push(thing);
  return list;
}

const fieldNames = schema.fields.map((field) => field.name);

describe("the four ways", () => {
  test("give the same rows", async () => {
    const script = answer(3, 0, 1, 0, 4);
    const expected = rowsFrom(0, 8);
    const read = (): FlightStream => streamOf(script).stream;

    assert.deepEqual(await listed(read().rows()), expected);
    assert.deepEqual(await read().rows().collect(), expected);
    const batches = await listed(read().rows().batches());
    assert.deepEqual(
      batches.map((rows) => rows.length),
      [3, 1, 4],
    );
    assert.deepEqual(batches.flat(), expected);

    const count = (of: { getChild(name: string): { toArray(): unknown } | null }): unknown =>
      of.getChild("count")?.toArray();
    const table = await read().all();
    assert.equal(table.numRows, 8);
    assert.deepEqual(count(table), BigInt64Array.from([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]));

    const chunks = await listed(read().chunks());
    const reader = await read().reader();
    const pulled = [await reader.next(), await reader.next(), await reader.next()];
    assert.equal(await reader.next(), undefined);
    for (const [n, chunk] of chunks.entries()) {
      assert.deepEqual(
        count(chunk.batch),
        batches[n]?.map((row) => row["count"]).reduce(toArray, new BigInt64Array(0)),
      );
      assert.deepEqual(pulled[n] && count(pulled[n]), count(chunk.batch));
    }
    assert.equal(chunks.length, 3);
  });

  test("reader() and columns() know the columns, and what InfluxDB says of them, before the first batch is asked for", async () => {
    const { stream, channel } = streamOf(answer(2));
    const reader = await stream.reader();
    assert.deepEqual(
      reader.schema.fields.map((field) => field.name),
      fieldNames,
    );
    assert.deepEqual(reader.columns, [
      { name: "time", arrowType: "Timestamp<NANOSECOND>", nullable: false, influx: { kind: "timestamp" } },
      { name: "value", arrowType: "Float64", nullable: true, influx: { kind: "field", type: "float" } },
      { name: "count", arrowType: "Int64", nullable: true, influx: { kind: "field", type: "integer" } },
    ]);
    assert.equal(channel.calls[0]?.pulls, 1);
    reader.cancel();

    const rows = streamOf(answer(2)).stream.rows();
    assert.deepEqual(await rows.columns(), reader.columns);
    assert.deepEqual(await rows.collect(), rowsFrom(0, 2));
    assert.deepEqual(await rows.columns(), reader.columns);
  });

  test("chunks() gives each batch with the metadata of its message", async () => {
    const { stream } = streamOf(() => [
      schemaMessage,
      { ...batchMessage(1), appMetadata: Buffer.from("first") },
      { ...batchMessage(2, 1), appMetadata: Buffer.from("second") },
    ]);
    const chunks = await listed(stream.chunks());
    assert.deepEqual(
      chunks.map(({ batch, appMetadata }) => [batch.numRows, Buffer.from(appMetadata).toString()]),
      [
        [1, "first"],
        [2, "second"],
      ],
    );
  });

  test("rows() writes times as asked", async () => {
    const [row] = await streamOf(answer(1)).stream.rows({ times: "iso" }).collect();
    assert.equal(row?.["time"], "2023-11-14T22:13:20.123456789Z");
  });
});

describe("an empty answer", () => {
  for (const [what, script] of [
    ["a schema alone", answer()],
    ["a schema and an empty batch", answer(0)],
  ] as const) {
    test(`of ${what} has a schema and no rows`, async () => {
      const table = await streamOf(script).stream.all();
      assert.equal(table.numRows, 0);
      assert.deepEqual(
        table.schema.fields.map((field) => field.name),
        fieldNames,
      );
      assert.equal(table.getChild("value")?.length, 0);
      assert.deepEqual(await streamOf(script).stream.rows().collect(), []);
      assert.deepEqual(await listed(streamOf(script).stream.rows().batches()), []);
      assert.deepEqual(await listed(streamOf(script).stream.chunks()), []);
      const reader = await streamOf(script).stream.reader();
      assert.equal(reader.columns.length, 3);
      assert.equal(await reader.next(), undefined);
    });
  }
});

describe("a stream", () => {
  test("sends nothing before the first pull", async () => {
    const channel = new ScriptedChannel(answer(1));
    const query = (): FlightStream => clientOn(channel).query({ text: "SELECT 1" });
    query();
    query().chunks()[Symbol.asyncIterator]();
    query().rows().batches()[Symbol.asyncIterator]();
    const iterator = query().rows()[Symbol.asyncIterator]();
    await new Promise(setImmediate);
    assert.equal(channel.calls.length, 0);
    await iterator.next();
    assert.equal(channel.calls.length, 1);
    await iterator.return?.();
  });

  test("is read once, in one way", async () => {
    const { stream, channel } = streamOf(answer(1));
    const rows = stream.rows();
    assert.throws(() => stream.rows(), BugError);
    assert.throws(() => stream.chunks(), BugError);
    await assert.rejects(stream.all(), BugError);
    await assert.rejects(stream.reader(), BugError);
    const batches = rows.batches();
    batches[Symbol.asyncIterator]();
    assert.throws(() => batches[Symbol.asyncIterator](), BugError);
    assert.throws(() => rows[Symbol.asyncIterator](), BugError);
    await assert.rejects(rows.collect(), /read once/);
    assert.equal(channel.calls.length, 0);
  });

  test("says how it ended after the last row was handed out, and not before", async () => {
    const { stream, channel } = streamOf(function* (call) {
      yield* messages(2, 0, 0, 1);
      call.trailers["x-influxdata-partitions"] = "7";
    });
    let hasEnded = false;
    async function watch(): Promise<void> {
      await stream.ended;
      hasEnded = true;
    }
    void watch();
    const iterator = stream.rows()[Symbol.asyncIterator]();
    for (let n = 0; n < 3; n += 1) {
      assert.equal((await iterator.next()).done, false);
      await new Promise(setImmediate);
      assert.equal(hasEnded, false);
    }
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    const { elapsedMs, trailers, ...end } = await stream.ended;
    const bytes = messages(2, 0, 0, 1).reduce((sum, message) => sum + message.bytes, 0);
    assert.deepEqual(end, { rows: 3, batches: 2, keepAlives: 2, bytes, attempts: 1 });
    assert.ok(elapsedMs > 0 && elapsedMs < 5000);
    assert.deepEqual(trailers, { "x-influxdata-partitions": "7" });
    assert.notEqual(trailers, channel.calls[0]?.trailers);
    assert.equal(channel.cancels, 0);
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  });

  test("that is over says so again and again, and cancelling it is harmless", async () => {
    const { stream, channel } = streamOf(answer(1));
    const reader = await stream.reader();
    await reader.next();
    assert.equal(await reader.next(), undefined);
    reader.cancel();
    assert.equal(await reader.next(), undefined);
    assert.deepEqual([channel.cancels, channel.calls[0]?.pulls], [0, 3]);
  });

  test("holds the server back: it asks for a message only when its reader asks for one", async () => {
    const endless: Script = function* () {
      yield schemaMessage;
      for (;;) yield batchMessage(10);
    };
    const { stream, channel } = streamOf(endless);
    const reader = await stream.reader();
    for (let n = 1; n <= 5; n += 1) {
      await reader.next();
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(channel.calls[0]?.pulls, n + 1);
    }
    reader.cancel();

    const rows = streamOf(endless);
    const iterator = rows.stream.rows()[Symbol.asyncIterator]();
    for (let n = 0; n < 10; n += 1) await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(rows.channel.calls[0]?.pulls, 2);
    await iterator.return?.();
  });

  test("serves pulls that overlap in their order", async () => {
    const slowly: Script = async function* () {
      for (const message of messages(2, 1, 3)) {
        await new Promise(setImmediate);
        yield message;
      }
    };
    const iterator = streamOf(slowly).stream.rows()[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 8 }, async () => await iterator.next()));
    assert.deepEqual(
      results.flatMap((result) => (result.done === true ? [] : [result.value])),
      rowsFrom(0, 6),
    );
    assert.deepEqual(
      results.map((result) => result.done),
      [false, false, false, false, false, false, true, true],
    );

    const late = streamOf(answer(5)).stream.rows()[Symbol.asyncIterator]();
    const early = [late.next(), late.next(), late.next(), late.next()];
    await early[0];
    const last = await Promise.all([...early, late.next()]);
    assert.deepEqual(
      last.map((result) => result.value),
      rowsFrom(0, 5),
    );
    await late.return?.();

    const reader = await streamOf(slowly).stream.reader();
    const pulled = await Promise.all(Array.from({ length: 4 }, async () => await reader.next()));
    assert.deepEqual(
      pulled.map((batch) => batch?.numRows),
      [2, 1, 3, undefined],
    );
  });

  test("takes messages of nothing but metadata, and a schema that comes again, for signs of life", async () => {
    const onlyMetadata = messageOf({ appMetadata: Buffer.from("hello") });
    const { stream } = streamOf(() => [
      onlyMetadata,
      schemaMessage,
      onlyMetadata,
      batchMessage(1),
      schemaMessage,
      keepAlive,
      batchMessage(1, 1),
    ]);
    assert.deepEqual(await stream.rows().collect(), rowsFrom(0, 2));
    assert.equal((await stream.ended).keepAlives, 1);
  });
});

function toArray(array: BigInt64Array<ArrayBuffer>, value: unknown): BigInt64Array<ArrayBuffer> {
  return BigInt64Array.from([...array, value as bigint]);
}
