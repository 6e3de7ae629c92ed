/**
 * Every Arrow type × each way to read an answer × values and nulls, several batches, nothing but a schema, an empty
 * batch, on a real connection: each value is the one written down in arrow-samples.ts, to the nanosecond. Then long
 * answers of some types, whose sums are known by formula, in little memory.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Decimal, Float64, TimestampNanosecond, Utf8, type Data, type RecordBatch } from "apache-arrow";
import type { IpcMessage } from "../../src/influx/arrow/decoder.ts";
import { rowsOf, type Row, type Value } from "../../src/influx/arrow/rows.ts";
import type { FlightClient, FlightStream } from "../../src/influx/flight/api.ts";
import { createFlightClient } from "../../src/influx/flight/client.ts";
import { batchOf, bytesData, fixedData } from "../support/arrow-data.ts";
import { messagesOf } from "../support/arrow-messages.ts";
import { nameOf, type ArrowSample } from "../support/arrow-sample.ts";
import { arrowSamples } from "../support/arrow-samples.ts";
import { startFlightServer, type FlightServer, type Reply } from "../support/flight-server.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

type Answer = (reply: Reply) => Promise<void>;

/** By the text of the query. */
const answers = new Map<string, Answer>();
let server: FlightServer;
let client: FlightClient;

before(async () => {
  server = await startFlightServer({
    doGet: async (ticket, reply) => {
      const { sql_query: query } = JSON.parse(Buffer.from(ticket).toString()) as { sql_query: string };
      await answers.get(query)?.(reply);
    },
  });
  client = createFlightClient({
    url: server.url,
    database: "farm",
    tls: { verify: true },
    timeoutMs: 30_000,
  });
});

after(async () => {
  client.close();
  await server.stop();
  assert.deepEqual(server.errors, []);
});

/** Called after each batch, or piece of rows. */
type Look = () => void;
type Take = (rows: readonly Row[]) => void;
type Way = (stream: FlightStream, take: Take, look: Look) => Promise<void>;

/** Each of them in nanoseconds; `rows()` is read in ISO too. */
const ways: Readonly<Record<string, Way>> = {
  "all()": async (stream, take) => {
    const table = await stream.all();
    for (const batch of table.batches) take(rowsOf(table.schema)(batch));
  },
  "rows()": async (stream, take, look) => {
    let count = 0;
    for await (const row of stream.rows()) {
      take([row]);
      count += 1;
      if (count % rowsOfBatch === 0) look();
    }
  },
  "chunks()": async (stream, take, look) => {
    let read: ((batch: RecordBatch) => Row[]) | undefined;
    for await (const { batch } of stream.chunks()) {
      read ??= rowsOf(batch.schema);
      take(read(batch));
      look();
    }
  },
  "reader()": async (stream, take, look) => {
    const reader = await stream.reader();
    assert.equal(reader.columns.length, reader.schema.fields.length);
    const read = rowsOf(reader.schema);
    for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
      take(read(batch));
      look();
    }
  },
};

async function valuesBy(way: Way, stream: FlightStream): Promise<unknown[]> {
  const values: unknown[] = [];
  await way(
    stream,
    (rows) => values.push(...rows.map((row) => row["x"])),
    () => {},
  );
  return values;
}

interface Shape {
  readonly name: string;
  readonly messages: readonly IpcMessage[];
  /** How often the sample's values come. */
  readonly times: number;
}

function shapesOf({ data }: ArrowSample): Shape[] {
  const batch = batchOf([["x", data]]);
  return [
    { name: "values and nulls", messages: messagesOf([batch]), times: 1 },
    { name: "several batches", messages: messagesOf([batch, batch, batch]), times: 3 },
    { name: "nothing but the schema", messages: messagesOf([batch]).slice(0, 1), times: 0 },
    { name: "an empty batch", messages: messagesOf([batch.slice(0, 0)]), times: 0 },
  ];
}

/** Where arrow-js's own getters give what a row has: no rounding, no other unit. */
const getsRight = /^(?:Null|Bool|U?int\d+|Float(?:32|64)|(?:Large)?(?:Utf8|Binary)|Utf8View|BinaryView)$/i;

for (const sample of arrowSamples) {
  test(`a column of ${sample.name} is right in each way`, async () => {
    for (const { name, messages, times } of shapesOf(sample)) {
      const query = `${sample.name}: ${name}`;
      answers.set(query, async (reply) => {
        for (const message of messages) await reply.send(message);
      });
      const repeated = (values: readonly Value[]): Value[] =>
        Array.from({ length: times }, () => values).flat();
      for (const [way, read] of Object.entries(ways)) {
        const stream = client.query({ text: query });
        assert.deepEqual(await valuesBy(read, stream), repeated(sample.expected), `${name}, ${way}`);
        const end = await stream.ended;
        assert.equal(end.rows, times * sample.expected.length);
        assert.equal(end.batches, times);
      }
      const iso = await client.query({ text: query }).rows({ times: "iso" }).collect();
      assert.deepEqual(
        iso.map((row) => row["x"]),
        repeated(sample.expectedIso),
        `${name}, ISO`,
      );
      const table = await client.query({ text: query }).all();
      assert.equal(table.numRows, times * sample.expected.length);
      assert.equal(nameOf(table.schema.fields[0]?.type ?? {}), nameOf(sample.type));
      if (!getsRight.test(sample.name)) continue;
      assert.deepEqual([...(table.getChild("x") ?? [])], repeated(sample.expected), `${name}, getters`);
    }
  });
}

