import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import type { ReceivedAnswer } from "../../../src/influx/exchange.ts";
import {
  classifyFlightSchema,
  classifyNotFound,
  classifySchema,
  columnType,
  schemaQuestion,
} from "../../../src/influx/schema-answer.ts";
import { type Disposition, Fault } from "../../../src/lib/fault.ts";
import type { ColumnType } from "../../../src/telemetry/column-types.ts";

function answer(status: number, body = "", more: Partial<ReceivedAnswer> = {}): ReceivedAnswer {
  return { status, body, retryAfter: undefined, location: undefined, isWhole: true, ...more };
}

describe("a type as DataFusion prints it", () => {
  const types: [printed: string, type: ColumnType][] = [
    ["Dictionary(Int32, Utf8)", "tag"],
    ["Dictionary(Int32,Utf8)", "tag"],
    ["Dictionary( Int32 , Utf8 )", "tag"],
    ["Dictionary(UInt16, LargeUtf8)", "tag"],
    ["Dictionary(Int32, Utf8View)", "tag"],
    ["Utf8", "string"],
    ["Utf8View", "string"],
    ["LargeUtf8", "string"],
    ["Float64", "float"],
    ["Int64", "integer"],
    ["UInt64", "unsigned"],
    ["Boolean", "boolean"],
    [" Boolean ", "boolean"],
    ["Timestamp(Nanosecond, None)", "time"],
    ["Timestamp(Nanosecond,None)", "time"],
    ['Timestamp(Nanosecond, Some("UTC"))', "time"],
    ["Timestamp(ns)", "time"],
    ['Timestamp(ns, "+00:00")', "time"],
    ["Timestamp(µs)", "time"],
    ["Dictionary(Int32, Int64)", "other"],
    ["Dictionary(Utf8, Utf8)", "other"],
    ["List(Utf8)", "other"],
    ["Float32", "other"],
    ["Int32", "other"],
    ["utf8", "other"],
    ["Timestamp", "other"],
    ["", "other"],
    ["constructor", "other"],
  ];
  for (const [printed, type] of types) {
    test(`"${printed}" is ${type}`, () => assert.equal(columnType(printed), type));
  }
});

describe("the question", () => {
  const sqlOf = (tables: readonly string[], prefix: string): string => {
    const question: unknown = JSON.parse(schemaQuestion({ database: "farm", tables, prefix }));
    assert.ok(typeof question === "object" && question !== null && "q" in question && "db" in question);
    assert.deepEqual([question.db, "format" in question && question.format], ["farm", "json"]);
    return String(question.q).replace(/^.* WHERE table_schema = 'iox' AND /, "");
  };

  test("names the tables and the prefix as literals", () => {
    assert.equal(
      sqlOf(["uplink", "it's; --"], "telemetry_"),
      "(starts_with(table_name, 'telemetry_') OR table_name IN ('uplink', 'it''s; --'))",
    );
  });

  test("without tables, without a prefix, and with neither", () => {
    assert.equal(sqlOf([], "o'"), "(starts_with(table_name, 'o'''))");
    assert.equal(sqlOf(["a"], ""), "(table_name IN ('a'))");
    assert.equal(sqlOf([], ""), "(false)");
  });
});

describe("an answer of 200", () => {
  const row = { table_name: "climate", column_name: "temperature", data_type: "Float64" };

  test("is the columns that it lists", () => {
    const body = JSON.stringify([
      row,
      { ...row, column_name: "dev_eui", data_type: "Dictionary(Int32, Utf8)" },
    ]);
    assert.deepEqual(classifySchema(answer(200, body)), {
      kind: "read",
      columns: [
        { table: "climate", column: "temperature", type: "float" },
        { table: "climate", column: "dev_eui", type: "tag" },
      ],
    });
    assert.deepEqual(classifySchema(answer(200, "[]")), { kind: "read", columns: [] });
  });

  const others: [what: string, body: string][] = [
    ["nothing", ""],
    ["a page", "<html><title>Sign in</title></html>"],
    ["an object", '{"columns":[]}'],
    ["null", "null"],
    ["a list of something else", '[["climate","temperature","Float64"]]'],
    ["a list with a null", JSON.stringify([row, null])],
    ["a row that lacks its type", JSON.stringify([row, { table_name: "a", column_name: "b" }])],
    ["a row whose type is a number", JSON.stringify([{ ...row, data_type: 7 }])],
    ["half a list", JSON.stringify([row]).slice(0, -5)],
  ];
  for (const [what, body] of others) {
    test(`with ${what} in it is not understood, and asked again`, () => {
      const outcome = classifySchema(answer(200, body));
      assert.equal(outcome.kind, "retry");
      assert.ok("fault" in outcome);
      assert.deepEqual([outcome.fault.code, outcome.fault.disposition], ["schema_not_understood", "retry"]);
    });
  }

  test("that was cut off is not believed, even where its beginning reads well", () => {
    const outcome = classifySchema(answer(200, "[]", { isWhole: false }));
    assert.equal(outcome.kind, "unavailable");
    assert.equal("fault" in outcome && outcome.fault.code, "schema_too_large");
  });
});

