/**
 * What every Flight server and our client have to do together, against the scenarios of flight-scenarios.ts: tested with
 * our own test server (test/integration) and with PyArrow's (test/interop). Those files make a test of each property, so
 * that reports name them and not this one.
 */
import assert from "node:assert/strict";
import type { RecordBatch, Table } from "apache-arrow";
import type { Row } from "../../src/influx/arrow/rows.ts";
import type { FlightStream } from "../../src/influx/flight/api.ts";
import { failing, leaving } from "./flight-contract-endings.ts";
import { countRow, countRows, dictionaryRows } from "./flight-scenarios.ts";
import { faultOf, propertiesOf, type Properties } from "./flight-stage.ts";
import { typeColumns } from "./flight-types.ts";

async function fromChunks(stream: FlightStream): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = [];
  for await (const { batch } of stream.chunks()) batches.push(batch);
  return batches;
}

async function fromReader(stream: FlightStream): Promise<RecordBatch[]> {
  const reader = await stream.reader();
  const batches: RecordBatch[] = [];
  for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) batches.push(batch);
  return batches;
}

/** As arrow-js reads it, not we; but times, which it rounds, from where they are stored. */
function rowsOfArrow(batches: readonly RecordBatch[]): Row[] {
  return batches.flatMap((batch) => {
    const times = batch.getChild("time")?.data[0]?.values as BigInt64Array;
    return Array.from({ length: batch.numRows }, (_, index): Row => {
      const cell = (name: string): never => batch.getChild(name)?.get(index) as never;
      return { time: times[index] ?? null, dev_eui: cell("dev_eui"), value: cell("value"), n: cell("n") };
    });
  });
}

const reading: Properties = {
  "each of the four ways gives the same rows, to the last digit": async (stage) => {
    const expected = countRows(0, 2500);
    const text = "count 2500";
    const table: Table = await stage.query(text).all();
    assert.deepEqual(rowsOfArrow(table.batches), expected);
    assert.deepEqual(await stage.query(text).rows().collect(), expected);
    assert.deepEqual(rowsOfArrow(await fromChunks(stage.query(text))), expected);
    assert.deepEqual(rowsOfArrow(await fromReader(stage.query(text))), expected);
  },

  "an answer without rows has its columns all the same": async (stage) => {
    const stream = stage.query("count 0");
    const rows = stream.rows();
    assert.deepEqual(
      (await rows.columns()).map((column) => [column.name, column.arrowType, column.influx?.kind]),
      [
        ["time", "Timestamp<NANOSECOND>", "timestamp"],
        ["dev_eui", "Utf8", "tag"],
        ["value", "Float64", "field"],
        ["n", "Int64", undefined],
      ],
    );
    assert.deepEqual(await rows.collect(), []);
    const table = await stage.query("count 0").all();
    assert.deepEqual([table.numRows, table.schema.fields.length], [0, 4]);
    assert.equal((await stream.ended).rows, 0);
  },

  "hundreds of thousands of rows come whole and in their order": async (stage) => {
    const total = 300_000;
    const stream = stage.query(`count ${total}`);
    let seen = 0;
    for await (const batch of stream.rows().batches()) {
      assert.deepEqual(batch[0], countRow(seen));
      seen += batch.length;
      assert.deepEqual(batch.at(-1), countRow(seen - 1));
    }
    assert.equal(seen, total);
    assert.equal((await stream.ended).rows, total);
  },

  "empty batches are counted and not shown": async (stage) => {
    const stream = stage.query("keep_alives");
    assert.deepEqual(
      (await fromChunks(stream)).map((batch) => batch.numRows),
      [3],
    );
    const { rows, batches, keepAlives } = await stream.ended;
    assert.deepEqual({ rows, batches, keepAlives }, { rows: 3, batches: 1, keepAlives: 2 });
  },

  "a chunk has what the server sent beside its batch": async (stage) => {
    const seen: string[] = [];
    for await (const { appMetadata } of stage.query("metadata").chunks()) {
      seen.push(Buffer.from(appMetadata).toString());
    }
    assert.deepEqual(seen, ["batch 0", "batch 1"]);
  },

  "the token, the request's name and the caller's metadata reach the server": async (stage) => {
    const stream = stage.query("headers", { requestId: "r-1", metadata: { "x-own": "mine" } });
    assert.deepEqual(await stream.rows().collect(), [
      { name: "authorization", value: "Bearer apiv3_s3cret" },
      { name: "x-request-id", value: "r-1" },
      { name: "x-own", value: "mine" },
    ]);
  },
};

const types: Properties = {
  "every Arrow type is read for what it is": async (stage) => {
    const rows = await stage.query("types").rows().collect();
    assert.deepEqual(
      Object.keys(rows[0] ?? {}),
      typeColumns.map(({ name }) => name),
    );
    for (const { name, expected } of typeColumns) {
      assert.deepEqual(
        rows.map((row) => row[name]),
        expected,
        name,
      );
    }
  },

  ...propertiesOf(["run_end_encoded", "list_view"], (type) => [
    `a type that cannot be read is refused, and named: ${type}`,
    async (stage) => {
      const fault = await faultOf(stage.query(`unsupported ${type}`).rows().collect());
      assert.equal(fault.code, "flight_unsupported_type", fault.message);
    },
  ]),

  ...propertiesOf(Object.entries(dictionaryRows), ([how, tags]) => [
    `texts out of dictionaries are what they were when their batch came: ${how}`,
    async (stage) => {
      const expected = tags.map((tag) => ({ tag }));
      assert.deepEqual(await stage.query(`dictionary ${how}`).rows().collect(), expected);
      const table = await stage.query(`dictionary ${how}`).all();
      assert.deepEqual(Array.from(table.getChild("tag") ?? []), tags);
    },
  ]),

  ...propertiesOf(["lz4", "zstd"], (codec) => [
    `bodies that are compressed give the same rows: ${codec}`,
    async (stage) => {
      assert.deepEqual(await stage.query(`compressed ${codec}`).rows().collect(), countRows(0, 2500));
    },
  ]),
};

export const flightContract: Properties = { ...reading, ...types, ...leaving, ...failing };
