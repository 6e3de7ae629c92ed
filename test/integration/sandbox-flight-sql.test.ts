/** Flight SQL of the stand-in over its engine, with grpc-js and Arrow's reader as the judge. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  Utf8,
  Vector,
  makeData,
  vectorFromArray,
  Table,
  TimestampNanosecond,
  Int64,
  Float64,
  Uint64,
} from "apache-arrow";

import {
  ActionClosePreparedStatementRequestSchema,
  CommandGetCatalogsSchema,
} from "../../src/proto/flight/flight_sql_pb.js";
import { ReadInfoSchema, ReadInfo_QueryType } from "../../src/proto/iox/ticket_pb.js";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { flushIntervalMs, write } from "../support/stand-in.ts";
import { rowsIn } from "../unit/sandbox/flight-fixture.ts";
import {
  RawFlightSql,
  fieldsIn,
  packed,
  preparedQuery,
  rowOf,
  schemaIn,
  statement,
  ticketIn,
  unpacked,
} from "../unit/sandbox/flight-sql-fixture.ts";

const start = 1_700_000_000_123_456_789n;
const lines = [
  `room,dev=a,site=x temperature=20.5,count=9223372036854775807i,size=18446744073709551615u ${start}`,
  `room,dev=b temperature=-0.1,isOn=true,note="n" ${start + 1n}`,
];

let server: InfluxStandIn;
let client: RawFlightSql;
before(async () => {
  server = await startInfluxStandIn({ flushIntervalMs });
  client = new RawFlightSql(server.port);
  assert.deepEqual(await write(server, lines.join("\n")), [204, ""]);
});
after(async () => {
  client.close();
  await server.stop();
});

const roomFields = [
  ["count", "Int64", true],
  ["dev", "Utf8", true],
  ["isOn", "Bool", true],
  ["note", "Utf8", true],
  ["site", "Utf8", true],
  ["size", "Uint64", true],
  ["temperature", "Float64", true],
  ["time", "Timestamp<NANOSECOND>", false],
];

describe("a statement", () => {
  test("has one endpoint, no location, its schema, and a ticket that stands for itself", async () => {
    const command = statement("SELECT * FROM room ORDER BY time");
    const info = await client.info(command);
    assert.ok("endpoint" in info);
    assert.ok(Buffer.from(command).equals(info.flightDescriptor?.cmd ?? Buffer.alloc(0)));
    assert.deepEqual([info.totalRecords, info.totalBytes, info.ordered], [-1n, -1n, false]);
    assert.deepEqual(info.endpoint[0]?.location, []);
    assert.deepEqual(fieldsIn(info.schema), roomFields);
    const readInfo = unpacked(ReadInfoSchema, ticketIn(info));
    assert.equal(readInfo.queryType, ReadInfo_QueryType.FLIGHT_SQL_MESSAGE);
    assert.deepEqual([readInfo.database, readInfo.sqlQuery], ["farm", ""]);
    assert.ok(Buffer.from(command).equals(readInfo.flightsqlCommand));
    // DoGet needs no header of a database.
    const { code, messages } = await client.flight.ask(ticketIn(info));
    assert.equal(code, 0);
    assert.deepEqual(
      rowsIn(messages).map(({ dev, time, temperature }) => ({ dev, time, temperature })),
      [
        { dev: "a", time: start, temperature: 20.5 },
        { dev: "b", time: start + 1n, temperature: -0.1 },
      ],
    );
  });

  test("marks the columns of a table, and no others", async () => {
    const info = await client.info(statement("SELECT time, dev, temperature + 1 AS t FROM room"));
    assert.ok("endpoint" in info);
    assert.deepEqual(
      schemaIn(info.schema).fields.map(({ metadata }) => metadata.get("iox::column::type")),
      ["iox::column_type::timestamp", "iox::column_type::tag", undefined],
    );
  });

  test("is refused before there is a ticket, where it cannot be planned", async () => {
    const info = await client.info(statement("SELECT * FROM nope"));
    assert.ok("code" in info);
    assert.equal(info.code, 3);
    assert.match(info.details, /^Error while planning query: .*table 'public\.iox\.nope' not found/);
  });

  test("is InfluxQL where the header says so, and only a statement is", async () => {
    const headers = { database: "farm", "x-influxdata-query-language": "influxql" };
    const info = await client.info(statement("SELECT temperature FROM room WHERE dev = 'a'"), headers);
    assert.ok("endpoint" in info);
    assert.equal(unpacked(ReadInfoSchema, ticketIn(info)).queryType, ReadInfo_QueryType.INFLUX_QL);
    const { messages } = await client.flight.ask(ticketIn(info));
    assert.deepEqual(rowsIn(messages), [{ "iox::measurement": "room", time: start, temperature: 20.5 }]);
    assert.deepEqual(await client.rows(packed(CommandGetCatalogsSchema), headers), [
      { catalog_name: "public" },
    ]);
    const refused = await client.info(statement("DELETE FROM room"), headers);
    assert.equal("code" in refused && refused.code, 3);
  });
});

describe("a prepared statement", () => {
  test("has the schema of its result and the names of its placeholders", async () => {
    const query = "SELECT * FROM room WHERE dev = $dev AND temperature > $least -- $no '$no'\nOR site = $dev";
    const made = await client.prepare(query);
    assert.deepEqual(fieldsIn(made.datasetSchema), roomFields);
    assert.deepEqual(fieldsIn(made.parameterSchema), [
      ["$dev", "Null", true],
      ["$least", "Null", true],
    ]);
    assert.deepEqual(fieldsIn((await client.prepare("SELECT 1 AS n")).parameterSchema), []);
  });

  test("is run with the parameters that were bound, of the new handle only", async () => {
    const { preparedStatementHandle: handle } = await client.prepare(
      "SELECT time FROM room WHERE dev = $dev",
    );
    const bound = await client.bind(handle, rowOf({ dev: ["b", "a"] }));
    assert.deepEqual(await client.rows(preparedQuery(bound)), [{ time: start + 1n }]);
    assert.deepEqual(await client.rows(preparedQuery(await client.bind(bound, rowOf({ dev: ["a"] })))), [
      { time: start },
    ]);
    const { code, details } = await client.read(preparedQuery(handle));
    assert.equal(code, 3);
    assert.match(
      details,
      /^Error while logically planning query: .*No value found for placeholder with name \$dev/,
    );
  });

  test("binds every type as it is", async () => {
    const { preparedStatementHandle: handle } = await client.prepare(
      "SELECT $i AS i, $u AS u, $f AS f, $t AS t, $b AS b, $d AS d, $n IS NULL AS n, $quote AS quote",
    );
    const parameters = new Table({
      i: vectorFromArray([-5n], new Int64()),
      u: vectorFromArray([2n ** 64n - 1n], new Uint64()),
      f: vectorFromArray([5], new Float64()),
      t: vectorFromArray(["ü"], new Utf8()),
      b: vectorFromArray([true]),
      d: vectorFromArray(["of a dictionary"]),
      n: vectorFromArray([null], new Utf8()),
      quote: vectorFromArray(["it's '; DROP TABLE room; --"], new Utf8()),
    });
    const bound = await client.bind(handle, parameters);
    const [row] = await client.rows(preparedQuery(bound));
    assert.deepEqual(row, {
      i: -5n,
      u: 2n ** 64n - 1n,
      f: 5,
      t: "ü",
      b: true,
      d: "of a dictionary",
      n: true,
      quote: "it's '; DROP TABLE room; --",
    });
  });

  test("compares a time to the nanosecond", async () => {
    const query = "SELECT dev FROM room WHERE time > $since";
    const { preparedStatementHandle: handle } = await client.prepare(query);
    const type = new TimestampNanosecond();
    const data = makeData({ type, length: 1, nullCount: 0, data: BigInt64Array.of(start) });
    const bound = await client.bind(handle, new Table({ since: new Vector([data]) }));
    assert.deepEqual(await client.rows(preparedQuery(bound)), [{ dev: "b" }]);
  });

  test("may be its text, as older handles were", async () => {
    const handle = Buffer.from("SELECT dev FROM room ORDER BY dev");
    assert.deepEqual(await client.rows(preparedQuery(handle)), [{ dev: "a" }, { dev: "b" }]);
  });

  test("is closed without a trace", async () => {
    const { preparedStatementHandle } = await client.prepare("SELECT 1 AS n");
    const close = packed(ActionClosePreparedStatementRequestSchema, { preparedStatementHandle });
    const { code, messages } = await client.act(close);
    assert.deepEqual([code, messages.map((body) => body.length)], [0, [0]]);
    assert.deepEqual(await client.rows(preparedQuery(preparedStatementHandle)), [{ n: 1n }]);
  });
});
