import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Bool,
  type DataType,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int32,
  Int64,
  LargeUtf8,
  Schema,
  TimestampNanosecond,
  TimestampSecond,
  Uint64,
  Utf8,
  Utf8View,
} from "apache-arrow";
import { columnsOf } from "../../../../src/influx/arrow/columns.ts";
import type { Column, InfluxColumn } from "../../../../src/influx/flight/api.ts";

function column(type: DataType, said?: string, nullable = true): Column {
  const metadata = new Map(said === undefined ? [] : [["iox::column::type", said]]);
  const [first] = columnsOf(new Schema([new Field("temp\n", type, nullable, metadata)]));
  assert.ok(first !== undefined);
  return first;
}

const texts: DataType[] = [
  new Utf8(),
  new LargeUtf8(),
  new Utf8View(),
  new Dictionary(new Utf8(), new Int32(), 1),
  new Dictionary(new LargeUtf8(), new Int32(), 2),
];
const times = [new TimestampNanosecond(), new TimestampNanosecond("UTC"), new TimestampSecond()];
const others = [new Float32(), new Int32(), new Dictionary(new Int64(), new Int32(), 3)];

const elements: [said: string, influx: InfluxColumn, types: readonly DataType[]][] = [
  ["iox::column_type::timestamp", { kind: "timestamp" }, times],
  ["iox::column_type::tag", { kind: "tag" }, texts],
  ["iox::column_type::field::float", { kind: "field", type: "float" }, [new Float64()]],
  ["iox::column_type::field::integer", { kind: "field", type: "integer" }, [new Int64()]],
  ["iox::column_type::field::uinteger", { kind: "field", type: "uinteger" }, [new Uint64()]],
  ["iox::column_type::field::string", { kind: "field", type: "string" }, texts],
  ["iox::column_type::field::boolean", { kind: "field", type: "boolean" }, [new Bool()]],
];
const everyType = new Set([...others, ...elements.flatMap(([, , types]) => types)]);

describe("what InfluxDB says of a column", () => {
  for (const [said, influx, types] of elements) {
    test(`${said} is taken over for the Arrow types that it has`, () => {
      for (const type of types) assert.deepEqual(column(type, said).influx, influx);
    });

    test(`${said} on any other Arrow type says nothing: it is a column that was cast`, () => {
      const wrong = [...everyType].filter((type) => !types.includes(type));
      assert.ok(wrong.length > 5);
      for (const type of wrong) assert.equal(column(type, said).influx, undefined, `${type.typeId}`);
    });
  }

  test("is undefined when it says nothing, or something that is not known yet", () => {
    const unknown = [undefined, "", "iox::column_type::field::decimal", "tag", "constructor"];
    for (const said of unknown) assert.equal(column(new Float64(), said).influx, undefined);
  });
});

test("a column has its Arrow type in words, and whether it may be null", () => {
  const printed: [type: DataType, text: string][] = [
    [new TimestampNanosecond(), "Timestamp<NANOSECOND>"],
    [new TimestampNanosecond("UTC"), "Timestamp<NANOSECOND, UTC>"],
    [new Float64(), "Float64"],
    [new Uint64(), "Uint64"],
    [new Utf8(), "Utf8"],
    [new Dictionary(new Utf8(), new Int32(), 4), "Dictionary<Int32, Utf8>"],
  ];
  for (const [type, arrowType] of printed) {
    for (const nullable of [true, false]) {
      assert.deepEqual(column(type, undefined, nullable), {
        name: "temp\n",
        arrowType,
        nullable,
        influx: undefined,
      });
    }
  }
});
