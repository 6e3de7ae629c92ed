/** What the stand-in says to commands of Flight SQL that need no engine, and to those that mean harm. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import { DataType, Vector } from "apache-arrow";

import {
  FlightDescriptorSchema,
  FlightDescriptor_DescriptorType,
} from "../../../src/proto/flight/flight_pb.js";
import {
  ActionCreatePreparedStatementRequestSchema,
  CommandGetCrossReferenceSchema,
  CommandGetDbSchemasSchema,
  CommandGetExportedKeysSchema,
  CommandGetImportedKeysSchema,
  CommandGetPrimaryKeysSchema,
  CommandGetSqlInfoSchema,
  CommandGetTablesSchema,
  CommandGetXdbcTypeInfoSchema,
  TicketStatementQuerySchema,
} from "../../../src/proto/flight/flight_sql_pb.js";
import { ReadInfoSchema, ReadInfo_QueryType } from "../../../src/proto/iox/ticket_pb.js";
import { Secret } from "../../../src/lib/secret.ts";
import { startHandMade } from "./flight-fixture.ts";
import type { HandMadeServer } from "./flight-fixture.ts";
import {
  RawFlightSql,
  anyOf,
  farm,
  packed,
  preparedQuery,
  statement,
  ticketIn,
} from "./flight-sql-fixture.ts";

let server: HandMadeServer;
let client: RawFlightSql;
before(async () => {
  server = await startHandMade();
  client = new RawFlightSql(server.port);
});
after(async () => {
  client.close();
  await server.stop();
});

const garbage = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff);

async function infoRefusal(command: Uint8Array, headers?: Record<string, string>): Promise<[number, string]> {
  const info = await client.info(command, headers);
  assert.ok("code" in info);
  return [info.code, info.details];
}

describe("GetSqlInfo", () => {
  const infoOf = async (info: number[]): Promise<Map<unknown, unknown>> => {
    const table = await client.table(packed(CommandGetSqlInfoSchema, { info }));
    const value = table.getChild("value");
    assert.ok(DataType.isDenseUnion(value?.type));
    assert.deepEqual(
      value.type.children.map(({ name }) => name),
      [
        "string_value",
        "bool_value",
        "bigint_value",
        "int32_bitmask",
        "string_list",
        "int32_to_int32_list_map",
      ],
    );
    const codes = table.getChild("info_name");
    return new Map(
      Array.from({ length: table.numRows }, (_, row) => {
        const cell: unknown = value.get(row);
        return [codes?.get(row), cell instanceof Vector ? [...cell] : cell];
      }),
    );
  };

  test("says what InfluxDB says, each in its member of the union", async () => {
    const all = await infoOf([]);
    const expected = [
      [0, "InfluxDB IOx"],
      [1, "2"],
      [2, "1.3"],
      [3, true],
      [9, false],
      [100, 0],
      [503, 3],
      [504, '"'],
      [511, ["array", "arrow_typeof", "struct"]],
      [541, 2n ** 31n - 1n],
    ] as const;
    for (const [code, value] of expected) assert.deepEqual(all.get(code), value, String(code));
    const codes = [...all.keys()];
    assert.deepEqual(
      codes,
      [...codes].sort((a, b) => Number(a) - Number(b)),
    );
  });

  test("says no more than was asked, and nothing of what it does not know", async () => {
    assert.deepEqual(
      [...(await infoOf([9, 0, 4_000_000_000]))],
      [
        [0, "InfluxDB IOx"],
        [9, false],
      ],
    );
    assert.deepEqual([...(await infoOf([77]))], []);
  });
});

describe("types and keys", () => {
  test("the types are in the order of their numbers, or the one that was asked for", async () => {
    const all = await client.rows(packed(CommandGetXdbcTypeInfoSchema));
    assert.deepEqual(
      all.map((row) => [row["type_name"], row["data_type"], row["literal_prefix"]]),
      [
        ["INTEGER", 4, null],
        ["FLOAT", 6, null],
        ["INTERVAL", 10, "'"],
        ["VARCHAR", 12, "'"],
        ["TIMESTAMP", 93, "'"],
      ],
    );
    const [varchar, ...others] = await client.rows(packed(CommandGetXdbcTypeInfoSchema, { dataType: 12 }));
    assert.ok(varchar !== undefined && others.length === 0);
    assert.deepEqual([...(varchar["create_params"] as Iterable<string>)], ["length"]);
    assert.deepEqual(await client.rows(packed(CommandGetXdbcTypeInfoSchema, { dataType: 5 })), []);
  });

  const keys = {
    primary: packed(CommandGetPrimaryKeysSchema, { table: "room" }),
    exported: packed(CommandGetExportedKeysSchema, { table: "room" }),
    imported: packed(CommandGetImportedKeysSchema, { table: "room" }),
    crossed: packed(CommandGetCrossReferenceSchema, { pkTable: "room", fkTable: "room" }),
  };
  for (const [name, command] of Object.entries(keys)) {
    test(`there are no ${name} keys, of any table`, async () => {
      const table = await client.table(command);
      assert.equal(table.numRows, 0);
      const names = table.schema.fields.map((field) => field.name);
      assert.equal(names.length, name === "primary" ? 6 : 13);
      assert.ok(names.includes("key_sequence"));
    });
  }
});

describe("the database", () => {
  const command = packed(CommandGetDbSchemasSchema);

  test("stands in one of four headers, or in several that agree", async () => {
    for (const name of ["database", "bucket", "bucket-name", "iox-namespace-name"]) {
      assert.equal((await client.rows(command, { [name]: "farm" })).length, 3);
    }
    assert.equal((await client.rows(command, { database: "farm", bucket: "farm" })).length, 3);
  });

  test("is asked for where it is missing, ambiguous or not there", async () => {
    assert.deepEqual(await infoRefusal(command, {}), [3, "no 'database' header in request"]);
    assert.deepEqual(await infoRefusal(command, { bucket: "b", database: "farm" }), [
      3,
      'More than one headers are found in request: ["database", "bucket"]. Please include only one of them',
    ]);
    assert.deepEqual(await infoRefusal(command, { database: "nope" }), [
      13,
      "Cannot retrieve database: External error: database not found: nope",
    ]);
    const { code, details } = await client.act(command, {});
    assert.deepEqual([code, details], [3, "no 'database' header in request"]);
    assert.equal((await client.put(command, [], {})).code, 3);
  });

  test("is for those with a token", async (t) => {
    const guarded = await startHandMade({ auth: { token: new Secret("s3cret") } });
    const stranger = new RawFlightSql(guarded.port);
    t.after(async () => {
      stranger.close();
      await guarded.stop();
    });
    const refused = await stranger.info(command);
    assert.deepEqual("code" in refused && [refused.code, refused.details], [16, "Unauthenticated"]);
    const action = packed(ActionCreatePreparedStatementRequestSchema, { query: "SELECT 1" });
    assert.equal((await stranger.act(action)).code, 16);
    assert.equal((await stranger.put(preparedQuery(Buffer.from("SELECT 1")), [])).code, 16);
    assert.deepEqual(guarded.asked, []);
    const admitted = await stranger.info(command, { ...farm, authorization: "Bearer s3cret" });
    assert.ok("endpoint" in admitted);
  });
});

describe("is refused in InfluxDB's words", () => {
  test("what is no command", async () => {
    const prefix = "Error while planning Flight SQL : ";
    const type = "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementUpdate";
    assert.deepEqual(await infoRefusal(anyOf(type, new Uint8Array())), [
      3,
      `${prefix}Unsupported FlightSQL message type: ${type}`,
    ]);
    assert.deepEqual(await infoRefusal(packed(TicketStatementQuerySchema)), [
      3,
      `${prefix}Unsupported FlightSQL message type: type.googleapis.com/arrow.flight.protocol.sql.TicketStatementQuery`,
    ]);
    assert.match((await infoRefusal(garbage))[1], /^Error while planning Flight SQL : Invalid protobuf: /);
    const broken = anyOf("type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery", garbage);
    assert.match((await infoRefusal(broken))[1], /Parser error: Unable to decode Any value: /);
  });

  test("a descriptor that is no command", async () => {
    const refusalFor = async (type: FlightDescriptor_DescriptorType): Promise<unknown> => {
      const descriptor = create(FlightDescriptorSchema, { type, path: ["room"] });
      const info = await client.infoFor(toBinary(FlightDescriptorSchema, descriptor));
      return "code" in info ? [info.code, info.details] : info;
    };
    const { PATH, UNKNOWN } = FlightDescriptor_DescriptorType;
    assert.deepEqual(await refusalFor(PATH), [12, "Unsupported message type: FlightInfo with Path"]);
    assert.deepEqual(await refusalFor(UNKNOWN), [12, "Unsupported message type: FlightInfo of unknown type"]);
  });

  test("a command for another method", async () => {
    const create = packed(ActionCreatePreparedStatementRequestSchema, { query: "SELECT 1" });
    const [code, details] = await infoRefusal(create);
    assert.equal(code, 13);
    assert.match(details, /Protocol error\. Method GetFlightInfo does not expect /);
    assert.match((await client.act(statement("SELECT 1"))).details, /Method DoAction does not expect /);
    assert.match((await client.put(statement("SELECT 1"), [])).details, /Method DoPut does not expect /);
    const queryType = ReadInfo_QueryType.FLIGHT_SQL_MESSAGE;
    const ticket = packed(ReadInfoSchema, { database: "farm", queryType, flightsqlCommand: create });
    assert.match((await client.flight.ask(ticket)).details, /Method DoGet does not expect /);
  });

  test("a command as the ticket itself", async () => {
    const { code, details } = await client.flight.ask(statement("SELECT 1"));
    assert.equal(code, 13);
    assert.match(details, /database not found: type\.googleapis\.com\/arrow\.flight\.protocol\.sql\./);
  });

  test("a ticket with a broken command, or with two queries", async () => {
    const queryType = ReadInfo_QueryType.FLIGHT_SQL_MESSAGE;
    const flightsqlCommand = statement("SELECT 1");
    const tickets = [
      { database: "farm", queryType, flightsqlCommand: garbage },
      { database: "farm", queryType },
      { database: "farm", queryType, flightsqlCommand, sqlQuery: "SELECT 1" },
      { database: "farm", queryType: ReadInfo_QueryType.SQL, flightsqlCommand, sqlQuery: "SELECT 1" },
    ];
    for (const ticket of tickets) {
      const { code, details } = await client.flight.ask(packed(ReadInfoSchema, ticket));
      assert.deepEqual([code, details], [3, "Invalid ticket. Error: Invalid ticket"]);
    }
  });
});

test("a huge pattern is answered like any other", async () => {
  const pattern = "%a".repeat(500_000);
  const command = packed(CommandGetTablesSchema, { tableNameFilterPattern: pattern });
  assert.deepEqual(await client.rows(command), []);
});

test("a fault that is planted falls on a DoGet, and not on the way to it", async () => {
  const command = packed(CommandGetDbSchemasSchema);
  server.faults.nextQueries({ kind: "status", code: 14, details: "gone" });
  const info = await client.info(command);
  assert.ok("endpoint" in info);
  const { code, details } = await client.flight.ask(ticketIn(info));
  assert.deepEqual([code, details], [14, "gone"]);
  assert.equal(server.faults.seen.status, 1);
  assert.equal((await client.flight.ask(ticketIn(info))).code, 0);
});
