/** Flight SQL against a server that really listens: where an answer lies, and how it is fetched. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import {
  CommandGetCrossReferenceSchema,
  CommandGetDbSchemasSchema,
  CommandGetExportedKeysSchema,
  CommandGetSqlInfoSchema,
  CommandGetTablesSchema,
  CommandGetXdbcTypeInfoSchema,
  CommandStatementQuerySchema,
} from "../../src/proto/flight/flight_sql_pb.js";
import type { FlightStream } from "../../src/influx/flight/api.ts";
import type { Reply } from "../support/flight-server.ts";
import { at, encapsulated, here, sqlStage, unpackCommand } from "../support/flight-sql-stage.ts";
import { waitFor } from "../support/wait.ts";
import { batchMessage, isFault, messages, rowsFrom, schemaMessage } from "../unit/influx/flight/fixture.ts";

async function send(reply: Reply, ...batches: readonly number[]): Promise<void> {
  for (const message of messages(...batches)) await reply.send(message);
}

async function untilOver({ signal }: Reply): Promise<void> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const readsAll = { doGet: async (_: Uint8Array, reply: Reply) => await send(reply, 3) };

describe("a question", () => {
  test("is the command of the specification, whatever is asked", async () => {
    const seen: [string, Uint8Array][] = [];
    await using on = await sqlStage({
      ...readsAll,
      info: (command) => {
        seen.push(unpackCommand(command));
        return here("x");
      },
    });
    const { sql } = on.client;
    const table = { catalog: "public", schema: "iox", table: "room" };
    const asked: FlightStream[] = [
      sql.statement("SELECT '°'"),
      sql.catalogs(),
      sql.schemas({ pattern: "i%" }),
      sql.tables({ schemaPattern: "iox", tablePattern: "r_om", types: ["VIEW"], includeSchema: true }),
      sql.tableTypes(),
      sql.sqlInfo([0, 3]),
      sql.typeInfo(-7),
      sql.primaryKeys(table),
      sql.exportedKeys(table),
      sql.importedKeys({ table: "room" }),
      sql.crossReference(table, { table: "other" }),
    ];
    for (const stream of asked) assert.equal((await stream.all()).numRows, 3);
    assert.deepEqual(
      seen.map(([type]) => type),
      [
        "CommandStatementQuery",
        "CommandGetCatalogs",
        "CommandGetDbSchemas",
        "CommandGetTables",
        "CommandGetTableTypes",
        "CommandGetSqlInfo",
        "CommandGetXdbcTypeInfo",
        "CommandGetPrimaryKeys",
        "CommandGetExportedKeys",
        "CommandGetImportedKeys",
        "CommandGetCrossReference",
      ],
    );
    const value = (index: number): Uint8Array => seen[index]?.[1] ?? assert.fail("it was not asked");
    assert.equal(fromBinary(CommandStatementQuerySchema, value(0)).query, "SELECT '°'");
    const schemas = fromBinary(CommandGetDbSchemasSchema, value(2));
    assert.deepEqual([schemas.catalog, schemas.dbSchemaFilterPattern], [undefined, "i%"]);
    const tables = fromBinary(CommandGetTablesSchema, value(3));
    assert.deepEqual(
      [tables.dbSchemaFilterPattern, tables.tableNameFilterPattern, tables.tableTypes, tables.includeSchema],
      ["iox", "r_om", ["VIEW"], true],
    );
    assert.deepEqual(fromBinary(CommandGetSqlInfoSchema, value(5)).info, [0, 3]);
    assert.equal(fromBinary(CommandGetXdbcTypeInfoSchema, value(6)).dataType, -7);
    const keys = fromBinary(CommandGetExportedKeysSchema, value(8));
    assert.deepEqual([keys.catalog, keys.dbSchema, keys.table], ["public", "iox", "room"]);
    const cross = fromBinary(CommandGetCrossReferenceSchema, value(10));
    assert.deepEqual([cross.pkTable, cross.pkDbSchema, cross.fkTable], ["room", "iox", "other"]);
    assert.equal(cross.fkDbSchema, undefined);
  });

  test("sends nothing before the first pull, then database, token and one request id with both calls", async () => {
    await using on = await sqlStage(readsAll);
    const stream = on.client.sql.statement("SELECT 1", { requestId: "r-7", metadata: { "iox-debug": "1" } });
    await sleep(20);
    assert.deepEqual(on.methods, []);
    assert.deepEqual(await stream.rows().collect(), rowsFrom(0, 3));
    assert.deepEqual(on.methods, ["GetFlightInfo", "DoGet"]);
    for (const headers of on.server.metadata) {
      assert.deepEqual(
        [headers["database"], headers["x-request-id"], headers["iox-debug"], headers.authorization],
        ["farm", "r-7", "1", "Bearer apiv3_s3cret"],
      );
    }
    assert.equal(on.server.connections, 1);
    await on.client.sql.statement("SELECT 1", { database: "barn" }).all();
    assert.deepEqual(on.server.metadata.map((headers) => headers["database"]).slice(2), ["barn", "barn"]);
  });

  test("is read in four ways, each of which gives the same", async () => {
    await using on = await sqlStage({ doGet: async (_, reply) => await send(reply, 10, 0, 20) });
    const ask = (): FlightStream => on.client.sql.statement("SELECT 1");
    const all = ask();
    assert.equal((await all.all()).numRows, 30);
    assert.deepEqual(await ask().rows().collect(), rowsFrom(0, 30));
    const sizes: number[] = [];
    for await (const { batch } of ask().chunks()) sizes.push(batch.numRows);
    assert.deepEqual(sizes, [10, 20]);
    const reader = await ask().reader();
    assert.equal(reader.columns[0]?.influx?.kind, "timestamp");
    assert.equal((await reader.next())?.numRows, 10);
    reader.cancel();
    const { rows, keepAlives, attempts } = await all.ended;
    assert.deepEqual([rows, keepAlives, attempts], [30, 1, 1]);
  });

  test("that no server could read is refused before anything is sent", async () => {
    await using on = await sqlStage(readsAll);
    await assert.rejects(
      on.client.sql.statement("\ud83d").all(),
      isFault("flight_bad_parameter", /surrogate/),
    );
    const long = "x".repeat(4 * 1024 * 1024);
    await assert.rejects(on.client.sql.statement(long).all(), isFault("flight_bad_parameter", /bytes long/));
    await assert.rejects(on.client.sql.prepare("\ud83d"), isFault("flight_bad_parameter"));
    const half = "x\ud800";
    const { sql } = on.client;
    const asked: FlightStream[] = [
      sql.schemas({ catalog: half }),
      sql.schemas({ pattern: half }),
      sql.tables({ tablePattern: half }),
      sql.tables({ schemaPattern: half }),
      sql.tables({ types: ["VIEW", half] }),
      sql.primaryKeys({ table: half }),
      sql.importedKeys({ table: "room", schema: half }),
      sql.crossReference({ table: "room" }, { table: "other", catalog: half }),
    ];
    const refused = isFault("flight_bad_parameter", /"x\ufffd" contains half a character/);
    for (const stream of asked) await assert.rejects(stream.all(), refused);
    assert.deepEqual(on.methods, []);
  });
});

describe("an answer", () => {
  test("in several places is fetched in their order, as one", async () => {
    await using on = await sqlStage({
      info: () => here("a", "b", "c"),
      doGet: async (ticket, reply) => {
        await reply.send(schemaMessage);
        const from = { a: 0, b: 5, c: 5 }[String(Buffer.from(ticket))] ?? assert.fail("no such ticket");
        if (Buffer.from(ticket).toString() !== "b") await reply.send(batchMessage(5, from));
      },
    });
    assert.deepEqual(await on.client.sql.statement("SELECT 1").rows().collect(), rowsFrom(0, 10));
    assert.deepEqual(on.methods, ["GetFlightInfo", "DoGet", "DoGet", "DoGet"]);
  });

  test("has no silence before a later part of it begins, only in it", async () => {
    await using on = await sqlStage({
      info: () => here("a", "b"),
      doGet: async (ticket, reply, call) => {
        if (text(ticket) === "b") await sleep(300);
        await reply.send(schemaMessage);
        await reply.send(batchMessage(5, call === 1 ? 0 : 5));
        if (call === 4) await untilOver(reply);
      },
    });
    const asked = { silenceMs: 100, retry: "never" } as const;
    assert.deepEqual(await on.client.sql.statement("SELECT 1", asked).rows().collect(), rowsFrom(0, 10));
    const stalled = isFault("flight_stalled", /after 10 rows/);
    await assert.rejects(on.client.sql.statement("SELECT 1", asked).all(), stalled);
  });

  test("whose reader leaves in the middle ends on the server", async () => {
    await using on = await sqlStage({
      info: () => here("a", "b"),
      doGet: async (ticket, reply) => {
        await send(reply, 5);
        if (text(ticket) === "b") await untilOver(reply);
      },
    });
    let rows = 0;
    for await (const _ of on.client.sql.statement("SELECT 1").rows()) {
      rows += 1;
      if (rows > 5) break;
    }
    await waitFor(() => on.server.cancels === 1, { what: "the end of the call" });
    assert.deepEqual(on.methods, ["GetFlightInfo", "DoGet", "DoGet"]);
  });

  test("of which a later part has no schema is not taken for all of it", async () => {
    await using on = await sqlStage({
      info: () => here("a", "b"),
      doGet: async (_, reply, call) => {
        if (call === 1) await send(reply, 5);
      },
    });
    const whole = on.client.sql.statement("SELECT 1").all();
    await assert.rejects(whole, isFault("flight_bad_stream", /without a schema/));
  });

  test("that lies nowhere is the schema and no rows", async () => {
    await using on = await sqlStage({ info: () => ({ schema: encapsulated(schemaMessage.header) }) });
    const rows = on.client.sql.statement("SELECT 1").rows();
    assert.deepEqual(
      (await rows.columns()).map(({ name }) => name),
      ["time", "value", "count"],
    );
    assert.deepEqual(await rows.collect(), []);
    assert.deepEqual(on.methods, ["GetFlightInfo"]);
  });

  test("may lie on the same connection or at our own address; elsewhere nobody gets our token", async () => {
    let locations: readonly string[] = [];
    await using on = await sqlStage({ ...readsAll, info: () => ({ endpoint: [at("x", ...locations)] }) });
    const own = `127.0.0.1:${on.server.port}`;
    const fine = [
      ["arrow-flight-reuse-connection://?"],
      [`grpc+tcp://${own}`],
      [`grpc://${own}/`],
      ["grpc+tls://elsewhere:443", "arrow-flight-reuse-connection://?"],
    ];
    for (locations of fine)
      assert.equal((await on.client.sql.catalogs().all()).numRows, 3, String(locations));
    const fetched = on.methods.length;
    const foreign = [
      "grpc+tls://elsewhere.example:443",
      `grpc+tls://${own}`,
      `grpc://127.0.0.1:${on.server.port + 1}`,
      `http://${own}`,
      "not a\nlocation",
    ];
    for (const location of foreign) {
      locations = [location];
      await assert.rejects(on.client.sql.catalogs().all(), isFault("flight_other_location", /^[^\n]*$/));
    }
    assert.deepEqual(new Set(on.methods.slice(fetched)), new Set(["GetFlightInfo"]));
  });

  test("is asked for anew from the beginning while nobody has seen rows of it", async () => {
    await using on = await sqlStage({
      info: (_, reply, call) => {
        if (call > 1) return here("x");
        reply.fail(14, "starting");
        return undefined;
      },
      doGet: async (_, reply, call) => {
        if (call === 1) reply.fail(14, "leaving");
        else await send(reply, 3);
      },
    });
    const stream = on.client.sql.statement("SELECT 1");
    assert.deepEqual(await stream.rows().collect(), rowsFrom(0, 3));
    assert.equal((await stream.ended).attempts, 3);
    assert.deepEqual(on.methods, ["GetFlightInfo", "GetFlightInfo", "DoGet", "GetFlightInfo", "DoGet"]);
  });
});
