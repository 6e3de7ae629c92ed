import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Fault } from "../../../../src/lib/fault.ts";
import { encodeTicket, type TicketQuery } from "../../../../src/influx/flight/ticket.ts";

const query: TicketQuery = { text: "SELECT 1", database: "gateway" };

function ticket(more: Partial<TicketQuery>): string {
  return Buffer.from(encodeTicket({ ...query, ...more })).toString();
}

function refused(more: object, words: RegExp): void {
  assert.throws(
    () => encodeTicket({ ...query, ...more }),
    (error) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.code, "flight_bad_parameter");
      assert.equal(error.disposition, "drop");
      assert.match(error.message, words);
      return true;
    },
  );
}

test("a ticket is the JSON that InfluxDB's own clients send; InfluxQL stands in sql_query too", () => {
  assert.equal(ticket({}), '{"database":"gateway","sql_query":"SELECT 1","query_type":"sql"}');
  assert.equal(
    ticket({ language: "influxql", text: 'SHOW TAG KEYS FROM "a\\b"\n' }),
    '{"database":"gateway","sql_query":"SHOW TAG KEYS FROM \\"a\\\\b\\"\\n","query_type":"influxql"}',
  );
  assert.equal(ticket({ params: {} }), ticket({}), "no parameters, no params");
});

test("parameters that are false, 0, empty or null are sent", () => {
  const params = { no: false, zero: 0, nothing: "", nil: null, nought: 0n };
  assert.match(
    ticket({ params }),
    /"params":\{"no":false,"zero":0\.0,"nothing":"","nil":null,"nought":0\}\}$/,
  );
});

test("a number is written so that no server takes it for an integer, a bigint so that none takes it for a float", () => {
  const rows: readonly (readonly [number | bigint, string])[] = [
    [5, "5.0"],
    [-5, "-5.0"],
    [-0, "-0.0"],
    [0.1, "0.1"],
    [2 ** 53, "9007199254740992.0"],
    [1e20, "100000000000000000000.0"],
    [1e21, "1e+21"],
    [1e-7, "1e-7"],
    [Number.MAX_VALUE, "1.7976931348623157e+308"],
    [Number.MIN_VALUE, "5e-324"],
    [5n, "5"],
    [-5n, "-5"],
    [2n ** 53n + 1n, "9007199254740993"],
    [-(2n ** 63n), "-9223372036854775808"],
    [2n ** 64n - 1n, "18446744073709551615"],
  ];
  for (const [value, text] of rows) {
    assert.equal(ticket({ params: { x: value } }).split('"x":')[1], `${text}}}`);
  }
});

test("what a ticket carries is what was given, whatever it is", () => {
  const value = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: "binary" }),
  );
  const name = fc.stringMatching(/^[A-Za-z0-9_]{1,20}$/).filter((key) => key !== "__proto__");
  const text = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(text, text, fc.dictionary(name, value), (sql, database, params) => {
      const read = JSON.parse(ticket({ text: sql, database, params })) as Record<string, unknown>;
      assert.equal(read["sql_query"], sql);
      assert.equal(read["database"], database);
      assert.deepEqual({ ...(read["params"] as object | undefined) }, { ...params });
    }),
  );
});

test("what InfluxDB cannot bind is refused here, where the reason can be said", () => {
  refused({ params: { x: Number.NaN } }, /x is NaN/);
  refused({ params: { x: Infinity } }, /x is Infinity/);
  refused({ params: { x: 2n ** 64n } }, /more than 64 bits/);
  refused({ params: { x: -(2n ** 63n) - 1n } }, /more than 64 bits/);
  refused({ params: { x: undefined } }, /of type undefined/);
  refused({ params: { x: new Date(0) } }, /of type object/);
  refused({ params: { x: [1] } }, /of type object/);
  refused({ params: { $from: "a" } }, /cannot be named "\$from"/);
  refused({ params: { "": 1 } }, /cannot be named ""/);
  refused(
    { params: { ["a".repeat(65)]: 1 } },
    /the name of a query parameter, "a{64}…", is 65 characters long$/,
  );
  assert.match(ticket({ params: { ["a".repeat(64)]: 1 } }), /"a{64}":1\.0/);
  refused({ params: { x: "half \ud83d" } }, /parameter x contains half a character/);
  refused({ text: "\udc00" }, /the query contains half a character/);
  refused({ text: "x".repeat(5_000_000) }, /5000056 bytes/);
});