describe("another answer", () => {
  const statuses: [status: number, kind: string, code: string, disposition: string][] = [
    [204, "retry", "schema_not_understood", "retry"],
    [302, "retry", "schema_not_understood", "retry"],
    [400, "unavailable", "schema_unavailable", "drop"],
    [401, "retry", "write_unauthorized", "fatal"],
    [403, "unavailable", "schema_unreadable", "drop"],
    [408, "retry", "schema_server_error", "retry"],
    [422, "unavailable", "schema_unavailable", "drop"],
    [429, "retry", "schema_server_error", "retry"],
    [500, "retry", "schema_server_error", "retry"],
    [503, "retry", "schema_server_error", "retry"],
  ];
  for (const [status, kind, code, disposition] of statuses) {
    test(`${status} is "${kind}" with ${code}, and quotes the server`, () => {
      const outcome = classifySchema(answer(status, '{"error":"the words"}'));
      assert.equal(outcome.kind, kind);
      assert.ok("fault" in outcome);
      const { fault } = outcome;
      assert.deepEqual([fault.code, fault.disposition, fault.layer], [code, disposition, "write"]);
      assert.match(fault.message, new RegExp(`HTTP ${status}: the words`));
    });
  }

  test("a 404 is settled by what a request of no shape is answered", () => {
    assert.deepEqual(classifySchema(answer(404)), { kind: "not_found" });
    assert.deepEqual(classifyNotFound(answer(400, "serde json error: missing field `db`")), {
      kind: "read",
      columns: [],
    });
    for (const status of [404, 405]) assert.deepEqual(classifyNotFound(answer(status)), { kind: "no_path" });
    assert.deepEqual(classifySchema(answer(405)), { kind: "no_path" });
    const failing = classifyNotFound(answer(502));
    assert.deepEqual(
      [failing.kind, "fault" in failing && failing.fault.code],
      ["retry", "schema_server_error"],
    );
  });
});

describe("an answer over Flight", () => {
  const fault = (code: string, disposition: Disposition): Fault =>
    new Fault({ code, layer: "flight", disposition, message: "no" });

  test("is the same rows, or no schema", () => {
    const rows = [{ table_name: "uplink", column_name: "a", data_type: "UInt64" }];
    assert.deepEqual(classifyFlightSchema(rows), {
      kind: "read",
      columns: [{ table: "uplink", column: "a", type: "unsigned" }],
    });
    assert.deepEqual(classifyFlightSchema([]), { kind: "read", columns: [] });
    const strange = classifyFlightSchema([...rows, { a: 1n }]);
    assert.deepEqual(
      [strange.kind, "fault" in strange && strange.fault.code],
      ["later", "schema_not_understood"],
    );
  });

  test("that failed is asked again when that may help; a database that is missing has no columns", () => {
    const away = fault("connection_refused", "retry");
    assert.deepEqual(classifyFlightSchema(away), { kind: "later", fault: away });
    for (const code of ["server_not_http2", "flight_not_grpc", "flight_unsupported"]) {
      assert.equal(classifyFlightSchema(fault(code, "retry")).kind, "unavailable", code);
    }
    const forbidden = fault("flight_forbidden", "fatal");
    assert.deepEqual(classifyFlightSchema(forbidden), { kind: "unavailable", fault: forbidden });
    assert.deepEqual(classifyFlightSchema(fault("flight_database_missing", "fatal")), {
      kind: "read",
      columns: [],
    });
  });
});

test("no answer whatever makes it throw, and only 200 is ever a schema", () => {
  const columns = fc.json();
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), fc.oneof(fc.string(), columns), (status, body) => {
      const { kind } = classifySchema(answer(status, body));
      return kind !== "read" || status === 200;
    }),
  );
});
