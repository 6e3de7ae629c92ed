/** Columns become Arrow as InfluxDB sends it; Arrow's own reader is the judge. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { create } from "@bufbuild/protobuf";
import { Message, MessageHeader } from "apache-arrow";

import { FlightDataSchema } from "../../../src/proto/flight/flight_pb.js";
import type { FlightData } from "../../../src/proto/flight/flight_pb.js";
import { BatchEncoder } from "../../../src/sandbox/influxdb/flight/encoder.ts";
import type { IpcMessage } from "../../../src/sandbox/influxdb/flight/encoder.ts";
import type { SqlBatch, StreamColumn } from "../../../src/sandbox/influxdb/sql-stream.ts";
import { rowsIn, tableOf } from "./flight-fixture.ts";

const columns: readonly StreamColumn[] = [
  { name: "time", type: "timestamp", influx: "timestamp" },
  { name: "dev", type: "utf8", influx: "tag" },
  { name: "rssi", type: "int64", influx: "field::integer" },
  { name: "big", type: "uint64", influx: "field::uinteger" },
  { name: "snr", type: "float64", influx: "field::float" },
  { name: "on", type: "boolean", influx: "field::boolean" },
  { name: "computed", type: "utf8", influx: undefined },
];

const batch: SqlBatch = {
  rowCount: 3,
  columns: [
    [1_700_000_000_000_000_001n, -1n, 0n],
    ["a", null, "a"],
    [-(2n ** 63n), 2n ** 63n - 1n, null],
    [2n ** 64n - 1n, null, 0n],
    [Number.NaN, -0, null],
    [true, false, null],
    ["", "ü🌱\0", null],
  ],
};

function flightData({ header, body }: IpcMessage): FlightData {
  return create(FlightDataSchema, { dataHeader: header, dataBody: body });
}

function encoded(encoder: BatchEncoder, ...batches: readonly SqlBatch[]): FlightData[] {
  const messages = batches.flatMap((each) => [...encoder.encode(each)].flat());
  return [encoder.schemaMessage(), ...messages].map(flightData);
}

/** What `rowsIn` shows: Arrow gives undefined for no value of a time. */
const rows = [
  {
    time: 1_700_000_000_000_000_001n,
    dev: "a",
    rssi: -(2n ** 63n),
    big: 2n ** 64n - 1n,
    snr: Number.NaN,
    on: true,
    computed: "",
  },
  { time: -1n, dev: null, rssi: 2n ** 63n - 1n, big: null, snr: -0, on: false, computed: "ü🌱\0" },
  { time: 0n, dev: "a", rssi: null, big: 0n, snr: null, on: null, computed: null },
];

test("every type, its edges and its nulls", () => {
  const messages = encoded(new BatchEncoder(columns, { dictionaries: false }), batch);
  assert.deepEqual(rowsIn(messages), rows);
});

test("the schema has InfluxDB's types and marks", () => {
  const { schema } = tableOf(encoded(new BatchEncoder(columns, { dictionaries: false })));
  const key = "iox::column::type";
  assert.deepEqual(
    schema.fields.map(({ type, nullable, metadata }) => `${String(type)} ${nullable} ${metadata.get(key)}`),
    [
      "Timestamp<NANOSECOND> false iox::column_type::timestamp",
      "Utf8 true iox::column_type::tag",
      "Int64 true iox::column_type::field::integer",
      "Uint64 true iox::column_type::field::uinteger",
      "Float64 true iox::column_type::field::float",
      "Bool true iox::column_type::field::boolean",
      "Utf8 true undefined",
    ],
  );
});

test("the metadata of the schema stands in it", () => {
  const metadata = new Map([["iox::measurement::name", "uplink"]]);
  const { schema } = tableOf(encoded(new BatchEncoder(columns, { dictionaries: false, metadata })));
  assert.deepEqual(schema.metadata, metadata);
});

test("the body is as long as its header says, and begins where nothing else does", () => {
  for (const dictionaries of [false, true]) {
    const encoder = new BatchEncoder(columns, { dictionaries });
    for (const { dataHeader, dataBody } of encoded(encoder, batch)) {
      assert.equal(Message.decode(dataHeader).bodyLength, dataBody.length);
    }
  }
});

describe("dictionaries", () => {
  const encoder = new BatchEncoder(columns, { dictionaries: true });

  test("are for tags only, and replaced with every batch", () => {
    const other = { ...batch, columns: batch.columns.with(1, ["z", "y", "x"]) };
    const messages = encoded(encoder, batch, other);
    const { Schema, DictionaryBatch, RecordBatch } = MessageHeader;
    assert.deepEqual(
      messages.map(({ dataHeader }) => Message.decode(dataHeader).headerType),
      [Schema, DictionaryBatch, RecordBatch, DictionaryBatch, RecordBatch],
    );
    const { schema } = tableOf(messages);
    assert.deepEqual(String(schema.fields[1]?.type), "Dictionary<Int32, Utf8>");
    assert.equal(schema.fields[6]?.type.toString(), "Utf8");
    const tags = rowsIn(messages).map(({ dev }) => dev);
    assert.deepEqual(tags, ["a", null, "a", "z", "y", "x"]);
  });

  test("are known to be there, only where a column is a tag", () => {
    assert.equal(encoder.hasDictionaries, true);
    assert.equal(new BatchEncoder(columns.slice(2), { dictionaries: true }).hasDictionaries, false);
    assert.equal(new BatchEncoder(columns, { dictionaries: false }).hasDictionaries, false);
  });
});

test("a keep-alive is a batch without rows", () => {
  const encoder = new BatchEncoder(columns, { dictionaries: false });
  const messages = [encoder.schemaMessage(), ...encoder.keepAlive()].map(flightData);
  assert.deepEqual(
    tableOf(messages).batches.map((each) => each.numRows),
    [0],
  );
});

describe("batches are cut", () => {
  const texts = (rowCount: number, bytes: number): SqlBatch => ({
    rowCount,
    columns: [Array.from({ length: rowCount }, (_, n) => String(n).padEnd(bytes, "."))],
  });
  const encoder = new BatchEncoder([{ name: "t", type: "utf8", influx: undefined }], { dictionaries: false });
  const sizes = (given: SqlBatch): (readonly [rows: number, bytes: number])[] => {
    const messages = encoded(encoder, given);
    const { batches, numRows } = tableOf(messages);
    assert.equal(numRows, given.rowCount);
    const values = rowsIn(messages).map(({ t }) => t);
    assert.deepEqual(values, given.columns[0]);
    return batches.map((each, at) => [each.numRows, messages[at + 1]?.dataBody.length ?? 0] as const);
  };

  test("at 8192 rows", () => {
    assert.deepEqual(
      sizes(texts(20_000, 5)).map(([rowCount]) => rowCount),
      [8192, 8192, 3616],
    );
  });

  test("near 2 MiB, into equal parts", () => {
    const parts = sizes(texts(8000, 1000));
    assert.equal(parts.length, 4);
    for (const [, bytes] of parts) assert.ok(bytes > 1.5 * 2 ** 20 && bytes <= 2 * 2 ** 20, String(bytes));
  });

  test("not within a row", () => {
    assert.deepEqual(
      sizes(texts(2, 3 * 2 ** 20)).map(([rowCount]) => rowCount),
      [1, 1],
    );
  });
});
