/** What Flight SQL of the stand-in tells about its tables, over its engine, with grpc-js and Arrow's reader. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  CommandGetCatalogsSchema,
  CommandGetDbSchemasSchema,
  CommandGetTableTypesSchema,
  CommandGetTablesSchema,
} from "../../src/proto/flight/flight_sql_pb.js";
import { startInfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import type { InfluxStandIn } from "../../src/sandbox/influxdb/server.ts";
import { ask, flushIntervalMs, write } from "../support/stand-in.ts";
import { RawFlightSql, packed, schemaIn } from "../unit/sandbox/flight-sql-fixture.ts";

const start = 1_700_000_000_123_456_789n;
const lines = [
  `room,dev=a,site=x temperature=20.5,count=9223372036854775807i,size=18446744073709551615u ${start}`,
  `room,dev=b temperature=-0.1,isOn=true,note="n" ${start + 1n}`,
  `room_2 f=1 ${start}`,
  `roomX f=1 ${start}`,
  `Größe_ f=1 ${start}`,
];

let server: InfluxStandIn;
let client: RawFlightSql;
before(async () => {
  server = await startInfluxStandIn({ flushIntervalMs });
  client = new RawFlightSql(server.port);
  assert.deepEqual(await write(server, lines.join("\n")), [204, ""]);
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify({ db: "empty" }) };
  assert.equal((await ask(server, "/api/v3/configure/database", init)).status, 200);
});
after(async () => {
  client.close();
  await server.stop();
});

describe("what there is", () => {
  const informationViews = [
    "columns",
    "df_settings",
    "parameters",
    "routines",
    "schemata",
    "tables",
    "views",
  ];
  const namesOf = async (init: object, headers?: Record<string, string>): Promise<unknown[]> =>
    (await client.rows(packed(CommandGetTablesSchema, init), headers)).map((row) => row["table_name"]);

  test("one catalog, three schemas, two types of tables", async () => {
    assert.deepEqual(await client.rows(packed(CommandGetCatalogsSchema)), [{ catalog_name: "public" }]);
    assert.deepEqual(await client.rows(packed(CommandGetDbSchemasSchema)), [
      { catalog_name: "public", db_schema_name: "information_schema" },
      { catalog_name: "public", db_schema_name: "iox" },
      { catalog_name: "public", db_schema_name: "system" },
    ]);
    assert.deepEqual(await client.rows(packed(CommandGetTableTypesSchema)), [
      { table_type: "BASE TABLE" },
      { table_type: "VIEW" },
    ]);
  });

  test("schemas are found by catalog and pattern", async () => {
    const schemas = async (init: object): Promise<unknown[]> =>
      (await client.rows(packed(CommandGetDbSchemasSchema, init))).map((row) => row["db_schema_name"]);
    assert.deepEqual(await schemas({ dbSchemaFilterPattern: "%s%m%" }), ["information_schema", "system"]);
    assert.deepEqual(await schemas({ dbSchemaFilterPattern: "i_x", catalog: "public" }), ["iox"]);
    assert.deepEqual(await schemas({ catalog: "" }), []);
    assert.deepEqual(await schemas({ catalog: "pub%" }), []);
    assert.deepEqual(await schemas({ dbSchemaFilterPattern: "" }), []);
  });

  test("tables are found by schema, name and type", async () => {
    const own = ["Größe_", "room", "roomX", "room_2"];
    assert.deepEqual(await namesOf({ dbSchemaFilterPattern: "iox" }), own);
    assert.deepEqual(await namesOf({ dbSchemaFilterPattern: "iox", tableNameFilterPattern: "room_" }), [
      "roomX",
    ]);
    assert.deepEqual(await namesOf({ tableNameFilterPattern: String.raw`room\_%` }), ["room_2"]);
    assert.deepEqual(await namesOf({ tableNameFilterPattern: "Gr__e_" }), ["Größe_"]);
    assert.deepEqual(await namesOf({ tableNameFilterPattern: "ROOM" }), []);
    assert.deepEqual(await namesOf({ tableTypes: ["VIEW"] }), informationViews);
    assert.deepEqual(await namesOf({ tableTypes: ["TABLE"] }), []);
    const all = await namesOf({ tableTypes: ["VIEW", "BASE TABLE"] });
    assert.deepEqual(all, await namesOf({}));
    assert.deepEqual(all.slice(0, 11), [...informationViews, ...own]);
    assert.ok(all.includes("parquet_files"));
    assert.deepEqual(await namesOf({ catalog: "other" }), []);
  });

  test("a database without tables has none", async () => {
    const headers = { database: "empty" };
    assert.deepEqual(await namesOf({ dbSchemaFilterPattern: "iox" }, headers), []);
    const filter = { dbSchemaFilterPattern: "iox", includeSchema: true };
    const table = await client.table(packed(CommandGetTablesSchema, filter), headers);
    assert.deepEqual(
      table.schema.fields.map(({ name, nullable }) => [name, nullable]),
      [
        ["catalog_name", true],
        ["db_schema_name", true],
        ["table_name", false],
        ["table_type", false],
        ["table_schema", false],
      ],
    );
  });

  test("ODBC's word for a table is for the asking", async () => {
    const headers = { database: "farm", "x-influxdata-base-table-type": "table" };
    assert.deepEqual(await client.rows(packed(CommandGetTableTypesSchema), headers), [
      { table_type: "TABLE" },
      { table_type: "VIEW" },
    ]);
    assert.equal((await namesOf({ dbSchemaFilterPattern: "iox", tableTypes: ["TABLE"] }, headers)).length, 4);
    const wrong = { database: "farm", "x-influxdata-base-table-type": "tables" };
    const { code, details } = await client.read(packed(CommandGetTableTypesSchema), wrong);
    assert.equal(code, 3);
    assert.match(details, /Invalid base table type: 'tables'/);
  });

  test("a table's schema says what each column is", async () => {
    const filter = { tableNameFilterPattern: "room", dbSchemaFilterPattern: "iox", includeSchema: true };
    const [row] = await client.rows(packed(CommandGetTablesSchema, filter));
    const bytes = row?.["table_schema"];
    assert.ok(bytes instanceof Uint8Array);
    const schema = schemaIn(Uint8Array.from(bytes));
    assert.deepEqual(
      schema.fields.map(({ name, type, metadata }) => [
        name,
        String(type),
        metadata.get("iox::column::type"),
      ]),
      [
        ["count", "Int64", "iox::column_type::field::integer"],
        ["dev", "Dictionary<Int32, Utf8>", "iox::column_type::tag"],
        ["isOn", "Bool", "iox::column_type::field::boolean"],
        ["note", "Utf8", "iox::column_type::field::string"],
        ["site", "Dictionary<Int32, Utf8>", "iox::column_type::tag"],
        ["size", "Uint64", "iox::column_type::field::uinteger"],
        ["temperature", "Float64", "iox::column_type::field::float"],
        ["time", "Timestamp<NANOSECOND>", "iox::column_type::timestamp"],
      ],
    );
  });
});
