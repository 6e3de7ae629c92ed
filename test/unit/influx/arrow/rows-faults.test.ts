import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Data,
  DataType,
  Decimal,
  Field,
  Int32,
  LargeUtf8,
  List,
  Schema,
  TimeMillisecond,
  TimeNanosecond,
  Type,
} from "apache-arrow";
import { constants } from "node:buffer";
import { rowsOf } from "../../../../src/influx/arrow/rows.ts";
import { BugError } from "../../../../src/lib/fault.ts";
import { batchOf, fixedData } from "../../../support/arrow-data.ts";

class RunEndEncoded extends DataType {
  constructor() {
    super(Type.NONE);
  }
}

describe("a column that cannot be read is named in a fault", () => {
  const unsupported: [what: string, type: DataType][] = [
    ["a type that is not known here", new RunEndEncoded()],
    ["a list of them", new List(new Field("item", new RunEndEncoded()))],
    ["a decimal with a scale of a million", new Decimal(1_000_000, 38)],
    ["a decimal with a scale of minus a million", new Decimal(-1_000_000, 38)],
  ];
  for (const [what, type] of unsupported) {
    test(`${what}, before the first batch`, () => {
      assert.throws(() => rowsOf(new Schema([new Field("x\u009bx", type)])), {
        name: "Fault",
        code: "flight_unsupported_type",
        disposition: "drop",
        message: /column "x x"/,
      });
    });
  }

  const times: [what: string, data: Data][] = [
    ["24:00", fixedData(new TimeMillisecond(), [86_400_000])],
    ["before midnight", fixedData(new TimeNanosecond(), [-1n])],
  ];
  for (const [what, data] of times) {
    test(`a time of day that is ${what}`, () => {
      const batch = batchOf([["at", data]]);
      assert.throws(() => rowsOf(batch.schema)(batch), {
        name: "Fault",
        code: "flight_bad_stream",
        message: /column "at" .*time of day/,
      });
    });
  }

  test("a text that is longer than a string can be", () => {
    const length = constants.MAX_STRING_LENGTH + 1;
    const offsets = BigInt64Array.of(0n, BigInt(length));
    const data = new Data(new LargeUtf8(), 0, 1, 0, [offsets, new Uint8Array(length), new Uint8Array(0)]);
    const batch = batchOf([["x", data]]);
    assert.throws(() => rowsOf(batch.schema)(batch), {
      name: "Fault",
      code: "flight_result_too_big",
      message: /column "x"/,
    });
  });
});

test("a batch of another schema is a bug of ours", () => {
  const read = rowsOf(new Schema([new Field("x", new Int32())]));
  assert.throws(() => read(batchOf([])), BugError);
  assert.throws(() => read(batchOf([["x", fixedData(new TimeNanosecond(), [1n])]])), BugError);
});
