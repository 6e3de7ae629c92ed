/** Tickets are read as InfluxDB reads them: three encodings, exact numbers, one text for all that is wrong. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";

import {
  QueryParam_NullValue,
  ReadInfoSchema,
  ReadInfo_QueryType,
} from "../../../src/proto/iox/ticket_pb.js";
import { GrpcStatus } from "../../../src/sandbox/influxdb/flight/grpc-status.ts";
import { decodeTicket } from "../../../src/sandbox/influxdb/flight/ticket.ts";
import { jsonTicket } from "./flight-fixture.ts";

const readInfo = create(ReadInfoSchema, {
  database: "farm",
  sqlQuery: "SELECT $a",
  queryType: ReadInfo_QueryType.INFLUX_QL,
  isDebug: true,
  params: [
    { name: "a", value: { case: "null", value: QueryParam_NullValue.UNSPECIFIED } },
    { name: "b", value: { case: "boolean", value: false } },
    { name: "c", value: { case: "uInt64", value: 2n ** 64n - 1n } },
    { name: "d", value: { case: "int64", value: -5n } },
    { name: "e", value: { case: "float64", value: 5 } },
    { name: "f", value: { case: "string", value: "" } },
  ],
});
const decoded = {
  database: "farm",
  language: "influxql",
  text: "SELECT $a",
  parameters: { a: null, b: false, c: 2n ** 64n - 1n, d: -5n, e: 5, f: "" },
};

test("a bare ReadInfo", () => {
  assert.deepEqual(decodeTicket(toBinary(ReadInfoSchema, readInfo)), decoded);
});

test("a ReadInfo in an Any", () => {
  const typeUrl = "type.googleapis.com/influxdata.iox.querier.v1.ReadInfo";
  const any = create(AnySchema, { typeUrl, value: toBinary(ReadInfoSchema, readInfo) });
  assert.deepEqual(decodeTicket(toBinary(AnySchema, any)), decoded);
});

describe("JSON", () => {
  for (const name of ["database", "namespace_name", "bucket", "bucket-name"]) {
    test(`the database as "${name}"`, () => {
      const { database, language } = decodeTicket(jsonTicket({ [name]: "farm", sql_query: "q", more: 1 }));
      assert.deepEqual([database, language], ["farm", "sql"]);
    });
  }

  const numbers: readonly (readonly [text: string, value: unknown])[] = [
    ["0", 0n],
    ["5", 5n],
    ["5.0", 5],
    ["-5", -5n],
    ["1e3", 1000],
    ["-0", -0],
    ["9007199254740993", 9007199254740993n],
    ["18446744073709551615", 2n ** 64n - 1n],
    ["-9223372036854775808", -(2n ** 63n)],
    ["18446744073709551616", 2 ** 64],
    ["-9223372036854775809", -(2 ** 63)],
    ["false", false],
    ["null", null],
    ['""', ""],
    ['"5"', "5"],
  ];
  for (const [text, value] of numbers) {
    test(`the parameter ${text} is ${String(value)}, a ${typeof value}`, () => {
      const ticket = jsonTicket(`{"database":"d","sql_query":"q","params":{"p":${text}},"is_debug":true}`);
      const query = decodeTicket(ticket);
      assert.ok(query.language !== "flightsql");
      const { p } = query.parameters;
      assert.ok(Object.is(p, value), String(p));
    });
  }

  const wrong: readonly string[] = [
    "{",
    "[]",
    "null",
    '{"sql_query":"q"}',
    '{"database":"d"}',
    '{"database":"d","query":"q"}',
    '{"database":"d","bucket":"d","sql_query":"q"}',
    '{"database":5,"sql_query":"q"}',
    '{"database":"d","sql_query":"q","query_type":"SQL"}',
    '{"database":"d","sql_query":"q","query_type":"flux"}',
    '{"database":"d","sql_query":"q","is_debug":1}',
    '{"database":"d","sql_query":"q","params":[]}',
    '{"database":"d","sql_query":"q","params":{"a":[]}}',
    '{"database":"d","sql_query":"q","params":{"a":{}}}',
  ];
  for (const text of wrong) {
    test(`is no ticket: ${text}`, () => {
      assert.throws(
        () => decodeTicket(jsonTicket(text)),
        (error) =>
          error instanceof GrpcStatus &&
          error.code === 3 &&
          error.details === "Invalid ticket. Error: Invalid ticket",
      );
    });
  }

  test("bytes that are no UTF-8 are no ticket", () => {
    assert.throws(() => decodeTicket(Uint8Array.of(0x7b, 0xff, 0x7d)), GrpcStatus);
  });
});

test("nothing at all is a ReadInfo of defaults, as it is to protobuf", () => {
  const empty = { database: "", language: "sql", text: "", parameters: {} };
  assert.deepEqual(decodeTicket(new Uint8Array()), empty);
});