const rowsOfBatch = 2000;
const batchCount = 100;
const rowCount = rowsOfBatch * batchCount;
/** After a collection, beyond what there was before. All rows together would take 12 MiB or more. */
const mostGrowthBytes = 8 * 1024 * 1024;
const startNs = 1_795_334_400_123_456_789n;
const stepNs = 1_000_000_007n;

interface Long {
  readonly name: string;
  /** Of rows `from` to `to`; every tenth is null. */
  readonly data: (rows: readonly (number | null)[]) => Data;
  /** From the value of a row to what is added up, and the sum of that for row numbers that sum up to `of`. */
  readonly add: (value: Value) => bigint;
  readonly sum: (count: bigint, of: bigint) => bigint;
}

const pad = "·".repeat(50);
const longs: readonly Long[] = [
  {
    name: "Timestamp<NANOSECOND>",
    data: (rows) =>
      fixedData(
        new TimestampNanosecond(),
        rows.map((row) => (row === null ? null : startNs + BigInt(row) * stepNs)),
      ),
    add: (value) => value as bigint,
    sum: (count, of) => count * startNs + of * stepNs,
  },
  {
    name: "Float64",
    data: (rows) =>
      fixedData(
        new Float64(),
        rows.map((row) => (row === null ? null : row / 4)),
      ),
    add: (value) => BigInt((value as number) * 4),
    sum: (_, of) => of,
  },
  {
    name: "Decimal128",
    data: (rows) =>
      fixedData(
        new Decimal(2, 12, 128),
        rows.map((row) => (row === null ? null : [row, 0, 0, 0])),
      ),
    add: (value) => BigInt((value as string).replace(".", "")),
    sum: (_, of) => of,
  },
  {
    name: "Utf8",
    data: (rows) =>
      bytesData(
        new Utf8(),
        rows.map((row) => (row === null ? null : `${row}${pad}`)),
      ),
    add: (value) => {
      const [number, ...rest] = (value as string).split("·");
      assert.equal(rest.length, pad.length);
      return BigInt(number ?? "");
    },
    sum: (_, of) => of,
  },
];

async function sendLong(reply: Reply, { data }: Long): Promise<void> {
  for (let batch = 0; batch < batchCount; batch += 1) {
    const rows = Array.from({ length: rowsOfBatch }, (_, index) => {
      const row = batch * rowsOfBatch + index;
      return row % 10 === 9 ? null : row;
    });
    const [schema, ofRows] = messagesOf([batchOf([["x", data(rows)]])]);
    if (batch === 0 && schema !== undefined) await reply.send(schema);
    if (ofRows !== undefined) await reply.send(ofRows);
  }
}

/** Of the rows that are not null. */
const valueCount = BigInt(rowCount - rowCount / 10);
const tenths = BigInt(rowCount / 10);
const rowNumbers =
  (BigInt(rowCount) * BigInt(rowCount - 1)) / 2n - (10n * tenths * (tenths - 1n)) / 2n - 9n * tenths;

function usedBytes(): number {
  // Buffers are freed in the background, and the next collection waits for that.
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe(`${rowCount} rows`, () => {
  for (const long of longs) {
    for (const [way, read] of Object.entries(ways)) {
      test(`of ${long.name} by ${way} have the sum that they should${way === "all()" ? "" : ", in little memory"}`, async () => {
        answers.set(long.name, async (reply) => await sendLong(reply, long));
        const atFirst = usedBytes();
        let [rows, nulls, sum, looks, most] = [0, 0, 0n, 0, 0];
        const take: Take = (taken) => {
          for (const { x = null } of taken) {
            rows += 1;
            if (x === null) nulls += 1;
            else sum += long.add(x);
          }
        };
        await read(client.query({ text: long.name }), take, () => {
          looks += 1;
          if (looks % 25 === 0) most = Math.max(most, usedBytes() - atFirst);
        });
        assert.equal(rows, rowCount);
        assert.equal(nulls, rowCount / 10);
        assert.equal(sum, long.sum(valueCount, rowNumbers));
        assert.equal(looks, way === "all()" ? 0 : batchCount);
        assert.ok(most < mostGrowthBytes, `${most} bytes`);
      });
    }
  }
});
